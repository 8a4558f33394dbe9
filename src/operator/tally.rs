//! Turns what passes observe and do into counts. Pure, but for the values in [`Fleet`].
//!
//! What is counted is what happened, once: a write that changed nothing, or the same change seen twice
//! through a cache that lags, is not counted, and a write whose answer was lost is counted when it turns
//! out to have been carried out. Phases, requests and what nodes are asked for are counted when the
//! watches show them; DaemonSets, which others change too, by our own writes. The results that node statuses have when this operator begins
//! to lead were counted by another one; the gauges are derived from them, so they are right at once.
//! When the last status of a node is gone, so is all that was told of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as StatusCondition;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::Value;

use super::apply::{self, Applied};
use super::plan::{Observed, Unwanted, Wanted};
use super::statuses::{Report, WatchedStatus};
use super::triggers::hash;
use crate::api::{
    Condition, FileIntegrity, FileIntegrityStatus, HoldReason, NodeCounts, Phase,
    ReportedErrorClass, names,
};
use crate::telemetry::metrics::{
    ConditionLabels, ErrorLabel, FileIntegrityLabel, Fleet, KindLabel, NodeErrorLabels, NodeLabel,
    OperationLabel, PhaseLabel, ReinitLabels, StateLabel, StepLabel,
};

/// Who or what asks for new baselines.
const BY_CONFIG: &str = "config";
const BY_DEMAND: &str = "demand";
const BY_MISSING: &str = "missing";
const BY_NODE: &str = "node";

/// What came of applying an object.
#[derive(Clone, Copy, Debug)]
pub enum ApplyOutcome<'a> {
    /// It was written.
    Applied(&'a Applied),
    /// It was as it should be.
    Unchanged,
    /// It may have been written: no answer, or an error, came back.
    Failed,
}

/// Reports, with the names of the statuses that have them.
type Reports = Vec<(Arc<str>, Arc<Report>)>;

/// Counts for one leadership.
#[derive(Debug)]
pub struct Tally {
    fleet: Arc<Fleet>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// What was last seen of each node's statuses, with their names; most nodes have one.
    nodes: HashMap<Arc<str>, Reports>,
    /// While the watch of node statuses lists them anew: those that it has not shown yet, as node
    /// and name.
    missing: HashSet<(Arc<str>, Arc<str>)>,
    /// It has listed them once.
    listed: bool,
    /// While the watch of FileIntegrities lists them anew: those that it has shown.
    shown: HashSet<String>,
    /// It has listed them once.
    is_shown: bool,
    /// The FileIntegrities that are there, and what of them is counted.
    known: HashMap<String, Counted>,
    /// Uid and generation of each DaemonSet as it was last written, by its name.
    daemon_sets: HashMap<String, Written>,
    /// The DaemonSets whose last write was not answered, by name.
    unanswered: HashMap<String, Unanswered>,
    /// The DaemonSets whose removal was not answered, by name.
    unremoved: HashMap<String, Unremoved>,
    /// What each node's daemon is asked for, by the name of its status.
    asked: HashMap<Arc<str>, AskedOfNode>,
    /// Hash of the configuration that each FileIntegrity's nodes were last told to run.
    configs: HashMap<Arc<str>, u64>,
    /// What the last pass over each FileIntegrity found.
    passes: HashMap<String, Found>,
}

/// Uid and generation of an object.
type Written = (String, i64);

/// What of a FileIntegrity is counted when it changes. The watch shows what was written, whether or not
/// the write was answered, so each change counts once.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counted {
    uid: Option<String>,
    phase_transitions: Option<i64>,
    record: Option<String>,
}

/// What of a node's annotations is counted when it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct AskedOfNode {
    is_held_for_update: bool,
    /// Hash of the configuration's hash.
    config: Option<u64>,
}

/// A write whose answer was lost, so that it may have been carried out.
#[derive(Clone, Debug)]
struct Unanswered {
    file_integrity: String,
    /// The object before the write.
    before: Option<Written>,
    /// The object before it is removed first.
    replaces: bool,
}

/// A removal whose answer was lost.
#[derive(Clone, Debug)]
struct Unremoved {
    file_integrity: String,
    uid: String,
    is_signaller: bool,
}

