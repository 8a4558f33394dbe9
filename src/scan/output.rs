//! The lines for log shippers: one JSON object for each change that a scan found, and for each notice.
//! Pure.
//!
//! The daemon writes them to its standard output, and nothing else. The number of lines of a scan is
//! limited: one more line has the number of omitted changes. All changes are in the failure log.

mod ecs;
mod file_values;
mod fio;
mod notice;
mod ocsf;
mod record;

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;
use serde_json::Value;

use self::notice::Notice;
use self::record::{ChangeId, Content, Origin, Record};
use super::Identity;
use super::event::EventMessage;
use crate::aide::report::{Change, DETAILED_CHANGES, Report};
use crate::api::{Baseline, Condition, HoldReason, OutputFormat, ScanResult, names};

/// Maximum number of changes that are written for a scan: a report has values for this many.
const MAX_LINES: usize = DETAILED_CHANGES;

/// How the lines are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub format: OutputFormat,
    /// A change that the scan before had, too, is not written again.
    pub changes_only: bool,
    /// The name of the cluster in each line.
    pub cluster: Option<String>,
}

/// A scan that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedScan<'a> {
    /// See [`scan_id`]. Empty if no scan began.
    pub id: &'a str,
    pub result: &'a ScanResult,
    /// The report of a failed scan.
    pub report: Option<&'a Report>,
}

/// Decides which lines are written, and encodes them.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    origin: Origin,
    format: OutputFormat,
    changes_only: bool,
    last: Option<LastScan>,
}

/// What is remembered of the last scan.
#[derive(Clone, Debug, Default)]
struct LastScan {
    /// Hash of its changes, empty if it had none. That of the scan before, if this one is Errored.
    changes_hash: String,
    /// Its changes. Only known to the process that has written them, and only with `changes_only`.
    changes: HashSet<ChangeId>,
    /// The error of an Errored scan.
    error: Option<String>,
}

/// Id of a scan, in the daemon's log and in the lines of its changes.
pub(crate) fn scan_id(identity: &Identity, started_at: &jiff::Timestamp) -> String {
    names::short_hash(format!(
        "{}/{}/{started_at}",
        identity.file_integrity, identity.node
    ))
}

impl Output {
    /// An output that has written nothing yet.
    pub(crate) fn new(settings: Settings, identity: &Identity) -> Self {
        Self {
            origin: Origin {
                cluster: settings.cluster,
                namespace: identity.namespace.clone(),
                node: identity.node.clone(),
                file_integrity: identity.file_integrity.clone(),
            },
            format: settings.format,
            changes_only: settings.changes_only,
            last: None,
        }
    }

    /// The lines of a scan, each with its line feed. `known` is the last result in the node status: for
    /// the first scan of this process it stands for the scan before.
    pub(crate) fn scan(&mut self, scan: EndedScan<'_>, known: Option<&ScanResult>) -> String {
        let before = self.last.take().unwrap_or_else(|| LastScan::of(known));
        let (now, lines) = match scan.result.condition {
            Condition::Errored => self.errored(scan, before),
            Condition::Failed | Condition::Succeeded => self.compared(scan, &before),
        };
        self.last = Some(now);
        lines.concat()
    }

    fn errored(&self, scan: EndedScan<'_>, before: LastScan) -> (LastScan, Vec<String>) {
        let error = scan.result.error_message.clone();
        let mut lines = Vec::new();
        if error != before.error {
            let notice = Notice::scan_errored(scan.result);
            lines.push(self.of_scan(scan, Content::Notice(&notice)));
        }
        (LastScan { error, ..before }, lines)
    }

