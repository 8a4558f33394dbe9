//! The spec of a FileIntegrityAcceptance. Its doc comments are the descriptions in the API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    "rule": "self.fileIntegrity == oldSelf.fileIntegrity && self.changeSet == oldSelf.changeSet && self.reason == oldSelf.reason && self.approvedBy == oldSelf.approvedBy && has(self.nodes) == has(oldSelf.nodes) && (!has(self.nodes) || self.nodes == oldSelf.nodes) && has(self.until) == has(oldSelf.until) && (!has(self.until) || self.until == oldSelf.until) && has(self.ticket) == has(oldSelf.ticket) && (!has(self.ticket) || self.ticket == oldSelf.ticket)",
    "message": "the spec of an acceptance cannot be changed, except that revoked can be set to true; create another acceptance"
}, {
    "rule": "!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)",
    "message": "revoked cannot be set to false again; create another acceptance"
}]))]
pub struct FileIntegrityAcceptanceSpec {
    /// Name of the FileIntegrity, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub file_integrity: String,
    /// ID of the accepted change set: all 64 digits of status.changeSets[].id of the FileIntegrity, or of
    /// lastResult.changesHash of a node. A node with any other changes keeps its baseline.
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^[0-9a-f]{64}$')",
        "message": "changeSet must be the whole ID of a change set, 64 lower-case hexadecimal digits, as in status.changeSets of the FileIntegrity"
    }]))]
    pub change_set: String,
    /// The nodes whose changes are accepted. If unset, all nodes that show the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<AcceptedNodes>,
    /// Nodes that show the set before this time are included, as during a rolling update. At most 30 days after the
    /// creation of this object. If unset, only the nodes that show the set now are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Reason for the changes, such as the name of an advisory.
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [{
        "rule": "self.matches('[^[:space:]]') && !self.matches('[[:cntrl:]]')",
        "message": "reason must state in 1 to 1024 characters, without control characters, why the changes are accepted"
    }]))]
    pub reason: String,
    /// Reference to a ticket or change request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), extend("x-kubernetes-validations" = [{
        "rule": "!self.matches('[[:cntrl:]]')",
        "message": "ticket must not contain control characters"
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
    #[schemars(schema_with = "node_names")]
    pub names: Option<Vec<String>>,
    /// Labels of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "message": "selector must have matchLabels or matchExpressions; omit nodes to include all nodes that show the set"
    }]))]
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

fn node_names(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "description": "Names of nodes.",
        "items": {"type": "string", "minLength": 1, "maxLength": 253},
        "minItems": 1,
        "maxItems": 1000,
        "nullable": true,
        "x-kubernetes-list-type": "set",
    })
}
