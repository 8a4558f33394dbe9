//! What a user means by the name of a node or the start of an ID. Pure.

use super::fleet::{Fleet, Node};
use super::safe::safe;
use crate::api::ChangeSetId;

/// Minimum number of digits of an ID, so that a typing error does not select a set.
const MIN_DIGITS: usize = 4;
/// Maximum number of IDs and names in a message.
const MAX_NAMED: usize = 5;

/// What a command is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Node(&'a Node),
    /// A change set, and the nodes that show it. The first one is the example.
    Set(ChangeSetId, Vec<&'a Node>),
    /// The start of an ID that no node shows.
    Past(String),
}

/// Finds what `text` names: a node, or the set whose ID begins with it. `node/` and `set/` before it choose one of both.
pub(crate) fn find<'a>(
    fleet: &'a Fleet,
    text: &str,
    file_integrity: Option<&str>,
) -> Result<Target<'a>, String> {
    let is_of = |node: &&Node| file_integrity.is_none_or(|name| node.owner.name == name);
    let nodes = fleet.nodes.iter().filter(is_of);
    let (name, digits) = match (text.strip_prefix("node/"), text.strip_prefix("set/")) {
        (Some(name), _) => (Some(name), None),
        (None, Some(digits)) => (None, Some(digits)),
        (None, None) => (Some(text), Some(text)),
    };
    if let Some(name) = name {
        let named: Vec<&Node> = nodes.clone().filter(|node| node.name == name).collect();
        match named[..] {
            [] => {}
            [node] => return Ok(Target::Node(node)),
            [..] => return Err(several_integrities(name, &named)),
        }
    }
    if let Some(digits) = digits.filter(|digits| are_digits(digits)) {
        return find_set(nodes, digits);
    }
    Err(format!(
        "there is no node {} and no change set whose ID begins with it; status lists the change sets. An ID has at least \
         {MIN_DIGITS} hexadecimal digits",
        safe(text)
    ))
}

fn are_digits(text: &str) -> bool {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    (MIN_DIGITS..=64).contains(&text.len()) && text.chars().all(is_digit)
}

fn find_set<'a>(nodes: impl Iterator<Item = &'a Node>, digits: &str) -> Result<Target<'a>, String> {
    let mut sets: Vec<(ChangeSetId, Vec<&Node>)> = Vec::new();
    for node in nodes {
        let Some(id) = node.set() else { continue };
        match sets.iter_mut().find(|(known, _)| *known == id) {
            Some((_, nodes)) => nodes.push(node),
            None if id.to_string().starts_with(digits) => sets.push((id, vec![node])),
            None => {}
        }
    }
    if sets.len() > 1 {
        let ids = sets.iter().take(MAX_NAMED).map(|(id, _)| id.to_string());
        let ids: Vec<String> = ids.collect();
        return Err(format!(
            "{} change sets begin with {digits}: {}",
            sets.len(),
            ids.join(", ")
        ));
    }
    Ok(match sets.pop() {
        Some((id, nodes)) => Target::Set(id, nodes),
        None => Target::Past(digits.to_owned()),
    })
}

fn several_integrities(name: &str, nodes: &[&Node]) -> String {
    let names = nodes.iter().take(MAX_NAMED);
    let names: Vec<String> = names
        .map(|node| {
            let owner = &node.owner;
            format!("{}/{}", safe(&owner.namespace), safe(&owner.name))
        })
        .collect();
    format!(
        "several FileIntegrities watch {}: {}; choose one with --file-integrity and -n",
        safe(name),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::fixtures::{node, patched, set, succeeded};

    fn described(fleet: &Fleet, text: &str) -> String {
        match find(fleet, text, None) {
            Ok(Target::Node(node)) => format!("node {}", node.name),
            Ok(Target::Set(id, nodes)) => {
                format!(
                    "set {} of {}",
                    ChangeSetId::shown(&id.to_string()),
                    nodes.len()
                )
            }
            Ok(Target::Past(digits)) => format!("past {digits}"),
            Err(error) => error,
        }
    }

    #[test]
    fn names_of_nodes_precede_starts_of_ids() {
        let mut fleet = patched();
        let id = set("openssl");
        assert_eq!(described(&fleet, "node47"), "node node47");
        assert_eq!(described(&fleet, &id), format!("set {} of 46", &id[..12]));
        assert_eq!(
            described(&fleet, &id[..4]),
            format!("set {} of 46", &id[..12])
        );
        fleet
            .nodes
            .push(node("example-fileintegrity", &id[..4], &succeeded()));
        assert_eq!(described(&fleet, &id[..4]), format!("node {}", &id[..4]));
        let named = format!("set/{}", &id[..4]);
        assert_eq!(
            described(&fleet, &named),
            format!("set {} of 46", &id[..12])
        );
        let past = format!("{}0", &id[..12]);
        assert_eq!(described(&fleet, &past), format!("past {past}"));
        for text in ["", "abc", "node48x", "node/4711", "xyz\u{1b}", "ABCDEF"] {
            let error = described(&fleet, text);
            assert!(error.starts_with("there is no node"), "{error}");
            assert!(!error.contains('\u{1b}'));
        }
    }

    #[test]
    fn what_is_not_unique_is_named() {
        let mut fleet = patched();
        fleet.nodes.push(node("another", "node47", &succeeded()));
        let error = described(&fleet, "node47");
        assert!(
            error.contains("openshift-file-integrity/another"),
            "{error}"
        );
        let found = find(&fleet, "node47", Some("another"));
        assert!(matches!(found, Ok(Target::Node(node)) if node.owner.name == "another"));
        // Two IDs with the same first digits.
        let id = |last: &str| format!("{}{last}", "0123456789ab".repeat(5));
        for last in ["aaaa", "bbbb"] {
            let mut result = crate::plugin::fixtures::failed("x", "x", "/x");
            result["changesHash"] = serde_json::json!(id(last));
            result["changeSet"] = serde_json::json!("0123456789ab");
            fleet
                .nodes
                .push(node("example-fileintegrity", last, &result));
        }
        let error = described(&fleet, "01234567");
        assert!(
            error.starts_with("2 change sets begin with 01234567"),
            "{error}"
        );
        assert!(described(&fleet, &id("bbbb")).starts_with("set "));
    }
}
