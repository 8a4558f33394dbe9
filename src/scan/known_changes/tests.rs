use proptest::prelude::*;

use std::sync::Arc;

use super::*;
use crate::aide::coverage::Extent;
use crate::api::Actor;

/// Files of a node, each with its content.
type Files = BTreeMap<Vec<u8>, u8>;

const PATHS: [&str; 6] = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"];

fn change(path: &[u8], kind: ChangeKind, content: Option<u8>) -> Change {
    Change {
        path: path.to_vec(),
        kind,
        attributes: [].into(),
        new_values: content.map(|content| [content; 32]),
        details: Vec::new(),
        actor: None,
    }
}

/// What AIDE reports of a part of the node.
fn report(baseline: &Files, node: &Files, selects: impl Fn(&[u8]) -> bool) -> Report {
    let mut changes = Vec::new();
    for path in PATHS
        .map(str::as_bytes)
        .into_iter()
        .filter(|path| selects(path))
    {
        match (baseline.get(path), node.get(path)) {
            (Some(_), None) => changes.push(change(path, ChangeKind::Removed, None)),
            (None, Some(new)) => changes.push(change(path, ChangeKind::Added, Some(*new))),
            (Some(old), Some(new)) if old != new => {
                changes.push(change(path, ChangeKind::Changed, Some(*new)));
            }
            _ => {}
        }
    }
    let of_kind = |kind| changes.iter().filter(|it| it.kind == kind).count() as u64;
    Report {
        total: node.len() as u64,
        added: of_kind(ChangeKind::Added),
        removed: of_kind(ChangeKind::Removed),
        changed: of_kind(ChangeKind::Changed),
        differs: !changes.is_empty(),
        changes,
        ..Report::default()
    }
}

fn coverage(paths: &[&str]) -> Coverage {
    let mut coverage = Coverage::default();
    for path in paths {
        coverage.add(path.as_bytes(), Extent::Own);
    }
    coverage
}

/// What happens on a node.
#[derive(Clone, Debug)]
enum Step {
    /// A file gets this content, or is removed. The kernel announces it.
    Write(usize, Option<u8>),
    /// A full scan begins; it ends after these writes, whose files it has read before or after them.
    FullScan(Vec<(usize, Option<u8>, bool)>),
    /// What was announced is checked.
    Check(Extent),
}

fn step() -> impl Strategy<Value = Step> {
    let content = || proptest::option::of(0_u8..3);
    let write = || (0..PATHS.len(), content());
    let during = (0..PATHS.len(), content(), any::<bool>());
    prop_oneof![
        4 => write().prop_map(|(path, content)| Step::Write(path, content)),
        1 => prop::collection::vec(during, 0..3).prop_map(Step::FullScan),
        2 => prop::sample::select(vec![Extent::Own, Extent::Entries, Extent::Subtree])
            .prop_map(Step::Check),
    ]
}

fn write(node: &mut Files, path: usize, content: Option<u8>) -> &'static [u8] {
    let path = PATHS[path].as_bytes();
    match content {
        Some(content) => node.insert(path.to_vec(), content),
        None => node.remove(path),
    };
    path
}

proptest! {
    /// Once everything that was announced is checked, the known changes are those of a full scan.
    #[test]
    fn known_changes_are_those_of_a_full_scan(
        first in prop::collection::vec(proptest::option::of(0_u8..3), PATHS.len()),
        steps in prop::collection::vec(step(), 0..20),
    ) {
        let mut baseline = Files::new();
        for (path, content) in first.iter().enumerate() {
            write(&mut baseline, path, *content);
        }
        let mut node = baseline.clone();
        let (mut known, mut dirty) = (KnownChanges::default(), Coverage::default());
        known.take_full(report(&baseline, &node, |_| true), &dirty);
        for step in steps {
            match step {
                Step::Write(path, content) => {
                    dirty.add(write(&mut node, path, content), Extent::Own);
                }
                Step::FullScan(during) => {
                    let mut read = node.clone();
                    for (path, content, is_seen) in during {
                        dirty.add(write(&mut node, path, content), Extent::Own);
                        if is_seen {
                            write(&mut read, path, content);
                        }
                    }
                    let full = report(&baseline, &read, |_| true);
                    prop_assert_eq!(known.missed(&full, &dirty), Vec::<&[u8]>::new());
                    known.take_full(full, &dirty);
                }
                Step::Check(extent) => {
                    let mut checked = Coverage::default();
                    for (path, _) in dirty.iter() {
                        checked.add(path, extent);
                    }
                    let part = report(&baseline, &node, |path| checked.contains(path));
                    known.take_part(part, &checked);
                    dirty = Coverage::default();
                }
            }
        }
        let part = report(&baseline, &node, |path| dirty.contains(path));
        known.take_part(part, &dirty);
        // The total is that of the last full scan.
        let expected = Report {
            total: known.total,
            ..report(&baseline, &node, |_| true)
        };
        prop_assert_eq!(known.report(), expected);
    }
}

