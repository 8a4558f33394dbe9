//! A FileIntegrity of a test, with its pods, node statuses and events.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{
    Baseline, Condition, FileIntegrity, FileIntegrityNodeStatus, NodeCounts, Phase, RealtimeState,
    RealtimeStatus, ScanResult, Trigger, names,
};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::audit::{Audit, Request};
use super::test::{Test, is_ready};
use super::wait::{until, until_within};

/// How long it may take from a scan to the next: 11 s on an idle machine. Where the daemon's pod was
/// deleted, it has to exit and another one to start, each in tens of seconds on a busy machine; where
/// its container exits repeatedly, the kubelet waits for up to 40 s and the daemon for 20 s more.
const SCAN: Duration = Duration::from_secs(120);

/// Maximum time until its pods are deleted: the cluster deletes those of a removed node only
/// after a minute.
const DELETION: Duration = Duration::from_secs(180);

const SECOND: Duration = Duration::from_secs(1);

/// An event about a FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReportedEvent {
    /// When.
    pub(crate) at: Timestamp,
    /// `FileIntegrityStatus`, `NodeIntegrityStatus` and the like.
    pub(crate) reason: String,
    /// The message.
    pub(crate) message: String,
    /// Normal or Warning.
    pub(crate) kind: String,
    /// The event's name, which is different for every transition.
    pub(crate) name: String,
}

/// A handle on a FileIntegrity; each method reads the object from the API server.
#[derive(Clone)]
pub(crate) struct Fi<'a> {
    test: &'a Test,
    /// Its name.
    pub(crate) name: String,
    /// Its uid, which distinguishes it from others with the same name.
    uid: String,
}

