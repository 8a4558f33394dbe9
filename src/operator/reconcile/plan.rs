//! Decides what to do, from what was observed. Pure.
//!
//! All decisions of the operator are made here and in the modules that this one calls.

pub(crate) mod acceptances;
mod desired_nodes;
mod events;
mod holdoff;
mod holds;
mod inputs;
mod problems;
mod reinit;
mod requests;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::acceptances::{AcceptanceUpdate, PlannedAcceptances};
use self::inputs::Inputs;
use super::build;
use super::conditions::config_valid::ConfigState;
use super::conditions::inputs::{NodeSummary, StatusInputs};
use super::conditions::{self, phase};
use super::config_validator::exclusions::next_end;
use super::observed::{ConfigVerdict, Observed};
use super::ownership::has_label;
use crate::api::{DesiredNodeState, FileIntegrityStatus, Phase, names};
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;
use crate::operator::change_sets::{ChangeSetNodes, ChangeSets};
use crate::scan::event::EventMessage;

/// How often the PriorityClass is checked. PriorityClasses are not watched, and without its
/// PriorityClass no pod can be created.
const PRIORITY_CLASS_INTERVAL: Duration = Duration::from_secs(60);
/// When the check of a configuration is repeated about which AIDE gave no answer.
const RECHECK_CONFIG_AFTER: Duration = Duration::from_secs(60);
/// How often a silent node is checked.
const SILENT_NODE_INTERVAL: Duration = Duration::from_secs(15);

/// An object that should exist.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DesiredObject {
    ConfigMap(Value),
    /// A node's status. There may be thousands, so each is built only when it is written.
    NodeStatus(Box<DesiredNodeStatus>),
    /// The DaemonSet of the daemons, or the re-init DaemonSet.
    DaemonSet(Value),
}

/// A node's status object that should exist.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DesiredNodeStatus {
    pub(crate) node: Arc<str>,
    pub(crate) desired: DesiredNodeState,
    /// The status object that exists.
    pub(crate) existing: Option<Arc<CachedNodeStatus>>,
}

/// An object that should not exist, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ObsoleteObject {
    DaemonSet(String),
    NodeStatus(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// In the order in which they are applied.
    pub(crate) desired: Vec<DesiredObject>,
    pub(crate) obsolete: Vec<ObsoleteObject>,
    /// A change of the FileIntegrity's own annotations.
    pub(crate) metadata_patch: Option<Value>,
    /// The events to create, except for a new phase.
    pub(crate) events: Vec<EventMessage>,
    pub(crate) status: FileIntegrityStatus,
    /// The selected nodes that are not ready or silent.
    pub(crate) stale_nodes: BTreeSet<String>,
    /// How many of the selected nodes show each change set.
    pub(crate) change_set_nodes: ChangeSetNodes,
    /// The statuses of acceptances that differ from the stored ones.
    pub(crate) acceptances: Vec<AcceptanceUpdate>,
    /// Whether an acceptance waits for evidence that should exist soon.
    pub(crate) awaits_evidence: bool,
    /// When to reconcile again if nothing changes.
    pub(crate) requeue_after: Option<Duration>,
}

/// The plan for what was observed.
pub(crate) fn plan(observed: &Observed) -> Plan {
    Planner {
        inputs: Inputs::new(observed),
    }
    .plan()
}

struct Planner<'a> {
    inputs: Inputs<'a>,
}

