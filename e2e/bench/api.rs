//! The part `api`: what the scans of many daemons are to the API server and to etcd. I/O.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use fio::testing::api::DesiredNodeState;
use fio::testing::api::{FileIntegrityNodeStatus, names};
use fio::testing::daemon::machine::{self, Action, Disk, Event, Finished, KnownBaseline, Machine};
use fio::testing::daemon::node_state::{ObservedStatus, ReportedBaseline};
use fio::testing::daemon::start_jitter::start_jitter;
use fio::testing::k8s::client_layer::{Sender, client_layer};
use futures::StreamExt as _;
use hyper::body::Body as _;
use kube::Client;
use kube::client::ClientBuilder;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use tower::{Layer, Service as _};

use crate::Run;
use crate::fleet::{FILE_INTEGRITY, Fleet, PERIOD};
use crate::harness::{self, Space, changed, clean};
use crate::operator::{Operator, megabytes};
use crate::report::Report;
use crate::stats::{largest, number};
use crate::web::Server;

/// Nodes whose daemons write.
const NODES: usize = 200;
/// Scans of each.
const SCANS: usize = 10;
/// Daemons whose watches are measured.
const WATCHES: usize = 50;
/// Nodes with which the growth of etcd is measured, and those whose writes are spread.
const FLEET: u32 = 5000;
/// A day, in seconds.
const DAY: u32 = 86_400;
/// How long a scan takes in the spread of the writes, in seconds: it differs by node.
const LONGEST_SCAN: u64 = 20;

/// Measures it.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("api");
    harness::alone("bench", async |space| writes(&mut report, run, space).await).await?;
    spread(&mut report);
    Ok(report)
}

async fn writes(report: &mut Report, run: &Run, space: &Space) -> anyhow::Result<()> {
    let sent = Sent::default();
    let operator = Operator::start(space, run, "op").await?;
    let mut fleet = Fleet::new(space, sent.client().await?).await?;
    fleet.grow(NODES).await?;
    fleet.until_statuses().await?;
    fleet.obey().await?;
    fleet.scans(0..NODES, &clean(), None).await?;
    let watched = Watched::start(space, &fleet);
    let etcd = Etcd::new()?;
    let (before, size) = (sent.read(), etcd.compacted().await?);
    for _ in 0..SCANS {
        fleet.scans(0..NODES, &clean(), None).await?;
    }
    let (after, grown) = (sent.read(), etcd.size().await?);
    let compacted = etcd.compacted().await?;
    let scans = number(NODES * SCANS);
    let case = "clean scans";
    report.add(case, "scans", scans, "");
    report.add(
        case,
        "writes per scan",
        number(after.requests - before.requests) / scans,
        "",
    );
    let bytes = number(after.bytes - before.bytes) / scans;
    report.add(case, "bytes sent per write, without headers", bytes, "B");
    let events = number(watched.others());
    report.add(case, "watch events to daemons about others", events, "");
    report.add(
        case,
        "watch events to a daemon about its own, per scan",
        number(watched.own()) / number(WATCHES * SCANS),
        "",
    );
    let per_scan = megabytes(grown.saturating_sub(size)) * 1e6 / scans;
    report.add(case, "etcd: bytes per scan until compaction", per_scan, "B");
    let day = number(FLEET) * number(DAY) / number(PERIOD);
    report.add(
        case,
        "etcd: written in a day by 5,000 nodes, computed",
        per_scan * day / 1e6,
        "MB",
    );
    let left = megabytes(compacted.saturating_sub(size));
    report.add(
        case,
        "etcd: left of these scans after compaction",
        left,
        "MB",
    );
    failing(report, &sent, &fleet).await?;
    operator.end()
}

/// The first scan that finds something, and those that find the same again.
async fn failing(report: &mut Report, sent: &Sent, fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let log = "f = ...    .C.. .  : /hostroot/etc/some/file\n".repeat(20);
    for (case, name) in [
        ("first failing scans", "first"),
        ("the same again", "again"),
    ] {
        let before = sent.read();
        fleet.scans(0..NODES, &changed(), Some(&log)).await?;
        let after = sent.read();
        crate::progress(name);
        let scans = number(NODES);
        report.add(case, "scans", scans, "");
        report.add(
            case,
            "writes per scan",
            number(after.requests - before.requests) / scans,
            "",
        );
        let bytes = number(after.bytes - before.bytes) / number(after.requests - before.requests);
        report.add(case, "bytes sent per write, without headers", bytes, "B");
    }
    Ok(())
}

/// What goes to the API server through a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<(AtomicU64, AtomicU64)>);

/// Requests, and bytes of their bodies.
#[derive(Clone, Copy)]
pub(crate) struct Count {
    pub(crate) requests: u64,
    bytes: u64,
}

impl Sent {
    pub(crate) fn read(&self) -> Count {
        Count {
            requests: self.0.0.load(Ordering::Relaxed),
            bytes: self.0.1.load(Ordering::Relaxed),
        }
    }

    /// A client that counts what it sends.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let builder = ClientBuilder::try_from(harness::admin().await?)?;
        Ok(builder.with_layer(&self.layer()).build())
    }

    fn layer(&self) -> impl Layer<Sender, Service = Sender> + use<> {
        let sent = Arc::clone(&self.0);
        client_layer(move |request, sender| {
            let bytes = request.body().size_hint().lower();
            sent.0.fetch_add(1, Ordering::Relaxed);
            sent.1.fetch_add(bytes, Ordering::Relaxed);
            sender.call(request)
        })
    }
}