/// What a pass found.
#[derive(Clone, Debug, Default, PartialEq)]
struct Found {
    counts: NodeCounts,
    degraded: bool,
    stale: BTreeSet<String>,
}

impl Memory {
    /// Node and name of each status that was seen.
    fn names(&self) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        self.nodes.iter().flat_map(|(node, known)| {
            let names = known.iter().map(|(name, _)| Arc::clone(name));
            names.map(|name| (Arc::clone(node), name))
        })
    }

    /// Keeps what was seen of a node's status; returns what was before.
    fn saw(&mut self, status: &WatchedStatus) -> Option<Arc<Report>> {
        let new = Arc::clone(&status.report);
        let known = self.nodes.entry(Arc::clone(&status.node_name));
        let known = known.or_insert_with(|| Vec::with_capacity(1));
        let before = known.iter_mut().find(|(name, _)| *name == status.name);
        if let Some((_, before)) = before {
            return Some(std::mem::replace(before, new));
        }
        known.push((Arc::clone(&status.name), new));
        None
    }
}

/// The class of the error that the last scan ended with.
fn errored(report: &Report) -> Option<ReportedErrorClass> {
    let last = report.last.as_ref()?;
    (last.condition == Condition::Errored).then_some(last.class)
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            memory: Mutex::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        // Counts that a panic left half done are as good as those before.
        act(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the watch of node statuses shows.
    pub fn saw_status(&self, event: &Event<WatchedStatus>) {
        self.with(|memory| match event {
            Event::Init => memory.missing = memory.names().collect(),
            Event::InitApply(status) | Event::Apply(status) => {
                if !memory.missing.is_empty() {
                    let key = (Arc::clone(&status.node_name), Arc::clone(&status.name));
                    memory.missing.remove(&key);
                }
                self.status(memory, status);
            }
            Event::InitDone => {
                memory.listed = true;
                for (node, name) in std::mem::take(&mut memory.missing) {
                    self.status_gone(memory, &node, &name);
                }
            }
            Event::Delete(status) => {
                self.status_gone(memory, &status.node_name, &status.name);
            }
        });
    }

    /// What the watch of FileIntegrities shows: one that is gone has no nodes.
    pub fn saw_file_integrity(&self, event: &Event<FileIntegrity>) {
        self.with(|memory| match event {
            Event::Init => memory.shown.clear(),
            Event::InitApply(fi) => {
                memory.shown.insert(fi.name_any());
                self.file_integrity(memory, fi);
            }
            Event::Apply(fi) => self.file_integrity(memory, fi),
            Event::InitDone => {
                memory.is_shown = true;
                let shown = std::mem::take(&mut memory.shown);
                let gone = memory.known.keys().filter(|name| !shown.contains(*name));
                for name in gone.cloned().collect::<Vec<_>>() {
                    self.file_integrity_gone(memory, &name);
                }
            }
            Event::Delete(fi) => self.file_integrity_gone(memory, &fi.name_any()),
        });
    }

    /// Counts a new phase, and a request for new baselines when it is recorded.
    fn file_integrity(&self, memory: &mut Memory, fi: &FileIntegrity) {
        let status = fi.status.as_ref();
        let now = Counted {
            uid: fi.uid(),
            phase_transitions: status.and_then(|status| status.phase_transitions),
            record: fi
                .annotations()
                .get(names::ANNOTATION_REINIT_RECORD)
                .cloned(),
        };
        let before = memory.known.insert(fi.name_any(), now.clone());
        if !memory.is_shown {
            return;
        }
        let before = before.filter(|before| before.uid == now.uid);
        let before = before.unwrap_or_default();
        let is_new_phase = before.phase_transitions != now.phase_transitions
            && now.phase_transitions.is_some_and(|changes| changes > 0);
        if is_new_phase
            && let Some(status) = status
            && let Some(phase) = status.phase
        {
            self.phase(phase, status);
        }
        if now.record.is_some() && before.record != now.record {
            self.reinit(BY_DEMAND, &no_node());
        }
    }

    fn file_integrity_gone(&self, memory: &mut Memory, name: &str) {
        memory.known.remove(name);
        memory.configs.remove(name);
        memory
            .unremoved
            .retain(|_, removal| removal.file_integrity != name);
        memory
            .unanswered
            .retain(|_, write| write.file_integrity != name);
        let label = FileIntegrityLabel {
            file_integrity: name.to_owned(),
        };
        self.fleet.degraded.remove(&label);
        if let Some(found) = memory.passes.remove(name) {
            self.refresh_all(memory, &found.stale);
        }
    }

    fn status(&self, memory: &mut Memory, status: &WatchedStatus) {
        let (node, new) = (&status.node_name, &status.report);
        if node.is_empty() {
            return;
        }
        self.asked(memory, status);
        let before = memory.saw(status);
        if before.as_ref() == Some(new) {
            return;
        }
        if memory.listed {
            self.count(node, &before.unwrap_or_default(), new);
        }
        self.refresh(memory, node);
    }

    /// Counts what the operator asks of a node: the begin and the end of a hold, and another
    /// configuration.
    fn asked(&self, memory: &mut Memory, status: &WatchedStatus) {
        let desired = &status.desired;
        let now = AskedOfNode {
            is_held_for_update: desired.hold == Some(HoldReason::NodeUpdate),
            config: desired.config_hash.as_ref().map(hash),
        };
        let before = memory.asked.insert(Arc::clone(&status.name), now);
        let Some(before) = before.filter(|_| memory.listed) else {
            return;
        };
        let node = &status.node_name;
        match (before.is_held_for_update, now.is_held_for_update) {
            (false, true) => add(&self.fleet.pause, node),
            (true, false) => {
                add(&self.fleet.unpause, node);
                self.reinit(BY_NODE, node);
                self.reinit(BY_DEMAND, &no_node());
            }
            _ => {}
        }
        if let (Some(old), Some(new)) = (before.config, now.config)
            && old != new
            && let Some(owner) = status.owner()
        {
            // The first of the nodes to be told of another configuration counts for all.
            let told = memory.configs.insert(Arc::clone(owner), new);
            if told != Some(new) {
                self.reinit(BY_CONFIG, &no_node());
            }
        }
    }

    /// Counts what is new.
    fn count(&self, node: &Arc<str>, before: &Report, new: &Report) {
        let what = |report: &Report| {
            let last = report.last.as_ref();
            last.map(|last| (last.condition, last.counts))
        };
        let is_news = what(before) != what(new);
        if let Some(last) = &new.last {
            if is_news {
                let labels = ConditionLabels {
                    condition: condition(last.condition),
                    node: Arc::clone(node),
                };
                self.fleet.node_status.get_or_create(&labels).inc();
            }
            let old_error = before.last.as_ref().and_then(|old| old.error.as_ref());
            if last.condition == Condition::Errored && (is_news || old_error != last.error.as_ref())
            {
                let labels = NodeErrorLabels {
                    error: last.class.as_str(),
                    node: Arc::clone(node),
                };
                self.fleet.node_status_error.get_or_create(&labels).inc();
            }
        }
        if let Some(made) = &new.baseline
            && !made.requested
            && before.baseline.as_ref() != Some(made)
        {
            self.reinit(BY_MISSING, node);
        }
    }

    fn status_gone(&self, memory: &mut Memory, node: &Arc<str>, name: &Arc<str>) {
        memory.asked.remove(name);
        let Some(known) = memory.nodes.get_mut(node) else {
            return;
        };
        known.retain(|(other, _)| other != name);
        if known.is_empty() {
            memory.nodes.remove(node);
        }
        self.refresh(memory, node);
    }

    /// Derives the gauges of a node from what its statuses say. Where there are several, the worst
    /// counts.
    fn refresh(&self, memory: &Memory, node: &str) {
        let Some((node, known)) = memory.nodes.get_key_value(node) else {
            return self.forget(node);
        };
        let known: Vec<&Report> = known.iter().map(|(_, report)| &**report).collect();
        let fleet = &self.fleet;
        let label = NodeLabel {
            node: Arc::clone(node),
        };
        let baselines = || known.iter().filter_map(|k| k.baseline.as_ref());
        if let Some(failed) = known.iter().filter_map(|k| k.failed).max() {
            fleet.node_failed.get_or_create(&label).set(failed.into());
        }
        let errors: Vec<_> = known.iter().filter_map(|k| errored(k)).collect();
        for error in ReportedErrorClass::all() {
            let labels = NodeErrorLabels {
                error: error.as_str(),
                node: Arc::clone(node),
            };
            if errors.contains(&error) {
                fleet.node_errored.get_or_create(&labels).set(1);
            } else {
                fleet.node_errored.remove(&labels);
            }
        }
        let lasts = || known.iter().filter_map(|k| k.last.as_ref());
        if let Some(at) = lasts().map(|last| last.at).min() {
            fleet.last_scan.get_or_create(&label).set(seconds(at));
        }
        if let Some(took) = lasts().filter_map(|last| last.took).max() {
            let took = took.as_secs_f64();
            fleet.scan_duration.get_or_create(&label).set(took);
        }
        if let Some(files) = lasts().filter_map(|last| last.files).min() {
            fleet.files_scanned.get_or_create(&label).set(files);
        }
        if let Some(at) = baselines().map(|made| made.at).min() {
            fleet.baseline.get_or_create(&label).set(seconds(at));
            let unrequested = baselines().any(|made| !made.requested);
            fleet
                .unrequested
                .get_or_create(&label)
                .set(unrequested.into());
        }
        let is_stale = memory
            .passes
            .values()
            .any(|found| found.stale.contains(&**node));
        fleet.node_stale.get_or_create(&label).set(is_stale.into());
    }

    fn forget(&self, node: &str) {
        let fleet = &self.fleet;
        let node: Arc<str> = node.into();
        for condition in ["Succeeded", "Failed", "Errored"] {
            let labels = ConditionLabels {
                condition,
                node: Arc::clone(&node),
            };
            fleet.node_status.remove(&labels);
        }
        for error in ReportedErrorClass::all() {
            let labels = NodeErrorLabels {
                error: error.as_str(),
                node: Arc::clone(&node),
            };
            fleet.node_status_error.remove(&labels);
            fleet.node_errored.remove(&labels);
        }
        for by in [BY_NODE, BY_MISSING] {
            let labels = ReinitLabels {
                by,
                node: Arc::clone(&node),
            };
            fleet.reinit.remove(&labels);
        }
        let label = NodeLabel { node };
        fleet.pause.remove(&label);
        fleet.unpause.remove(&label);
        fleet.last_scan.remove(&label);
        fleet.scan_duration.remove(&label);
        fleet.baseline.remove(&label);
        for gauge in [
            &fleet.node_failed,
            &fleet.node_stale,
            &fleet.files_scanned,
            &fleet.unrequested,
        ] {
            gauge.remove(&label);
        }
    }

    /// A pass has this status and these stale nodes for a FileIntegrity. One that was deleted while
    /// the pass was under way has none.
    pub fn found(&self, name: &str, status: &FileIntegrityStatus, stale: &BTreeSet<String>) {
        let found = Found {
            counts: status.nodes.unwrap_or_default(),
            degraded: status
                .conditions
                .iter()
                .any(|c| c.type_ == "Degraded" && c.status == "True"),
            stale: stale.clone(),
        };
        let label = FileIntegrityLabel {
            file_integrity: name.to_owned(),
        };
        self.with(|memory| {
            if !memory.known.contains_key(name) {
                return;
            }
            let degraded = self.fleet.degraded.get_or_create(&label);
            degraded.set(found.degraded.into());
            drop(degraded);
            let before = memory.passes.insert(name.to_owned(), found.clone());
            let before = before.unwrap_or_default().stale;
            let changed = before.symmetric_difference(&found.stale).cloned().collect();
            self.refresh_all(memory, &changed);
        });
    }

    /// This FileIntegrity is degraded, and nothing else is known of it.
    pub fn degraded(&self, name: &str) {
        let label = FileIntegrityLabel {
            file_integrity: name.to_owned(),
        };
        self.with(|memory| {
            if memory.known.contains_key(name) {
                self.fleet.degraded.get_or_create(&label).set(1);
            }
        });
    }

    fn refresh_all(&self, memory: &Memory, nodes: &BTreeSet<String>) {
        for node in nodes {
            self.refresh(memory, node);
        }
        let sum =
            |count: fn(&NodeCounts) -> i64| memory.passes.values().map(|f| count(&f.counts)).sum();
        for (state, count) in [
            ("selected", sum(|c| c.selected)),
            ("initialized", sum(|c| c.initialized)),
            ("failed", sum(|c| c.failed)),
            ("errored", sum(|c| c.errored)),
            ("held", sum(|c| c.held)),
            ("stale", sum(|c| c.stale)),
            ("not_selected", sum(|c| c.not_selected)),
        ] {
            self.fleet
                .nodes
                .get_or_create(&StateLabel { state })
                .set(count);
        }
    }

    /// A new phase, with its status.
    fn phase(&self, phase: Phase, status: &FileIntegrityStatus) {
        let label = PhaseLabel {
            phase: match phase {
                Phase::Pending => "Pending",
                Phase::Initializing => "Initializing",
                Phase::Active => "Active",
                Phase::Error => "Error",
            },
        };
        self.fleet.phase.get_or_create(&label).inc();
        if phase == Phase::Error {
            let refused = |c: &_| is_condition(c, "ConfigValid", "Refused");
            let error = if status.conditions.iter().any(refused) {
                "configuration"
            } else {
                "scan"
            };
            self.fleet.error.get_or_create(&ErrorLabel { error }).inc();
        }
    }

    /// What came of applying an object. Node statuses are counted by the watch.
    pub fn applied(&self, observed: &Observed, wanted: &Wanted, outcome: ApplyOutcome<'_>) {
        let Wanted::DaemonSet(object) = wanted else {
            return;
        };
        let name = name_of(object);
        let seen = seen(observed, &name);
        let is_signaller = !object["metadata"]["labels"][names::LABEL_REINIT_OWNER].is_null();
        match outcome {
            ApplyOutcome::Applied(applied) => {
                let now = (applied.uid.clone(), applied.generation);
                self.written(&name, seen, &now, applied.replaced, is_signaller);
            }
            ApplyOutcome::Unchanged => self.settle(&name, seen, is_signaller),
            ApplyOutcome::Failed => self.with(|memory| {
                let before = memory.daemon_sets.get(&name).cloned().or(seen);
                let replaces = apply::is_replaced(observed, object);
                let unanswered = Unanswered {
                    file_integrity: observed.file_integrity.name_any(),
                    before,
                    replaces,
                };
                memory.unanswered.entry(name).or_insert(unanswered);
            }),
        }
    }

    /// A DaemonSet is as it should be. If the answer to its last write was lost, that write counts now.
    fn settle(&self, name: &str, seen: Option<Written>, is_signaller: bool) {
        let is_open = self.with(|memory| memory.unanswered.contains_key(name));
        if is_open && let Some(now) = seen.clone() {
            self.written(name, seen, &now, false, is_signaller);
        }
    }

    fn written(
        &self,
        name: &str,
        seen: Option<Written>,
        now: &Written,
        replaced: bool,
        is_signaller: bool,
    ) {
        let (before, replaced) = self.with(|memory| {
            let known = memory.daemon_sets.insert(name.to_owned(), now.clone());
            match memory.unanswered.remove(name) {
                Some(unanswered) => (unanswered.before, replaced || unanswered.replaces),
                None => (known.or(seen), replaced),
            }
        });
        if before.as_ref() == Some(now) {
            return;
        }
        if is_signaller {
            return operation(&self.fleet.signaller, "update");
        }
        operation(&self.fleet.daemon_set, "update");
        let is_same = before.is_some_and(|(uid, _)| uid == now.0);
        if is_same {
            // The roll-out of another template ends the pods of the one before.
            operation(&self.fleet.daemon_set, "podkill");
        } else if replaced {
            operation(&self.fleet.daemon_set, "delete");
        }
    }

    /// An object was removed.
    pub fn removed(&self, observed: &Observed, unwanted: &Unwanted) {
        let Unwanted::DaemonSet(name) = unwanted else {
            return;
        };
        let is_signaller = is_signaller(observed, name);
        self.settle(name, seen(observed, name), is_signaller);
        self.with(|memory| {
            memory.daemon_sets.remove(name);
            memory.unremoved.remove(name);
        });
        self.deleted(is_signaller);
    }

    /// A removal failed, and may have been carried out.
    pub fn unremoved(&self, observed: &Observed, unwanted: &Unwanted) {
        if let Unwanted::DaemonSet(name) = unwanted
            && let Some((uid, generation)) = seen(observed, name)
        {
            let there = Some((uid.clone(), generation));
            self.settle(name, there, is_signaller(observed, name));
            let removal = Unremoved {
                file_integrity: observed.file_integrity.name_any(),
                uid,
                is_signaller: is_signaller(observed, name),
            };
            self.with(|memory| memory.unremoved.insert(name.clone(), removal));
        }
    }

    /// Counts the removals of DaemonSets of this FileIntegrity that turn out to have been carried out.
    pub fn settle_removals(&self, observed: &Observed) {
        let name = observed.file_integrity.name_any();
        let is_there = |uid: &str| {
            let all = observed.daemon_sets.iter();
            all.clone().any(|ds| ds.uid().as_deref() == Some(uid))
        };
        let gone = self.with(|memory| {
            let gone: Vec<(String, Unremoved)> = memory
                .unremoved
                .extract_if(|_, removal| removal.file_integrity == name && !is_there(&removal.uid))
                .collect();
            for (name, _) in &gone {
                memory.daemon_sets.remove(name);
            }
            gone
        });
        for (_, removal) in gone {
            self.deleted(removal.is_signaller);
        }
    }

    fn deleted(&self, is_signaller: bool) {
        let family = if is_signaller {
            &self.fleet.signaller
        } else {
            &self.fleet.daemon_set
        };
        operation(family, "delete");
    }

    /// A pass is over.
    pub fn passed(&self, took: Duration) {
        self.fleet.passed(took);
    }

    /// A pass failed in this step.
    pub fn failed(&self, step: &'static str) {
        let label = StepLabel { step };
        self.fleet.pass_errors.get_or_create(&label).inc();
    }

    /// So many objects of this kind cannot be read now.
    pub fn unreadable(&self, kind: String, objects: usize) {
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        let label = KindLabel { kind };
        self.fleet.unreadable.get_or_create(&label).set(objects);
    }

    fn reinit(&self, by: &'static str, node: &Arc<str>) {
        let node = Arc::clone(node);
        let labels = ReinitLabels { by, node };
        self.fleet.reinit.get_or_create(&labels).inc();
    }
}

/// Uid and generation of the DaemonSet of this name, as the cache has it.
fn seen(observed: &Observed, name: &str) -> Option<Written> {
    let seen = observed
        .daemon_sets
        .iter()
        .find(|ds| ds.name_any() == name)?;
    let generation = seen.metadata.generation.unwrap_or_default();
    Some((seen.uid().unwrap_or_default(), generation))
}

fn is_signaller(observed: &Observed, name: &str) -> bool {
    observed
        .daemon_sets
        .iter()
        .any(|ds| ds.name_any() == name && ds.labels().contains_key(names::LABEL_REINIT_OWNER))
}

/// Where it is about no node.
fn no_node() -> Arc<str> {
    "".into()
}

fn add(family: &Family<NodeLabel, Counter>, node: &Arc<str>) {
    let label = NodeLabel {
        node: Arc::clone(node),
    };
    family.get_or_create(&label).inc();
}

fn operation(family: &Family<OperationLabel, Counter>, operation: &'static str) {
    family.get_or_create(&OperationLabel { operation }).inc();
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Succeeded => "Succeeded",
        Condition::Failed => "Failed",
        Condition::Errored => "Errored",
    }
}

fn is_condition(condition: &StatusCondition, kind: &str, reason: &str) -> bool {
    condition.type_ == kind && condition.reason == reason
}

fn name_of(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times are far from 2^53 seconds, and a sample is a float anyway"
)]
fn seconds(at: i64) -> f64 {
    at as f64
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
