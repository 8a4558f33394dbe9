//! The operator killed between any two of its writes: whatever the point, the next one finishes, and
//! the end is the same.
//!
//! [`walk`] lets an operator live for 0, 1, 2, ... writes, until one comes to its end. Reads change
//! nothing, so between two writes one point represents all, and the lease's renewals are not part of a
//! reconcile. The objects at the end are compared with those after an operator that was not
//! killed, without what differs from run to run: uids, times, versions, ids.
//!
//! Of events, Pending may be missing: an operator that finds the DaemonSet does not report it.
//! None may come twice, and no other may be missing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Method;
use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use fio::testing::k8s::client_layer::{Sender, client_layer};
use fio::testing::operator::ScrapeSettings;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::client::ClientBuilder;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service as _};

use crate::chaos::{Row, lost_and_duplicated};
use crate::harness::{
    Daemon, LABEL_TEST, Operator, Space, asks_for_a_baseline, condition_of, eventually, in_space,
    phase_of,
};
use crate::operator::originals_daemon_set;

/// As long as nothing may happen any more before what is there counts as the end.
const SETTLED: Duration = Duration::from_millis(400);
/// The user's configuration.
const USERS: &str = "@@define DBDIR /etc/kubernetes\n/etc p+sha256\n";

/// Ends an operator at its n-th write.
#[derive(Clone)]
struct Scissors {
    /// Writes that are let through.
    most: usize,
    writes: Arc<AtomicUsize>,
    kill: CancellationToken,
}

impl Scissors {
    fn new(most: usize) -> Self {
        Self {
            most,
            writes: Arc::default(),
            kill: CancellationToken::new(),
        }
    }

    fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Cuts a client off.
    fn layer(&self) -> impl Layer<Sender, Service = Sender> + use<> {
        let scissors = self.clone();
        client_layer(move |request, sender| {
            let is_lease = request.uri().path().contains("/leases");
            let is_write = request.method() != Method::GET && !is_lease;
            if is_write && scissors.writes.fetch_add(1, Ordering::SeqCst) >= scissors.most {
                scissors.kill.cancel();
                return Box::pin(std::future::pending());
            }
            sender.call(request)
        })
    }
}

/// What an operator has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Creation,
    Adoption,
    Configuration,
    Specification,
    NodeMore,
    NodeLess,
    Reinit,
}

impl Task {
    /// In words.
    fn name(self) -> &'static str {
        match self {
            Self::Creation => "first creation",
            Self::Adoption => "adoption of the original's DaemonSets",
            Self::Configuration => "configuration change",
            Self::Specification => "specification change",
            Self::NodeMore => "a node is added",
            Self::NodeLess => "a node is removed",
            Self::Reinit => "re-initialization",
        }
    }

    /// Whether it begins with a FileIntegrity that is Active on both nodes.
    fn begins_active(self) -> bool {
        !matches!(self, Self::Creation | Self::Adoption)
    }

    /// The nodes at the end.
    fn nodes(self) -> i64 {
        match self {
            Self::NodeMore => 3,
            Self::NodeLess => 1,
            _ => 2,
        }
    }
}

/// What is there before, and who plays the daemons' part.
struct Stage<'a> {
    space: &'a Space,
    task: Task,
    daemons: RefCell<HashMap<String, Daemon>>,
}

impl<'a> Stage<'a> {
    fn new(space: &'a Space, task: Task) -> Self {
        let daemons = RefCell::default();
        Self {
            space,
            task,
            daemons,
        }
    }

