//! What a FileIntegrity's status says, from what is known of its nodes. Pure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as StatusCondition, Time};

use super::excluded::Excluded;
use crate::api::{Condition, EventReason, FileIntegrity, FileIntegrityStatus, NodeCounts, Phase};
use crate::text::shorten_middle;

/// As many node names stand in a condition's message.
const MAX_NAMES: usize = 10;
/// What may pass by itself is said when so many passes in a row have failed before.
const PASSING_FAILURES: u32 = 2;

/// What is known of one selected node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct NodeView {
    /// Its name.
    pub name: Arc<str>,
    /// Its kubelet reports.
    pub reachable: bool,
    /// It has a baseline of the current configuration, and no request is open.
    pub initialized: bool,
    /// Its scans are held.
    pub held: bool,
    /// How much longer nothing need be heard of it; none: for ever.
    pub patience_left: Option<Duration>,
    /// Should its daemon's pod end, a taint keeps another one out.
    pub shut_out: bool,
    /// How its last scan ended.
    pub condition: Option<Condition>,
    /// The first rule that watches nothing on it, in words.
    pub unwatched_rule: Option<Arc<str>>,
}

impl NodeView {
    /// Nothing was heard of it for too long.
    pub fn is_silent(&self) -> bool {
        self.patience_left.is_some_and(|left| left.is_zero())
    }

    /// It is not watched, as far as can be told.
    pub fn is_stale(&self) -> bool {
        !self.reachable || self.is_silent()
    }

    /// It has no daemon, as far as can be told, and does not get one by itself.
    fn is_abandoned(&self) -> bool {
        self.shut_out && self.is_silent()
    }

    /// A baseline is to be expected of it soon.
    fn is_awaited(&self) -> bool {
        self.reachable && !self.held && !self.initialized && !self.is_abandoned()
    }
}

/// How it stands with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigState {
    /// In effect, perhaps with something to say about it.
    Valid {
        /// Warnings, for people.
        warnings: Vec<String>,
    },
    /// It cannot be had, for this reason; what runs goes on.
    Unavailable {
        /// A word in camel case.
        reason: &'static str,
        /// What to do about it.
        message: String,
    },
    /// AIDE or fio refused it; what runs goes on.
    Refused {
        /// Why.
        message: String,
    },
    /// Not looked at yet.
    Unknown,
}

/// Everything that a status is made from.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The daemon's DaemonSet is there.
    pub deployed: bool,
    /// A re-initialisation is asked for and not yet handed to the nodes.
    pub reinit_asked: bool,
    /// The selected nodes.
    pub nodes: &'a [NodeView],
    /// The nodes that are not selected because of their taints.
    pub excluded: &'a Excluded,
    /// The configuration.
    pub config: &'a ConfigState,
    /// What is wrong besides: reason and message.
    pub problems: &'a [(&'static str, String)],
    /// metadata.generation.
    pub generation: Option<i64>,
}

/// Reason of Ready while the configuration is refused, or was when it was last seen.
const REFUSED: &str = EventReason::ConfigRefused.as_str();

/// Whether the phase is Error for a configuration: one that is refused, or was before it could no longer
/// be had, which leaves the phase as it is.
fn is_refused(config: &ConfigState, before: Option<&FileIntegrityStatus>) -> bool {
    let conditions = before.map(|status| status.conditions.iter());
    let mut conditions = conditions.into_iter().flatten();
    match config {
        ConfigState::Refused { .. } => true,
        ConfigState::Unavailable { .. } => {
            conditions.any(|c| c.type_ == "Ready" && c.reason == REFUSED)
        }
        ConfigState::Valid { .. } | ConfigState::Unknown => false,
    }
}

