//! Decides what should be, from what was observed. Pure: all decisions of the operator are here
//! and in the modules that it calls ([`super::nodes`], [`super::reinit`], [`super::status`]);
//! [`super::build`] makes the objects, [`super::apply`] carries the plan out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use super::apply;
use super::build::{self, ActiveConfig, Environment};
use super::excluded::Excluded;
use super::freshness;
use super::nodes::{DaemonPod, NodeFacts, Update};
use super::reinit::{self, Candidate, Record};
use super::running::{self, Running};
use super::status::{self, ConfigState, Facts, NodeView};
use super::statuses::WatchedStatus;
use crate::api::object_name::visible;
use crate::api::{
    DesiredNodeState, EventReason, FileIntegrity, FileIntegrityStatus, HoldReason, Phase, names,
    state_dir,
};
use crate::scan::event::{EventMessage, Severity};

/// PriorityClasses are not watched, and pods of one that was deleted could not be made any more.
const LOOK_AT_CLASS_EVERY: Duration = Duration::from_secs(60);
/// AIDE is asked again about a configuration to which it gave no answer; earlier the judge knows none.
const LOOK_AT_UNCHECKED_EVERY: Duration = Duration::from_secs(60);
/// A node from which nothing was heard for too long is looked at again this often.
const LOOK_AT_SILENT_EVERY: Duration = Duration::from_secs(15);

/// What came of the user's wish for a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configured {
    /// It can be put into effect.
    Good {
        /// The configuration.
        config: ActiveConfig,
        /// What to say about it.
        warnings: Vec<String>,
    },
    /// It cannot be had.
    Unavailable {
        /// A word in camel case.
        reason: &'static str,
        /// What to do about it.
        message: String,
    },
    /// It is refused.
    Refused {
        /// Why.
        message: String,
    },
    /// Whether it can be used is not known: AIDE was asked, and gave no answer.
    Unchecked {
        /// What became of AIDE.
        message: String,
    },
    /// It has not been read yet.
    Unknown,
}

/// Everything that one pass over a FileIntegrity looks at.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The FileIntegrity.
    pub file_integrity: Arc<FileIntegrity>,
    /// Its configuration.
    pub configured: Configured,
    /// The last good one that this operator saw.
    pub last_good: Option<Arc<ActiveConfig>>,
    /// The ConfigMap that would hold the active configuration.
    pub active: Option<Arc<ConfigMap>>,
    /// The DaemonSets of the namespace that belong to it, or have a name that it needs.
    pub daemon_sets: Vec<Arc<DaemonSet>>,
    /// All nodes.
    pub nodes: Vec<Arc<NodeFacts>>,
    /// Its status objects.
    pub statuses: Vec<Arc<WatchedStatus>>,
    /// How long each of these has not changed, by the node's name.
    pub silence: HashMap<Arc<str>, Duration>,
    /// The nodes that can have no status, as the last pass found: its name is another object's.
    pub nameless: HashSet<Arc<str>>,
    /// The nodes whose last scan failed, where those are asked for.
    pub failed: Vec<String>,
    /// Which objects that concern it cannot be read: a sentence for each.
    pub unreadable: Vec<String>,
    /// The names of nodes that cannot be read.
    pub unreadable_nodes: HashSet<String>,
    /// The other FileIntegrities of the namespace.
    pub others: Vec<Arc<FileIntegrity>>,
    /// What the pods need.
    pub environment: Environment,
    /// The time.
    pub now: Time,
}

/// An object that should be there.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// The active configuration.
    ConfigMap(Value),
    /// A node's status. There may be thousands of them, so each is built only when it is written.
    NodeStatus(WantedStatus),
    /// The daemon's or a signaller's.
    DaemonSet(Value),
}

/// What [`build::node_status`] is to make a node's status from.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedStatus {
    /// The node's name.
    pub node: Arc<str>,
    /// What its daemon should do.
    pub desired: DesiredNodeState,
    /// The status that is there.
    pub there: Option<Arc<WatchedStatus>>,
}

/// An object that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// A DaemonSet of this name.
    DaemonSet(String),
    /// A node's status of this name.
    NodeStatus(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Objects to have, in the order in which they are made.
    pub wanted: Vec<Wanted>,
    /// Objects to remove.
    pub unwanted: Vec<Unwanted>,
    /// A change of the FileIntegrity's own annotations.
    pub metadata: Option<Value>,
    /// What to say, besides the phase.
    pub sayings: Vec<EventMessage>,
    /// The status.
    pub status: FileIntegrityStatus,
    /// The selected nodes from which nothing is heard.
    pub stale: BTreeSet<String>,
    /// When to look again though nothing has changed.
    pub again: Option<Duration>,
}

