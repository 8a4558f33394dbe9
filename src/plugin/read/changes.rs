//! Reads what differs on a node, or on the nodes of a set. I/O.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde::de::DeserializeOwned;

use super::{Reader, VIEWER};
use crate::api::{
    ChangeSetId, FileIntegrityAcceptance, FileIntegrityNodeStatus, ScanResult, names,
};
use crate::k8s::{raw, request_within};
use crate::plugin::accept::Plan;
use crate::plugin::changes::{Changes, Listed, Source, is_set, of_log, of_status, with_actors};
use crate::plugin::failure::{Failure, Wanted};
use crate::plugin::fleet::{Counts, Fleet, Node, NodeState, Owner};
use crate::plugin::target::{Target, find};

/// Maximum number of nodes whose failure logs are read to find that of a set.
const MAX_LOGS: usize = 5;
/// Who may read failure logs.
const LOGS: &str = "The ClusterRole fileintegrity-log-reader-role has this right: ask for a binding to it in the namespace of the \
                    FileIntegrity";

impl Reader {
    /// The changes of what `text` names: a node, or the start of an ID.
    pub(crate) async fn changes(
        &self,
        fleet: &Fleet,
        text: &str,
        file_integrity: Option<&str>,
    ) -> Result<Changes, Failure> {
        match find(fleet, text, file_integrity).map_err(Failure::Other)? {
            Target::Node(node) => self.of_node(fleet, node).await,
            Target::Set(id, nodes) => self.set_changes(id, &nodes).await,
            Target::Past(digits) => self.of_evidence(&digits, file_integrity).await,
        }
    }

    /// The failure log of a node, if there is one.
    pub(crate) async fn failure_log(&self, node: &Node) -> Result<Option<ConfigMap>, Failure> {
        self.config_map(&node.owner.namespace, &log_name(node))
            .await
    }

    /// The changes of the set that is to be accepted.
    pub(crate) async fn plan_changes(&self, plan: &Plan<'_>) -> Result<Changes, Failure> {
        if !plan.nodes.is_empty() {
            return self.set_changes(plan.set, &plan.nodes).await;
        }
        // Others than the included nodes show it.
        let mut changes = self.set_changes(plan.set, &plan.shown_by).await?;
        changes.nodes.clear();
        Ok(changes)
    }

    async fn of_node(&self, fleet: &Fleet, node: &Node) -> Result<Changes, Failure> {
        let mut changes = empty(node);
        let scan = node.scan.as_ref();
        match node.state() {
            NodeState::Changed => {}
            NodeState::Errored => {
                let error = scan.and_then(|scan| scan.error.clone());
                let message = error.map(|(_, message)| message);
                changes.source = Source::Error(message.unwrap_or_default());
                changes.is_complete = false;
                return Ok(changes);
            }
            NodeState::Ok => return Ok(changes),
            NodeState::Pending => {
                changes.notes.push("the node has no result yet".to_owned());
                return Ok(changes);
            }
        }
        let result = self.result(node).await?;
        let hash = result.as_ref().and_then(|it| it.changes_hash.as_deref());
        let shown = result.as_ref().and_then(|it| it.change_set.as_deref());
        changes.set = ChangeSetId::of_result(hash, shown);
        if let Some(set) = changes.set {
            let others = fleet
                .nodes_of(&node.owner)
                .filter(|other| other.set() == Some(set));
            let others = others.filter(|other| other.name != node.name);
            changes.nodes.extend(others.map(|other| other.name.clone()));
        }
        let listed = self.failure_log(node).await?.as_ref().and_then(of_log);
        match listed {
            Some(listed) => {
                if changes.set.is_some_and(|set| !is_set(&listed, set)) && listed.is_complete {
                    changes.notes.push(format!(
                        "the failure log of {} has other changes than its status: one of them is newer",
                        node.name
                    ));
                    changes.set = None;
                }
                changes.take(listed, log_source(node));
            }
            None => changes.take_status(node, result.as_ref()),
        }
        changes.finish(result.as_ref());
        Ok(changes)
    }