/// The phase. Nodes that are not reachable, that are held, or that have lost their daemon to a taint do
/// not keep it back: nothing can be expected of them now.
fn phase(facts: &Facts<'_>, is_refused: bool) -> Phase {
    let errored = |node: &NodeView| node.condition == Some(Condition::Errored);
    if is_refused {
        Phase::Error
    } else if !facts.deployed || facts.nodes.is_empty() {
        Phase::Pending
    } else if facts.nodes.iter().any(errored) {
        Phase::Error
    } else if facts.reinit_asked || facts.nodes.iter().any(NodeView::is_awaited) {
        Phase::Initializing
    } else {
        Phase::Active
    }
}

/// The whole status, given the one before.
pub fn build(
    facts: &Facts<'_>,
    before: Option<&FileIntegrityStatus>,
    now: &Time,
) -> FileIntegrityStatus {
    let is_refused = is_refused(facts.config, before);
    let phase = phase(facts, is_refused);
    let old = before.map(|s| s.conditions.as_slice()).unwrap_or_default();
    let conditions = [
        ready(phase, facts, is_refused),
        config_valid(facts.config),
        degraded(facts),
        nodes_excluded(facts.excluded),
    ]
    .into_iter()
    .map(|new| new.into_condition(old, facts.generation, now))
    .collect();
    FileIntegrityStatus {
        phase: Some(phase),
        phase_transitions: Some(phase_transitions(before, phase)),
        nodes: Some(counts(facts)),
        conditions,
        observed_generation: facts.generation,
    }
}

/// How often the phase has changed when it is `phase` now, given the status before.
pub fn phase_transitions(before: Option<&FileIntegrityStatus>, phase: Phase) -> i64 {
    let so_far = before.and_then(|before| before.phase_transitions);
    let changed = before.and_then(|before| before.phase) != Some(phase);
    so_far.unwrap_or(0).saturating_add(i64::from(changed))
}

/// The phase of a status, if the status before has another one.
pub fn new_phase(
    before: Option<&FileIntegrityStatus>,
    status: &FileIntegrityStatus,
) -> Option<Phase> {
    let before = before.and_then(|before| before.phase);
    status.phase.filter(|phase| before != Some(*phase))
}

/// Leaves the phase what it was before, as one that has not changed.
pub fn keep_phase(status: &mut FileIntegrityStatus, before: Option<&FileIntegrityStatus>) {
    status.phase = before.and_then(|before| before.phase);
    status.phase_transitions = before.and_then(|before| before.phase_transitions);
}

fn counts(facts: &Facts<'_>) -> NodeCounts {
    let count = |predicate: fn(&NodeView) -> bool| {
        i64::try_from(facts.nodes.iter().filter(|n| predicate(n)).count()).unwrap_or(i64::MAX)
    };
    NodeCounts {
        selected: count(|_| true),
        initialized: count(|n| n.initialized),
        failed: count(|n| n.condition == Some(Condition::Failed)),
        errored: count(|n| n.condition == Some(Condition::Errored)),
        held: count(|n| n.held),
        stale: count(NodeView::is_stale),
        not_selected: facts.excluded.count(),
    }
}

struct NewCondition {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl NewCondition {
    fn degraded(reason: &'static str, message: &str) -> Self {
        Self {
            kind: "Degraded",
            status: "True",
            reason,
            message: bounded(message),
        }
    }

