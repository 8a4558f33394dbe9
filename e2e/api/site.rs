//! A node of one daemon: its files below a directory, the objects of its FileIntegrity, and the real
//! program with a real AIDE. There is no operator: the tests write its requests.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use fio::testing::aide::config::{ExcludedPaths, config_hash, prepare};
use fio::testing::api::{
    AcceptanceRequest, AnnouncedChanges, DesiredNodeState, FileIntegrity, FileIntegrityNodeStatus,
    TimedHold, names,
};
use fio::testing::operator::build::{self, ActiveConfig};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, GetParams};
use kube::{Client, ResourceExt as _};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;
use tempfile::TempDir;

use crate::daemon_permissions::{apply, token};
use crate::harness::{Space, aide, eventually, kubeconfig_with};
use crate::process::{Process, logged, program};
use crate::proxy::Proxy;

/// What is watched, on the node.
const RULES: &str = "/watched(/|$) ftype+p+u+g+sha256\n";

/// A node's files, its daemon's directories, and the objects of its FileIntegrity.
pub(crate) struct Site<'a> {
    pub(crate) space: &'a Space,
    pub(crate) dir: TempDir,
    pub(crate) node: String,
    /// Where the daemon finds the API.
    pub(crate) kubeconfig: PathBuf,
    /// The daemon's AIDE, if it is not the real one.
    pub(crate) aide: Option<PathBuf>,
    /// More of the daemon's environment.
    pub(crate) environment: Vec<(String, String)>,
    /// More of its arguments.
    pub(crate) arguments: Vec<String>,
    /// Whether only an acceptance may replace the baseline.
    pub(crate) requires_acceptance: bool,
    fi: FileIntegrity,
    effective: String,
    pause: &'static str,
}

impl<'a> Site<'a> {
    /// A site of a FileIntegrity that is called so, whose daemon pauses for so many seconds.
    pub(crate) async fn new(
        space: &'a Space,
        fi: &str,
        node: &str,
        pause: &'static str,
    ) -> anyhow::Result<Self> {
        // A state directory in memory is refused, and a temporary directory is in memory at times.
        let place = env!("CARGO_TARGET_TMPDIR");
        let dir = tempfile::Builder::new().prefix("site").tempdir_in(place)?;
        let root = dir.path().join("root");
        for made in [
            "root/etc/kubernetes",
            "root/run",
            "root/watched",
            "work",
            "conf",
        ] {
            std::fs::create_dir_all(dir.path().join(made))?;
        }
        for file in ["one", "two"] {
            std::fs::write(root.join("watched").join(file), "before")?;
        }
        let prepared = prepare(RULES, "/etc/kubernetes", &root.to_string_lossy())?;
        let token = token(space, Some((fi, node))).await?;
        let site = Self {
            space,
            fi: space.file_integrity(fi, json!({})).await?,
            node: node.to_owned(),
            kubeconfig: kubeconfig_with(dir.path(), &token)?,
            aide: None,
            environment: Vec::new(),
            arguments: Vec::new(),
            requires_acceptance: false,
            effective: prepared.effective,
            dir,
            pause,
        };
        site.write_configuration(prepared.conf).await?;
        site.set_request(None).await?;
        Ok(site)
    }

    async fn write_configuration(&self, conf: String) -> anyhow::Result<()> {
        std::fs::write(self.mounted(), &self.effective)?;
        let config = ActiveConfig {
            conf,
            effective: self.effective.clone(),
        };
        let config_map = build::config_map(&self.fi, &config);
        apply::<ConfigMap>(&self.operator().await?, config_map).await?;
        Ok(())
    }

    /// Changes the configuration.
    pub(crate) async fn reconfigure(&mut self, rules: &str) -> anyhow::Result<()> {
        let root = self.path("root");
        let prepared = prepare(rules, "/etc/kubernetes", &root.to_string_lossy())?;
        self.effective = prepared.effective;
        self.write_configuration(prepared.conf).await?;
        self.set_request(None).await
    }

    /// Excludes these paths, and no others.
    pub(crate) async fn exclude(&mut self, paths: &[&str]) -> anyhow::Result<()> {
        let root = self.path("root");
        let prepared = prepare(RULES, "/etc/kubernetes", &root.to_string_lossy())?;
        let mut excluded = ExcludedPaths::default();
        for path in paths {
            excluded.add(path)?;
        }
        let root = root.to_string_lossy();
        self.effective = excluded.append_to(&prepared.effective, &root);
        let conf = excluded.append_to(&prepared.conf, &root);
        self.write_configuration(conf).await?;
        self.set_request(None).await
    }

