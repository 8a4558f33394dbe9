//! Logs, health endpoints and metrics.

pub mod health;
pub mod logging;
pub mod metrics;
pub mod requests;
