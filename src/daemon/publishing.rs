//! Turns actions of the state machine into updates for the outbox, and into lines for log shippers. I/O.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::lines::Lines;
use super::machine::ExecutedAcceptance;
use super::outbox::Item;
use super::runner::{Completed, Runner};
use crate::aide::database::DatabaseError;
use crate::api::{
    AcceptanceRequest, Baseline, CompletedRequest, NodeHold, RealtimeStatus, Trigger, time,
};
use crate::scan::acceptance::{self, Refusal};
use crate::scan::event::EventMessage;
use crate::scan::outcome::{Finding, ScanError};
use crate::scan::output::{EndedScan, HeldBy};
use crate::scan::reporting::{HoldUpdate, NodeUpdate};

/// Publishes what the state machine requests.
pub(super) struct Publishing {
    items: mpsc::UnboundedSender<Item>,
    runner: Runner,
    lines: Lines,
    /// Digest of the baseline that was published last.
    baseline: Option<String>,
    /// The state of realtime detection.
    realtime: RealtimeStatus,
    /// What holds the node; None if that is not known.
    hold: Option<HoldUpdate>,
    /// Announces the report of a new baseline.
    reports: Arc<Notify>,
}

impl Publishing {
    pub(super) fn new(
        items: mpsc::UnboundedSender<Item>,
        runner: Runner,
        lines: Lines,
        realtime: RealtimeStatus,
        reports: Arc<Notify>,
    ) -> Self {
        Self {
            reports,
            realtime,
            hold: None,
            items,
            runner,
            lines,
            baseline: None,
        }
    }

    /// The state of realtime detection, which is published with all updates from now on.
    pub(super) fn set_realtime(&mut self, status: RealtimeStatus) {
        self.realtime = status;
    }

    /// Publishes the state of realtime detection.
    pub(super) fn realtime(&self) {
        let state = self.realtime.state.as_str();
        let message = self.realtime.message.as_deref();
        tracing::info!(state, message, "realtime detection");
        self.send(NodeUpdate::default(), None);
    }

    /// What holds the node, which is published with all updates from now on.
    pub(super) fn set_hold(&mut self, hold: Option<NodeHold>) {
        self.hold = Some(hold.into());
    }

    /// Publishes what holds the node.
    pub(super) fn hold(&self) {
        self.send(NodeUpdate::default(), None);
    }

    /// Publishes the result of a scan, and the request that it has done.
    pub(super) fn scan(
        &mut self,
        completed: Completed,
        digest: Option<String>,
        request: Option<String>,
    ) {
        self.report_scan(&completed, digest.as_deref());
        let Some(finding) = completed.finding else {
            return;
        };
        let scan = request.map(|id| done(id, completed.started_at));
        let update = NodeUpdate {
            finding: Some(finding),
            scanned_digest: digest,
            scan,
            announced: completed.announced,
            ..NodeUpdate::default()
        };
        self.send(update, completed.log);
    }

    /// Publishes the baseline that accepts announced changes, the result of its run, which is what is left, and the
    /// requested scan that it has done: one request.
    pub(super) fn accepted_part(
        &mut self,
        mut completed: Completed,
        request: Option<String>,
    ) -> Result<(), DatabaseError> {
        let Some(baseline) = self.report_baseline(completed.baseline.take())? else {
            return Ok(());
        };
        self.report_scan(&completed, Some(&baseline.digest));
        let update = NodeUpdate {
            finding: completed.finding,
            scanned_digest: Some(baseline.digest.clone()),
            scan: request.map(|id| done(id, completed.started_at)),
            announced: completed.announced,
            baseline: Some(baseline),
            ..NodeUpdate::default()
        };
        self.send(update, completed.log);
        Ok(())
    }

    /// Writes the lines of the result of a scan.
    fn report_scan(&mut self, completed: &Completed, digest: Option<&str>) {
        let Some(finding) = &completed.finding else {
            return;
        };
        let result = &finding.result;
        tracing::info!(
            condition = %result.condition,
            added = result.files_added,
            changed = result.files_changed,
            removed = result.files_removed,
            files = result.files_scanned,
            milliseconds = result.duration_milliseconds,
            error = result.error_message,
            scan = completed.scan,
            "{}",
            match result.trigger {
                Some(Trigger::Event) => "changed files were checked",
                Some(Trigger::Scan) | None => "scan finished",
            }
        );
        self.lines.scan(EndedScan {
            id: &completed.scan,
            result,
            report: completed.report.as_deref().filter(|report| report.differs),
            event: None,
            is_with_baseline: self.is_baseline(digest),
        });
    }

    /// Whether the database with this digest is the baseline, as far as this process knows.
    fn is_baseline(&self, digest: Option<&str>) -> bool {
        let known = self.baseline.clone();
        let known = known.or_else(|| self.lines.reported_baseline());
        digest.is_some() && digest == known.as_deref()
    }

    /// Publishes the baseline that was created, or the one on the disk.
    pub(super) fn baseline(
        &mut self,
        completed: Option<Completed>,
        request: Option<String>,
        event: Option<EventMessage>,
    ) -> Result<(), DatabaseError> {
        let started_at = completed
            .as_ref()
            .map_or_else(time::now, |completed| completed.started_at.clone());
        let created = completed.and_then(|completed| completed.baseline);
        let baseline = self.report_baseline(created)?;
        if let Some(event) = &event {
            self.lines.event(event);
        }
        let update = NodeUpdate {
            baseline,
            reinit: request.map(|id| done(id, started_at)),
            event,
            ..NodeUpdate::default()
        };
        self.send(update, None);
        Ok(())
    }

