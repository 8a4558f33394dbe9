//! What this process has reported of a node. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::node_update::HoldUpdate;
use crate::api::{
    AcceptanceResult, AnnouncedResult, Baseline, CompletedRequest, FileIntegrityNodeStatus,
    RealtimeStatus, ScanMonths, ScanResult,
};
use crate::scan::change_set::ChangeSet;

/// What was reported last. It limits events about the same paths, and allows to undo what others edit
/// in the status. It is lost with the process: then there may be one more event than needed, and an
/// edited result stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LastReported {
    /// The changes of the last event about changes.
    pub(super) changes: Option<Box<ChangeSet>>,
    /// Time of the last event about paths that were reported before.
    pub(super) repeated_at: Option<Timestamp>,
    /// Number of results since then for which no event was created.
    pub(super) suppressed: u32,
    pub(super) baseline: Option<Baseline>,
    pub(super) reinit: Option<CompletedRequest>,
    pub(super) scan: Option<CompletedRequest>,
    pub(super) hold: Option<HoldUpdate>,
    pub(super) acceptance: Option<AcceptanceResult>,
    /// None before the status was read for the first time.
    pub(super) announced: Option<Vec<AnnouncedResult>>,
    pub(super) realtime: Option<RealtimeStatus>,
    pub(super) last_full_scan: Option<Time>,
    pub(super) scan_months: ScanMonths,
    /// None before the status was read for the first time.
    pub(super) known: Option<KnownResults>,
    /// The failure log is not that of the newest failed result: the API server has refused it, or it is
    /// written later.
    pub(super) is_log_outdated: bool,
}

/// The results before the first write, or after the last answered write. They are not read again: if an answer is
/// lost, the same decision must be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct KnownResults {
    /// The newest result, with its changes.
    pub(super) last: Option<ScanResult>,
    /// The newest result of each condition.
    pub(super) results: Vec<ScanResult>,
}

impl LastReported {
    /// Takes the results of the status when it is read for the first time.
    pub(crate) fn begin_with(&mut self, current: &FileIntegrityNodeStatus) {
        if self.known.is_some() {
            return;
        }
        self.known = Some(KnownResults {
            last: current.last_result.clone(),
            results: newest_of_each(&current.results),
        });
        self.last_full_scan.clone_from(&current.last_full_scan);
        self.scan_months = current.scan_months.clone();
    }
}

impl KnownResults {
    /// `at`, or the first time after all known results: if a clock was set back, a newer result must
    /// not look older.
    pub(super) fn not_before(&self, at: Time) -> Time {
        let known = self.last.iter().chain(&self.results);
        match known.map(|result| result.last_probe_time.0).max() {
            Some(last) if at.0 <= last => {
                // Without a later time, as somebody has written the last possible one, the clock is used.
                let next = last.checked_add(SignedDuration::from_secs(1));
                Time(next.unwrap_or(at.0))
            }
            _ => at,
        }
    }
}

/// At most one result of each condition, also if somebody has added more.
fn newest_of_each(results: &[ScanResult]) -> Vec<ScanResult> {
    let mut newest: Vec<ScanResult> = Vec::new();
    for result in results {
        match newest.iter_mut().find(|r| r.condition == result.condition) {
            Some(known) if known.last_probe_time.0 < result.last_probe_time.0 => {
                known.clone_from(result);
            }
            Some(_) => {}
            None => newest.push(result.clone()),
        }
    }
    newest
}
