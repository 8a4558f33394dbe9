//! Tests of signals.

use super::*;

#[test]
fn signals_go_to_all_to_some_or_to_one() {
    let nodes = |of: &[(&str, Option<&str>, bool)]| {
        let request = |(node, id, is_waiting): &(&str, Option<&str>, bool)| NodeRequest {
            node: (*node).into(),
            id: id.map(str::to_owned),
            is_waiting: *is_waiting,
        };
        of.iter().map(request).collect::<Vec<_>>()
    };
    let r = Some("r");
    assert_eq!(
        signal(&nodes(&[("n1", r, false), ("n2", None, false)])),
        None
    );
    let all = signal(&nodes(&[("n1", r, true), ("n2", r, true)])).unwrap();
    assert_eq!((all.nodes.len(), all.id.as_str()), (0, "r"));
    let half_done = signal(&nodes(&[("n1", r, false), ("n2", r, true)])).unwrap();
    assert_eq!(
        half_done, all,
        "it does not change while a node is not done"
    );
    let some = signal(&nodes(&[
        ("n2", r, true),
        ("n1", r, true),
        ("n3", None, false),
    ]))
    .unwrap();
    assert_eq!(some.nodes, ["n1", "n2"]);
    let mixed = signal(&nodes(&[("n1", r, true), ("n2", Some("s"), true)])).unwrap();
    assert_eq!(mixed.nodes, ["n1"]);
}
