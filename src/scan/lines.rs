//! Each changed file as one line of JSON, for log shippers. Pure.
//!
//! The daemon writes them to its standard output, where nothing else goes. Bounded: after so many
//! lines one says how many changes were left out; all of them are in the kept log.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::Identity;
use crate::aide::report::{Change, ChangeKind, DETAILED_CHANGES, Report, display_path};
use crate::api::names;

/// As many changes are told of a scan: those whose values a report keeps.
const MAX_LINES: usize = DETAILED_CHANGES;

/// What all lines of a scan begin with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin<'a> {
    time: &'a Time,
    node: &'a str,
    file_integrity: &'a str,
    scan: &'a str,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    origin: &'a Origin<'a>,
    path: String,
    change: &'static str,
    attributes: BTreeMap<&'a str, Values<'a>>,
}

#[derive(Debug, Default, Serialize)]
struct Values<'a> {
    old: Option<&'a str>,
    new: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftOut<'a> {
    #[serde(flatten)]
    origin: &'a Origin<'a>,
    left_out: u64,
}

/// What tells one scan from all others: the same in its log line and in the lines of its changes.
pub fn scan_id(identity: &Identity, started_at: &jiff::Timestamp) -> String {
    names::short_hash(format!(
        "{}/{}/{started_at}",
        identity.file_integrity, identity.node
    ))
}

/// The lines for the changes of a scan that ended at `time`, each with its line feed.
pub fn lines(
    identity: &Identity,
    scan: &str,
    time: &Time,
    report: &Report,
) -> Result<String, serde_json::Error> {
    let origin = Origin {
        time,
        node: &identity.node,
        file_integrity: &identity.file_integrity,
        scan,
    };
    let mut text = String::new();
    let told = report.changes.len().min(MAX_LINES);
    for change in &report.changes[..told] {
        text.push_str(&serde_json::to_string(&line(&origin, change))?);
        text.push('\n');
    }
    let left_out = report.differing().saturating_sub(told as u64);
    if left_out > 0 {
        let origin = &origin;
        text.push_str(&serde_json::to_string(&LeftOut { origin, left_out })?);
        text.push('\n');
    }
    Ok(text)
}

fn line<'a>(origin: &'a Origin<'a>, change: &'a Change) -> Line<'a> {
    let mut attributes: BTreeMap<&str, Values<'_>> = change
        .attributes
        .iter()
        .map(|name| (name.as_str(), Values::default()))
        .collect();
    for (name, old, new) in &change.details {
        let value = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        let (old, new) = (value(old), value(new));
        attributes.insert(name, Values { old, new });
    }
    Line {
        origin,
        path: display_path(&change.path),
        change: match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
        },
        attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::identity;

    fn change(path: &str, kind: ChangeKind) -> Change {
        Change {
            path: path.as_bytes().to_vec(),
            kind,
            attributes: [].into(),
            new_values: None,
            details: Vec::new(),
        }
    }

    fn told(changes: Vec<Change>) -> String {
        let report = Report {
            changes,
            ..Report::default()
        };
        let time = Time("2026-01-02T03:04:05Z".parse().unwrap());
        lines(&identity(), "abc", &time, &report).unwrap()
    }

    #[test]
    fn a_line_for_each_change() {
        let own = |text: &str| text.to_owned();
        let mut changed = change("/etc/b\n", ChangeKind::Changed);
        changed.attributes = [own("size"), own("acl")].into();
        changed.details = vec![(own("size"), own("1"), own("20"))];
        let text = told(vec![change("/etc/a", ChangeKind::Added), changed]);
        let start =
            r#"{"time":"2026-01-02T03:04:05Z","node":"n1","fileIntegrity":"fi","scan":"abc","#;
        let expected = [
            r#""path":"/etc/a","change":"added","attributes":{}}"#,
            r#""path":"/etc/b\\012","change":"changed","attributes":{"acl":{"old":null,"new":null},"size":{"old":"1","new":"20"}}}"#,
        ]
        .map(|rest| format!("{start}{rest}\n"));
        assert_eq!(text, expected.concat());
    }

    #[test]
    fn many_changes_are_cut_and_counted() {
        let changes = vec![change("/etc/a", ChangeKind::Removed); MAX_LINES + 7];
        let text = told(changes);
        assert_eq!(text.lines().count(), MAX_LINES + 1);
        assert!(
            text.ends_with("\"leftOut\":7}\n"),
            "{:?}",
            text.lines().last()
        );
    }

    #[test]
    fn scans_have_different_ids() {
        let id = |second: i64| {
            let at = jiff::Timestamp::from_second(second).unwrap();
            scan_id(&identity(), &at)
        };
        assert_eq!(id(1).len(), 16);
        assert_ne!(id(1), id(2));
    }
}
