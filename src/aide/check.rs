//! Checks a configuration: the rules of [`super::config`], then AIDE itself with `--config-check`,
//! with just the lines around it with which the daemons run it. I/O.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::command::{Aide, Around, Mode, RunError, Usage};
use super::config::{self, Diagnostic, Prepared, RunOptions};
use super::exit::{self, AideError};
use super::path_check::{self, Answer};
use crate::api::names;

/// How long AIDE may take over a configuration; it takes some milliseconds. With a tenth of a CPU it has
/// its time on the CPU well before this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Mebibytes that AIDE may use for a configuration. The most lines of rules that it reads, each with a
/// regular expression of its own, take 49 (AIDE 0.19.1); the operator's container has 200.
const MAX_MEMORY_MIB: u64 = 96;
/// Seconds on a CPU that AIDE may use for a configuration; the same lines take 0.4.
const MAX_CPU_SECONDS: u64 = 3;

/// Why a configuration could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The text could not be put where AIDE reads it.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// AIDE could not be run.
    #[error("run AIDE to check a configuration")]
    Run(#[from] RunError),
    /// The conversion did not come to its end.
    #[error("convert a configuration")]
    Convert(#[from] tokio::task::JoinError),
    /// There is no such path on a node.
    #[error("{0} is no absolute path of a node, such as /etc/passwd or d:/etc")]
    NoPath(String),
    /// AIDE gave no answer that could be read.
    #[error("AIDE did not say whether {0} is watched")]
    NoAnswer(String),
}

/// What came of a check.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// AIDE takes it.
    Good(Prepared),
    /// It may not be used.
    Refused(Vec<Diagnostic>),
    /// AIDE does not take it: AIDE's message in terms of the text's own lines.
    RefusedByAide(String),
    /// AIDE has not come to an end, which need not be the text's fault: what became of it.
    Unanswered(String),
}

/// What AIDE has against a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Complaint {
    /// It does not take it.
    Refusal(String),
    /// It has not come to an end.
    NoAnswer(String),
}

/// Checks configurations with an AIDE.
#[derive(Clone, Debug)]
pub struct Checker {
    aide: Aide,
    /// A directory that this process may write to.
    work_dir: PathBuf,
    /// One configuration is checked at a time, so that the memory for one is enough.
    turn: Arc<Semaphore>,
}

impl Checker {
    /// A checker that asks this AIDE.
    pub fn new(aide: Aide, work_dir: PathBuf) -> Self {
        let aide = aide.using_at_most(Usage {
            memory: MAX_MEMORY_MIB << 20,
            cpu_seconds: MAX_CPU_SECONDS,
        });
        Self {
            aide,
            work_dir,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Checks a user's or a profile's text. Other tasks go on meanwhile.
    pub async fn check(&self, text: &str, state_dir: &str) -> Result<Verdict, CheckError> {
        // It is never closed.
        let _turn = self.turn.acquire().await.ok();
        let prepared = match prepare(text, state_dir).await? {
            Ok(prepared) => prepared,
            Err(refused) => return Ok(Verdict::Refused(refused.diagnostics)),
        };
        Ok(
            match self.complaint(&prepared.effective, text, state_dir).await? {
                Some(Complaint::Refusal(message)) => Verdict::RefusedByAide(message),
                Some(Complaint::NoAnswer(message)) => Verdict::Unanswered(message),
                None => Verdict::Good(prepared),
            },
        )
    }

    /// What AIDE has against what it would get, if anything.
    async fn complaint(
        &self,
        effective: &str,
        text: &str,
        state_dir: &str,
    ) -> Result<Option<Complaint>, CheckError> {
        let file = self.write(effective)?;
        let cancel = CancellationToken::new();
        let around = around(state_dir);
        let run = self.aide.run(Mode::ConfigCheck, &file.0, &around, &cancel);
        let Ok(finished) = tokio::time::timeout(TIMEOUT, run).await else {
            let message = format!(
                "AIDE did not finish --config-check in {} s",
                TIMEOUT.as_secs()
            );
            return Ok(Some(Complaint::NoAnswer(message)));
        };
        let finished = finished?;
        let Err(error) = exit::decode_plain(finished.code, finished.signal) else {
            return Ok(None);
        };
        let place = file.0.to_string_lossy();
        let stderr = finished.stderr.error.as_deref().unwrap_or_default();
        let detail = config::aide_error(stderr, effective, Some(text), &place);
        Ok(Some(complaint(error, &detail)))
    }

    /// Whether and by which line a path of the node is watched. `path` may have a file type in
    /// front, as in `d:/etc`; without one it is a regular file.
    pub async fn path(
        &self,
        effective: &str,
        state_dir: &str,
        path: &str,
    ) -> Result<Answer, CheckError> {
        let question = path_check::question(path, names::HOST_ROOT)
            .ok_or_else(|| CheckError::NoPath(path.to_owned()))?;
        let file = self.write(effective)?;
        let text = self
            .aide
            .path_check(&file.0, &around(state_dir), &question)
            .await?;
        path_check::parse(&text, &file.0.to_string_lossy(), names::HOST_ROOT)
            .ok_or_else(|| CheckError::NoAnswer(path.to_owned()))
    }

    /// Each check has a file of its own: two may look at the same text at the same time.
    fn write(&self, effective: &str) -> Result<Temporary, CheckError> {
        static CHECKS: AtomicU64 = AtomicU64::new(0);
        let number = CHECKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("aide.check.{}.{number}.conf", std::process::id());
        let path = self.work_dir.join(name);
        std::fs::write(&path, effective).map_err(|source| CheckError::Write {
            path: path.clone(),
            source,
        })?;
        Ok(Temporary(path))
    }
}

/// Converts the text on a thread where it keeps nobody waiting.
async fn prepare(
    text: &str,
    state_dir: &str,
) -> Result<Result<Prepared, config::Refused>, tokio::task::JoinError> {
    let (text, state_dir) = (text.to_owned(), state_dir.to_owned());
    let convert = move || config::prepare(&text, &state_dir, names::HOST_ROOT);
    tokio::task::spawn_blocking(convert).await
}

/// What an end of AIDE with an error means for the configuration.
fn complaint(error: AideError, detail: &str) -> Complaint {
    let message = match detail {
        "" => error.message(),
        detail => format!("{}: {detail}", error.message()),
    };
    let exceeded = match error {
        AideError::Memory => Some(format!("{MAX_MEMORY_MIB} MiB of memory")),
        // In the words of PCRE2.
        AideError::Configuration if detail.contains("failed to allocate") => {
            Some(format!("{MAX_MEMORY_MIB} MiB of memory"))
        }
        AideError::Signal(exit::SIGXCPU) => Some(format!("{MAX_CPU_SECONDS} s of CPU time")),
        _ => None,
    };
    if let Some(limit) = exceeded {
        return Complaint::Refusal(format!(
            "{message}; AIDE may use {limit} to read a configuration: use fewer rules, simpler regular \
             expressions, and shorter macros"
        ));
    }
    if error.is_crash() {
        return Complaint::Refusal(format!(
            "{message}; AIDE crashes when it reads the configuration: use simpler regular expressions"
        ));
    }
    if error.may_pass() {
        Complaint::NoAnswer(message)
    } else {
        Complaint::Refusal(message)
    }
}

/// A file that goes when it is not needed any more.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn around(state_dir: &str) -> Around {
    let state = format!("{}{state_dir}", names::HOST_ROOT);
    Around::of(&RunOptions::new(
        Path::new(&state),
        Path::new("/tmp/aide.report.json"),
        1,
    ))
}

#[cfg(test)]
mod tests;
