//! The complete known state of the node: the result of the last scan of all files, with the results of the
//! checks since. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::dirty_paths::Scope;
use crate::aide::coverage::Coverage;
use crate::aide::report::Report;
use crate::api::{Condition, Trigger, UnwatchedRule};
use crate::scan::change_set::ChangeSet;
use crate::scan::known_changes::{ComparedPart, KnownChanges};
use crate::scan::outcome::{Finding, Outcome};

/// Maximum number of differences. With more, only scans of all files report changes.
const MAX_TRACKED: usize = 50_000;

/// What is known of the node.
#[derive(Debug, Default)]
pub(crate) struct KnownState {
    /// `None` if no scan has compared all files, or if there are too many differences.
    changes: Option<KnownChanges>,
    scan: LastScan,
    /// What was checked since the scan that is running started.
    checked: Coverage,
}

/// The last scan of all files.
#[derive(Clone, Debug, Default, PartialEq)]
struct LastScan {
    /// Its result, if it is Errored: without differences it stays the state of the node.
    errored: Option<Finding>,
    files: Option<i64>,
    duration_milliseconds: Option<i64>,
    /// Checks use the configuration of the scan, so the same rules watch nothing.
    unwatched_rules: Vec<UnwatchedRule>,
}

/// What a scan of all files has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanComparison {
    /// The paths of changes that nothing has announced.
    pub(crate) missed: Vec<Vec<u8>>,
    /// Whether the state is known otherwise than the scan reports it.
    pub(crate) is_merged: bool,
}

impl KnownState {
    /// There is a new baseline, or none that can be trusted.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether checks of a part add to a complete state.
    pub(crate) fn is_complete(&self) -> bool {
        self.changes.is_some()
    }

    /// A scan of all files starts.
    pub(crate) fn scan_started(&mut self) {
        self.checked = Coverage::default();
    }

    /// What was checked since the scan that is running started.
    pub(crate) fn checked_since_scan(&self) -> Coverage {
        self.checked.clone()
    }

    /// A scan of all files has ended. `report` is what AIDE has compared; `None` after an error. `announced`
    /// is what was announced while it ran.
    pub(crate) fn scan_ended(
        &mut self,
        finding: &Finding,
        report: Option<&Report>,
        announced: Scope,
    ) -> ScanComparison {
        self.scan = LastScan {
            errored: Some(finding)
                .filter(|finding| finding.result.condition == Condition::Errored)
                .cloned(),
            files: finding.result.files_scanned.or(self.scan.files),
            duration_milliseconds: finding.result.duration_milliseconds,
            unwatched_rules: finding.result.unwatched_rules.clone(),
        };
        let checked = std::mem::take(&mut self.checked);
        let Some(report) = report else {
            return ScanComparison::default();
        };
        if report.truncated || report.omitted.is_some() || report.changes.len() > MAX_TRACKED {
            self.changes = None;
            return ScanComparison::default();
        }
        self.take(report, &unsettled(announced, checked))
    }

    fn take(&mut self, report: &Report, unsettled: &Coverage) -> ScanComparison {
        let Some(known) = &mut self.changes else {
            let mut known = KnownChanges::default();
            known.take_full(report.clone(), &Coverage::default());
            self.changes = Some(known);
            return ScanComparison::default();
        };
        let missed = known.missed(report, unsettled);
        let missed = missed.into_iter().map(<[u8]>::to_vec).collect();
        known.take_full(report.clone(), unsettled);
        ScanComparison {
            missed,
            is_merged: !unsettled.is_empty() || known.has_actors(),
        }
    }

    /// A part was checked. Returns whether the known state is another one now.
    pub(crate) fn checked(&mut self, part: &Coverage, compared: ComparedPart) -> bool {
        self.checked.extend(part);
        let Some(known) = &mut self.changes else {
            return false;
        };
        let is_changed = if compared.is_complete {
            known.take_part(compared.report, part)
        } else {
            known.take_listed(compared.report)
        };
        if known.len() > MAX_TRACKED {
            self.changes = None;
        }
        is_changed
    }

    /// The hash of the differences, if there are any.
    pub(crate) fn hash(&self) -> Option<String> {
        let known = self.changes.as_ref().filter(|known| !known.is_empty())?;
        Some(ChangeSet::new(&known.report()).hash().to_owned())
    }

    /// The differences, with their hash, if there are any.
    pub(crate) fn changes(&self) -> Option<(Report, String)> {
        let known = self.changes.as_ref().filter(|known| !known.is_empty())?;
        let report = known.report();
        let hash = ChangeSet::new(&report).hash().to_owned();
        Some((report, hash))
    }

    /// The state as a result, with the report of the changes. `None` if it is not known.
    pub(crate) fn finding(
        &self,
        trigger: Trigger,
        at: Time,
    ) -> Option<(Finding, Option<Box<Report>>)> {
        let known = self.changes.as_ref()?;
        if let (true, Some(errored)) = (known.is_empty(), &self.scan.errored) {
            let mut errored = errored.clone();
            errored.result.last_probe_time = at;
            return Some((errored, None));
        }
        let report = known.report();
        let outcome = if known.is_empty() {
            Outcome::Clean {
                files: report.total,
            }
        } else {
            Outcome::Changed(Box::new(report))
        };
        let mut finding = Finding::new(&outcome, at, Duration::ZERO);
        finding.result.trigger = Some(trigger);
        finding.result.files_scanned = self.scan.files;
        finding.result.duration_milliseconds = self.scan.duration_milliseconds;
        finding
            .result
            .unwatched_rules
            .clone_from(&self.scan.unwatched_rules);
        let report = match outcome {
            Outcome::Changed(report) => Some(report),
            Outcome::Clean { .. } | Outcome::Errored(_) => None,
        };
        Some((finding, report))
    }
}

/// Where a scan may not have seen the newest state. If anything may have changed, its report counts, except
/// where a check was newer.
fn unsettled(announced: Scope, checked: Coverage) -> Coverage {
    let mut unsettled = checked;
    if let Scope::Part(announced) = announced {
        unsettled.extend(&announced);
    }
    unsettled
}

#[cfg(test)]
mod tests;