    /// The changes of a set that these nodes show, from the log of one node. If that has other changes meanwhile, the
    /// next one is read.
    pub(crate) async fn set_changes(
        &self,
        id: ChangeSetId,
        nodes: &[&Node],
    ) -> Result<Changes, Failure> {
        let Some(first) = nodes.first() else {
            return Err(Failure::Other("no node shows the set".to_owned()));
        };
        let mut changes = empty(first);
        changes.set = Some(id);
        changes.nodes = nodes.iter().map(|node| node.name.clone()).collect();
        let mut truncated = None;
        for node in nodes.iter().take(MAX_LOGS) {
            let listed = self.failure_log(node).await?.as_ref().and_then(of_log);
            match listed {
                Some(listed) if is_set(&listed, id) => {
                    changes.take(listed, log_source(node));
                    let result = self.result(node).await?;
                    changes.finish(result.as_ref());
                    return Ok(changes);
                }
                // Too large for a ConfigMap: the first paths, which prove nothing.
                Some(listed) if !listed.is_complete => {
                    truncated = truncated.or(Some((listed, node)));
                }
                Some(_) => changes.notes.push(format!(
                    "the failure log of {} has other changes meanwhile",
                    node.name
                )),
                None => changes
                    .notes
                    .push(format!("{} has no failure log that can be read", node.name)),
            }
        }
        if let Some((listed, node)) = truncated {
            changes.take(listed, log_source(node));
            changes.finish(None);
            return Ok(changes);
        }
        let result = self.result(first).await?;
        let result = result.filter(|it| it.changes_hash.as_deref() == Some(&id.to_string()));
        changes.take_status(first, result.as_ref());
        changes.finish(result.as_ref());
        Ok(changes)
    }

