//! Operators and daemons of different versions. A rollout takes hours on a large fleet: the operator
//! is replaced first, and then daemon after daemon; a rollback does the same. Each test runs in both
//! directions, and replaces the programs in the middle of something: nothing is lost, nothing is done
//! or reported twice, and no node gets a baseline that nobody requested.
//!
//! The previous version is a build of an earlier commit (`hack/previous-fio`). Operator and daemon are
//! the real programs, each with the permissions of its ServiceAccount, and the daemon runs a real AIDE.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use fio::testing::api::{
    Condition, FileIntegrity, FileIntegrityNodeStatus, NodeCounts, ScanResult, names,
};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{ListParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::daemon_permissions::token;
use crate::failover::until_leads;
use crate::harness::{Space, aide, eventually, in_space, previous_fio};
use crate::process::{Process, program};
use crate::updates::{machine_config, until_held};

/// What is watched, on the node.
const RULES: &str = "/watched(/|$) ftype+p+u+g+sha256\n";
/// The FileIntegrity.
const FI: &str = "fi";
/// Seconds between scans.
const GRACE_PERIOD: u64 = 10;
/// Runs the daemon with the directory `$2` as `/hostroot`: the operator writes that path into the
/// configuration. `$1` becomes the root directory of the daemon, with all other directories of the
/// machine.
const WITH_HOST_ROOT: &str = r#"
new=$1 node=$2
shift 2
mount -t tmpfs tmpfs "$new"
mkdir "$new/hostroot"
for entry in /*; do
  if [ -L "$entry" ]; then
    cp -P "$entry" "$new/"
  elif [ -d "$entry" ] && [ "$entry" != /hostroot ]; then
    mkdir "$new$entry"
    mount --rbind "$entry" "$new$entry"
  fi
done
mount --bind "$node" "$new/hostroot"
exec chroot "$new" "$@"
"#;

/// A build of fio.
#[derive(Clone, Copy, Debug)]
enum Build {
    Previous,
    Current,
}

impl Build {
    async fn program(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Previous => previous_fio().await,
            Self::Current => Ok(program()),
        }
    }
}

/// From which version to which.
#[derive(Clone, Copy, Debug)]
struct Direction {
    name: &'static str,
    from: Build,
    to: Build,
}

const ROLLOUT: Direction = Direction {
    name: "rollout",
    from: Build::Previous,
    to: Build::Current,
};
const ROLLBACK: Direction = Direction {
    name: "rollback",
    from: Build::Current,
    to: Build::Previous,
};

/// A cluster of one node, whose operator and daemon are replaced.
struct Fleet<'a> {
    space: &'a Space,
    dir: TempDir,
    node: String,
    started: Instant,
    operators: u32,
    daemons: u32,
    /// Where the last daemon answers health checks.
    health: SocketAddr,
}

impl<'a> Fleet<'a> {
    async fn new(space: &'a Space) -> anyhow::Result<Self> {
        // A state directory in memory is refused, and a temporary directory is in memory at times.
        let place = env!("CARGO_TARGET_TMPDIR");
        let dir = tempfile::Builder::new().prefix("skew").tempdir_in(place)?;
        for made in ["root/etc/kubernetes", "root/run", "root/watched", "conf"] {
            std::fs::create_dir_all(dir.path().join(made))?;
        }
        let fleet = Self {
            space,
            node: space.node("n1").await?,
            dir,
            started: Instant::now(),
            operators: 0,
            daemons: 0,
            health: free_address()?,
        };
        for name in ["one", "two"] {
            fleet.put(name, "before")?;
        }
        fleet.write_aide().await?;
        let config = json!({"metadata": {"name": "conf"}, "data": {"aide.conf": RULES}});
        space
            .api::<ConfigMap>()
            .create(&PostParams::default(), &serde_json::from_value(config)?)
            .await?;
        let config =
            json!({"name": "conf", "namespace": space.namespace, "gracePeriod": GRACE_PERIOD});
        space.file_integrity(FI, json!({"config": config})).await?;
        Ok(fleet)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Puts a watched file there, whole: a scan sees all of it or nothing.
    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let new = self.path("put");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.path("root/watched").join(name))?)
    }

    /// Writes a program that records each run of AIDE, and delays initializations while there is a file
    /// `pause`.
    async fn write_aide(&self) -> anyhow::Result<()> {
        let (program, dir) = (self.path("aide"), self.dir.path().display());
        let aide = aide().await?;
        let text = format!(
            "#!/bin/sh\necho \"$*\" >>'{dir}/runs'\n\
             case \" $* \" in *' --init '*|*' --update '*)\n\
               while [ -e '{dir}/pause' ]; do sleep 0.1; done\n\
             esac\nexec '{}' \"$@\"\n",
            aide.display()
        );
        std::fs::write(&program, text)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// The number of runs of AIDE with this argument.
    fn runs(&self, argument: &str) -> usize {
        let runs = std::fs::read_to_string(self.path("runs")).unwrap_or_default();
        let runs = runs.lines();
        runs.filter(|run| run.split(' ').any(|word| word == argument))
            .count()
    }

    /// Starts an operator of this build, and waits until it has reconciled the FileIntegrity.
    async fn operator(&mut self, build: Build) -> anyhow::Result<Process> {
        self.operators += 1;
        let identity = format!("operator-{}-{build:?}", self.operators).to_lowercase();
        let program = build.program().await?;
        let operator = Process::of_build(&program, self.space, &identity).await?;
        until_leads(self.space, &identity).await?;
        self.until_reconciled().await?;
        Ok(operator)
    }

    /// Changes a field of the spec that has no influence on baselines, and waits until the operator has
    /// observed that.
    async fn until_reconciled(&self) -> anyhow::Result<FileIntegrity> {
        let backups = json!({"spec": {"config": {"maxBackups": 5 + self.operators}}});
        let changed = self.space.merge::<FileIntegrity>(FI, backups).await?;
        let generation = changed.metadata.generation;
        self.space
            .until_is(FI, "the operator to reconcile", |fi: &FileIntegrity| {
                fi.status.as_ref().and_then(|s| s.observed_generation) >= generation
            })
            .await
    }

    /// Starts the daemon of this build in a new pod.
    async fn daemon(&mut self, build: Build) -> anyhow::Result<Process> {
        self.daemons += 1;
        self.health = free_address()?;
        let work = tempfile::tempdir()?;
        let kubeconfig = self.kubeconfig(work.path()).await?;
        self.mount_configuration().await?;
        let new_root = work.path().join("root");
        std::fs::create_dir(&new_root)?;
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-euc"])
            .args([WITH_HOST_ROOT, "sh"])
            .arg(&new_root)
            .arg(self.path("root"))
            .arg(build.program().await?)
            .args(["daemon", "--node", &self.node, "--owner", FI])
            .args(["--namespace", &self.space.namespace])
            .args(["--interval", &GRACE_PERIOD.to_string()])
            .args(["--health-address", &self.health.to_string()])
            .arg("--aideconfigdir")
            .arg(self.path("conf"))
            .arg("--work-dir")
            .arg(work.path())
            .arg("--aide")
            .arg(self.path("aide"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", kubeconfig);
        let identity = format!("daemon-{}-{build:?}", self.daemons).to_lowercase();
        Process::spawn(self.space, &identity, command, work)
    }

    /// Waits until the pod of the last daemon is ready. If its scans are held, it knows that then.
    async fn until_ready(&self) -> anyhow::Result<()> {
        let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        eventually("the daemon to be ready", async || {
            let Ok(mut connection) = TcpStream::connect(self.health).await else {
                return Ok(None);
            };
            connection.write_all(request).await?;
            let mut response = String::new();
            connection.read_to_string(&mut response).await?;
            Ok(response.starts_with("HTTP/1.1 200 ").then_some(()))
        })
        .await
    }

    /// The API with a token of the daemons' account for this node.
    async fn kubeconfig(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        let token = token(self.space, Some((FI, &self.node))).await?;
        let path = dir.join("kubeconfig");
        let mut config = serde_json::to_value(Kubeconfig::read()?)?;
        config["users"][0]["user"] = json!({"token": token});
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// The kubelet's part: mounts the active ConfigMap.
    async fn mount_configuration(&self) -> anyhow::Result<()> {
        let active = self
            .space
            .until_is(FI, "the active ConfigMap", |_: &ConfigMap| true);
        for (key, text) in active.await?.data.unwrap_or_default() {
            std::fs::write(self.path("conf").join(key), text)?;
        }
        Ok(())
    }

    async fn status(&self) -> anyhow::Result<FileIntegrityNodeStatus> {
        let name = names::node_status(FI, &self.node);
        Ok(self.space.api().get(&name).await?)
    }

    /// Waits until the node status is so.
    async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&FileIntegrityNodeStatus) -> bool,
    ) -> anyhow::Result<FileIntegrityNodeStatus> {
        let name = names::node_status(FI, &self.node);
        self.space.until_is(&name, what, is_so).await
    }

    /// Waits for the result of a scan after this one.
    async fn until_scanned_after(
        &self,
        before: &FileIntegrityNodeStatus,
    ) -> anyhow::Result<ScanResult> {
        let time = |status: &FileIntegrityNodeStatus| {
            let last = status.last_result.as_ref();
            last.map(|last| last.last_probe_time.0)
        };
        let after = self
            .until("another scan", |status| time(status) > time(before))
            .await?;
        after.last_result.context("a result")
    }

    /// Waits until the FileIntegrity is Active with these counts of failed and held nodes.
    async fn until_active(&self, failed: i64, held: i64) -> anyhow::Result<FileIntegrity> {
        let counts = |nodes: NodeCounts| {
            (nodes.selected, nodes.failed, nodes.errored, nodes.held) == (1, failed, 0, held)
        };
        let what = format!("Active with {failed} failed and {held} held nodes");
        self.space
            .until_is(FI, &what, |fi: &FileIntegrity| {
                crate::harness::phase_of(fi) == "Active"
                    && fi.status.as_ref().and_then(|s| s.nodes).is_some_and(counts)
            })
            .await
    }

    /// An operator and a daemon of this build, and a first clean result.
    async fn active(
        &mut self,
        build: Build,
    ) -> anyhow::Result<(Process, Process, FileIntegrityNodeStatus)> {
        let operator = self.operator(build).await?;
        self.space.until_phase(FI, "Initializing").await?;
        let daemon = self.daemon(build).await?;
        let status = self
            .until("a clean result", |status| {
                status.condition() == Some(Condition::Succeeded)
            })
            .await?;
        self.until_active(0, 0).await?;
        Ok((operator, daemon, status))
    }

    /// Fails unless there were so many initializations, all of them requested, and not more scans than
    /// the pauses and the starts explain.
    async fn check_runs(&self, initializations: usize) -> anyhow::Result<()> {
        // Later versions create a baseline that replaces another one with --update.
        let found = self.runs("--init") + self.runs("--update");
        assert_eq!(found, initializations, "initializations");
        let pauses = self.started.elapsed().as_secs() / GRACE_PERIOD;
        // The first pause of a daemon is shorter.
        let most = pauses + 2 * u64::from(self.daemons) + u64::try_from(initializations)?;
        let scans = u64::try_from(self.runs("--check"))?;
        assert!(scans <= most, "{scans} scans, at most {most} are explained");
        for reason in [
            "UnrequestedReinit",
            "BaselineTampered",
            "BaselineReplaced",
            "BaselineLost",
        ] {
            assert_eq!(
                self.space.event_messages(FI, reason).await?,
                [""; 0],
                "{reason}"
            );
        }
        let requested = self.status().await?.baseline.map(|b| b.requested);
        assert_eq!(requested, Some(true));
        Ok(())
    }
}

/// An address on which nothing listens.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The desired configuration, the request and the hold of a node.
fn desired(status: &FileIntegrityNodeStatus) -> [Option<String>; 3] {
    [
        names::Annotation::DESIRED_CONFIG,
        names::Annotation::REINIT_REQUEST,
        names::Annotation::HOLDOFF,
    ]
    .map(|key| status.annotation(key).map(str::to_owned))
}

/// Fails unless the phases in the events are those of the start.
async fn check_phases(space: &Space) -> anyhow::Result<()> {
    let phases = space.event_messages(FI, "FileIntegrityStatus").await?;
    assert_eq!(phases, ["Pending", "Initializing", "Active"]);
    Ok(())
}

/// The operator is replaced while AIDE creates the first baseline, and then the daemon, before AIDE has
/// finished.
async fn during_the_initialization(space: &Space, direction: Direction) -> anyhow::Result<()> {
    let mut fleet = Fleet::new(space).await?;
    let operator = fleet.operator(direction.from).await?;
    std::fs::write(fleet.path("pause"), "")?;
    let daemon = fleet.daemon(direction.from).await?;
    eventually("AIDE to run", async || {
        Ok((fleet.runs("--init") == 1).then_some(()))
    })
    .await?;
    let before = fleet.status().await?;

    operator.end().await?;
    let _operator = fleet.operator(direction.to).await?;
    space.until_phase(FI, "Initializing").await?;
    assert_eq!(desired(&fleet.status().await?), desired(&before));
    daemon.end().await?;
    std::fs::remove_file(fleet.path("pause"))?;
    let daemon = fleet.daemon(direction.to).await?;
    let status = fleet
        .until("a clean result", |status| {
            status.condition() == Some(Condition::Succeeded)
        })
        .await?;
    fleet.until_active(0, 0).await?;
    assert_eq!(desired(&status), desired(&before));

    // The terminated run, and the complete one.
    fleet.check_runs(2).await?;
    check_phases(space).await?;
    daemon.still_runs()
}

/// The operator and then the daemon are replaced while a failure is open.
async fn with_an_open_failure(space: &Space, direction: Direction) -> anyhow::Result<()> {
    let mut fleet = Fleet::new(space).await?;
    let (operator, daemon, clean) = fleet.active(direction.from).await?;
    fleet.put("one", "after")?;
    let failed = fleet
        .until("a failure", |status| {
            status.condition() == Some(Condition::Failed)
        })
        .await?;
    fleet.until_active(1, 0).await?;
    let open = failed.last_result.clone().context("a result")?;
    let log_name = open
        .result_config_map_name
        .clone()
        .context("a failure log")?;
    let log = space.api::<ConfigMap>().get(&log_name).await?;

    operator.end().await?;
    let _operator = fleet.operator(direction.to).await?;
    fleet.until_active(1, 0).await?;
    let scanned = fleet.until_scanned_after(&failed).await?;
    assert_eq!(scanned.changes_hash, open.changes_hash);
    daemon.end().await?;
    let before = fleet.status().await?;
    let _daemon = fleet.daemon(direction.to).await?;
    let scanned = fleet.until_scanned_after(&before).await?;
    let same = |result: &ScanResult| {
        let counts = (
            result.files_added,
            result.files_changed,
            result.files_removed,
        );
        (
            result.condition,
            counts,
            result.changes.clone(),
            result.changes_hash.clone(),
        )
    };
    assert_eq!(same(&scanned), same(&open));
    assert_eq!(scanned.result_config_map_name, Some(log_name.clone()));
    let log_after = space.api::<ConfigMap>().get(&log_name).await?;
    assert_eq!(log_after.uid(), log.uid());
    assert_eq!(
        (&log_after.data, &log_after.binary_data),
        (&log.data, &log.binary_data)
    );
    fleet.until_active(1, 0).await?;
    let after = fleet.status().await?;
    assert_eq!(after.baseline, clean.baseline);
    assert_eq!(desired(&after), desired(&clean));
    // The clean result, and the failure.
    assert_eq!(
        space.event_messages(FI, "NodeIntegrityStatus").await?.len(),
        2
    );

    // The other version sees the end of the failure.
    fleet.put("one", "before")?;
    fleet
        .until("a clean result", |status| {
            status.condition() == Some(Condition::Succeeded)
        })
        .await?;
    fleet.until_active(0, 0).await?;
    assert_eq!(
        space.event_messages(FI, "NodeIntegrityStatus").await?.len(),
        3
    );
    check_phases(space).await?;
    fleet.check_runs(1).await
}

/// Waits until the operator has passed a re-initialization to the node; returns its ID.
async fn request(fleet: &Fleet<'_>, before: Option<&str>) -> anyhow::Result<String> {
    let annotation = names::Annotation::REINIT_ON_FAILED;
    fleet.space.annotate(FI, annotation, json!("")).await?;
    let key = names::Annotation::REINIT_REQUEST;
    let status = fleet
        .until("a request", |status| {
            status.annotation(key).is_some_and(|id| Some(id) != before)
        })
        .await?;
    Ok(status.annotation(key).unwrap_or_default().to_owned())
}

/// Waits until the node has executed the request, and the operator knows that.
async fn until_done(fleet: &Fleet<'_>, id: &str) -> anyhow::Result<FileIntegrityNodeStatus> {
    let started = |status: &FileIntegrityNodeStatus| {
        let done = status.reinit.as_ref().filter(|done| done.id == id);
        done.map(|done| done.started_at.0)
    };
    let status = fleet
        .until("the request to be done, and a clean result", |status| {
            let last = status.last_result.as_ref();
            let clean = last.filter(|last| last.condition == Condition::Succeeded);
            started(status).is_some_and(|at| clean.is_some_and(|last| last.last_probe_time.0 >= at))
        })
        .await?;
    eventually("the re-init DaemonSet to be deleted", async || {
        let all = fleet.space.api::<DaemonSet>();
        let all = all.list(&ListParams::default()).await?.items;
        let prefix = names::reinit_daemon_set(FI, None);
        let exists = all.iter().any(|set| set.name_any().starts_with(&prefix));
        Ok((!exists).then_some(()))
    })
    .await?;
    fleet.until_active(0, 0).await?;
    let fi = fleet.space.api::<FileIntegrity>().get(FI).await?;
    for key in [
        names::Annotation::REINIT,
        names::Annotation::REINIT_ON_FAILED,
        names::Annotation::REINIT_RECORD,
    ] {
        assert_eq!(fi.annotations().get(key), None, "{key}");
    }
    Ok(status)
}

/// A re-initialization is requested from one operator, and the next one sends the request to the daemons; then one is
/// requested that the daemon of the other version executes.
async fn with_a_requested_re_initialization(
    space: &Space,
    direction: Direction,
) -> anyhow::Result<()> {
    let mut fleet = Fleet::new(space).await?;
    let (operator, daemon, clean) = fleet.active(direction.from).await?;
    fleet.put("one", "after")?;
    fleet
        .until("a failure", |status| {
            status.condition() == Some(Condition::Failed)
        })
        .await?;
    fleet.until_active(1, 0).await?;
    daemon.end().await?;
    let first = request(&fleet, None).await?;

    operator.end().await?;
    let _operator = fleet.operator(direction.to).await?;
    assert_eq!(desired(&fleet.status().await?)[1], Some(first.clone()));
    let daemon = fleet.daemon(direction.from).await?;
    let renewed = until_done(&fleet, &first).await?;
    let digest = |status: &FileIntegrityNodeStatus| status.baseline.clone().map(|b| b.digest);
    assert_ne!(digest(&renewed), digest(&clean));
    fleet.check_runs(2).await?;

    fleet.put("one", "later")?;
    fleet
        .until("a failure", |status| {
            status.condition() == Some(Condition::Failed)
        })
        .await?;
    fleet.until_active(1, 0).await?;
    daemon.end().await?;
    let second = request(&fleet, Some(&first)).await?;
    // The pod of the re-init DaemonSet has been there before the daemon.
    std::fs::write(fleet.path("root/run/aide.reinit"), &second)?;
    let _daemon = fleet.daemon(direction.to).await?;
    until_done(&fleet, &second).await?;
    eventually("the signal file to be removed", async || {
        Ok((!fleet.path("root/run/aide.reinit").exists()).then_some(()))
    })
    .await?;
    assert_eq!(
        fleet.status().await?.reinit.map(|done| done.id),
        Some(second)
    );
    fleet.check_runs(3).await
}

/// The operator and then the daemon are replaced while a node is updated, and its scans are held.
async fn during_a_hold(space: &Space, direction: Direction) -> anyhow::Result<()> {
    let mut fleet = Fleet::new(space).await?;
    let (operator, daemon, clean) = fleet.active(direction.from).await?;
    machine_config(space, &fleet.node, "a", "b", "Working").await?;
    let held = until_held(space, &fleet.node, true).await?;
    fleet.until_active(0, 1).await?;
    daemon.end().await?;
    let checks = fleet.runs("--check");
    fleet.put("one", "after")?;

    operator.end().await?;
    let _operator = fleet.operator(direction.to).await?;
    fleet.until_active(0, 1).await?;
    assert_eq!(desired(&fleet.status().await?), desired(&held));
    let daemon = fleet.daemon(direction.from).await?;
    fleet.until_ready().await?;
    daemon.end().await?;
    let _daemon = fleet.daemon(direction.to).await?;
    fleet.until_ready().await?;
    assert_eq!(fleet.runs("--check"), checks, "held nodes are not scanned");

    machine_config(space, &fleet.node, "b", "b", "Done").await?;
    let over = until_held(space, &fleet.node, false).await?;
    let request = over
        .annotation(names::Annotation::REINIT_REQUEST)
        .context("a request")?;
    let renewed = until_done(&fleet, request).await?;
    assert_ne!(renewed.baseline, clean.baseline);
    // The update's changes were never reported.
    assert_eq!(
        space.event_messages(FI, "NodeIntegrityStatus").await?.len(),
        1
    );
    fleet.check_runs(2).await
}

macro_rules! both_directions {
    ($($scenario:ident: $space:literal, $rollout:ident, $rollback:ident;)*) => {$(
        #[tokio::test]
        async fn $rollout() -> anyhow::Result<()> {
            let name = format!("skew-{}-{}", $space, ROLLOUT.name);
            in_space(&name, async |space| $scenario(space, ROLLOUT).await).await
        }

        #[tokio::test]
        async fn $rollback() -> anyhow::Result<()> {
            let name = format!("skew-{}-{}", $space, ROLLBACK.name);
            in_space(&name, async |space| $scenario(space, ROLLBACK).await).await
        }
    )*};
}

both_directions! {
    during_the_initialization: "init",
        a_rollout_during_the_initialization, a_rollback_during_the_initialization;
    with_an_open_failure: "failure",
        a_rollout_with_an_open_failure, a_rollback_with_an_open_failure;
    with_a_requested_re_initialization: "reinit",
        a_rollout_with_a_requested_re_initialization, a_rollback_with_a_requested_re_initialization;
    during_a_hold: "hold",
        a_rollout_during_a_hold, a_rollback_during_a_hold;
}
