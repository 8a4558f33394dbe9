//! Which configuration the nodes should scan with while the desired one cannot be used. Pure.
//!
//! Whoever may edit ConfigMaps may edit the active one, and AIDE runs as root on the nodes. So its text
//! is used only if its hash is one that the node statuses already have as the desired one.

use std::collections::BTreeSet;

use super::build::ActiveConfig;
use crate::aide::config::config_hash;

/// The configuration that the nodes should scan with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EffectiveConfig {
    /// The text, if it is known.
    pub(crate) config: Option<ActiveConfig>,
    /// The hash. It may be known without the text: nodes that have the configuration keep it.
    pub(crate) hash: Option<String>,
    /// The nodes use a configuration whose text this operator does not know.
    pub(crate) is_lost: bool,
}

impl EffectiveConfig {
    pub(crate) fn new(config: ActiveConfig) -> Self {
        Self {
            hash: Some(config_hash(&config.effective)),
            config: Some(config),
            is_lost: false,
        }
    }

    /// What stays in effect: the last good configuration that this operator has seen. Otherwise that of
    /// the active ConfigMap, if its hash is among those `desired` of the nodes. Otherwise the only hash
    /// that is desired.
    pub(crate) fn keep(
        last_good: Option<&ActiveConfig>,
        active: Option<ActiveConfig>,
        desired: &BTreeSet<&str>,
    ) -> Self {
        if let Some(good) = last_good {
            return Self::new(good.clone());
        }
        let is_desired = |kept: &Self| {
            kept.hash
                .as_deref()
                .is_some_and(|hash| desired.contains(hash))
        };
        active
            .map(Self::new)
            .filter(is_desired)
            .unwrap_or_else(|| Self {
                config: None,
                hash: only(desired).map(str::to_owned),
                is_lost: !desired.is_empty(),
            })
    }
}

/// The only element. Of two hashes, it is not known which one a new node should have.
fn only<'a>(hashes: &BTreeSet<&'a str>) -> Option<&'a str> {
    hashes.first().filter(|_| hashes.len() == 1).copied()
}

#[cfg(test)]
mod tests;