/// The plan for what was observed.
pub fn plan(observed: &Observed) -> Plan {
    Planner::new(observed).plan()
}

struct Planner<'a> {
    observed: &'a Observed,
    fi: &'a FileIntegrity,
    name: String,
    /// The nodes on which a daemon runs, or should.
    selected: Vec<&'a NodeFacts>,
    /// Those of them to which no new daemon's pod can come.
    shut_out: HashSet<&'a str>,
    /// The nodes that are not selected because of their taints.
    excluded: Excluded,
    /// The status objects by the names of their nodes.
    statuses: HashMap<&'a str, &'a Arc<WatchedStatus>>,
    running: Running,
    record: Option<Record>,
}

impl<'a> Planner<'a> {
    fn new(observed: &'a Observed) -> Self {
        let fi = observed.file_integrity.as_ref();
        let statuses = observed.statuses.iter().rev();
        let statuses = statuses
            .map(|status| (&*status.node_name, status))
            .collect();
        let Selection {
            selected,
            shut_out,
            excluded,
        } = selected(observed, &statuses);
        Self {
            observed,
            fi,
            name: fi.metadata.name.clone().unwrap_or_default(),
            selected,
            shut_out,
            excluded,
            statuses,
            running: running(observed),
            record: Record::of(fi),
        }
    }

    fn plan(&self) -> Plan {
        let asked = self.asked();
        let delay = self.delay();
        let views: Vec<NodeView> = self.selected.iter().map(|node| self.view(node)).collect();
        let config_state = self.config_state();
        let problems = self.problems();
        let facts = Facts {
            deployed: self.daemon_set().is_some(),
            reinit_asked: asked.is_some() || self.record.is_some(),
            nodes: &views,
            excluded: &self.excluded,
            config: &config_state,
            problems: &problems,
            generation: self.fi.metadata.generation,
        };
        let mut status = status::build(&facts, self.fi.status.as_ref(), &self.observed.now);
        if config_state == ConfigState::Unknown {
            // Nothing is known yet: no reason to change what is said.
            let before = self.fi.status.as_ref();
            let phase = before.and_then(|s| s.phase).unwrap_or(Phase::Pending);
            status.phase = Some(phase);
            status.phase_transitions = Some(status::phase_transitions(before, phase));
        }
        let deployable = delay.is_none() && config_state != ConfigState::Unknown;
        Plan {
            wanted: if deployable {
                self.wanted()
            } else {
                Vec::new()
            },
            unwanted: self.unwanted(),
            metadata: self.metadata(asked.as_ref()),
            sayings: self.sayings(asked.as_ref()),
            status,
            stale: views
                .iter()
                .filter(|view| view.is_stale())
                .map(|view| view.name.to_string())
                .collect(),
            again: delay.or_else(|| self.again(&views)),
        }
    }

    /// When to look at a deployed FileIntegrity again.
    fn again(&self, views: &[NodeView]) -> Option<Duration> {
        let class = self.fi.spec.priority_class().map(|_| LOOK_AT_CLASS_EVERY);
        let waits = views.iter().filter_map(|view| view.patience_left);
        // A silent node that reports again does not make a pass by itself.
        let waits = waits.map(|left| {
            if left.is_zero() {
                LOOK_AT_SILENT_EVERY
            } else {
                left
            }
        });
        let unchecked = matches!(self.observed.configured, Configured::Unchecked { .. });
        let unchecked = unchecked.then_some(LOOK_AT_UNCHECKED_EVERY);
        class.into_iter().chain(unchecked).chain(waits).min()
    }

    /// What is asked by annotation and not recorded yet. While an earlier record is being handed
    /// out, the annotation waits.
    fn asked(&self) -> Option<reinit::Asked> {
        if self.record.is_some() || !reinit::is_asked(self.fi) {
            return None;
        }
        let names: BTreeSet<String> = self.selected.iter().map(|n| n.name.to_string()).collect();
        reinit::asked(self.fi, &names, &self.observed.failed)
    }

