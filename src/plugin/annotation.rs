//! The lists of nodes in the annotations of a FileIntegrity: re-initializations, scans and holds. Pure.

use std::collections::BTreeSet;

use super::fleet::{Fleet, Owner};
use super::screen::some_of;

/// Maximum number of names in a message.
const MAX_NAMED: usize = 5;

/// A FileIntegrity, and those of its nodes that are meant. No names are all nodes, as in the annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) owner: Owner,
    pub(crate) nodes: Vec<String>,
}

/// The FileIntegrities that watch these nodes; or the only one, if there are no names.
pub(crate) fn targets(
    fleet: &Fleet,
    nodes: &[String],
    file_integrity: Option<&str>,
) -> Result<Vec<Target>, String> {
    let owners: Vec<&Owner> = fleet
        .integrities
        .iter()
        .map(|integrity| &integrity.owner)
        .filter(|owner| file_integrity.is_none_or(|name| owner.name == name))
        .collect();
    if owners.is_empty() {
        return Err("there is no such FileIntegrity in this namespace".to_owned());
    }
    if nodes.is_empty() {
        let [owner] = owners[..] else {
            let names = owners.iter().map(|owner| owner.name.as_str());
            return Err(format!(
                "there are several FileIntegrities: {}; choose one with --file-integrity",
                some_of(names, MAX_NAMED)
            ));
        };
        let owner = owner.clone();
        let nodes = Vec::new();
        return Ok(vec![Target { owner, nodes }]);
    }
    let names: BTreeSet<&str> = nodes
        .iter()
        .map(|name| name.strip_prefix("node/").unwrap_or(name))
        .collect();
    let is_watched = |owner: &Owner, name: &str| fleet.nodes_of(owner).any(|it| it.name == name);
    let unknown = names.iter().copied();
    let unknown = unknown.filter(|name| owners.iter().all(|owner| !is_watched(owner, name)));
    let unknown = some_of(unknown, MAX_NAMED);
    if !unknown.is_empty() {
        return Err(format!("no FileIntegrity watches these nodes: {unknown}"));
    }
    let targets = owners.into_iter().map(|owner| Target {
        owner: owner.clone(),
        nodes: names
            .iter()
            .filter(|name| is_watched(owner, name))
            .map(|name| (*name).to_owned())
            .collect(),
    });
    Ok(targets.filter(|target| !target.nodes.is_empty()).collect())
}

/// The value with these nodes, too. An empty list means all nodes, and so does an empty value.
pub(crate) fn with(current: Option<&str>, nodes: &[String]) -> String {
    let known = current.map(parse);
    if nodes.is_empty() || known.as_ref().is_some_and(Vec::is_empty) {
        return String::new();
    }
    let mut all = known.unwrap_or_default();
    all.extend(nodes.iter().map(String::as_str));
    joined(all)
}

/// The value without these nodes; None if no node is left. An empty list means all nodes.
pub(crate) fn without(current: Option<&str>, nodes: &[String]) -> Result<Option<String>, String> {
    let Some(current) = current.filter(|_| !nodes.is_empty()) else {
        return Ok(None);
    };
    let mut left = parse(current);
    if left.is_empty() {
        return Err(
            "all nodes are held, and this hold ends for all nodes only: resume --all".to_owned(),
        );
    }
    left.retain(|name| nodes.iter().all(|node| node != name));
    Ok(Some(joined(left)).filter(|value| !value.is_empty()))
}

/// The names in a value. None are all nodes.
pub(crate) fn parse(value: &str) -> Vec<&str> {
    let names = value.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}

/// Each name once, in the order of the list.
fn joined(names: Vec<&str>) -> String {
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::fixtures::{HOSTILE, integrity, node, patched, succeeded, well};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn nodes_are_added_to_a_value_and_removed_from_it() {
        let with = |current, nodes: &[&str]| with(current, &names(nodes));
        assert_eq!(with(None, &["a", "b"]), "a,b");
        assert_eq!(with(Some("c, a"), &["a", "b"]), "c,a,b");
        assert_eq!(with(Some(""), &["a"]), "", "all nodes already");
        assert_eq!(with(Some("a"), &[]), "", "all nodes");
        let without = |current, nodes: &[&str]| without(current, &names(nodes));
        assert_eq!(without(Some("a,b"), &["a"]), Ok(Some("b".to_owned())));
        assert_eq!(without(Some("a, b"), &["a", "b"]), Ok(None));
        assert_eq!(without(Some("a"), &["c"]), Ok(Some("a".to_owned())));
        assert_eq!(without(None, &["a"]), Ok(None));
        assert_eq!(without(Some(""), &[]), Ok(None));
        assert!(
            without(Some(""), &["a"])
                .unwrap_err()
                .contains("all nodes are held")
        );
    }

    #[test]
    fn nodes_belong_to_all_file_integrities_that_watch_them() {
        let mut fleet = patched();
        let of = |fleet: &Fleet, nodes: &[&str], only| {
            let targets = targets(fleet, &names(nodes), only)?;
            let targets = targets.into_iter();
            Ok::<_, String>(
                targets
                    .map(|target| (target.owner.name, target.nodes.join(",")))
                    .collect::<Vec<_>>(),
            )
        };
        let first = "example-fileintegrity".to_owned();
        assert_eq!(
            of(&fleet, &[], None),
            Ok(vec![(first.clone(), String::new())])
        );
        fleet.integrities.push(integrity("another", &well()));
        fleet.nodes.push(node("another", "node01", &succeeded()));
        fleet.sort();
        assert_eq!(
            of(&fleet, &["node/node01", "node02", "node02"], None),
            Ok(vec![
                ("another".to_owned(), "node01".to_owned()),
                (first.clone(), "node01,node02".to_owned())
            ])
        );
        assert_eq!(
            of(&fleet, &["node01"], Some("another")),
            Ok(vec![("another".to_owned(), "node01".to_owned())])
        );
        let error = of(&fleet, &[], None).unwrap_err();
        assert!(error.contains("another, example-fileintegrity"), "{error}");
        let error = of(&fleet, &["node01", "nope", HOSTILE], None).unwrap_err();
        assert!(
            error.contains("nope") && !error.contains("node01"),
            "{error}"
        );
        assert!(!error.contains('\u{1b}'), "{error}");
        assert!(of(&fleet, &["node01"], Some("third")).is_err());
    }
}
