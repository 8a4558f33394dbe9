//! Which nodes a FileIntegrity selects, and whether a node is being updated. Pure.

pub(super) mod daemon_pod;
pub(super) mod excluded;
pub(super) mod selection;
pub(super) mod update;
