//! `FileIntegrityNodeStatus`: what is known of one node under one FileIntegrity.
//!
//! The operator creates, annotates and deletes it; the node's daemon writes everything else. It
//! has no spec and no status subresource, because the original's has none.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::desired_node_state::DesiredNodeState;
use super::{GROUP, VERSION};

/// The integrity of one node's files, as its daemon last saw it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FileIntegrityNodeStatus {
    /// Name, labels, owner, and what the operator asks of the daemon as annotations.
    #[schemars(skip)]
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// The node's name.
    #[serde(default)]
    pub node_name: String,
    /// At most three results: the newest Succeeded, Failed and Errored one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ScanResult>,
    /// The newest result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<ScanResult>,
    /// The baseline that the node's files are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The newest request for a re-initialisation that the daemon has dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinit: Option<Reinit>,
}

/// What one scan found.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScanResult {
    /// Succeeded, Failed or Errored.
    pub condition: Condition,
    /// When the scan ended.
    #[serde(deserialize_with = "super::time::lenient")]
    pub last_probe_time: Time,
    /// Files that are there and were not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_added: i64,
    /// Files that differ from the baseline.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_changed: i64,
    /// Files that were there and are not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_removed: i64,
    /// ConfigMap with AIDE's report of this scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_config_map_name: Option<String>,
    /// That ConfigMap's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_config_map_namespace: Option<String>,
    /// Why the scan could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The kind of error, one word of a small set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// The first 20 changed paths, and what happened to each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeEntry>,
    /// sha256 over all changes, hex: the paths, what happened to each, and the new values of their
    /// attributes, but for times, inode, link count and block count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_hash: Option<String>,
    /// Rules that do not watch what they name behind a symbolic link on this node; the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwatched_rules: Vec<UnwatchedRule>,
    /// How many files the scan looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_scanned: Option<i64>,
    /// How long the scan took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_milliseconds: Option<i64>,
}

/// How a scan ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Nothing differs from the baseline.
    Succeeded,
    /// Something differs from the baseline.
    Failed,
    /// The scan could not be done.
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

/// One changed path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ChangeEntry {
    /// The path on the node; bytes that are not printable are written as \ooo.
    pub path: String,
    /// Added, changed or removed.
    pub kind: ChangeKind,
    /// Of a changed file: which attributes differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

/// A rule that does not watch what it names behind a symbolic link on a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnwatchedRule {
    /// The line of the configuration, from 1.
    pub line: i64,
    /// The symbolic link in its path; bytes that are not printable are written as \ooo.
    pub link: String,
    /// Why what the link leads to is not watched as the rule has it, as the end of a sentence about the link.
    pub reason: String,
}

/// What happened to a path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is there and was not.
    Added,
    /// It was there and is not.
    Removed,
    /// Some attribute differs.
    Changed,
}

/// The baseline of a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// When it was made.
    #[serde(deserialize_with = "super::time::lenient")]
    pub created_at: Time,
    /// sha256 of the configuration that it was made with, hex.
    pub config_hash: String,
    /// sha256 of the uncompressed database, hex.
    pub digest: String,
    /// How many files it holds.
    pub entries: i64,
    /// The AIDE that made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub aide_version: String,
    /// The directory on the node in which it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<String>,
    /// False when nobody asked for it: the one before was lost, or a signal came from elsewhere.
    pub requested: bool,
}

/// A request for a re-initialisation that is over.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Reinit {
    /// The request's id, as in the annotation reinit-request.
    pub id: String,
    /// When the daemon began.
    #[serde(deserialize_with = "super::time::lenient")]
    pub started_at: Time,
    /// When it ended.
    #[serde(deserialize_with = "super::time::lenient")]
    pub finished_at: Time,
}

impl FileIntegrityNodeStatus {
    /// The FileIntegrity that controls this object: (name, uid).
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

    /// What the operator asks of the node's daemon.
    pub fn desired(&self) -> DesiredNodeState {
        let annotations = self.metadata.annotations.as_ref();
        annotations
            .map(DesiredNodeState::from_annotations)
            .unwrap_or_default()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata
            .annotations
            .as_ref()?
            .get(key)
            .map(String::as_str)
    }

    /// The condition of the newest result.
    pub fn condition(&self) -> Option<Condition> {
        self.last_result.as_ref().map(|r| r.condition)
    }
}

impl ScanResult {
    /// A result with nothing but its condition and time.
    pub fn new(condition: Condition, at: Time) -> Self {
        Self {
            condition,
            last_probe_time: at,
            files_added: 0,
            files_changed: 0,
            files_removed: 0,
            result_config_map_name: None,
            result_config_map_namespace: None,
            error_message: None,
            error_class: None,
            changes: Vec::new(),
            changes_hash: None,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}
