//! `FileIntegrityAcceptance`: a user accepts a set of changes, or a list of changes, the operator reports which nodes have
//! new baselines.

mod announced;
mod changes;
mod condition;
mod node;
mod spec;
mod status;

#[cfg(test)]
mod tests;

pub use self::announced::AnnouncedChanges;
pub(crate) use self::announced::{AnnouncedResult, MAX_ANNOUNCED};
pub(crate) use self::changes::{ApprovedChange, DIGESTS};
pub(crate) use self::condition::{AcceptanceConditionType, AcceptanceReason};
pub use self::node::{AcceptanceRequest, AcceptanceResult, AcceptanceState};
pub(crate) use self::node::{RefusalReason, WaitingReason};
pub use self::spec::FileIntegrityAcceptance;
pub(crate) use self::spec::{AcceptedNodes, Approver, FileIntegrityAcceptanceSpec};
pub(crate) use self::status::{
    AcceptanceCounts, FileIntegrityAcceptanceStatus, MAX_NODES_IN_STATUS, NodeOutcome,
};
