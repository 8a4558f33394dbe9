//! The status of a FileIntegrity. Its doc comments are the descriptions in the API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as StatusCondition, Time};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Observed state of a FileIntegrity.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FileIntegrityStatus {
    /// Current phase: Pending, Initializing, Active or Error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Number of phase transitions. It distinguishes repeated transitions to the same phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_transitions: Option<i64>,
    /// Number of nodes in each state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
    /// Number of selected nodes in each state of realtime detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime: Option<RealtimeCounts>,
    /// Number of different sets of changes on the selected nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set_count: Option<i64>,
    /// The 20 change sets that most nodes show.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "skip_invalid"
    )]
    pub change_sets: Vec<ChangeSetSummary>,
    /// Conditions: Ready, `ConfigValid`, Degraded, `NodesExcluded` and Realtime.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "skip_invalid"
    )]
    pub conditions: Vec<StatusCondition>,
    /// Generation of the spec (metadata.generation) that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Deserializes a list and skips invalid elements. The API accepts timestamps in conditions that cannot be
/// represented (see [`crate::api::time`]). The operator replaces such a condition; it must not prevent
/// all FileIntegrity objects from being decoded.
fn skip_invalid<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let elements = Vec::<Value>::deserialize(deserializer)?;
    let read = |element| serde_json::from_value(element).ok();
    Ok(elements.into_iter().filter_map(read).collect())
}

/// Phase of a FileIntegrity.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The daemons are not deployed yet, or no node is selected.
    Pending,
    /// At least one reachable node has no baseline of the current configuration.
    Initializing,
    /// All reachable nodes have a baseline and are being scanned.
    Active,
    /// The configuration is invalid, or a node cannot be scanned.
    Error,
}

impl Phase {
    /// Its name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Initializing => "Initializing",
            Self::Active => "Active",
            Self::Error => "Error",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Number of nodes in each state.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Number of nodes that nodeSelector and tolerations select.
    pub selected: i64,
    /// Number of selected nodes with a baseline of the current configuration.
    pub initialized: i64,
    /// Number of selected nodes whose last scan found changes.
    pub failed: i64,
    /// Number of selected nodes whose last scan ended with an error.
    pub errored: i64,
    /// Number of selected nodes whose scans are held off.
    pub held: i64,
    /// Number of selected nodes that are not ready or have stopped reporting.
    pub stale: i64,
    /// Number of Linux nodes that match nodeSelector but are not selected, because their taints are not
    /// tolerated. See the condition `NodesExcluded`.
    #[serde(default)]
    pub not_selected: i64,
}

/// The same changes on one or several nodes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSetSummary {
    /// ID of the set: lastResult.changesHash of its nodes.
    pub id: String,
    /// Number of selected nodes that show the set.
    pub nodes: i64,
    /// Number of added files on each of these nodes.
    #[serde(default, skip_serializing_if = "crate::api::skipped::is_zero")]
    pub added: i64,
    /// Number of changed files on each of these nodes.
    #[serde(default, skip_serializing_if = "crate::api::skipped::is_zero")]
    pub changed: i64,
    /// Number of removed files on each of these nodes.
    #[serde(default, skip_serializing_if = "crate::api::skipped::is_zero")]
    pub removed: i64,
    /// Time since which the set is in this list.
    pub first_seen: Time,
    /// One of its nodes.
    pub example_node: String,
    /// The first changed path, as reported by the example node. The middle of a path of more than 256
    /// bytes is omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example_path: Option<String>,
    /// ID of the largest set with the same paths, if this is another one: new values differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_paths_as: Option<String>,
}

/// Number of selected nodes in each state of realtime detection.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RealtimeCounts {
    /// Number of selected nodes that report changes within about a second.
    pub active: i64,
    /// Number of selected nodes that report some changes only by periodic scans.
    pub degraded: i64,
    /// Number of selected nodes that report all changes only by periodic scans.
    pub unsupported: i64,
    /// Number of selected nodes on which realtime detection is starting.
    pub starting: i64,
    /// Number of selected nodes on which the spec disables realtime detection.
    pub off: i64,
}