    /// How long spec.config.initialDelay still keeps everything back.
    fn delay(&self) -> Option<Duration> {
        if self.daemon_set().is_some() {
            return None;
        }
        let created = self.fi.metadata.creation_timestamp.as_ref()?;
        let age = self.observed.now.0.duration_since(created.0).as_secs();
        let left = self.fi.spec.initial_delay() - age;
        u64::try_from(left)
            .ok()
            .filter(|left| *left > 0)
            .map(Duration::from_secs)
    }

    fn wanted(&self) -> Vec<Wanted> {
        if self.running.hash.is_none() {
            return Vec::new();
        }
        let config = self.running.config.as_ref();
        let config = config.map(|config| Wanted::ConfigMap(build::config_map(self.fi, config)));
        let mut wanted: Vec<Wanted> = config.into_iter().collect();
        wanted.extend(
            self.selected
                .iter()
                .filter_map(|node| self.node_status(node)),
        );
        let environment = &self.observed.environment;
        wanted.push(Wanted::DaemonSet(build::daemon_set(self.fi, environment)));
        if let Some(signal) = self.signal() {
            wanted.push(Wanted::DaemonSet(build::signaller(
                self.fi,
                environment,
                &signal,
            )));
        }
        wanted
    }

    /// The status object of a node, unless it is there as it should be: of thousands, most are.
    fn node_status(&self, node: &NodeFacts) -> Option<Wanted> {
        let (fi, desired) = (self.fi, self.desired(node));
        let there = self.statuses.get(&*node.name).copied();
        if there.is_some_and(|status| build::is_node_status(status, fi, &node.name, &desired)) {
            return None;
        }
        Some(Wanted::NodeStatus(WantedStatus {
            node: Arc::clone(&node.name),
            desired,
            there: there.cloned(),
        }))
    }

    fn unwanted(&self) -> Vec<Unwanted> {
        let selected: HashSet<&str> = self.selected.iter().map(|n| &*n.name).collect();
        let mut unwanted: Vec<Unwanted> = self
            .observed
            .statuses
            .iter()
            .filter(|status| !selected.contains(&*status.node_name))
            // Whether it is still selected is not known.
            .filter(|status| !self.observed.unreadable_nodes.contains(&*status.node_name))
            .map(|status| Unwanted::NodeStatus(status.name.to_string()))
            .collect();
        let signaller = self
            .signal()
            .map(|signal| build::signaller_name(self.fi, &signal));
        let daemon_set = names::daemon_set(&self.name);
        let legacy = names::legacy_daemon_set(&self.name);
        for existing in &self.observed.daemon_sets {
            let name = object_name(&existing.metadata);
            let is_signaller = has_label(&existing.metadata, names::LABEL_REINIT_OWNER, &self.name);
            let is_old_signaller = is_signaller && signaller.as_ref() != Some(&name);
            if name != daemon_set && (is_old_signaller || name == legacy) {
                unwanted.push(Unwanted::DaemonSet(name));
            }
        }
        unwanted
    }

    fn metadata(&self, asked: Option<&reinit::Asked>) -> Option<Value> {
        if let Some(asked) = asked {
            return Some(reinit::record_patch(self.fi, asked));
        }
        let record = self.record.as_ref()?;
        let handed_out = self
            .selected
            .iter()
            .filter(|n| record.names_node(&n.name))
            .all(|node| match self.status_of(node) {
                Some(status) => status.desired.reinit_request.as_ref() == Some(&record.id),
                // Who waited for these would wait for ever, and nothing more could be asked of any node.
                None => self.observed.nameless.contains(&node.name),
            });
        handed_out.then(reinit::drop_record_patch)
    }

    fn sayings(&self, asked: Option<&reinit::Asked>) -> Vec<EventMessage> {
        let mut sayings = Vec::new();
        let warning = |reason, message| EventMessage {
            severity: Severity::Warning,
            reason,
            message,
        };
        if let Some(message) = asked.and_then(reinit::Asked::unknown_nodes) {
            sayings.push(warning(EventReason::UnknownNodes, message));
        }
        if reinit::holds_no_node(self.fi) {
            let message = "holdoff names no node: give an empty value for all nodes, or names \
                           separated by commas";
            sayings.push(warning(EventReason::UnknownNodes, message.to_owned()));
        }
        if asked.is_some_and(|asked| asked.finds_none_failed) {
            let message = "re-init-on-failed has no effect: the last scan of no node has failed";
            sayings.push(warning(EventReason::NoNodesFailed, message.to_owned()));
        }
        if let Some(message) = self.missing_priority_class() {
            sayings.push(warning(EventReason::PriorityClass, message));
        }
        match &self.observed.configured {
            Configured::Refused { message } => {
                sayings.push(warning(EventReason::ConfigRefused, message.clone()));
            }
            Configured::Good { warnings, .. } if !warnings.is_empty() => {
                sayings.push(warning(EventReason::ConfigWarnings, warnings.join("; ")));
            }
            _ => {}
        }
        sayings
    }