    /// The time of the last transition stays while the status does (API conventions).
    fn into_condition(
        self,
        old: &[StatusCondition],
        generation: Option<i64>,
        now: &Time,
    ) -> StatusCondition {
        let since = old
            .iter()
            .find(|c| c.type_ == self.kind && c.status == self.status)
            .map_or_else(|| now.clone(), |c| c.last_transition_time.clone());
        StatusCondition {
            type_: self.kind.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message,
            last_transition_time: since,
            observed_generation: generation,
        }
    }
}

fn ready(phase: Phase, facts: &Facts<'_>, is_refused: bool) -> NewCondition {
    let (status, reason, message) = match phase {
        Phase::Active => ("True", "Active", scanned(facts.nodes)),
        Phase::Initializing => (
            "False",
            "Initializing",
            format!(
                "waiting for the baseline of {}",
                names_of(facts.nodes, NodeView::is_awaited)
            ),
        ),
        Phase::Pending if facts.nodes.is_empty() => (
            "False",
            "NoNodes",
            if facts.excluded.is_empty() {
                "no Linux node matches spec.nodeSelector and spec.tolerations".to_owned()
            } else {
                "no Linux node matches spec.nodeSelector and spec.tolerations, see the condition \
                 NodesExcluded"
                    .to_owned()
            },
        ),
        Phase::Pending => (
            "False",
            "Pending",
            "the daemons are not deployed yet".to_owned(),
        ),
        Phase::Error if is_refused => (
            "False",
            REFUSED,
            "the configuration was refused, see the condition ConfigValid".to_owned(),
        ),
        Phase::Error => (
            "False",
            "Error",
            format!(
                "the last scan could not be done on {}; their FileIntegrityNodeStatus objects say why",
                names_of(facts.nodes, |n| n.condition == Some(Condition::Errored))
            ),
        ),
    };
    NewCondition {
        kind: "Ready",
        status,
        reason,
        message,
    }
}

/// Which nodes are scanned. Those that are held or silent do not keep the phase back, and are not.
fn scanned(nodes: &[NodeView]) -> String {
    let named = |what: &str, which: fn(&NodeView) -> bool| {
        let which = |n: &NodeView| n.reachable && which(n);
        let is_any = nodes.iter().any(which);
        is_any.then(|| format!("{what} ({})", names_of(nodes, which)))
    };
    let named = [
        named("those held", |n| n.held),
        named("those not heard of for too long", NodeView::is_silent),
    ];
    let named: Vec<String> = named.into_iter().flatten().collect();
    if !nodes.iter().any(|n| n.reachable) {
        "no selected node is ready, so none is scanned".to_owned()
    } else if named.is_empty() {
        "every reachable node is scanned".to_owned()
    } else {
        let named = named.join(" and ");
        format!("every reachable node is scanned, except {named}")
    }
}

fn config_valid(config: &ConfigState) -> NewCondition {
    let (status, reason, message) = match config {
        ConfigState::Valid { warnings } if warnings.is_empty() => {
            ("True", "Valid", "the configuration is in effect".to_owned())
        }
        ConfigState::Valid { warnings } => (
            "True",
            "ValidWithWarnings",
            bounded(&format!(
                "the configuration is in effect; {}",
                warnings.join("; ")
            )),
        ),
        ConfigState::Unavailable { reason, message } => ("False", *reason, bounded(message)),
        ConfigState::Refused { message } => ("False", "Refused", bounded(message)),
        ConfigState::Unknown => (
            "Unknown",
            "Reading",
            "the configuration is being read".to_owned(),
        ),
    };
    NewCondition {
        kind: "ConfigValid",
        status,
        reason,
        message,
    }
}

fn degraded(facts: &Facts<'_>) -> NewCondition {
    let mut problems = facts.problems.to_vec();
    problems.extend(unwatched(facts.nodes));
    problems.extend(unwatched_rules(facts.nodes));
    let (status, reason, message) = if let [(reason, _), ..] = problems.as_slice() {
        let all: Vec<&str> = problems.iter().map(|(_, m)| m.as_str()).collect();
        ("True", *reason, bounded(&all.join("; ")))
    } else {
        ("False", "AsExpected", "nothing is wrong".to_owned())
    };
    NewCondition {
        kind: "Degraded",
        status,
        reason,
        message,
    }
}

/// For information: taints are the usual way to keep pods off nodes, so this is not Degraded.
fn nodes_excluded(excluded: &Excluded) -> NewCondition {
    let (status, reason, message) = if excluded.is_empty() {
        (
            "False",
            "NoneExcluded",
            "every Linux node that matches spec.nodeSelector is selected".to_owned(),
        )
    } else {
        let message = format!(
            "Linux nodes that match spec.nodeSelector and are not watched because spec.tolerations does \
             not tolerate their taints: {}. Add a toleration to watch them: {}",
            excluded.count(),
            excluded.describe(list),
        );
        ("True", "UntoleratedTaints", bounded(&message))
    };
    NewCondition {
        kind: "NodesExcluded",
        status,
        reason,
        message,
    }
}

/// Which nodes are not watched, and what there is to do about it.
fn unwatched(nodes: &[NodeView]) -> Vec<(&'static str, String)> {
    let problem = |reason, what: &str, which: fn(&NodeView) -> bool| {
        let is_any = nodes.iter().any(which);
        is_any.then(|| (reason, format!("{what}: {}", names_of(nodes, which))))
    };
    let problems = [
        problem("NodesNotReady", "not ready, so not watched", |n| {
            !n.reachable
        }),
        problem(
            "NodesSilent",
            "nothing was heard for too long, look at the daemon's pod or, where there is none, at the events \
             of the DaemonSet",
            |n| n.reachable && n.is_silent() && !n.shut_out,
        ),
        problem(
            "NodesShutOut",
            "nothing was heard for too long, and no daemon's pod can come for a taint that spec.tolerations \
             does not name; tolerate it, or delete the FileIntegrityNodeStatus to give the node up",
            |n| n.reachable && n.is_abandoned(),
        ),
    ];
    problems.into_iter().flatten().collect()
}

/// Which nodes have rules that watch nothing.
fn unwatched_rules(nodes: &[NodeView]) -> Option<(&'static str, String)> {
    let example = nodes.iter().find_map(|node| node.unwatched_rule.as_ref())?;
    let message = format!(
        "rules that do not watch what they name behind a symbolic link, such as {example}; name the real path in the \
         configuration (lastResult.unwatchedRules of a node's status lists such rules): {}",
        names_of(nodes, |node| node.unwatched_rule.is_some())
    );
    Some(("RulesUnwatched", message))
}

/// Says in a planned status what came in the way of the plan, before what else is wrong. `before` is
/// the status that is stored, whose time of the last transition stays where it was degraded already.
pub fn degrade(
    status: &mut FileIntegrityStatus,
    before: Option<&FileIntegrityStatus>,
    reason: &'static str,
    message: &str,
    now: &Time,
) {
    let Some(planned) = status.conditions.iter_mut().find(|c| c.type_ == "Degraded") else {
        return;
    };
    let message = match &*planned.status {
        "True" => format!("{message}; {}", planned.message),
        _ => message.to_owned(),
    };
    let condition = NewCondition::degraded(reason, &message);
    let old = before.map_or(&[][..], |status| &status.conditions);
    *planned = condition.into_condition(old, planned.observed_generation, now);
}

/// The stored status with a Degraded condition for what could not be read. The phase and the counts stay
/// what they were.
pub fn unobserved(
    fi: &FileIntegrity,
    reason: &'static str,
    message: &str,
    now: &Time,
) -> FileIntegrityStatus {
    let mut status = fi.status.clone().unwrap_or_default();
    let condition = NewCondition::degraded(reason, message);
    let condition = condition.into_condition(&status.conditions, fi.metadata.generation, now);
    match status.conditions.iter_mut().find(|c| c.type_ == "Degraded") {
        Some(stored) => *stored = condition,
        None => status.conditions.push(condition),
    }
    status
}

/// The reason for which something that could not be written degrades, when `failures` passes in a
/// row failed before. What somebody has to change is said at once, and what may pass by itself, such
/// as a webhook that is being restarted, when it does not.
pub fn failed(is_refusal: bool, failures: u32) -> Option<&'static str> {
    if is_refusal {
        return Some("ApiRefused");
    }
    (failures >= PASSING_FAILURES).then_some("ApiFailing")
}