#[test]
fn a_change_that_nothing_announced_is_missed() {
    let old = |path: &str| change(path.as_bytes(), ChangeKind::Changed, Some(1));
    let full = |changes: Vec<Change>| Report {
        changes,
        ..Report::default()
    };
    let none = Coverage::default();
    let mut known = KnownChanges::default();
    known.take_full(full(vec![old("/a"), old("/a/b")]), &none);
    let other = change(b"/a", ChangeKind::Changed, Some(2));
    let later = full(vec![other, old("/e")]);
    let missed = |dirty: &[&str]| -> Vec<String> {
        let missed = known.missed(&later, &coverage(dirty)).into_iter();
        missed
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect()
    };
    assert_eq!(missed(&[]), ["/a", "/a/b", "/e"]);
    assert_eq!(missed(&["/a", "/e"]), ["/a/b"]);
    assert_eq!(missed(&["/a", "/a/b", "/e"]), [""; 0]);
}

#[test]
fn what_a_full_scan_reads_while_it_changes_is_kept_as_known() {
    let full = |changes: Vec<Change>| Report {
        changes,
        total: 5,
        ..Report::default()
    };
    let mut known = KnownChanges::default();
    let changed = change(b"/a", ChangeKind::Changed, Some(1));
    known.take_part(full(vec![changed.clone()]), &coverage(&["/a"]));
    known.take_full(full(vec![]), &coverage(&["/a"]));
    let report = known.report();
    assert_eq!(report.changes, [changed]);
    assert_eq!((report.total, report.changed), (5, 1));
}

#[test]
fn the_actor_of_a_difference_stays_known() {
    let of = |content, actor: Option<&Arc<Actor>>| {
        let mut changed = change(b"/a", ChangeKind::Changed, Some(content));
        changed.actor = actor.cloned();
        Report {
            changed: 1,
            changes: vec![changed],
            ..Report::default()
        }
    };
    let actor = |pid| {
        Arc::new(Actor {
            exe: "/usr/bin/touch".to_owned(),
            comm: None,
            pid,
            login_uid: None,
            unit: None,
            pod_uid: None,
            container_id: None,
        })
    };
    let mut part = Coverage::default();
    part.add(b"/a", Extent::Own);
    let pid = |known: &KnownChanges| {
        let actor = known.report().changes[0].actor.clone();
        actor.map(|actor| actor.pid)
    };
    let mut known = KnownChanges::default();
    assert!(known.take_part(of(1, Some(&actor(7))), &part));
    // The same difference, after a check without an actor, a scan, and what another process did.
    assert!(!known.take_part(of(1, None), &part));
    assert_eq!(pid(&known), Some(7));
    known.take_full(of(1, None), &Coverage::default());
    assert_eq!(pid(&known), Some(7));
    assert!(!known.take_part(of(1, Some(&actor(8))), &part));
    assert_eq!(pid(&known), Some(7));
    // Other differences.
    assert!(known.take_part(of(2, Some(&actor(8))), &part));
    assert_eq!(pid(&known), Some(8));
    known.take_full(of(3, None), &Coverage::default());
    assert!(pid(&known).is_none() && !known.has_actors());
}
