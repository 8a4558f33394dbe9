//! One run of AIDE with this node's configuration: attempts, limits, and what they mean. I/O.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::context::Runner;
use super::disk_space;
use super::error::RunnerError;
use super::report_files::{self, ReportFiles};
use crate::aide::command::{self, Aide, ExtraConfig, Mode, RunError};
use crate::aide::config::{RunOptions, Unwatched};
use crate::aide::exit::{self, AideError, CheckStatus};
use crate::aide::report::Report;
use crate::aide::stderr::{Class, Stderr};
use crate::api::{ErrorClass, UnwatchedRule};
use crate::daemon::node_config::{self, AideQuery, NodeConfig};
use crate::file_error::FileError;
use crate::scan::outcome::ScanError;

/// Maximum attempts when AIDE skips files.
const MAX_ATTEMPTS: u32 = 4;

/// A run of AIDE that is prepared.
#[derive(Debug)]
pub(super) struct AideRun<'a> {
    runner: &'a Runner,
    config: NodeConfig,
    unwatched: Vec<Unwatched>,
    /// Maximum bytes of a report.
    report_limit: u64,
    cancel: &'a CancellationToken,
}

/// A database that AIDE has written.
#[derive(Debug)]
pub(super) struct NewDatabase {
    /// Number of files in it.
    pub(super) entries: u64,
    /// Files whose content it lacks, as they were written while AIDE read them.
    pub(super) unread: Option<String>,
}

/// How a check ended that compared something.
#[derive(Clone, Copy, Debug)]
pub(super) enum CheckEnd {
    Complete(CheckStatus),
    /// AIDE was terminated since its report exceeded this number of bytes.
    ReportTooLarge {
        limit: u64,
    },
}

/// How an update ended.
#[derive(Debug)]
pub(super) enum UpdateEnd {
    /// AIDE has compared, and written a new database.
    Written(Update),
    /// AIDE was terminated since one of its files exceeded this number of bytes.
    TooLarge { limit: u64 },
    /// AIDE failed. The old database may be the reason.
    Failed(ScanError),
}

/// A comparison that has written a new database.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) status: CheckStatus,
    /// Files whose content the new database lacks, as they were written while AIDE read them.
    pub(super) unread: Option<String>,
}

/// What a comparison of two databases has found.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) status: CheckStatus,
    pub(super) report: Report,
}

/// The attempt that counts.
struct Attempt {
    check: CheckStatus,
    stderr: Stderr,
}

impl<'a> AideRun<'a> {
    /// Prepares a run: removes the files of an unfinished one, and creates the configuration for this node.
    /// The marker exists.
    pub(super) async fn prepare(
        runner: &'a Runner,
        config: &Path,
        cancel: &'a CancellationToken,
    ) -> Result<Self, RunnerError> {
        runner.state.clear_unfinished()?;
        let report_limit = disk_space::report_limit(runner);
        let extra = extra_config(runner);
        let query = AideQuery {
            aide: &runner.aide,
            extra: &extra,
            host_root: &runner.host_root,
            cancel,
        };
        let timeout = runner.aide.stall_limit().unwrap_or(node_config::TIMEOUT);
        let timeout = timeout.min(node_config::TIMEOUT);
        let mut prepared =
            NodeConfig::create(config, &runner.work_dir, &runner.host_root, timeout).await?;
        let unwatched = prepared.verify(config, &runner.verified, query).await?;
        Ok(Self {
            runner,
            config: prepared,
            unwatched,
            report_limit,
            cancel,
        })
    }

    /// Rules that watch nothing on this node because of symbolic links.
    pub(super) fn unwatched_rules(&self) -> Vec<UnwatchedRule> {
        node_config::listed(&self.unwatched)
    }

    /// The configuration for this node.
    pub(super) fn configuration(&self) -> Result<Arc<str>, FileError> {
        let path = &self.config.path;
        let text = fs::read_to_string(path).map_err(FileError::on("read", path))?;
        Ok(text.into())
    }

