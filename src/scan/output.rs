//! The lines for log shippers: one JSON object for each change that a scan found, and for each notice.
//! Pure.
//!
//! The daemon writes them to its standard output, and nothing else. The number of lines of a scan is
//! limited: one more line has the number of omitted changes. All changes are in the failure log.

mod ecs;
pub(crate) mod file_values;
mod fio;
mod notice;
mod ocsf;
mod record;

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::notice::HeldBy;
use self::notice::Notice;
use self::record::{Content, LineId, Origin, Record};
use super::Identity;
use super::event::EventMessage;
use crate::aide::report::{DETAILED_CHANGES, Report};
use crate::api::{Baseline, Condition, FileIntegrityNodeStatus, OutputFormat, ScanResult, names};

/// Maximum number of changes that are written for a scan: a report has values for this many.
const MAX_LINES: usize = DETAILED_CHANGES;

/// How the lines are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub format: OutputFormat,
    /// A change that was written is not written again while each scan finds it.
    pub changes_only: bool,
    /// The name of the cluster in each line.
    pub cluster: Option<String>,
}

/// A scan that has ended, or could not begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedScan<'a> {
    /// See [`scan_id`]. Empty if no scan began.
    pub id: &'a str,
    pub result: &'a ScanResult,
    /// The report of a failed scan.
    pub report: Option<&'a Report>,
    /// The event that the daemon creates with an error.
    pub event: Option<&'a EventMessage>,
    /// Whether it compared with the known baseline. A success with another database proves nothing.
    pub is_with_baseline: bool,
}

/// Decides which lines are written, and encodes them.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    origin: Origin,
    format: OutputFormat,
    changes_only: bool,
    last: Option<LastScan>,
}

/// What is remembered of the last scan. An Errored scan keeps the changes of the scan before.
#[derive(Clone, Debug, Default)]
struct LastScan {
    /// Hash of its changes, empty if it had none. `None`: not known.
    changes_hash: Option<String>,
    /// The lines of its changes that were written. Only known to the process that has written them,
    /// and only with `changes_only`.
    written: HashSet<LineId>,
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

    /// The lines of a scan, each with its line feed. `known` is the node status: for the first scan of
    /// this process it has the scan before.
    pub(crate) fn scan(
        &mut self,
        scan: EndedScan<'_>,
        known: Option<&FileIntegrityNodeStatus>,
    ) -> Vec<String> {
        let before = self.last.take().unwrap_or_else(|| LastScan::of(known));
        let (now, lines) = match scan.result.condition {
            Condition::Errored => self.errored(scan, before),
            Condition::Succeeded if !scan.is_with_baseline => (before, Vec::new()),
            Condition::Failed | Condition::Succeeded => self.compared(scan, before),
        };
        self.last = Some(now);
        lines
    }

    fn errored(&self, scan: EndedScan<'_>, before: LastScan) -> (LastScan, Vec<String>) {
        let error = scan.result.error_message.clone();
        let mut lines = Vec::new();
        if error != before.error {
            let event = scan.event.map(Notice::of_event);
            for notice in event.iter().chain([&Notice::scan_errored(scan.result)]) {
                lines.push(self.of_scan(scan, Content::Notice(notice)));
            }
        }
        (LastScan { error, ..before }, lines)
    }

    fn compared(&self, scan: EndedScan<'_>, before: LastScan) -> (LastScan, Vec<String>) {
        let node = &self.origin.node;
        let changes_hash = Some(scan.result.changes_hash.clone().unwrap_or_default());
        let mut lines = Vec::new();
        if before.error.is_some() {
            let notice = Notice::error_ended(node);
            lines.push(self.of_scan(scan, Content::Notice(&notice)));
        }
        let mut written = HashSet::new();
        if changes_hash == before.changes_hash {
            written = before.written;
        } else if let Some(report) = scan.report {
            written = self.changes(scan, report, &before.written, &mut lines);
        } else if scan.result.condition == Condition::Succeeded {
            let notice = Notice::changes_ended(node);
            lines.push(self.of_scan(scan, Content::Notice(&notice)));
        }
        let now = LastScan {
            changes_hash,
            written,
            error: None,
        };
        (now, lines)
    }

