//! What differs on a node from its baseline, as one value that can be compared. Pure.
//!
//! Its hash is the identity of the differences: the same changes on two nodes have the same hash, and
//! a file that changes again has another one. A report may list every file of a node, so what is
//! hashed of an entry is a digest of its values, not the values ([`Change::new_values`]).

use sha2::{Digest as _, Sha256};

use crate::aide::report::{self, Change, Report, length, part};
use crate::api::names;
use crate::api::{ChangeEntry, ChangeKind};

/// As many changed paths are in a node status; all of them are in the failure log.
pub const MAX_CHANGES_IN_STATUS: usize = 20;
/// First byte of what is hashed. Another number says that other things are hashed.
const VERSION: u8 = 2;
/// Second byte: every entry follows, or only how many there are.
const ENTRIES: u8 = 0;
const COUNTS: u8 = 1;

/// The differences between a node and its baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The first changes, for people.
    first: Vec<ChangeEntry>,
    /// Identity of the differences.
    hash: String,
    /// Identity of the changed paths, whatever their values.
    paths_hash: String,
}

impl ChangeSet {
    /// The differences that a report lists. Of one that does not list them all only the counts are
    /// compared: how far its list goes depends on the room that there was for it.
    pub fn new(report: &Report) -> Self {
        let first = report.changes.iter().take(MAX_CHANGES_IN_STATUS);
        let is_whole = !report.truncated && report.listed() >= report.counted();
        let (hash, paths_hash) = if is_whole {
            let mut changes: Vec<&Change> = report.changes.iter().collect();
            changes.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
            (hash(report, &changes), paths_hash(report, &changes))
        } else {
            (counts_hash(report), names::sha256_hex([VERSION, COUNTS]))
        };
        Self {
            first: first.map(entry).collect(),
            hash,
            paths_hash,
        }
    }

    /// Lower-case hexadecimal SHA-256 over the sorted entries: path, kind, and the new value of every
    /// attribute that [`Change::new_values`] counts. Each part comes with its length, so no two sets
    /// are encoded alike.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The first changes, for people.
    pub fn first(&self) -> &[ChangeEntry] {
        &self.first
    }

    /// Whether the same paths differ in both, in the same way (added, removed, changed).
    pub fn has_paths_of(&self, other: &Self) -> bool {
        self.paths_hash == other.paths_hash
    }
}

fn hash(report: &Report, changes: &[&Change]) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION, ENTRIES]);
    length(&mut hash, changes.len());
    for change in changes {
        part(&mut hash, &change.path);
        hash.update([change.kind as u8]);
        part(&mut hash, change.new_values.as_ref().map_or(&[], |v| v));
    }
    if let Some(beyond) = &report.beyond {
        part(&mut hash, &beyond.listed);
        part(&mut hash, &beyond.detailed);
    }
    names::hex(&hash.finalize())
}

fn paths_hash(report: &Report, changes: &[&Change]) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION, ENTRIES]);
    for change in changes {
        part(&mut hash, &change.path);
        hash.update([change.kind as u8]);
    }
    if let Some(beyond) = &report.beyond {
        part(&mut hash, &beyond.listed);
    }
    names::hex(&hash.finalize())
}

fn counts_hash(report: &Report) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION, COUNTS]);
    for count in [report.added, report.removed, report.changed] {
        hash.update(count.to_be_bytes());
    }
    names::hex(&hash.finalize())
}

fn entry(change: &Change) -> ChangeEntry {
    ChangeEntry {
        path: report::display_path(&change.path),
        kind: match change.kind {
            report::ChangeKind::Added => ChangeKind::Added,
            report::ChangeKind::Removed => ChangeKind::Removed,
            report::ChangeKind::Changed => ChangeKind::Changed,
        },
        attributes: change.attributes.to_vec(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::aide::report::{Beyond, parse_json};

    /// A set with this hash and these paths.
    pub(crate) fn named(hash: &str, paths: &str) -> ChangeSet {
        ChangeSet {
            first: Vec::new(),
            hash: hash.to_owned(),
            paths_hash: paths.to_owned(),
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
    fn each_value_that_somebody_gives_a_file_is_another_set() {
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
    fn what_differs_from_node_to_node_by_itself_is_the_same_set() {
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
    fn old_values_do_not_count_and_nor_do_those_of_what_is_gone() {
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
    fn paths_kinds_and_number_tell_sets_apart() {
        let base = with(|_| {});
        assert_eq!(base.hash().len(), 64);
        let same = with(|report| {
            report.changes.reverse();
            report.changes.iter_mut().for_each(|c| c.details.clear());
            report.run_time_seconds = Some(7);
            report.total = 8;
        });
        assert_eq!(same.hash(), base.hash());
        let beyond = |byte| {
            move |report: &mut Report| {
                report.beyond = Some(Beyond {
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
            with(beyond(1)),
            with(beyond(2)),
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
    fn how_far_a_report_goes_that_was_cut_off_makes_no_other_set() {
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
    fn a_status_shows_the_first_twenty_changes() {
        let set = with(|report| {
            let one = report.changes[0].clone();
            report.changes = vec![one; 30];
        });
        assert_eq!(set.first().len(), MAX_CHANGES_IN_STATUS);
        assert_eq!(set.first()[0].path, "/a");
    }
}
