//! Runs AIDE: arguments, environment, low priority, and its end. I/O; what its words mean is the
//! matter of [`super::exit`] and [`super::report`].

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::config::{self, RunOptions};
use super::stderr::{LongLine, Stderr};
use super::watchdog::{Hang, Limits, Watchdog};

/// Scheduling priority of AIDE (0 normal, 19 lowest). I/O priority follows it where none was set,
/// see `ioprio_set(2)`.
const NICENESS: i32 = 19;
/// How long AIDE may take to end after SIGTERM before it gets SIGKILL, and after that before it is
/// left alone.
const GRACE: Duration = Duration::from_secs(5);

/// What to do where there is no AIDE, for the context of an error.
pub const NO_AIDE: &str = "no AIDE to use; say where it is, with --aide or FIO_AIDE";

/// Why AIDE could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("start {}", binary.display())]
    Start {
        /// The program.
        binary: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its end could not be awaited.
    #[error("wait for AIDE")]
    Wait(#[source] io::Error),
    /// Its memory and time could not be limited.
    #[error("limit the memory and time of AIDE")]
    Limit(#[source] io::Error),
    /// It was ended because the caller asked for that.
    #[error("AIDE was ended before it had finished")]
    Cancelled,
    /// It did not come to an end by itself, and was ended.
    #[error(
        "AIDE error: {0}; AIDE was ended. Mend what hangs or takes so long there, or leave it out of the configuration"
    )]
    Hung(Hang),
    /// It does not come to an end, and cannot be ended.
    #[error(
        "AIDE error: {hang}; AIDE waits in the kernel and cannot be ended, and no other run starts until it has. \
         Mend or unmount what hangs there"
    )]
    Stuck {
        /// How it hangs.
        hang: Hang,
        /// The process, which is still there.
        remains: Remains,
    },
    /// The version could not be told.
    #[error("{} did not tell its version: {output}", binary.display())]
    Version {
        /// The program.
        binary: PathBuf,
        /// What it said.
        output: String,
    },
    /// It is too old.
    #[error("{} is AIDE {version}; fio needs AIDE 0.19 or later", binary.display())]
    TooOld {
        /// The program.
        binary: PathBuf,
        /// Its version.
        version: String,
    },
}

/// What AIDE is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Make a database.
    Init,
    /// Compare with the database.
    Check,
    /// Look at the configuration only; opens no database.
    ConfigCheck,
}

impl Mode {
    fn argument(self) -> &'static str {
        match self {
            Self::Init => "--init",
            Self::Check => "--check",
            Self::ConfigCheck => "--config-check",
        }
    }
}

/// Configuration text of our own around that of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Read before it.
    pub before: String,
    /// Read behind it.
    pub after: String,
}

impl Around {
    /// What makes AIDE run as fio wants it to, whatever the configuration says.
    pub fn of(options: &RunOptions) -> Self {
        Self {
            before: config::run_options_before(options),
            after: config::run_options(options),
        }
    }
}

/// How a run of AIDE ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The exit status, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard error.
    pub stderr: Stderr,
}

/// A process that SIGKILL could not end: it waits in the kernel, for a mount most likely.
#[derive(Debug)]
pub struct Remains(Box<Child>);

impl Remains {
    /// Returns when it is gone at last.
    pub async fn gone(mut self) {
        self.0.wait().await.ok();
    }
}

/// The AIDE program.
#[derive(Clone, Debug)]
pub struct Aide {
    binary: PathBuf,
    watch: Option<(Limits, PathBuf)>,
    largest_file: Option<u64>,
    usage: Option<Usage>,
}

/// What a run of AIDE may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Address space in bytes.
    pub memory: u64,
    /// Seconds on a CPU; after that the kernel sends SIGXCPU.
    pub cpu_seconds: u64,
}

