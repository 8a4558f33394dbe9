//! Settings of the state machine. Pure.

use std::time::Duration;

/// Settings that do not change while a daemon runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Pause between the end of a scan and the next.
    pub interval: Duration,
    /// Fraction of the interval (0 to 1) for the pause after the first scan. It differs by node, so that
    /// nodes that start together do not write together.
    pub first_fraction: f64,
    /// `spec.config.onBaselineLoss` is `error`: a lost baseline is reported, and not created again.
    pub error_on_loss: bool,
    /// The state directory in the spec, if there is one.
    pub state_dir: Option<String>,
}
