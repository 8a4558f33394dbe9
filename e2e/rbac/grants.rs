//! What Roles grant, one permission at a time. Pure.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::calls::Call;

/// The namespace that the manifests speak of.
const NAMESPACE: &str = "openshift-file-integrity";

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The ServiceAccount that has it.
    pub(crate) account: &'static str,
    pub(crate) verb: String,
    group: String,
    resource: String,
    /// The object that it is limited to.
    name: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

/// What the Roles in these YAML documents grant.
pub(crate) fn read(yaml: &str) -> Result<Vec<Grant>> {
    let documents: Vec<Document> = serde_saphyr::from_multiple(yaml).context("read the Roles")?;
    let roles = documents
        .into_iter()
        .filter(|document| ["Role", "ClusterRole"].contains(&document.kind.as_str()));
    Ok(roles.flat_map(|role| of_role(&role)).collect())
}

fn of_role(role: &Document) -> Vec<Grant> {
    // The Role for the leader's election is the operator's.
    let account = match role.metadata.name.as_str() {
        "file-integrity-daemon" => "file-integrity-daemon",
        _ => "file-integrity-operator",
    };
    let mut grants = Vec::new();
    for rule in &role.rules {
        let names: Vec<Option<&String>> = match rule.resource_names.as_slice() {
            [] => vec![None],
            names => names.iter().map(Some).collect(),
        };
        for group in &rule.api_groups {
            for resource in &rule.resources {
                for verb in &rule.verbs {
                    grants.extend(names.iter().map(|name| Grant {
                        account,
                        verb: verb.clone(),
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.cloned(),
                    }));
                }
            }
        }
    }
    grants
}

impl Grant {
    /// Whether it is what this call needed.
    pub(crate) fn allows(&self, call: &Call) -> bool {
        let name = self.name.as_ref();
        self.account == call.account
            && self.group == call.group
            && self.resource == call.resource
            && name.is_none_or(|name| name.replace(NAMESPACE, &call.namespace) == call.name)
            // Who applies an object that is not there creates it, and must be allowed both.
            && (self.verb == call.verb
                || self.verb == "create" && call.verb == "patch" && call.code == 201)
    }

    /// The resource with its group and the object's name: `secrets/own`, `daemonsets.apps`.
    pub(crate) fn what(&self) -> String {
        let group = match self.group.as_str() {
            "" => String::new(),
            group => format!(".{group}"),
        };
        let name = self.name.iter().map(|name| format!("/{name}"));
        let name: String = name.collect();
        format!("{}{group}{name}", self.resource)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.account, self.verb, self.what())
    }
}