impl Aide {
    /// AIDE at this path.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            watch: None,
            largest_file: None,
            usage: None,
        }
    }

    /// Ends runs that hang; where they do is told without `host_root`.
    #[must_use]
    pub fn watched(mut self, limits: Limits, host_root: impl Into<PathBuf>) -> Self {
        self.watch = Some((limits, host_root.into()));
        self
    }

    /// How long a run may be without progress, if that is watched for.
    pub fn stall_limit(&self) -> Option<Duration> {
        self.watch.as_ref().map(|(limits, _)| limits.stall)
    }

    /// The kernel ends a run that writes a file of more bytes than this, by SIGXFSZ.
    #[must_use]
    pub fn writing_at_most(mut self, bytes: u64) -> Self {
        self.largest_file = Some(bytes);
        self
    }

    /// The kernel gives a run no more than this.
    #[must_use]
    pub fn using_at_most(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// The version, such as `0.19.1`.
    pub async fn version(&self) -> Result<String, RunError> {
        let output = self.output(self.command().arg("--version")).await?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        parse_version(&text).ok_or_else(|| RunError::Version {
            binary: self.binary.clone(),
            output: text.lines().next().unwrap_or_default().to_owned(),
        })
    }

    /// The version, of an AIDE that understands what fio tells it.
    pub async fn supported_version(&self) -> Result<String, RunError> {
        let version = self.version().await?;
        if is_supported(&version) {
            return Ok(version);
        }
        Err(RunError::TooOld {
            binary: self.binary.clone(),
            version,
        })
    }

    /// Runs AIDE with `config` and the configuration text that is read around it, until it ends,
    /// hangs, or `cancel` says stop; then its whole process group is ended.
    pub async fn run(
        &self,
        mode: Mode,
        config: &Path,
        around: &Around,
        cancel: &CancellationToken,
    ) -> Result<Finished, RunError> {
        let mut command = self.command_to(mode.argument(), config, around);
        let mut child = command.spawn().map_err(|source| self.not_started(source))?;
        lower_priority(&child);
        if let Some(bytes) = self.largest_file {
            bound_files(&child, bytes);
        }
        if let Some(usage) = self.usage {
            // Dropping the child ends it.
            bound_usage(&child, usage).map_err(RunError::Limit)?;
        }
        let stderr = child.stderr.take();
        let hang = self.hang(&child);
        let run = async {
            let complaints = read_stderr(stderr).await;
            child.wait().await.map(|status| (status, complaints))
        };
        let hang = tokio::select! {
            ended = run => {
                let (status, stderr) = ended.map_err(RunError::Wait)?;
                return Ok(Finished { code: status.code(), signal: status.signal(), stderr });
            }
            hang = hang => Some(hang),
            () = cancel.cancelled() => None,
        };
        let is_gone = end(&mut child).await;
        Err(match hang {
            None => RunError::Cancelled,
            Some(hang) if is_gone => RunError::Hung(hang),
            Some(hang) => RunError::Stuck {
                hang,
                remains: Remains(Box::new(child)),
            },
        })
    }

    /// Returns when the process hangs, if that is watched for.
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

    /// Asks whether and by which rule of `config` a path is watched; `path` has its file type in
    /// front, as in `f:/etc/passwd`. Returns what AIDE prints.
    pub async fn path_check(
        &self,
        config: &Path,
        around: &Around,
        path: &str,
    ) -> Result<String, RunError> {
        let mut command = self.command_to(&format!("--path-check={path}"), config, around);
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

    fn command_to(&self, act: &str, config: &Path, around: &Around) -> Command {
        let mut command = self.command();
        command.arg(act).arg("--config").arg(config);
        command.arg("--before").arg(&around.before);
        command.arg("--after").arg(&around.after);
        command
    }

    /// AIDE needs no environment, and a configuration must not be able to read the daemon's. A
    /// process group of its own lets it be ended with whatever it started.
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

/// Threads that AIDE starts later inherit it. A failure leaves it at normal priority: no reason
/// not to scan.
fn lower_priority(child: &Child) {
    if let Some(pid) = pid_of(child)
        && let Err(error) = rustix::process::setpriority_process(Some(pid), NICENESS)
    {
        tracing::debug!(%error, "AIDE runs at normal priority");
    }
}

/// AIDE looks through all files before it writes, so the limit is there in time. What SIGXFSZ ends
/// would leave a core as large as its memory, but for a limit of one byte, which the kernel takes for
/// "none" also where a program gets the cores (see core(5)).
fn bound_files(child: &Child, bytes: u64) {
    for (resource, most) in [(Resource::Fsize, bytes), (Resource::Core, 1)] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        if let Err(error) = rustix::process::prlimit(pid_of(child), resource, limit) {
            tracing::warn!(%error, "the size of AIDE's report is not bounded");
        }
    }
}

/// AIDE has only just begun: what it has mapped until then is small, and a limit below that lets it map
/// no more.
fn bound_usage(child: &Child, usage: Usage) -> io::Result<()> {
    let Usage {
        memory,
        cpu_seconds,
    } = usage;
    for (resource, current, maximum) in [
        (Resource::As, memory, memory),
        // Beyond the second one it gets SIGKILL.
        (Resource::Cpu, cpu_seconds, cpu_seconds + 1),
        (Resource::Core, 1, 1),
    ] {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        rustix::process::prlimit(pid_of(child), resource, limit)?;
    }
    Ok(())
}

/// Ends the process and its group. False: it does not end.
async fn end(child: &mut Child) -> bool {
    let Some(pid) = pid_of(child) else {
        return true;
    };
    for signal in [Signal::TERM, Signal::KILL] {
        rustix::process::kill_process_group(pid, signal).ok();
        if tokio::time::timeout(GRACE, child.wait()).await.is_ok() {
            return true;
        }
    }
    false
}

fn pid_of(child: &Child) -> Option<Pid> {
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
}

/// Reads to the end, so that AIDE never blocks on a full pipe, and keeps what matters.
async fn read_stderr(stream: Option<impl AsyncRead + Unpin>) -> Stderr {
    let mut complaints = Stderr::default();
    let Some(stream) = stream else {
        return complaints;
    };
    let mut stream = BufReader::new(stream);
    let mut line = LongLine::default();
    loop {
        let (used, is_whole) = match stream.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(bytes) => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                line.extend(&bytes[..end.unwrap_or(bytes.len())]);
                (end.map_or(bytes.len(), |end| end + 1), end.is_some())
            }
        };
        stream.consume(used);
        if is_whole {
            complaints.add(&line.take());
        }
    }
    complaints.add(&line.take());
    complaints
}

