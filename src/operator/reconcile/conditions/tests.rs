//! Tables of what is known of the nodes, and the status.

use std::time::Duration;

use serde_json::json;

use super::super::nodes::excluded::Excluded;
use super::config_valid::{ConfigState, is_refused};
use super::degraded::{degrade, degraded, not_observed, request_failure};
use super::inputs::{NodeRealtime, Problem};
use super::phase::{keep_phase, new_phase, phase};
use super::*;
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};
use crate::api::{FileIntegrity, Phase, RealtimeCounts, RealtimeMode, RealtimeState};
use crate::docs_tests::argo_health;
use crate::operator::change_sets::ChangeSets;

static VALID: ConfigState = ConfigState::Valid {
    warnings: Vec::new(),
};

static NO_SETS: std::sync::LazyLock<ChangeSets> = std::sync::LazyLock::new(ChangeSets::default);

static NONE_EXCLUDED: std::sync::LazyLock<Excluded> = std::sync::LazyLock::new(Excluded::default);

fn node(name: &str) -> NodeSummary {
    NodeSummary {
        name: name.into(),
        reachable: true,
        initialized: true,
        held: false,
        waits_for_acceptance: false,
        shut_out: false,
        silence_left: None,
        condition: Some(Condition::Succeeded),
        unwatched_rule: None,
        realtime: None,
        change_set: None,
    }
}

fn with_realtime(name: &str, state: RealtimeState, explanation: Option<&str>) -> NodeSummary {
    NodeSummary {
        realtime: Some(NodeRealtime {
            state,
            explanation: explanation.map(Into::into),
        }),
        ..node(name)
    }
}

#[test]
fn rules_that_watch_nothing_are_reported() {
    let unwatched = NodeSummary {
        unwatched_rule: Some("line 3: /odd is odd".into()),
        ..node("n2")
    };
    let nodes = [node("n1"), unwatched];
    let condition = degraded(&inputs(&nodes, &VALID));
    assert_eq!(
        (condition.status, condition.reason),
        (ConditionStatus::True, ConditionReason::RulesUnwatched)
    );
    assert_eq!(
        condition.message,
        "rules that do not watch what they name behind a symbolic link, such as line 3: /odd is odd; name the real path \
         in the configuration (lastResult.unwatchedRules of a node's status lists such rules): n2"
    );
}

fn inputs<'a>(nodes: &'a [NodeSummary], config: &'a ConfigState) -> StatusInputs<'a> {
    StatusInputs {
        deployed: true,
        reinit_requested: false,
        nodes,
        change_sets: &NO_SETS,
        excluded: &NONE_EXCLUDED,
        config,
        realtime: RealtimeMode::Auto,
        problems: &[],
        generation: Some(1),
    }
}

fn now() -> Time {
    Time("2026-01-02T03:04:05Z".parse().unwrap())
}

#[test]
fn phase_transitions_are_counted() {
    let good = [node("n1")];
    let mut inputs = inputs(&good, &VALID);
    let first = status(&inputs, None, &now());
    assert_eq!(first.phase_transitions, Some(1));
    let same = status(&inputs, Some(&first), &now());
    assert_eq!(same.phase_transitions, Some(1));
    inputs.deployed = false;
    let other = status(&inputs, Some(&same), &now());
    assert_eq!(
        (other.phase, other.phase_transitions),
        (Some(Phase::Pending), Some(2))
    );
    // The status before has no count.
    let mut old = other.clone();
    old.phase_transitions = None;
    assert_eq!(
        status(&inputs, Some(&old), &now()).phase_transitions,
        Some(0)
    );
}