impl Planner<'_> {
    fn plan(&self) -> Plan {
        let inputs = &self.inputs;
        let requests = inputs.requests();
        let delay = self.initial_delay();
        let nodes = inputs.node_summaries();
        let config = inputs.config_state();
        let is_deployable = delay.is_none() && config != ConfigState::Unknown;
        let stale = nodes.iter().filter(|node| node.is_stale());
        let shown = nodes.iter();
        let shown = shown.filter_map(|node| Some((&node.name, node.change_set.as_ref()?)));
        let change_sets = ChangeSets::new(shown);
        let acceptances = inputs.acceptances(is_deployable);
        let requeue_after = delay.or_else(|| self.requeue_after(&nodes));
        Plan {
            desired: if is_deployable {
                self.desired(&acceptances)
            } else {
                Vec::new()
            },
            obsolete: self.obsolete(),
            metadata_patch: inputs.metadata_patch(&requests),
            events: inputs.events(&requests),
            status: self.status(&nodes, &change_sets, &config, requests.reinit.is_some()),
            stale_nodes: stale.map(|node| node.name.to_string()).collect(),
            change_set_nodes: change_sets.nodes(),
            awaits_evidence: acceptances.awaits_evidence,
            requeue_after: requeue_after
                .into_iter()
                .chain(acceptances.check_after)
                .min(),
            acceptances: acceptances.updates,
        }
    }

    fn status(
        &self,
        nodes: &[NodeSummary],
        change_sets: &ChangeSets,
        config: &ConfigState,
        reinit_requested: bool,
    ) -> FileIntegrityStatus {
        let inputs = &self.inputs;
        let problems = inputs.problems();
        let status_inputs = StatusInputs {
            deployed: inputs.daemon_set().is_some(),
            reinit_requested: reinit_requested || inputs.record.is_some(),
            nodes,
            change_sets,
            excluded: &inputs.selection.excluded,
            config,
            realtime: inputs.fi.spec.realtime_mode(),
            problems: &problems,
            generation: inputs.fi.metadata.generation,
        };
        let before = inputs.fi.status.as_ref();
        let mut status = conditions::status(&status_inputs, before, &inputs.observed.now);
        if *config == ConfigState::Unknown {
            // Nothing is known yet, so the phase stays.
            let kept = before
                .and_then(|before| before.phase)
                .unwrap_or(Phase::Pending);
            status.phase = Some(kept);
            status.phase_transitions = Some(phase::phase_transitions(before, kept));
        }
        status
    }

    /// When to reconcile a deployed FileIntegrity again.
    fn requeue_after(&self, nodes: &[NodeSummary]) -> Option<Duration> {
        let class = self.inputs.fi.spec.priority_class();
        let class = class.map(|_| PRIORITY_CLASS_INTERVAL);
        let silent = nodes.iter().filter_map(|node| node.silence_left);
        // A report of a silent node may change nothing that triggers a reconcile.
        let silent = silent.map(|left| {
            if left.is_zero() {
                SILENT_NODE_INTERVAL
            } else {
                left
            }
        });
        let verdict = &self.inputs.observed.verdict;
        let unchecked = matches!(verdict, ConfigVerdict::Unchecked { .. });
        let unchecked = unchecked.then_some(RECHECK_CONFIG_AFTER);
        let (exclude, now) = (&self.inputs.fi.spec.exclude, &self.inputs.observed.now);
        let exclusion = next_end(exclude, now);
        let hold = self.inputs.next_hold_change();
        let fixed = [class, unchecked, exclusion, hold];
        fixed.into_iter().flatten().chain(silent).min()
    }

    /// How long spec.config.initialDelay still delays the deployment.
    fn initial_delay(&self) -> Option<Duration> {
        if self.inputs.daemon_set().is_some() {
            return None;
        }
        let fi = self.inputs.fi;
        let created = fi.metadata.creation_timestamp.as_ref()?;
        let age = self
            .inputs
            .observed
            .now
            .0
            .duration_since(created.0)
            .as_secs();
        let left = fi.spec.initial_delay() - age;
        u64::try_from(left)
            .ok()
            .filter(|left| *left > 0)
            .map(Duration::from_secs)
    }

    fn desired(&self, acceptances: &PlannedAcceptances<'_>) -> Vec<DesiredObject> {
        let inputs = &self.inputs;
        let fi = inputs.fi;
        if inputs.effective.hash.is_none() {
            return Vec::new();
        }
        let config = inputs.effective.config.as_ref();
        let config = config.map(|config| DesiredObject::ConfigMap(build::config_map(fi, config)));
        let mut desired: Vec<DesiredObject> = config.into_iter().collect();
        let nodes = inputs.selection.selected.iter();
        desired.extend(nodes.filter_map(|node| self.node_status(node, acceptances)));
        let environment = &inputs.observed.environment;
        desired.push(DesiredObject::DaemonSet(build::daemon_set(fi, environment)));
        desired.extend(inputs.signal().map(|signal| {
            DesiredObject::DaemonSet(build::reinit_daemon_set(fi, environment, &signal))
        }));
        desired
    }

    /// The status object of a node, unless the existing one is up to date. Of thousands, most are.
    fn node_status(
        &self,
        node: &CachedNode,
        acceptances: &PlannedAcceptances<'_>,
    ) -> Option<DesiredObject> {
        let desired = self.inputs.desired_state(node, acceptances);
        let existing = self.inputs.statuses.get(&*node.name).copied();
        let is_up_to_date = existing.is_some_and(|status| {
            build::is_node_status(status, self.inputs.fi, &node.name, &desired)
        });
        (!is_up_to_date).then(|| {
            DesiredObject::NodeStatus(Box::new(DesiredNodeStatus {
                node: Arc::clone(&node.name),
                desired,
                existing: existing.cloned(),
            }))
        })
    }

    fn obsolete(&self) -> Vec<ObsoleteObject> {
        let mut obsolete = self.obsolete_node_statuses();
        obsolete.extend(self.obsolete_daemon_sets());
        obsolete
    }

    fn obsolete_node_statuses(&self) -> Vec<ObsoleteObject> {
        let observed = self.inputs.observed;
        let selected = self.inputs.selection.selected.iter();
        let selected: HashSet<&str> = selected.map(|node| &*node.name).collect();
        observed
            .statuses
            .iter()
            .filter(|status| !selected.contains(&*status.node_name))
            // It is not known whether such a node is selected.
            .filter(|status| !observed.unreadable_nodes.contains(&*status.node_name))
            .map(|status| ObsoleteObject::NodeStatus(status.name.to_string()))
            .collect()
    }

    fn obsolete_daemon_sets(&self) -> Vec<ObsoleteObject> {
        let (fi, name) = (self.inputs.fi, &self.inputs.name);
        let signal = self.inputs.signal();
        let reinit = signal.map(|signal| build::reinit_daemon_set_name(fi, &signal));
        let (daemon_set, legacy) = (names::daemon_set(name), names::legacy_daemon_set(name));
        let mut obsolete = Vec::new();
        for existing in &self.inputs.observed.daemon_sets {
            let existing_name = existing.metadata.name.clone().unwrap_or_default();
            let is_reinit = has_label(&existing.metadata, names::Label::REINIT_OWNER, name);
            let is_old_reinit = is_reinit && reinit.as_ref() != Some(&existing_name);
            if existing_name != daemon_set && (is_old_reinit || existing_name == legacy) {
                obsolete.push(ObsoleteObject::DaemonSet(existing_name));
            }
        }
        obsolete
    }
}

#[cfg(test)]
pub(in crate::operator) mod tests;
