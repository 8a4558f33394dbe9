//! Logs, health endpoints and metrics.

pub(crate) mod health;
pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod requests;
