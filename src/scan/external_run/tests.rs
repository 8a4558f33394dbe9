use super::*;
use crate::aide::report::parse_plain;

const CLEAN_0_16: &[u8] = b"Start timestamp: 2026-01-02 03:04:05 +0000 (AIDE 0.16)\n\
    AIDE found NO differences between database and filesystem. Looks okay!!\n\n\
    Number of entries:\t12\n\nEnd timestamp: 2026-01-02 03:04:06 +0000 (run time: 0m 1s)\n";
const CHANGED_0_16: &[u8] = b"Start timestamp: 2026-01-02 03:04:05 +0000 (AIDE 0.16)\n\
    AIDE found differences between database and filesystem!!\n\nSummary:\n\
    \x20 Total number of entries:\t12\n  Added entries:\t\t1\n  Removed entries:\t\t0\n\
    \x20 Changed entries:\t\t0\n\n\
    ---------------------------------------------------\nAdded entries:\n\
    ---------------------------------------------------\n\n\
    f++++++++++++++++: /hostroot/etc/new\n\n\
    End timestamp: 2026-01-02 03:04:06 +0000 (run time: 0m 1s)\n";

const SUMMARY_0_17: &[u8] = b"Start timestamp: 2026-11-29 01:14:14 +0000 (AIDE 0.17.4)\n\
    AIDE found differences between database and filesystem!!\nReport level: summary\n\n\
    Summary:\n  Total number of entries:\t15\n  Added entries:\t\t2\n\
    \x20 Removed entries:\t\t1\n  Changed entries:\t\t11\n\n\
    End timestamp: 2026-11-29 01:14:14 +0000 (run time: 0m 0s)\n";
const MINIMAL_0_17: &[u8] = b"Start timestamp: 2026-11-29 01:14:14 +0000 (AIDE 0.17.4)\n\
    AIDE found differences between database and filesystem!!\n\n\
    End timestamp: 2026-11-29 01:14:14 +0000 (run time: 0m 0s)\n";

#[test]
fn a_report_without_a_list_is_evaluated_by_its_counts() {
    for exit_status in [Some(7), None] {
        let report = parse_plain(SUMMARY_0_17);
        let Outcome::Changed(report) = outcome(exit_status, report) else {
            panic!("{exit_status:?}");
        };
        let counts = (report.added, report.changed, report.removed);
        assert_eq!((counts, report.changes.len()), ((2, 11, 1), 0));
    }
    assert_eq!(class(Some(4), SUMMARY_0_17), "contradiction");
    assert_eq!(class(Some(0), SUMMARY_0_17), "contradiction");
    let json = br#"{"number_of_entries": {"total": 9, "added": 1, "removed": 0, "changed": 0}}"#;
    let summary = crate::aide::report::parse_json(&json[..]);
    assert!(matches!(outcome(Some(1), summary), Outcome::Changed(_)));
}

#[test]
fn a_report_with_neither_counts_nor_a_list_is_an_error() {
    for exit_status in [Some(0), Some(7), None] {
        let Outcome::Errored(error) = outcome(exit_status, parse_plain(MINIMAL_0_17)) else {
            panic!("{exit_status:?}");
        };
        assert!(error.message.contains("report_level=changed_attributes"));
    }
}

fn class(exit_status: Option<i32>, report: &[u8]) -> String {
    match outcome(exit_status, parse_plain(report)) {
        Outcome::Clean { files } => format!("clean {files}"),
        Outcome::Changed(report) => format!("changed {}", report.changes.len()),
        Outcome::Errored(error) => error.class.to_string(),
    }
}

#[test]
fn reports_with_and_without_an_exit_status() {
    let half = &CHANGED_0_16[..CHANGED_0_16.len() / 2];
    let table: [(Option<i32>, &[u8], &str); 10] = [
        (Some(0), CLEAN_0_16, "clean 12"),
        (None, CLEAN_0_16, "clean 12"),
        (Some(1), CHANGED_0_16, "changed 1"),
        (None, CHANGED_0_16, "changed 1"),
        (Some(0), CHANGED_0_16, "contradiction"),
        (Some(4), CLEAN_0_16, "contradiction"),
        (Some(0), b"", "clean 0"),
        (None, b"", "report"),
        (Some(17), CHANGED_0_16, "configuration"),
        (Some(1), half, "report"),
    ];
    for (exit_status, report, expected) in table {
        let text = String::from_utf8_lossy(report);
        assert_eq!(
            class(exit_status, report),
            expected,
            "{exit_status:?} {text}"
        );
    }
}

#[test]
fn other_text_is_an_error() {
    assert_eq!(class(Some(1), b"command not found\n"), "report");
}