    fn config_state(&self) -> ConfigState {
        match &self.observed.configured {
            Configured::Good { warnings, .. } => ConfigState::Valid {
                warnings: self.config_warnings(warnings),
            },
            Configured::Unavailable { reason, message } => ConfigState::Unavailable {
                reason,
                message: message.clone(),
            },
            Configured::Unchecked { message } => ConfigState::Unavailable {
                reason: "Unchecked",
                message: format!(
                    "AIDE did not say whether it takes it, and is asked again: {message}"
                ),
            },
            Configured::Refused { message } => ConfigState::Refused {
                message: message.clone(),
            },
            Configured::Unknown => ConfigState::Unknown,
        }
    }

    fn config_warnings(&self, warnings: &[String]) -> Vec<String> {
        let odd = self.fi.spec.unusual_values();
        odd.into_iter().chain(warnings.iter().cloned()).collect()
    }

    fn problems(&self) -> Vec<(&'static str, String)> {
        let lost = self.lost_configuration().into_iter();
        let class = self.missing_priority_class();
        let class = class.map(|message| {
            let message = format!("{message}; the pods run without it until it exists");
            (EventReason::PriorityClass.as_str(), message)
        });
        let unreadable = self.observed.unreadable.iter();
        let unreadable =
            unreadable.map(|sentence| (EventReason::ObjectUnreadable.as_str(), sentence.clone()));
        // There may be so many overlaps that they fill the message, so they come last.
        let first = lost.chain(self.refused_state_dir()).chain(class);
        let first = first.chain(unreadable);
        first.chain(self.overlaps()).collect()
    }

    /// The state directory of the spec is one that the daemons do not use.
    fn refused_state_dir(&self) -> Option<(&'static str, String)> {
        let dir = self.fi.spec.state_dir();
        let reason = state_dir::refusal(&dir)?;
        let message = format!("spec.config.stateDir {dir} {reason}; no node is scanned with it");
        Some(("StateDirRefused", message))
    }

    /// The PriorityClass of the spec does not exist, in the original's words.
    fn missing_priority_class(&self) -> Option<String> {
        let class = visible(self.fi.spec.priority_class()?);
        (!self.observed.environment.priority_class_exists).then(|| {
            format!(
                "Error while getting priority class '{class}', PriorityClass not found or invalid"
            )
        })
    }

    /// The active ConfigMap was edited or deleted while no operator knew what it had held.
    fn lost_configuration(&self) -> Option<(&'static str, String)> {
        if !self.running.is_lost || self.observed.configured == Configured::Unknown {
            return None;
        }
        let message = format!(
            "the ConfigMap {} does not hold what the nodes run; it is written again as soon as the \
             configuration can be used, see the condition ConfigValid",
            self.name
        );
        Some(("ConfigurationLost", message))
    }

    /// Nodes that two FileIntegrities select: their daemons would write the same baseline.
    fn overlaps(&self) -> Vec<(&'static str, String)> {
        let overlapping = |other: &&Arc<FileIntegrity>| {
            let selector = other.spec.selector();
            self.selected
                .iter()
                .any(|node| node.daemon_pod(&selector, &other.spec.tolerations) == DaemonPod::Runs)
        };
        self.observed
            .others
            .iter()
            .filter(overlapping)
            .map(|other| {
                let other = object_name(&other.metadata);
                let message = format!(
                    "{} and {other} select the same nodes; only one of them can scan a node, change a nodeSelector",
                    self.name
                );
                ("Overlap", message)
            })
            .collect()
    }

