use serde_json::json;

use super::*;
use crate::api::FileIntegrityAcceptance;
use crate::plugin::fixtures::{HOSTILE, integrity, patched, set, troubled, well};
use crate::plugin::fleet::Node;

/// 50 nodes without changes.
fn clean() -> Fleet {
    let mut fleet = patched();
    let ok: Node = fleet.nodes[49].clone();
    for node in &mut fleet.nodes {
        node.scan.clone_from(&ok.scan);
    }
    fleet
}

fn assessed(goals: &[Goal], fleet: &Fleet, start: &Start) -> Verdict {
    assess(goals, fleet, start, &[])
}

fn not_yet(verdict: Verdict) -> String {
    match verdict {
        Verdict::NotYet(state) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ok_is_the_exit_status_0_of_status() {
    let start = Start::default();
    assert_eq!(assessed(&[Goal::Ok], &clean(), &start), Verdict::Reached);
    let state = not_yet(assessed(&[Goal::Ok], &patched(), &start));
    assert_eq!(state, "ok: 47 nodes changed");
    // Somebody may accept the changes: this is not the end.
    let state = not_yet(assessed(&[Goal::Ok], &troubled(), &start));
    assert!(
        state.contains("3 nodes changed, 2 nodes errored, 1 node pending"),
        "{state}"
    );
    assert!(
        state.contains("NodesSilent") && !state.contains('\u{1b}'),
        "{state}"
    );
    let state = not_yet(assessed(&[Goal::Ok], &Fleet::default(), &start));
    assert_eq!(state, "ok: no nodes");
}

#[test]
fn active_is_the_phase_of_all() {
    let mut fleet = clean();
    let start = Start::default();
    assert_eq!(assessed(&[Goal::Active], &fleet, &start), Verdict::Reached);
    let mut initializing = well();
    initializing["phase"] = json!("Initializing");
    fleet.integrities.push(integrity("x", &initializing));
    let state = not_yet(assessed(&[Goal::Active], &fleet, &start));
    assert_eq!(state, "active: x is Initializing");
    let state = not_yet(assessed(&[Goal::Active], &Fleet::default(), &start));
    assert_eq!(state, "active: no FileIntegrity");
}

#[test]
fn all_nodes_are_scanned_after_the_beginning() {
    let mut fleet = clean();
    fleet.nodes.truncate(3);
    let start = Start::of(&fleet);
    let state = not_yet(assessed(&[Goal::Scanned], &fleet, &start));
    assert_eq!(
        state,
        "scanned: 0 of 3 nodes, not yet node01, node02, node03"
    );
    let later = Some("2026-12-01T12:10:00Z".parse().unwrap());
    for node in &mut fleet.nodes {
        node.last_full_scan = later;
    }
    assert_eq!(assessed(&[Goal::Scanned], &fleet, &start), Verdict::Reached);
    // A new node without a scan.
    let mut new = fleet.nodes[0].clone();
    new.name = "node04".to_owned();
    new.last_full_scan = None;
    fleet.nodes.push(new);
    let state = not_yet(assessed(&[Goal::Scanned], &fleet, &start));
    assert_eq!(state, "scanned: 3 of 4 nodes, not yet node04");
    let state = not_yet(assessed(&[Goal::Scanned], &Fleet::default(), &start));
    assert_eq!(state, "scanned: no nodes");
}

#[test]
fn a_requested_scan_is_waited_for() {
    let mut fleet = clean();
    fleet.nodes.truncate(3);
    let start = Start::of(&fleet);
    for node in &mut fleet.nodes {
        node.last_full_scan = Some("2026-12-01T12:10:00Z".parse().unwrap());
    }
    let mut requested = fleet.clone();
    requested.nodes[0].scan_requested = Some("s1".to_owned());
    let state = not_yet(assessed(&[Goal::Scanned], &requested, &start));
    assert_eq!(state, "scanned: 2 of 3 nodes, not yet node01");
    requested.nodes[0].scan_done = Some("s1".to_owned());
    let verdict = assessed(&[Goal::Scanned], &requested, &start);
    assert_eq!(verdict, Verdict::Reached);
    // The operator has not sent it to the nodes.
    for (nodes, left) in [(&["node02"][..], "node02"), (&[], "node01, node02, node03")] {
        let nodes = nodes.iter().copied().map(str::to_owned);
        requested.integrities[0].requested_scan = Some(nodes.collect());
        let state = not_yet(assessed(&[Goal::Scanned], &requested, &start));
        assert!(state.ends_with(&format!("not yet {left}")), "{state}");
    }
}

#[test]
fn a_complete_scan_decides_whether_files_differ() {
    let goals = [Goal::Scanned, Goal::Ok];
    let mut fleet = patched();
    let start = Start::of(&fleet);
    not_yet(assessed(&goals, &fleet, &start));
    for node in &mut fleet.nodes {
        node.last_full_scan = Some("2026-12-01T12:10:00Z".parse().unwrap());
    }
    let verdict = assessed(&goals, &fleet, &start);
    assert_eq!(
        verdict,
        Verdict::Impossible("ok: 47 nodes changed".to_owned())
    );
    // A condition of the operator may follow.
    let mut fleet = clean();
    for node in &mut fleet.nodes {
        node.last_full_scan = Some("2026-12-01T12:10:00Z".parse().unwrap());
    }
    fleet.integrities[0].stale = 1;
    assert_eq!(not_yet(assessed(&goals, &fleet, &start)), "ok: 1 stale");
}

#[test]
fn acceptances_end_well_or_not() {
    let outcome = |kind: &str, reason: &str| {
        let condition = json!({"type": kind, "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": "2026-12-01T00:00:00Z"});
        let object: FileIntegrityAcceptance = serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "spec": {"fileIntegrity": "fi", "changeSet": set("x"), "reason": "r",
                "approvedBy": {"username": "u"}},
            "status": {"counts": {"accepted": 2, "refused": 1}, "conditions": [condition]},
        }))
        .unwrap();
        (HOSTILE.to_owned(), Outcome::of(&object))
    };
    let of = |all: &[(String, Outcome)]| {
        assess(&[Goal::Accepted], &Fleet::default(), &Start::default(), all)
    };
    assert_eq!(of(&[]), Verdict::Reached);
    assert_eq!(of(&[outcome("Complete", "Accepted")]), Verdict::Reached);
    let open = outcome("Other", "x");
    let state = not_yet(of(&[outcome("Complete", "Accepted"), open.clone()]));
    assert!(
        state.ends_with(": 2 accepted, 1 refused, 0 waiting"),
        "{state}"
    );
    assert!(!state.contains('\u{1b}'), "{state}");
    for (kind, reason) in [("Complete", "PartlyRefused"), ("Failed", "InvalidUntil")] {
        let verdict = of(&[open.clone(), outcome(kind, reason)]);
        let Verdict::Impossible(text) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(text.contains(reason) && !text.contains('\u{1b}'), "{text}");
    }
}