impl<'a> Fi<'a> {
    /// A handle on this object.
    pub(crate) fn new(test: &'a Test, object: &FileIntegrity) -> Self {
        Self {
            test,
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }

    fn api(&self) -> Api<FileIntegrity> {
        self.test.api()
    }

    /// The object.
    pub(crate) async fn get(&self) -> Result<FileIntegrity> {
        Ok(self.api().get(&self.name).await?)
    }

    /// Merges `patch` into the object, for instance `{"spec": …}`.
    pub(crate) async fn patch(&self, patch: Value) -> Result<FileIntegrity> {
        let (api, params) = (self.api(), PatchParams::default());
        Ok(api.patch(&self.name, &params, &Patch::Merge(patch)).await?)
    }

    /// Sets an annotation of the file-integrity.openshift.io/ kind.
    pub(crate) async fn annotate(&self, key: &str, value: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.patch(patch).await.map(|_| ())
    }

    /// Removes an annotation.
    pub(crate) async fn remove_annotation(&self, key: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {key: null}}});
        self.patch(patch).await.map(|_| ())
    }

    /// Deletes it and waits until its DaemonSets, pods and node statuses are deleted.
    pub(crate) async fn delete(&self) -> Result<()> {
        match self
            .api()
            .delete(&self.name, &DeleteParams::default())
            .await
        {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            result => drop(result?),
        }
        let wanted = format!("{} and its pods are deleted", self.name);
        until_within(DELETION, wanted, async || {
            let left = self.api().get_opt(&self.name).await?;
            ensure!(left.is_none(), "the FileIntegrity is there");
            // Before the pods, because the DaemonSets create them.
            let sets = self.daemon_sets().await?;
            ensure!(sets.is_empty(), "DaemonSets {sets:?} are there");
            let pods = self.pods().await?;
            let names: Vec<_> = pods.iter().map(kube::ResourceExt::name_any).collect();
            ensure!(names.is_empty(), "pods {names:?} are there");
            let nodes = self.status_nodes().await?;
            ensure!(nodes.is_empty(), "statuses of {nodes:?} are there");
            Ok(())
        })
        .await
    }

    /// Waits for a phase, described by an object that is up to date with its spec.
    pub(crate) async fn phase(&self, phase: Phase) -> Result<FileIntegrity> {
        until(format!("{} is {phase}", self.name), async || {
            let fi = self.get().await?;
            let status = fi.status.clone().unwrap_or_default();
            ensure!(
                status.observed_generation == fi.metadata.generation,
                "the status is of generation {:?}, the object of {:?}",
                status.observed_generation,
                fi.metadata.generation
            );
            let seen = status
                .phase
                .map_or_else(|| "none".to_owned(), |p| p.to_string());
            ensure!(status.phase == Some(phase), "phase {seen}");
            Ok(fi)
        })
        .await
    }

    /// Waits until it is Active and every leased node has had a first result.
    pub(crate) async fn watched(&self) -> Result<()> {
        self.phase(Phase::Active).await?;
        for node in self.test.nodes() {
            self.result(&node.name, Condition::Succeeded).await?;
        }
        Ok(())
    }

    /// Waits until this phase has been reported in `times` events.
    pub(crate) async fn phase_reported(&self, phase: Phase, times: usize) -> Result<()> {
        until(format!("{phase} is reported {times} times"), async || {
            let phases = self.event_messages("FileIntegrityStatus").await?;
            let reported = phases
                .iter()
                .filter(|message| **message == phase.to_string());
            ensure!(reported.count() == times, "{phases:?}");
            Ok(())
        })
        .await
    }

    /// Waits for these counts of nodes.
    pub(crate) async fn counts(&self, wanted: NodeCounts) -> Result<()> {
        self.counted(&format!("the counts {wanted:?}"), |seen| *seen == wanted)
            .await
    }

    /// Waits until the operator counts the nodes as wanted.
    pub(crate) async fn counted(
        &self,
        wanted: &str,
        is_wanted: impl Fn(&NodeCounts) -> bool,
    ) -> Result<()> {
        until(wanted, async || {
            let counts = self.get().await?.status.and_then(|status| status.nodes);
            let counts = counts.context("no counts")?;
            ensure!(is_wanted(&counts), "{counts:?}");
            Ok(())
        })
        .await
    }

    /// Waits for a condition of the status: (type, status, reason). Returns its message.
    pub(crate) async fn condition(&self, kind: &str, status: &str, reason: &str) -> Result<String> {
        let wanted = format!("condition {kind} of {} is {status}, {reason}", self.name);
        until(wanted, async || {
            let conditions = self.get().await?.status.unwrap_or_default().conditions;
            let found = conditions.iter().find(|c| c.type_ == kind);
            let found = found.with_context(|| format!("no condition {kind}"))?;
            ensure!(
                found.status == status && found.reason == reason,
                "{}, {}: {}",
                found.status,
                found.reason,
                found.message
            );
            Ok(found.message.clone())
        })
        .await
    }

    /// A node's status.
    pub(crate) async fn status(&self, node: &str) -> Result<FileIntegrityNodeStatus> {
        let api: Api<FileIntegrityNodeStatus> = self.test.api();
        let name = format!("{}-{node}", self.name);
        api.get(&name)
            .await
            .with_context(|| format!("read the status {name}"))
    }

    /// The state of realtime detection of a node. Fails unless it is active, and has reported all
    /// changes that scans have found.
    pub(crate) async fn all_reported_at_once(&self, node: &str) -> Result<RealtimeStatus> {
        let realtime = self.status(node).await?.realtime;
        let realtime = realtime.context("no state of realtime detection")?;
        ensure!(
            realtime.state == RealtimeState::Active && realtime.missed == 0,
            "{realtime:?}"
        );
        Ok(realtime)
    }

    /// The names of the nodes that have a status.
    pub(crate) async fn status_nodes(&self) -> Result<BTreeSet<String>> {
        let api: Api<FileIntegrityNodeStatus> = self.test.api();
        let params =
            ListParams::default().labels(&format!("{}={}", names::Label::OWNER, self.name));
        let statuses = api.list(&params).await?;
        Ok(statuses.items.into_iter().map(|s| s.node_name).collect())
    }

    /// A node's baseline, once its second is over: one of the same files that is created in the same
    /// second is equal, because the times in it are whole seconds. The cluster has the clock of this
    /// machine.
    pub(crate) async fn baseline(&self, node: &str) -> Result<Baseline> {
        let status = self.status(node).await?;
        let baseline = status
            .baseline
            .with_context(|| format!("no baseline of {node}"))?;
        let next_second = baseline.created_at.0 + SECOND;
        let left = next_second.duration_since(Timestamp::now());
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        Ok(baseline)
    }

    /// Waits for another baseline of this node than `before`, and until it has been compared with.
    pub(crate) async fn new_baseline(&self, node: &str, before: &Baseline) -> Result<Baseline> {
        let wanted = format!("a baseline of {node} other than {before:?}, and a scan with it");
        until(wanted, async || {
            let status = self.status(node).await?;
            let baseline = status.baseline.context("no baseline")?;
            ensure!(baseline != *before, "that baseline");
            let last = status.last_result.context("no result")?;
            // Times have whole seconds: a result of the same one may be of before.
            ensure!(
                last.last_probe_time.0 > baseline.created_at.0,
                "the new baseline, and a result of before"
            );
            Ok(baseline)
        })
        .await
    }

    /// Waits until the newest result of this node is of this condition.
    pub(crate) async fn result(&self, node: &str, condition: Condition) -> Result<ScanResult> {
        let wanted = format!("the last result of {node} is {condition}");
        self.result_with(node, &wanted, |result| result.condition == condition)
            .await
    }

    /// Waits until the newest result of this node is as wanted.
    pub(crate) async fn result_with(
        &self,
        node: &str,
        wanted: &str,
        is_wanted: impl Fn(&ScanResult) -> bool,
    ) -> Result<ScanResult> {
        until(wanted, async || {
            let last = self.status(node).await?.last_result;
            let last = last.context("no result")?;
            ensure!(is_wanted(&last), "{last:?}");
            Ok(last)
        })
        .await
    }

    /// Waits for so many further scans of all files of this node, and returns the result after the last
    /// one. After two of them one has begun after the call.
    pub(crate) async fn scans(&self, node: &str, count: u32) -> Result<ScanResult> {
        let mut status = self.status(node).await?;
        for done in 0..count {
            let wanted = format!("{count} further scans of {node}; there were {done}");
            let next = self.scanned_after(&status);
            status = next.await.context(wanted)?;
        }
        status.last_result.context("no result")
    }

    /// Waits until a further scan of all files than those of this status has ended.
    pub(crate) async fn scanned_after(
        &self,
        before: &FileIntegrityNodeStatus,
    ) -> Result<FileIntegrityNodeStatus> {
        let (node, before) = (&before.node_name, last_scan(before));
        until_within(
            SCAN,
            format!("a scan of {node} after {before:?}"),
            async || {
                let status = self.status(node).await?;
                let last = last_scan(&status);
                ensure!(last > before, "the last one was at {last:?}");
                Ok(status)
            },
        )
        .await
    }

    /// Waits for so many further scans of this node, and returns all requests that the API server
    /// got from anybody from the end of the scan before them to the end of the last one. The
    /// cluster has the clock of this machine.
    pub(crate) async fn requests_in_scans(&self, node: &str, count: u32) -> Result<Vec<Request>> {
        let audit = Audit::start().await?;
        self.scans(node, 1).await?;
        let from = Timestamp::now();
        self.scans(node, count).await?;
        let to = Timestamp::now();
        let status = format!("{}-{node}", self.name);
        until(
            format!("{count} writes of {status} in the audit log"),
            async || {
                let requests = audit.requests(|r| from <= r.at && r.at <= to).await?;
                let of_status = |r: &&Request| r.name == status && r.is_write();
                let written = requests.iter().filter(of_status).count();
                ensure!(written >= usize::try_from(count)?, "{written}");
                Ok(requests)
            },
        )
        .await
    }

    /// All events about it, the oldest first.
    pub(crate) async fn events(&self) -> Result<Vec<ReportedEvent>> {
        let api: Api<Event> = self.test.api();
        let selector = format!("regarding.kind=FileIntegrity,regarding.name={}", self.name);
        let events = api.list(&ListParams::default().fields(&selector)).await?;
        let is_mine = |event: &Event| {
            let about = event.regarding.as_ref();
            about.and_then(|about| about.uid.as_deref()) == Some(&self.uid)
        };
        let mine = events.items.into_iter().filter(is_mine);
        let mut reported: Vec<ReportedEvent> = mine.map(reported_event).collect();
        reported.sort();
        Ok(reported)
    }

    /// Waits for an event with this reason whose message begins with `start`.
    pub(crate) async fn event(&self, reason: &str, start: &str) -> Result<ReportedEvent> {
        until(format!("an event {reason}: {start}…"), async || {
            let events = self.events().await?;
            let found = events
                .iter()
                .find(|event| event.reason == reason && event.message.starts_with(start));
            found.cloned().with_context(|| {
                let seen: Vec<_> = events
                    .iter()
                    .map(|event| (&event.reason, &event.message))
                    .collect();
                format!("{seen:?}")
            })
        })
        .await
    }

    /// The messages of all events with this reason.
    pub(crate) async fn event_messages(&self, reason: &str) -> Result<Vec<String>> {
        let events = self.events().await?;
        let of_reason = events.into_iter().filter(|event| event.reason == reason);
        Ok(of_reason.map(|event| event.message).collect())
    }

    /// The daemons' DaemonSet.
    pub(crate) async fn daemon_set(&self) -> Result<DaemonSet> {
        let api: Api<DaemonSet> = self.test.api();
        Ok(api.get(&format!("aide-{}", self.name)).await?)
    }

    /// The names of all DaemonSets that are its own: the daemons' and the re-init DaemonSets.
    async fn daemon_sets(&self) -> Result<Vec<String>> {
        let api: Api<DaemonSet> = self.test.api();
        let sets = api.list_metadata(&ListParams::default()).await?;
        let names = sets.items.iter().map(kube::ResourceExt::name_any);
        Ok(names.filter(|name| self.is_own_set(name)).collect())
    }

    fn is_own_set(&self, name: &str) -> bool {
        let reinit_sets = format!("aide-ini-{}", self.name);
        name == format!("aide-{}", self.name) || name.starts_with(&reinit_sets)
    }

    /// All pods that are its own: those of the daemons and of the re-init DaemonSets.
    pub(crate) async fn pods(&self) -> Result<Vec<Pod>> {
        let api: Api<Pod> = self.test.api();
        let pods = api.list(&ListParams::default()).await?;
        let mine = |pod: &Pod| {
            let app = pod.labels().get("app");
            app.is_some_and(|app| self.is_own_set(app))
        };
        Ok(pods.items.into_iter().filter(mine).collect())
    }

    /// The daemon's pod on this node that is not being deleted.
    pub(crate) async fn daemon(&self, node: &str) -> Result<Pod> {
        let app = format!("aide-{}", self.name);
        until(format!("a pod of {app} on {node}"), async || {
            let pods = self.pods().await?;
            pods.into_iter()
                .filter(|pod| pod.metadata.deletion_timestamp.is_none())
                .filter(|pod| pod.labels().get("app") == Some(&app))
                .find(|pod| pod.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some(node))
                .context("none")
        })
        .await
    }

    /// Waits until the daemon's pod on this node is ready, and is another one than `old`.
    pub(crate) async fn ready_daemon(&self, node: &str, old: Option<&Pod>) -> Result<Pod> {
        until(
            format!("a new daemon on {node} that is ready"),
            async || {
                let pod = self.daemon(node).await?;
                ensure!(old.is_none_or(|old| old.uid() != pod.uid()), "the old one");
                ensure!(is_ready(&pod), "not ready");
                Ok(pod)
            },
        )
        .await
    }

    /// Merges `patch` into the object, which rolls the daemons: each is replaced once, for one write
    /// of the DaemonSet's spec and none afterwards, and neither baseline nor phase changes. Returns the
    /// new daemon's pod on this node.
    pub(crate) async fn roll(&self, node: &str, patch: Value) -> Result<Pod> {
        let baseline = self.baseline(node).await?;
        let phases = self.event_messages("FileIntegrityStatus").await?;
        let old = self.daemon(node).await?;
        let generation = self.daemon_set().await?.metadata.generation;
        self.patch(patch).await?;
        let pod = self.ready_daemon(node, Some(&old)).await?;
        let audit = Audit::start().await?;
        self.scans(node, 2).await?;
        assert_eq!(self.baseline(node).await?, baseline, "the baseline stays");
        assert_eq!(
            self.event_messages("FileIntegrityStatus").await?,
            phases,
            "phases"
        );
        // A reconcile that does not see the previous one's write repeats it, which changes nothing.
        let set = self.daemon_set().await?;
        assert_eq!(set.metadata.generation, generation.map(|before| before + 1));
        let name = set.name_any();
        let is_write = |r: &Request| r.is_write() && r.resource == "daemonsets" && r.name == name;
        let later = audit.requests(is_write).await?;
        assert!(later.is_empty(), "writes after the roll-out: {later:?}");
        assert_eq!(
            self.daemon(node).await?.uid(),
            pod.uid(),
            "it is replaced once"
        );
        Ok(pod)
    }

    /// The log of the daemon on this node.
    pub(crate) async fn log(&self, node: &str) -> Result<String> {
        let pod = self.daemon(node).await?.name_any();
        let api: Api<Pod> = self.test.api();
        Ok(api.logs(&pod, &LogParams::default()).await?)
    }

    /// The failure log of a node.
    pub(crate) async fn failure_log(&self, node: &str) -> Result<ConfigMap> {
        let api: Api<ConfigMap> = self.test.api();
        Ok(api
            .get(&format!("aide-{}-{node}-failed", self.name))
            .await?)
    }
}

/// When the last scan of all files of a node ended, or failed.
fn last_scan(status: &FileIntegrityNodeStatus) -> Option<Timestamp> {
    let last = status.last_result.as_ref();
    let of_scan = last.filter(|result| result.trigger != Some(Trigger::Event));
    let of_scan = of_scan.map(|result| result.last_probe_time.0);
    of_scan.max(status.last_full_scan.as_ref().map(|time| time.0))
}

fn reported_event(event: Event) -> ReportedEvent {
    ReportedEvent {
        at: event
            .event_time
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        reason: event.reason.unwrap_or_default(),
        message: event.note.unwrap_or_default(),
        kind: event.type_.unwrap_or_default(),
        name: event.metadata.name.unwrap_or_default(),
    }
}