    /// Does what the operator asks of daemons, for ever; in the phase Initializing only, or chance
    /// would have it whether that is seen by the operator that lives then.
    async fn play(&self) -> anyhow::Result<()> {
        let api = self.space.api::<FileIntegrityNodeStatus>();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let fi = self.space.api::<FileIntegrity>().get_opt("fi").await?;
            if fi.is_none_or(|fi| phase_of(&fi) != "Initializing") {
                continue;
            }
            for status in api.list(&ListParams::default()).await? {
                if !asks_for_a_baseline(&status) {
                    continue;
                }
                let node = status.node_name.clone();
                let known = self.daemons.borrow_mut().remove(&node);
                let mut daemon = known.unwrap_or_else(|| self.space.daemon("fi", &node));
                // It may be deleted by now.
                daemon.reinitialize(&status).await.ok();
                self.daemons.borrow_mut().insert(node, daemon);
            }
        }
    }

    /// Removes what an earlier run has left, and creates what this one starts with.
    async fn set(&self) -> anyhow::Result<()> {
        let space = self.space;
        remove_all::<FileIntegrity>(space).await?;
        remove_all::<DaemonSet>(space).await?;
        remove_all::<FileIntegrityNodeStatus>(space).await?;
        remove_all::<ConfigMap>(space).await?;
        remove_all::<Event>(space).await?;
        self.daemons.borrow_mut().clear();
        let mine = ListParams::default().labels(&format!("{LABEL_TEST}={}", space.namespace));
        Api::<Node>::all(space.client.clone())
            .delete_collection(&DeleteParams::default(), &mine)
            .await?;
        space.node("n1").await?;
        space.node("n2").await?;
        let users = json!({"metadata": {"name": "mine"}, "data": {"conf": USERS}});
        let users = serde_json::from_value(users)?;
        space
            .api::<ConfigMap>()
            .create(&PostParams::default(), &users)
            .await?;
        if self.task.begins_active() {
            space.file_integrity("fi", json!({})).await?;
            let operator = space.operator("op").await?;
            eventually("the stage to be set", async || {
                Ok(is_settled(space, 2).await?.then_some(()))
            })
            .await?;
            operator.kill().await?;
        }
        Ok(())
    }

    /// What the user or the cluster does.
    async fn act(&self) -> anyhow::Result<()> {
        let space = self.space;
        match self.task {
            Task::Creation => drop(space.file_integrity("fi", json!({})).await?),
            Task::Adoption => {
                let fi = space.file_integrity("fi", json!({})).await?;
                for name in ["aide-fi", "aide-ds-fi"] {
                    let object = serde_json::from_value(originals_daemon_set(&fi, name))?;
                    let api = space.api::<DaemonSet>();
                    api.create(&PostParams::default(), &object).await?;
                }
            }
            Task::Configuration => {
                let named = json!({"name": "mine", "namespace": space.namespace, "key": "conf"});
                let patch = json!({"spec": {"config": named}});
                space.merge::<FileIntegrity>("fi", patch).await?;
            }
            Task::Specification => {
                let patch = json!({"spec": {"debug": true, "config": {"maxBackups": 3}}});
                space.merge::<FileIntegrity>("fi", patch).await?;
            }
            Task::NodeMore => drop(space.node("n3").await?),
            Task::NodeLess => space.remove_node(&space.node_name("n2")).await?,
            Task::Reinit => {
                let key = names::Annotation::REINIT;
                space.annotate("fi", key, json!("")).await?;
            }
        }
        Ok(())
    }

    /// Whether all is done.
    async fn is_done(&self) -> anyhow::Result<bool> {
        let space = self.space;
        if !is_settled(space, self.task.nodes()).await? {
            return Ok(false);
        }
        let statuses = space.api::<FileIntegrityNodeStatus>();
        let statuses = statuses.list(&ListParams::default()).await?.items;
        let daemon_sets = space.api::<DaemonSet>();
        Ok(match self.task {
            Task::Configuration => {
                let active = space.api::<ConfigMap>().get("fi").await?;
                let data = active.data.unwrap_or_default();
                let is_new = |text: &String| text.contains("/hostroot/etc p+sha256");
                data.values().all(is_new)
            }
            Task::Specification => {
                let daemon_set = json!(daemon_sets.get("aide-fi").await?);
                daemon_set.to_string().contains("--maxbackups=3")
            }
            Task::NodeLess => statuses.len() == 1,
            Task::Reinit => statuses.iter().all(|status| status.reinit.is_some()),
            Task::Adoption => daemon_sets.get_opt("aide-ds-fi").await?.is_none(),
            Task::Creation | Task::NodeMore => true,
        })
    }

    /// Waits until all is done and nothing happens any more. Returns what there is then, or none if the
    /// operator has ended before.
    async fn until_over(&self, operator: &Operator) -> anyhow::Result<Option<End>> {
        eventually(self.task.name(), async || {
            if operator.has_ended() {
                return Ok(Some(None));
            }
            if !self.is_done().await? {
                return Ok(None);
            }
            let before = End::read(self.space).await?;
            tokio::time::sleep(SETTLED).await;
            let after = End::read(self.space).await?;
            Ok((before == after && !operator.has_ended()).then_some(Some(after)))
        })
        .await
    }
}

async fn remove_all<K>(space: &Space) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api = space.api::<K>();
    let params = DeleteParams::background();
    api.delete_collection(&params, &ListParams::default())
        .await?;
    Ok(())
}