    /// Adds the lines of the changes that were not written before. Returns all that are written.
    fn changes(
        &self,
        scan: EndedScan<'_>,
        report: &Report,
        before: &HashSet<LineId>,
        lines: &mut Vec<String>,
    ) -> HashSet<LineId> {
        let (mut written, mut repeated, mut new) = (HashSet::new(), 0_u64, 0_u64);
        let at = &scan.result.last_probe_time;
        for change in &report.changes {
            let content = Content::Change(change);
            let id = content.id(&self.origin, at);
            if before.contains(&id) {
                repeated += 1;
                written.insert(id);
            } else if new < MAX_LINES as u64 {
                new += 1;
                lines.push(self.line(id, scan.id, at, content));
                written.extend(self.changes_only.then_some(id));
            } else if before.is_empty() {
                // All that follow are omitted.
                break;
            }
        }
        let omitted = report.differing().saturating_sub(new + repeated);
        if omitted > 0 {
            lines.push(self.of_scan(scan, Content::Omitted(omitted)));
        }
        written
    }

    /// The line of an event that the daemon creates.
    pub(crate) fn event(&self, event: &EventMessage, at: &Time) -> String {
        self.notice(&Notice::of_event(event), at)
    }

    /// The line of a new baseline.
    pub(crate) fn baseline_created(&self, baseline: &Baseline) -> String {
        self.notice(&Notice::baseline_created(baseline), &baseline.created_at)
    }

    /// The line of what a new baseline accepted, if that is anything.
    pub(crate) fn changes_accepted(&self, baseline: &Baseline) -> Option<String> {
        let notice = Notice::changes_accepted(&self.origin.node, baseline)?;
        Some(self.notice(&notice, &baseline.created_at))
    }

    /// The line of the start of a hold.
    pub(crate) fn hold_started(&self, by: &HeldBy, at: &Time) -> String {
        self.notice(&Notice::hold_started(&self.origin.node, by), at)
    }

    /// The line of the end of a hold.
    pub(crate) fn hold_ended(&self, at: &Time) -> String {
        self.notice(&Notice::hold_ended(&self.origin.node), at)
    }

    fn notice(&self, notice: &Notice, at: &Time) -> String {
        let content = Content::Notice(notice);
        self.line(content.id(&self.origin, at), "", at, content)
    }

    fn of_scan(&self, scan: EndedScan<'_>, content: Content<'_>) -> String {
        let at = &scan.result.last_probe_time;
        self.line(content.id(&self.origin, at), scan.id, at, content)
    }

    fn line(&self, id: LineId, scan: &str, time: &Time, content: Content<'_>) -> String {
        let record = Record {
            origin: &self.origin,
            time,
            scan: Some(scan).filter(|scan| !scan.is_empty()),
            id: id.to_string(),
            content,
        };
        let mut line = match self.format {
            OutputFormat::Fio => fio::encode(&record),
            OutputFormat::Ecs => ecs::encode(&record),
            OutputFormat::Ocsf => ocsf::encode(&record),
        };
        line.push('\n');
        line
    }
}

impl LastScan {
    /// That of the process before, whose results are in the node status.
    fn of(known: Option<&FileIntegrityNodeStatus>) -> Self {
        let Some(known) = known else {
            return Self::default();
        };
        let compared = known
            .results
            .iter()
            .filter(|result| result.condition != Condition::Errored)
            .max_by_key(|result| result.last_probe_time.0);
        let hash = compared.and_then(|result| result.changes_hash.clone());
        let last = known.last_result.as_ref();
        Self {
            changes_hash: Some(hash.unwrap_or_default()),
            written: HashSet::new(),
            error: last.and_then(|last| last.error_message.clone()),
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
pub(crate) mod tests;
