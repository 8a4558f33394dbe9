//! The configuration to run AIDE with. Pure.

use super::event::Action;

/// The loaded configuration, and the one that is being loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    /// Hash of the loaded configuration.
    loaded: Option<String>,
    loading: Option<String>,
}

impl Config {
    pub(super) fn loaded(&self) -> Option<&str> {
        self.loaded.as_deref()
    }

    /// Takes a configuration that was loaded. Returns false if another one is desired since loading
    /// has begun.
    pub(super) fn take(&mut self, hash: String, desired: Option<&str>) -> bool {
        if self.loaded.is_some() && desired.is_some_and(|desired| desired != hash) {
            return false;
        }
        self.loaded = Some(hash);
        self.loading = None;
        true
    }

    /// Loads the desired configuration, unless it is loaded or being loaded.
    pub(super) fn request(&mut self, desired: &str, actions: &mut Vec<Action>) {
        if self.loaded.as_deref() == Some(desired) {
            if self.loading.take().is_some() {
                actions.push(Action::StopLoading);
            }
        } else if self.loading.as_deref() != Some(desired) {
            self.loading = Some(desired.to_owned());
            actions.push(Action::LoadConfig(desired.to_owned()));
        }
    }
}