fn names_of(nodes: &[NodeView], which: impl Fn(&NodeView) -> bool) -> String {
    let names: Vec<&str> = nodes
        .iter()
        .filter(|n| which(n))
        .map(|n| &*n.name)
        .collect();
    list(&names)
}

fn list(names: &[&str]) -> String {
    match names.len() {
        0 => "the nodes".to_owned(),
        n if n <= MAX_NAMES => names.join(", "),
        n => format!(
            "{} and {} more",
            names[..MAX_NAMES].join(", "),
            n - MAX_NAMES
        ),
    }
}

/// Messages of conditions may have 32,768 characters; nobody reads that many.
fn bounded(message: &str) -> String {
    let mut message = message.to_owned();
    shorten_middle(&mut message, 2048);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    static VALID: ConfigState = ConfigState::Valid {
        warnings: Vec::new(),
    };

    static NONE_EXCLUDED: std::sync::LazyLock<Excluded> =
        std::sync::LazyLock::new(Excluded::default);

    fn node(name: &str) -> NodeView {
        NodeView {
            name: name.into(),
            reachable: true,
            initialized: true,
            held: false,
            shut_out: false,
            patience_left: None,
            condition: Some(Condition::Succeeded),
            unwatched_rule: None,
        }
    }

    #[test]
    fn rules_that_watch_nothing_are_named() {
        let unwatched = NodeView {
            unwatched_rule: Some("line 3: /odd is odd".into()),
            ..node("n2")
        };
        let nodes = [node("n1"), unwatched];
        let condition = degraded(&facts(&nodes, &VALID));
        assert_eq!(
            (condition.status, condition.reason),
            ("True", "RulesUnwatched")
        );
        assert_eq!(
            condition.message,
            "rules that do not watch what they name behind a symbolic link, such as line 3: /odd is odd; name the real path \
             in the configuration (lastResult.unwatchedRules of a node's status lists such rules): n2"
        );
    }

    fn facts<'a>(nodes: &'a [NodeView], config: &'a ConfigState) -> Facts<'a> {
        Facts {
            deployed: true,
            reinit_asked: false,
            nodes,
            excluded: &NONE_EXCLUDED,
            config,
            problems: &[],
            generation: Some(1),
        }
    }

    fn now() -> Time {
        Time("2026-01-02T03:04:05Z".parse().unwrap())
    }

    #[test]
    fn changes_of_the_phase_are_counted() {
        let good = [node("n1")];
        let mut facts = facts(&good, &VALID);
        let first = build(&facts, None, &now());
        assert_eq!(first.phase_transitions, Some(1));
        let same = build(&facts, Some(&first), &now());
        assert_eq!(same.phase_transitions, Some(1));
        facts.deployed = false;
        let other = build(&facts, Some(&same), &now());
        assert_eq!(
            (other.phase, other.phase_transitions),
            (Some(Phase::Pending), Some(2))
        );
        // One that was written before they were counted.
        let mut old = other.clone();
        old.phase_transitions = None;
        assert_eq!(build(&facts, Some(&old), &now()).phase_transitions, Some(0));
    }

    #[test]
    fn a_phase_that_could_not_be_said_is_still_new_to_the_next_pass() {
        let good = [node("n1")];
        let errored = [NodeView {
            condition: Some(Condition::Errored),
            ..node("n1")
        }];
        let stored = build(&facts(&good, &VALID), None, &now());
        assert_eq!(new_phase(None, &stored), Some(Phase::Active));
        let mut unsaid = build(&facts(&errored, &VALID), Some(&stored), &now());
        assert_eq!(new_phase(Some(&stored), &unsaid), Some(Phase::Error));
        keep_phase(&mut unsaid, Some(&stored));
        assert_eq!(new_phase(Some(&stored), &unsaid), None);
        assert_eq!(unsaid.nodes.unwrap().errored, 1);
        // The next pass plans the same transition again, by the same number.
        let again = build(&facts(&errored, &VALID), Some(&unsaid), &now());
        assert_eq!(new_phase(Some(&unsaid), &again), Some(Phase::Error));
        assert_eq!(
            (unsaid.phase_transitions, again.phase_transitions),
            (stored.phase_transitions, Some(2))
        );
        // Nor is the very first one there before it is said.
        let mut first = stored;
        keep_phase(&mut first, None);
        assert_eq!((first.phase, first.phase_transitions), (None, None));
    }

    #[test]
    fn refusals_are_said_at_once_and_what_may_pass_when_it_stays() {
        for (is_refusal, failures, expected) in [
            (true, 0, Some("ApiRefused")),
            (false, 0, None),
            (false, 1, None),
            (false, 2, Some("ApiFailing")),
            (false, 99, Some("ApiFailing")),
        ] {
            assert_eq!(failed(is_refusal, failures), expected, "{failures}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn phases() {
        let good = [node("n1"), node("n2")];
        let waiting = [
            node("n1"),
            NodeView {
                initialized: false,
                condition: None,
                ..node("n2")
            },
        ];
        let gone = [
            node("n1"),
            NodeView {
                initialized: false,
                reachable: false,
                condition: None,
                ..node("n2")
            },
        ];
        let held = [
            node("n1"),
            NodeView {
                initialized: false,
                held: true,
                ..node("n2")
            },
        ];
        let tainted = [NodeView {
            initialized: false,
            shut_out: true,
            patience_left: Some(Duration::from_secs(1)),
            ..node("n1")
        }];
        let shut_out = [NodeView {
            patience_left: Some(Duration::ZERO),
            ..tainted[0].clone()
        }];
        let failed = [
            node("n1"),
            NodeView {
                condition: Some(Condition::Failed),
                ..node("n2")
            },
        ];
        let errored = [
            node("n1"),
            NodeView {
                condition: Some(Condition::Errored),
                ..node("n2")
            },
        ];
        let refused = ConfigState::Refused {
            message: "no".to_owned(),
        };
        let missing = ConfigState::Unavailable {
            reason: "Missing",
            message: "m".to_owned(),
        };
        let table = [
            ("all is well", facts(&good, &VALID), Phase::Active),
            (
                "a failed scan is a result",
                facts(&failed, &VALID),
                Phase::Active,
            ),
            (
                "a baseline is missing",
                facts(&waiting, &VALID),
                Phase::Initializing,
            ),
            (
                "an unreachable node is not waited for",
                facts(&gone, &VALID),
                Phase::Active,
            ),
            (
                "a held node is not waited for",
                facts(&held, &VALID),
                Phase::Active,
            ),
            (
                "a node whose daemon a taint may keep out, and that reports, is waited for",
                facts(&tainted, &VALID),
                Phase::Initializing,
            ),
            (
                "a node whose daemon a taint keeps out is not waited for",
                facts(&shut_out, &VALID),
                Phase::Active,
            ),
            (
                "a scan that cannot be done",
                facts(&errored, &VALID),
                Phase::Error,
            ),
            ("no nodes", facts(&[], &VALID), Phase::Pending),
            (
                "nothing deployed",
                Facts {
                    deployed: false,
                    ..facts(&good, &VALID)
                },
                Phase::Pending,
            ),
            (
                "asked",
                Facts {
                    reinit_asked: true,
                    ..facts(&good, &VALID)
                },
                Phase::Initializing,
            ),
            ("refused", facts(&good, &refused), Phase::Error),
            (
                "refused at first",
                Facts {
                    deployed: false,
                    ..facts(&good, &refused)
                },
                Phase::Error,
            ),
            (
                "a missing ConfigMap changes nothing",
                facts(&good, &missing),
                Phase::Active,
            ),
        ];
        for (what, facts, expected) in table {
            let is_refused = is_refused(facts.config, None);
            assert_eq!(phase(&facts, is_refused), expected, "{what}");
        }
    }

    #[test]
    fn a_refusal_lasts_while_the_configuration_cannot_be_had() {
        let good = [node("n1")];
        let refused = ConfigState::Refused {
            message: "no".to_owned(),
        };
        let missing = ConfigState::Unavailable {
            reason: "Missing",
            message: "m".to_owned(),
        };
        let after = |config: &ConfigState, before: Option<&FileIntegrityStatus>| {
            build(&facts(&good, config), before, &now())
        };
        let first = after(&refused, None);
        let second = after(&missing, Some(&first));
        let third = after(&missing, Some(&second));
        for (status, expected) in [
            (&first, "Refused"),
            (&second, "Missing"),
            (&third, "Missing"),
        ] {
            assert_eq!(status.phase, Some(Phase::Error));
            let reasons: Vec<&str> = status.conditions.iter().map(|c| &*c.reason).collect();
            assert_eq!(reasons[..2], [REFUSED, expected]);
        }
        assert_eq!(after(&VALID, Some(&third)).phase, Some(Phase::Active));
        // An error of a node's does not last longer than that.
        let errored = [NodeView {
            condition: Some(Condition::Errored),
            ..node("n1")
        }];
        let errored = build(&facts(&errored, &missing), None, &now());
        assert_eq!(errored.phase, Some(Phase::Error));
        assert_eq!(after(&missing, Some(&errored)).phase, Some(Phase::Active));
    }

    #[test]
    fn the_whole_status() {
        let nodes = [
            node("n1"),
            NodeView {
                condition: Some(Condition::Failed),
                held: true,
                ..node("n2")
            },
            NodeView {
                reachable: false,
                initialized: false,
                ..node("n3")
            },
        ];
        let config = ConfigState::Valid {
            warnings: vec!["line 3: dropped".to_owned()],
        };
        insta::assert_yaml_snapshot!(build(&facts(&nodes, &config), None, &now()));
    }

    #[test]
    fn silent_nodes_are_stale_and_named() {
        let silent = NodeView {
            patience_left: Some(Duration::ZERO),
            ..node("n2")
        };
        let late = NodeView {
            patience_left: Some(Duration::from_secs(1)),
            ..node("n1")
        };
        let gone = NodeView {
            reachable: false,
            ..silent.clone()
        };
        let shut_out = NodeView {
            name: "n3".into(),
            shut_out: true,
            ..silent.clone()
        };
        let tainted = NodeView {
            shut_out: true,
            ..late.clone()
        };
        let nodes = [late, tainted, shut_out, silent, gone];
        let status = build(&facts(&nodes, &VALID), None, &now());
        assert_eq!(status.nodes.unwrap().stale, 3);
        let degraded = status.conditions.iter().find(|c| c.type_ == "Degraded");
        let degraded = degraded.unwrap();
        assert_eq!(degraded.reason, "NodesNotReady");
        assert_eq!(
            degraded.message,
            "not ready, so not watched: n2; \
             nothing was heard for too long, look at the daemon's pod or, where there is none, at the \
             events of the DaemonSet: n2; \
             nothing was heard for too long, and no daemon's pod can come for a taint that \
             spec.tolerations does not name; tolerate it, or delete the FileIntegrityNodeStatus to \
             give the node up: n3"
        );
    }

    #[test]
    fn ready_names_the_nodes_that_are_not_scanned() {
        let held = NodeView {
            held: true,
            ..node("n2")
        };
        let silent = NodeView {
            patience_left: Some(Duration::ZERO),
            ..node("n3")
        };
        let gone = NodeView {
            reachable: false,
            ..silent.clone()
        };
        let [every, none] = [
            "every reachable node is scanned",
            "no selected node is ready, so none is scanned",
        ];
        for (nodes, except) in [
            (&[node("n1"), gone.clone()][..], every.to_owned()),
            (
                &[node("n1"), held.clone()],
                format!("{every}, except those held (n2)"),
            ),
            (
                &[held, silent],
                format!("{every}, except those held (n2) and those not heard of for too long (n3)"),
            ),
            (&[gone], none.to_owned()),
        ] {
            let ready = build(&facts(nodes, &VALID), None, &now())
                .conditions
                .remove(0);
            let words = [ready.type_, ready.status, ready.message];
            assert_eq!(words, ["Ready".to_owned(), "True".to_owned(), except]);
        }
    }

    #[test]
    fn what_came_in_the_way_is_said_with_the_time_since_when() {
        let nodes = [node("n1")];
        let planned = || build(&facts(&nodes, &VALID), None, &now());
        let later = Time("2026-01-02T04:00:00Z".parse().unwrap());
        let condition = |status: &FileIntegrityStatus| {
            let degraded = status.conditions.iter().find(|c| c.type_ == "Degraded");
            let degraded = degraded.unwrap();
            let word = [&*degraded.status, &*degraded.reason, &*degraded.message].join(" ");
            (word, degraded.last_transition_time.clone())
        };
        let mut first = planned();
        degrade(&mut first, Some(&planned()), "ApiRefused", "no", &later);
        assert_eq!(
            condition(&first),
            ("True ApiRefused no".to_owned(), later.clone())
        );
        let mut second = planned();
        let latest = Time("2026-01-02T05:00:00Z".parse().unwrap());
        degrade(&mut second, Some(&first), "ApiRefused", "no", &latest);
        assert_eq!(condition(&second), ("True ApiRefused no".to_owned(), later));
        // What else is wrong is not forgotten.
        let silent = NodeView {
            patience_left: Some(Duration::ZERO),
            ..node("n2")
        };
        let mut third = build(&facts(&[silent], &VALID), None, &now());
        degrade(&mut third, None, "NameCollision", "taken", &now());
        let (words, _) = condition(&third);
        assert!(
            words.starts_with("True NameCollision taken; nothing was heard"),
            "{words}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_degraded_and_changes_nothing_else() {
        let nodes = [node("n1")];
        let stored = build(&facts(&nodes, &VALID), None, &now());
        let later = Time("2026-01-02T04:00:00Z".parse().unwrap());
        for before in [Some(stored), None] {
            let fi = FileIntegrity {
                status: before.clone(),
                ..FileIntegrity::default()
            };
            let first = unobserved(&fi, "NoImage", "no image", &later);
            let degraded = first.conditions.iter().find(|c| c.type_ == "Degraded");
            let degraded = degraded.unwrap();
            assert_eq!(
                [&*degraded.status, &*degraded.reason, &*degraded.message],
                ["True", "NoImage", "no image"]
            );
            assert_eq!(degraded.last_transition_time, later);
            let before = before.unwrap_or_default();
            assert_eq!(
                (first.phase, first.phase_transitions, first.nodes),
                (before.phase, before.phase_transitions, before.nodes)
            );
            // The same again is the same status, so it is not written again.
            let again = FileIntegrity {
                status: Some(first.clone()),
                ..FileIntegrity::default()
            };
            assert_eq!(unobserved(&again, "NoImage", "no image", &now()), first);
        }
    }

    #[test]
    fn the_time_of_a_transition_stays_while_the_status_does() {
        let nodes = [node("n1")];
        let first = build(&facts(&nodes, &VALID), None, &now());
        let later = Time("2026-01-02T04:00:00Z".parse().unwrap());
        let second = build(&facts(&nodes, &VALID), Some(&first), &later);
        assert_eq!(first, second);
        let refused = ConfigState::Refused {
            message: "no".to_owned(),
        };
        let third = build(&facts(&nodes, &refused), Some(&second), &later);
        let time = |kind: &str| {
            third
                .conditions
                .iter()
                .find(|c| c.type_ == kind)
                .unwrap()
                .last_transition_time
                .clone()
        };
        assert_eq!(time("ConfigValid"), later);
        assert_eq!(time("Degraded"), now());
    }

    #[test]
    fn many_names_are_cut_short() {
        let nodes: Vec<_> = (0..13)
            .map(|n| NodeView {
                reachable: false,
                ..node(&format!("n{n}"))
            })
            .collect();
        let status = build(&facts(&nodes, &VALID), None, &now());
        let degraded = status
            .conditions
            .iter()
            .find(|c| c.type_ == "Degraded")
            .unwrap();
        assert!(
            degraded.message.ends_with("n9 and 3 more"),
            "{}",
            degraded.message
        );
    }
}
