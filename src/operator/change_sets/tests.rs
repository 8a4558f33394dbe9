//! Tables of nodes and their change sets.

use super::*;
use crate::api::names::{parse_sha256, sha256_hex};

fn id(name: &str) -> ChangeSetId {
    let hash = sha256_hex(name);
    ChangeSetId::of_result(Some(&hash), Some(&hash[..12])).unwrap()
}

/// The name of a node, and what it shows.
type Node = (Arc<str>, Arc<ReportedChangeSet>);

fn sets_of(nodes: &[Node]) -> ChangeSets {
    ChangeSets::new(nodes.iter().map(|(name, set)| (name, set)))
}

/// Nodes with these numbers that show this set. The paths of the set are named, too.
fn showing(set: &str, paths: &str, nodes: std::ops::Range<usize>) -> Vec<Node> {
    let set = Arc::new(ReportedChangeSet {
        version: None,
        id: id(set),
        paths: parse_sha256(&sha256_hex(paths)),
        first_path: Some(format!("/etc/{set}").into()),
        counts: [1, 2, 3],
    });
    let nodes = nodes.map(|number| (format!("n{number:03}").into(), Arc::clone(&set)));
    nodes.collect()
}

fn at(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(second).unwrap())
}

#[test]
fn forty_six_nodes_alike_and_one_that_is_not() {
    let mut nodes = showing("odd", "o", 0..1);
    nodes.extend(showing("usual", "u", 1..47));
    let sets = sets_of(&nodes);
    assert_eq!(sets.count(), 2);
    let expected = |set: &str, nodes, example: &str| ChangeSetSummary {
        id: sha256_hex(set),
        nodes,
        added: 1,
        changed: 2,
        removed: 3,
        first_seen: at(7),
        example_node: example.to_owned(),
        example_path: Some(format!("/etc/{set}")),
        same_paths_as: None,
    };
    assert_eq!(
        sets.listed(None, &at(7)),
        [expected("usual", 46, "n001"), expected("odd", 1, "n000")]
    );
    let expected = ChangeSetNodes {
        largest: vec![(id("usual"), 46), (id("odd"), 1)],
        others: 0,
    };
    assert_eq!(sets.nodes(), expected);
}

#[test]
fn the_order_of_the_nodes_has_no_influence() {
    let mut nodes = showing("a", "a", 0..2);
    nodes.extend(showing("b", "b", 2..4));
    nodes.extend(showing("c", "b", 4..6));
    let before = sets_of(&nodes).listed(None, &at(1));
    nodes.reverse();
    let after = sets_of(&nodes).listed(None, &at(1));
    assert_eq!(after, before);
    let examples: Vec<&str> = before.iter().map(|set| &*set.example_node).collect();
    assert!(
        ["n000", "n002", "n004"]
            .iter()
            .all(|node| examples.contains(node))
    );
    let ids: Vec<&str> = before.iter().map(|set| &*set.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[test]
fn a_set_with_the_paths_of_a_larger_one_names_it() {
    let mut nodes = showing("usual", "paths", 0..46);
    nodes.extend(showing("own value", "paths", 46..47));
    nodes.extend(showing("other path", "more paths", 47..49));
    let same: Vec<_> = sets_of(&nodes)
        .listed(None, &at(1))
        .into_iter()
        .map(|set| (set.nodes, set.same_paths_as))
        .collect();
    assert_eq!(
        same,
        [(46, None), (2, None), (1, Some(sha256_hex("usual")))]
    );
    // Daemons of another version may not report the paths.
    for node in &mut nodes {
        let set = ReportedChangeSet {
            paths: None,
            ..ReportedChangeSet::clone(&node.1)
        };
        node.1 = Arc::new(set);
    }
    let sets = sets_of(&nodes).listed(None, &at(1));
    assert!(
        sets.iter().all(|set| set.same_paths_as.is_none()),
        "{sets:?}"
    );
}

#[test]
fn the_time_of_a_known_set_stays() {
    let nodes = showing("a", "a", 0..2);
    let first = sets_of(&nodes).listed(None, &at(1));
    let stored = FileIntegrityStatus {
        change_sets: first.clone(),
        ..FileIntegrityStatus::default()
    };
    assert_eq!(sets_of(&nodes).listed(Some(&stored), &at(2)), first);
    let mut more = nodes;
    more.extend(showing("b", "b", 2..3));
    let later = sets_of(&more).listed(Some(&stored), &at(3));
    let times: Vec<_> = later.iter().map(|set| set.first_seen.clone()).collect();
    assert_eq!(times, [at(1), at(3)]);
}

#[test]
fn only_the_largest_sets_are_listed() {
    let set = |number: usize| showing(&format!("set {number}"), "p", number * 2..number * 2 + 1);
    let mut nodes: Vec<Node> = (0..60).flat_map(set).collect();
    nodes.extend(showing("set 59", "p", 119..120));
    let sets = sets_of(&nodes);
    assert_eq!(sets.count(), 60);
    let listed = sets.listed(None, &at(1));
    assert_eq!(listed.len(), 20);
    assert_eq!(
        (&*listed[0].id, listed[0].nodes),
        (&*sha256_hex("set 59"), 2)
    );
    let ChangeSetNodes { largest, others } = sets.nodes();
    assert_eq!(
        (largest.len(), largest[0], others),
        (50, (id("set 59"), 2), 10)
    );
}

/// The daemon of a compromised node may report anything about a set that it does not show.
#[test]
fn a_set_is_described_by_the_first_of_its_nodes() {
    let mut nodes = showing("a", "a", 0..3);
    nodes[2].1 = Arc::new(ReportedChangeSet {
        version: None,
        id: id("a"),
        paths: None,
        first_path: Some("/lie".into()),
        counts: [0, 0, 9],
    });
    let listed = sets_of(&nodes).listed(None, &at(1));
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].nodes, listed[0].removed), (3, 3));
    assert_eq!(listed[0].example_path.as_deref(), Some("/etc/a"));
}
