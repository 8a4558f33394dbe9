//! The status of a FileIntegrityAcceptance. Its doc comments are the descriptions in the API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::AcceptanceState;

/// Maximum number of nodes in a status.
pub(crate) const MAX_NODES_IN_STATUS: usize = 500;

/// Observed state of a FileIntegrityAcceptance.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FileIntegrityAcceptanceStatus {
    /// Conditions: Complete (no other node gets a new baseline) and Failed (the acceptance has no effect).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Number of nodes in each state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<AcceptanceCounts>,
    /// The first 500 nodes: those that refused first, then those that wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeOutcome>,
    /// UID of the FileIntegrity. Another one with the same name is not included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_integrity_uid: Option<String>,
    /// Hash (sha256, hex) of the configuration with which the nodes show the set. Nodes with another one are not
    /// included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// Name of the ConfigMap with the accepted changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Time until which this object and its evidence are kept. The operator deletes both afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_until: Option<Time>,
}

/// Number of nodes in each state.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct AcceptanceCounts {
    /// Number of nodes that have shown the set.
    pub matched: i64,
    /// Number of nodes with a new baseline.
    pub accepted: i64,
    /// Number of nodes that kept their baseline, for example because they changed again.
    pub refused: i64,
    /// Number of nodes that have not answered yet.
    pub waiting: i64,
}

/// What has become of an acceptance on a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeOutcome {
    /// Name of the node.
    pub name: String,
    /// State of the node: Waiting, Accepted or Refused.
    pub state: AcceptanceState,
    /// Reason of a refusal, or why the node has not got the request yet, from a fixed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Explanation of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Time at which the node answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Hash (sha256, hex) of the database before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<String>,
    /// Hash (sha256, hex) of the database of the new baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_digest: Option<String>,
}
