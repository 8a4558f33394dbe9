//! What came of a run of AIDE, put together from its exit status and its report. Pure.
//!
//! Exit status and report must say the same. Where they do not (a configuration can make AIDE keep
//! quiet about what it found), the scan counts as not done rather than as clean.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::change_set::ChangeSet;
use crate::aide::exit::Verdict;
use crate::aide::report::Report;
use crate::api::{Condition, ErrorClass, ScanResult};
use crate::text::shorten_middle;

/// Longest error message in a node status, in bytes.
const MAX_ERROR_MESSAGE: usize = 1024;

/// A scan that could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// The class under which it is counted.
    pub class: ErrorClass,
    /// What a user reads.
    pub message: String,
}

impl ScanError {
    /// An error of this class; the middle of the message is left out where it is too long for a status.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        shorten_middle(&mut message, MAX_ERROR_MESSAGE);
        Self { class, message }
    }
}

/// What came of a scan.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing differs.
    Clean {
        /// Files looked at.
        files: u64,
    },
    /// Something differs.
    Changed(Box<Report>),
    /// It could not be done.
    Errored(ScanError),
}

/// A result as it is published, and what else decides whether it is news.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// As it stands in the node status; the ConfigMap's name is added when it is told.
    pub result: ScanResult,
    /// What differs, if something does.
    pub changes: Option<Box<ChangeSet>>,
}

/// Judges a finished check.
pub fn judge(verdict: Verdict, report: Report) -> Outcome {
    let contradiction = |said: &str| {
        Outcome::Errored(ScanError::new(
            ErrorClass::Contradiction,
            format!(
                "AIDE error: its exit status says {said}, its report says added {}, removed {}, changed {}; \
                 the configuration may hide changes, see the report options of aide.conf(5)",
                report.added, report.removed, report.changed
            ),
        ))
    };
    match verdict {
        Verdict::Error(error) => Outcome::Errored(ScanError::new(error.class(), error.message())),
        Verdict::Clean if has_changes(&report) => contradiction("no changes"),
        // What it would have listed, and which database it read, is not known.
        Verdict::Clean if report.truncated => Outcome::Errored(ends_early()),
        Verdict::Clean if report.total == 0 => Outcome::Errored(ScanError::new(
            ErrorClass::Empty,
            "AIDE error: the configuration watches no file on this node",
        )),
        Verdict::Clean => Outcome::Clean {
            files: report.total,
        },
        Verdict::Changes {
            added,
            removed,
            changed,
        } => {
            let same = (added, removed, changed)
                == (report.added > 0, report.removed > 0, report.changed > 0);
            if same && (counts_match(&report) || report.truncated) {
                Outcome::Changed(Box::new(report))
            } else if report.truncated && !has_changes(&report) {
                Outcome::Errored(ends_early())
            } else {
                contradiction("changes")
            }
        }
    }
}

fn ends_early() -> ScanError {
    ScanError::new(ErrorClass::Report, "AIDE error: the report ends early")
}

/// Judges a check that was ended as its report went beyond `most` bytes, by as much of the report as
/// there is. It begins with the counts, so what was found is known although not all of it is listed.
pub fn judge_cut_off(report: Option<Report>, most: u64) -> Outcome {
    match report {
        Some(report) if has_changes(&report) => Outcome::Changed(Box::new(report)),
        _ => Outcome::Errored(ScanError::new(
            ErrorClass::Report,
            format!(
                "AIDE error: its report is longer than {most} bytes, for which there is room; more differs on this \
                 node than can be told. Make a new baseline, or leave out of the configuration what changes so much"
            ),
        )),
    }
}

fn has_changes(report: &Report) -> bool {
    report.counted() > 0
}

/// A report that lists fewer changes than it counts would hide the others.
fn counts_match(report: &Report) -> bool {
    report.counted() == report.listed()
}

impl Finding {
    /// The outcome of a scan that ended `at` and took `duration`.
    pub fn new(outcome: &Outcome, at: Time, duration: Duration) -> Self {
        let mut finding = match outcome {
            Outcome::Clean { files } => {
                let mut result = ScanResult::new(Condition::Succeeded, at);
                result.files_scanned = Some(count(*files));
                Self {
                    result,
                    changes: None,
                }
            }
            Outcome::Changed(report) => Self::changed(report, at),
            Outcome::Errored(error) => {
                let mut result = ScanResult::new(Condition::Errored, at);
                result.error_message = Some(error.message.clone());
                result.error_class = Some(error.class.to_string());
                Self {
                    result,
                    changes: None,
                }
            }
        };
        finding.result.duration_milliseconds = i64::try_from(duration.as_millis()).ok();
        finding
    }

    fn changed(report: &Report, at: Time) -> Self {
        let mut result = ScanResult::new(Condition::Failed, at);
        result.files_added = count(report.added);
        result.files_changed = count(report.changed);
        result.files_removed = count(report.removed);
        result.files_scanned = Some(count(report.total));
        let changes = ChangeSet::new(report);
        result.changes = changes.first().to_vec();
        result.changes_hash = Some(changes.hash().to_owned());
        Self {
            result,
            changes: Some(Box::new(changes)),
        }
    }
}

/// A count as the API keeps it; no node has 2^63 files.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
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
        for (verdict, report, expected) in table {
            assert_eq!(class(&judge(verdict, report)), expected, "{verdict:?}");
        }
    }

    #[test]
    fn an_error_of_aide_keeps_its_words() {
        let Outcome::Errored(error) = judge(exit::decode(Some(17), None), report(&[], &[])) else {
            panic!("17 is an error");
        };
        assert_eq!(error.message, "AIDE error: 17 Invalid configureline error");
    }

    #[test]
    fn a_status_shows_the_first_twenty_changes() {
        let paths: Vec<String> = (0..30).map(|n| format!("/etc/{n:02}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let outcome = judge(exit::decode(Some(1), None), report(&paths, &[]));
        let finding = Finding::new(&outcome, at(), Duration::from_millis(1500));
        assert_eq!(finding.result.files_added, 30);
        assert_eq!(finding.result.changes.len(), 20);
        assert_eq!(finding.result.changes[0].path, "/etc/00");
        assert_eq!(finding.result.duration_milliseconds, Some(1500));
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
}
