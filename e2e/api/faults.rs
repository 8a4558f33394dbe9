//! An unreachable or failing API: daemon and operator as real programs behind a [`Proxy`] that injects
//! the faults. Scans continue, their results arrive afterwards, nothing is lost or reported twice, the rate
//! of requests stays within what the backoff allows, and no process exits.
//!
//! A fault lasts as long as two scans take, some twenty seconds. A longer one is the same to the
//! program: pauses between two tries grow up to a minute and stay there, which a unit test of the
//! backoff shows, and [`a_minute_of_refusals_costs_few_requests`] by counting. `FIO_FAULT_SECONDS` makes
//! every fault last longer, these refusals too: with `FIO_FAULT_SECONDS=600 hack/chaos` the API is unreachable
//! for ten minutes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::aide::config::config_hash;
use fio::testing::api::{
    Condition, DesiredNodeState, FileIntegrity, FileIntegrityNodeStatus, names,
};
use fio::testing::operator::build::{self, ActiveConfig};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::PostParams;
use serde_json::json;
use tempfile::TempDir;

use crate::chaos::{Row, lost_and_duplicated};
use crate::daemon_permissions::{apply, token};
use crate::harness::{
    Daemon, Space, aide, changed, condition_of, errors_of, eventually, in_space, kubectl,
    message_of, none_is_wrong,
};
use crate::process::{Process, program};
use crate::proxy::{Fault, Kubeconfig, Proxy};
use crate::site::Site;
use crate::spec::{elsewhere, let_read};

/// The variable with the seconds that a fault is to last at least.
const FAULT_SECONDS: &str = "FIO_FAULT_SECONDS";
/// Default of the minimum duration of a fault.
const AT_LEAST: Duration = Duration::from_secs(20);
/// As long as it takes until a new token is read, which is done every fifty seconds, the longest pause is
/// over, a minute or, by jitter, nearly two, and what waited for both is done.
const RECOVERY: Duration = Duration::from_secs(180);
/// Requests to report one scan: the failure log, an event, the status.
const PER_SCAN: usize = 3;

/// The fault's own part of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// What the proxy does.
    Proxy(Fault),
    /// Another certificate, some times.
    Certificate,
    /// The token runs out, and its file gets a new one only at the end.
    Token,
}

/// How long a fault lasts: `usual`, or the value of the variable.
fn at_least(usual: Duration) -> anyhow::Result<Duration> {
    match std::env::var(FAULT_SECONDS) {
        Ok(text) => {
            let seconds = text.parse().with_context(|| {
                format!("{FAULT_SECONDS} is {text:?}, and no number of seconds")
            })?;
            Ok(Duration::from_secs(seconds).max(usual))
        }
        Err(_) => Ok(usual),
    }
}

/// How often something is tried in this time when each try fails: the first pause is `first`, each
/// further one is twice as long, up to a minute. Jitter only makes them longer.
fn tries(within: Duration, first: Duration) -> usize {
    let (mut count, mut at, mut pause) = (0, Duration::ZERO, first);
    while at <= within {
        count += 1;
        at += pause;
        pause = (pause * 2).min(Duration::from_secs(60));
    }
    count
}

/// Makes the trouble.
async fn begin(trouble: Trouble, proxy: &Proxy, token: &str) -> anyhow::Result<()> {
    match trouble {
        Trouble::Proxy(fault) => proxy.set(fault).await,
        Trouble::Certificate => proxy.rotate_certificate(),
        Trouble::Token => {
            proxy.expire(token);
            proxy.set(Fault::None).await
        }
    }
}

/// Ends it.
async fn end(
    trouble: Trouble,
    proxy: &Proxy,
    kubeconfig: &Kubeconfig,
    new_token: &str,
) -> anyhow::Result<()> {
    match trouble {
        Trouble::Proxy(_) => proxy.set(Fault::None).await,
        Trouble::Certificate => proxy.rotate_certificate(),
        Trouble::Token => Ok(std::fs::write(&kubeconfig.token, new_token)?),
    }
}