    /// Writes a new database.
    pub(super) async fn init(&self) -> Result<NewDatabase, RunnerError> {
        let attempt = self.run(&self.runner.aide, Mode::Init).await?;
        if let CheckStatus::Error(error) = attempt.check {
            return Err(RunnerError::Scan(self.not_written(error, &attempt)));
        }
        let report = ReportFiles::of(self.runner).read_json()?;
        require_entries(&report)?;
        let unread = attempt.stderr.changing.summary();
        Ok(NewDatabase {
            entries: report.total,
            unread,
        })
    }

    /// Compares the node with the database.
    pub(super) async fn check(&self) -> Result<CheckEnd, RunnerError> {
        let aide = self.runner.aide.clone();
        let aide = aide.writing_at_most(self.report_limit);
        let attempt = self.run(&aide, Mode::Check).await?;
        match attempt.check {
            CheckStatus::Error(AideError::Signal(exit::SIGXFSZ)) => Ok(CheckEnd::ReportTooLarge {
                limit: self.report_limit,
            }),
            CheckStatus::Error(error) => Err(RunnerError::Scan(self.scan_error(error, &attempt))),
            status => Ok(CheckEnd::Complete(status)),
        }
    }

    /// Compares the node with the database, and writes a new one.
    pub(super) async fn update(&self) -> Result<UpdateEnd, RunnerError> {
        let limit = disk_space::update_limit(self.runner, self.report_limit);
        let aide = self.runner.aide.clone().writing_at_most(limit);
        let attempt = match self.run(&aide, Mode::Update).await {
            // It takes longer than an initialization.
            Err(RunnerError::Run(RunError::Hung(hang))) if !hang.stalled => {
                let error = ScanError::new(ErrorClass::Hung, RunError::Hung(hang).to_string());
                return Ok(UpdateEnd::Failed(error));
            }
            attempt => attempt?,
        };
        Ok(match attempt.check {
            CheckStatus::Error(AideError::Signal(exit::SIGXFSZ)) => UpdateEnd::TooLarge { limit },
            CheckStatus::Error(error) => UpdateEnd::Failed(self.not_written(error, &attempt)),
            status => UpdateEnd::Written(Update {
                status,
                unread: attempt.stderr.changing.summary(),
            }),
        })
    }

    /// Compares two databases, without looking at the files. The reports are in `dir`. Any warning is an error: AIDE may
    /// have skipped an entry.
    pub(super) async fn compare(
        &self,
        old: &Path,
        new: &Path,
        dir: &Path,
    ) -> Result<Compared, RunnerError> {
        fs::create_dir_all(dir).map_err(FileError::on("create", dir))?;
        let files = ReportFiles::in_dir(self.runner, dir);
        files.remove_json()?;
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut options = RunOptions::new(self.runner.state.path(), files.json(), 0);
        options.database_in = path(old);
        options.database_new = Some(path(new));
        options.plain_report = path(&files.plain());
        let aide = self.runner.aide.clone().writing_at_most(self.report_limit);
        let extra = ExtraConfig::of(&options);
        let ended = aide
            .run(Mode::Compare, &self.config.path, &extra, self.cancel)
            .await?;
        let attempt = Attempt {
            check: check_status(Mode::Compare, &ended),
            stderr: ended.stderr,
        };
        if let CheckStatus::Error(error) = attempt.check {
            return Err(RunnerError::Scan(self.scan_error(error, &attempt)));
        }
        let stderr = &attempt.stderr;
        let classes = [&stderr.skipped, &stderr.changing, &stderr.others];
        if let Some(warning) = classes.into_iter().find_map(Class::summary) {
            let message = format!("AIDE warns about a database: {warning}");
            return Err(RunnerError::Scan(ScanError::new(
                ErrorClass::Database,
                message,
            )));
        }
        let host_root = &self.runner.host_root;
        Ok(Compared {
            status: attempt.check,
            report: report_files::read(files.json(), host_root)?,
        })
    }

