//! Holds with an end: in the spec of a FileIntegrity, as a node's daemon gets them, and in the node status. Pure.
//! The doc comments are the descriptions in the API.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names;

/// A time during which the scans of nodes are held.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.from < self.until",
        "message": "a hold must end after it starts: until must be later than from"
    },
    {
        "rule": "!has(self.nodes) || !has(self.nodeSelector)",
        "message": "a hold has nodes or nodeSelector, not both; without either it holds all nodes"
    }
]))]
pub struct Hold {
    /// Name of the hold, unique in this list.
    #[schemars(length(min = 1, max = 63), extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "message": "the name of a hold must consist of lower case letters, digits and '-', and begin and end with a letter or digit"
    }]))]
    pub name: String,
    /// Names of the nodes. Without nodes and nodeSelector, all nodes of the FileIntegrity are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1000),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub nodes: Option<Vec<String>>,
    /// Labels of the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Time at which the hold starts.
    #[serde(deserialize_with = "super::time::lenient")]
    pub from: Time,
    /// Time at which the hold ends.
    #[serde(deserialize_with = "super::time::lenient_end")]
    pub until: Time,
    /// Why the scans are held, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// What happens when the hold ends. Report: the node is compared with its baseline, so everything that has changed
    /// is reported. Accept: the node gets a new baseline, and what it accepted is recorded. If holds of a node follow
    /// each other without a gap, all of them must have Accept. Default: Report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<HoldEnd>,
}

/// What happens when a hold ends. Report: the node is compared with its baseline, so everything that has changed is
/// reported. Accept: the node gets a new baseline, and what it accepted is recorded. If holds of a node follow each
/// other without a gap, all of them must have Accept. Default: Report.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HoldEnd {
    /// The node is compared with its baseline.
    #[default]
    Report,
    /// The node gets a new baseline.
    Accept,
}

/// A hold of a node, as its daemon gets it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimedHold {
    pub name: String,
    pub from: Timestamp,
    pub until: Timestamp,
    #[serde(default)]
    pub then: HoldEnd,
}

impl TimedHold {
    /// Whether it holds the node at this time.
    pub fn is_active(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl From<&Hold> for TimedHold {
    fn from(hold: &Hold) -> Self {
        Self {
            name: hold.name.clone(),
            from: hold.from.0,
            until: hold.until.0,
            then: hold.then.unwrap_or_default(),
        }
    }
}

/// The holds of the spec that hold the node now, or have ended without a scan or a new baseline since then. Holds that
/// overlap or follow each other without a gap are one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeHold {
    /// Time since which the node is held.
    #[serde(deserialize_with = "super::time::lenient")]
    pub since: Time,
    /// Time at which the last of the holds ends.
    #[serde(deserialize_with = "super::time::lenient")]
    pub until: Time,
    /// What happens at the end: Report or Accept.
    #[serde(default)]
    pub then: HoldEnd,
    /// Names of the holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
}

impl NodeHold {
    /// Identifies it. The record of the baseline at its end has the id.
    pub(crate) fn id(&self) -> String {
        let holds = self.holds.join(" ");
        Self::request_id(&names::short_hash(format!("{} {holds}", self.since.0)))
    }

    /// The id that this hash identifies.
    pub(crate) fn request_id(hash: &str) -> String {
        format!("{hash}-hold-ended")
    }
}

#[cfg(test)]
mod tests;
