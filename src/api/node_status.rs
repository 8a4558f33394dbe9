//! `FileIntegrityNodeStatus`: the state of one node of a FileIntegrity.
//!
//! The operator creates, annotates and deletes it; the daemon on the node writes all other fields. It has no spec
//! and no status subresource, like the one of the original operator. Its doc comments are the
//! descriptions in the API.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::acceptance::{AcceptanceResult, AnnouncedResult};
use super::accepted::Accepted;
use super::change_kind::ChangeKind;
use super::desired_node_state::DesiredNodeState;
use super::hold::NodeHold;
use super::realtime::{Actor, RealtimeStatus, Trigger};
use super::scan_month::ScanMonth;
use super::{GROUP, VERSION};

/// FileIntegrityNodeStatus contains the scan results of one node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FileIntegrityNodeStatus {
    /// Name, labels, owner, and the desired state of the node as annotations.
    #[schemars(skip)]
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Name of the node.
    #[serde(default)]
    pub node_name: String,
    /// The latest result of each condition: at most one Succeeded, one Failed and one Errored result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ScanResult>,
    /// The latest result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<ScanResult>,
    /// The current baseline of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The latest re-initialization request that the daemon has completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinit: Option<CompletedRequest>,
    /// The latest request for an additional scan that the daemon has completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<CompletedRequest>,
    /// Holds of the spec that hold the node, or have ended, and what follows is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<NodeHold>,
    /// The latest answer of the daemon to an acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<AcceptanceResult>,
    /// What the node has accepted of the acceptances that list their changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announced: Vec<AnnouncedResult>,
    /// State of realtime detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime: Option<RealtimeStatus>,
    /// Time at which the latest scan of all files ended.
    #[serde(
        default,
        deserialize_with = "super::time::lenient_optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_full_scan: Option<Time>,
    /// Scans of all files by month (UTC), such as 2026-11. The last 14 months with a scan are kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scan_months: BTreeMap<String, ScanMonth>,
}

/// Result of a scan.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScanResult {
    /// Condition of the node: Succeeded (no changes), Failed (changes found) or Errored (the scan
    /// ended with an error, or its result is not trustworthy).
    pub condition: Condition,
    /// Time at which the scan ended.
    #[serde(deserialize_with = "super::time::lenient")]
    pub last_probe_time: Time,
    /// What caused the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Number of files added since the baseline.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_added: i64,
    /// Number of files changed since the baseline.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_changed: i64,
    /// Number of files removed since the baseline.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_removed: i64,
    /// Name of the ConfigMap with AIDE's report of this scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_config_map_name: Option<String>,
    /// Namespace of the ConfigMap with AIDE's report of this scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_config_map_namespace: Option<String>,
    /// Error message of an Errored result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Class of the error, from a fixed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// The first 20 changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeEntry>,
    /// Hash (sha256, hex) of all changes: paths, kinds of change, and new values of attributes except
    /// times, inode, link count and block count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_hash: Option<String>,
    /// Version of the calculation of changesHash. Hashes of different versions are never equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_hash_version: Option<i64>,
    /// The first 12 digits of changesHash, for display. Unset if the hash does not cover all changes with
    /// their new values, because AIDE's report was truncated: such a result belongs to no change set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<String>,
    /// Hash (sha256, hex) of the paths of all changes and the kinds of change, whatever the new values
    /// are. Only lastResult has it, if it has changeSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths_hash: Option<String>,
    /// The first 20 rules that do not watch all their paths behind a symbolic link on this node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwatched_rules: Vec<UnwatchedRule>,
    /// Number of files that the latest scan of all files checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_scanned: Option<i64>,
    /// Duration of the latest scan of all files in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_milliseconds: Option<i64>,
}

/// Condition of a node after a scan.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// No file differs from the baseline.
    Succeeded,
    /// At least one file differs from the baseline.
    Failed,
    /// The scan ended with an error.
    Errored,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Errored => "Errored",
        })
    }
}

/// A changed path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ChangeEntry {
    /// Path on the node. Bytes that are not printable are escaped as \ooo.
    pub path: String,
    /// Kind of change: added, changed or removed.
    pub kind: ChangeKind,
    /// Attributes of a changed file that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The process that made the change, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
}

/// A rule that does not watch all its paths behind a symbolic link on the node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnwatchedRule {
    /// Line number in the configuration, starting with 1.
    pub line: i64,
    /// The symbolic link. Bytes that are not printable are escaped as \ooo.
    pub link: String,
    /// Reason why the target of the link is not watched as the rule specifies.
    pub reason: String,
}

/// Baseline of a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Time at which the baseline was created.
    #[serde(deserialize_with = "super::time::lenient")]
    pub created_at: Time,
    /// Hash (sha256, hex) of the configuration of the baseline.
    pub config_hash: String,
    /// Hash (sha256, hex) of the uncompressed database.
    pub digest: String,
    /// Number of files in the baseline.
    pub entries: i64,
    /// Version of AIDE that created the baseline.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub aide_version: String,
    /// Directory of the baseline on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<String>,
    /// False if nobody requested the baseline: it replaced a lost one, an unknown signal file was found, or an
    /// upgrade accepted changes that were reported.
    pub requested: bool,
    /// What the baseline accepted when it replaced another one. Missing if nothing differed, or if there was none
    /// to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// A completed request for a re-initialization or a scan.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CompletedRequest {
    /// ID of the request, as in the annotation reinit-request or scan-request.
    pub id: String,
    /// Time at which the daemon started to execute it.
    #[serde(deserialize_with = "super::time::lenient")]
    pub started_at: Time,
    /// Time at which it was done.
    #[serde(deserialize_with = "super::time::lenient")]
    pub finished_at: Time,
}

impl FileIntegrityNodeStatus {
    /// Name and UID of the FileIntegrity that controls this object.
    pub fn owner(&self) -> Option<(&str, &str)> {
        let owners = self
            .metadata
            .owner_references
            .as_deref()
            .unwrap_or_default();
        owners
            .iter()
            .find(|o| o.controller == Some(true) && o.kind == super::FILE_INTEGRITY_KIND)
            .map(|o| (o.name.as_str(), o.uid.as_str()))
    }

    /// The desired state of the node.
    pub fn desired(&self) -> DesiredNodeState {
        let annotations = self.metadata.annotations.as_ref();
        annotations
            .map(DesiredNodeState::from_annotations)
            .unwrap_or_default()
    }

    /// The value of an annotation.
    #[cfg(any(test, feature = "testing"))]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata
            .annotations
            .as_ref()?
            .get(key)
            .map(String::as_str)
    }

    /// The condition of the latest result.
    #[cfg(any(test, feature = "testing"))]
    pub fn condition(&self) -> Option<Condition> {
        self.last_result.as_ref().map(|r| r.condition)
    }
}

impl ScanResult {
    /// A result with only a condition and a time.
    pub fn new(condition: Condition, at: Time) -> Self {
        Self {
            condition,
            last_probe_time: at,
            trigger: None,
            files_added: 0,
            files_changed: 0,
            files_removed: 0,
            result_config_map_name: None,
            result_config_map_namespace: None,
            error_message: None,
            error_class: None,
            changes: Vec::new(),
            changes_hash: None,
            changes_hash_version: None,
            change_set: None,
            paths_hash: None,
            unwatched_rules: Vec::new(),
            files_scanned: None,
            duration_milliseconds: None,
        }
    }
}

impl Resource for FileIntegrityNodeStatus {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "FileIntegrityNodeStatus".into()
    }
    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "fileintegritynodestatuses".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
