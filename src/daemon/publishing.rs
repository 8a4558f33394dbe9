//! Turns actions of the state machine into updates for the outbox, and writes the change log. I/O.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::known_status::KnownStatus;
use super::outbox::Item;
use super::runner::{Completed, Runner};
use crate::aide::database::DatabaseError;
use crate::api::{Baseline, Condition, Reinit, ScanResult, time};
use crate::scan::event::EventMessage;
use crate::scan::outcome::{Finding, Outcome, ScanError};
use crate::scan::reporting::NodeUpdate;

/// Publishes what the state machine requests.
pub(super) struct Publishing {
    items: mpsc::UnboundedSender<Item>,
    runner: Runner,
    status: watch::Receiver<KnownStatus>,
    /// Hash of the changes that were last written to the change log, empty if the last scan had none.
    /// None before the first scan.
    logged: Option<String>,
}

impl Publishing {
    pub(super) fn new(
        items: mpsc::UnboundedSender<Item>,
        runner: Runner,
        status: watch::Receiver<KnownStatus>,
    ) -> Self {
        Self {
            items,
            runner,
            status,
            logged: None,
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
        self.write_change_log(result, completed.change_log);
        let update = NodeUpdate {
            finding: Some(finding),
            scanned_digest: digest,
            ..NodeUpdate::default()
        };
        self.send(update, completed.log);
    }

    /// Writes the change log of a failed scan to standard output, unless the scan before had the same
    /// changes.
    fn write_change_log(&mut self, result: &ScanResult, lines: Option<String>) {
        let before = self.logged.take().unwrap_or_else(|| {
            let known = self.status.borrow();
            let last = known.status.as_ref().and_then(|s| s.last_result.as_ref());
            let hash = last.and_then(|last| last.changes_hash.clone());
            hash.unwrap_or_default()
        });
        let now = match result.condition {
            Condition::Errored => before.clone(),
            Condition::Failed | Condition::Succeeded => {
                result.changes_hash.clone().unwrap_or_default()
            }
        };
        if let Some(lines) = lines.filter(|_| now != before)
            && let Err(error) = std::io::stdout().write_all(lines.as_bytes())
        {
            tracing::warn!(%error, "failed to write the change log to standard output");
        }
        self.logged = Some(now);
    }

    /// Publishes the baseline that was created, or the one on the disk.
    pub(super) fn baseline(
        &self,
        completed: Option<Completed>,
        request: Option<String>,
        event: Option<EventMessage>,
    ) -> Result<(), DatabaseError> {
        let started_at = completed
            .as_ref()
            .map_or_else(time::now, |completed| completed.started_at.clone());
        let created = completed.and_then(|completed| completed.baseline);
        let baseline = match created {
            Some(created) => Some(created),
            None => self.runner.baseline_on_disk()?,
        };
        if let Some(baseline) = &baseline {
            log(baseline);
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
    pub(super) fn error(&self, error: ScanError, event: Option<EventMessage>) {
        tracing::error!(class = %error.class, error = error.message, "no scan");
        let outcome = Outcome::Errored(error);
        let update = NodeUpdate {
            finding: Some(Finding::new(&outcome, time::now(), Duration::ZERO)),
            event,
            ..NodeUpdate::default()
        };
        self.send(update, None);
    }

    fn send(&self, update: NodeUpdate, log: Option<Value>) {
        // The receiver is kept until this sender is dropped.
        self.items.send(Item { update, log }).ok();
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
