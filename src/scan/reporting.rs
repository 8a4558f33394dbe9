//! Decides what to report of an update of a node, and how the node status looks afterwards. Pure:
//! [`super::publish`] makes the requests.
//!
//! The status is written at every scan: one request, which shows that the node is still watched. The
//! failure log and the event are written only for a new condition or for other changes.

pub(crate) mod last_reported;
pub(crate) mod node_update;
mod result_event;
mod status_patch;

pub(crate) use self::last_reported::LastReported;
pub(crate) use self::node_update::HoldUpdate;
pub use self::node_update::NodeUpdate;
pub(crate) use self::status_patch::status_patch;

use self::last_reported::KnownResults;
use self::result_event::{LOG_NOT_WRITTEN, names_log};
use super::Identity;
use super::acceptance::with_earlier;
use super::accepted;
use super::event::EventMessage;
use super::outcome::Finding;
use crate::api::{Condition, FileIntegrityNodeStatus, ScanResult, Trigger, add_scan};

/// What to write to the API for an update.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedReport {
    /// The node status to write last.
    pub status: FileIntegrityNodeStatus,
    /// Whether the failure log is written first.
    pub write_log: bool,
    /// Events to create before the status is written.
    pub events: Vec<EventMessage>,
    /// Distinguishes this transition from a later one with the same message. It depends only on the
    /// state before the transition: after a crash between event and status the event has the same name.
    pub transition: String,
    /// What is known as reported once all of this is written.
    pub reported: LastReported,
}

impl PlannedReport {
    /// The failure log is written with a later result.
    pub(crate) fn log_later(&mut self) {
        self.reported.is_log_outdated = true;
    }

    /// The API server refuses the failure log: its name belongs to another object, or the object is
    /// immutable. The result is reported without a log, and the log is written with the next scan.
    pub(crate) fn without_log(&mut self) {
        let status = &mut self.status;
        let written = status.last_result.iter_mut().chain(&mut status.results);
        let known = self.reported.known.iter_mut();
        let known = known.flat_map(|known| known.last.iter_mut().chain(&mut known.results));
        for result in written.chain(known) {
            if result.condition == Condition::Failed {
                result.result_config_map_name = None;
                result.result_config_map_namespace = None;
            }
        }
        for event in self.events.iter_mut().filter(|event| names_log(event)) {
            event.message.push_str(LOG_NOT_WRITTEN);
        }
        self.reported.is_log_outdated = true;
    }
}

/// Plans the report of `update`, given the node status in the API and what was reported last.
pub(crate) fn plan(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    update: &NodeUpdate,
    reported: &LastReported,
) -> PlannedReport {
    let mut reported = reported.clone();
    reported.begin_with(current);
    let known = reported.known.clone().unwrap_or_default();
    let mut report = PlannedReport {
        status: current.clone(),
        write_log: false,
        events: update.event.iter().cloned().collect(),
        transition: transition(current, known.last.as_ref()),
        reported,
    };
    report
        .events
        .extend(accepted_event(identity, current, update));
    restore(&mut report, update, &known);
    let finding = update.finding.as_ref();
    if let Some(finding) = finding.filter(|it| is_conclusive(it, update, &report.status)) {
        if is_same_error(known.last.as_ref(), finding) {
            // The event of an error was created with the first result that reported it.
            report.events.clear();
        }
        report_finding(identity, current, finding, &known, &mut report);
    }
    let (status, reported) = (&mut report.status, &report.reported);
    status.last_full_scan.clone_from(&reported.last_full_scan);
    status.scan_months.clone_from(&reported.scan_months);
    report
}

/// The event of a new baseline that accepted changes. The status shows which baselines were reported; a baseline
/// that is older than the status was reported by one that was deleted.
fn accepted_event(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    update: &NodeUpdate,
) -> Option<EventMessage> {
    let baseline = update.baseline.as_ref()?;
    let is_reported = match (&current.baseline, &current.metadata.creation_timestamp) {
        (Some(reported), _) => reported.digest == baseline.digest,
        (None, Some(created)) => baseline.created_at.0 < created.0,
        (None, None) => false,
    };
    if is_reported {
        return None;
    }
    accepted::event(&identity.node, baseline)
}

/// A success against a database that is not the recorded baseline is not reported. Both the database
/// and its record may have been replaced while the API server was unreachable. The state machine
/// reports whether the database can be explained; if it can, the next scan is a success.
fn is_conclusive(finding: &Finding, update: &NodeUpdate, status: &FileIntegrityNodeStatus) -> bool {
    let is_other = match (&update.scanned_digest, &status.baseline) {
        (Some(digest), Some(baseline)) => *digest != baseline.digest,
        _ => false,
    };
    finding.result.condition != Condition::Succeeded || !is_other
}