/// Watches such as daemons have, and what came through them.
struct Watched {
    own: Arc<AtomicU64>,
    others: Arc<AtomicU64>,
    _tasks: tokio::task::JoinSet<()>,
}

impl Watched {
    fn start(space: &Space, fleet: &Fleet<'_>) -> Self {
        let (own, others) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..WATCHES.min(fleet.size()) {
            let name = names::node_status(FILE_INTEGRITY, &Fleet::node(index));
            let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
            let stream = watcher(space.api::<FileIntegrityNodeStatus>(), config);
            let (own, others) = (Arc::clone(&own), Arc::clone(&others));
            tasks.spawn(stream.default_backoff().for_each(move |event| {
                if let Ok(watcher::Event::Apply(status)) = event {
                    let is_own = status.metadata.name.as_ref() == Some(&name);
                    let count = if is_own { &own } else { &others };
                    count.fetch_add(1, Ordering::Relaxed);
                }
                futures::future::ready(())
            }));
        }
        Self {
            own,
            others,
            _tasks: tasks,
        }
    }

    fn own(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }

    fn others(&self) -> u64 {
        self.others.load(Ordering::Relaxed)
    }
}

/// The API server's etcd, by its JSON gateway.
struct Etcd(Server);

impl Etcd {
    fn new() -> anyhow::Result<Self> {
        let port = std::env::var("FIO_APISERVER_ETCD_PORT")
            .context("no FIO_APISERVER_ETCD_PORT: run this by hack/with-apiserver")?;
        let port: u16 = port.parse()?;
        Ok(Self(Server::new("http", port)?))
    }

    /// How much of its database is in use, in bytes.
    async fn size(&self) -> anyhow::Result<u64> {
        let status = self.0.post("/v3/maintenance/status", &json!({})).await?;
        let size = status["dbSizeInUse"].as_str().unwrap_or_default();
        Ok(size.parse()?)
    }

    /// The same, after all but the newest revision of each object is compacted.
    async fn compacted(&self) -> anyhow::Result<u64> {
        let status = self.0.post("/v3/maintenance/status", &json!({})).await?;
        let revision = &status["header"]["revision"];
        let compaction = json!({"revision": revision, "physical": true});
        self.0.post("/v3/kv/compaction", &compaction).await?;
        self.0
            .post("/v3/maintenance/defragment", &json!({}))
            .await?;
        self.size().await
    }
}

/// When 5,000 daemons write that start within a minute, by the daemon's own state machine: how even
/// that is over a period, at the start and later.
fn spread(report: &mut Report) {
    let mut writes = Vec::new();
    for index in 0..u64::from(FLEET) {
        let node = Fleet::node(usize::try_from(index).unwrap_or_default());
        let start = Duration::from_millis(index * 60_000 / u64::from(FLEET));
        let scan = Duration::from_secs(5 + index * 7 % (LONGEST_SCAN - 5));
        writes.extend(
            scan_ends(&node, scan)
                .into_iter()
                .map(|at| (start + at).as_secs()),
        );
    }
    for (case, from) in [
        ("first 15 minutes", 0),
        ("second", PERIOD),
        ("eighth", 7 * PERIOD),
    ] {
        let mut seconds = vec![0.0; usize::try_from(PERIOD).unwrap_or_default()];
        for at in writes
            .iter()
            .filter(|at| **at >= from && **at < from + PERIOD)
        {
            if let Some(second) = usize::try_from(at - from)
                .ok()
                .and_then(|at| seconds.get_mut(at))
            {
                *second += 1.0;
            }
        }
        let mean = seconds.iter().sum::<f64>() / number(PERIOD);
        let case = format!("{case}, 5,000 nodes, computed");
        report.add(&case, "writes per second, mean", mean, "");
        report.add(&case, "writes per second, maximum", largest(&seconds), "");
        report.add(&case, "maximum / mean", largest(&seconds) / mean, "");
    }
}

/// When the scans of a daemon end, from its start.
fn scan_ends(node: &str, scan: Duration) -> Vec<Duration> {
    let mut machine = Machine::new(machine::Settings {
        interval: Duration::from_secs(PERIOD),
        first_fraction: start_jitter(node),
        error_on_loss: false,
        state_dir: None,
    });
    let baseline = KnownBaseline {
        config_hash: "c".to_owned(),
        digest: "d".to_owned(),
        request: None,
        requested: true,
        acceptance: None,
    };
    let observed = ObservedStatus {
        desired: DesiredNodeState {
            config_hash: Some("c".to_owned()),
            ..DesiredNodeState::default()
        },
        baseline: Some(ReportedBaseline {
            digest: "d".to_owned(),
            config_hash: "c".to_owned(),
            state_dir: None,
            requested: true,
        }),
        ..ObservedStatus::default()
    };
    let mut now = Duration::ZERO;
    let mut actions = Vec::new();
    for event in [
        Event::DiskRead(Disk::Baseline(baseline)),
        Event::ConfigLoaded("c".to_owned()),
        Event::observed(observed),
    ] {
        actions.extend(machine.handle(event, now));
    }
    let mut ends = Vec::new();
    let end = Duration::from_secs(9 * PERIOD);
    while now < end {
        let event = if actions.contains(&Action::Scan) {
            now += scan;
            ends.push(now);
            let digest = Some("d".to_owned());
            Event::Finished(Finished::Scanned { digest })
        } else {
            let wake = actions.iter().find_map(|action| match action {
                Action::WakeAt(at) => Some(*at),
                _ => None,
            });
            let Some(at) = wake else { break };
            now = at;
            Event::Timer
        };
        actions = machine.handle(event, now);
    }
    ends
}