/// A watched node with a real daemon and a real AIDE.
pub(crate) struct Node<'a> {
    space: &'a Space,
    pub(crate) name: String,
    pub(crate) proxy: Proxy,
    kubeconfig: Kubeconfig,
    token: String,
    pub(crate) daemon: Process,
    /// The directory that is watched.
    pub(crate) watched: PathBuf,
    /// The node's root, and beside it what is the daemon's own.
    dir: TempDir,
    /// The container's own directory.
    work: PathBuf,
}

impl<'a> Node<'a> {
    pub(crate) async fn start(space: &'a Space) -> anyhow::Result<Self> {
        let name = space.node("n1").await?;
        // Beside what is built: /tmp is in memory on many machines, and no place for a baseline there.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let watched = dir.path().join("root/etc/watched");
        let config = dir.path().join("config");
        for made in [&watched, &config, &dir.path().join("root/etc/kubernetes")] {
            std::fs::create_dir_all(made)?;
        }
        std::fs::write(watched.join("file"), "text")?;
        let text = format!("{} p+l+sha256\n", watched.display());
        std::fs::write(config.join(names::KEY_EFFECTIVE_CONF), &text)?;
        set_desired_state(space, &name, &text).await?;

        let proxy = Proxy::start().await?;
        let token = token(space, Some(("fi", &name))).await?;
        let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let work_path = work.path().to_owned();
        let kubeconfig = proxy.kubeconfig(dir.path(), &token)?;
        let daemon = start_daemon(space, &name, dir.path(), &kubeconfig.path, work).await?;
        let node = Self {
            space,
            name,
            proxy,
            kubeconfig,
            token,
            daemon,
            watched,
            dir,
            work: work_path,
        };
        node.until_reported(&[node.clean()]).await?;
        Ok(node)
    }

    pub(crate) fn clean(&self) -> String {
        format!("no changes to node {}", self.name)
    }

    pub(crate) fn added(&self, count: u32) -> String {
        let (node, namespace) = (&self.name, &self.space.namespace);
        let log = names::failure_log("aide-fi", node);
        format!("node {node} has changed! a:{count},c:0,r:0 log:{namespace}/{log}")
    }

    /// How many scans with this result the daemon has done.
    fn scans(&self, condition: Condition) -> usize {
        let wanted = format!("\"condition\":\"{condition}\"");
        let is_one = |line: &String| line.contains("scan finished") && line.contains(&wanted);
        self.daemon.lines().iter().filter(|l| is_one(l)).count()
    }

    /// Waits until one more scan has had this result.
    pub(crate) async fn until_scanned(&self, condition: Condition) -> anyhow::Result<()> {
        let before = self.scans(condition);
        let what = format!("a scan that ends as {condition}");
        eventually(&what, async || {
            Ok((self.scans(condition) > before).then_some(()))
        })
        .await
    }

    pub(crate) async fn event_messages(&self) -> anyhow::Result<Vec<String>> {
        self.space.event_messages("fi", "NodeIntegrityStatus").await
    }

    pub(crate) async fn until_reported(&self, expected: &[String]) -> anyhow::Result<()> {
        let what = format!("to be reported: {expected:?}");
        let waiting = async {
            while self.event_messages().await?.len() < expected.len() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(RECOVERY, waiting)
            .await
            .context(what)?
    }

    /// A directory of the same file system that is not watched.
    pub(crate) fn elsewhere(&self) -> PathBuf {
        self.dir.path().join("elsewhere")
    }

    /// The files in the state directory and in the container's own, and their sizes.
    pub(crate) fn own_files(&self) -> Vec<(String, u64)> {
        let directories = [
            self.dir.path().join("root/etc/kubernetes"),
            self.work.clone(),
        ];
        let entries = directories
            .into_iter()
            .filter_map(|d| std::fs::read_dir(d).ok());
        // Files come and go meanwhile.
        let of = |entry: std::fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            entry.metadata().ok().map(|meta| (name, meta.len()))
        };
        entries.flatten().flatten().filter_map(of).collect()
    }

    pub(crate) async fn failure_log(&self) -> anyhow::Result<ConfigMap> {
        let name = names::failure_log("aide-fi", &self.name);
        Ok(self.space.api::<ConfigMap>().get(&name).await?)
    }

