//! Whether a node's operating system is being updated. Pure.

use crate::operator::cache::node::{CachedNode, MachineConfig};

/// The state of a node's update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateState {
    /// The node's files are being changed.
    InProgress,
    /// The annotations do not agree: an update has just begun or ended. A hold stays as it is.
    Unsettled,
    /// There is no update.
    None,
}

impl CachedNode {
    /// The state of the node's update; with `by_cordon`, a cordoned node counts as being updated.
    pub(crate) fn update(&self, by_cordon: bool) -> UpdateState {
        let by_machine_config = self
            .machine_config
            .as_ref()
            .map_or(UpdateState::None, from_machine_config);
        match by_machine_config {
            UpdateState::None if by_cordon && self.cordoned => UpdateState::InProgress,
            update => update,
        }
    }
}

fn from_machine_config(config: &MachineConfig) -> UpdateState {
    let is_current = config.current == config.desired;
    match config.state.as_str() {
        "Working" if !is_current => UpdateState::InProgress,
        "Done" if is_current => UpdateState::None,
        "Degraded" => UpdateState::None,
        _ => UpdateState::Unsettled,
    }
}

#[cfg(test)]
mod tests;
