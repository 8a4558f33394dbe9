//! Which configuration runs while the one that is wished for cannot be put into effect. Pure.
//!
//! Whoever may edit ConfigMaps may edit the active one, and AIDE runs as root on the nodes. So its text
//! counts only where the nodes were already told its hash, which stands in their statuses.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;

use super::build::ActiveConfig;
use crate::aide::config::config_hash;
use crate::api::names;

/// What runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The configuration, where it is known.
    pub config: Option<ActiveConfig>,
    /// Its hash. It may be known without the configuration: nodes that have it go on with it.
    pub hash: Option<String>,
    /// Nodes run one, or several amid a roll-out, and nobody knows the text any more.
    pub is_lost: bool,
}

impl Running {
    /// This configuration runs.
    pub fn of(config: ActiveConfig) -> Self {
        Self {
            hash: Some(config_hash(&config.effective)),
            config: Some(config),
            is_lost: false,
        }
    }

    /// What goes on running: the configuration that was put into effect last, else that of the
    /// active ConfigMap if it is among the hashes that nodes are told, else what they are told.
    pub fn on(
        last_good: Option<&ActiveConfig>,
        active: Option<ActiveConfig>,
        told: &BTreeSet<&str>,
    ) -> Self {
        if let Some(good) = last_good {
            return Self::of(good.clone());
        }
        let active = active.map(Self::of);
        let is_told = |running: &Self| running.hash.as_deref().is_some_and(|h| told.contains(h));
        active.filter(is_told).unwrap_or_else(|| Self {
            config: None,
            hash: only(told).map(str::to_owned),
            is_lost: !told.is_empty(),
        })
    }
}

/// The one there is, unless there are more: of two nobody knows which is to be told to a new node.
fn only<'a>(told: &BTreeSet<&'a str>) -> Option<&'a str> {
    told.first().filter(|_| told.len() == 1).copied()
}

/// The configuration in an active ConfigMap.
pub fn held_by(active: &ConfigMap) -> Option<ActiveConfig> {
    let data = active.data.as_ref()?;
    Some(ActiveConfig {
        conf: data.get(names::KEY_AIDE_CONF)?.clone(),
        effective: data.get(names::KEY_EFFECTIVE_CONF)?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ActiveConfig {
        ActiveConfig {
            conf: text.to_owned(),
            effective: text.to_owned(),
        }
    }

    #[test]
    fn only_what_was_checked_or_told_runs() {
        let (good, edited, old) = (config("/etc p\n"), config("/none p\n"), config("/old p\n"));
        let hash = |config: &ActiveConfig| config_hash(&config.effective);
        let (told, told_old) = (hash(&good), hash(&old));
        let (both, one, none): (&[_], &[_], &[_]) = (&[&told, &told_old], &[&told], &[]);
        let known = |config: &ActiveConfig| Running::of(config.clone());
        let lost = Running {
            config: None,
            hash: Some(told.clone()),
            is_lost: true,
        };
        let of_several = Running {
            config: None,
            hash: None,
            is_lost: true,
        };
        let nothing = Running::default();
        let table = [
            ("as it was", None, Some(&good), one, known(&good)),
            ("remembered", Some(&good), Some(&good), one, known(&good)),
            ("edited", Some(&good), Some(&edited), one, known(&good)),
            (
                "edited, none told",
                Some(&good),
                Some(&edited),
                none,
                known(&good),
            ),
            ("gone", Some(&good), None, one, known(&good)),
            (
                "edited before a restart",
                None,
                Some(&edited),
                one,
                lost.clone(),
            ),
            ("gone before a restart", None, None, one, lost),
            ("amid a roll-out", None, Some(&old), both, known(&old)),
            (
                "edited amid a roll-out",
                None,
                Some(&edited),
                both,
                of_several.clone(),
            ),
            ("gone amid a roll-out", None, None, both, of_several),
            (
                "found before any node",
                None,
                Some(&edited),
                none,
                nothing.clone(),
            ),
            ("nothing", None, None, none, nothing),
        ];
        for (what, last_good, active, told, expected) in table {
            let told = told.iter().map(|told| told.as_str()).collect();
            let running = Running::on(last_good, active.cloned(), &told);
            assert_eq!(running, expected, "{what}");
        }
    }
}
