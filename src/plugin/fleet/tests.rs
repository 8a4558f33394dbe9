use serde_json::json;

use super::*;
use crate::api::FileIntegrityAcceptance;
use crate::plugin::fixtures::{failed, integrity, node, patched, set, well};

#[test]
fn the_largest_set_is_first_and_others_with_its_paths_are_marked() {
    let fleet = patched();
    let sets = fleet.sets_of(&fleet.integrities[0]);
    let [large, small] = &sets[..] else {
        panic!("{sets:?}");
    };
    assert_eq!((large.nodes.len(), small.nodes.len()), (46, 1));
    assert_eq!(large.nodes[0], "node01");
    assert_eq!(small.nodes[0], "node47");
    assert_eq!(
        (large.same_paths_as, small.same_paths_as),
        (None, Some(large.id))
    );
    assert_eq!(
        large.first_seen.unwrap().to_string(),
        "2026-12-01T03:00:00Z"
    );
}

#[test]
fn each_file_integrity_has_its_own_nodes() {
    let mut fleet = Fleet {
        integrities: vec![integrity("b", &well()), integrity("a", &well())],
        nodes: ["b", "a", "b"]
            .into_iter()
            .enumerate()
            .map(|(index, name)| node(name, &format!("n{index}"), &failed("x", "x", "/x")))
            .collect(),
        ..Fleet::default()
    };
    fleet.sort();
    let of = |index: usize| {
        let nodes = fleet.nodes_of(&fleet.integrities[index].owner);
        nodes.map(|node| node.name.clone()).collect::<Vec<String>>()
    };
    assert_eq!(of(0), ["n1"]);
    assert_eq!(of(1), ["n0", "n2"]);
}

#[test]
fn a_set_that_no_daemon_writes_is_none() {
    let mut odd = failed("x", "x", "/x");
    odd["changeSet"] = json!("0123");
    assert_eq!(node("fi", "n", &odd).set(), None);
    let mut succeeded = failed("x", "x", "/x");
    assert!(node("fi", "n", &succeeded).set().is_some());
    succeeded["condition"] = json!("Succeeded");
    assert_eq!(node("fi", "n", &succeeded).set(), None);
}

#[test]
fn acceptances_end_with_a_condition() {
    let with = |conditions: serde_json::Value| {
        let object: FileIntegrityAcceptance = serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "spec": {"fileIntegrity": "fi", "changeSet": set("x"), "reason": "r", "approvedBy": {"username": "u"}},
            "status": {"conditions": conditions},
        }))
        .unwrap();
        OpenAcceptance::of(&object).is_some()
    };
    let condition = |kind: &str, status: &str| {
        json!([{"type": kind, "status": status, "reason": "r", "message": "",
            "lastTransitionTime": "2026-12-01T00:00:00Z"}])
    };
    assert!(with(json!([])));
    assert!(with(condition("Complete", "False")));
    assert!(!with(condition("Complete", "True")));
    assert!(!with(condition("Failed", "True")));
}
