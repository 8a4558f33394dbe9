//! Writes the lines for log shippers. I/O.

use std::io::Write;

use tokio::sync::watch;

use super::known_status::KnownStatus;
use crate::api::{Baseline, time};
use crate::scan::event::EventMessage;
use crate::scan::outcome::Finding;
use crate::scan::output::{EndedScan, HeldBy, Output};

/// The lines of this process.
pub(super) struct Lines {
    output: Output,
    status: watch::Receiver<KnownStatus>,
    writer: Box<dyn Write + Send>,
}

impl Lines {
    /// No lines yet. `status` has what the process before has reported.
    pub(super) fn new(
        output: Output,
        status: watch::Receiver<KnownStatus>,
        writer: impl Write + Send + 'static,
    ) -> Self {
        Self {
            output,
            status,
            writer: Box::new(writer),
        }
    }

    /// Writes the lines of a scan.
    pub(super) fn scan(&mut self, scan: EndedScan<'_>) {
        let known = self.status.borrow();
        let lines = self.output.scan(scan, known.status.as_ref());
        // The writer may wait for its reader.
        drop(known);
        for line in &lines {
            self.write(line);
        }
    }

    /// Writes the error of a scan that did not begin, with the event that the daemon creates.
    pub(super) fn not_scanned(&mut self, finding: &Finding, event: Option<&EventMessage>) {
        self.scan(EndedScan {
            id: "",
            result: &finding.result,
            report: None,
            event,
            is_with_baseline: false,
        });
    }

    /// Digest of the baseline in the node status.
    pub(super) fn reported_baseline(&self) -> Option<String> {
        let known = self.status.borrow();
        let baseline = known.status.as_ref()?.baseline.as_ref()?;
        Some(baseline.digest.clone())
    }

    /// Writes the line of a new baseline, and that of what it accepted.
    pub(super) fn baseline_created(&mut self, baseline: &Baseline) {
        let created = self.output.baseline_created(baseline);
        let accepted = self.output.changes_accepted(baseline);
        for line in [created].into_iter().chain(accepted) {
            self.write(&line);
        }
    }

    pub(super) fn event(&mut self, event: &EventMessage) {
        let line = self.output.event(event, &time::now());
        self.write(&line);
    }

    pub(super) fn hold_started(&mut self, by: &HeldBy) {
        let line = self.output.hold_started(by, &time::now());
        self.write(&line);
    }

    pub(super) fn hold_ended(&mut self) {
        let line = self.output.hold_ended(&time::now());
        self.write(&line);
    }

    fn write(&mut self, line: &str) {
        if let Err(error) = self.writer.write_all(line.as_bytes()) {
            tracing::warn!(%error, "failed to write to standard output");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