    /// Runs AIDE until it has read everything. If files or directories change, AIDE skips them or their
    /// content, so it runs again; if that does not help, the run has failed. A file that is written
    /// continuously does not prevent a baseline, but then a scan without changes is Errored.
    async fn run(&self, aide: &Aide, mode: Mode) -> Result<Attempt, RunnerError> {
        let mut skipped = String::new();
        for number in 1..=MAX_ATTEMPTS {
            let attempt = self.attempt(aide, mode).await?;
            let stderr = &attempt.stderr;
            if let Some(warnings) = stderr.others.summary() {
                tracing::debug!(warnings, "AIDE warns");
            }
            let changing = stderr.changing.summary();
            let counts = counts_changing(mode, attempt.check, number);
            let in_the_way = changing.clone().filter(|_| !counts);
            let Some(files) = stderr.skipped.summary().or(in_the_way) else {
                if let Some(files) = changing {
                    tracing::warn!(
                        files,
                        "files were written while AIDE read them; their content is not compared"
                    );
                }
                return Ok(attempt);
            };
            skipped = files;
            tracing::info!(unread = skipped, "AIDE skipped files; running it again");
        }
        Err(RunnerError::Scan(ScanError::new(
            ErrorClass::Incomplete,
            format!("AIDE error: it could not read everything: {skipped}"),
        )))
    }

    async fn attempt(&self, aide: &Aide, mode: Mode) -> Result<Attempt, RunnerError> {
        ReportFiles::of(self.runner).remove_json()?;
        let extra = extra_config(self.runner);
        let ended = aide
            .run(mode, &self.config.path, &extra, self.cancel)
            .await?;
        Ok(Attempt {
            check: check_status(mode, &ended),
            stderr: ended.stderr,
        })
    }

    fn scan_error(&self, error: AideError, attempt: &Attempt) -> ScanError {
        let stderr = attempt.stderr.error.as_deref().unwrap_or_default();
        let detail = self.config.aide_error(stderr);
        ScanError::new(error.class(), error.message_with(&detail))
    }

    /// AIDE does not report that a disk is full, only that it could not write.
    fn not_written(&self, error: AideError, attempt: &Attempt) -> ScanError {
        let mut scan_error = self.scan_error(error, attempt);
        if matches!(error, AideError::Io | AideError::Write)
            && disk_space::is_nearly_full(self.runner)
        {
            let dir = &self.runner.state_dir_on_node;
            let message = &mut scan_error.message;
            *message = format!("{message}; there is no room left in {dir}");
        }
        scan_error
    }
}

/// A database without files would find no changes for ever.
pub(super) fn require_entries(report: &Report) -> Result<(), RunnerError> {
    if report.total > 0 {
        return Ok(());
    }
    Err(RunnerError::Scan(ScanError::new(
        ErrorClass::Empty,
        "the configuration watches no file on this node",
    )))
}

fn extra_config(runner: &Runner) -> ExtraConfig {
    let reports = ReportFiles::of(runner);
    ExtraConfig::of(&RunOptions::new(
        runner.state.path(),
        reports.json(),
        runner.workers,
    ))
}

/// The status of a run. An initialization has no changes.
fn check_status(mode: Mode, ended: &command::ProcessExit) -> CheckStatus {
    match mode {
        Mode::Init => exit::decode_plain(ended.code, ended.signal)
            .map_or_else(CheckStatus::Error, |()| CheckStatus::Clean),
        Mode::Check | Mode::Update | Mode::Compare | Mode::ConfigCheck => {
            exit::decode(ended.code, ended.signal)
        }
    }
}

/// Whether an attempt counts although files were written while AIDE read them. A new database lacks their
/// content.
fn counts_changing(mode: Mode, status: CheckStatus, attempt: u32) -> bool {
    let writes_database = matches!(mode, Mode::Init | Mode::Update);
    match status {
        CheckStatus::Clean => writes_database && attempt == MAX_ATTEMPTS,
        CheckStatus::Changes { .. } => !writes_database || attempt == MAX_ATTEMPTS,
        CheckStatus::Error(_) => true,
    }
}
