use super::*;
use crate::aide::report::parse_json;
use crate::api::{ChangeKind, ErrorClass, time};
use crate::scan::outcome::ScanError;

fn changed(json: &str) -> Outcome {
    Outcome::Changed(Box::new(parse_json(json.as_bytes()).unwrap()))
}

fn none() -> HashSet<Vec<u8>> {
    HashSet::new()
}

const REPORT: &str = r#"{
    "number_of_entries": {"total": 9, "added": 1, "removed": 2, "changed": 0},
    "added": {"/etc/new": "f++++"}, "removed": {"/etc/a": "f----", "/etc/b": "f----"}
}"#;

#[test]
fn a_complete_report_has_counts_hash_and_paths() {
    let existing = HashSet::from([b"/etc/b".to_vec()]);
    let found = differences(&changed(REPORT), &existing);
    assert_eq!(
        (found.files_added, found.files_changed, found.files_removed),
        (1, 0, 2)
    );
    assert_eq!(found.files_no_longer_watched, 1);
    assert!(found.changes_hash.is_some() && found.incomplete.is_none());
    let paths: Vec<_> = found
        .changes
        .iter()
        .map(|change| (change.path.as_str(), change.kind, change.no_longer_watched))
        .collect();
    assert_eq!(
        paths,
        [
            ("/etc/a", ChangeKind::Removed, false),
            ("/etc/b", ChangeKind::Removed, true),
            ("/etc/new", ChangeKind::Added, false),
        ]
    );
}

#[test]
fn only_a_clean_comparison_accepts_nothing() {
    let clean = differences(&Outcome::Clean { files: 3 }, &none());
    assert!(clean.is_empty());
    let error = ScanError::new(ErrorClass::Contradiction, "it contradicts itself");
    let failed = differences(&Outcome::Errored(error), &none());
    assert!(!failed.is_empty());
    assert_eq!(failed.incomplete.as_deref(), Some("it contradicts itself"));
    let mut unread = clean;
    add_unread(&mut unread, None, Some("/var/log/x"));
    assert!(!unread.is_empty());
}

#[test]
fn a_truncated_report_has_counts_but_no_hash() {
    let end = REPORT.find(r#""removed": {""#).unwrap();
    let found = differences(&changed(&REPORT[..end]), &none());
    assert_eq!((found.files_added, found.files_removed), (1, 2));
    assert_eq!(found.changes_hash, None);
    assert!(found.incomplete.is_some());
}

#[test]
fn a_record_is_bounded_whatever_the_paths_are() {
    let name = "\\u0001".repeat(4000);
    let entries: Vec<String> = (0..30)
        .map(|n| format!(r#""/etc/{n:02}{name}": "f++++""#))
        .collect();
    let report = format!(
        r#"{{"number_of_entries": {{"total": 30, "added": 30, "removed": 0, "changed": 0}},
            "added": {{{}}}}}"#,
        entries.join(",")
    );
    let found = differences(&changed(&report), &none());
    assert_eq!(found.files_added, 30);
    let size = serde_json::to_vec(&found).unwrap().len();
    assert!(size < 2 * MAX_PATHS + 4096, "{size}");
    assert!(unknown(&"x".repeat(5000)).incomplete.unwrap().len() <= MAX_TEXT);
}

fn baseline(accepted: Option<Accepted>) -> Baseline {
    Baseline {
        created_at: time::now(),
        config_hash: "c2".to_owned(),
        digest: "d2".to_owned(),
        entries: 9,
        aide_version: "0.19.1".to_owned(),
        state_dir: None,
        requested: true,
        accepted,
    }
}

fn record(
    differences: AcceptedDifferences,
    with_old_config: Option<AcceptedDifferences>,
) -> Baseline {
    baseline(Some(Accepted {
        reason: "Annotation".to_owned(),
        request: Some("id-annotation".to_owned()),
        acceptance: None,
        holds: Vec::new(),
        old_digest: Some("d1".to_owned()),
        old_config_hash: Some("c1".to_owned()),
        differences,
        with_old_config,
    }))
}

fn counted(added: i64, changed: i64, removed: i64) -> AcceptedDifferences {
    AcceptedDifferences {
        files_added: added,
        files_changed: changed,
        files_removed: removed,
        changes_hash: Some("9f1c".to_owned()),
        ..AcceptedDifferences::default()
    }
}

#[test]
fn the_message_has_what_was_accepted_and_why() {
    let unwatched = AcceptedDifferences {
        files_no_longer_watched: 2,
        ..counted(0, 0, 2)
    };
    let end = "; reason Annotation (id-annotation), old digest d1, new digest d2";
    let table = [
        (record(counted(1, 2, 3), None), "changes 9f1c a:1,c:2,r:3"),
        (
            record(unknown("the old database is missing"), None),
            "changes that are not known (the old database is missing)",
        ),
        (
            record(unwatched, Some(AcceptedDifferences::default())),
            "changes 9f1c a:0,c:0,r:2, 2 of them no longer watched, and with the old configuration no changes",
        ),
    ];
    for (baseline, expected) in table {
        assert_eq!(
            message("n1", &baseline),
            Some(format!("node n1: a new baseline accepted {expected}{end}"))
        );
    }
    assert_eq!(message("n1", &baseline(None)), None);
}

#[test]
fn other_rules_on_an_unchanged_node_are_no_event() {
    let clean = AcceptedDifferences::default;
    let table = [
        (record(counted(1, 0, 0), None), Some(Severity::Normal)),
        (record(unknown("why"), None), Some(Severity::Warning)),
        (record(counted(1, 0, 1), Some(clean())), None),
        (
            record(counted(0, 1, 0), Some(clean())),
            Some(Severity::Normal),
        ),
        (
            record(clean(), Some(counted(0, 1, 0))),
            Some(Severity::Normal),
        ),
        (
            record(clean(), Some(unknown("why"))),
            Some(Severity::Warning),
        ),
        (baseline(None), None),
    ];
    for (baseline, expected) in table {
        let found = event("n1", &baseline).map(|event| event.severity);
        assert_eq!(found, expected, "{baseline:?}");
    }
}