/// Whether the FileIntegrity is Active on so many nodes, and nothing is under way.
async fn is_settled(space: &Space, nodes: i64) -> anyhow::Result<bool> {
    let Some(fi) = space.api::<FileIntegrity>().get_opt("fi").await? else {
        return Ok(false);
    };
    let reinit_sets = ListParams::default().labels(names::Label::REINIT_OWNER);
    let reinit_sets = space.api::<DaemonSet>().list(&reinit_sets).await?;
    let is_asked = [names::Annotation::REINIT, names::Annotation::REINIT_RECORD]
        .iter()
        .any(|key| fi.annotations().contains_key(*key));
    let is_well = phase_of(&fi) == "Active"
        && condition_of(&fi, "Degraded") == "False/AsExpected"
        && condition_of(&fi, "ConfigValid").starts_with("True/");
    let status = fi.status.unwrap_or_default();
    let counts = status.nodes.unwrap_or_default();
    Ok(is_well
        && !is_asked
        && reinit_sets.items.is_empty()
        && status.observed_generation == fi.metadata.generation
        && [counts.selected, counts.initialized].map(i64::from) == [nodes; 2])
}

/// All that is there, without what differs from run to run.
#[derive(Debug, PartialEq)]
struct End {
    objects: Vec<Value>,
    events: Vec<String>,
}

impl End {
    async fn read(space: &Space) -> anyhow::Result<Self> {
        let mut objects = list::<FileIntegrity>(space).await?;
        objects.extend(list::<FileIntegrityNodeStatus>(space).await?);
        objects.extend(list::<DaemonSet>(space).await?);
        objects.extend(list::<ConfigMap>(space).await?);
        let events = space.api::<Event>().list(&ListParams::default()).await?;
        let to_text = |event: Event| {
            let (reason, note) = (event.reason, event.note);
            format!(
                "{}: {}",
                reason.unwrap_or_default(),
                note.unwrap_or_default()
            )
        };
        Ok(Self {
            objects,
            events: events.into_iter().map(to_text).collect(),
        })
    }

    /// How many things are missing here or differ, and how many came too often.
    fn compare(&self, expected: &Self) -> (usize, usize) {
        let is_pending = |event: &&String| *event == "FileIntegrityStatus: Pending";
        let others = |end: &Self| -> Vec<String> {
            let all = end.events.iter();
            all.filter(|event| !is_pending(event)).cloned().collect()
        };
        let (missing, mut repeated) = lost_and_duplicated(&others(expected), &others(self));
        let pending = self.events.iter().filter(is_pending).count();
        repeated += pending.saturating_sub(1);
        let (lost, too_many) = lost_and_duplicated(&expected.objects, &self.objects);
        (missing + lost, repeated + too_many)
    }
}

async fn list<K>(space: &Space) -> anyhow::Result<Vec<Value>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let all = space.api::<K>().list(&ListParams::default()).await?;
    let mut objects = Vec::new();
    for object in all {
        let mut value = serde_json::to_value(object)?;
        steady("", &mut value);
        objects.push(value);
    }
    Ok(objects)
}

/// Replaces what differs from run to run.
fn steady(key: &str, value: &mut Value) {
    /// Fields and annotations that the API server sets or that are random.
    const VOLATILE: [&str; 8] = [
        // Pending counts as well.
        "phaseTransitions",
        "uid",
        "resourceVersion",
        "managedFields",
        "id",
        names::Annotation::REINIT_REQUEST,
        "file-integrity.openshift.io/applied-hash",
        "deprecated.daemonset.template.generation",
    ];
    match value {
        _ if VOLATILE.contains(&key) => *value = json!("..."),
        Value::Object(fields) => fields
            .iter_mut()
            .for_each(|(key, value)| steady(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| steady("", item)),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => {
            "a time".clone_into(text);
        }
        _ => {}
    }
}

/// Lets operators live for 0, 1, 2, ... writes, each followed by one that finishes.
async fn walk(space: &Space, task: Task) -> anyhow::Result<()> {
    let stage = Stage::new(space, task);
    let walking = async {
        let (expected, _) = live(&stage, usize::MAX).await?;
        let mut row = Row {
            fault: format!("operator killed before any write: {}", task.name()),
            ..Row::default()
        };
        loop {
            let step = live(&stage, row.tried).await;
            let (end, was_cut) = step.with_context(|| format!("after {} writes", row.tried))?;
            let (lost, duplicated) = end.compare(&expected);
            if lost + duplicated > 0 {
                show(&row, &expected, &end);
            }
            row.lost += lost;
            row.duplicated += duplicated;
            if !was_cut {
                anyhow::ensure!(row.tried > 0, "there was nothing to write");
                return row.print();
            }
            row.tried += 1;
        }
    };
    tokio::select! {
        result = walking => result,
        result = stage.play() => result,
    }
}

/// One run: an operator that lives for so many writes and, if it was killed before it was done, one
/// that finishes. Returns the end, and whether it was.
async fn live(stage: &Stage<'_>, most: usize) -> anyhow::Result<(End, bool)> {
    stage.set().await?;
    stage.act().await?;
    let operator = cut_operator(stage.space, &Scissors::new(most)).await?;
    let end = stage.until_over(&operator).await?;
    operator.kill().await?;
    if let Some(end) = end {
        return Ok((end, false));
    }
    let operator = stage.space.operator("op").await?;
    let end = stage.until_over(&operator).await?;
    operator.kill().await?;
    let end = end.context("the second operator has ended by itself")?;
    Ok((end, true))
}

async fn cut_operator(space: &Space, scissors: &Scissors) -> anyhow::Result<Operator> {
    let (layer, kill) = (scissors.layer(), scissors.kill.clone());
    let client = move |_: &_, mut config: kube::Config| {
        config.default_retry = false;
        let builder = ClientBuilder::try_from(config)?;
        Ok(builder.with_layer(&layer).build())
    };
    space
        .operator_by("op", ScrapeSettings::default(), kill, client)
        .await
}

#[expect(
    clippy::print_stderr,
    reason = "the test runner shows it with the failure"
)]
fn show(row: &Row, expected: &End, end: &End) {
    let differ = |one: &End, other: &End| -> Vec<String> {
        let objects = one.objects.iter();
        let differing = objects.filter(|object| !other.objects.contains(object));
        differing.map(Value::to_string).collect()
    };
    eprintln!(
        "{row:?}\nevents {:?}\nexpected {:?}\nobjects {:#?}\nexpected {:#?}",
        end.events,
        expected.events,
        differ(end, expected),
        differ(expected, end),
    );
}

