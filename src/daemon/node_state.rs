//! The node status as the daemon observes it: what the operator requests, and what this node has
//! reported. Pure.

use crate::api::{
    AcceptanceResult, Baseline, Condition, DesiredNodeState, FileIntegrityNodeStatus, NodeHold,
    ScanResult,
};

/// What the daemon reads in its node status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedStatus {
    /// What the operator requests.
    pub desired: DesiredNodeState,
    /// Id of the newest request for re-initialization that was reported as done.
    pub reinit_done: Option<String>,
    /// Id of the newest request for an additional scan that was reported as done.
    pub scan_done: Option<String>,
    /// The holds of the spec that were reported as not over.
    pub hold: Option<NodeHold>,
    /// The newest answer to an acceptance that was reported.
    pub acceptance: Option<AcceptanceResult>,
    /// UIDs of the announced acceptances of which all changes were reported as accepted.
    pub accepted_lists: Vec<String>,
    /// The baseline that was reported.
    pub baseline: Option<ReportedBaseline>,
    /// Counts and failure log of the newest result that is not Errored, if it is Failed.
    pub open_failure: Option<String>,
}

/// A baseline as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedBaseline {
    /// sha256 of the database, in hexadecimal digits.
    pub digest: String,
    /// Hash of the configuration that it was created with.
    pub config_hash: String,
    /// The state directory of the database, if it was reported.
    pub state_dir: Option<String>,
    /// Whether somebody requested it.
    pub requested: bool,
}

impl From<&FileIntegrityNodeStatus> for ObservedStatus {
    fn from(status: &FileIntegrityNodeStatus) -> Self {
        Self {
            desired: status.desired(),
            reinit_done: status.reinit.as_ref().map(|reinit| reinit.id.clone()),
            scan_done: status.scan.as_ref().map(|scan| scan.id.clone()),
            hold: status.hold.clone(),
            acceptance: status.acceptance.clone(),
            accepted_lists: accepted_lists(status),
            baseline: status.baseline.as_ref().map(ReportedBaseline::from),
            open_failure: open_failure(status),
        }
    }
}

impl From<&Baseline> for ReportedBaseline {
    fn from(baseline: &Baseline) -> Self {
        Self {
            digest: baseline.digest.clone(),
            config_hash: baseline.config_hash.clone(),
            state_dir: baseline.state_dir.clone(),
            requested: baseline.requested,
        }
    }
}

fn accepted_lists(status: &FileIntegrityNodeStatus) -> Vec<String> {
    let accepted = status.announced.iter().filter(|it| it.remaining == 0);
    accepted.map(|it| it.uid.clone()).collect()
}

fn open_failure(status: &FileIntegrityNodeStatus) -> Option<String> {
    let last = status.last_result.iter();
    let mut results: Vec<&ScanResult> = last.chain(&status.results).collect();
    results.retain(|result| result.condition != Condition::Errored);
    // The last result is the first one, and of equal times the first one counts.
    let newest = results
        .into_iter()
        .rev()
        .max_by_key(|result| result.last_probe_time.0)?;
    (newest.condition == Condition::Failed).then(|| {
        let log = match (
            &newest.result_config_map_namespace,
            &newest.result_config_map_name,
        ) {
            (Some(namespace), Some(name)) => format!(" log:{namespace}/{name}"),
            _ => String::new(),
        };
        format!(
            "a:{},c:{},r:{}{log}",
            newest.files_added, newest.files_changed, newest.files_removed
        )
    })
}

#[cfg(test)]
mod tests;
