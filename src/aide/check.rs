//! Checks a configuration: first by the rules of [`super::config`], then by AIDE's `--config-check`, with the same
//! additional lines as in the daemons. I/O.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::command::{Aide, ExtraConfig, Mode, RunError, Usage};
use super::config::{self, Diagnostic, Prepared, RunOptions};
use super::exit::{self, AideError};
use super::path_check::{self, Answer};
use crate::api::names;
use crate::file_error::FileError;

/// Timeout of a check, which normally takes some milliseconds. With a tenth of a CPU, the limit of CPU time is
/// reached earlier.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Memory limit of a check in MiB. The maximum number of lines, each with its own regular expression, takes 49 MiB
/// (AIDE 0.19.1). The operator's container has 200 MiB.
const MAX_MEMORY_MIB: u64 = 96;
/// Limit of CPU time in seconds. The same lines take 0.4 seconds.
const MAX_CPU_SECONDS: u64 = 3;

/// A check could not be finished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// The file for AIDE could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// AIDE could not be run.
    #[error("run AIDE to check a configuration")]
    Run(#[from] RunError),
    /// The thread of the conversion panicked.
    #[error("convert a configuration")]
    Convert(#[from] tokio::task::JoinError),
    /// The path is not valid.
    #[error("{0} is not an absolute path, such as /etc/passwd or d:/etc")]
    InvalidPath(String),
    /// The output of AIDE could not be parsed.
    #[error("AIDE did not print whether {0} is watched")]
    PathCheckOutput(String),
}

/// The result of a check.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The configuration is valid.
    Good(Prepared),
    /// The configuration is rejected before AIDE reads it.
    Refused(Vec<Diagnostic>),
    /// AIDE rejects the configuration. The message has line numbers of the user's text.
    RefusedByAide(String),
    /// AIDE did not finish, possibly independent of the configuration.
    Unanswered(String),
}

/// A problem of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    /// AIDE rejects the configuration.
    Rejected(String),
    /// AIDE did not finish.
    Unfinished(String),
}

/// Checks configurations with an AIDE.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    aide: Aide,
    work_dir: PathBuf,
    /// Only one configuration is checked at a time, to limit memory.
    permit: Arc<Semaphore>,
}

impl Checker {
    /// Creates a checker that runs this AIDE.
    pub(crate) fn new(aide: Aide, work_dir: PathBuf) -> Self {
        let aide = aide.using_at_most(Usage {
            memory: MAX_MEMORY_MIB << 20,
            cpu_seconds: MAX_CPU_SECONDS,
        });
        Self {
            aide,
            work_dir,
            permit: Arc::new(Semaphore::new(1)),
        }
    }

    /// Checks the text of a user or a profile. Does not block other tasks.
    pub(crate) async fn check(&self, text: &str, state_dir: &str) -> Result<Verdict, CheckError> {
        // The semaphore is never closed.
        let _permit = self.permit.acquire().await.ok();
        let prepared = match prepare(text, state_dir).await? {
            Ok(prepared) => prepared,
            Err(refused) => return Ok(Verdict::Refused(refused.diagnostics)),
        };
        Ok(
            match self
                .run_config_check(&prepared.effective, text, state_dir)
                .await?
            {
                Some(Problem::Rejected(message)) => Verdict::RefusedByAide(message),
                Some(Problem::Unfinished(message)) => Verdict::Unanswered(message),
                None => Verdict::Good(prepared),
            },
        )
    }

    /// Runs AIDE and returns its problem with the configuration, if there is one.
    async fn run_config_check(
        &self,
        effective: &str,
        text: &str,
        state_dir: &str,
    ) -> Result<Option<Problem>, CheckError> {
        let file = self.write(effective)?;
        let cancel = CancellationToken::new();
        let extra = extra_config(state_dir);
        let run = self.aide.run(Mode::ConfigCheck, &file.0, &extra, &cancel);
        let Ok(finished) = tokio::time::timeout(TIMEOUT, run).await else {
            let message = format!(
                "AIDE did not finish --config-check in {} s",
                TIMEOUT.as_secs()
            );
            return Ok(Some(Problem::Unfinished(message)));
        };
        let finished = finished?;
        let Err(error) = exit::decode_plain(finished.code, finished.signal) else {
            return Ok(None);
        };
        let path = file.0.to_string_lossy();
        let stderr = finished.stderr.error.as_deref().unwrap_or_default();
        let detail = config::aide_error(stderr, effective, Some(text), &path);
        Ok(Some(problem(error, &detail)))
    }

    /// Returns whether a path of the node is watched, and by which line. `path` may have a file type as a prefix, as in
    /// `d:/etc`. Otherwise it is a regular file.
    pub(crate) async fn path(
        &self,
        effective: &str,
        state_dir: &str,
        path: &str,
    ) -> Result<Answer, CheckError> {
        let argument = path_check::argument(path, names::HOST_ROOT)
            .ok_or_else(|| CheckError::InvalidPath(path.to_owned()))?;
        let file = self.write(effective)?;
        let text = self
            .aide
            .path_check(&file.0, &extra_config(state_dir), &argument)
            .await?;
        path_check::parse(&text, &file.0.to_string_lossy(), names::HOST_ROOT)
            .ok_or_else(|| CheckError::PathCheckOutput(path.to_owned()))
    }

    /// Writes the configuration to a file with a unique name: path checks may run at the same time.
    fn write(&self, effective: &str) -> Result<TemporaryFile, CheckError> {
        static CHECKS: AtomicU64 = AtomicU64::new(0);
        let number = CHECKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("aide.check.{}.{number}.conf", std::process::id());
        let path = self.work_dir.join(name);
        std::fs::write(&path, effective).map_err(FileError::on("write", &path))?;
        Ok(TemporaryFile(path))
    }
}

/// Converts the text in a thread for blocking operations.
async fn prepare(
    text: &str,
    state_dir: &str,
) -> Result<Result<Prepared, config::Refused>, tokio::task::JoinError> {
    let (text, state_dir) = (text.to_owned(), state_dir.to_owned());
    let convert = move || config::prepare(&text, &state_dir, names::HOST_ROOT);
    tokio::task::spawn_blocking(convert).await
}

/// Interprets an error of AIDE.
fn problem(error: AideError, detail: &str) -> Problem {
    let message = error.message_with(detail);
    let exceeded = match error {
        AideError::Memory => Some(format!("{MAX_MEMORY_MIB} MiB of memory")),
        // The message of PCRE2.
        AideError::Configuration if detail.contains("failed to allocate") => {
            Some(format!("{MAX_MEMORY_MIB} MiB of memory"))
        }
        AideError::Signal(exit::SIGXCPU) => Some(format!("{MAX_CPU_SECONDS} s of CPU time")),
        _ => None,
    };
    if let Some(limit) = exceeded {
        return Problem::Rejected(format!(
            "{message}; the limit for a configuration is {limit}: use fewer rules, simpler regular \
             expressions, and shorter macros"
        ));
    }
    if error.is_crash() {
        return Problem::Rejected(format!(
            "{message}; AIDE crashes while reading the configuration: use simpler regular expressions"
        ));
    }
    if error.may_pass() {
        Problem::Unfinished(message)
    } else {
        Problem::Rejected(message)
    }
}

/// A file that is deleted when it is dropped.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn extra_config(state_dir: &str) -> ExtraConfig {
    let state = format!("{}{state_dir}", names::HOST_ROOT);
    ExtraConfig::of(&RunOptions::new(
        Path::new(&state),
        Path::new("/tmp/aide.report.json"),
        1,
    ))
}

#[cfg(test)]
mod tests;
