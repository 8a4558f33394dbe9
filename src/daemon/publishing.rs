//! Turns actions of the state machine into updates for the outbox, and into lines for log shippers. I/O.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::known_status::KnownStatus;
use super::outbox::Item;
use super::runner::{Completed, Runner};
use crate::aide::database::DatabaseError;
use crate::api::{Baseline, HoldReason, Reinit, time};
use crate::scan::event::EventMessage;
use crate::scan::outcome::{Finding, Outcome, ScanError};
use crate::scan::output::{EndedScan, Output};
use crate::scan::reporting::NodeUpdate;

/// Publishes what the state machine requests.
pub(super) struct Publishing {
    items: mpsc::UnboundedSender<Item>,
    runner: Runner,
    status: watch::Receiver<KnownStatus>,
    output: Output,
    /// Digest of the baseline that was published last.
    baseline: Option<String>,
}

impl Publishing {
    pub(super) fn new(
        items: mpsc::UnboundedSender<Item>,
        runner: Runner,
        status: watch::Receiver<KnownStatus>,
        output: Output,
    ) -> Self {
        Self {
            items,
            runner,
            status,
            output,
            baseline: None,
        }
    }

    /// Publishes the result of a scan.
    pub(super) fn scan(&mut self, completed: Completed, digest: Option<String>) {
        let Some(finding) = completed.finding else {
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
            "scan finished"
        );
        self.write_scan(EndedScan {
            id: &completed.scan,
            result,
            report: completed.report.as_deref(),
            event: None,
            is_with_baseline: self.is_baseline(digest.as_deref()),
        });
        let update = NodeUpdate {
            finding: Some(finding),
            scanned_digest: digest,
            ..NodeUpdate::default()
        };
        self.send(update, completed.log);
    }

    /// Whether the database with this digest is the baseline, as far as this process knows.
    fn is_baseline(&self, digest: Option<&str>) -> bool {
        let known = self.status.borrow();
        let reported = known.status.as_ref().and_then(|it| it.baseline.as_ref());
        let reported = reported.map(|baseline| baseline.digest.as_str());
        digest.is_some() && digest == self.baseline.as_deref().or(reported)
    }

    fn write_scan(&mut self, scan: EndedScan<'_>) {
        let known = self.status.borrow();
        let lines = self.output.scan(scan, known.status.as_ref());
        // The writer may wait for its reader.
        drop(known);
        for line in &lines {
            write(line);
        }
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
        if let Some(created) = &created {
            write(&self.output.baseline_created(created));
        }
        self.write_event(event.as_ref());
        let baseline = match created {
            Some(created) => Some(created),
            None => self.runner.baseline_on_disk()?,
        };
        if let Some(baseline) = &baseline {
            log(baseline);
            self.baseline = Some(baseline.digest.clone());
        }
        let update = NodeUpdate {
            baseline,
            reinit: request.map(|id| Reinit {
                id,
                started_at,
                finished_at: time::now(),
            }),
            event,
            ..NodeUpdate::default()
        };
        self.send(update, None);
        Ok(())
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
        let outcome = Outcome::Errored(error);
        let finding = Finding::new(&outcome, time::now(), Duration::ZERO);
        self.write_scan(EndedScan {
            id: "",
            result: &finding.result,
            report: None,
            event: event.as_ref(),
            is_with_baseline: false,
        });
        let update = NodeUpdate {
            finding: Some(finding),
            event,
            ..NodeUpdate::default()
        };
        self.send(update, None);
    }

    /// Writes that scans are held.
    pub(super) fn hold_started(&self, reason: &HoldReason) {
        tracing::info!(?reason, "scans are held");
        write(&self.output.hold_started(reason, &time::now()));
    }

    /// Writes that scans are not held any more.
    pub(super) fn hold_ended(&self) {
        tracing::info!("scans continue");
        write(&self.output.hold_ended(&time::now()));
    }

    fn write_event(&self, event: Option<&EventMessage>) {
        if let Some(event) = event {
            write(&self.output.event(event, &time::now()));
        }
    }

    fn send(&self, update: NodeUpdate, log: Option<Value>) {
        // The receiver is kept until this sender is dropped.
        self.items.send(Item { update, log }).ok();
    }
}

/// Writes lines for log shippers to standard output.
fn write(lines: &str) {
    if let Err(error) = std::io::stdout().write_all(lines.as_bytes()) {
        tracing::warn!(%error, "failed to write to standard output");
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
