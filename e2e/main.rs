//! End-to-end tests: the deployed operator and its daemons on a cluster with real nodes, seen the
//! way users and their tools see them.
//!
//! `make e2e` runs them on the cluster of `hack/cluster`. They run side by side: each takes the
//! nodes it needs from [`harness::lease`], since only one FileIntegrity may watch a node, and more
//! nodes in the cluster let more of them run at a time. Nothing here waits for a fixed time to see
//! something happen; that something does not happen is checked over further scans.

mod harness;

mod acceptances;
mod alerts;
mod baseline;
mod changes;
#[path = "../src/testing/chaos.rs"]
mod chaos;
mod config;
mod deploy;
mod docs;
mod helm;
mod logs;
mod memory;
mod metrics;
mod nodes;
mod quiet;
mod realtime;
mod reinit;
mod restarts;
mod security_profile;
mod soak;
mod spec;