/// Undoes what others have edited in the status: nobody else writes it. What this process has not
/// reported itself, since it has started later, is taken as it is.
fn restore(report: &mut PlannedReport, update: &NodeUpdate, known: &KnownResults) {
    let (status, reported) = (&mut report.status, &mut report.reported);
    let baseline = update.baseline.as_ref().or(reported.baseline.as_ref());
    if let Some(baseline) = baseline.or(update.baseline_on_disk.as_ref()) {
        status.baseline = Some(baseline.clone());
    }
    if let Some(reinit) = update.reinit.as_ref().or(reported.reinit.as_ref()) {
        status.reinit = Some(reinit.clone());
    }
    if let Some(scan) = update.scan.as_ref().or(reported.scan.as_ref()) {
        status.scan = Some(scan.clone());
    }
    if let Some(hold) = update.hold.as_ref().or(reported.hold.as_ref()) {
        status.hold = hold.shown().cloned();
        reported.hold = Some(hold.clone());
    }
    let acceptance = update.acceptance.as_ref();
    if let Some(acceptance) = acceptance.or(reported.acceptance.as_ref()) {
        status.acceptance = Some(acceptance.clone());
    }
    if let Some(announced) = reported.announced.take() {
        status.announced = announced;
    }
    if let Some(announced) = &update.announced {
        status.announced = with_earlier(announced, &status.announced);
    }
    if let Some(realtime) = update.realtime.as_ref().or(reported.realtime.as_ref()) {
        status.realtime = Some(realtime.clone());
    }
    status.last_result.clone_from(&known.last);
    status.results.clone_from(&known.results);
    reported.baseline.clone_from(&status.baseline);
    reported.reinit.clone_from(&status.reinit);
    reported.scan.clone_from(&status.scan);
    reported.acceptance.clone_from(&status.acceptance);
    reported.announced = Some(status.announced.clone());
    reported.realtime.clone_from(&status.realtime);
}

fn is_same_error(last: Option<&ScanResult>, finding: &Finding) -> bool {
    finding.result.condition == Condition::Errored
        && last.is_some_and(|last| {
            last.condition == Condition::Errored
                && last.error_message == finding.result.error_message
        })
}

fn transition(current: &FileIntegrityNodeStatus, last: Option<&ScanResult>) -> String {
    let uid = current.metadata.uid.as_deref().unwrap_or_default();
    let since = last.map(|r| r.last_probe_time.0.as_second());
    format!("{uid}/{}", since.unwrap_or_default())
}

fn report_finding(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    finding: &Finding,
    known: &KnownResults,
    report: &mut PlannedReport,
) {
    let mut result = finding.result.clone();
    result.last_probe_time = known.not_before(result.last_probe_time);
    if result.condition == Condition::Failed {
        result.result_config_map_name = Some(identity.failure_log());
        result.result_config_map_namespace = Some(identity.namespace.clone());
        report.write_log = report.reported.is_log_outdated || !is_log_current(current, &result);
        report.reported.is_log_outdated = false;
    }
    if is_full_scan(&result) {
        let ended = result.last_probe_time.clone();
        let reported = &mut report.reported;
        let previous = reported.last_full_scan.as_ref();
        add_scan(&mut reported.scan_months, previous, &ended);
        reported.last_full_scan = Some(ended);
    }
    let last = known.last.as_ref();
    let event = result_event::of(identity, last, finding, &result, &mut report.reported);
    report.events.extend(event);
    let results = &mut report.status.results;
    results.retain(|r| r.condition != result.condition);
    // Only lastResult has the lists, and what the operator compares with other nodes.
    results.push(ScanResult {
        changes: Vec::new(),
        paths_hash: None,
        unwatched_rules: Vec::new(),
        ..result.clone()
    });
    results.sort_by_key(|r| r.last_probe_time.0);
    report.reported.known = Some(KnownResults {
        last: Some(result.clone()),
        results: results.clone(),
    });
    report.status.last_result = Some(result);
}

/// Whether a scan of all files has ended with this result.
fn is_full_scan(result: &ScanResult) -> bool {
    result.trigger != Some(Trigger::Event) && result.condition != Condition::Errored
}

/// Whether the failure log that the status names has these changes. A result that names no log has
/// none: the API server refused it.
fn is_log_current(current: &FileIntegrityNodeStatus, result: &ScanResult) -> bool {
    current.results.iter().any(|r| {
        r.condition == Condition::Failed
            && r.result_config_map_name.is_some()
            && r.changes_hash.is_some()
            && r.changes_hash == result.changes_hash
    })
}

#[cfg(test)]
mod tests;
