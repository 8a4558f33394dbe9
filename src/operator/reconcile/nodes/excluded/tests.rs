//! Tests of the description of excluded nodes.

use super::*;

fn excluded(nodes: &[(&str, &[(&str, &str)])]) -> Excluded {
    let mut excluded = Excluded::default();
    for (name, taints) in nodes {
        let node = CachedNode {
            name: (*name).into(),
            ..CachedNode::default()
        };
        let taint = |(key, effect): &(&str, &str)| CachedTaint {
            key: (*key).to_owned(),
            value: String::new(),
            effect: (*effect).to_owned(),
        };
        let taints: Vec<_> = taints.iter().map(taint).collect();
        excluded.add(&node, taints.iter());
    }
    excluded
}

#[test]
fn nodes_are_counted_once_and_named_by_taint() {
    let some = excluded(&[
        ("n2", &[("b", "NoSchedule"), ("a", "NoExecute")]),
        ("n1", &[("b", "NoSchedule"), ("b", "NoSchedule")]),
    ]);
    assert_eq!((some.count(), some.is_empty()), (2, false));
    let described = some.describe(|names| names.join(" "));
    assert_eq!(described, "b:NoSchedule (n1 n2), a:NoExecute (n2)");
}

#[test]
fn the_description_is_bounded() {
    let taints: Vec<String> = (0..1000).map(|n| format!("taint-{n:04}")).collect();
    let taints: Vec<(&str, &str)> = taints.iter().map(|t| (&**t, "NoSchedule")).collect();
    let described = excluded(&[("n1", &taints)]).describe(|names| names.join(" "));
    assert!(
        described.starts_with("taint-0000:NoSchedule (n1), "),
        "{described}"
    );
    assert!(
        described.ends_with("(n1), and 995 more taints"),
        "{described}"
    );
}
