//! Plays the part of many nodes: their kubelets, which make Node objects and renew them, and their
//! daemons, which write results with the daemon's own code. I/O.
//!
//! One difference from a real cluster: one watch of all node statuses replaces the watch that
//! each daemon has. The DaemonSet has no pods, as no controller runs here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fio::testing::aide::report::Report;
use fio::testing::api::{
    Baseline, CompletedRequest, Condition, FileIntegrity, FileIntegrityNodeStatus, names, time,
};
use fio::testing::scan::Identity;
use fio::testing::scan::failure_log::{FailureLog, config_map};
use fio::testing::scan::outcome::{Finding, Outcome};
use fio::testing::scan::publish::Publisher;
use fio::testing::scan::reporting::NodeUpdate;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::{self, LABEL_TEST, Space};

/// The FileIntegrity that selects all of them.
pub(crate) const FILE_INTEGRITY: &str = "fleet";
/// As many of its requests are under way at once.
const AT_ONCE: usize = 16;
/// The pause between scans, in seconds: the default.
pub(crate) const PERIOD: u64 = 900;
/// How often a kubelet writes its node's status where nothing changes, in seconds (Kubernetes
/// documentation, nodeStatusReportFrequency).
pub(crate) const HEARTBEAT: u64 = 300;
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);
/// Interval between polls.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Images in a Node's status: a kubelet reports 50 at most.
const IMAGES: usize = 50;

/// Nodes, and the daemons on them.
pub(crate) struct Fleet<'a> {
    space: &'a Space,
    client: Client,
    agents: Vec<Arc<Mutex<Agent>>>,
    statuses: Store<FileIntegrityNodeStatus>,
    _watch: JoinSet<()>,
}

/// A daemon.
struct Agent {
    node: String,
    status: String,
    publisher: Publisher,
}

impl<'a> Fleet<'a> {
    /// No nodes, and a FileIntegrity for those to come. `client` is the daemons'.
    pub(crate) async fn new(space: &'a Space, client: Client) -> anyhow::Result<Self> {
        let spec = json!({"config": {"gracePeriod": PERIOD}});
        space.file_integrity(FILE_INTEGRITY, spec).await?;
        let (statuses, writer) = reflector::store();
        let all = space.api::<FileIntegrityNodeStatus>();
        let mut watch = JoinSet::new();
        watch.spawn(
            watcher(all, watcher::Config::default())
                .reflect(writer)
                .default_backoff()
                .for_each(|_| async {}),
        );
        Ok(Self {
            space,
            client,
            agents: Vec::new(),
            statuses,
            _watch: watch,
        })
    }

    /// How many nodes there are.
    pub(crate) fn size(&self) -> usize {
        self.agents.len()
    }

    /// The name of a node.
    pub(crate) fn node(index: usize) -> String {
        format!("bench-{index:05}.example.net")
    }

    /// Nodes join until there are this many.
    pub(crate) async fn grow(&mut self, size: usize) -> anyhow::Result<()> {
        let first = self.agents.len();
        self.add(size);
        let this = &*self;
        each(first..size, async |index| this.make_node(index).await).await
    }

    /// This many more nodes join, evenly over a time. Returns for each how long it took until its
    /// status was there, in seconds.
    pub(crate) async fn grow_over(
        &mut self,
        more: usize,
        over: Duration,
    ) -> anyhow::Result<Vec<f64>> {
        let first = self.agents.len();
        self.add(first + more);
        let step = over / u32::try_from(more.max(1))?;
        let (start, mut made, mut waits) = (Instant::now(), VecDeque::new(), Vec::new());
        for index in first..first + more {
            let due = start + step * u32::try_from(index - first)?;
            while Instant::now() < due {
                tokio::time::sleep_until(due.min(Instant::now() + POLL_INTERVAL)).await;
                self.take_those_with_status(&mut made, &mut waits);
            }
            made.push_back((index, Instant::now()));
            self.make_node(index).await?;
        }
        let end = Instant::now() + PATIENCE;
        while !made.is_empty() {
            anyhow::ensure!(Instant::now() < end, "{} nodes got no status", made.len());
            tokio::time::sleep(POLL_INTERVAL).await;
            self.take_those_with_status(&mut made, &mut waits);
        }
        Ok(waits)
    }