    fn view(&self, node: &NodeFacts) -> NodeView {
        let status = self.status_of(node);
        let has_baseline = status
            .and_then(|s| s.report.baseline.as_ref())
            .is_some_and(|baseline| Some(&*baseline.config_hash) == self.running.hash.as_deref());
        let request = self.request(node);
        let open = status.is_none_or(|s| reinit::is_open(s, request.as_deref()));
        let initialized = has_baseline && !open;
        let held = self.hold(node).is_some();
        let last = status.and_then(|status| status.report.last.as_ref());
        NodeView {
            name: Arc::clone(&node.name),
            reachable: node.ready,
            initialized,
            held,
            patience_left: self.patience_left(node, initialized).filter(|_| !held),
            shut_out: self.shut_out.contains(&*node.name),
            condition: status.and_then(WatchedStatus::condition),
            unwatched_rule: last.and_then(|last| last.unwatched_rule.clone()),
        }
    }

    /// How much longer the node may be silent. Held ones may for ever; when the hold ends, their
    /// status changes, and with that the clock begins anew.
    fn patience_left(&self, node: &NodeFacts, initialized: bool) -> Option<Duration> {
        let silence = self.observed.silence.get(&node.name)?;
        let last = self.status_of(node)?.report.last.as_ref();
        let last = last.and_then(|last| last.took);
        let patience = freshness::patience(self.fi.spec.grace_period(), last, initialized);
        Some(patience.saturating_sub(*silence))
    }

    fn desired(&self, node: &NodeFacts) -> DesiredNodeState {
        DesiredNodeState {
            config_hash: self.running.hash.clone(),
            reinit_request: self.request(node),
            hold: self.hold(node),
        }
    }

    fn hold(&self, node: &NodeFacts) -> Option<HoldReason> {
        let held_before = self.is_held_for_update(node);
        match self.update(node) {
            Update::Under => Some(HoldReason::NodeUpdate),
            Update::Between if held_before => Some(HoldReason::NodeUpdate),
            _ if reinit::is_held(self.fi, &node.name) => Some(HoldReason::User),
            _ if self.waits_for_its_request(node) => Some(HoldReason::User),
            _ => None,
        }
    }

    /// Whoever ends a hold and asks for a new baseline in one write wants no scan against the old one
    /// in between: the hold goes on until the request has an id and can be handed over with its end.
    fn waits_for_its_request(&self, node: &NodeFacts) -> bool {
        self.held_before(node) == Some(&HoldReason::User) && reinit::is_asked(self.fi)
    }

    fn update(&self, node: &NodeFacts) -> Update {
        node.update(self.fi.spec.config.holdoff_when_cordoned == Some(true))
    }

    fn is_held_for_update(&self, node: &NodeFacts) -> bool {
        self.held_before(node) == Some(&HoldReason::NodeUpdate)
    }

    /// Why the node's status object says that its scans are held, if it does.
    fn held_before(&self, node: &NodeFacts) -> Option<&HoldReason> {
        self.status_of(node)?.desired.hold.as_ref()
    }

    /// The id of the re-initialisation that ends a hold for an update. It is written together with
    /// the end of the hold.
    fn request_after_update(&self, node: &NodeFacts) -> Option<String> {
        if !self.is_held_for_update(node) || self.update(node) != Update::Over {
            return None;
        }
        self.status_of(node).map(reinit::next_request)
    }

    /// The newest request for this node: that of an update which is over, the record's, or the one
    /// that it was given before.
    fn request(&self, node: &NodeFacts) -> Option<String> {
        if let Some(id) = self.request_after_update(node) {
            return Some(id);
        }
        match &self.record {
            Some(record) if record.names_node(&node.name) => Some(record.id.clone()),
            _ => self
                .status_of(node)
                .and_then(|status| status.desired.reinit_request.clone())
                .filter(|id| reinit::is_request_id(id)),
        }
    }

    /// The signal for nodes that have a baseline to make in place of another one. A first baseline
    /// needs no signal: the daemon makes it by itself.
    fn signal(&self) -> Option<build::Signal> {
        let candidates: Vec<Candidate> = self
            .selected
            .iter()
            .map(|node| self.candidate(node))
            .collect();
        reinit::signal(&candidates)
    }

    fn candidate(&self, node: &NodeFacts) -> Candidate {
        let can_act = node.ready && self.hold(node).is_none();
        let (id, is_open) = self.signal_for(node).unwrap_or_default();
        Candidate {
            node: Arc::clone(&node.name),
            id,
            is_waiting: can_act && is_open,
        }
    }