    pub(crate) async fn status(&self) -> anyhow::Result<FileIntegrityNodeStatus> {
        let name = names::node_status("fi", &self.name);
        let api = self.space.api::<FileIntegrityNodeStatus>();
        Ok(api.get(&name).await?)
    }
}

/// Writes the desired state of the node: the FileIntegrity, its configuration and the node's status.
async fn set_desired_state(space: &Space, node: &str, text: &str) -> anyhow::Result<()> {
    let fi = space.file_integrity("fi", json!({})).await?;
    let config = ActiveConfig {
        conf: text.to_owned(),
        effective: text.to_owned(),
    };
    apply::<ConfigMap>(&space.client, build::config_map(&fi, &config)).await?;
    let desired = DesiredNodeState {
        config_hash: Some(config_hash(text)),
        ..DesiredNodeState::default()
    };
    let status = build::node_status(&fi, node, &desired);
    apply::<FileIntegrityNodeStatus>(&space.client, status).await?;
    Ok(())
}

async fn start_daemon(
    space: &Space,
    node: &str,
    dir: &Path,
    kubeconfig: &Path,
    work: TempDir,
) -> anyhow::Result<Process> {
    let mut command = Command::new(program());
    command
        .args(["daemon", "--owner=fi", "--interval=10"])
        .args(["--health-address=127.0.0.1:0", "--node", node])
        .args(["--namespace", &space.namespace])
        .arg("--host-root")
        .arg(dir.join("root"))
        .arg("--aideconfigdir")
        .arg(dir.join("config"))
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("FIO_AIDE", aide().await?)
        .env("FIO_WORK_DIR", work.path());
    Process::spawn(space, "daemon", command, work)
}

/// As many requests may come from a daemon in this time, with so many scans.
fn most_of_a_daemon(trouble: Trouble, within: Duration, scans: usize) -> usize {
    // One who watches and one who publishes.
    let retries = 2 * tries(within, Duration::from_secs(1));
    let reports = PER_SCAN * scans;
    match trouble {
        // A watch is opened once in a second at most, however short the one before was. The client
        // takes a watch that breaks off for one that has ended.
        Trouble::Proxy(Fault::WatchesEnd(_) | Fault::CutBodies) => {
            retries + reports + usize::try_from(within.as_secs()).unwrap_or(usize::MAX)
        }
        // Nothing fails for long, and each failure is followed by a try.
        Trouble::Proxy(Fault::Flaky) => retries + 2 * reports,
        _ => retries + reports,
    }
}

/// A file is created and deleted during the fault. Both are reported afterwards, once each.
async fn a_daemon_in(name: &str, fault: &str, trouble: Trouble) -> anyhow::Result<()> {
    in_space(name, async |space| {
        let node = Node::start(space).await?;
        let (began, scans) = (Instant::now(), node.daemon.lines().len());
        begin(trouble, &node.proxy, &node.token).await?;
        let new = node.watched.join("new");
        std::fs::write(&new, "text")?;
        node.until_scanned(Condition::Failed).await?;
        std::fs::remove_file(&new)?;
        node.until_scanned(Condition::Succeeded).await?;
        tokio::time::sleep(at_least(AT_LEAST)?.saturating_sub(began.elapsed())).await;
        let (lasted, requests) = (began.elapsed(), node.proxy.requests(began));
        let lines = node.daemon.lines();
        let scans = lines[scans..]
            .iter()
            .filter(|l| l.contains("scan finished"));
        let most = most_of_a_daemon(trouble, lasted, scans.count());
        anyhow::ensure!(
            requests.len() <= most,
            "{} requests in {lasted:?}, and not {most} at most: {requests:?}",
            requests.len()
        );

        let new_token = token(space, Some(("fi", &node.name))).await?;
        let ended = Instant::now();
        end(trouble, &node.proxy, &node.kubeconfig, &new_token).await?;
        let expected = [node.clean(), node.added(1), node.clean()];
        node.until_reported(&expected).await?;
        let name = names::node_status("fi", &node.name);
        space
            .until_is(
                &name,
                "the last result",
                |status: &FileIntegrityNodeStatus| {
                    let last = status.last_result.as_ref();
                    last.is_some_and(|last| last.condition == Condition::Succeeded)
                },
            )
            .await?;
        let recovered = ended.elapsed();

        // Each result is reported once, also after further scans.
        let before = node.status().await?.last_result;
        node.until_scanned(Condition::Succeeded).await?;
        space
            .until_is(
                &name,
                "a further result",
                |status: &FileIntegrityNodeStatus| {
                    status.last_result.as_ref().map(|r| &r.last_probe_time)
                        > before.as_ref().map(|r| &r.last_probe_time)
                },
            )
            .await?;
        let (lost, duplicated) = lost_and_duplicated(&expected, &node.event_messages().await?);
        let log = node.failure_log().await?.data.unwrap_or_default();
        let log = log.get(names::KEY_INTEGRITY_LOG).context("a failure log")?;
        anyhow::ensure!(log.contains("/etc/watched/new"), "{log}");
        node.daemon.still_runs()?;
        Row {
            fault: format!("daemon: {fault}"),
            tried: requests.len(),
            lost,
            duplicated,
            recovery_seconds: Some(recovered.as_secs_f64()),
        }
        .print()
    })
    .await
}

