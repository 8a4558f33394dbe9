//! `scan`: which nodes are scanned once more, and what that has found. Pure.

use std::collections::{BTreeSet, HashMap};

use super::annotation::Target;
use super::failure::{DIFFERENCES, PROBLEMS, WELL};
use super::fleet::{Fleet, Node, NodeState};
use super::safe::safe;
use super::screen::{counted, some_of};

/// Maximum number of names in a sentence.
const MAX_NAMES: usize = 5;

/// The nodes of a FileIntegrity for which a scan is requested, as they are before the request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) target: &'a Target,
    nodes: Vec<&'a Node>,
}

/// How far the scans are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// The states of the scanned nodes.
    scanned: Vec<NodeState>,
    /// The names of the others.
    left: Vec<&'a str>,
    /// Number of the others whose scans are held.
    held: usize,
}

impl<'a> Request<'a> {
    /// The nodes that are meant. There must be one.
    pub(crate) fn of(fleet: &'a Fleet, target: &'a Target) -> Result<Self, String> {
        let names: BTreeSet<&str> = target.nodes.iter().map(String::as_str).collect();
        let is_meant = |node: &&Node| names.is_empty() || names.contains(node.name.as_str());
        let nodes: Vec<&Node> = fleet.nodes_of(&target.owner).filter(is_meant).collect();
        if nodes.is_empty() {
            return Err(format!("{} watches no node", safe(&target.owner.name)));
        }
        Ok(Self { target, nodes })
    }

    /// What was requested.
    pub(crate) fn text(&self) -> String {
        let name = safe(&self.target.owner.name);
        let nodes = counted(self.nodes.len(), "node");
        let held = self.nodes.iter().filter(|node| node.hold.is_some());
        let held = some_of(held.map(|node| node.name.as_str()), MAX_NAMES);
        let mut text = format!("{name}: scan of {nodes} requested\n");
        if !held.is_empty() {
            text.push_str("held, the scan comes afterwards: ");
            text.push_str(&held);
            text.push('\n');
        }
        text
    }
}

impl<'a> Progress<'a> {
    /// How far the requested scans are. A node that is not watched any more is not scanned.
    pub(crate) fn of(requests: &[Request<'_>], now: &'a Fleet) -> Self {
        let mut progress = Self::default();
        for request in requests {
            let before: HashMap<&str, &Node> = request
                .nodes
                .iter()
                .map(|node| (node.name.as_str(), *node))
                .collect();
            for node in now.nodes_of(&request.target.owner) {
                let Some(before) = before.get(node.name.as_str()) else {
                    continue;
                };
                let is_new = node.scan_requested != before.scan_requested;
                if is_new && !node.owes_scan() {
                    progress.scanned.push(node.state());
                } else {
                    progress.left.push(&node.name);
                    progress.held += usize::from(node.hold.is_some());
                }
            }
        }
        progress
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// As a sentence.
    pub(crate) fn text(&self) -> String {
        let all = counted(self.scanned.len() + self.left.len(), "node");
        if self.left.is_empty() {
            let parts = [
                NodeState::Ok,
                NodeState::Changed,
                NodeState::Errored,
                NodeState::Pending,
            ];
            let parts = parts.map(|state| (state, self.number_of(state)));
            let parts = parts.iter().filter(|(_, number)| *number > 0);
            let parts: Vec<String> = parts
                .map(|(state, number)| format!("{number} {}", state.as_str()))
                .collect();
            return match &parts[..] {
                [] => "scanned: no node is left".to_owned(),
                parts => format!("scanned: {all}, {}", parts.join(", ")),
            };
        }
        let done = self.scanned.len();
        let names = some_of(self.left.iter().copied(), MAX_NAMES);
        let held = match self.held {
            0 => String::new(),
            held => format!(" ({held} held)"),
        };
        format!("scanned: {done} of {all}, not yet {names}{held}")
    }

    /// Whether all scanned nodes are as their baselines. A problem if there is no node any more.
    pub(crate) fn exit_status(&self) -> u8 {
        if self.scanned.is_empty() {
            PROBLEMS
        } else if self.number_of(NodeState::Ok) == self.scanned.len() {
            WELL
        } else {
            DIFFERENCES
        }
    }

    fn number_of(&self, state: NodeState) -> usize {
        self.scanned.iter().filter(|it| **it == state).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::annotation::targets;
    use crate::plugin::fixtures::{HOSTILE, integrity, patched, troubled, well};

    fn requests<'a>(fleet: &'a Fleet, targets: &'a [Target]) -> Vec<Request<'a>> {
        let of = |target| Request::of(fleet, target).unwrap();
        targets.iter().map(of).collect()
    }

    #[test]
    fn a_node_is_scanned_when_it_has_executed_a_newer_request() {
        let mut before = patched();
        before.nodes.drain(..46);
        before.nodes[0].scan_requested = Some("old".to_owned());
        before.nodes[0].scan_done = Some("old".to_owned());
        let targets = targets(&before, &[], None).unwrap();
        let requests = requests(&before, &targets);
        assert_eq!(
            requests[0].text(),
            "example-fileintegrity: scan of 4 nodes requested\n"
        );
        let mut now = before.clone();
        let text = "scanned: 0 of 4 nodes, not yet node47, node48, node49, node50";
        assert_eq!(Progress::of(&requests, &now).text(), text, "an old request");
        for node in &mut now.nodes {
            node.scan_requested = Some("new".to_owned());
        }
        assert_eq!(Progress::of(&requests, &now).text(), text);
        for node in &mut now.nodes[1..] {
            node.scan_done = Some("new".to_owned());
        }
        let held = troubled().nodes.into_iter().find_map(|node| node.hold);
        now.nodes[0].hold = held;
        let progress = Progress::of(&requests, &now);
        let text = "scanned: 3 of 4 nodes, not yet node47 (1 held)";
        assert_eq!(
            (progress.text().as_str(), progress.is_done()),
            (text, false)
        );
        now.nodes[0].scan_done = Some("new".to_owned());
        let progress = Progress::of(&requests, &now);
        assert_eq!(progress.text(), "scanned: 4 nodes, 3 ok, 1 changed");
        assert_eq!((progress.is_done(), progress.exit_status()), (true, 1));
        now.nodes.remove(0);
        let progress = Progress::of(&requests, &now);
        assert_eq!(progress.text(), "scanned: 3 nodes, 3 ok");
        assert_eq!((progress.is_done(), progress.exit_status()), (true, 0));
        now.nodes.clear();
        let progress = Progress::of(&requests, &now);
        assert_eq!(progress.text(), "scanned: no node is left");
        assert_eq!((progress.is_done(), progress.exit_status()), (true, 2));
    }

    #[test]
    fn held_nodes_are_named_and_there_must_be_a_node() {
        let mut fleet = troubled();
        fleet.integrities.push(integrity(HOSTILE, &well()));
        let all = targets(&fleet, &[], Some("example-fileintegrity")).unwrap();
        let text = Request::of(&fleet, &all[0]).unwrap().text();
        assert!(text.ends_with("afterwards: node4\n"), "{text}");
        let none = targets(&fleet, &[], Some(HOSTILE)).unwrap();
        let error = Request::of(&fleet, &none[0]).unwrap_err();
        assert!(error.ends_with(" watches no node"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