    /// The text of the signal for what this node was asked last, and whether that is still to be
    /// done.
    fn signal_for(&self, node: &NodeFacts) -> Option<(Option<String>, bool)> {
        let status = self.status_of(node)?;
        let request = self.request(node);
        if reinit::is_open(status, request.as_deref()) {
            return Some((request, true));
        }
        let wanted = self.running.hash.as_ref()?;
        let has_old = status
            .report
            .baseline
            .as_ref()
            .is_some_and(|made| *made.config_hash != **wanted);
        if has_old || self.observed_signaller_announces(wanted) {
            return Some((Some(format!("{}{wanted}", names::CONFIG_SIGNAL)), has_old));
        }
        Some((request, false))
    }

    /// A signaller for this configuration is there: it stays as it is until all nodes are done.
    fn observed_signaller_announces(&self, config_hash: &str) -> bool {
        let argument = format!("--request={}{config_hash}", names::CONFIG_SIGNAL);
        self.observed.daemon_sets.iter().any(|ds| {
            let pod = ds.spec.as_ref().and_then(|s| s.template.spec.as_ref());
            let args = pod
                .and_then(|p| p.containers.first())
                .and_then(|c| c.args.as_ref());
            args.is_some_and(|args| args.contains(&argument))
        })
    }

    fn status_of(&self, node: &NodeFacts) -> Option<&WatchedStatus> {
        self.statuses.get(&*node.name).map(|status| &***status)
    }

    fn daemon_set(&self) -> Option<&Arc<DaemonSet>> {
        let name = names::daemon_set(&self.name);
        self.observed
            .daemon_sets
            .iter()
            .filter(|ds| !apply::is_leftover(&ds.metadata, self.observed))
            .find(|ds| ds.metadata.name.as_ref() == Some(&name))
    }
}

/// Which nodes a FileIntegrity watches.
struct Selection<'a> {
    selected: Vec<&'a NodeFacts>,
    /// Names of those to which no new daemon's pod can come.
    shut_out: HashSet<&'a str>,
    excluded: Excluded,
}

/// Sorts the nodes.
///
/// Where no new pod of a daemon can come, one that is there runs on and reports, and its node stays
/// selected by what it has reported. It is given up where somebody deletes that. A status without any
/// report is none: the taint may have come, or been seen, just after it was made, and no pod ever.
fn selected<'a>(
    observed: &'a Observed,
    statuses: &HashMap<&str, &Arc<WatchedStatus>>,
) -> Selection<'a> {
    let spec = &observed.file_integrity.spec;
    let selector = spec.selector();
    let has_reported = |node: &NodeFacts| {
        let status = statuses.get(&*node.name);
        status.is_some_and(|status| status.has_report())
    };
    let (mut selected, mut shut_out) = (Vec::new(), HashSet::new());
    let mut excluded = Excluded::default();
    for node in observed.nodes.iter().map(AsRef::as_ref) {
        match node.daemon_pod(&selector, &spec.tolerations) {
            DaemonPod::Runs => selected.push(node),
            DaemonPod::RunsOn if has_reported(node) => {
                selected.push(node);
                shut_out.insert(&*node.name);
            }
            DaemonPod::RunsOn | DaemonPod::Absent if node.is_matched(&selector) => {
                excluded.add(node, node.untolerated(&spec.tolerations));
            }
            DaemonPod::RunsOn | DaemonPod::Absent => {}
        }
    }
    Selection {
        selected,
        shut_out,
        excluded,
    }
}

/// The configuration that is put into effect, or goes on.
fn running(observed: &Observed) -> Running {
    if let Configured::Good { config, .. } = &observed.configured {
        return Running::of(config.clone());
    }
    let owner = object_name(&observed.file_integrity.metadata);
    let active = observed.active.as_deref();
    let active = active.filter(|active| has_label(&active.metadata, names::LABEL_OWNER, &owner));
    let statuses = observed.statuses.iter();
    let told = statuses.filter_map(|status| status.desired.config_hash.as_deref());
    Running::on(
        observed.last_good.as_deref(),
        active.and_then(running::held_by),
        &told.collect(),
    )
}

fn has_label(metadata: &ObjectMeta, key: &str, value: &str) -> bool {
    metadata.labels.as_ref().and_then(|l| l.get(key)) == Some(&names::label_value(value))
}

fn object_name(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap_or_default()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(super) mod tests;