/// An operator as a real program, and two nodes whose daemons' part is played past the proxy.
struct Fleet<'a> {
    space: &'a Space,
    proxy: Proxy,
    kubeconfig: Kubeconfig,
    token: String,
    operator: Process,
    nodes: [String; 2],
    daemons: [Daemon; 2],
}

impl<'a> Fleet<'a> {
    async fn start(space: &'a Space) -> anyhow::Result<Self> {
        let proxy = Proxy::start().await?;
        let token = operators_token(space).await?;
        let dir = tempfile::tempdir()?;
        let kubeconfig = proxy.kubeconfig(dir.path(), &token)?;
        let operator = Process::operator(space, "op", &kubeconfig.path, dir).await?;
        let (nodes, daemons) = space.active("fi", json!({})).await?;
        Ok(Self {
            space,
            proxy,
            kubeconfig,
            token,
            operator,
            nodes,
            daemons,
        })
    }

    /// Waits until the operator has done what was asked of it.
    async fn until_done(&self, third: &str) -> anyhow::Result<()> {
        let done = async || {
            let statuses = self.space.api::<FileIntegrityNodeStatus>();
            let daemon_set = self.space.api::<DaemonSet>().get("aide-fi").await?;
            let fi = self.space.api::<FileIntegrity>().get("fi").await?;
            let is_there = statuses.get_opt(&names::node_status("fi", third)).await?;
            let backups = json!(daemon_set).to_string().contains("--maxbackups=3");
            let status = fi.status.unwrap_or_default();
            anyhow::Ok(
                is_there.is_some()
                    && backups
                    && status.observed_generation == fi.metadata.generation
                    && status.nodes.is_some_and(|nodes| nodes.failed == 1),
            )
        };
        let waiting = async {
            while !done().await? {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(RECOVERY, waiting)
            .await
            .context("the operator to do what was asked of it")?
    }
}

pub(crate) async fn operators_token(space: &Space) -> anyhow::Result<String> {
    let answer = space
        .api::<ServiceAccount>()
        .create_token_request(
            names::OPERATOR_NAME,
            &PostParams::default(),
            &TokenRequest::default(),
        )
        .await?;
    Ok(answer.status.context("a token")?.token)
}

/// As many requests may come from an operator in this time.
fn most_of_an_operator(trouble: Trouble, within: Duration) -> usize {
    /// Watches, and the objects that are applied periodically (the policy, the monitoring).
    const STREAMS: usize = 10;
    /// The requests of a start as leader, and of the requested writes.
    const WORK: usize = 60;
    // The client's watches begin at 800 ms. The lease is asked for every second, and where that works
    // it is written, too.
    let retries = STREAMS * tries(within, Duration::from_millis(800));
    let seconds = usize::try_from(within.as_secs()).unwrap_or(usize::MAX) + 1;
    match trouble {
        // One list of a single object and one watch in a second.
        Trouble::Proxy(Fault::WatchesEnd(_)) => 2 * STREAMS * seconds + WORK,
        Trouble::Proxy(Fault::Conflict) => retries + 2 * seconds + WORK,
        _ => retries + seconds + WORK,
    }
}

/// While the trouble lasts a node fails, another one comes, and the specification changes. All of it
/// is seen to afterwards.
async fn an_operator_in(name: &str, fault: &str, trouble: Trouble) -> anyhow::Result<()> {
    in_space(name, async |space| {
        let mut fleet = Box::pin(Fleet::start(space)).await?;
        let began = Instant::now();
        begin(trouble, &fleet.proxy, &fleet.token).await?;
        fleet.daemons[0].finds(&changed()).await?;
        let third = space.node("n3").await?;
        let backups = json!({"spec": {"config": {"maxBackups": 3}}});
        space.merge::<FileIntegrity>("fi", backups).await?;
        tokio::time::sleep(at_least(AT_LEAST)?).await;
        let (lasted, requests) = (began.elapsed(), fleet.proxy.requests(began));
        let most = most_of_an_operator(trouble, lasted);
        anyhow::ensure!(
            requests.len() <= most,
            "{} requests in {lasted:?}, and not {most} at most: {requests:?}",
            requests.len()
        );

        let new_token = operators_token(space).await?;
        let ended = Instant::now();
        end(trouble, &fleet.proxy, &fleet.kubeconfig, &new_token).await?;
        fleet.until_done(&third).await?;
        let recovered = ended.elapsed();
        space.until_phase("fi", "Initializing").await?;
        space.daemon("fi", &third).handle_request().await?;
        space.until_phase("fi", "Active").await?;
        fleet.operator.still_runs()?;
        let expected = [
            "Pending",
            "Initializing",
            "Active",
            "Initializing",
            "Active",
        ];
        let expected = expected.map(str::to_owned);
        let messages = space.event_messages("fi", "FileIntegrityStatus").await?;
        let (lost, duplicated) = lost_and_duplicated(&expected, &messages);
        assert!(
            messages.len() == expected.len() || lost + duplicated > 0,
            "{messages:?}"
        );
        assert!(fleet.nodes.iter().all(|node| *node != third));
        Row {
            fault: format!("operator: {fault}"),
            tried: requests.len(),
            lost,
            duplicated,
            recovery_seconds: Some(recovered.as_secs_f64()),
        }
        .print()
    })
    .await
}

/// Every fault, with a word for its namespace and one for people.
const TROUBLES: [(&str, &str, Trouble); 13] = [
    (
        "429",
        "429 with Retry-After",
        Trouble::Proxy(Fault::Status(429, Some(1))),
    ),
    ("500", "500", Trouble::Proxy(Fault::Status(500, None))),
    ("503", "503", Trouble::Proxy(Fault::Status(503, None))),
    (
        "flaky",
        "500 for every second request",
        Trouble::Proxy(Fault::Flaky),
    ),
    (
        "conflict",
        "409 for writes",
        Trouble::Proxy(Fault::Conflict),
    ),
    (
        "quota",
        "409 for creations",
        Trouble::Proxy(Fault::ConflictOfQuota),
    ),
    (
        "slow",
        "responses delayed by 5 s",
        Trouble::Proxy(Fault::Slow(Duration::from_secs(5))),
    ),
    (
        "short",
        "watches end after 1 s",
        Trouble::Proxy(Fault::WatchesEnd(Duration::from_secs(1))),
    ),
    (
        "end",
        "watches end at once",
        Trouble::Proxy(Fault::WatchesEnd(Duration::ZERO)),
    ),
    (
        "cut",
        "truncated responses",
        Trouble::Proxy(Fault::CutBodies),
    ),
    (
        "refused",
        "connections refused",
        Trouble::Proxy(Fault::Refused),
    ),
    ("tls", "a different certificate", Trouble::Certificate),
    ("token", "token expired, later renewed", Trouble::Token),
];

/// Makes all faults, each for itself and at the same time: most of it is waiting.
async fn in_each(
    test: impl AsyncFn(&str, &str, Trouble) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let tests = TROUBLES.map(|(name, fault, trouble)| {
        let tested = test(name, fault, trouble);
        async move { tested.await.with_context(|| format!("fault: {fault}")) }
    });
    none_is_wrong(&errors_of(futures::future::join_all(tests).await))
}

#[tokio::test]
async fn a_daemon_scans_during_each_fault_and_reports_results_once() -> anyhow::Result<()> {
    in_each(async |name, fault, trouble| {
        a_daemon_in(&format!("daemon-{name}"), fault, trouble).await
    })
    .await
}

#[tokio::test]
async fn a_daemon_reports_once_while_no_write_is_answered() -> anyhow::Result<()> {
    let trouble = Trouble::Proxy(Fault::LostAnswers);
    a_daemon_in("daemon-lost", "answers to writes lost", trouble).await
}

#[tokio::test]
async fn an_operator_recovers_from_each_fault_without_a_restart() -> anyhow::Result<()> {
    in_each(async |name, fault, trouble| {
        an_operator_in(&format!("operator-{name}"), fault, trouble).await
    })
    .await
}

/// Its renewals of the lease are not answered either, so another operator could act meanwhile.
#[tokio::test]
async fn an_operator_reports_once_while_no_write_is_answered() -> anyhow::Result<()> {
    let trouble = Trouble::Proxy(Fault::LostAnswers);
    an_operator_in("operator-lost", "answers to writes are lost", trouble).await
}

/// What an operator asks first when it begins to lead.
#[tokio::test]
async fn an_operator_waits_if_the_api_groups_cannot_be_read() -> anyhow::Result<()> {
    in_space("groups", async |space| {
        let proxy = Proxy::start().await?;
        proxy.set(Fault::At("/apis", 503)).await?;
        let dir = tempfile::tempdir()?;
        let kubeconfig = proxy.kubeconfig(dir.path(), &operators_token(space).await?)?;
        let operator = Process::operator(space, "op", &kubeconfig.path, dir).await?;
        space.node("n1").await?;
        space.file_integrity("fi", json!({})).await?;
        operator.logs("list the API groups").await?;
        proxy.set(Fault::None).await?;
        space.until_phase("fi", "Initializing").await?;
        operator.still_runs()
    })
    .await
}

/// What cannot be read is in the status, for as long as that lasts.
#[tokio::test]
async fn what_an_operator_cannot_read_is_reported() -> anyhow::Result<()> {
    in_space("unread", async |space| {
        let proxy = Proxy::start().await?;
        let class = "/apis/scheduling.k8s.io/v1/priorityclasses/nobodys";
        let dir = tempfile::tempdir()?;
        let kubeconfig = proxy.kubeconfig(dir.path(), &operators_token(space).await?)?;
        let _operator = Process::operator(space, "op", &kubeconfig.path, dir).await?;
        let until = async |reason: &str, message: &str| {
            let what = format!("Degraded, {reason}");
            space
                .until_is("fi", &what, |fi: &FileIntegrity| {
                    condition_of(fi, "Degraded") == format!("True/{reason}")
                        && message_of(fi, "Degraded").contains(message)
                })
                .await
        };
        space.node("n1").await?;
        for (code, reason) in [(403, "ApiRefused"), (503, "ApiFailing")] {
            proxy.set(Fault::At(class, code)).await?;
            if code == 403 {
                let spec = json!({"priorityClassName": "nobodys"});
                space.file_integrity("fi", spec).await?;
            } else {
                // Something to reconcile for.
                space.annotate("fi", "touch", json!("again")).await?;
            }
            until(reason, "read the PriorityClass nobodys").await?;
            proxy.set(Fault::None).await?;
            until("PriorityClass", "the pods run without it").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_minute_of_refusals_costs_few_requests() -> anyhow::Result<()> {
    in_space("minute", async |space| {
        let node = Node::start(space).await?;
        node.proxy.set(Fault::Status(503, None)).await?;
        let began = Instant::now();
        std::fs::write(node.watched.join("new"), "text")?;
        tokio::time::sleep(at_least(Duration::from_secs(60))?).await;
        let (requests, most) = (
            node.proxy.requests(began).len(),
            2 * tries(began.elapsed(), Duration::from_secs(1)),
        );
        // Tries at 0, 1, 3, 7, 15, 31 and 63 s, of two tasks.
        anyhow::ensure!(
            requests <= most,
            "{requests} requests, and not {most} at most"
        );
        anyhow::ensure!(node.scans(Condition::Failed) > 1, "scans go on");
        node.daemon.still_runs()
    })
    .await
}

/// A network that swallows what is sent: nothing is refused, and nothing answered.
#[tokio::test]
async fn a_daemon_without_an_answer_at_its_start_scans_and_reports_later() -> anyhow::Result<()> {
    in_space("no-answer", async |space| {
        let node = space.node("n1").await?;
        let proxy = Proxy::start().await?;
        let site = Site::behind(&proxy, space, "fi", &node, "10").await?;
        let is = |status: &FileIntegrityNodeStatus, condition| {
            let last = status.last_result.as_ref();
            last.is_some_and(|last| last.condition == condition)
        };
        let daemon = site.daemon().await?;
        site.until("a clean result", |status| is(status, Condition::Succeeded))
            .await?;
        daemon.end().await?;
        site.until_unlocked().await?;

        proxy.set(Fault::Slow(Duration::from_secs(3600))).await?;
        site.change()?;
        let daemon = site.daemon().await?;
        daemon.logs("scan finished").await?;
        let status = site.status().await?;
        anyhow::ensure!(
            is(&status, Condition::Succeeded),
            "it was reported: {status:?}"
        );
        proxy.set(Fault::None).await?;
        site.until("what has changed", |status| is(status, Condition::Failed))
            .await?;
        daemon.still_runs()
    })
    .await
}

/// As if a FileIntegrity is created again: the old pod is still terminating when the new one starts.
#[tokio::test]
async fn a_starting_daemon_waits_for_the_lock_of_another() -> anyhow::Result<()> {
    in_space("ending", async |space| {
        let node = space.node("n1").await?;
        let site = Site::new(space, "fi", &node, "10").await?;
        let has = |status: &FileIntegrityNodeStatus, condition| {
            let mut results = status.results.iter();
            results.any(|result| result.condition == condition)
        };
        let old = site.daemon().await?;
        site.until("a clean result", |status| has(status, Condition::Succeeded))
            .await?;
        let new = site.daemon().await?;
        new.logs("waiting for a terminating pod to release the lock")
            .await?;
        site.change()?;
        old.end().await?;
        new.logs("scan finished").await?;
        let status = site
            .until("what has changed", |status| has(status, Condition::Failed))
            .await?;
        anyhow::ensure!(!has(&status, Condition::Errored), "{status:?}");
        let is_error = |line: &String| line.contains("the node cannot be scanned");
        anyhow::ensure!(!new.lines().iter().any(is_error), "{:?}", new.lines());
        new.still_runs()
    })
    .await
}

/// A new watch lists: the ConfigMap has not changed, so one that went on would show nothing of it.
#[tokio::test]
async fn a_permission_that_was_removed_and_restored_is_used_again() -> anyhow::Result<()> {
    in_space("permission", async |space| {
        let mut fleet = Box::pin(Fleet::start(space)).await?;
        let other = elsewhere(space).await?;
        let_read(space, &other).await?;
        let config = json!({"name": "c", "namespace": other});
        space
            .merge::<FileIntegrity>("fi", json!({"spec": {"config": config}}))
            .await?;
        for daemon in &mut fleet.daemons {
            daemon.handle_request().await?;
        }
        space.until_well("fi").await?;
        let until_valid = async |expected: &str| {
            let what = format!("ConfigValid to be {expected}");
            let is_so = |fi: &FileIntegrity| condition_of(fi, "ConfigValid") == expected;
            space.until_is("fi", &what, is_so).await.map(|_| ())
        };

        kubectl(&["delete", "rolebinding", "r", "-n", &other], "").await?;
        let watch = json!({"resourceAttributes": {
            "namespace": other, "verb": "watch", "resource": "configmaps", "name": "c",
        }});
        space
            .until_may(&space.namespace, names::OPERATOR_NAME, &watch, false)
            .await?;
        // A watch that has started continues until it is interrupted.
        fleet.proxy.set(Fault::None).await?;
        until_valid("False/ConfigMapUnreadable").await?;
        let_read(space, &other).await?;
        until_valid("True/Valid").await?;
        space.until_well("fi").await?;
        kubectl(&["delete", "namespace", &other, "--wait=false"], "").await?;
        fleet.operator.still_runs()
    })
    .await
}
