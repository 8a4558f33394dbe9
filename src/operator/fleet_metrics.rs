//! Metrics about FileIntegrities and nodes, which the leader exports. Pure, except for the values of
//! the metrics.
//!
//! Counters count each change once. A write that changed nothing, and a change that an outdated cache
//! shows again, are not counted. A write whose answer was lost is counted when the next reconcile shows
//! that it was carried out. Changes from before this operator began to lead were counted by another
//! one. Gauges are derived from the current objects, so they are right at once. When the last status of
//! a node is deleted, its series are removed.

mod acceptance_counters;
mod counted;
mod daemon_set_counters;
mod daemon_sets;
mod file_integrity_counters;
mod gauges;
mod node_counters;
mod recorder;

pub(crate) use self::daemon_sets::{DaemonSetRef, DaemonSetVersion, WriteOutcome};
pub(crate) use self::recorder::FleetMetrics;

#[cfg(test)]
mod tests;
