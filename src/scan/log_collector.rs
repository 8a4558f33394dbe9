//! Reports runs of AIDE that another program has started, as the daemon reports its own. I/O.

mod report_file;

use std::path::PathBuf;
use std::time::Duration;

use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::report_file::{ExternalReport, ReportFile};
use super::outcome::{Finding, Outcome};
use super::publish::{PublishError, Publisher};
use super::reporting::NodeUpdate;
use super::{Identity, external_run};
use crate::aide::report::ReportError;
use crate::api::{Condition, FileIntegrityNodeStatus, time};
use crate::file_error::FileError;
use crate::k8s::raw;

/// How often a file is polled that is followed or is still being written.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Why a report could not be collected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    /// A file could not be read.
    #[error(transparent)]
    ReportFile(#[from] FileError),
    /// The file with the exit status has something else.
    #[error("{} contains {text:?}, which is not an exit status", path.display())]
    NoExitStatus {
        path: PathBuf,
        text: String,
        /// Why it is not a number.
        source: std::num::ParseIntError,
    },
    /// The node status could not be read.
    #[error(
        "read FileIntegrityNodeStatus {name} in namespace {namespace}; the operator creates it for each \
         node that the FileIntegrity selects"
    )]
    NodeStatus {
        /// Name of the object.
        name: String,
        /// Namespace of the object.
        namespace: String,
        /// The answer of the API server.
        source: kube::Error,
    },
    /// The result could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// AIDE failed; this was published.
    #[error("the run was reported as Errored")]
    Errored,
}

/// AIDE's exit status of a run.
#[derive(Clone, Debug)]
pub(crate) enum ExitStatus {
    /// It is not known.
    Unknown,
    /// It is this number.
    Known(i32),
    /// This file contains it.
    File(PathBuf),
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file with AIDE's report.
    pub file: PathBuf,
    /// AIDE's exit status of that run.
    pub exit_status: ExitStatus,
    /// Maximum time to wait until a report is complete.
    pub timeout: Duration,
    /// Prefix of the paths in the report that is not part of the node's paths.
    pub host_root: String,
}

/// Collects the reports in one file.
#[derive(Debug)]
pub(crate) struct Collector {
    file: ReportFile,
    settings: Settings,
    identity: Identity,
    statuses: Api<FileIntegrityNodeStatus>,
    publisher: Publisher,
}

impl Collector {
    /// A collector that has collected nothing yet. `reporter` is the pod or host, for events.
    pub(crate) fn new(
        settings: Settings,
        client: &Client,
        identity: Identity,
        reporter: String,
    ) -> Self {
        Self {
            file: ReportFile::new(settings.file.clone(), settings.host_root.clone()),
            settings,
            statuses: Api::namespaced(client.clone(), &identity.namespace),
            publisher: Publisher::new(client, identity.clone(), reporter),
            identity,
        }
    }

    /// Reports the file's report once it is complete. A run that failed is an error, too.
    pub(crate) async fn collect_once(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<(), CollectError> {
        match self.collect(stop).await? {
            Condition::Errored => Err(CollectError::Errored),
            Condition::Succeeded | Condition::Failed => Ok(()),
        }
    }

    /// Reports each new report in the file, until stopped.
    pub(crate) async fn follow(&mut self, stop: &CancellationToken) {
        let mut reported = None;
        while !stop.is_cancelled() {
            let version = self.file.version();
            if version.is_some() && version != reported {
                match self.collect(stop).await {
                    Ok(_) => reported = version,
                    Err(error) => {
                        let error = crate::error_chain(&error);
                        tracing::warn!(error, "failed to collect the report; retrying");
                    }
                }
            }
            pause(stop).await;
        }
    }

    async fn collect(&mut self, stop: &CancellationToken) -> Result<Condition, CollectError> {
        let ExternalReport { report, is_json } = self.complete_report(stop).await?;
        let outcome = external_run::outcome(self.exit_status()?, report);
        let log = match &outcome {
            Outcome::Changed(report) => {
                Some(self.file.failure_log(&self.identity, report, is_json)?)
            }
            _ => None,
        };
        let finding = Finding::new(&outcome, time::now(), Duration::ZERO);
        let condition = finding.result.condition;
        let current = self.node_status().await?;
        let update = NodeUpdate {
            finding: Some(finding),
            ..NodeUpdate::default()
        };
        self.publisher
            .publish(&current, &update, log.as_ref())
            .await?;
        let status = self.identity.node_status();
        tracing::info!(%condition, status, "reported");
        Ok(condition)
    }

    async fn node_status(&self) -> Result<FileIntegrityNodeStatus, CollectError> {
        let name = self.identity.node_status();
        let read = raw::get(&self.statuses, &name).await;
        read.map_err(|source| CollectError::NodeStatus {
            name,
            namespace: self.identity.namespace.clone(),
            source,
        })
    }

    /// Reads the report until it is complete, the timeout is over, or `stop`.
    async fn complete_report(&self, stop: &CancellationToken) -> Result<ExternalReport, FileError> {
        let deadline = Instant::now() + self.settings.timeout;
        loop {
            let before = self.file.version();
            let read = self.file.read()?;
            let is_unchanged = self.file.version() == before;
            if (self.is_complete(&read) && is_unchanged)
                || Instant::now() >= deadline
                || stop.is_cancelled()
            {
                return Ok(read);
            }
            pause(stop).await;
        }
    }

    /// A quiet AIDE writes nothing if there are no changes: then only the exit status shows that it has
    /// ended.
    fn is_complete(&self, read: &ExternalReport) -> bool {
        match &read.report {
            Ok(report) => !report.truncated,
            Err(ReportError::Empty) => matches!(self.settings.exit_status, ExitStatus::Known(_)),
            Err(_) => false,
        }
    }

    fn exit_status(&self) -> Result<Option<i32>, CollectError> {
        let path = match &self.settings.exit_status {
            ExitStatus::Unknown => return Ok(None),
            ExitStatus::Known(status) => return Ok(Some(*status)),
            ExitStatus::File(path) => path,
        };
        let text = report_file::read_text(path)?;
        let text = text.trim();
        let status = text.parse().map_err(|source| CollectError::NoExitStatus {
            path: path.clone(),
            text: text.to_owned(),
            source,
        })?;
        Ok(Some(status))
    }
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(POLL_INTERVAL) => {}
        () = stop.cancelled() => {}
    }
}
