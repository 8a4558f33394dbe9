//! The API types, and all names that operator and daemon share. Pure.
//!
//! The API group `fileintegrity.openshift.io/v1alpha1` is that of the original file-integrity-operator. Additional
//! fields are optional, so that existing objects remain valid.

pub(crate) mod acceptance;
pub(crate) mod accepted;
pub(crate) mod change_kind;
pub(crate) mod change_set_id;
pub(crate) mod condition;
pub(crate) mod crd;
pub(crate) mod desired_node_state;
pub(crate) mod error_class;
pub(crate) mod event_reason;
pub(crate) mod file_integrity;
pub(crate) mod hold;
mod named_enum;
pub(crate) mod names;
pub(crate) mod node_status;
pub(crate) mod object_name;
pub(crate) mod realtime;
pub(crate) mod reference;
pub(crate) mod request_origin;
pub(crate) mod scan_month;
pub(crate) mod skipped;
pub(crate) mod state_dir;
pub(crate) mod time;

pub(crate) use acceptance::{
    AcceptanceConditionType, AcceptanceCounts, AcceptanceReason, AcceptedNodes, AnnouncedResult,
    ApprovedChange, Approver, DIGESTS, FileIntegrityAcceptanceSpec, FileIntegrityAcceptanceStatus,
    MAX_ANNOUNCED, MAX_NODES_IN_STATUS, NodeOutcome, RefusalReason, WaitingReason,
};
pub use acceptance::{
    AcceptanceRequest, AcceptanceResult, AcceptanceState, AnnouncedChanges, FileIntegrityAcceptance,
};
pub(crate) use accepted::{Accepted, AcceptedChange, AcceptedDifferences, AcceptedReason};
pub use change_kind::ChangeKind;
pub(crate) use change_set_id::ChangeSetId;
pub use desired_node_state::DesiredNodeState;
pub(crate) use desired_node_state::HoldReason;
pub use error_class::ErrorClass;
pub(crate) use error_class::ReportedErrorClass;
pub(crate) use event_reason::EventReason;
pub(crate) use file_integrity::{
    BaselineLoss, ChangeSetSummary, Exclusion, FileIntegritySpec, Output, OutputFormat,
    ProfileName, RealtimeCounts,
};
pub use file_integrity::{FileIntegrity, FileIntegrityStatus, NodeCounts, Phase};
pub(crate) use hold::Hold;
pub use hold::{HoldEnd, NodeHold, TimedHold};
pub use node_status::{Baseline, CompletedRequest, Condition, FileIntegrityNodeStatus, ScanResult};
pub(crate) use node_status::{ChangeEntry, UnwatchedRule};
pub use realtime::{
    Actor, RealtimeBackend, RealtimeReason, RealtimeState, RealtimeStatus, Trigger,
};
pub(crate) use realtime::{RealtimeActors, RealtimeMode};
pub(crate) use request_origin::RequestOrigin;
pub(crate) use scan_month::{ScanMonths, add_scan, month_of};

/// The API group of all kinds.
pub(crate) const GROUP: &str = "fileintegrity.openshift.io";
/// The version of all kinds.
pub(crate) const VERSION: &str = "v1alpha1";
/// The kind of the object that users create.
pub(crate) const FILE_INTEGRITY_KIND: &str = "FileIntegrity";
