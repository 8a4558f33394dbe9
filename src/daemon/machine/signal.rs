//! Whether the signal file causes an unrequested baseline. Pure.
//!
//! The re-init DaemonSet writes the id of a request, or the hash of a configuration, into the file.
//! The node status requests the same, and is usually faster.

use std::collections::VecDeque;

use super::baseline::KnownBaseline;
use crate::api::{DesiredNodeState, names};

/// Maximum number of texts that are remembered. A pod of the re-init DaemonSet may start long after
/// its request was done, and after others were done.
const MAX_EXPLAINED: usize = 32;

/// The signal file, and what explains it.
#[derive(Clone, Debug, Default)]
pub(super) struct Signal {
    text: Option<String>,
    /// Texts that the node status has requested, newest last.
    explained: VecDeque<String>,
}

impl Signal {
    pub(super) fn set(&mut self, text: &str) {
        self.text = Some(text.trim().to_owned());
    }

    pub(super) fn clear(&mut self) {
        self.text = None;
    }

    pub(super) fn is_set(&self) -> bool {
        self.text.is_some()
    }

    /// Remembers what the node status requests, or reports as done.
    pub(super) fn explain(&mut self, desired: &DesiredNodeState, done: Option<&str>) {
        let config = desired.config_hash.as_ref();
        let config = config.map(|hash| format!("{}{hash}", names::CONFIG_SIGNAL));
        let request = desired.reinit_request.clone();
        for text in [request, done.map(str::to_owned), config]
            .into_iter()
            .flatten()
        {
            self.remember(text);
        }
    }

    fn remember(&mut self, text: String) {
        if self.explained.back() == Some(&text) {
            return;
        }
        self.explained.retain(|known| *known != text);
        if self.explained.len() >= MAX_EXPLAINED {
            self.explained.pop_front();
        }
        self.explained.push_back(text);
    }

    /// Whether the signal requests a new baseline for no new configuration.
    pub(super) fn requests_acceptance(&self) -> bool {
        let text = self.text.as_deref();
        text.is_some_and(|text| !text.starts_with(names::CONFIG_SIGNAL))
    }

    /// Whether the signal requests something that was desired once and is not desired any more.
    pub(super) fn is_superseded(&self, desired: &DesiredNodeState) -> bool {
        let Some(text) = &self.text else {
            return false;
        };
        let is_desired = match text.strip_prefix(names::CONFIG_SIGNAL) {
            Some(hash) => desired.config_hash.as_deref() == Some(hash),
            None => desired.reinit_request.as_ref() == Some(text),
        };
        !is_desired && self.explained.contains(text)
    }

    /// Whether the signal requests this baseline, or is that of the request `done`.
    pub(super) fn is_done(&self, baseline: &KnownBaseline, done: Option<&str>) -> bool {
        let Some(text) = self.text.as_deref().filter(|text| !text.is_empty()) else {
            return false;
        };
        match text.strip_prefix(names::CONFIG_SIGNAL) {
            Some(hash) => hash == baseline.config_hash,
            None => done == Some(text),
        }
    }
}