/// The first word of `--version` that is a number with dots; 0.19 says `AIDE 0.19.1`, earlier ones
/// `Aide 0.16`.
fn parse_version(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("aide"))?;
    words
        .next()
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// Whether this version of AIDE understands what fio tells it (0.19 or later).
fn is_supported(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (0, 19)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aide::aide_tests::script;
    use crate::aide::exit;

    #[test]
    fn versions_are_read_from_what_aide_prints() {
        assert_eq!(
            parse_version("AIDE 0.19.1\n\nCompiled with"),
            Some("0.19.1".to_owned())
        );
        assert_eq!(parse_version("Aide 0.16"), Some("0.16".to_owned()));
        assert_eq!(parse_version("sh: aide: not found"), None);
    }

    #[test]
    fn only_0_19_and_later_will_do() {
        let table = [
            ("0.19.1", true),
            ("0.18.3", false),
            ("0.20", true),
            ("1.0", true),
            ("", false),
        ];
        for (version, expected) in table {
            assert_eq!(is_supported(version), expected, "{version}");
        }
    }

    async fn run(aide: &Aide, cancel: &CancellationToken) -> Result<Finished, RunError> {
        aide.run(
            Mode::Check,
            Path::new("/dev/null"),
            &Around::default(),
            cancel,
        )
        .await
    }

    #[tokio::test]
    async fn exit_status_and_error_text_come_back_and_no_environment_goes_in() {
        let dir = tempfile::tempdir().unwrap();
        let aide = script(dir.path(), "echo \"$1 [$CARGO_MANIFEST_DIR]\" >&2; exit 17");
        let finished = run(&aide, &CancellationToken::new()).await.unwrap();
        let expected = Finished {
            code: Some(17),
            signal: None,
            stderr: Stderr::of("--check []"),
        };
        assert_eq!(finished, expected);
    }

    #[tokio::test]
    async fn a_signal_is_told_apart_from_an_exit_status() {
        let dir = tempfile::tempdir().unwrap();
        let finished = run(&script(dir.path(), "kill -9 $$"), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!((finished.code, finished.signal), (None, Some(9)));
    }

    #[tokio::test]
    async fn a_file_beyond_the_bound_ends_the_program_that_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (go, file) = (dir.path().join("go"), dir.path().join("file"));
        // It begins when the limit is set, as AIDE, which has something to do before.
        let text = format!(
            "until grep -q 'file size *4096' /proc/$$/limits; do sleep 0.01; done; : > {}; \
             exec head -c 9000 /dev/zero > {}",
            go.display(),
            file.display()
        );
        let aide = script(dir.path(), &text).writing_at_most(4096);
        let finished = run(&aide, &CancellationToken::new()).await.unwrap();
        assert!(go.exists(), "{finished:?}");
        assert_eq!(finished.signal, Some(exit::SIGXFSZ));
        assert_eq!(std::fs::metadata(&file).unwrap().len(), 4096);
    }

    #[tokio::test]
    async fn cancelling_ends_the_whole_group() {
        let dir = tempfile::tempdir().unwrap();
        let alive = dir.path().join("alive");
        let text = format!("sleep 60 & echo $! > {}; wait", alive.display());
        let aide = script(dir.path(), &text);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let wait_for_start = async {
            while std::fs::read_to_string(&alive)
                .unwrap_or_default()
                .trim()
                .is_empty()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stop.cancel();
        };
        let (result, ()) = tokio::join!(run(&aide, &cancel), wait_for_start);
        assert!(matches!(result, Err(RunError::Cancelled)));
        let child = std::fs::read_to_string(&alive).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        // It has had its signal; the kernel may take a moment, and its new parent to reap it.
        let deadline = std::time::Instant::now() + GRACE;
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(std::time::Instant::now() < deadline, "the child lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_flood_of_warnings_blocks_nothing_and_hides_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let program = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2
                       i=0; while [ $i -lt 2000 ]; do echo \"WARNING: symlink '/some/where/$i' is dead\" >&2; i=$((i+1)); done
                       echo \"WARNING: failed to access '/a': Permission denied (skipping)\" >&2
                       printf '  ERROR: at the end' >&2";
        let finished = run(&script(dir.path(), program), &CancellationToken::new())
            .await
            .unwrap();
        let Stderr {
            error,
            left_out,
            others,
            ..
        } = finished.stderr;
        assert_eq!(error.as_deref(), Some("ERROR: at the end"));
        assert_eq!((left_out.count, others.count), (1, 2001));
    }

    #[tokio::test]
    async fn a_program_gets_no_more_memory_and_time_than_it_may_use() {
        let dir = tempfile::tempdir().unwrap();
        // It begins when the limits are set, as AIDE, which has something to do before.
        let wait = "until grep -q 'cpu time *1 ' /proc/$$/limits; do sleep 0.01; done";
        let usage = Usage {
            memory: 64 << 20,
            cpu_seconds: 1,
        };
        let memory =
            format!("{wait}; head -c 100000000 /dev/zero | tail -n 1 >/dev/null || exit 22");
        let aide = script(dir.path(), &memory).using_at_most(usage);
        let finished = run(&aide, &CancellationToken::new()).await.unwrap();
        assert_eq!(finished.code, Some(22), "{finished:?}");
        let aide = script(dir.path(), &format!("{wait}; while :; do :; done")).using_at_most(usage);
        let finished = run(&aide, &CancellationToken::new()).await.unwrap();
        assert_eq!(finished.signal, Some(exit::SIGXCPU), "{finished:?}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = run(&Aide::new("/nowhere/aide"), &CancellationToken::new())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "start /nowhere/aide");
    }
}
