//! A table of nodes, and whether they are being updated.

use super::*;

#[test]
fn updates_are_derived_from_annotations_and_cordons() {
    let with = |current: &str, desired: &str, state: &str| CachedNode {
        machine_config: Some(MachineConfig {
            current: current.to_owned(),
            desired: desired.to_owned(),
            state: state.to_owned(),
        }),
        ..CachedNode::default()
    };
    let cordoned = CachedNode {
        cordoned: true,
        ..CachedNode::default()
    };
    let table = [
        (CachedNode::default(), false, NodeUpdate::None),
        (with("a", "a", "Done"), false, NodeUpdate::None),
        (with("a", "b", "Done"), false, NodeUpdate::Unsettled),
        (with("a", "b", "Working"), false, NodeUpdate::InProgress),
        (with("b", "b", "Working"), false, NodeUpdate::Unsettled),
        (with("b", "b", "Done"), false, NodeUpdate::None),
        (with("a", "b", "Degraded"), false, NodeUpdate::None),
        (cordoned.clone(), false, NodeUpdate::None),
        (cordoned, true, NodeUpdate::InProgress),
    ];
    for (node, by_cordon, expected) in table {
        assert_eq!(node.update(by_cordon), expected, "{node:?}");
    }
}
