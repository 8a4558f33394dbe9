//! The spec of a FileIntegrityAcceptance. Its doc comments are the descriptions in the API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::change_set_id::ChangeSetId;
use crate::api::object_name::visible;

use super::changes::{ApprovedChange, MAX_CHANGES};
use super::status::FileIntegrityAcceptanceStatus;

/// What is accepted, by whom, and why.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "fileintegrity.openshift.io",
    version = "v1alpha1",
    kind = "FileIntegrityAcceptance",
    plural = "fileintegrityacceptances",
    singular = "fileintegrityacceptance",
    namespaced,
    status = "FileIntegrityAcceptanceStatus",
    doc = "FileIntegrityAcceptance accepts a reviewed set of changes. Each node that shows exactly this set gets a new baseline. Other nodes keep theirs.",
    printcolumn = r#"{"name": "FileIntegrity", "type": "string", "jsonPath": ".spec.fileIntegrity"}"#,
    printcolumn = r#"{"name": "Accepted", "type": "integer", "jsonPath": ".status.counts.accepted"}"#,
    printcolumn = r#"{"name": "Refused", "type": "integer", "jsonPath": ".status.counts.refused"}"#,
    printcolumn = r#"{"name": "Waiting", "type": "integer", "jsonPath": ".status.counts.waiting"}"#,
    printcolumn = r#"{"name": "Complete", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Complete')].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Complete')].reason"}"#,
    printcolumn = r#"{"name": "Approved By", "type": "string", "jsonPath": ".spec.approvedBy.username"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Set", "type": "string", "priority": 1, "jsonPath": ".spec.changeSet"}"#,
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.fileIntegrity == oldSelf.fileIntegrity && has(self.changeSet) == has(oldSelf.changeSet) && (!has(self.changeSet) || self.changeSet == oldSelf.changeSet) && has(self.changes) == has(oldSelf.changes) && (!has(self.changes) || self.changes == oldSelf.changes) && self.reason == oldSelf.reason && self.approvedBy == oldSelf.approvedBy && has(self.nodes) == has(oldSelf.nodes) && (!has(self.nodes) || self.nodes == oldSelf.nodes) && has(self.until) == has(oldSelf.until) && (!has(self.until) || self.until == oldSelf.until) && has(self.ticket) == has(oldSelf.ticket) && (!has(self.ticket) || self.ticket == oldSelf.ticket)",
    "message": "the spec of an acceptance cannot be changed, except that revoked can be set to true; create another acceptance"
}, {
    "rule": "!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)",
    "message": "revoked cannot be set to false again; create another acceptance"
}, {
    "rule": "has(self.changeSet) != has(self.changes)",
    "message": "an acceptance must have either changeSet or changes"
}]))]
pub struct FileIntegrityAcceptanceSpec {
    /// Name of the FileIntegrity, in the same namespace.
    #[schemars(length(max = 253), extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",
        "message": "fileIntegrity must be the name of a FileIntegrity in this namespace"
    }]))]
    pub file_integrity: String,
    /// ID of the accepted change set: all 64 digits of status.changeSets[].id of the FileIntegrity, or of
    /// lastResult.changesHash of a node. A node with any other changes keeps its baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "change_set")]
    pub change_set: Option<String>,
    /// Exactly these changes are accepted, whatever else a node shows, also before they happen. They are accepted until
    /// `until`, or for 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "changes")]
    pub changes: Option<Vec<ApprovedChange>>,
    /// The nodes whose changes are accepted. If unset, all nodes that show the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<AcceptedNodes>,
    /// Nodes that show the set, or the listed changes, before this time are included, as during a rolling update. At most
    /// 30 days after the creation of this object. If unset, only the nodes that show the set now are included, and listed
    /// changes for 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Reason for the changes, such as the name of an advisory.
    #[schemars(length(max = 1024), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('[\\p{L}\\p{N}]') && !self.matches('[\\p{Cc}\\p{Zl}\\p{Zp}\\x{200E}\\x{200F}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]')",
        "message": "reason must state in 1 to 1024 characters why the changes are accepted: with a letter or digit, on one line, and without control characters"
    }]))]
    pub reason: String,
    /// Reference to a ticket or change request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), extend("x-kubernetes-validations" = [{
        "rule": r"!self.matches('[\\p{Cc}\\p{Zl}\\p{Zp}\\x{200E}\\x{200F}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]')",
        "message": "ticket must be on one line, without control characters"
    }]))]
    pub ticket: Option<String>,
    /// The user who accepts the changes.
    pub approved_by: Approver,
    /// Withdraws the acceptance: nodes without a new baseline keep theirs. Cannot be set to false again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// The nodes of an acceptance: names, or labels.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.names) != has(self.selector)",
    "message": "nodes must have either names or a selector; omit nodes to include all nodes that show the set"
}]))]
pub struct AcceptedNodes {
    /// Names of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "names")]
    pub names: Option<Vec<String>>,
    /// Labels of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector")]
    pub selector: Option<LabelSelector>,
}

