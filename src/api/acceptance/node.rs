//! What the operator requests of a node for an acceptance, and what the node answers. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::named_enum::named_enum;

/// What a node should accept. The operator writes it as an annotation of the node status, so that the daemon needs to read
/// no other object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct AcceptanceRequest {
    /// Name of the FileIntegrityAcceptance.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Number of the attempt on this node, starting with 1. A node that has refused may show the set again.
    pub attempt: u32,
    /// The whole ID of the change set.
    pub change_set: String,
    /// Hash of the configuration with which the node shows the set.
    pub config_hash: String,
    /// The node must not create the baseline later.
    pub until: Timestamp,
    /// Whether the daemon publishes the report of the new baseline. One node of a set is enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publish_report: bool,
}

impl AcceptanceRequest {
    /// Decodes an annotation. None if the operator has not written it.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Encodes it as an annotation.
    pub(crate) fn encode(&self) -> String {
        // Texts and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether this is the answer to it.
    pub fn is_answered_by(&self, result: &AcceptanceResult) -> bool {
        // A new baseline is the answer to all attempts.
        self.uid == result.uid
            && (self.attempt <= result.attempt || result.state == AcceptanceState::Accepted)
    }
}

/// The answer of a node to an acceptance.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AcceptanceResult {
    /// Name of the FileIntegrityAcceptance.
    pub name: String,
    /// UID of the FileIntegrityAcceptance.
    pub uid: String,
    /// Number of the attempt on this node, starting with 1.
    pub attempt: u32,
    /// Accepted: the node has a new baseline with exactly the accepted changes. Refused: it kept its baseline.
    pub state: AcceptanceState,
    /// Reason of a refusal, from a fixed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Explanation of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Time at which the node answered.
    #[serde(deserialize_with = "crate::api::time::lenient")]
    pub finished_at: Time,
    /// Hash (sha256, hex) of the database before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<String>,
    /// Hash (sha256, hex) of the database of the new baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_digest: Option<String>,
}

/// State of an acceptance on a node: Waiting, Accepted or Refused.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcceptanceState {
    /// The node has not answered yet.
    Waiting,
    /// The node has a new baseline.
    Accepted,
    /// The node kept its baseline.
    Refused,
}

named_enum! {
    list: cfg(test);
    /// Why a node has not got the request yet.
    pub(crate) enum WaitingReason {
        /// Its daemon is of an earlier version, which does not know acceptances.
        DaemonTooOld = "DaemonTooOld",
    }
}

named_enum! {
    list: cfg(test);
    /// Why a node kept its baseline.
    pub(crate) enum RefusalReason {
        /// The changes of the run that would have created the baseline are not those of the set.
        ChangesDiffer = "ChangesDiffer",
        /// Files were written while AIDE read them, or AIDE could not read some.
        Unstable = "Unstable",
        /// The node has another configuration than the one with which it showed the set.
        ConfigurationDiffers = "ConfigurationDiffers",
        /// The old database is not the recorded one, or cannot be compared.
        BaselineUntrusted = "BaselineUntrusted",
        /// The time of the acceptance is over.
        Expired = "Expired",
        /// The acceptance was withdrawn.
        Revoked = "Revoked",
        /// AIDE failed, or was killed repeatedly.
        Error = "Error",
    }
}
