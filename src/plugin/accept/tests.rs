use std::collections::HashSet;

use serde_json::{Value, json};

use super::text::{outcome, preview, question};
use super::*;
use crate::api::{ApprovedChange, FileIntegrityAcceptance};
use crate::plugin::changes::Changes;
use crate::plugin::fixtures::{HOSTILE, errored, failed, node, patched, screen, set, succeeded};
use crate::plugin::fleet::Fleet;
use crate::plugin::labels;

fn id(name: &str) -> String {
    set(name)
}

fn record() -> Record {
    Record {
        user: "alice@example.com".to_owned(),
        reason: "openssl, RHSA-2026:4711".to_owned(),
        ticket: Some("CHG0042137".to_owned()),
        until: None,
    }
}

fn plan<'a>(fleet: &'a Fleet, text: &str, only: Only) -> Result<Plan<'a>, String> {
    Plan::new(fleet, text, None, only, false)
}

fn names(names: &[&str]) -> Only {
    Only::Names(names.iter().copied().map(str::to_owned).collect())
}

/// The changes of the plan as they are read: an added file with a hostile name.
fn changes(plan: &Plan<'_>) -> Changes {
    Changes {
        owner: plan.owner.clone(),
        set: Some(plan.set),
        nodes: plan.nodes.iter().map(|node| node.name.clone()).collect(),
        ..crate::plugin::changes::tests::changes(
            "node01",
            &[
                ("/usr/bin/openssl", "new"),
                (&format!("/etc/{HOSTILE}"), "new"),
            ],
        )
    }
}

#[test]
fn a_set_is_accepted_on_all_nodes_that_show_it() {
    let fleet = patched();
    let plan = plan(&fleet, &id("openssl")[..12], Only::All).unwrap();
    assert_eq!((plan.nodes.len(), plan.shown_by.len()), (46, 46));
    assert_eq!(
        serde_json::to_value(plan.object(&record())).unwrap(),
        json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityAcceptance",
            "metadata": {
                "generateName": format!("accept-{}-", &id("openssl")[..12]),
                "namespace": "openshift-file-integrity",
            },
            "spec": {
                "fileIntegrity": "example-fileintegrity", "changeSet": id("openssl"),
                "reason": "openssl, RHSA-2026:4711", "ticket": "CHG0042137",
                "approvedBy": {"username": "alice@example.com"},
            },
        })
    );
}

#[test]
fn the_set_that_a_node_shows_is_accepted_on_this_node_only() {
    let fleet = patched();
    let plan_of_node = plan(&fleet, "node47", Only::All).unwrap();
    let object = plan_of_node.object(&record());
    assert_eq!(object.spec.change_set, Some(id("other")));
    let nodes = object.spec.nodes.unwrap();
    assert_eq!(nodes.names, Some(vec!["node47".to_owned()]));
    let error = plan(&fleet, "node47", names(&["node47"])).unwrap_err();
    assert!(error.contains("on this node only"), "{error}");
}

#[test]
fn a_node_without_a_known_set_is_refused() {
    let mut fleet = patched();
    let mut truncated = failed("truncated", "paths", "/etc/a");
    truncated.as_object_mut().unwrap().remove("changeSet");
    let hostile = format!("n{HOSTILE}");
    let table = [
        ("n1", succeeded(), "n1 has no changes"),
        ("n2", errored("io", "x"), "ended with an error"),
        ("n3", truncated, "only a re-initialization accepts them"),
        ("n4", Value::Null, "n4 has no result yet"),
        (&hostile, succeeded(), "has no changes"),
    ];
    for (name, result, expected) in table {
        fleet
            .nodes
            .push(node("example-fileintegrity", name, &result));
        let error = plan(&fleet, name, Only::All).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\u{1b}'));
    }
    let past = id("nobody shows this");
    assert!(
        plan(&fleet, &past, Only::All)
            .unwrap_err()
            .contains("no node shows")
    );
}

#[test]
fn nodes_are_chosen_by_names_or_labels() {
    let fleet = patched();
    let openssl = id("openssl");
    let chosen = plan(&fleet, &openssl, names(&["node02", "node47"])).unwrap();
    assert_eq!(chosen.nodes.len(), 1);
    assert_eq!(chosen.nodes[0].name, "node02");
    let unknown = plan(&fleet, &openssl, names(&["node02", "node99"])).unwrap_err();
    assert!(
        unknown.ends_with("does not watch these nodes: node99"),
        "{unknown}"
    );
    let none = plan(&fleet, &openssl, names(&["node47"])).unwrap_err();
    assert!(none.contains("none of these nodes"), "{none}");
    // They may show it later.
    let later = Plan::new(&fleet, &openssl, None, names(&["node47"]), true).unwrap();
    assert_eq!((later.nodes.len(), later.shown_by.len()), (0, 46));
    let labels = Only::Labels {
        selector: labels::parse("a=b,!c").unwrap(),
        names: HashSet::from(["node03".to_owned(), "node47".to_owned()]),
    };
    let chosen = plan(&fleet, &openssl, labels).unwrap();
    assert_eq!(chosen.nodes.len(), 1);
    let spec = serde_json::to_value(chosen.object(&record()).spec).unwrap();
    assert_eq!(
        spec["nodes"],
        json!({"selector": {
            "matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "DoesNotExist"}],
        }})
    );
}