    /// Writes the lines of the baseline that was created, or else of the one on the disk, and returns it.
    fn report_baseline(
        &mut self,
        created: Option<Baseline>,
    ) -> Result<Option<Baseline>, DatabaseError> {
        let baseline = match created {
            Some(created) => Some(created),
            None => self.runner.baseline_on_disk()?,
        };
        if let Some(baseline) = &baseline {
            // A daemon that was killed before it published the baseline may not have written this
            // line either. If it has, this one has the same id.
            self.lines.baseline_created(baseline);
            log(baseline);
            self.baseline = Some(baseline.digest.clone());
            self.reports.notify_one();
        }
        Ok(baseline)
    }

    /// Publishes the baseline that was created for an acceptance, or the one on the disk, together with the answer and the
    /// result of the run: one request.
    pub(super) fn accepted(
        &mut self,
        mut completed: Option<Completed>,
        request: &AcceptanceRequest,
    ) -> Result<(), DatabaseError> {
        let created = completed.as_mut().and_then(|it| it.baseline.take());
        let Some(baseline) = self.report_baseline(created)? else {
            return Ok(());
        };
        if let Some(completed) = &completed {
            self.report_scan(completed, Some(&baseline.digest));
        }
        let update = NodeUpdate {
            finding: completed.and_then(|completed| completed.finding),
            scanned_digest: Some(baseline.digest.clone()),
            acceptance: Some(acceptance::accepted(request, &baseline, time::now())),
            baseline: Some(baseline),
            ..NodeUpdate::default()
        };
        self.send(update, None);
        Ok(())
    }

    /// Publishes the baseline on the disk, which was created for an acceptance that is not requested any more. It was
    /// accepted in time, and is reported so, but counts as unrequested.
    pub(super) fn withdrawn(
        &mut self,
        executed: &ExecutedAcceptance,
        event: EventMessage,
    ) -> Result<(), DatabaseError> {
        let baseline = self.runner.mark_unrequested()?;
        let Some(baseline) = self.report_baseline(baseline)? else {
            return Ok(());
        };
        self.lines.event(&event);
        let answer = acceptance::executed(&executed.name, &executed.uid, &baseline);
        let update = NodeUpdate {
            acceptance: Some(answer),
            baseline: Some(baseline),
            event: Some(event),
            ..NodeUpdate::default()
        };
        self.send(update, None);
        Ok(())
    }

    /// Publishes that an acceptance was refused, and the result of its run if there was one. `digest` is that of the
    /// baseline.
    pub(super) fn refused(
        &mut self,
        completed: Option<Completed>,
        request: &AcceptanceRequest,
        refusal: &Refusal,
        digest: Option<String>,
    ) {
        let (reason, message) = (refusal.reason.as_str(), &refusal.message);
        tracing::warn!(
            acceptance = request.name,
            reason,
            message,
            "acceptance refused"
        );
        let event = refusal.event(&self.runner.identity.node, request);
        self.lines.event(&event);
        if let Some(completed) = &completed {
            self.report_scan(completed, digest.as_deref());
        }
        let (finding, log) = completed.map_or((None, None), |it| (it.finding, it.log));
        let update = NodeUpdate {
            scanned_digest: digest.clone().filter(|_| finding.is_some()),
            finding,
            acceptance: Some(acceptance::refused(request, refusal, digest, time::now())),
            event: Some(event),
            ..NodeUpdate::default()
        };
        self.send(update, log);
    }

    /// Publishes the baseline on the disk again.
    pub(super) fn status_again(&self) {
        let baseline_on_disk = self.runner.baseline_on_disk().unwrap_or_else(|error| {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to read the baseline");
            None
        });
        let update = NodeUpdate {
            baseline_on_disk,
            ..NodeUpdate::default()
        };
        self.send(update, None);
    }

    /// Publishes that there is no scan.
    pub(super) fn error(&mut self, error: ScanError, event: Option<EventMessage>) {
        tracing::error!(class = %error.class, error = error.message, "no scan");
        let finding = Finding::not_scanned(error, time::now());
        self.lines.not_scanned(&finding, event.as_ref());
        let update = NodeUpdate {
            finding: Some(finding),
            event,
            ..NodeUpdate::default()
        };
        self.send(update, None);
    }

    /// Publishes an event that comes with nothing else.
    pub(super) fn event(&mut self, event: EventMessage) {
        self.lines.event(&event);
        let update = NodeUpdate {
            event: Some(event),
            ..NodeUpdate::default()
        };
        self.send(update, None);
    }

    /// Writes that scans are held.
    pub(super) fn hold_started(&mut self, by: &HeldBy) {
        tracing::info!(?by, "scans are held");
        self.lines.hold_started(by);
    }

    /// Writes that scans are not held any more.
    pub(super) fn hold_ended(&mut self) {
        tracing::info!("scans continue");
        self.lines.hold_ended();
    }

    fn send(&self, update: NodeUpdate, log: Option<Value>) {
        let update = NodeUpdate {
            realtime: Some(self.realtime.clone()),
            hold: self.hold.clone(),
            ..update
        };
        // The receiver is kept until this sender is dropped.
        self.items.send(Item { update, log }).ok();
    }
}

/// A request that is done now.
fn done(id: String, started_at: Time) -> CompletedRequest {
    CompletedRequest {
        id,
        started_at,
        finished_at: time::now(),
    }
}

fn log(baseline: &Baseline) {
    tracing::info!(
        digest = baseline.digest,
        entries = baseline.entries,
        requested = baseline.requested,
        "baseline"
    );
}