    fn take_those_with_status(&self, made: &mut VecDeque<(usize, Instant)>, waits: &mut Vec<f64>) {
        made.retain(|(index, since)| {
            let is_there = self.status(&Self::status_name(*index)).is_some();
            if is_there {
                waits.push(since.elapsed().as_secs_f64());
            }
            !is_there
        });
    }

    fn add(&mut self, size: usize) {
        for index in self.agents.len()..size {
            let identity = Identity {
                namespace: self.space.namespace.clone(),
                file_integrity: FILE_INTEGRITY.to_owned(),
                node: Self::node(index),
                log_prefix: names::daemon_set(FILE_INTEGRITY),
            };
            self.agents.push(Arc::new(Mutex::new(Agent {
                node: identity.node.clone(),
                status: identity.node_status(),
                publisher: Publisher::new(&self.client, identity, format!("daemon-{index}")),
            })));
        }
    }

    async fn make_node(&self, index: usize) -> anyhow::Result<()> {
        let node = node(index, &self.space.namespace)?;
        let nodes = Api::<Node>::all(self.space.client.clone());
        nodes.create(&PostParams::default(), &node).await?;
        self.heartbeat(index).await
    }

    /// A kubelet reports that its node is ready.
    async fn heartbeat(&self, index: usize) -> anyhow::Result<()> {
        let nodes = Api::<Node>::all(self.space.client.clone());
        let patch = json!({"status": {"conditions": conditions()}});
        let name = Self::node(index);
        let params = PatchParams::default();
        nodes
            .patch_status(&name, &params, &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    fn status_name(index: usize) -> String {
        names::node_status(FILE_INTEGRITY, &Self::node(index))
    }

    fn status(&self, name: &str) -> Option<Arc<FileIntegrityNodeStatus>> {
        let key = ObjectRef::new(name).within(&self.space.namespace);
        self.statuses.get(&key)
    }

    /// How many nodes have this condition.
    pub(crate) fn with_condition(&self, condition: Condition) -> usize {
        let all = self.statuses.state();
        all.iter()
            .filter(|status| status.condition() == Some(condition))
            .count()
    }

    /// Waits until the operator has made a status for every node.
    pub(crate) async fn until_statuses(&self) -> anyhow::Result<()> {
        until("a status for every node", async || {
            Ok((self.statuses.len() >= self.agents.len()).then_some(()))
        })
        .await
    }

    /// Number of daemons with an open request of the operator.
    pub(crate) fn asked(&self) -> usize {
        let all = self.statuses.state();
        all.iter()
            .filter(|status| harness::asks_for_a_baseline(status))
            .count()
    }

    /// Every daemon with a request for a baseline creates one. Returns their number.
    pub(crate) async fn obey(&self) -> anyhow::Result<usize> {
        let update = async |status: &FileIntegrityNodeStatus| Ok(baseline(status));
        self.answer(harness::asks_for_a_baseline, update).await
    }

    /// Every daemon with such a request answers it with this update. Returns their number.
    pub(crate) async fn answer(
        &self,
        is_asked: impl Fn(&FileIntegrityNodeStatus) -> bool,
        update: impl AsyncFn(&FileIntegrityNodeStatus) -> anyhow::Result<NodeUpdate>,
    ) -> anyhow::Result<usize> {
        let asked: Vec<usize> = (0..self.agents.len())
            .filter(|index| {
                let status = self.status(&Self::status_name(*index));
                status.is_some_and(|status| is_asked(&status))
            })
            .collect();
        let count = asked.len();
        each(asked.into_iter(), async |index| {
            let mut agent = self.agents[index].lock().await;
            let status = self.status(&agent.status).context("no status")?;
            let update = update(&status).await?;
            agent.publisher.publish(&status, &update, None).await?;
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// The scans of these nodes end with this outcome; `log` is the failure log's text.
    pub(crate) async fn scans(
        &self,
        indexes: impl Iterator<Item = usize>,
        outcome: &Outcome,
        log: Option<&str>,
    ) -> anyhow::Result<()> {
        each(indexes, async |index| {
            self.scan(index, outcome, log).await.map(|_| ())
        })
        .await
    }

    /// The scan of one node finishes. Returns how long its report took.
    pub(crate) async fn scan(
        &self,
        index: usize,
        outcome: &Outcome,
        log: Option<&str>,
    ) -> anyhow::Result<Duration> {
        let agent = Arc::clone(&self.agents[index]);
        let agent = &mut *agent.lock().await;
        let status = self.status(&agent.status).context("no status")?;
        let log = log.map(|text| self.failure_log(&agent.node, text));
        let started = Instant::now();
        agent
            .publisher
            .publish(&status, &finding(outcome), log.as_ref())
            .await?;
        Ok(started.elapsed())
    }

    fn failure_log(&self, node: &str, text: &str) -> Value {
        let identity = Identity {
            namespace: self.space.namespace.clone(),
            file_integrity: FILE_INTEGRITY.to_owned(),
            node: node.to_owned(),
            log_prefix: names::daemon_set(FILE_INTEGRITY),
        };
        let kept = FailureLog {
            log: text.to_owned(),
            compressed: false,
            json_gz: vec![0; 1000],
        };
        config_map(&identity, &Report::default(), &kept)
    }

    /// For a time, nothing changes: kubelets and daemons repeat their reports. Daemons do so as
    /// often as with the default period.
    pub(crate) async fn idle(&self, time: Duration) -> anyhow::Result<()> {
        let (start, seconds) = (Instant::now(), usize::try_from(time.as_secs())?);
        let size = self.agents.len();
        let beats = size * seconds / usize::try_from(HEARTBEAT)?;
        let scans = size * seconds / usize::try_from(PERIOD)?;
        let evenly = |count: usize| {
            let step = time / u32::try_from(count.max(1)).unwrap_or(1);
            move |turn: usize| start + step * u32::try_from(turn).unwrap_or_default()
        };
        let (beat_at, scan_at) = (evenly(beats), evenly(scans));
        let beating = async {
            for turn in 0..beats {
                tokio::time::sleep_until(beat_at(turn)).await;
                self.heartbeat(turn % size).await?;
            }
            anyhow::Ok(())
        };
        let scanning = async {
            for turn in 0..scans {
                tokio::time::sleep_until(scan_at(turn)).await;
                self.scan(turn % size, &harness::clean(), None).await?;
            }
            anyhow::Ok(())
        };
        futures::try_join!(beating, scanning)?;
        tokio::time::sleep_until(start + time).await;
        Ok(())
    }

    /// The FileIntegrity.
    pub(crate) async fn file_integrity(&self) -> anyhow::Result<FileIntegrity> {
        Ok(self
            .space
            .api::<FileIntegrity>()
            .get(FILE_INTEGRITY)
            .await?)
    }

    /// Waits until the FileIntegrity is as `condition` wants it.
    pub(crate) async fn until_file_integrity(
        &self,
        what: &str,
        condition: impl Fn(&FileIntegrity) -> bool,
    ) -> anyhow::Result<()> {
        until(what, async || {
            let fi = self.file_integrity().await?;
            Ok(condition(&fi).then_some(()))
        })
        .await
    }

    /// Waits until the FileIntegrity shows change sets of so many nodes.
    pub(crate) async fn until_change_sets(&self, expected: &[usize]) -> anyhow::Result<()> {
        let what = format!("change sets of {expected:?} nodes");
        self.until_file_integrity(&what, |fi| {
            let sets = fi.status.iter().flat_map(|status| &status.change_sets);
            let nodes = sets.map(|set| usize::try_from(set.nodes).unwrap_or_default());
            nodes.eq(expected.iter().copied())
        })
        .await
    }

    /// Removes the failure logs.
    pub(crate) async fn remove_logs(&self) -> anyhow::Result<()> {
        let logs = self.space.api::<k8s_openapi::api::core::v1::ConfigMap>();
        let kept = kube::api::ListParams::default().labels(names::Label::RESULT_LOG);
        logs.delete_collection(&DeleteParams::default(), &kept)
            .await?;
        Ok(())
    }
}

/// Does something for each index, several at once.
async fn each(
    indexes: impl Iterator<Item = usize>,
    act: impl AsyncFn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let act = &act;
    futures::stream::iter(indexes.map(|index| async move { act(index).await }))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Asks until there is an answer, for longer than a test would.
pub(crate) async fn until<T>(
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    harness::answer(what, POLL_INTERVAL, PATIENCE, ask).await
}

/// The report of a daemon about a requested baseline.
fn baseline(status: &FileIntegrityNodeStatus) -> NodeUpdate {
    let now = time::now();
    let request = status.annotation(names::Annotation::REINIT_REQUEST);
    let identity = format!("{} {:?}", status.name_any(), status.resource_version());
    NodeUpdate {
        baseline: Some(Baseline {
            created_at: now.clone(),
            config_hash: status
                .annotation(names::Annotation::DESIRED_CONFIG)
                .unwrap_or_default()
                .to_owned(),
            digest: names::sha256_hex(identity),
            entries: 100_000,
            aide_version: "0.19.1".to_owned(),
            state_dir: None,
            requested: true,
            accepted: None,
        }),
        reinit: request.map(|id| CompletedRequest {
            id: id.to_owned(),
            started_at: now.clone(),
            finished_at: now,
        }),
        ..NodeUpdate::default()
    }
}

/// The report of a daemon about a scan.
pub(crate) fn finding(outcome: &Outcome) -> NodeUpdate {
    NodeUpdate {
        finding: Some(Finding::new(outcome, time::now(), Duration::from_secs(20))),
        ..NodeUpdate::default()
    }
}

/// A node as large as those of a cluster at work: some 12 kB, mostly names of images.
fn node(index: usize, whose: &str) -> anyhow::Result<Node> {
    let name = Fleet::node(index);
    let zone = format!("zone-{}", index % 3);
    let images: Vec<Value> = (0..IMAGES)
        .map(|image| {
            let repository = format!("registry.example.net/team-{}/service-{image}", image % 7);
            let digest = names::sha256_hex(&repository);
            json!({
                "names": [format!("{repository}@sha256:{digest}"), format!("{repository}:v1.{image}.0")],
                "sizeBytes": 10_000_000 + image,
            })
        })
        .collect();
    let resources = json!({
        "cpu": "32", "memory": "131072Mi", "pods": "250",
        "ephemeral-storage": "512Gi", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
    });
    Ok(serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": {
                LABEL_TEST: whose,
                "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name,
                "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "m6i.8xlarge",
                "topology.kubernetes.io/region": "region-1", "topology.kubernetes.io/zone": zone,
                "failure-domain.beta.kubernetes.io/region": "region-1",
                "failure-domain.beta.kubernetes.io/zone": zone,
                "node-role.kubernetes.io/worker": "", "example.net/pool": "general",
            },
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "300",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                "csi.volume.kubernetes.io/nodeid": format!("{{\"ebs.csi.example.net\":\"i-{index:017x}\"}}"),
                "projectcalico.org/IPv4Address": "10.0.0.1/20",
                "kubeadm.alpha.kubernetes.io/cri-socket": "unix:///run/containerd/containerd.sock",
            },
        },
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"], "providerID": format!("aws:///{zone}/i-{index:017x}")},
        "status": {
            "capacity": resources, "allocatable": resources,
            "conditions": conditions(),
            "addresses": [
                {"type": "InternalIP", "address": "10.0.0.1"},
                {"type": "InternalDNS", "address": name},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": names::sha256_hex(&name)[..32], "systemUUID": names::sha256_hex(&name)[..32],
                "bootID": names::sha256_hex(&name)[..32], "kernelVersion": "6.8.0-1021",
                "osImage": "Ubuntu 24.04.1 LTS", "containerRuntimeVersion": "containerd://1.7.24",
                "kubeletVersion": "v1.33.1", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
            },
            "images": images,
        },
    }))?)
}

fn conditions() -> Value {
    let now = time::now();
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason,
            "message": format!("kubelet has reported {kind} as kubelets do it"),
            "lastHeartbeatTime": now, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    json!([
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID"),
        condition("Ready", "True", "KubeletReady"),
    ])
}
