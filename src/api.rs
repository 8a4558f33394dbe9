//! The API types, and all names that operator and daemon share. Pure.
//!
//! The API group `fileintegrity.openshift.io/v1alpha1` is that of the original file-integrity-operator. Additional
//! fields are optional, so that existing objects remain valid.

pub mod condition;
pub mod crd;
pub mod desired_node_state;
pub mod error_class;
pub mod event_reason;
pub mod file_integrity;
mod named_enum;
pub mod names;
pub mod node_status;
pub mod object_name;
pub mod reference;
pub mod state_dir;
pub mod time;

pub use desired_node_state::{DesiredNodeState, HoldReason};
pub use error_class::{ErrorClass, ReportedErrorClass};
pub use event_reason::EventReason;
pub use file_integrity::{
    AideConfig, BaselineLoss, FileIntegrity, FileIntegritySpec, FileIntegrityStatus, NodeCounts,
    Phase, ProfileName, Resources, SecurityProfile,
};
pub use node_status::{
    Baseline, ChangeEntry, ChangeKind, Condition, FileIntegrityNodeStatus, Reinit, ScanResult,
    UnwatchedRule,
};

/// The API group of both kinds.
pub const GROUP: &str = "fileintegrity.openshift.io";
/// The version of both kinds.
pub const VERSION: &str = "v1alpha1";
/// The kind of the object that users create.
pub const FILE_INTEGRITY_KIND: &str = "FileIntegrity";