#[test]
fn listed_changes_are_accepted_on_the_nodes_that_show_them_now() {
    let fleet = patched();
    let listed: ApprovedChange =
        serde_json::from_value(json!({"path": "/etc/gone", "kind": "removed"})).unwrap();
    let openssl = id("openssl");
    let with = |plan: &Plan<'_>, record: &Record| {
        let spec = plan.object_with(record, vec![listed.clone()]).spec;
        assert_eq!(
            (spec.change_set, spec.changes),
            (None, Some(vec![listed.clone()]))
        );
        serde_json::to_value(spec.nodes).unwrap()
    };
    let now = record();
    let mut later = record();
    later.until = Some("2026-12-01T18:00:00Z".parse().unwrap());
    let all = plan(&fleet, &openssl, Only::All).unwrap();
    let nodes = with(&all, &now);
    assert_eq!(nodes["names"].as_array().map(Vec::len), Some(46));
    assert_eq!(with(&all, &later), json!(null));
    let labels = Only::Labels {
        selector: labels::parse("a=b").unwrap(),
        names: HashSet::from(["node03".to_owned(), "node50".to_owned()]),
    };
    let some = plan(&fleet, &openssl, labels).unwrap();
    assert_eq!(with(&some, &now), json!({"names": ["node03"]}));
    let selector = json!({"selector": {"matchLabels": {"a": "b"}}});
    assert_eq!(with(&some, &later), selector);
    let one = plan(&fleet, "node47", Only::All).unwrap();
    assert_eq!(with(&one, &later), json!({"names": ["node47"]}));
}

#[test]
fn a_set_of_several_file_integrities_needs_one_of_them() {
    let mut fleet = patched();
    let same = failed("openssl", "paths", "/x");
    fleet.nodes.push(node("another", "node01", &same));
    fleet.sort();
    let error = plan(&fleet, &id("openssl"), Only::All).unwrap_err();
    assert!(error.contains("another, example-fileintegrity"), "{error}");
    let chosen = Plan::new(&fleet, &id("openssl"), Some("another"), Only::All, false).unwrap();
    assert_eq!(
        (chosen.owner.name.as_str(), chosen.nodes.len()),
        ("another", 1)
    );
}

#[test]
fn the_preview_has_the_changes_and_what_is_recorded() {
    let fleet = patched();
    let plan = plan(&fleet, &id("openssl"), Only::All).unwrap();
    let mut record = record();
    record.reason.push_str(HOSTILE);
    record.until = Some("2026-12-01T18:00:00Z".parse().unwrap());
    let changes = changes(&plan);
    for width in [80, 200] {
        for (color, suffix) in [(false, ""), (true, "_color")] {
            let screen = screen(Some(width), color);
            let text = preview(&plan, &changes, &record, 1, &screen);
            insta::assert_snapshot!(format!("preview_{width}{suffix}"), text);
        }
    }
    assert_eq!(question(&plan), "Accept these changes on 46 nodes?");
}

fn object(status: &Value) -> FileIntegrityAcceptance {
    serde_json::from_value(json!({
        "metadata": {"name": "a"},
        "spec": {"fileIntegrity": "fi", "changeSet": id("x"), "reason": "r", "approvedBy": {"username": "u"}},
        "status": status,
    }))
    .unwrap()
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": format!("why{HOSTILE}"),
        "lastTransitionTime": "2026-12-01T00:00:00Z"})
}

#[test]
fn an_acceptance_ends_with_a_status() {
    let ended = |conditions: &[Value]| Outcome::of(&object(&json!({"conditions": conditions})));
    let complete = |reason| {
        ended(&[
            condition("Complete", "True", reason),
            condition("Failed", "False", "AsExpected"),
        ])
    };
    assert_eq!(complete("Accepted").exit_status(), 0);
    for reason in ["PartlyRefused", "Refused", "Expired", "Revoked"] {
        assert_eq!(complete(reason).exit_status(), 1, "{reason}");
    }
    let failed = ended(&[
        condition("Complete", "False", "NoAdmissionPolicy"),
        condition("Failed", "True", "NoAdmissionPolicy"),
    ]);
    assert_eq!(failed.exit_status(), 2);
    assert_eq!(
        ended(&[condition("Complete", "False", "Pending")]).end,
        None
    );
    assert_eq!(Outcome::of(&object(&json!(null))).end, None);
}

#[test]
fn the_outcome_names_the_nodes_that_refused() {
    let refused = |name: &str| {
        json!({"name": name, "state": "Refused", "reason": "ChangesDiffer",
            "message": format!("the node has other changes than the accepted set{HOSTILE}")})
    };
    let mut nodes = vec![json!({"name": "ok", "state": "Accepted"})];
    nodes.extend((0..21).map(|number| refused(&format!("node{number:02}"))));
    nodes.push(refused(HOSTILE));
    let status = json!({
        "conditions": [condition("Complete", "True", "PartlyRefused")],
        "counts": {"matched": 23, "accepted": 1, "refused": 22, "waiting": 0}, "nodes": nodes,
    });
    let partly = Outcome::of(&object(&status));
    let failed = Outcome::of(&object(&json!({
        "conditions": [condition("Failed", "True", "EvidenceNotVerified")],
        "nodes": [refused(HOSTILE)],
    })));
    for width in [80, 200] {
        insta::assert_snapshot!(
            format!("partly_{width}"),
            outcome(&partly, &screen(Some(width), false))
        );
        insta::assert_snapshot!(
            format!("failed_{width}"),
            outcome(&failed, &screen(Some(width), true))
        );
    }
}
