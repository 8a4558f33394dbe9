use super::text::{preview, question};
use super::*;
use crate::plugin::annotation::targets;
use crate::plugin::fixtures::{node, patched, screen, succeeded, troubled};

fn all(fleet: &Fleet) -> Vec<Target> {
    targets(fleet, &[], Some("example-fileintegrity")).unwrap()
}

#[test]
fn the_preview_has_the_sets_and_the_nodes_without_one() {
    for (name, fleet) in [("patched", patched()), ("troubled", troubled())] {
        let targets = all(&fleet);
        let scope = Scope::of(&fleet, &targets[0]);
        for width in [80, 200] {
            let text = preview(&scope, &screen(Some(width), false));
            insta::assert_snapshot!(format!("{name}_{width}"), text);
            insta::assert_snapshot!(
                format!("{name}_{width}_color"),
                preview(&scope, &screen(Some(width), true))
            );
        }
    }
}

#[test]
fn only_the_named_nodes_are_meant() {
    let fleet = patched();
    let names = ["node47".to_owned(), "node50".to_owned()];
    let targets = targets(&fleet, &names, None).unwrap();
    let scope = Scope::of(&fleet, &targets[0]);
    assert_eq!((scope.nodes.len(), scope.sets.len(), scope.ok), (2, 1, 1));
    assert_eq!(scope.nodes_of(&scope.sets[0])[0].name, "node47");
    assert_eq!(question(&[scope]), "Accept everything on 2 nodes?");
}

#[test]
fn a_node_is_done_when_it_has_answered_a_newer_request() {
    let mut before = patched();
    before.nodes.truncate(4);
    before.nodes[0].reinit_requested = Some("old".to_owned());
    before.nodes[0].reinit_done = Some("old".to_owned());
    let targets = all(&before);
    let scopes = [Scope::of(&before, &targets[0])];
    let mut now = before.clone();
    assert_eq!(done(&scopes, &now), (0, 4), "the old request is done");
    for node in &mut now.nodes {
        node.reinit_requested = Some("new".to_owned());
    }
    assert_eq!(done(&scopes, &now), (0, 4));
    now.nodes[0].reinit_done = Some("new".to_owned());
    now.nodes[1].reinit_done = Some("new".to_owned());
    assert_eq!(done(&scopes, &now), (2, 4));
    // Nodes that are removed, or added, are not waited for.
    now.nodes.truncate(3);
    now.nodes
        .push(node("example-fileintegrity", "new", &succeeded()));
    assert_eq!(done(&scopes, &now), (2, 3));
}
