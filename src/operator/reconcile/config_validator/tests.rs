//! Tests of the validator and its cache.

use super::*;
use crate::aide::config::prepare;
use crate::testing::aide_binary::{AIDE, script};

const STATE: &str = "/etc/kubernetes";

/// A validator with this script as AIDE. `$ONCE` is the path of a file for the script.
fn validator(dir: &std::path::Path, program: &str) -> ConfigValidator {
    let once = dir.join("once");
    let aide = script(dir, &format!("ONCE={}\n{program}", once.display()));
    ConfigValidator::new(Checker::new(aide, dir.to_owned()))
}

#[tokio::test]
async fn after_aide_was_killed_a_text_is_checked_again_in_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let program = format!(
        "[ -e $ONCE ] || {{ : > $ONCE; kill -9 $$; }}\nexec {} \"$@\"",
        AIDE.display()
    );
    let validator = validator(dir.path(), &program);
    let text = "/etc p+sha256\n";
    let ConfigVerdict::Unchecked { message } = validator
        .validate(text, STATE, Quoting::Full)
        .await
        .unwrap()
    else {
        panic!("no answer")
    };
    assert!(message.starts_with("AIDE error: killed by signal 9"));
    // The next reconcile does not check it again.
    let first = validator
        .validate(text, STATE, Quoting::Full)
        .await
        .unwrap();
    assert!(matches!(first, ConfigVerdict::Unchecked { .. }));
    if let Some(known) = validator.cache.lock().unwrap().first_mut() {
        known.at -= RECHECK_AFTER;
    }
    let second = validator
        .validate(text, STATE, Quoting::Full)
        .await
        .unwrap();
    assert!(matches!(second, ConfigVerdict::Good { .. }), "{second:?}");
    assert_eq!(validator.cache.lock().unwrap().len(), 1);
}

#[test]
fn answers_do_not_expire_and_missing_answers_do_after_a_minute() {
    let message = || "m".to_owned();
    let at = Instant::now();
    for (verdict, expected) in [
        (ConfigVerdict::Refused { message: message() }, true),
        (ConfigVerdict::Unchecked { message: message() }, false),
    ] {
        let cached = CachedVerdict {
            key: String::new(),
            verdict,
            at,
        };
        assert!(cached.is_valid(at + Duration::from_secs(59)));
        assert_eq!(cached.is_valid(at + Duration::from_secs(60)), expected);
    }
}

#[test]
fn the_cache_has_a_maximum_size() {
    let dir = tempfile::tempdir().unwrap();
    let validator = validator(dir.path(), "exit 0");
    let large = |byte: &str| ConfigVerdict::Good {
        config: ActiveConfig {
            conf: byte.repeat(450_000),
            effective: byte.repeat(450_000),
        },
        warnings: Vec::new(),
    };
    for number in 0..40 {
        validator.cache(number.to_string(), large("x"));
    }
    let size: usize = validator
        .cache
        .lock()
        .unwrap()
        .iter()
        .map(CachedVerdict::size)
        .sum();
    assert!((MAX_CACHE - 900_000..=MAX_CACHE).contains(&size), "{size}");
    assert!(validator.cached("39", Instant::now()).is_some());
    assert!(validator.cached("0", Instant::now()).is_none());
    let message = "m".to_owned();
    (40..200).for_each(|number| {
        let message = message.clone();
        validator.cache(number.to_string(), ConfigVerdict::Refused { message });
    });
    assert_eq!(validator.cache.lock().unwrap().len(), MAX_VERDICTS);
}

#[test]
fn a_configuration_that_does_not_fit_into_a_config_map_is_refused() {
    let text = |lines: usize| "/etc/some/file/of/a/long/list p+sha256\n".repeat(lines);
    let validated = |lines| {
        let prepared = prepare(&text(lines), "/etc/kubernetes", "/hostroot").unwrap();
        verdict(Verdict::Good(prepared))
    };
    assert!(matches!(validated(1_000), ConfigVerdict::Good { .. }));
    let ConfigVerdict::Refused { message } = validated(11_000) else {
        panic!("too large")
    };
    assert!(
        message.starts_with("the configuration is too large: "),
        "{message}"
    );
}
