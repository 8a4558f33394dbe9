//! What a new baseline accepts: the differences between the old baseline and the node. Pure.

use std::collections::HashSet;

use super::change_set::ChangeSet;
use super::event::{EventMessage, Severity};
use super::outcome::{Outcome, count};
use crate::aide::report::Report;
use crate::api::object_name::visible;
use crate::api::{
    Accepted, AcceptedChange, AcceptedDifferences, Baseline, ChangeEntry, EventReason,
};
use crate::text::shorten_middle;

/// Maximum bytes of the paths in a record. Usual paths are far shorter than this limit for 20 of them.
const MAX_PATHS: usize = 16 * 1024;
/// Maximum bytes of a text in a record.
const MAX_TEXT: usize = 1024;

/// It is not known what a new baseline accepts.
pub(crate) fn unknown(why: &str) -> AcceptedDifferences {
    AcceptedDifferences {
        incomplete: Some(shortened(why)),
        ..AcceptedDifferences::default()
    }
}

/// The differences that a comparison has found. `existing` are the removed paths that are still on the node: the new
/// configuration does not watch them.
pub(crate) fn differences(outcome: &Outcome, existing: &HashSet<Vec<u8>>) -> AcceptedDifferences {
    match outcome {
        Outcome::Clean { .. } => AcceptedDifferences::default(),
        Outcome::Changed(report) => of_report(report, existing),
        Outcome::Errored(error) => unknown(&error.message),
    }
}

fn of_report(report: &Report, existing: &HashSet<Vec<u8>>) -> AcceptedDifferences {
    let set = ChangeSet::new(report);
    let is_complete = report.lists_all();
    AcceptedDifferences {
        files_added: count(report.added),
        files_changed: count(report.changed),
        files_removed: count(report.removed),
        files_no_longer_watched: count(existing.len() as u64),
        changes_hash: is_complete.then(|| set.hash().to_owned()),
        changes: first(&set, report, existing),
        unread: Vec::new(),
        incomplete: (!is_complete)
            .then(|| "AIDE's report is too long; only its first changes are known".to_owned()),
    }
}

fn first(set: &ChangeSet, report: &Report, existing: &HashSet<Vec<u8>>) -> Vec<AcceptedChange> {
    let mut room = MAX_PATHS;
    let entries = set.first().iter().zip(&report.changes);
    let fitting = entries.map_while(|(entry, change)| {
        room = room.checked_sub(entry.path.len())?;
        let ChangeEntry {
            path,
            kind,
            attributes,
            ..
        } = entry.clone();
        Some(AcceptedChange {
            path,
            kind,
            attributes,
            no_longer_watched: existing.contains(&change.path),
        })
    });
    fitting.collect()
}

/// Adds what was not compared: AIDE's warnings about files that were written while this baseline or the
/// old one was created.
pub(crate) fn add_unread(
    differences: &mut AcceptedDifferences,
    old: Option<String>,
    new: Option<&str>,
) {
    let old = old.map(|files| format!("the old baseline lacks content: {files}"));
    let new = new.map(|files| format!("the new baseline lacks content: {files}"));
    let texts = old.into_iter().chain(new).map(|text| shortened(&text));
    differences.unread.extend(texts);
}

/// What was accepted, in one sentence for events and log shippers. None if there was nothing.
pub(crate) fn message(node: &str, baseline: &Baseline) -> Option<String> {
    let accepted = baseline.accepted.as_ref()?;
    let differences = summary(&accepted.differences);
    let before = accepted.with_old_config.as_ref().map(summary);
    let before = before.map(|before| format!(", and with the old configuration {before}"));
    let names = accepted.acceptance.iter().chain(&accepted.holds);
    let names: Vec<String> = names.map(|name| format!(" {}", visible(name))).collect();
    let request = accepted.request.as_ref().map(|id| format!(" ({id})"));
    Some(format!(
        "node {node}: a new baseline accepted {differences}{}; reason {}{}{}, old digest {}, new digest {}",
        before.unwrap_or_default(),
        accepted.reason,
        names.concat(),
        request.unwrap_or_default(),
        accepted.old_digest.as_deref().unwrap_or("unknown"),
        baseline.digest,
    ))
}

fn summary(differences: &AcceptedDifferences) -> String {
    if differences.is_empty() {
        return "no changes".to_owned();
    }
    let AcceptedDifferences {
        files_added: added,
        files_changed: changed,
        files_removed: removed,
        ..
    } = differences;
    let mut parts = Vec::new();
    if (*added, *changed, *removed) != (0, 0, 0) {
        let hash = differences.changes_hash.as_deref();
        let hash = hash.map(|hash| format!(" {hash}")).unwrap_or_default();
        parts.push(format!("changes{hash} a:{added},c:{changed},r:{removed}"));
    }
    if differences.files_no_longer_watched > 0 {
        let unwatched = differences.files_no_longer_watched;
        parts.push(format!("{unwatched} of them no longer watched"));
    }
    parts.extend(differences.unread.iter().cloned());
    if let Some(why) = &differences.incomplete {
        parts.push(format!("changes that are not known ({why})"));
    }
    parts.join(", ")
}

/// The event of a baseline that accepted something. There is none if only the configuration watches other
/// files than before, and the old one showed no changes: the node has not changed.
pub(crate) fn event(node: &str, baseline: &Baseline) -> Option<EventMessage> {
    let accepted = baseline.accepted.as_ref()?;
    let is_change = match &accepted.with_old_config {
        Some(before) => !before.is_empty() || accepted.differences.files_changed > 0,
        None => true,
    };
    if !is_change {
        return None;
    }
    Some(EventMessage {
        severity: severity(accepted),
        reason: EventReason::ChangesAccepted,
        message: message(node, baseline)?,
    })
}

/// A warning if something was accepted that nobody can look up.
fn severity(accepted: &Accepted) -> Severity {
    let all = accepted.with_old_config.iter();
    let mut all = all.chain([&accepted.differences]);
    if all.any(|part| part.incomplete.is_some() || !part.unread.is_empty()) {
        Severity::Warning
    } else {
        Severity::Normal
    }
}

fn shortened(text: &str) -> String {
    let mut text = text.to_owned();
    shorten_middle(&mut text, MAX_TEXT);
    text
}

#[cfg(test)]
mod tests;