/// A test for each task.
macro_rules! walks {
    ($($test:ident: $task:ident;)*) => {
        $(#[tokio::test]
        async fn $test() -> anyhow::Result<()> {
            let name = concat!("cut-", stringify!($test)).replace('_', "-");
            in_space(&name, async |space| walk(space, Task::$task).await).await
        })*
    };
}

walks! {
    first_creation: Creation;
    adoption: Adoption;
    another_configuration: Configuration;
    another_specification: Specification;
    a_node_more: NodeMore;
    a_node_less: NodeLess;
    reinitialization: Reinit;
}

/// A FileIntegrity is deleted after any write of its first reconcile: what is left is the garbage
/// collector's, and nothing is created again.
#[tokio::test]
async fn deletion() -> anyhow::Result<()> {
    in_space("cut-deletion", async |space| {
        let stage = Stage::new(space, Task::Creation);
        let walking = async {
            let mut row = Row {
                fault: "operator killed before any write: deletion".to_owned(),
                ..Row::default()
            };
            loop {
                stage.set().await?;
                stage.act().await?;
                let operator = cut_operator(space, &Scissors::new(row.tried)).await?;
                let was_cut = stage.until_over(&operator).await?.is_none();
                operator.kill().await?;
                row.lost += left_behind(space).await?;
                if !was_cut {
                    return row.print();
                }
                row.tried += 1;
            }
        };
        tokio::select! {
            result = walking => result,
            result = stage.play() => result,
        }
    })
    .await
}

/// Deletes the FileIntegrity and lets an operator see that. Returns how many objects there are that
/// would stay for ever.
async fn left_behind(space: &Space) -> anyhow::Result<usize> {
    let fi = space.api::<FileIntegrity>().get("fi").await?;
    let params = DeleteParams::background();
    space.api::<FileIntegrity>().delete("fi", &params).await?;
    let scissors = Scissors::new(usize::MAX);
    let operator = cut_operator(space, &scissors).await?;
    eventually("an operator to have nothing to do", async || {
        // What every start brings: legacy objects are removed.
        let before = scissors.writes();
        tokio::time::sleep(SETTLED).await;
        Ok((before > 0 && scissors.writes() == before).then_some(()))
    })
    .await?;
    operator.kill().await?;
    let uid = fi.uid().unwrap_or_default();
    Ok(unowned::<DaemonSet>(space, &uid).await?
        + unowned::<FileIntegrityNodeStatus>(space, &uid).await?
        + unowned::<ConfigMap>(space, &uid).await?)
}

/// How many objects there are that this one does not own, besides the user's.
async fn unowned<K>(space: &Space, uid: &str) -> anyhow::Result<usize>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let all = space.api::<K>().list(&ListParams::default()).await?;
    let others = all.iter().filter(|object| object.name_any() != "mine");
    let unowned = others.filter(|object| object.owner_references().iter().all(|o| o.uid != uid));
    Ok(unowned.count())
}
