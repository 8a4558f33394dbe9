use super::*;
use crate::aide::report::{OmittedEntries, parse_json};

/// A set with this hash and these paths.
pub(crate) fn named(hash: &str, paths: &str) -> ChangeSet {
    ChangeSet {
        first: Vec::new(),
        hash: hash.to_owned(),
        paths_hash: paths.to_owned(),
        is_complete: true,
    }
}

fn set(json: &str) -> ChangeSet {
    ChangeSet::new(&parse_json(json.as_bytes()).unwrap())
}

/// The set of a file whose new value of this attribute is this.
fn changed(flags: &str, details: &str) -> ChangeSet {
    set(&format!(
        r#"{{"changed": {{"/f": "{flags}"}}, "details": {{"/f": {{{details}}}}}}}"#
    ))
}

fn added(details: &str) -> ChangeSet {
    set(&format!(
        r#"{{"added": {{"/f": "f++"}}, "details": {{"/f": {{{details}}}}}}}"#
    ))
}

#[test]
fn each_changed_value_makes_another_set() {
    let fields = [
        ("file_type", r#""File""#, r#""Link""#),
        ("link_name", r#""/a""#, r#""/etc/shadow""#),
        ("size", "1", "2"),
        ("perm", r#""-rw-------""#, r#""-rwsr-xr-x""#),
        ("uid", "0", "1000"),
        ("gid", "0", "1000"),
        ("sha256", r#""YQ==""#, r#""Yg==""#),
        ("acl", r#"["A: u", "A: g"]"#, r#"["A: u, A: g"]"#),
        ("xattrs", r#"["num=1", "[1] a = b"]"#, r#""num=0""#),
        ("selinux", r#""a""#, r#""b""#),
        ("capabilities", r#""= cap_a+ep""#, r#""""#),
        ("fs_type", r#""ext""#, r#""xfs""#),
        ("attribute_to_come", r#""a""#, r#""b""#),
    ];
    for (field, one, other) in fields {
        let detail = |new: &str| format!(r#""{field}": {{"old": "", "new": {new}}}"#);
        for set in [|d: &str| changed("f", d), added] {
            let (one, other) = (set(&detail(one)), set(&detail(other)));
            assert_ne!(one.hash(), other.hash(), "{field}");
            assert!(one.has_paths_of(&other), "{field}");
        }
    }
}

#[test]
fn values_that_differ_between_nodes_make_the_same_set() {
    let perm = r#""perm": {"old": "-", "new": "-rw"}"#;
    let plain = (changed("f", perm), added(perm));
    for field in [
        "access_time",
        "modify_time",
        "change_time",
        "inode",
        "link_count",
        "block_count",
    ] {
        for new in ["1", "2"] {
            let details = format!(r#""{field}": {{"old": 0, "new": {new}}}, {perm}"#);
            assert_eq!(changed("f", &details).hash(), plain.0.hash(), "{field}");
            assert_eq!(added(&details).hash(), plain.1.hash(), "{field}");
        }
    }
    let size = |size: &str| format!(r#""size": {{"old": 0, "new": {size}}}"#);
    let directory = |new: &str| changed("d =.", &size(new));
    assert_eq!(directory("1").hash(), directory("2").hash());
}

#[test]
fn old_values_and_those_of_removed_files_are_ignored() {
    let old = |old: &str| format!(r#""perm": {{"old": "{old}", "new": "x"}}"#);
    assert_eq!(
        changed("f", &old("a")).hash(),
        changed("f", &old("b")).hash()
    );
    let removed = |old: &str| {
        set(&format!(
            r#"{{"removed": {{"/f": "f--"}}, "details": {{"/f": {{"perm": {{"old": "{old}"}}}}}}}}"#
        ))
    };
    assert_eq!(removed("a").hash(), removed("b").hash());
}

fn with(edit: impl Fn(&mut Report)) -> ChangeSet {
    let json = br#"{"number_of_entries": {"total": 3, "added": 1, "removed": 0, "changed": 1},
        "added": {"/a": "f++"}, "changed": {"/b": "f"},
        "details": {"/a": {"size": {"new": 1}}, "/b": {"size": {"old": 1, "new": 2}}}}"#;
    let mut report = parse_json(&json[..]).unwrap();
    edit(&mut report);
    ChangeSet::new(&report)
}

#[test]
fn sets_with_other_paths_kinds_or_counts_differ() {
    let base = with(|_| {});
    assert_eq!(base.hash().len(), 64);
    let same = with(|report| {
        report.changes.reverse();
        report.changes.iter_mut().for_each(|c| c.details.clear());
        report.run_time_seconds = Some(7);
        report.total = 8;
    });
    assert_eq!(same.hash(), base.hash());
    let with_omitted = |byte| {
        move |report: &mut Report| {
            report.omitted = Some(OmittedEntries {
                entries: 1,
                listed: [1; 32],
                detailed: [byte; 32],
            });
        }
    };
    let sets = [
        base,
        with(|report| report.changes[0].path.push(b'x')),
        with(|report| report.changes[0].kind = report::ChangeKind::Removed),
        with(|report| report.changes[0].new_values = None),
        with(|report| report.changes.push(report.changes[0].clone())),
        with(with_omitted(1)),
        with(with_omitted(2)),
        with(|report| report.truncated = true),
    ];
    for (n, one) in sets.iter().enumerate() {
        for other in &sets[..n] {
            assert_ne!(one.hash(), other.hash());
        }
    }
    assert!(sets[5].has_paths_of(&sets[6]));
    assert!(!sets[0].has_paths_of(&sets[1]));
}

#[test]
fn the_length_of_a_truncated_report_makes_no_other_set() {
    let whole = r#"{"number_of_entries": {"total": 9, "added": 3, "removed": 0, "changed": 0},
        "added": {"/a": "f++", "/b": "f++", "/c": "f++"}, "details": {
        "/a": {"size": {"new": 1}}, "/b": {"size": {"new": 1}}, "/c": {"size": {"new": 1}}}}"#;
    let counted = whole.find("\"added\": {").unwrap();
    let first = set(&whole[..counted]);
    for length in counted..whole.len() {
        let cut = set(&whole[..length]);
        assert_eq!(cut.hash(), first.hash(), "{length}");
        assert!(cut.has_paths_of(&first), "{length}");
    }
    assert_ne!(first.hash(), set(whole).hash());
    let more = whole.replace("\"added\": 3", "\"added\": 4");
    assert_ne!(first.hash(), set(&more[..counted]).hash());
}

#[test]
fn a_set_without_paths_or_new_values_does_not_identify_the_changes() {
    assert!(with(|_| {}).is_complete());
    let omitted = OmittedEntries {
        entries: 1,
        listed: [1; 32],
        detailed: [1; 32],
    };
    assert!(with(|report| report.omitted = Some(omitted)).is_complete());
    assert!(with(|report| report.changes[0].kind = report::ChangeKind::Removed).is_complete());
    for (what, set) in [
        ("truncated", with(|report| report.truncated = true)),
        ("counts only", with(|report| report.changes.clear())),
        (
            "an added file without values",
            with(|report| report.changes[0].new_values = None),
        ),
        (
            "an unknown change",
            with(|report| report.changes[1].attributes = [].into()),
        ),
    ] {
        assert!(!set.is_complete(), "{what}");
    }
    // Only new times: nothing else is to be known.
    assert!(with(|report| report.changes[1].new_values = None).is_complete());
}

#[test]
fn a_status_shows_the_first_twenty_changes() {
    let set = with(|report| {
        let one = report.changes[0].clone();
        report.changes = vec![one; 30];
    });
    assert_eq!(set.first().len(), MAX_CHANGES_IN_STATUS);
    assert_eq!(set.first()[0].path, "/a");
}
