use super::*;
use crate::aide::exit;
use crate::aide::report::{self, Change};

fn report(added: &[&str], changed: &[&str]) -> Report {
    let change = |path: &&str, kind| Change {
        path: path.as_bytes().to_vec(),
        kind,
        attributes: [].into(),
        new_values: None,
        details: Vec::new(),
        actor: None,
    };
    let mut list: Vec<_> = added
        .iter()
        .map(|p| change(p, report::ChangeKind::Added))
        .collect();
    list.extend(
        changed
            .iter()
            .map(|p| change(p, report::ChangeKind::Changed)),
    );
    Report {
        aide_version: "0.19.1".to_owned(),
        total: 10,
        added: added.len() as u64,
        removed: 0,
        changed: changed.len() as u64,
        changes: list,
        ..Report::default()
    }
}

fn at() -> Time {
    crate::api::time::whole_seconds("2026-01-02T03:04:05Z".parse().unwrap())
}

fn class(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Clean { .. } => "clean",
        Outcome::Changed(_) => "changed",
        Outcome::Errored(error) => error.class.as_str(),
    }
}

#[test]
fn exit_status_and_report_must_agree() {
    let quiet = || report(&[], &[]);
    let loud = || report(&["/a"], &["/b"]);
    let empty = || Report {
        total: 0,
        ..report(&[], &[])
    };
    let short = || Report {
        added: 2,
        ..report(&["/a"], &["/b"])
    };
    let cut = |report: Report| Report {
        truncated: true,
        ..report
    };
    let table = [
        (exit::decode(Some(0), None), quiet(), "clean"),
        (exit::decode(Some(0), None), cut(quiet()), "report"),
        (exit::decode(Some(5), None), cut(quiet()), "report"),
        (exit::decode(Some(5), None), cut(short()), "changed"),
        (exit::decode(Some(1), None), cut(short()), "contradiction"),
        (exit::decode(Some(0), None), loud(), "contradiction"),
        (exit::decode(Some(0), None), empty(), "empty"),
        (exit::decode(Some(5), None), loud(), "changed"),
        (exit::decode(Some(4), None), loud(), "contradiction"),
        (exit::decode(Some(4), None), quiet(), "contradiction"),
        (exit::decode(Some(5), None), short(), "contradiction"),
    ];
    for (status, report, expected) in table {
        assert_eq!(class(&evaluate(status, report)), expected, "{status:?}");
    }
}

#[test]
fn an_error_of_aide_has_its_message() {
    let Outcome::Errored(error) = evaluate(exit::decode(Some(17), None), report(&[], &[])) else {
        panic!("17 is an error");
    };
    assert_eq!(error.message, "AIDE error: 17 Invalid configureline error");
}

#[test]
fn a_status_shows_the_first_twenty_changes() {
    let paths: Vec<String> = (0..30).map(|n| format!("/etc/{n:02}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let outcome = evaluate(exit::decode(Some(1), None), report(&paths, &[]));
    let finding = Finding::new(&outcome, at(), Duration::from_millis(1500));
    assert_eq!(finding.result.files_added, 30);
    assert_eq!(finding.result.changes.len(), 20);
    assert_eq!(finding.result.changes[0].path, "/etc/00");
    assert_eq!(finding.result.duration_milliseconds, Some(1500));
}

#[test]
fn a_result_belongs_to_a_change_set_if_all_changes_are_known() {
    let mut report = report(&["/a"], &[]);
    report.changes[0].new_values = Some([1; 32]);
    let result = |report: &Report| Finding::changed(report, at()).result;
    let complete = result(&report);
    let hash = complete.changes_hash.unwrap();
    assert_eq!(complete.change_set.as_deref(), Some(&hash[..12]));
    assert_eq!(complete.paths_hash.map(|hash| hash.len()), Some(64));
    assert_eq!(complete.changes_hash_version, Some(2));
    report.truncated = true;
    let truncated = result(&report);
    assert_ne!(truncated.changes_hash, Some(hash));
    assert_eq!(truncated.changes_hash.map(|hash| hash.len()), Some(64));
    assert_eq!((truncated.change_set, truncated.paths_hash), (None, None));
    assert_eq!(truncated.changes_hash_version, Some(2));
}

#[test]
fn a_long_error_keeps_its_reason() {
    let path = "/d".repeat(3_000);
    let message = format!("open {path}: File name too long");
    let error = ScanError::new(ErrorClass::File, message);
    assert!(error.message.len() <= MAX_ERROR_MESSAGE);
    assert!(error.message.starts_with("open /d"), "{}", error.message);
    assert!(
        error.message.ends_with("/d: File name too long"),
        "{}",
        error.message
    );
}