/// The user who accepts changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Approver {
    /// Name of the user who creates this object, as the API server knows it: `kubectl auth whoami` shows it. An admission
    /// policy refuses any other name.
    #[schemars(length(min = 1, max = 1024))]
    pub username: String,
}

/// How long changes are accepted without `until`.
const DEFAULT_TIME: SignedDuration = SignedDuration::from_hours(24);

impl FileIntegrityAcceptanceSpec {
    /// Nothing is accepted after this time, if the acceptance was created then.
    pub(crate) fn accepts_until(&self, created: Timestamp) -> Timestamp {
        let default = || created.checked_add(DEFAULT_TIME).unwrap_or(Timestamp::MAX);
        self.until.as_ref().map_or_else(default, |until| until.0)
    }

    /// ID of the accepted change set. Empty if it lists its changes.
    pub(crate) fn set(&self) -> &str {
        self.change_set.as_deref().unwrap_or_default()
    }

    /// What is accepted, for events.
    pub(crate) fn subject(&self) -> String {
        match &self.changes {
            Some(changes) => format!("{} listed changes", changes.len()),
            None => format!("change set {}", visible(&ChangeSetId::shown(self.set()))),
        }
    }
}

fn change_set(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[0-9a-f]{64}$')",
            "message": "changeSet must be the whole ID of a change set, 64 lower-case hexadecimal digits, as in status.changeSets of the FileIntegrity",
        }],
    })
}

/// A list whose items are identified by their paths: the API server refuses a path that is listed twice.
fn changes(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": ApprovedChange::json_schema(generator),
        "minItems": 1,
        "maxItems": MAX_CHANGES,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["path"],
    })
}

/// The schemas are not nullable, so that the API server removes null, and limited, because the rules compare them.
fn names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "description": "Names of nodes.",
        "items": {"type": "string", "minLength": 1, "maxLength": 253},
        "minItems": 1,
        "maxItems": 1000,
        "x-kubernetes-list-type": "set",
    })
}

fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "Labels of nodes.",
        "properties": {
            "matchLabels": {
                "type": "object",
                "description": "Labels that a node must have.",
                "additionalProperties": {"type": "string", "maxLength": 63},
                "maxProperties": 32,
            },
            "matchExpressions": {
                "type": "array",
                "description": "Requirements that the labels of a node must meet.",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {
                            "type": "string",
                            "description": "Key of a label.",
                            "minLength": 1,
                            "maxLength": 317,
                        },
                        "operator": {
                            "type": "string",
                            "description": "Relation of the label to the values.",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "type": "array",
                            "description": "Values for In and NotIn.",
                            "items": {"type": "string", "maxLength": 63},
                            "maxItems": 64,
                            "x-kubernetes-list-type": "atomic",
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                        "message": "values are required for In and NotIn, and not allowed for Exists and DoesNotExist",
                    }],
                },
            },
        },
        "x-kubernetes-validations": [{
            "rule": "has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0",
            "message": "selector must have matchLabels or matchExpressions; omit nodes to include all nodes that show the set",
        }],
    })
}
