//! Acceptances that list their changes: what the operator announces to a node, and what the node has accepted of it.
//! Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Maximum number of acceptances that are announced to a node at a time.
pub(crate) const MAX_ANNOUNCED: usize = 16;

/// An acceptance with a list of changes. The operator writes it as part of an annotation of the node status; the daemon
/// reads the changes from the object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct AnnouncedChanges {
    /// Name of the FileIntegrityAcceptance.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The node must not accept its changes later.
    pub until: Timestamp,
    /// Hash of the configuration for which the changes were announced.
    pub config_hash: String,
}

impl AnnouncedChanges {
    /// Decodes an annotation. Nothing is announced by one that the operator has not written.
    pub(crate) fn decode(text: &str) -> Vec<Self> {
        let mut all: Vec<Self> = serde_json::from_str(text).unwrap_or_default();
        all.truncate(MAX_ANNOUNCED);
        all
    }

    /// Encodes it as an annotation. None if nothing is announced.
    pub(crate) fn encode(all: &[Self]) -> Option<String> {
        // Texts always have a JSON form.
        (!all.is_empty()).then(|| serde_json::to_string(all).unwrap_or_default())
    }
}

/// What a node has accepted of an acceptance that lists its changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AnnouncedResult {
    /// Name of the FileIntegrityAcceptance.
    pub name: String,
    /// UID of the FileIntegrityAcceptance.
    pub uid: String,
    /// Number of its changes that are part of the node's baseline.
    pub accepted: i64,
    /// Number of its changes that are not.
    pub remaining: i64,
    /// Why the first change that the node shows at one of its paths was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Time of the newest baseline with changes of this acceptance.
    #[serde(
        default,
        deserialize_with = "crate::api::time::lenient_optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub accepted_at: Option<Time>,
    /// Hash (sha256, hex) of the database before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<String>,
    /// Hash (sha256, hex) of the database of that baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_digest: Option<String>,
}
