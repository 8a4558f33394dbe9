//! A table of what is known, and which configuration stays in effect.

use super::*;

fn config(text: &str) -> ActiveConfig {
    ActiveConfig {
        conf: text.to_owned(),
        effective: text.to_owned(),
    }
}

#[test]
fn only_checked_or_desired_configurations_stay_in_effect() {
    let (good, edited, old) = (config("/etc p\n"), config("/none p\n"), config("/old p\n"));
    let hash = |config: &ActiveConfig| config_hash(&config.effective);
    let (desired, desired_old) = (hash(&good), hash(&old));
    let (both, one, none): (&[_], &[_], &[_]) = (&[&desired, &desired_old], &[&desired], &[]);
    let known = |config: &ActiveConfig| EffectiveConfig::new(config.clone());
    let lost = EffectiveConfig {
        config: None,
        hash: Some(desired.clone()),
        is_lost: true,
    };
    let of_several = EffectiveConfig {
        config: None,
        hash: None,
        is_lost: true,
    };
    let nothing = EffectiveConfig::default();
    let table = [
        ("unchanged", None, Some(&good), one, known(&good)),
        ("remembered", Some(&good), Some(&good), one, known(&good)),
        ("edited", Some(&good), Some(&edited), one, known(&good)),
        (
            "edited, none desired",
            Some(&good),
            Some(&edited),
            none,
            known(&good),
        ),
        ("deleted", Some(&good), None, one, known(&good)),
        (
            "edited before a restart",
            None,
            Some(&edited),
            one,
            lost.clone(),
        ),
        ("deleted before a restart", None, None, one, lost),
        ("during a rollout", None, Some(&old), both, known(&old)),
        (
            "edited during a rollout",
            None,
            Some(&edited),
            both,
            of_several.clone(),
        ),
        ("deleted during a rollout", None, None, both, of_several),
        (
            "found before any node",
            None,
            Some(&edited),
            none,
            nothing.clone(),
        ),
        ("nothing", None, None, none, nothing),
    ];
    for (what, last_good, active, desired, expected) in table {
        let desired = desired.iter().map(|hash| hash.as_str()).collect();
        let effective = EffectiveConfig::keep(last_good, active.cloned(), &desired);
        assert_eq!(effective, expected, "{what}");
    }
}
