//! Which set of changes is accepted on which nodes. Pure.

use std::collections::{BTreeSet, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::api::{
    AcceptedNodes, ApprovedChange, Approver, ChangeSetId, FileIntegrityAcceptance,
    FileIntegrityAcceptanceSpec,
};
use crate::plugin::fleet::{Fleet, Node, NodeState, Owner};
use crate::plugin::safe::safe;
use crate::plugin::screen::some_of;
use crate::plugin::target::{Target, find};

/// Maximum number of names in a message.
const MAX_NAMED: usize = 5;
/// Maximum number of nodes that an acceptance can name.
const MAX_NAMES: usize = 1000;

/// The nodes that the user has chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Only {
    /// All nodes that show the set.
    All,
    Names(Vec<String>),
    Labels {
        selector: LabelSelector,
        /// The nodes that have these labels now.
        names: HashSet<String>,
    },
}

/// A set of changes, and the nodes that it is accepted on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan<'a> {
    pub(crate) owner: Owner,
    pub(crate) set: ChangeSetId,
    pub(crate) only: Only,
    /// The included nodes that show the set now.
    pub(crate) nodes: Vec<&'a Node>,
    /// All nodes of the FileIntegrity that show it now. There is at least one.
    pub(crate) shown_by: Vec<&'a Node>,
}

/// What the acceptance records, besides the changes.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) user: String,
    pub(crate) reason: String,
    pub(crate) ticket: Option<String>,
    /// Nodes that show the set before this time are included, too.
    pub(crate) until: Option<Timestamp>,
}

impl<'a> Plan<'a> {
    /// What `text` names: the set that a node shows now, on this node only, or a set on all nodes that `only` includes.
    pub(crate) fn new(
        fleet: &'a Fleet,
        text: &str,
        file_integrity: Option<&str>,
        only: Only,
        is_open: bool,
    ) -> Result<Self, String> {
        match find(fleet, text, file_integrity)? {
            Target::Node(node) => Self::of_node(node, &only),
            Target::Set(set, nodes) => Self::of_set(fleet, set, nodes, only, is_open),
            Target::Past(digits) => Err(format!(
                "no node shows a change set whose ID begins with {digits}; status lists the change sets"
            )),
        }
    }

    fn of_node(node: &'a Node, only: &Only) -> Result<Self, String> {
        let name = safe(&node.name);
        if *only != Only::All {
            return Err(format!(
                "the changes of {name} are accepted on this node only: name the set, to accept it on several nodes"
            ));
        }
        let set = node.set().ok_or_else(|| match node.state() {
            NodeState::Ok => format!("{name} has no changes"),
            NodeState::Pending => format!("{name} has no result yet"),
            NodeState::Errored => {
                format!("the last scan of {name} ended with an error: its changes are not known")
            }
            NodeState::Changed => format!(
                "{name} has no change set, because its report does not have all changes: only a re-initialization accepts \
                 them"
            ),
        })?;
        Ok(Self {
            owner: node.owner.clone(),
            set,
            only: Only::Names(vec![node.name.clone()]),
            nodes: vec![node],
            shown_by: vec![node],
        })
    }

    fn of_set(
        fleet: &'a Fleet,
        set: ChangeSetId,
        nodes: Vec<&'a Node>,
        only: Only,
        is_open: bool,
    ) -> Result<Self, String> {
        let owners: BTreeSet<&Owner> = nodes.iter().map(|node| &node.owner).collect();
        let owner = match owners.into_iter().collect::<Vec<_>>()[..] {
            [owner] => owner.clone(),
            ref several => {
                let names = several.iter().map(|owner| owner.name.as_str());
                return Err(format!(
                    "the nodes of several FileIntegrities show this set: {}; choose one with --file-integrity",
                    some_of(names, MAX_NAMED)
                ));
            }
        };
        if let Only::Names(names) = &only {
            let is_unknown = |name: &&String| fleet.nodes_of(&owner).all(|it| it.name != **name);
            let unknown = names.iter().filter(is_unknown).map(String::as_str);
            let unknown = some_of(unknown, MAX_NAMED);
            if !unknown.is_empty() {
                return Err(format!(
                    "{} does not watch these nodes: {unknown}",
                    safe(&owner.name)
                ));
            }
        }
        let shown_by = nodes;
        let nodes: Vec<&Node> = shown_by
            .iter()
            .copied()
            .filter(|node| match &only {
                Only::All => true,
                Only::Names(names) => names.contains(&node.name),
                Only::Labels { names, .. } => names.contains(&node.name),
            })
            .collect();
        if nodes.is_empty() && !is_open {
            return Err("none of these nodes shows the set now".to_owned());
        }
        Ok(Self {
            owner,
            set,
            only,
            nodes,
            shown_by,
        })
    }

    /// The object that accepts only these changes of it: on the nodes that show the set now, or, with an end, on all
    /// included nodes that show one of these changes before that.
    pub(crate) fn object_with(
        &self,
        record: &Record,
        changes: Vec<ApprovedChange>,
    ) -> FileIntegrityAcceptance {
        let mut object = self.object(record);
        let spec = &mut object.spec;
        spec.change_set = None;
        spec.changes = Some(changes);
        // Otherwise it stays open, because it waits for the nodes without these changes.
        if record.until.is_none() && self.nodes.len() <= MAX_NAMES {
            let names = self.nodes.iter().map(|node| node.name.clone());
            spec.nodes = Some(AcceptedNodes {
                names: Some(names.collect()),
                selector: None,
            });
        }
        object
    }

    /// The object that accepts it.
    pub(crate) fn object(&self, record: &Record) -> FileIntegrityAcceptance {
        let set = self.set.to_string();
        let nodes = match &self.only {
            Only::All => None,
            Only::Names(names) => Some(AcceptedNodes {
                names: Some(names.clone()),
                selector: None,
            }),
            Only::Labels { selector, .. } => Some(AcceptedNodes {
                names: None,
                selector: Some(selector.clone()),
            }),
        };
        FileIntegrityAcceptance {
            metadata: ObjectMeta {
                generate_name: Some(format!("accept-{}-", ChangeSetId::shown(&set))),
                namespace: Some(self.owner.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: FileIntegrityAcceptanceSpec {
                file_integrity: self.owner.name.clone(),
                change_set: Some(set),
                changes: None,
                nodes,
                until: record.until.map(Time),
                reason: record.reason.clone(),
                ticket: record.ticket.clone(),
                approved_by: Approver {
                    username: record.user.clone(),
                },
                revoked: false,
            },
            status: None,
        }
    }
}
