//! Checks a part of the node, after the kernel has announced changes. Runs AIDE with `--limit`, also while
//! a scan of the whole node runs: it has its own files, and writes nothing to the state directory. I/O.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::Runner;
use super::error::RunnerError;
use super::marker::Marker;
use super::report_files;
use crate::aide::command::{ExtraConfig, Mode, ProcessExit, RunError, StuckProcess};
use crate::aide::config::RunOptions;
use crate::aide::coverage::Coverage;
use crate::aide::exit;
use crate::aide::limit;
use crate::aide::report::{self, ChangeKind, Report};
use crate::aide::watchdog::Limits;
use crate::api::ErrorClass;
use crate::daemon::configuration::write_atomically;
use crate::file_error::FileError;
use crate::scan::known_changes::ComparedPart;
use crate::scan::outcome::{ScanError, evaluate_part};

/// The directory of the files of a check, in the container's own directory.
const DIRECTORY: &str = "check";
/// Maximum duration of a check.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum bytes of each of its reports.
const MAX_REPORT: u64 = 64 * 1024 * 1024;
/// Maximum attempts when AIDE skips files, or reports files as removed that exist.
const MAX_ATTEMPTS: u32 = 3;

/// How a check of a part of the node ended.
#[derive(Debug)]
pub(crate) enum PartEnd {
    Compared(ComparedPart),
    Failed(ScanError),
    /// AIDE does not finish, and cannot be terminated.
    Stuck(ScanError, StuckProcess),
    /// AIDE was terminated because the daemon must exit.
    Stopped,
}

impl Runner {
    /// Compares a part of the node with the baseline. `config` is the configuration for this node.
    pub(crate) async fn check_part(
        &self,
        config: &str,
        part: &Coverage,
        cancel: &CancellationToken,
    ) -> PartEnd {
        let marker = Marker::in_dir(&self.check_dir());
        let result = self.try_check_part(config, part, &marker, cancel).await;
        marker.remove();
        match result {
            Ok(compared) => PartEnd::Compared(compared),
            Err(RunnerError::Run(RunError::Cancelled)) => PartEnd::Stopped,
            Err(RunnerError::Run(RunError::Stuck {
                hang,
                stuck_process,
            })) => {
                let error = ScanError::new(ErrorClass::Hung, hang.to_string());
                PartEnd::Stuck(error, stuck_process)
            }
            Err(error) => PartEnd::Failed(error.scan_error()),
        }
    }

    /// Number of checks in a row that were killed together with the container; 0 if the last one was not.
    pub(crate) fn interrupted_checks(&self) -> u32 {
        Marker::in_dir(&self.check_dir()).interruptions()
    }

    async fn try_check_part(
        &self,
        config: &str,
        part: &Coverage,
        marker: &Marker,
        cancel: &CancellationToken,
    ) -> Result<ComparedPart, RunnerError> {
        self.state.verify()?;
        self.require_database()?;
        let run = PartRun::prepare(self, config, part)?;
        marker.create()?;
        let mut attempt = 1;
        loop {
            let compared = run.compare(part, cancel).await?;
            let wrong = self.removed_that_exist(&compared.report);
            if wrong.is_none() && (compared.is_complete || attempt == MAX_ATTEMPTS) {
                return Ok(compared);
            }
            if let (Some(path), true) = (wrong, attempt == MAX_ATTEMPTS) {
                return Err(RunnerError::Scan(ScanError::new(
                    ErrorClass::Contradiction,
                    format!("AIDE error: it reports {path} as removed, but it exists"),
                )));
            }
            attempt += 1;
        }
    }

    /// AIDE would wait for ever for the content of a pipe. A scan decides about a missing database.
    fn require_database(&self) -> Result<(), RunnerError> {
        let found = fs::symlink_metadata(self.state.database());
        if found.is_ok_and(|found| found.is_file() && found.len() > 0) {
            return Ok(());
        }
        Err(RunnerError::Scan(ScanError::new(
            ErrorClass::Database,
            "the database is missing, empty, or not a file",
        )))
    }

    /// A path that AIDE reports as removed, and that exists.
    fn removed_that_exist(&self, report: &Report) -> Option<String> {
        let removed = report.changes.iter();
        let removed = removed.filter(|change| change.kind == ChangeKind::Removed);
        let mut existing = removed.filter(|change| {
            let path = [self.host_root.as_bytes(), &change.path].concat();
            fs::symlink_metadata(std::ffi::OsStr::from_bytes(&path)).is_ok()
        });
        existing
            .next()
            .map(|change| report::display_path(&change.path))
    }

    fn check_dir(&self) -> PathBuf {
        self.work_dir.join(DIRECTORY)
    }
}

/// The files of a check.
struct PartRun<'a> {
    runner: &'a Runner,
    config: PathBuf,
    options: RunOptions,
    expression: String,
}

impl<'a> PartRun<'a> {
    fn prepare(runner: &'a Runner, config: &str, part: &Coverage) -> Result<Self, RunnerError> {
        let expression = limit::expression(part, &runner.host_root).ok_or_else(|| {
            RunnerError::Scan(ScanError::new(
                ErrorClass::Argument,
                "the announced paths are too long for AIDE",
            ))
        })?;
        let directory = runner.check_dir();
        fs::create_dir_all(&directory).map_err(FileError::on("create", &directory))?;
        let path = directory.join("aide.conf");
        write_atomically(&path, config).map_err(FileError::on("write", &path))?;
        let json = directory.join("aide.report.json");
        let mut options = RunOptions::new(runner.state.path(), &json, runner.workers);
        options.plain_report = directory.join("aide.log").to_string_lossy().into_owned();
        Ok(Self {
            runner,
            config: path,
            options,
            expression,
        })
    }

    async fn compare(
        &self,
        part: &Coverage,
        cancel: &CancellationToken,
    ) -> Result<ComparedPart, RunnerError> {
        let ended = self.run(cancel).await?;
        let status = exit::decode(ended.code, ended.signal);
        let report = match status {
            // AIDE has written no report.
            exit::CheckStatus::Error(_) => Report::default(),
            _ => report_files::read(self.options.json_report.as_ref(), &self.runner.host_root)?,
        };
        let mut report = evaluate_part(status, report).map_err(RunnerError::Scan)?;
        if report.omitted.is_some() {
            return Err(RunnerError::Scan(ScanError::new(
                ErrorClass::Report,
                "AIDE error: the report is too long",
            )));
        }
        // The expression selects more than the part if names are not UTF-8.
        report.changes.retain(|change| part.contains(&change.path));
        let stderr = ended.stderr;
        Ok(ComparedPart {
            report,
            is_complete: stderr.skipped.count == 0 && stderr.changing.count == 0,
        })
    }

    async fn run(&self, cancel: &CancellationToken) -> Result<ProcessExit, RunnerError> {
        for file in [&self.options.json_report, &self.options.plain_report] {
            report_files::remove(file.as_ref())?;
        }
        let aide = self.runner.aide.clone();
        let aide = aide
            .watched(Limits::of_total(TIMEOUT), &self.runner.host_root)
            .writing_at_most(MAX_REPORT)
            .limited_to(self.expression.clone());
        let extra = ExtraConfig::of(&self.options);
        Ok(aide.run(Mode::Check, &self.config, &extra, cancel).await?)
    }
}
