//! What a new baseline accepted, in the node status. Pure. The doc comments are the descriptions in the API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change_kind::ChangeKind;
use super::named_enum::named_enum;

named_enum! {
    list: cfg(test);
    /// Why a new baseline replaced one that could be compared with the node.
    pub(crate) enum AcceptedReason {
        /// The annotation `re-init` requested it.
        Annotation = "Annotation",
        /// The annotation `re-init-on-failed` requested it.
        OnFailed = "OnFailed",
        /// An update of the node ended.
        NodeUpdate = "NodeUpdate",
        /// Holds of the spec ended, with `then: Accept`.
        HoldEnded = "HoldEnded",
        /// A request whose origin is not known: an operator of an earlier version, or a user, created its ID.
        Request = "Request",
        /// A FileIntegrityAcceptance requested it.
        Acceptance = "Acceptance",
        /// FileIntegrityAcceptances that list their changes requested it.
        AnnouncedChanges = "AnnouncedChanges",
        /// The configuration changed.
        Configuration = "Configuration",
        /// An exclusion ended, and the entries from before it are missing.
        Exclusion = "Exclusion",
        /// The signal file on the node requested it.
        Signal = "Signal",
        /// The database was of another program or FileIntegrity.
        Foreign = "Foreign",
        /// The database was of another version of AIDE.
        Outdated = "Outdated",
    }
}

/// What a baseline accepted when it replaced another one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Reason for the new baseline, from a fixed set.
    #[serde(default)]
    pub reason: String,
    /// ID of the re-initialization request or of the holds, or UID of the acceptance; of several, the UIDs with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Name of the acceptance; of several, the names with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// Names of the holds that ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// Recorded hash (sha256, hex) of the old, uncompressed database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<String>,
    /// Hash (sha256, hex) of the configuration of the old baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_config_hash: Option<String>,
    /// Differences between the old and the new baseline.
    #[serde(default)]
    pub differences: AcceptedDifferences,
    /// After a change of the configuration: differences that the old configuration showed immediately before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_old_config: Option<AcceptedDifferences>,
}

/// Differences between a baseline and a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedDifferences {
    /// Number of files added.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_added: i64,
    /// Number of files changed.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_changed: i64,
    /// Number of files removed, with those that are no longer watched.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_removed: i64,
    /// Number of files that still exist, but are not watched by the new configuration.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub files_no_longer_watched: i64,
    /// Hash (sha256, hex) of all differences, as in lastResult.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_hash: Option<String>,
    /// The first 20 differences; fewer if their paths are very long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AcceptedChange>,
    /// Files whose content was not compared, because they were written while a baseline was created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Reason why the differences are not known, or not all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// A path that differs between the old and the new baseline.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedChange {
    /// Path on the node. Bytes that are not printable are escaped as \ooo.
    pub path: String,
    /// Kind of change: added, changed or removed.
    pub kind: ChangeKind,
    /// Attributes of a changed file that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// True for a removed path that still exists, but is not watched by the new configuration.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_longer_watched: bool,
}

impl AcceptedDifferences {
    /// Whether it is certain that nothing differs.
    pub fn is_empty(&self) -> bool {
        (self.files_added, self.files_changed, self.files_removed) == (0, 0, 0)
            && self.unread.is_empty()
            && self.incomplete.is_none()
    }
}

impl Accepted {
    /// Whether it is certain that nothing was accepted.
    pub fn is_empty(&self) -> bool {
        let old = self.with_old_config.as_ref();
        self.differences.is_empty() && old.is_none_or(AcceptedDifferences::is_empty)
    }
}
