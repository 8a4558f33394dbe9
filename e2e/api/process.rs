//! The program in a process of its own, for what happens to processes only: they are stopped,
//! continued, killed, and should not end by themselves.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{Log, Space, aide, eventually};
use crate::site::kill_with_children;

/// The program that the tests start: that of this build, or the one in `FIO_PROGRAM`, such as one for
/// another architecture.
pub(crate) fn program() -> PathBuf {
    let other = std::env::var_os("FIO_PROGRAM");
    other.map_or_else(|| env!("CARGO_BIN_EXE_fio").into(), PathBuf::from)
}

/// A running operator or daemon. It is killed when dropped.
pub(crate) struct Process {
    identity: String,
    child: Mutex<Child>,
    log: Arc<Mutex<String>>,
    _dir: TempDir,
}

impl Process {
    /// Starts an operator with the permissions of its ServiceAccount.
    pub(crate) async fn start(space: &Space, identity: &str) -> anyhow::Result<Self> {
        Self::serving(space, identity, "off").await
    }

    /// Starts one that serves the fleet's metrics on this address.
    pub(crate) async fn serving(
        space: &Space,
        identity: &str,
        address: &str,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let kubeconfig = space.operators_kubeconfig(dir.path(), identity)?;
        Self::operator_on(space, identity, &kubeconfig, address, &[], dir).await
    }

    /// Starts an operator of another build.
    pub(crate) async fn of_build(
        program: &Path,
        space: &Space,
        identity: &str,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let kubeconfig = space.operators_kubeconfig(dir.path(), identity)?;
        let mut command =
            Self::command_of(program, space, identity, &kubeconfig, dir.path()).await?;
        command.args(["--health-address=127.0.0.1:0", "--metrics-fio-address=off"]);
        Self::spawn(space, identity, command, dir)
    }

    /// Starts one that answers health checks on this address.
    pub(crate) async fn with_health(
        space: &Space,
        identity: &str,
        address: &str,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let kubeconfig = space.operators_kubeconfig(dir.path(), identity)?;
        let mut command = Self::command(space, identity, &kubeconfig, dir.path()).await?;
        command.args(["--metrics-fio-address=off", "--health-address", address]);
        Self::spawn(space, identity, command, dir)
    }

    /// Starts an operator that finds the API by this kubeconfig. `dir` is its own.
    pub(crate) async fn operator(
        space: &Space,
        identity: &str,
        kubeconfig: &Path,
        dir: TempDir,
    ) -> anyhow::Result<Self> {
        Self::operator_in(space, identity, kubeconfig, &[], dir).await
    }

    /// The same with more in its environment.
    pub(crate) async fn operator_in(
        space: &Space,
        identity: &str,
        kubeconfig: &Path,
        environment: &[(String, String)],
        dir: TempDir,
    ) -> anyhow::Result<Self> {
        Self::operator_on(space, identity, kubeconfig, "off", environment, dir).await
    }

    /// The same, serving the fleet's metrics on this address.
    pub(crate) async fn operator_on(
        space: &Space,
        identity: &str,
        kubeconfig: &Path,
        address: &str,
        environment: &[(String, String)],
        dir: TempDir,
    ) -> anyhow::Result<Self> {
        let mut command = Self::command(space, identity, kubeconfig, dir.path()).await?;
        command
            .args(["--health-address=127.0.0.1:0", "--metrics-fio-address"])
            .arg(address)
            .envs(environment.iter().cloned());
        Self::spawn(space, identity, command, dir)
    }

    /// An operator's command line, but for the addresses that it serves on.
    async fn command(
        space: &Space,
        identity: &str,
        kubeconfig: &Path,
        dir: &Path,
    ) -> anyhow::Result<Command> {
        Self::command_of(&program(), space, identity, kubeconfig, dir).await
    }

    async fn command_of(
        program: &Path,
        space: &Space,
        identity: &str,
        kubeconfig: &Path,
        dir: &Path,
    ) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        command
            .args(["operator", "--metrics-address=off"])
            .args(["--namespace", &space.namespace, "--identity", identity])
            .args(["--image", "localhost/fallback:1"])
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("FIO_AIDE", aide().await?)
            .env("FIO_WORK_DIR", dir);
        Ok(command)
    }

    /// Starts the program with `command`. `dir` is deleted with it.
    pub(crate) fn spawn(
        space: &Space,
        identity: &str,
        mut command: Command,
        dir: TempDir,
    ) -> anyhow::Result<Self> {
        let log = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&log);
        command.stdout(Stdio::null());
        let child = logged(command, space.log_of(identity), move |line| {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_str(line);
            lines.push('\n');
        })?;
        Ok(Self {
            identity: identity.to_owned(),
            child: Mutex::new(child),
            log,
            _dir: dir,
        })
    }

    /// Waits until it has logged this.
    pub(crate) async fn logs(&self, text: &str) -> anyhow::Result<()> {
        let what = format!("{} to log: {text}", self.identity);
        eventually(&what, async || {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(log.contains(text).then_some(()))
        })
        .await
    }

    /// The lines that it has logged so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.lines().map(str::to_owned).collect()
    }

    /// Fails if it has ended.
    pub(crate) fn still_runs(&self) -> anyhow::Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} has ended: {status}", self.identity),
        }
    }

    /// How much memory it has, in bytes, and how many open files.
    pub(crate) fn uses(&self) -> anyhow::Result<(u64, usize)> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.id()))?.count();
        Ok((self.memory("VmRSS:")?, files))
    }

    /// The most memory that it has had, in bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, key: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        let memory: u64 = kilobytes.with_context(|| key.to_owned())?.parse()?;
        Ok(memory * 1024)
    }

    fn id(&self) -> u32 {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.id()
    }

    /// Stops it where it is.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Stops it as the kubelet does, and waits until it has ended.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.terminate()?;
        let waiting = move || {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            child.wait()
        };
        tokio::task::spawn_blocking(waiting).await??;
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kill_process(Pid::from_child(&child), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Its number is another's once it has been waited for.
        if let Ok(None) = child.try_wait() {
            // An AIDE that it leaves behind would hold what the test has open.
            kill_with_children(i32::try_from(child.id()).unwrap_or_default());
            child.wait().ok();
        }
    }
}

/// Starts a program whose log is copied line by line to `log`, and to `also`.
pub(crate) fn logged(
    mut command: Command,
    mut log: Log,
    mut also: impl FnMut(&str) + Send + 'static,
) -> anyhow::Result<Child> {
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    let stderr = child.stderr.take().context("standard error")?;
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            writeln!(log, "{line}").ok();
            also(&line);
        }
    });
    Ok(child)
}
