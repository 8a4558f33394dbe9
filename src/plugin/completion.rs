//! Completion for kubectl: what may follow on the command line. Pure.
//!
//! kubectl runs the program `kubectl_complete-file_integrity` with the words after `kubectl file-integrity`, the last of
//! which is to be completed. It reads a line for each candidate, with a description after a tab, and the number of a
//! directive in the last line.

use std::fmt::Write as _;

use super::fleet::{Fleet, Node, NodeState, Owner, sets};
use super::safe::message;
use super::screen::counted;
use crate::aide::report::is_printable;
use crate::api::ChangeSetId;

/// Directive of cobra's completion: there are no names of files to complete.
const NO_FILES: u8 = 4;
/// The options that choose the cluster and the namespace, all with a value.
const OPTIONS: [&str; 6] = [
    "--namespace",
    "--context",
    "--kubeconfig",
    "--as",
    "--as-group",
    "-n",
];

/// A word that may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) value: String,
    pub(crate) description: String,
}

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    SetOrNode,
    Node,
    Integrity,
    Acceptance,
}

/// The names in a cluster that an argument of this kind may have.
pub(crate) fn candidates(kind: Kind, fleet: &Fleet) -> Vec<Candidate> {
    let all = match kind {
        Kind::SetOrNode => [of_sets(fleet), of_nodes(fleet)].concat(),
        Kind::Node => of_nodes(fleet),
        Kind::Integrity => fleet
            .integrities
            .iter()
            .map(|integrity| {
                let phase = integrity.phase.map(|phase| phase.to_string());
                candidate(&integrity.owner.name, &phase.unwrap_or_default())
            })
            .collect(),
        Kind::Acceptance => fleet
            .acceptances
            .iter()
            .flatten()
            .map(|acceptance| candidate(&acceptance.name, &acceptance.reason))
            .collect(),
    };
    let is_word = |c: char| is_printable(c) && !c.is_whitespace();
    let mut known = Vec::new();
    for candidate in all {
        let is_new = known
            .iter()
            .all(|it: &Candidate| it.value != candidate.value);
        if is_new && candidate.value.chars().all(is_word) {
            known.push(candidate);
        }
    }
    known
}

fn candidate(value: &str, description: &str) -> Candidate {
    Candidate {
        value: value.to_owned(),
        description: message(description),
    }
}

fn of_sets(fleet: &Fleet) -> Vec<Candidate> {
    let mut owners: Vec<&Owner> = fleet.nodes.iter().map(|node| &node.owner).collect();
    owners.dedup();
    let sets = owners
        .into_iter()
        .flat_map(|owner| sets(fleet.nodes_of(owner), &std::collections::HashMap::new()));
    sets.map(|set| {
        let id = ChangeSetId::shown(&set.id.to_string());
        let nodes = counted(set.nodes.len(), "node");
        candidate(&id, &format!("{} on {nodes}", set.counts))
    })
    .collect()
}

/// Those with changes first.
fn of_nodes(fleet: &Fleet) -> Vec<Candidate> {
    let mut nodes: Vec<&Node> = fleet.nodes.iter().collect();
    nodes.sort_by_key(|node| node.state() != NodeState::Changed);
    let nodes = nodes.into_iter();
    nodes
        .map(|node| candidate(&node.name, node.state().as_str()))
        .collect()
}

/// Those of these words that choose the cluster and the namespace.
pub(crate) fn cluster_options(words: &[String]) -> Vec<String> {
    let mut options = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if !OPTIONS.contains(&name) {
            // The short one may have its value in the same word.
            if word.starts_with("-n") && !word.starts_with("--") {
                options.push(word.clone());
            }
            continue;
        }
        options.push(word.clone());
        if name == word {
            options.extend(words.next().cloned());
        }
    }
    options
}

/// The candidates for a word as kubectl reads them. Options are shown for words that begin with a dash.
pub(crate) fn lines(candidates: &[Candidate], word: &str) -> String {
    let mut text = String::new();
    for Candidate { value, description } in candidates {
        let is_option = value.starts_with('-');
        if !value.starts_with(word) || (is_option && !word.starts_with('-')) {
            continue;
        }
        text.push_str(value);
        if !description.is_empty() {
            text.push('\t');
            text.push_str(description);
        }
        text.push('\n');
    }
    // Writing to a String cannot fail.
    writeln!(text, ":{NO_FILES}").ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::fixtures::{node, patched, set, succeeded, troubled};

    fn shown(kind: Kind, fleet: &Fleet, word: &str) -> Vec<String> {
        let text = lines(&candidates(kind, fleet), word);
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn sets_and_nodes_have_their_states() {
        let mut fleet = patched();
        let id = |name: &str| set(name)[..12].to_owned();
        let all = shown(Kind::SetOrNode, &fleet, "");
        assert_eq!(all.len(), 2 + 50 + 1);
        assert_eq!(
            all[0],
            format!("{}\ta:1,c:2,r:0 on 46 nodes", id("openssl"))
        );
        assert_eq!(all[1], format!("{}\ta:1,c:2,r:0 on 1 node", id("other")));
        assert_eq!(
            (all[2].as_str(), all[51].as_str()),
            ("node01\tchanged", "node50\tok")
        );
        assert_eq!(all[52], ":4");
        assert_eq!(shown(Kind::Node, &fleet, "node5"), ["node50\tok", ":4"]);
        // A node of two FileIntegrities is one word.
        fleet.nodes.push(node("another", "node50", &succeeded()));
        fleet.sort();
        assert_eq!(shown(Kind::Node, &fleet, "node5").len(), 2);
        let integrities = shown(Kind::Integrity, &fleet, "");
        assert_eq!(integrities, ["example-fileintegrity\tActive", ":4"]);
    }

    #[test]
    fn names_that_are_no_words_are_left_out() {
        let fleet = troubled();
        let nodes = shown(Kind::Node, &fleet, "");
        assert_eq!(nodes.len(), 5 + 1, "{nodes:?}");
        let acceptances = shown(Kind::Acceptance, &fleet, "");
        for line in nodes.iter().chain(&acceptances) {
            assert!(
                line.chars()
                    .all(|c| is_printable(c) || matches!(c, '\t' | '\\')),
                "{line:?}"
            );
        }
        assert!(acceptances[0].starts_with("openssl-rhsa-2026-4711\topenssl \\033"));
    }

    #[test]
    fn options_need_a_dash() {
        let all = ["status", "--as", "-n"].map(|value| candidate(value, ""));
        assert_eq!(lines(&all, ""), "status\n:4\n");
        assert_eq!(lines(&all, "-"), "--as\n-n\n:4\n");
        assert_eq!(lines(&all, "--"), "--as\n:4\n");
    }

    #[test]
    fn the_cluster_is_that_of_the_command_line() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            cluster_options(&words).join(" ")
        };
        assert_eq!(
            of("changes -n x abc --context=c -o json"),
            "-n x --context=c"
        );
        assert_eq!(
            of("-nx --kubeconfig f diff a b --all"),
            "-nx --kubeconfig f"
        );
        assert_eq!(of("accept abc --nodes a --no-headers"), "");
        assert_eq!(of("changes -n"), "-n");
    }
}
