//! The part `operator`: what it costs, and how fast it is, with more and more nodes. I/O.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fleet::{Fleet, PERIOD, until};
use crate::harness::{self, Space, aide, changed, changed_to, clean, phase_of};
use crate::process::{self, Sample};
use crate::report::{Report, thousands};
use crate::stats::{largest, median, number};
use crate::web::{self, Server};
use crate::{Run, progress};

/// An hour, in seconds.
const HOUR: f64 = 3600.0;
/// Scrapes of which the costs are measured.
const SCRAPES: u32 = 5;
/// Nodes that fail at once.
const FAILING: usize = 500;
/// Size of their logs, in bytes: nearly what a ConfigMap takes.
const LOG: usize = 950_000;
/// Nodes that fail with the same changes. One more fails with others.
const ALIKE: usize = 46;
/// Nodes that appear in a minute.
const APPEARING: usize = 1000;
/// Time without changes before the memory of a new operator is read.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);

/// A running operator. It is killed when dropped.
pub(crate) struct Operator {
    child: Child,
    own: Server,
    fleet: Server,
    health: Server,
    started: Instant,
    _dir: TempDir,
}

impl Operator {
    /// Starts `fio operator` with the permissions of its ServiceAccount.
    pub(crate) async fn start(space: &Space, run: &Run, identity: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let kubeconfig = space.operators_kubeconfig(dir.path(), identity)?;
        let namespace = &space.namespace;
        let ports = [web::free_port()?, web::free_port()?, web::free_port()?];
        let address = |port: u16| format!("127.0.0.1:{port}");
        let log = std::fs::File::create(dir.path().join("log"))?;
        let child = Command::new(&run.fio)
            .arg("operator")
            .args(["--namespace", namespace, "--identity", identity])
            .args(["--image", "localhost/fio:bench"])
            .args(["--metrics-address", &address(ports[0])])
            .args(["--metrics-fio-address", &address(ports[1])])
            .args(["--health-address", &address(ports[2])])
            .args(["--metrics-auth", "off"])
            .env_clear()
            .env("KUBECONFIG", &kubeconfig)
            .env("FIO_AIDE", aide().await?)
            .env("FIO_WORK_DIR", dir.path())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", run.fio.display()))?;
        Ok(Self {
            child,
            own: Server::new("http", ports[0])?,
            fleet: Server::new("https", ports[1])?,
            health: Server::new("http", ports[2])?,
            started: Instant::now(),
            _dir: dir,
        })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resources, according to the kernel.
    pub(crate) fn sample(&self) -> anyhow::Result<Sample> {
        Sample::of(self.pid())
    }

    /// How many requests it has made, by verb.
    pub(crate) async fn requests(&self) -> anyhow::Result<Requests> {
        let metrics = self.own.get("/metrics").await?;
        Ok(Requests(VERBS.map(|verb| {
            let label = format!("verb=\"{verb}\"");
            web::sum(
                &metrics,
                "file_integrity_operator_api_requests_total",
                &label,
            )
        })))
    }

    /// Waits until it is ready by its own word; returns the seconds since its start.
    async fn until_healthy(&self) -> anyhow::Result<f64> {
        until("the operator to be ready", async || {
            Ok(self.health.get("/readyz").await.ok())
        })
        .await?;
        Ok(self.started.elapsed().as_secs_f64())
    }

    /// Waits until it exposes the metrics of this many nodes and has finished a reconcile.
    pub(crate) async fn until_nodes_are_exposed(&self, nodes: usize) -> anyhow::Result<()> {
        until("the operator to expose all nodes", async || {
            let Ok(metrics) = self.fleet.get("/metrics-fio").await else {
                return Ok(None);
            };
            let exposed = web::series(&metrics, "file_integrity_operator_node_stale").count();
            let reconciles = web::sum(
                &metrics,
                "file_integrity_operator_reconcile_duration_seconds_count",
                "",
            );
            Ok((exposed >= nodes && reconciles > 0.0).then_some(()))
        })
        .await
    }

    async fn is_failed(&self, node: &str) -> anyhow::Result<bool> {
        let metrics = self.fleet.get("/metrics-fio").await?;
        let label = format!("node=\"{node}\"");
        Ok(web::sum(&metrics, "file_integrity_operator_node_failed", &label) > 0.0)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The verbs with separate counts.
const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Requests by verb, in the order of [`VERBS`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests([f64; VERBS.len()]);

impl Requests {
    /// What came on top of `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        let mut all = self.0;
        for (count, before) in all.iter_mut().zip(before.0) {
            *count -= before;
        }
        Self(all)
    }

    /// All of them.
    pub(crate) fn total(self) -> f64 {
        self.0.iter().sum()
    }

    /// Adds each verb that was used to the report, multiplied by `factor`.
    pub(crate) fn add_to(self, report: &mut Report, case: &str, name: &str, factor: f64) {
        for (verb, count) in VERBS.iter().zip(self.0) {
            if count > 0.0 {
                report.add(case, &format!("{name}: {verb}"), count * factor, "");
            }
        }
    }
}

/// Megabytes of a number of bytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    number(bytes / 1024) * 1024.0 / 1e6
}

/// Measures it with fleets that grow.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("operator");
    harness::alone("bench", async |space| {
        let mut fleet = Fleet::new(space, space.client.clone()).await?;
        for size in &run.nodes {
            at_size(&mut report, run, space, &mut fleet, *size).await?;
        }
        events(&mut report, run, space, &mut fleet).await
    })
    .await?;
    Ok(report)
}

/// What it costs with this many nodes.
async fn at_size(
    report: &mut Report,
    run: &Run,
    space: &Space,
    fleet: &mut Fleet<'_>,
    size: usize,
) -> anyhow::Result<()> {
    let case = format!("{} nodes", thousands(&size.to_string()));
    let first = Operator::start(space, run, "first").await?;
    first.until_nodes_are_exposed(fleet.size()).await?;
    deploy(report, &case, &first, fleet, size).await?;
    first.end()?;
    // An operator that never saw the fleet grow: its memory is what the fleet needs.
    let operator = Operator::start(space, run, "second").await?;
    let healthy = operator.until_healthy().await?;
    operator.until_nodes_are_exposed(size).await?;
    let exposed = operator.started.elapsed().as_secs_f64();
    report.add(&case, "start to /readyz", healthy, "s");
    report.add(
        &case,
        "start until all nodes are exposed and the first reconcile is done",
        exposed,
        "s",
    );
    let sample = operator.sample()?;
    report.add(&case, "the same, CPU", sample.cpu.as_secs_f64(), "s");
    operator
        .requests()
        .await?
        .add_to(report, &case, "requests at start", 1.0);
    tokio::time::sleep(SETTLE).await;
    let sample = operator.sample()?;
    report.add(&case, "RSS", megabytes(sample.rss), "MB");
    report.add(
        &case,
        "of that anonymous",
        megabytes(sample.anonymous),
        "MB",
    );
    report.add(
        &case,
        "maximum RSS since the start",
        megabytes(sample.peak),
        "MB",
    );
    idle(report, &case, run, &operator, fleet).await?;
    scrape(report, &case, &operator).await?;
    latency(report, &case, &operator, fleet).await?;
    // What an allocator keeps of memory that was in use for a while.
    let after = megabytes(operator.sample()?.rss);
    report.add(&case, "idle RSS after scrapes and failures", after, "MB");
    operator.end()
}

/// Nodes join, until there are `size`.
async fn deploy(
    report: &mut Report,
    case: &str,
    operator: &Operator,
    fleet: &mut Fleet<'_>,
    size: usize,
) -> anyhow::Result<()> {
    let (requests, sample) = (operator.requests().await?, operator.sample()?);
    let joining = size - fleet.size();
    if joining == 0 {
        return Ok(());
    }
    let started = Instant::now();
    fleet.grow(size).await?;
    let joined = started.elapsed().as_secs_f64();
    fleet.until_statuses().await?;
    let all = started.elapsed().as_secs_f64();
    progress(&format!("{case}: baselines"));
    fleet.obey().await?;
    fleet.scans(0..size, &clean(), None).await?;
    fleet
        .until_file_integrity("Active", |fi| {
            let status = fi.status.as_ref();
            let nodes = status.and_then(|status| status.nodes);
            let count = nodes.map(|nodes| nodes.initialized).unwrap_or_default();
            phase_of(fi) == "Active" && usize::try_from(count).ok() == Some(size)
        })
        .await?;
    let (requests, used) = (
        operator.requests().await?.since(requests),
        operator.sample()?,
    );
    let per_node = 1.0 / number(joining);
    report.add(case, "new nodes at once", number(joining), "");
    report.add(
        case,
        "last node made to last status made",
        all - joined,
        "s",
    );
    let cpu = used.cpu_since(sample).as_secs_f64();
    report.add(
        case,
        "CPU per node that joins, to Active",
        cpu * per_node * 1e3,
        "ms",
    );
    report.add(
        case,
        "requests per node that joins, to Active",
        requests.total() * per_node,
        "",
    );
    report.add(
        case,
        "maximum RSS while they join",
        megabytes(used.peak),
        "MB",
    );
    Ok(())
}

/// Its costs while nothing changes.
async fn idle(
    report: &mut Report,
    case: &str,
    run: &Run,
    operator: &Operator,
    fleet: &Fleet<'_>,
) -> anyhow::Result<()> {
    let (requests, before) = (operator.requests().await?, operator.sample()?);
    fleet.idle(Duration::from_secs(run.seconds)).await?;
    let after = operator.sample()?;
    let requests = operator.requests().await?.since(requests);
    let seconds = number(run.seconds);
    let cpu = after.cpu_since(before).as_secs_f64();
    let hour = HOUR / seconds;
    report.add(case, "idle: CPU of a core", cpu / seconds * 100.0, "%");
    report.add(case, "idle: CPU per hour", cpu * hour, "s");
    report.add(
        case,
        "idle: waits",
        number(after.waits.saturating_sub(before.waits)) / seconds,
        "1/s",
    );
    requests.add_to(report, case, "idle: requests per hour", hour);
    let scans = number(fleet.size()) / number(PERIOD);
    report.add(case, "idle: results of daemons", scans, "1/s");
    Ok(())
}

/// What a scrape costs.
async fn scrape(report: &mut Report, case: &str, operator: &Operator) -> anyhow::Result<()> {
    let text = operator.fleet.get("/metrics-fio").await?.len();
    let before = operator.sample()?;
    let (mut packed, mut times) = (0, Vec::new());
    for _ in 0..SCRAPES {
        let started = Instant::now();
        packed = operator.fleet.packed("/metrics-fio").await?;
        times.push(started.elapsed().as_secs_f64());
    }
    let cpu = operator.sample()?.cpu_since(before) / SCRAPES;
    report.add(case, "scrape: text", megabytes(text.try_into()?), "MB");
    let packed = megabytes(packed.try_into()?);
    report.add(case, "scrape: gzip", packed, "MB");
    report.add(case, "scrape: CPU", cpu.as_secs_f64() * 1e3, "ms");
    report.add(case, "scrape: time, median", median(&times) * 1e3, "ms");
    Ok(())
}

/// From a result to what users see of it.
async fn latency(
    report: &mut Report,
    case: &str,
    operator: &Operator,
    fleet: &Fleet<'_>,
) -> anyhow::Result<()> {
    let (mut published, mut seen) = (Vec::new(), Vec::new());
    for index in 0..fleet.size().min(5) {
        let node = Fleet::node(index);
        published.push(fleet.scan(index, &changed(), None).await?.as_secs_f64());
        let written = Instant::now();
        until("the metric of the node", async || {
            Ok(operator.is_failed(&node).await?.then_some(()))
        })
        .await?;
        seen.push(written.elapsed().as_secs_f64());
    }
    fleet.scans(0..5, &clean(), None).await?;
    report.add(
        case,
        "result to event and node status, median",
        median(&published) * 1e3,
        "ms",
    );
    report.add(
        case,
        "node status to a scrape that shows it, median",
        median(&seen) * 1e3,
        "ms",
    );
    Ok(())
}

/// What happens seldom, with the largest fleet.
async fn events(
    report: &mut Report,
    run: &Run,
    space: &Space,
    fleet: &mut Fleet<'_>,
) -> anyhow::Result<()> {
    let size = fleet.size();
    let case = format!("{} nodes", thousands(&size.to_string()));
    let operator = Operator::start(space, run, "third").await?;
    operator.until_nodes_are_exposed(size).await?;
    failures(report, &case, &operator, fleet).await?;
    change_sets(report, &case, &operator, fleet).await?;
    appearing(report, &case, &operator, fleet).await?;
    take_over(report, &case, run, space, operator, fleet).await
}

/// Many nodes fail at once, with large logs.
async fn failures(
    report: &mut Report,
    case: &str,
    operator: &Operator,
    fleet: &Fleet<'_>,
) -> anyhow::Result<()> {
    let failing = FAILING.min(fleet.size());
    let log: String = "f = ...    .C.. .  : /hostroot/etc/some/file\n"
        .chars()
        .cycle()
        .take(LOG)
        .collect();
    process::forget_peak(operator.pid())?;
    let before = operator.sample()?;
    fleet.scans(0..failing, &changed(), Some(&log)).await?;
    fleet
        .until_file_integrity("the failures to be counted", |fi| {
            let nodes = fi.status.as_ref().and_then(|status| status.nodes);
            nodes.is_some_and(|nodes| usize::try_from(nodes.failed).ok() == Some(failing))
        })
        .await?;
    let after = operator.sample()?;
    let name = |what: &str| format!("{failing} nodes fail with logs of 0.95 MB: {what}");
    report.add(case, &name("maximum RSS"), megabytes(after.peak), "MB");
    report.add(
        case,
        &name("RSS more than before"),
        megabytes(after.peak.saturating_sub(before.rss)),
        "MB",
    );
    report.add(
        case,
        &name("CPU"),
        after.cpu_since(before).as_secs_f64(),
        "s",
    );
    fleet.remove_logs().await?;
    fleet.scans(0..failing, &clean(), None).await
}

/// Nodes fail with the same changes, and one with others: two change sets.
async fn change_sets(
    report: &mut Report,
    case: &str,
    operator: &Operator,
    fleet: &Fleet<'_>,
) -> anyhow::Result<()> {
    let alike = ALIKE.min(fleet.size() - 1);
    process::forget_peak(operator.pid())?;
    let (requests, before) = (operator.requests().await?, operator.sample()?);
    fleet.scans(0..alike, &changed_to(1), None).await?;
    fleet.scan(alike, &changed_to(2), None).await?;
    let reported = Instant::now();
    fleet.until_change_sets(&[alike, 1]).await?;
    let shown = reported.elapsed().as_secs_f64();
    let after = operator.sample()?;
    let requests = operator.requests().await?.since(requests);
    let name = |what: &str| format!("{alike} nodes fail alike, and one differently: {what}");
    report.add(case, &name("last result to both change sets"), shown, "s");
    report.add(
        case,
        &name("requests of the operator"),
        requests.total(),
        "",
    );
    report.add(
        case,
        &name("RSS more than before"),
        megabytes(after.peak.saturating_sub(before.rss)),
        "MB",
    );
    fleet.scans(0..=alike, &clean(), None).await
}

/// Many nodes appear in a minute.
async fn appearing(
    report: &mut Report,
    case: &str,
    operator: &Operator,
    fleet: &mut Fleet<'_>,
) -> anyhow::Result<()> {
    let (requests, before) = (operator.requests().await?, operator.sample()?);
    let more = APPEARING.min(fleet.size());
    let waits = fleet.grow_over(more, Duration::from_secs(60)).await?;
    let after = operator.sample()?;
    let requests = operator.requests().await?.since(requests);
    let name = |what: &str| format!("{more} more nodes in a minute: {what}");
    report.add(
        case,
        &name("node made to status made, median"),
        median(&waits),
        "s",
    );
    report.add(
        case,
        &name("node made to status made, longest"),
        largest(&waits),
        "s",
    );
    report.add(
        case,
        &name("CPU"),
        after.cpu_since(before).as_secs_f64(),
        "s",
    );
    report.add(
        case,
        &name("requests per node"),
        requests.total() / number(more),
        "",
    );
    report.add(case, &name("maximum RSS"), megabytes(after.peak), "MB");
    fleet.obey().await?;
    Ok(())
}

/// The leader ends, and another one that stood by takes over.
async fn take_over(
    report: &mut Report,
    case: &str,
    run: &Run,
    space: &Space,
    leader: Operator,
    fleet: &Fleet<'_>,
) -> anyhow::Result<()> {
    let standby = Operator::start(space, run, "standby").await?;
    standby.until_healthy().await?;
    tokio::time::sleep(SETTLE).await;
    let sample = standby.sample()?;
    report.add(case, "standby: RSS", megabytes(sample.rss), "MB");
    report.add(
        case,
        "standby: of that anonymous",
        megabytes(sample.anonymous),
        "MB",
    );
    let ended = Instant::now();
    leader.end()?;
    standby.until_nodes_are_exposed(fleet.size()).await?;
    let took = ended.elapsed().as_secs_f64();
    report.add(
        case,
        "SIGTERM of the leader until the next leader exposes all nodes",
        took,
        "s",
    );
    standby.end()
}
