//! The nodes that a FileIntegrity's nodeSelector matches and that its tolerations leave out. Pure.
//!
//! The default tolerations leave out nodes with the taint `node-role.kubernetes.io/control-plane`, and
//! a FileIntegrity that watches no control plane looks like one that watches every node. So these
//! nodes are counted, and a condition names their taints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::nodes::NodeFacts;

/// Maximum number of taints in the condition's message.
const MAX_TAINTS: usize = 5;

/// Nodes that are not watched because of their taints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluded {
    nodes: BTreeSet<Arc<str>>,
    /// The nodes with each taint, which is written `key:effect` as kubectl does.
    by_taint: BTreeMap<String, Vec<Arc<str>>>,
}

impl Excluded {
    /// Adds a node that has these taints which are not tolerated, as key, value and effect.
    pub fn add<'a>(
        &mut self,
        node: &NodeFacts,
        taints: impl Iterator<Item = &'a (String, String, String)>,
    ) {
        self.nodes.insert(Arc::clone(&node.name));
        for (key, _, effect) in taints {
            let with_taint = self.by_taint.entry(format!("{key}:{effect}")).or_default();
            // Two taints may differ in their values alone.
            if with_taint.last() != Some(&node.name) {
                with_taint.push(Arc::clone(&node.name));
            }
        }
    }

    /// How many nodes these are.
    pub fn count(&self) -> i64 {
        i64::try_from(self.nodes.len()).unwrap_or(i64::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The taints, those of most nodes first, each with the names of its nodes as `list` writes them.
    pub fn describe(&self, list: impl Fn(&[&str]) -> String) -> String {
        let mut taints: Vec<_> = self.by_taint.iter().collect();
        // The sort is stable, so that taints of equally many nodes stay in the order of their names.
        taints.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
        let more = taints.len().saturating_sub(MAX_TAINTS);
        let mut parts: Vec<String> = taints
            .iter()
            .take(MAX_TAINTS)
            .map(|(taint, nodes)| {
                let mut names: Vec<&str> = nodes.iter().map(|name| &**name).collect();
                names.sort_unstable();
                format!("{taint} ({})", list(&names))
            })
            .collect();
        if more > 0 {
            parts.push(format!("and {more} more taints"));
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(nodes: &[(&str, &[(&str, &str)])]) -> Excluded {
        let mut excluded = Excluded::default();
        for (name, taints) in nodes {
            let node = NodeFacts {
                name: (*name).into(),
                ..NodeFacts::default()
            };
            let taint = |(key, effect): &(&str, &str)| {
                ((*key).to_owned(), String::new(), (*effect).to_owned())
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
}