    /// The same behind this proxy.
    pub(crate) async fn behind(
        proxy: &Proxy,
        space: &'a Space,
        fi: &str,
        node: &str,
        pause: &'static str,
    ) -> anyhow::Result<Self> {
        let mut site = Self::new(space, fi, node, pause).await?;
        let token = token(space, Some((fi, node))).await?;
        site.kubeconfig = proxy.kubeconfig(site.dir.path(), &token)?.path;
        Ok(site)
    }

    /// The FileIntegrity's name.
    pub(crate) fn name(&self) -> &str {
        self.fi.metadata.name.as_deref().unwrap_or_default()
    }

    /// The name of its node status.
    pub(crate) fn status_name(&self) -> String {
        names::node_status(self.name(), &self.node)
    }

    /// The name of the failure log.
    pub(crate) fn log_name(&self) -> String {
        names::failure_log(&names::daemon_set(self.name()), &self.node)
    }

    /// A path below the site's directory.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// A file of the state directory.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.path("root/etc/kubernetes").join(name)
    }

    /// The baseline on the node.
    pub(crate) fn database(&self) -> PathBuf {
        self.state("aide.db.gz")
    }

    /// The configuration in the mount of the active ConfigMap.
    pub(crate) fn mounted(&self) -> PathBuf {
        self.path("conf").join(names::KEY_EFFECTIVE_CONF)
    }

    /// Writes the operator's fields of the node status.
    pub(crate) async fn set_request(&self, request: Option<&str>) -> anyhow::Result<()> {
        let desired = DesiredNodeState {
            reinit_request: request.map(str::to_owned),
            ..self.desired()
        };
        self.write_desired(desired).await
    }

    /// Writes a request for an additional scan.
    pub(crate) async fn request_scan(&self, id: &str) -> anyhow::Result<()> {
        let desired = DesiredNodeState {
            scan_request: Some(id.to_owned()),
            ..self.desired()
        };
        self.write_desired(desired).await
    }

    /// Writes the holds of the node.
    pub(crate) async fn set_holds(&self, holds: &[TimedHold]) -> anyhow::Result<()> {
        let desired = DesiredNodeState {
            holds: holds.to_vec(),
            ..self.desired()
        };
        self.write_desired(desired).await
    }

    /// Writes an acceptance of the set that the node shows now.
    pub(crate) async fn set_acceptance(&self, uid: &str) -> anyhow::Result<AcceptanceRequest> {
        let last = self.status().await?.last_result;
        let set = last.and_then(|last| last.changes_hash);
        let request = AcceptanceRequest {
            name: format!("acceptance-{uid}"),
            uid: uid.to_owned(),
            attempt: 1,
            change_set: set.context("the node shows no set")?,
            config_hash: self
                .status()
                .await?
                .desired()
                .config_hash
                .unwrap_or_default(),
            until: Timestamp::now() + SignedDuration::from_hours(1),
            publish_report: true,
        };
        let desired = DesiredNodeState {
            acceptance: Some(request.clone()),
            config_hash: Some(request.config_hash.clone()),
            ..self.desired()
        };
        self.write_desired(desired).await?;
        Ok(request)
    }

    /// Announces an acceptance that lists its changes, as the operator does.
    pub(crate) async fn announce(&self, acceptance: &DynamicObject) -> anyhow::Result<()> {
        let announced = AnnouncedChanges {
            name: acceptance.name_any(),
            uid: acceptance.uid().unwrap_or_default(),
            until: Timestamp::now() + SignedDuration::from_hours(1),
            config_hash: self.config_hash(),
        };
        let desired = DesiredNodeState {
            announced: vec![announced],
            ..self.desired()
        };
        self.write_desired(desired).await
    }

    /// Hash of the newest configuration.
    pub(crate) fn config_hash(&self) -> String {
        config_hash(&self.effective)
    }

    /// Requests this configuration.
    pub(crate) async fn set_config(&self, hash: &str) -> anyhow::Result<()> {
        let desired = DesiredNodeState {
            config_hash: Some(hash.to_owned()),
            ..self.desired()
        };
        self.write_desired(desired).await
    }

    fn desired(&self) -> DesiredNodeState {
        DesiredNodeState {
            config_hash: Some(self.config_hash()),
            require_acceptance: self.requires_acceptance,
            ..DesiredNodeState::default()
        }
    }

    async fn write_desired(&self, desired: DesiredNodeState) -> anyhow::Result<()> {
        let object = build::node_status(&self.fi, &self.node, &desired);
        apply::<FileIntegrityNodeStatus>(&self.operator().await?, object).await?;
        // A daemon that starts now watches from the API server's cache, which may be older than what was written.
        let cached = GetParams::at("0");
        let statuses = self.space.api::<FileIntegrityNodeStatus>();
        let name = self.status_name();
        eventually("the cache of the API server to have it", async || {
            let shown = statuses.get_with(&name, &cached).await?.desired();
            Ok((shown == desired).then_some(()))
        })
        .await
    }

    /// A client with the permissions of the operator.
    pub(crate) async fn operator(&self) -> anyhow::Result<Client> {
        let account = self.space.account(names::OPERATOR_NAME);
        self.space.client_as(&account).await
    }

    pub(crate) async fn status(&self) -> anyhow::Result<FileIntegrityNodeStatus> {
        let statuses = self.space.api::<FileIntegrityNodeStatus>();
        Ok(statuses.get(&self.status_name()).await?)
    }

    /// Waits until the node status is so.
    pub(crate) async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&FileIntegrityNodeStatus) -> bool,
    ) -> anyhow::Result<FileIntegrityNodeStatus> {
        let name = self.status_name();
        let what = format!("{name}: {what}");
        self.space.until_is(&name, &what, is_so).await
    }

    /// Puts a watched file there, whole: a scan sees all of it or nothing.
    pub(crate) fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let new = self.path("put");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.path("root/watched").join(name))?)
    }

    /// Changes a file, and adds one.
    pub(crate) fn change(&self) -> anyhow::Result<()> {
        self.put("one", "after")?;
        self.put("new", "after")
    }

    /// A container has ended when nothing of it is there: the last thread of AIDE lets the lock go.
    pub(crate) async fn until_unlocked(&self) -> anyhow::Result<()> {
        let path = self.state("aide.lock");
        eventually("the lock to be free", async || {
            // A daemon that was killed early has created none.
            let Ok(lock) = std::fs::File::open(&path) else {
                return Ok(Some(()));
            };
            let taken = flock(&lock, FlockOperation::NonBlockingLockExclusive);
            Ok(taken.is_ok().then_some(()))
        })
        .await
    }

    /// What starts the daemon by this program, or by itself.
    async fn command(&self, by: &[&str]) -> anyhow::Result<Command> {
        let program = program();
        let aide = match &self.aide {
            Some(aide) => aide.clone(),
            None => aide().await?,
        };
        let mut words = by.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or(program.as_os_str()));
        command
            .args(words)
            .args(["daemon", "--node", &self.node, "--owner", self.name()])
            .args(["--namespace", &self.space.namespace])
            .args(["--interval", self.pause])
            .args(["--health-address=127.0.0.1:0", "--host-root"])
            .arg(self.path("root"))
            .arg("--aideconfigdir")
            .arg(self.path("conf"))
            .arg("--work-dir")
            .arg(self.path("work"))
            .arg("--aide")
            .arg(aide)
            .args(&self.arguments)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(self.environment.iter().cloned());
        Ok(command)
    }

    /// Starts the daemon.
    pub(crate) async fn daemon(&self) -> anyhow::Result<Process> {
        let command = self.command(&[]).await?;
        Process::spawn(self.space, self.name(), command, tempfile::tempdir()?)
    }

    /// Starts the daemon by this program, whose standard output can be read.
    pub(crate) async fn start(&self, by: &[&str]) -> anyhow::Result<Running> {
        let mut command = self.command(by).await?;
        command.stdout(Stdio::piped());
        let child = logged(command, self.space.log_of(self.name()), |_| ())?;
        Ok(Running { child: Some(child) })
    }
}

/// A running program. It is killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Option<Child>,
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        let pid = self.child.as_ref().map(Child::id);
        pid.and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or_default()
    }

    /// Stops it as the kubelet does.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            kill_process(pid, Signal::TERM)?;
        }
        self.wait().await
    }

    pub(crate) async fn wait(mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            tokio::task::spawn_blocking(move || child.wait()).await??;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            for traced in children(i32::try_from(child.id()).unwrap_or_default()) {
                kill_with_children(traced);
            }
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Ends a daemon and AIDE as the end of their container does.
pub(crate) fn kill_with_children(daemon: i32) {
    let aides = children(daemon);
    if let Some(daemon) = Pid::from_raw(daemon) {
        kill_process(daemon, Signal::KILL).ok();
    }
    for aide in aides.into_iter().filter_map(Pid::from_raw) {
        kill_process_group(aide, Signal::KILL).ok();
        kill_process(aide, Signal::KILL).ok();
    }
}

/// The processes that this one's threads have started.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task"));
    let threads = threads.into_iter().flatten().filter_map(Result::ok);
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let lists: String = lists.collect();
    lists
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