#[test]
fn a_phase_without_its_event_is_still_new_to_the_next_reconcile() {
    let good = [node("n1")];
    let errored = [NodeSummary {
        condition: Some(Condition::Errored),
        ..node("n1")
    }];
    let stored = status(&inputs(&good, &VALID), None, &now());
    assert_eq!(new_phase(None, &stored), Some(Phase::Active));
    let mut kept = status(&inputs(&errored, &VALID), Some(&stored), &now());
    assert_eq!(new_phase(Some(&stored), &kept), Some(Phase::Error));
    keep_phase(&mut kept, Some(&stored));
    assert_eq!(new_phase(Some(&stored), &kept), None);
    assert_eq!(kept.nodes.unwrap().errored, 1);
    // The next reconcile plans the same transition again, with the same number.
    let again = status(&inputs(&errored, &VALID), Some(&kept), &now());
    assert_eq!(new_phase(Some(&kept), &again), Some(Phase::Error));
    assert_eq!(
        (kept.phase_transitions, again.phase_transitions),
        (stored.phase_transitions, Some(2))
    );
    // The same holds for the first phase.
    let mut first = stored;
    keep_phase(&mut first, None);
    assert_eq!((first.phase, first.phase_transitions), (None, None));
}

#[test]
fn refusals_are_reported_at_once_and_other_failures_when_they_continue() {
    for (is_refusal, failures, expected) in [
        (true, 0, Some(ConditionReason::ApiRefused)),
        (false, 0, None),
        (false, 1, None),
        (false, 2, Some(ConditionReason::ApiFailing)),
        (false, 99, Some(ConditionReason::ApiFailing)),
    ] {
        assert_eq!(
            request_failure(is_refusal, failures),
            expected,
            "{failures}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn phases() {
    let good = [node("n1"), node("n2")];
    let waiting = [
        node("n1"),
        NodeSummary {
            initialized: false,
            condition: None,
            ..node("n2")
        },
    ];
    let unreachable = [
        node("n1"),
        NodeSummary {
            initialized: false,
            reachable: false,
            condition: None,
            ..node("n2")
        },
    ];
    let held = [
        node("n1"),
        NodeSummary {
            initialized: false,
            held: true,
            ..node("n2")
        },
    ];
    let tainted = [NodeSummary {
        initialized: false,
        shut_out: true,
        silence_left: Some(Duration::from_secs(1)),
        ..node("n1")
    }];
    let shut_out = [NodeSummary {
        silence_left: Some(Duration::ZERO),
        ..tainted[0].clone()
    }];
    let failed = [
        node("n1"),
        NodeSummary {
            condition: Some(Condition::Failed),
            ..node("n2")
        },
    ];
    let errored = [
        node("n1"),
        NodeSummary {
            condition: Some(Condition::Errored),
            ..node("n2")
        },
    ];
    let refused = ConfigState::Refused {
        message: "no".to_owned(),
    };
    let missing = ConfigState::Unavailable {
        reason: ConditionReason::ConfigMapMissing,
        message: "m".to_owned(),
    };
    let table = [
        ("no problems", inputs(&good, &VALID), Phase::Active),
        (
            "a failed scan is a result",
            inputs(&failed, &VALID),
            Phase::Active,
        ),
        (
            "a baseline is missing",
            inputs(&waiting, &VALID),
            Phase::Initializing,
        ),
        (
            "an unreachable node is not waited for",
            inputs(&unreachable, &VALID),
            Phase::Active,
        ),
        (
            "a held node is not waited for",
            inputs(&held, &VALID),
            Phase::Active,
        ),
        (
            "a node whose daemon a taint may keep out, and that reports, is waited for",
            inputs(&tainted, &VALID),
            Phase::Initializing,
        ),
        (
            "a node whose daemon a taint keeps out is not waited for",
            inputs(&shut_out, &VALID),
            Phase::Active,
        ),
        (
            "a scan that ended with an error",
            inputs(&errored, &VALID),
            Phase::Error,
        ),
        ("no nodes", inputs(&[], &VALID), Phase::Pending),
        (
            "nothing deployed",
            StatusInputs {
                deployed: false,
                ..inputs(&good, &VALID)
            },
            Phase::Pending,
        ),
        (
            "requested",
            StatusInputs {
                reinit_requested: true,
                ..inputs(&good, &VALID)
            },
            Phase::Initializing,
        ),
        ("refused", inputs(&good, &refused), Phase::Error),
        (
            "refused at first",
            StatusInputs {
                deployed: false,
                ..inputs(&good, &refused)
            },
            Phase::Error,
        ),
        (
            "a missing ConfigMap changes nothing",
            inputs(&good, &missing),
            Phase::Active,
        ),
    ];
    for (what, inputs, expected) in table {
        let is_refused = is_refused(inputs.config, None);
        assert_eq!(phase(&inputs, is_refused), expected, "{what}");
    }
}

#[test]
fn the_health_check_of_the_pages_for_argo_cd_understands_each_status() {
    let good = [node("n1")];
    let failed = [NodeSummary {
        condition: Some(Condition::Failed),
        ..node("n1")
    }];
    let errored = [NodeSummary {
        condition: Some(Condition::Errored),
        ..node("n1")
    }];
    let waiting = [NodeSummary {
        initialized: false,
        ..node("n1")
    }];
    let unreachable = [NodeSummary {
        reachable: false,
        ..node("n1")
    }];
    let refused = ConfigState::Refused {
        message: "line 2: no".to_owned(),
    };
    let missing = ConfigState::Unavailable {
        reason: ConditionReason::ConfigMapMissing,
        message: "no ConfigMap".to_owned(),
    };
    let not_deployed = StatusInputs {
        deployed: false,
        ..inputs(&good, &VALID)
    };
    let outdated = StatusInputs {
        generation: Some(0),
        ..inputs(&good, &VALID)
    };
    for (inputs, health, message) in [
        (inputs(&good, &VALID), "Healthy", "all reachable nodes"),
        (inputs(&failed, &VALID), "Healthy", "all reachable nodes"),
        (not_deployed, "Progressing", "not deployed yet"),
        (inputs(&[], &VALID), "Progressing", "no Linux node"),
        (inputs(&waiting, &VALID), "Progressing", "baseline of n1"),
        (outdated, "Progressing", "waiting for the operator"),
        (inputs(&errored, &VALID), "Degraded", "an error on n1"),
        (inputs(&unreachable, &VALID), "Degraded", "not ready"),
        (inputs(&good, &refused), "Degraded", "line 2: no"),
        (inputs(&good, &missing), "Degraded", "no ConfigMap"),
    ] {
        let status = status(&inputs, None, &now());
        let object =
            json!({"kind": "FileIntegrity", "metadata": {"generation": 1}, "status": status});
        let (status, text) = argo_health(&object);
        assert_eq!(status, health, "{text}");
        assert!(text.contains(message), "{text}");
    }
    let new = json!({"kind": "FileIntegrity", "metadata": {"generation": 1}});
    assert_eq!(argo_health(&new).0, "Progressing");
}

#[test]
fn a_refusal_lasts_while_the_configuration_is_unavailable() {
    let good = [node("n1")];
    let refused = ConfigState::Refused {
        message: "no".to_owned(),
    };
    let missing = ConfigState::Unavailable {
        reason: ConditionReason::ConfigMapMissing,
        message: "m".to_owned(),
    };
    let after = |config: &ConfigState, before: Option<&FileIntegrityStatus>| {
        status(&inputs(&good, config), before, &now())
    };
    let first = after(&refused, None);
    let second = after(&missing, Some(&first));
    let third = after(&missing, Some(&second));
    for (status, expected) in [
        (&first, "Refused"),
        (&second, "ConfigMapMissing"),
        (&third, "ConfigMapMissing"),
    ] {
        assert_eq!(status.phase, Some(Phase::Error));
        let reasons: Vec<&str> = status.conditions.iter().map(|c| &*c.reason).collect();
        assert_eq!(reasons[..2], ["ConfigRefused", expected]);
    }
    assert_eq!(after(&VALID, Some(&third)).phase, Some(Phase::Active));
    // The error of a node does not last.
    let errored = [NodeSummary {
        condition: Some(Condition::Errored),
        ..node("n1")
    }];
    let errored = status(&inputs(&errored, &missing), None, &now());
    assert_eq!(errored.phase, Some(Phase::Error));
    assert_eq!(after(&missing, Some(&errored)).phase, Some(Phase::Active));
}

#[test]
fn the_whole_status() {
    let nodes = [
        with_realtime("n1", RealtimeState::Active, None),
        NodeSummary {
            condition: Some(Condition::Failed),
            held: true,
            ..node("n2")
        },
        NodeSummary {
            reachable: false,
            initialized: false,
            ..node("n3")
        },
    ];
    let config = ConfigState::Valid {
        warnings: vec!["line 3: dropped".to_owned()],
    };
    insta::assert_yaml_snapshot!(status(&inputs(&nodes, &config), None, &now()));
}

#[test]
fn silent_nodes_are_stale_and_reported() {
    let silent = NodeSummary {
        silence_left: Some(Duration::ZERO),
        ..node("n2")
    };
    let late = NodeSummary {
        silence_left: Some(Duration::from_secs(1)),
        ..node("n1")
    };
    let unreachable = NodeSummary {
        reachable: false,
        ..silent.clone()
    };
    let shut_out = NodeSummary {
        name: "n3".into(),
        shut_out: true,
        ..silent.clone()
    };
    let tainted = NodeSummary {
        shut_out: true,
        ..late.clone()
    };
    let nodes = [late, tainted, shut_out, silent, unreachable];
    let status = status(&inputs(&nodes, &VALID), None, &now());
    assert_eq!(status.nodes.unwrap().stale, 3);
    let degraded = ConditionType::Degraded.find(&status.conditions);
    let degraded = degraded.unwrap();
    assert_eq!(degraded.reason, "NodesNotReady");
    assert_eq!(
        degraded.message,
        "not ready, so not watched: n2; \
         no report for too long; check the daemon's pod or, if there is none, the events of the \
         DaemonSet: n2; \
         no report for too long, and a taint that spec.tolerations does not tolerate keeps the \
         daemon's pod out; tolerate it, or delete the FileIntegrityNodeStatus to give the node up: n3"
    );
}

#[test]
fn ready_lists_the_nodes_that_are_not_scanned() {
    let held = NodeSummary {
        held: true,
        ..node("n2")
    };
    let silent = NodeSummary {
        silence_left: Some(Duration::ZERO),
        ..node("n3")
    };
    let unreachable = NodeSummary {
        reachable: false,
        ..silent.clone()
    };
    let [all, none] = [
        "all reachable nodes are being scanned",
        "no selected node is ready, so no node is being scanned",
    ];
    for (nodes, except) in [
        (&[node("n1"), unreachable.clone()][..], all.to_owned()),
        (
            &[node("n1"), held.clone()],
            format!("{all}, except held nodes (n2)"),
        ),
        (
            &[held, silent],
            format!(
                "{all}, except held nodes (n2) and nodes that have not reported for too long (n3)"
            ),
        ),
        (&[unreachable], none.to_owned()),
    ] {
        let ready = status(&inputs(nodes, &VALID), None, &now())
            .conditions
            .remove(0);
        let words = [ready.type_, ready.status, ready.message];
        assert_eq!(words, ["Ready".to_owned(), "True".to_owned(), except]);
    }
}

#[test]
fn a_prevented_plan_is_degraded_since_it_began() {
    let nodes = [node("n1")];
    let planned = || status(&inputs(&nodes, &VALID), None, &now());
    let later = Time("2026-01-02T04:00:00Z".parse().unwrap());
    let condition = |status: &FileIntegrityStatus| {
        let degraded = ConditionType::Degraded.find(&status.conditions);
        let degraded = degraded.unwrap();
        let word = [&*degraded.status, &*degraded.reason, &*degraded.message].join(" ");
        (word, degraded.last_transition_time.clone())
    };
    let problem = |reason, message: &str| Problem {
        reason,
        message: message.to_owned(),
    };
    let refused = problem(ConditionReason::ApiRefused, "no");
    let collision = problem(ConditionReason::NameCollision, "taken");
    let mut first = planned();
    degrade(&mut first, Some(&planned()), &refused, &later);
    assert_eq!(
        condition(&first),
        ("True ApiRefused no".to_owned(), later.clone())
    );
    let mut second = planned();
    let latest = Time("2026-01-02T05:00:00Z".parse().unwrap());
    degrade(&mut second, Some(&first), &refused, &latest);
    assert_eq!(condition(&second), ("True ApiRefused no".to_owned(), later));
    // The other problems stay.
    let silent = NodeSummary {
        silence_left: Some(Duration::ZERO),
        ..node("n2")
    };
    let mut third = status(&inputs(&[silent], &VALID), None, &now());
    degrade(&mut third, None, &collision, &now());
    let (words, _) = condition(&third);
    assert!(
        words.starts_with("True NameCollision taken; no report for too long"),
        "{words}"
    );
}

#[test]
fn a_failed_observation_is_degraded_and_changes_nothing_else() {
    let nodes = [node("n1")];
    let stored = status(&inputs(&nodes, &VALID), None, &now());
    let later = Time("2026-01-02T04:00:00Z".parse().unwrap());
    let problem = || Problem {
        reason: ConditionReason::NoImage,
        message: "no image".to_owned(),
    };
    for before in [Some(stored), None] {
        let fi = FileIntegrity {
            status: before.clone(),
            ..FileIntegrity::default()
        };
        let first = not_observed(&fi, problem(), &later);
        let degraded = ConditionType::Degraded.find(&first.conditions);
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
        // A repetition is not written again.
        let again = FileIntegrity {
            status: Some(first.clone()),
            ..FileIntegrity::default()
        };
        assert_eq!(not_observed(&again, problem(), &now()), first);
    }
}

#[test]
fn the_time_of_a_transition_stays_while_the_status_does() {
    let nodes = [node("n1")];
    let first = status(&inputs(&nodes, &VALID), None, &now());
    let later = Time("2026-01-02T04:00:00Z".parse().unwrap());
    let second = status(&inputs(&nodes, &VALID), Some(&first), &later);
    assert_eq!(first, second);
    let refused = ConfigState::Refused {
        message: "no".to_owned(),
    };
    let third = status(&inputs(&nodes, &refused), Some(&second), &later);
    let time = |kind: ConditionType| {
        let condition = kind.find(&third.conditions).unwrap();
        condition.last_transition_time.clone()
    };
    assert_eq!(time(ConditionType::ConfigValid), later);
    assert_eq!(time(ConditionType::Degraded), now());
}

#[test]
fn long_lists_of_nodes_are_shortened() {
    let nodes: Vec<_> = (0..13)
        .map(|n| NodeSummary {
            reachable: false,
            ..node(&format!("n{n}"))
        })
        .collect();
    let status = status(&inputs(&nodes, &VALID), None, &now());
    let degraded = ConditionType::Degraded.find(&status.conditions).unwrap();
    assert!(
        degraded.message.ends_with("n9 and 3 more"),
        "{}",
        degraded.message
    );
}

#[test]
fn realtime_detection_of_the_nodes() {
    let state = |name, state| with_realtime(name, state, None);
    let active = state("n1", RealtimeState::Active);
    let degraded = with_realtime("n2", RealtimeState::Degraded, Some("WatchLimit: too many"));
    let unsupported = with_realtime("n3", RealtimeState::Unsupported, Some("KernelTooOld"));
    let unreachable = |node: &NodeSummary| NodeSummary {
        reachable: false,
        ..node.clone()
    };
    let silent = NodeSummary {
        silence_left: Some(Duration::ZERO),
        ..state("n4", RealtimeState::Active)
    };
    let all = "all reachable nodes report changes within about a second";
    let limited = "only the periodic scans report some or all changes of";
    let none = "no reachable node has reported a state of realtime detection";
    let table: &[(&[NodeSummary], &str, String)] = &[
        (std::slice::from_ref(&active), "True Active", all.to_owned()),
        (
            &[active.clone(), unreachable(&degraded)],
            "True Active",
            all.to_owned(),
        ),
        (
            &[active.clone(), node("n2"), silent.clone()],
            "True Active",
            format!("{all}, except nodes that have not reported a state (n2, n4)"),
        ),
        (
            &[active.clone(), degraded.clone()],
            "False Degraded",
            format!("{limited} n2 (Degraded, WatchLimit: too many)"),
        ),
        (
            &[degraded, unsupported, active.clone()],
            "False Unsupported",
            format!(
                "{limited} n2 (Degraded, WatchLimit: too many), n3 (Unsupported, KernelTooOld)"
            ),
        ),
        (
            &[active.clone(), state("n2", RealtimeState::Starting)],
            "Unknown Starting",
            "realtime detection is starting on n2".to_owned(),
        ),
        (
            &[active.clone(), state("n2", RealtimeState::Off)],
            "Unknown Starting",
            "realtime detection is starting on n2".to_owned(),
        ),
        (&[node("n1"), silent], "Unknown Starting", none.to_owned()),
        (&[], "Unknown Starting", none.to_owned()),
    ];
    for (nodes, expected, message) in table {
        let status = status(&inputs(nodes, &VALID), None, &now());
        let realtime = ConditionType::Realtime.find(&status.conditions).unwrap();
        let word = [&*realtime.status, &*realtime.reason].join(" ");
        assert_eq!((&*word, &realtime.message), (*expected, message));
        // Phase and other conditions are as without realtime detection.
        let without: Vec<_> = nodes
            .iter()
            .map(|node| NodeSummary {
                realtime: None,
                ..node.clone()
            })
            .collect();
        let without = super::status(&inputs(&without, &VALID), None, &now());
        assert_eq!(status.phase, without.phase, "{message}");
        assert_eq!(status.conditions[..4], without.conditions[..4], "{message}");
    }
}

#[test]
fn realtime_detection_that_the_spec_disables() {
    let nodes = [with_realtime("n1", RealtimeState::Active, None)];
    let off = StatusInputs {
        realtime: RealtimeMode::Off,
        ..inputs(&nodes, &VALID)
    };
    let status = status(&off, None, &now());
    let realtime = ConditionType::Realtime.find(&status.conditions).unwrap();
    assert_eq!(
        [&*realtime.status, &*realtime.reason, &*realtime.message],
        [
            "False",
            "Off",
            "spec.realtime.mode is Off; only the periodic scans report changes"
        ]
    );
}

#[test]
fn states_of_realtime_detection_are_counted() {
    let counts = |nodes: &[NodeSummary]| status(&inputs(nodes, &VALID), None, &now()).realtime;
    assert_eq!(counts(&[node("n1")]), None);
    let mut nodes = vec![node("n0"), with_realtime("n1", RealtimeState::Active, None)];
    nodes.extend(RealtimeState::ALL.map(|state| with_realtime("n2", state, None)));
    nodes[1].reachable = false;
    let expected = RealtimeCounts {
        active: 2,
        degraded: 1,
        unsupported: 1,
        starting: 1,
        off: 1,
    };
    assert_eq!(counts(&nodes), Some(expected));
}

#[test]
fn explanations_of_many_nodes_are_shortened() {
    let long = "x".repeat(256);
    let nodes: Vec<_> = (0..9)
        .map(|n| with_realtime(&format!("n{n}"), RealtimeState::Degraded, Some(&long)))
        .collect();
    let status = status(&inputs(&nodes, &VALID), None, &now());
    let realtime = ConditionType::Realtime.find(&status.conditions).unwrap();
    let message = &realtime.message;
    assert!(message.contains("n4 (Degraded, xxx"), "{message}");
    assert!(message.ends_with("xxx) and 4 more"), "{message}");
}
