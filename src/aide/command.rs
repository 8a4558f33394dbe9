//! Runs AIDE. I/O.
//!
//! [`super::exit`], [`super::stderr`] and [`super::report`] interpret its output.

mod error;
mod output;
mod process;
mod run;

#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

pub(crate) use self::error::{NO_AIDE, RunError};
use self::output::{is_supported, parse_version, read_stderr};
pub(crate) use self::process::{StuckProcess, Usage};
use self::process::{limit_files, limit_usage, lower_priority, terminate};
pub use self::run::ExtraConfig;
pub(crate) use self::run::{Mode, ProcessExit};
use super::watchdog::{Hang, Limits, Watchdog};

/// AIDE with limits for its runs.
#[derive(Clone, Debug)]
pub(crate) struct Aide {
    binary: PathBuf,
    watch: Option<(Limits, PathBuf)>,
    max_file_size: Option<u64>,
    usage: Option<Usage>,
    limit: Option<String>,
}

impl Aide {
    /// The program at this path.
    pub(crate) fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            watch: None,
            max_file_size: None,
            usage: None,
            limit: None,
        }
    }

    /// Terminates runs that hang. The errors contain paths without `host_root`.
    #[must_use]
    pub(crate) fn watched(mut self, limits: Limits, host_root: impl Into<PathBuf>) -> Self {
        self.watch = Some((limits, host_root.into()));
        self
    }

    /// The maximum time without progress, if runs are watched.
    pub(crate) fn stall_limit(&self) -> Option<Duration> {
        self.watch.as_ref().map(|(limits, _)| limits.stall)
    }

    /// Limits the size of written files, in bytes. The kernel terminates a run that exceeds it with SIGXFSZ.
    #[must_use]
    pub(crate) fn writing_at_most(mut self, bytes: u64) -> Self {
        self.max_file_size = Some(bytes);
        self
    }

    /// Limits memory and CPU time.
    #[must_use]
    pub(crate) fn using_at_most(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Compares only entries whose paths match this regular expression, see [`super::limit`].
    #[must_use]
    pub(crate) fn limited_to(mut self, expression: String) -> Self {
        self.limit = Some(expression);
        self
    }

    /// The version, such as `0.19.1`.
    pub(crate) async fn version(&self) -> Result<String, RunError> {
        let output = self.output(self.command().arg("--version")).await?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        parse_version(&text).ok_or_else(|| RunError::Version {
            binary: self.binary.clone(),
            output: text.lines().next().unwrap_or_default().to_owned(),
        })
    }

    /// The version, if fio supports it.
    pub(crate) async fn supported_version(&self) -> Result<String, RunError> {
        let version = self.version().await?;
        if is_supported(&version) {
            return Ok(version);
        }
        Err(RunError::TooOld {
            binary: self.binary.clone(),
            version,
        })
    }

    /// Runs AIDE with `config`, and the text before and after it. Terminates the process group if the run hangs or
    /// is cancelled.
    pub(crate) async fn run(
        &self,
        mode: Mode,
        config: &Path,
        extra: &ExtraConfig,
        cancel: &CancellationToken,
    ) -> Result<ProcessExit, RunError> {
        let mut command = self.command_to(mode.argument(), config, extra);
        if let Some(expression) = &self.limit {
            command.arg("--limit").arg(expression);
        }
        let mut child = command.spawn().map_err(|source| self.not_started(source))?;
        lower_priority(&child);
        if let Some(bytes) = self.max_file_size {
            limit_files(&child, bytes);
        }
        if let Some(usage) = self.usage {
            // Dropping the child kills it.
            limit_usage(&child, usage).map_err(RunError::Limit)?;
        }
        let stderr = child.stderr.take();
        let hang = self.hang(&child);
        let run = async {
            let stderr = read_stderr(stderr).await;
            child.wait().await.map(|status| (status, stderr))
        };
        let hang = tokio::select! {
            ended = run => {
                let (status, stderr) = ended.map_err(RunError::Wait)?;
                return Ok(ProcessExit { code: status.code(), signal: status.signal(), stderr });
            }
            hang = hang => Some(hang),
            () = cancel.cancelled() => None,
        };
        let has_exited = terminate(&mut child).await;
        Err(match hang {
            None => RunError::Cancelled,
            Some(hang) if has_exited => RunError::Hung(hang),
            Some(hang) => RunError::Stuck {
                hang,
                stuck_process: StuckProcess(Box::new(child)),
            },
        })
    }

    /// Returns when the process hangs, if runs are watched.
    fn hang(&self, child: &Child) -> impl Future<Output = Hang> + use<> {
        let watched = self.watch.clone().zip(child.id());
        async move {
            match watched {
                Some(((limits, host_root), pid)) => {
                    Watchdog::new(pid, limits).hang(&host_root).await
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Queries AIDE which rule of `config` matches a path with a file type, such as `f:/etc/passwd`. Returns AIDE's
    /// output.
    pub(crate) async fn path_check(
        &self,
        config: &Path,
        extra: &ExtraConfig,
        path: &str,
    ) -> Result<String, RunError> {
        let mut command = self.command_to(&format!("--path-check={path}"), config, extra);
        let output = self.output(&mut command).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn output(&self, command: &mut Command) -> Result<Output, RunError> {
        let output = command.stdout(Stdio::piped()).output().await;
        output.map_err(|source| self.not_started(source))
    }

    fn not_started(&self, source: io::Error) -> RunError {
        RunError::Start {
            binary: self.binary.clone(),
            source,
        }
    }

    fn command_to(&self, action: &str, config: &Path, extra: &ExtraConfig) -> Command {
        let mut command = self.command();
        command.arg(action).arg("--config").arg(config);
        command.arg("--before").arg(&extra.before);
        command.arg("--after").arg(&extra.after);
        command
    }

    /// AIDE needs no environment, and configurations must not be able to read that of the daemon. AIDE gets its own
    /// process group, so that its child processes can be terminated, too.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}
