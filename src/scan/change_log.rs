//! The change log: each changed file as one line of JSON, for log shippers. Pure.
//!
//! The daemon writes it to its standard output, and nothing else. The number of lines is limited: the
//! last line has the number of omitted changes. All changes are in the failure log.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::Identity;
use crate::aide::report::{Change, ChangeKind, DETAILED_CHANGES, Report, display_path};
use crate::api::names;

/// Maximum number of lines of a scan: a report has values for this many changes.
const MAX_LINES: usize = DETAILED_CHANGES;

/// The first fields of all lines of a scan.
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
struct Omitted<'a> {
    #[serde(flatten)]
    origin: &'a Origin<'a>,
    omitted: u64,
}

/// Id of a scan, in the daemon's log and in the lines of the change log.
pub(crate) fn scan_id(identity: &Identity, started_at: &jiff::Timestamp) -> String {
    names::short_hash(format!(
        "{}/{}/{started_at}",
        identity.file_integrity, identity.node
    ))
}

/// The lines of a scan that ended at `time`, each with its line feed.
pub(crate) fn lines(
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
    let listed = report.changes.len().min(MAX_LINES);
    for change in &report.changes[..listed] {
        text.push_str(&serde_json::to_string(&line(&origin, change))?);
        text.push('\n');
    }
    let omitted = report.differing().saturating_sub(listed as u64);
    if omitted > 0 {
        let origin = &origin;
        text.push_str(&serde_json::to_string(&Omitted { origin, omitted })?);
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
mod tests;
