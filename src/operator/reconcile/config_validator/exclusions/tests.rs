//! Tests of the exclusions in a configuration.

use serde_json::json;

use super::*;
use crate::api::time;

const NOW: &str = "2026-01-02T03:04:05Z";

fn now() -> Time {
    Time(NOW.parse().unwrap())
}

fn exclusion(path: &str, until: Option<&str>) -> Exclusion {
    serde_json::from_value(json!({"path": path, "reason": "r", "until": until})).unwrap()
}

fn verdict_of(text: &str) -> ConfigVerdict {
    ConfigVerdict::Good {
        config: ActiveConfig {
            conf: text.to_owned(),
            effective: text.to_owned(),
        },
        warnings: vec!["w".to_owned()],
    }
}

fn effective(exclusions: &[Exclusion]) -> String {
    match with_exclusions(verdict_of("/hostroot/etc p\n"), exclusions, &now()) {
        ConfigVerdict::Good { config, warnings } => {
            assert_eq!(
                (config.conf, warnings),
                (config.effective.clone(), vec!["w".to_owned()])
            );
            config.effective
        }
        other => panic!("{other:?}"),
    }
}

fn refusal(text: &str, exclusions: &[Exclusion]) -> String {
    match with_exclusions(verdict_of(text), exclusions, &now()) {
        ConfigVerdict::Refused { message } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn exclusions_have_an_effect_until_they_end() {
    assert_eq!(effective(&[]), "/hostroot/etc p\n");
    let all = [
        exclusion("/etc/b", None),
        exclusion("/etc/a", Some("2026-01-02T03:04:06Z")),
        exclusion("/etc/over", Some(NOW)),
    ];
    let expected = "/hostroot/etc p\n# Excluded by spec.exclude of the FileIntegrity:\n\
                    # /etc/a\n-/hostroot/etc/a(/|$)\n# /etc/b\n-/hostroot/etc/b(/|$)\n";
    assert_eq!(effective(&all), expected);
    // Their order does not matter, so it creates no baseline.
    let [first, second, _] = all.clone();
    assert_eq!(effective(&[second, first]), expected);
    assert_eq!(next_end(&all, &now()), Some(Duration::from_secs(2)));
    assert_eq!(next_end(&all[..1], &now()), None);
}

#[test]
fn invalid_exclusions_are_refused_and_named() {
    let etc = "/hostroot/etc p\n";
    let message = refusal(etc, &[exclusion("/etc/../root", None)]);
    assert!(
        message.contains("/etc/../root is not valid: it must be absolute"),
        "{message}"
    );
    let message = refusal(etc, &[exclusion("/etc", None)]);
    assert_eq!(
        message,
        "spec.exclude excludes everything that the configuration watches"
    );
    let large = format!("/hostroot/etc p\n{}", "#\n".repeat(249_000));
    let long = format!("/etc/{}", "a".repeat(4000));
    assert!(refusal(&large, &[exclusion(&long, None)]).contains("too large"));
    // One that has ended has no effect.
    effective(&[exclusion("/etc", Some(NOW))]);
}

#[test]
fn a_configuration_that_cannot_be_used_stays_so() {
    let verdict = ConfigVerdict::Unknown;
    let exclusions = [exclusion("/etc/a", None)];
    assert_eq!(
        with_exclusions(verdict.clone(), &exclusions, &time::now()),
        verdict
    );
}