    fn compared(&self, scan: EndedScan<'_>, before: &LastScan) -> (LastScan, Vec<String>) {
        let node = &self.origin.node;
        let changes_hash = scan.result.changes_hash.clone().unwrap_or_default();
        let mut lines = Vec::new();
        if before.error.is_some() {
            let notice = Notice::error_ended(node);
            lines.push(self.of_scan(scan, Content::Notice(&notice)));
        }
        if changes_hash.is_empty() && !before.changes_hash.is_empty() {
            let notice = Notice::changes_ended(node);
            lines.push(self.of_scan(scan, Content::Notice(&notice)));
        }
        let mut changes = HashSet::new();
        if let Some(report) = scan.report {
            if self.changes_only {
                changes = report.changes.iter().map(|it| self.id(it)).collect();
            }
            if changes_hash != before.changes_hash {
                lines.extend(self.changes(scan, report, &before.changes));
            }
        }
        let now = LastScan {
            changes_hash,
            changes,
            error: None,
        };
        (now, lines)
    }

    /// The lines of the changes that were not written before.
    fn changes(
        &self,
        scan: EndedScan<'_>,
        report: &Report,
        written: &HashSet<ChangeId>,
    ) -> Vec<String> {
        let is_new = |change: &&Change| written.is_empty() || !written.contains(&self.id(change));
        let new: Vec<&Change> = report.changes.iter().filter(is_new).collect();
        let known = report.changes.len() - new.len();
        let listed = &new[..new.len().min(MAX_LINES)];
        let mut lines: Vec<String> = listed
            .iter()
            .map(|change| self.of_scan(scan, Content::Change(change)))
            .collect();
        let omitted = report
            .differing()
            .saturating_sub((listed.len() + known) as u64);
        if omitted > 0 {
            lines.push(self.of_scan(scan, Content::Omitted(omitted)));
        }
        lines
    }

    /// The line of an event that the daemon creates.
    pub(crate) fn event(&self, event: &EventMessage, at: &Time) -> String {
        self.notice(&Notice::of_event(event), at)
    }

    /// The line of a new baseline.
    pub(crate) fn baseline_created(&self, baseline: &Baseline) -> String {
        self.notice(&Notice::baseline_created(baseline), &baseline.created_at)
    }

    /// The line of the start of a hold.
    pub(crate) fn hold_started(&self, reason: &HoldReason, at: &Time) -> String {
        self.notice(&Notice::hold_started(&self.origin.node, reason), at)
    }

    /// The line of the end of a hold.
    pub(crate) fn hold_ended(&self, at: &Time) -> String {
        self.notice(&Notice::hold_ended(&self.origin.node), at)
    }

    fn notice(&self, notice: &Notice, at: &Time) -> String {
        self.line(None, at, Content::Notice(notice))
    }

    fn of_scan(&self, scan: EndedScan<'_>, content: Content<'_>) -> String {
        let id = Some(scan.id).filter(|id| !id.is_empty());
        self.line(id, &scan.result.last_probe_time, content)
    }

    fn line(&self, scan: Option<&str>, time: &Time, content: Content<'_>) -> String {
        let record = Record::new(&self.origin, scan, time, content);
        let mut line = match self.format {
            OutputFormat::Fio => fio::encode(&record),
            OutputFormat::Ecs => ecs::encode(&record),
            OutputFormat::Ocsf => ocsf::encode(&record),
        };
        line.push('\n');
        line
    }

    fn id(&self, change: &Change) -> ChangeId {
        ChangeId::new(&self.origin, change)
    }
}

impl LastScan {
    fn of(known: Option<&ScanResult>) -> Self {
        let hash = known.and_then(|known| known.changes_hash.clone());
        Self {
            changes_hash: hash.unwrap_or_default(),
            changes: HashSet::new(),
            error: known.and_then(|known| known.error_message.clone()),
        }
    }
}

/// JSON on one line, without members that have no value, except in the attributes of a file, where
/// `null` has a meaning.
fn compact_json(value: Value) -> String {
    json_text(&without_nulls(value))
}

fn without_nulls(value: Value) -> Value {
    let Value::Object(members) = value else {
        return value;
    };
    let kept = members
        .into_iter()
        .filter_map(|(name, member)| match member {
            Value::Null => None,
            member if name == "attributes" => Some((name, member)),
            member => Some((name, without_nulls(member))),
        });
    Value::Object(kept.collect())
}

/// JSON on one line. Objects with texts as keys can always be encoded.
fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

#[cfg(test)]
mod tests;
