//! The labels of the metrics.
//!
//! Every label has a limited number of values: nodes and FileIntegrity objects have series only while they
//! exist, change sets only while they are among the largest, all other values are from fixed sets.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

/// A phase of a FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PhaseLabel {
    /// The name of the phase.
    pub phase: &'static str,
}

/// An error of a FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorLabel {
    /// The reason, from a fixed set.
    pub error: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NodeLabel {
    /// The name of the node.
    pub node: Arc<str>,
}

/// The trigger of a re-initialization.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReinitLabels {
    /// `config`, `demand`, `missing` or `node`.
    pub by: &'static str,
    /// The node, or an empty string if it is not about one node.
    pub node: Arc<str>,
}

/// The condition of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ConditionLabels {
    /// The name of the condition.
    pub condition: &'static str,
    /// The name of the node.
    pub node: Arc<str>,
}

/// An error of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NodeErrorLabels {
    /// The name of the error class.
    pub error: &'static str,
    /// The name of the node.
    pub node: Arc<str>,
}

/// A state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NodeStateLabels {
    /// The name of the node.
    pub node: Arc<str>,
    /// The state, from a fixed set.
    pub state: &'static str,
}

/// An operation on a DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OperationLabel {
    /// `update`, `delete` or `podkill`.
    pub operation: &'static str,
}

/// A state of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    /// The state, from a fixed set.
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FileIntegrityLabel {
    /// The name of the FileIntegrity.
    pub file_integrity: String,
}

/// How an acceptance ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AcceptanceLabels {
    /// The name of the FileIntegrity.
    pub file_integrity: String,
    /// `complete` or `failed`.
    pub outcome: &'static str,
}

/// A change set of a FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ChangeSetLabels {
    /// The name of the FileIntegrity.
    pub file_integrity: String,
    /// The ID of one of its largest sets, or `other`.
    pub change_set: String,
}

/// A kind of API objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    /// The kind, one of those that the operator watches.
    pub kind: String,
}

/// A step of a reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StepLabel {
    /// The step, `observe` or `apply`.
    pub step: &'static str,
}

/// A version of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct VersionLabel {
    pub(super) version: &'static str,
}