    /// A set that was accepted, by the evidence of its acceptance.
    async fn of_evidence(
        &self,
        digits: &str,
        file_integrity: Option<&str>,
    ) -> Result<Changes, Failure> {
        let accepted = |object: &FileIntegrityAcceptance| {
            let spec = &object.spec;
            let evidence = object.status.as_ref()?.evidence.clone()?;
            let is_of = file_integrity.is_none_or(|name| spec.file_integrity == name);
            (is_of && spec.changes.is_none() && spec.set().starts_with(digits)).then(|| Accepted {
                owner: Owner {
                    namespace: object.metadata.namespace.clone().unwrap_or_default(),
                    name: spec.file_integrity.clone(),
                },
                acceptance: object.metadata.name.clone().unwrap_or_default(),
                set: spec.set().to_owned(),
                evidence,
                by: spec.approved_by.username.clone(),
                reason: spec.reason.clone(),
            })
        };
        let listed = self
            .list("fileintegrityacceptances", VIEWER, accepted)
            .await;
        let mut all = match listed {
            Ok((all, _)) => all,
            Err(Failure::NotInstalled { .. }) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        all.sort_by(|a, b| (&a.set, &a.acceptance).cmp(&(&b.set, &b.acceptance)));
        let Some(last) = all.pop() else {
            return Err(Failure::Other(format!(
                "no node shows a change set whose ID begins with {digits}, and no acceptance has evidence of one"
            )));
        };
        if all.iter().any(|other| other.set != last.set) {
            return Err(Failure::Other(format!(
                "several accepted change sets begin with {digits}; more digits are needed"
            )));
        }
        let object = self
            .config_map(&last.owner.namespace, &last.evidence)
            .await?;
        let listed = object.as_ref().and_then(of_log).ok_or_else(|| {
            Failure::Other(format!("the evidence {} cannot be read", last.evidence))
        })?;
        let note = format!(
            "no node shows this set now; {} accepted it with {}: {}",
            last.by, last.acceptance, last.reason
        );
        let set = ChangeSetId::of_result(Some(&last.set), last.set.get(..12));
        let mut changes = Changes {
            owner: last.owner,
            set,
            nodes: Vec::new(),
            source: Source::Nothing,
            counts: Counts::default(),
            entries: Vec::new(),
            is_complete: false,
            notes: vec![note],
        };
        if set.is_some_and(|set| !is_set(&listed, set)) {
            let note = "the evidence has other changes than the acceptance names";
            changes.notes.push(note.to_owned());
        }
        let config_map = last.evidence;
        changes.take(listed, Source::Evidence { config_map });
        changes.finish(None);
        Ok(changes)
    }

    /// The active configuration of a FileIntegrity, as AIDE gets it.
    pub(crate) async fn active_configuration(
        &self,
        owner: &Owner,
    ) -> Result<Option<String>, Failure> {
        let object = self.config_map(&owner.namespace, &owner.name).await?;
        let data = object.and_then(|object| object.data);
        Ok(data.and_then(|mut data| data.remove(names::KEY_EFFECTIVE_CONF)))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, Failure> {
        let wanted = Wanted {
            verb: "get",
            resource: "configmaps",
            namespace: Some(namespace),
            hint: LOGS,
        };
        self.get(wanted, name).await
    }

    /// The latest result in the status of a node.
    async fn result(&self, node: &Node) -> Result<Option<ScanResult>, Failure> {
        let wanted = Wanted {
            verb: "get",
            resource: "fileintegritynodestatuses",
            namespace: Some(&node.owner.namespace),
            hint: VIEWER,
        };
        let name = names::node_status(&node.owner.name, &node.name);
        let status: Option<FileIntegrityNodeStatus> = self.get(wanted, &name).await?;
        Ok(status.and_then(|status| status.last_result))
    }

    async fn get<K>(&self, wanted: Wanted<'_>, name: &str) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + DeserializeOwned,
    {
        let namespace = wanted.namespace.unwrap_or_default();
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        let action = format!("get {} {name}", wanted.resource);
        let read = request_within(self.timeout, action, raw::get_opt(&api, name)).await;
        match read.map_err(|error| Failure::of(&error, wanted))? {
            None => Ok(None),
            Some(Ok(object)) => Ok(Some(object)),
            Some(Err(unreadable)) => Err(Failure::Other(unreadable.to_string())),
        }
    }
}

/// An acceptance with evidence.
struct Accepted {
    owner: Owner,
    acceptance: String,
    set: String,
    evidence: String,
    by: String,
    reason: String,
}

/// The name of the ConfigMap with the failure log of a node. It stays when the node is as its baseline again.
fn log_name(node: &Node) -> String {
    let of_result = node.scan.as_ref().and_then(|scan| scan.log.clone());
    of_result
        .unwrap_or_else(|| names::failure_log(&names::daemon_set(&node.owner.name), &node.name))
}

fn log_source(node: &Node) -> Source {
    Source::Log {
        config_map: log_name(node),
        node: node.name.clone(),
    }
}

/// A node without changes.
fn empty(node: &Node) -> Changes {
    Changes {
        owner: node.owner.clone(),
        set: None,
        nodes: vec![node.name.clone()],
        source: Source::Nothing,
        counts: Counts::default(),
        entries: Vec::new(),
        is_complete: true,
        notes: Vec::new(),
    }
}

impl Changes {
    /// Those of a set whose failure logs the user may not read: only their number is known.
    pub(crate) fn unread(plan: &Plan<'_>, note: String) -> Self {
        let example = plan.shown_by.first();
        let scan = example.and_then(|node| node.scan.as_ref());
        Self {
            owner: plan.owner.clone(),
            set: Some(plan.set),
            nodes: plan.nodes.iter().map(|node| node.name.clone()).collect(),
            source: Source::NodeStatus {
                node: example.map(|node| node.name.clone()).unwrap_or_default(),
            },
            counts: scan.map(|scan| scan.counts).unwrap_or_default(),
            entries: Vec::new(),
            is_complete: false,
            notes: vec![note],
        }
    }

    fn take(&mut self, listed: Listed, source: Source) {
        self.counts = listed.counts;
        self.entries = listed.entries;
        self.is_complete = listed.is_complete;
        self.source = source;
    }

    /// The first paths in the status of a node.
    fn take_status(&mut self, node: &Node, result: Option<&ScanResult>) {
        let listed = result.map(of_status).unwrap_or_default();
        let node = node.name.clone();
        self.take(listed, Source::NodeStatus { node });
    }

    fn finish(&mut self, result: Option<&ScanResult>) {
        if let Some(result) = result {
            with_actors(&mut self.entries, result);
        }
        if !self.is_complete {
            self.notes
                .push(format!("{} of the changes are listed", self.entries.len()));
        }
    }
}
