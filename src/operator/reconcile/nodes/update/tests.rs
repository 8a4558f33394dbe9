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
        (CachedNode::default(), false, UpdateState::None),
        (with("a", "a", "Done"), false, UpdateState::None),
        (with("a", "b", "Done"), false, UpdateState::Unsettled),
        (with("a", "b", "Working"), false, UpdateState::InProgress),
        (with("b", "b", "Working"), false, UpdateState::Unsettled),
        (with("b", "b", "Done"), false, UpdateState::None),
        (with("a", "b", "Degraded"), false, UpdateState::None),
        (cordoned.clone(), false, UpdateState::None),
        (cordoned, true, UpdateState::InProgress),
    ];
    for (node, by_cordon, expected) in table {
        assert_eq!(node.update(by_cordon), expected, "{node:?}");
    }
}
