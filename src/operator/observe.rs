//! Reads everything that a pass looks at, from watches that are kept up to date. I/O.
//!
//! What is watched: the FileIntegrities, node statuses, DaemonSets and active ConfigMaps of the
//! namespace, the nodes (only what of them matters), the operator's own Deployment, and each
//! ConfigMap that a FileIntegrity names, by its name. Kept logs are never read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::core::ObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Lookup, ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::build::{ActiveConfig, Environment};
use super::freshness::Freshness;
use super::judge::Judge;
use super::nodes::{NodeFacts, ReadNode};
use super::plan::{Configured, Observed};
use super::pool::Texts;
use super::quoting::Quotes;
use super::reinit;
use super::statuses::{Keeper, ReadStatus, WatchedStatus};
use super::tally::Tally;
use super::triggers::{Changes, Meaning, Target, hash};
use crate::aide::profiles::Profile;
use crate::api::object_name::{InvalidName, NamespaceName, ObjectName};
use crate::api::{FileIntegrity, FileIntegritySpec, ProfileName, names, time};
use crate::k8s::decode::Unreadable;
use crate::k8s::unread::Unread;
use crate::k8s::watch::{self, Read, Source};
use crate::k8s::{RequestError, backoff, raw, request};

/// Longest pause before the API groups are asked for again, or a user's ConfigMap is watched again.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// As many Nodes are asked for in one request: a large one is 20 kB, and what a list takes to be read
/// is what the operator's memory has grown to afterwards.
const NODES_AT_ONCE: u32 = 100;
/// As many node statuses are: one of a node that fails is some 8 kB.
const STATUSES_AT_ONCE: u32 = 250;
/// The API group whose presence makes a cluster an OpenShift one.
const MACHINE_CONFIG_GROUP: &str = "machineconfiguration.openshift.io";

/// Why something could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A request came to nothing.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A watch ended.
    #[error("the watches have ended")]
    Ended,
    /// Nothing says which image the pods should have.
    #[error(
        "no image for the pods: there is no Deployment {} in this namespace, and RELATED_IMAGE_OPERATOR is not set",
        names::OPERATOR_NAME
    )]
    NoImage,
    /// A name of ours is none. A defect, found by the tests.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A configuration could not be checked.
    #[error(transparent)]
    Check(#[from] crate::aide::check::CheckError),
}

/// A trigger: the FileIntegrity that should be looked at.
pub type Trigger = ObjectRef<FileIntegrity>;

/// The caches.
pub struct Observer {
    client: Client,
    namespace: NamespaceName,
    fallback_image: Option<String>,
    openshift: bool,
    judge: Judge,
    /// FileIntegrities.
    pub file_integrities: Store<FileIntegrity>,
    statuses: Store<WatchedStatus>,
    freshness: Arc<Freshness>,
    daemon_sets: Store<DaemonSet>,
    config_maps: Store<ConfigMap>,
    deployments: Store<Deployment>,
    nodes: Store<NodeFacts>,
    users: Arc<UserConfigs>,
    unread: Arc<Unread>,
    /// The last good configurations, by the uids of their FileIntegrities.
    good: Mutex<HashMap<String, Arc<ActiveConfig>>>,
    triggers: mpsc::UnboundedSender<Trigger>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// The watches of the ConfigMaps that FileIntegrities name, by the names of these.
type UserConfigs = Mutex<HashMap<String, UserConfig>>;

/// The watch of a ConfigMap that a FileIntegrity names.
struct UserConfig {
    namespace: NamespaceName,
    name: ObjectName,
    state: Arc<Mutex<UserConfigState>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum UserConfigState {
    Unknown,
    Missing,
    Found(BTreeMap<String, String>),
    Error(String),
}

impl Drop for UserConfig {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observer {
    /// Starts the watches of `namespace`; what they see makes `triggers`. Ends with the process or
    /// with the tasks of the returned set.
    pub async fn start(
        client: Client,
        namespace: &NamespaceName,
        fallback_image: Option<String>,
        judge: Judge,
        triggers: mpsc::UnboundedSender<Trigger>,
        tally: &Arc<Tally>,
        tasks: &mut tokio::task::JoinSet<()>,
    ) -> Result<Arc<Self>, ObserveError> {
        let openshift = is_openshift(&client).await;
        let (file_integrities, writer) = reflector::store();
        let users = Arc::new(UserConfigs::default());
        let texts = Arc::new(Texts::default());
        let unread = Arc::new(Unread::default());
        let mut watches = Watches {
            tasks,
            triggers: &triggers,
            namespace: namespace.as_str(),
            tally,
            all: file_integrities.clone(),
            texts: &texts,
            unread: &unread,
        };
        watches.start(
            Source::namespaced(&client, namespace),
            shrunk(shrink_file_integrity),
            |_| {},
            about_itself,
            writer,
            saw_file_integrity(tally, &users, &file_integrities, namespace.as_str()),
        );
        let (statuses, writer) = reflector::store();
        let freshness = Arc::new(Freshness::default());
        watches.start(
            Source::namespaced(&client, namespace).paged(STATUSES_AT_ONCE),
            keep_status(&texts),
            saw_status(tally, &freshness),
            about_status,
            writer,
            |_| {},
        );
        let (daemon_sets, writer) = reflector::store();
        watches.start(
            Source::namespaced(&client, namespace),
            |daemon_set| daemon_set,
            |_| {},
            about_daemon_set,
            writer,
            |_| {},
        );
        let (config_maps, writer) = reflector::store();
        watches.start(
            Source::namespaced(&client, namespace).labelled(names::LABEL_AIDE_CONF),
            shrunk(drop_managed_fields),
            |_| {},
            about_config_map,
            writer,
            |_| {},
        );
        let (deployments, writer) = reflector::store();
        let own = ObjectName::parse(names::OPERATOR_NAME)?;
        watches.start(
            Source::namespaced(&client, namespace).named(&own),
            shrunk(drop_managed_fields),
            |_| {},
            about_deployment,
            writer,
            |_| {},
        );
        let (nodes, writer) = reflector::store();
        watches.start(
            Source::all(&client).paged(NODES_AT_ONCE),
            keep_node(&texts),
            |_| {},
            about_node,
            writer,
            |_| {},
        );
        let observer = Arc::new(Self {
            client,
            namespace: namespace.clone(),
            fallback_image,
            openshift,
            judge,
            file_integrities,
            statuses,
            freshness,
            daemon_sets,
            config_maps,
            deployments,
            nodes,
            users,
            unread,
            good: Mutex::default(),
            triggers,
        });
        observer.wait_until_ready().await?;
        Ok(observer)
    }

    async fn wait_until_ready(&self) -> Result<(), ObserveError> {
        let ready = async {
            self.file_integrities.wait_until_ready().await?;
            self.statuses.wait_until_ready().await?;
            self.daemon_sets.wait_until_ready().await?;
            self.config_maps.wait_until_ready().await?;
            self.deployments.wait_until_ready().await?;
            self.nodes.wait_until_ready().await
        };
        ready
            .await
            .map_err(|_: reflector::store::WriterDropped| ObserveError::Ended)
    }

    /// Whether the cluster is an OpenShift one.
    pub fn is_openshift(&self) -> bool {
        self.openshift
    }

    /// Everything about this FileIntegrity; with it the nodes that can have no status, which only shows
    /// when one is written.
    pub async fn observe(
        &self,
        fi: Arc<FileIntegrity>,
        nameless: HashSet<Arc<str>>,
    ) -> Result<Observed, ObserveError> {
        let name = fi.name_any();
        let statuses = self
            .statuses
            .state_filter(|s| s.is_controlled_by(&name, fi.metadata.uid.as_deref()));
        let silence = statuses
            .iter()
            .map(|status| {
                let silence = self.freshness.silence(status);
                (Arc::clone(&status.node_name), silence)
            })
            .collect();
        let configured = self.configured(&fi).await?;
        Ok(Observed {
            last_good: self.last_good(&fi, &configured),
            configured,
            active: self
                .config_maps
                .get(&ObjectRef::new(&name).within(self.namespace.as_str())),
            daemon_sets: self.daemon_sets.state_filter(|ds| belongs(ds, &name)),
            nodes: self.nodes.state(),
            statuses,
            silence,
            nameless,
            failed: self.failed_nodes(&fi).await?,
            unreadable: self.unread.about(&name),
            unreadable_nodes: self.unreadable_nodes(),
            others: self
                .file_integrities
                .state_filter(|other| other.name_any() != name),
            environment: self.environment(&fi.spec).await?,
            now: time::now(),
            file_integrity: fi,
        })
    }

    /// The nodes whose last scan failed, if those are asked for. They are read now: who has seen a
    /// failure and asks at once may be faster than the watch.
    async fn failed_nodes(&self, fi: &FileIntegrity) -> Result<Vec<String>, ObserveError> {
        if !reinit::asks_for_failed(fi) {
            return Ok(Vec::new());
        }
        let source = Source::<ReadStatus>::namespaced(&self.client, &self.namespace);
        let source = source.paged(STATUSES_AT_ONCE);
        let statuses = request("list the node statuses", watch::list_now(&source)).await?;
        let keeper = Keeper::new(Arc::default());
        let statuses: Vec<WatchedStatus> = statuses.into_iter().map(|s| keeper.keep(s)).collect();
        Ok(reinit::failed_nodes(&fi.name_any(), &statuses))
    }

    fn unreadable_nodes(&self) -> HashSet<String> {
        let nodes = self.unread.of::<ReadNode>().into_iter();
        nodes.map(|node| node.name).collect()
    }

    /// What shows that other objects than before cannot be read.
    pub fn unreadable_changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.unread.changes()
    }

    /// The FileIntegrities that cannot be read, and of which nothing is known from before.
    pub fn unreadable_file_integrities(&self) -> Vec<Unreadable> {
        let mut unreadable = self.unread.of::<FileIntegrity>();
        unreadable.retain(|fi| {
            let key = ObjectRef::new(&fi.name).within(self.namespace.as_str());
            self.file_integrities.get(&key).is_none()
        });
        unreadable
    }

    /// Ends the watch of the ConfigMap that this FileIntegrity named.
    pub fn forget(&self, name: &str) {
        if let Ok(mut users) = self.users.lock() {
            users.remove(name);
        }
    }

    /// The last good configuration of this FileIntegrity; `configured` is taken for it if it is good.
    fn last_good(&self, fi: &FileIntegrity, configured: &Configured) -> Option<Arc<ActiveConfig>> {
        let uid = fi.metadata.uid.clone()?;
        let mut all = self.good.lock().ok()?;
        if let Configured::Good { config, .. } = configured
            && all.get(&uid).is_none_or(|known| **known != *config)
        {
            let there = self.file_integrities.state();
            let there: HashSet<&String> = there
                .iter()
                .filter_map(|fi| fi.metadata.uid.as_ref())
                .collect();
            all.retain(|uid, _| there.contains(uid));
            all.insert(uid.clone(), Arc::new(config.clone()));
        }
        all.get(&uid).cloned()
    }

    async fn configured(&self, fi: &FileIntegrity) -> Result<Configured, ObserveError> {
        let spec = &fi.spec;
        let state_dir = &spec.state_dir();
        let named = match spec.user_config() {
            Ok(Some(named)) => named,
            Ok(None) => {
                self.forget(&fi.name_any());
                return Ok(self
                    .judge
                    .judge(self.profile(spec).text(), state_dir, Quotes::All)
                    .await?);
            }
            Err(invalid) => {
                self.forget(&fi.name_any());
                return Ok(Configured::Unavailable {
                    reason: "InvalidReference",
                    message: invalid.to_string(),
                });
            }
        };
        let quotes = if named.namespace == self.namespace {
            Quotes::All
        } else {
            Quotes::None
        };
        let key = named.key.as_str();
        let place = format!("ConfigMap {} in namespace {}", named.name, named.namespace);
        match self.user_config(fi, &named.namespace, &named.name) {
            UserConfigState::Unknown => Ok(Configured::Unknown),
            UserConfigState::Missing => Ok(Configured::Unavailable {
                reason: "ConfigMapMissing",
                message: format!("{place} does not exist; it is used as soon as it does"),
            }),
            UserConfigState::Error(error) => Ok(Configured::Unavailable {
                reason: "ConfigMapUnreadable",
                message: format!(
                    "{place} cannot be read: {error}; for another namespace than the operator's, bind the \
                     ServiceAccount {} of namespace {} there to a Role with get, list and watch on that ConfigMap",
                    names::OPERATOR_NAME,
                    self.namespace
                ),
            }),
            UserConfigState::Found(data) => match data.get(key).map(|text| text.trim()) {
                None => Ok(Configured::Unavailable {
                    reason: "KeyMissing",
                    message: format!("{place} has no key {key}; it is used as soon as it has"),
                }),
                Some("") => Ok(Configured::Unavailable {
                    reason: "ConfigEmpty",
                    message: format!(
                        "the key {key} of {place} is empty; it is used as soon as it is not"
                    ),
                }),
                Some(_) => Ok(self.judge.judge(&data[key], state_dir, quotes).await?),
            },
        }
    }

    fn profile(&self, spec: &FileIntegritySpec) -> Profile {
        match spec.config.profile {
            Some(ProfileName::Openshift) => Profile::Openshift,
            None if self.openshift => Profile::Openshift,
            Some(ProfileName::Generic) | None => Profile::Generic,
        }
    }

    /// What is known of the named ConfigMap; the first call starts its watch.
    fn user_config(
        &self,
        fi: &FileIntegrity,
        namespace: &NamespaceName,
        name: &ObjectName,
    ) -> UserConfigState {
        let Ok(mut users) = self.users.lock() else {
            return UserConfigState::Unknown;
        };
        let owner = fi.name_any();
        let trigger = ObjectRef::new(&owner).within(self.namespace.as_str());
        // Looked at while the watches cannot be ended: what goes away after this ends its own.
        if self.file_integrities.get(&trigger).is_none() {
            return UserConfigState::Unknown;
        }
        if let Some(known) = users
            .get(&owner)
            .filter(|u| u.namespace == *namespace && u.name == *name)
        {
            return known
                .state
                .lock()
                .map_or(UserConfigState::Unknown, |state| state.clone());
        }
        let state = Arc::new(Mutex::new(UserConfigState::Unknown));
        let source = Source::namespaced(&self.client, namespace);
        let task = tokio::spawn(follow_config_map(
            source,
            name.clone(),
            Arc::clone(&state),
            self.triggers.clone(),
            trigger,
        ));
        let watch = UserConfig {
            namespace: namespace.clone(),
            name: name.clone(),
            state,
            task,
        };
        users.insert(owner, watch);
        UserConfigState::Unknown
    }

    async fn environment(&self, spec: &FileIntegritySpec) -> Result<Environment, ObserveError> {
        let deployment = self
            .deployments
            .get(&ObjectRef::new(names::OPERATOR_NAME).within(self.namespace.as_str()));
        let pod = deployment
            .as_ref()
            .and_then(|d| d.spec.as_ref())
            .and_then(|s| s.template.spec.as_ref());
        let container = pod.and_then(|p| p.containers.first());
        let image = container
            .and_then(|c| c.image.clone())
            .or_else(|| self.fallback_image.clone())
            .ok_or(ObserveError::NoImage)?;
        let secrets = pod
            .and_then(|p| p.image_pull_secrets.as_deref())
            .unwrap_or_default();
        Ok(Environment {
            image,
            pull_secrets: secrets.iter().map(|s| s.name.clone()).collect(),
            pull_policy: container
                .and_then(|c| c.image_pull_policy.clone())
                .unwrap_or_default(),
            openshift: self.openshift,
            priority_class_exists: self.priority_class_exists(spec).await?,
        })
    }

    async fn priority_class_exists(&self, spec: &FileIntegritySpec) -> Result<bool, ObserveError> {
        // What is no name is none of an object, and the API cannot even be asked.
        let Some(Ok(name)) = spec.priority_class().map(ObjectName::parse) else {
            return Ok(false);
        };
        let api = Api::<PriorityClass>::all(self.client.clone());
        let found = raw::metadata_opt(&api, name.as_str());
        let found = request(format!("read the PriorityClass {name}"), found).await?;
        Ok(found.is_some())
    }
}

/// Asks until there is an answer: an operator that begins to lead while the API is in trouble is not
/// to end for that.
async fn is_openshift(client: &Client) -> bool {
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        match request("list the API groups", client.list_api_groups()).await {
            Ok(all) => return all.groups.iter().any(|g| g.name == MACHINE_CONFIG_GROUP),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "waiting for the API server"
                );
                tokio::time::sleep(pauses.next().unwrap_or(MAX_BACKOFF)).await;
            }
        }
    }
}

/// What the watches of one observer share.
struct Watches<'a> {
    tasks: &'a mut tokio::task::JoinSet<()>,
    triggers: &'a mpsc::UnboundedSender<Trigger>,
    namespace: &'a str,
    tally: &'a Arc<Tally>,
    all: Store<FileIntegrity>,
    texts: &'a Arc<Texts>,
    unread: &'a Arc<Unread>,
}

impl Watches<'_> {
    /// Watches the objects of `source`: takes of each what is to be kept by `keep`, shows that to `read`
    /// as it comes, keeps it in the store behind `writer`, and triggers passes by what it means.
    /// `saw` is shown what the store has.
    fn start<W, K>(
        &mut self,
        source: Source<W>,
        keep: impl Fn(W) -> K + Send + 'static,
        read: impl Fn(&watcher::Event<K>) + Send + 'static,
        meaning: fn(&K) -> Meaning,
        writer: Writer<K>,
        saw: impl Fn(&watcher::Event<K>) + Send + 'static,
    ) where
        W: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned + Send + 'static,
        K: Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        let (triggers, all) = (self.triggers.clone(), self.all.clone());
        let readable = self.readable();
        let stream = watch::watch(source)
            .map_ok(readable)
            .try_filter_map(|event| std::future::ready(Ok(event)))
            .map_ok(move |event| kept(event, &keep))
            .inspect_ok(read);
        let stream = reflector::reflector(writer, stream).default_backoff();
        let (namespace, texts) = (self.namespace.to_owned(), Arc::clone(self.texts));
        self.tasks.spawn(async move {
            let mut changes = Changes::new(meaning, texts);
            let mut stream = std::pin::pin!(stream);
            while let Some(item) = stream.next().await {
                match item {
                    Ok(event) => {
                        saw(&event);
                        for target in changes.take(&event) {
                            send(&triggers, &all, &namespace, target);
                        }
                    }
                    Err(error) => tracing::warn!(
                        kind = %K::kind(&()),
                        error = crate::error_chain(&error),
                        "a watch failed; it is opened anew"
                    ),
                }
            }
        });
    }
}

impl Watches<'_> {
    /// Takes out of what a watch shows the objects that cannot be read. They are named, counted, and
    /// all FileIntegrities are looked at.
    fn readable<W>(
        &self,
    ) -> impl Fn(watcher::Event<Read<W>>) -> Option<watcher::Event<W>> + Send + use<W>
    where
        W: kube::Resource<DynamicType = ()>,
    {
        let (unread, tally) = (Arc::clone(self.unread), Arc::clone(self.tally));
        let (triggers, all) = (self.triggers.clone(), self.all.clone());
        let namespace = self.namespace.to_owned();
        move |event| {
            let (event, is_new) = unread.take(event);
            if is_new {
                tally.unreadable(W::kind(&()).into_owned(), unread.of::<W>().len());
                send(&triggers, &all, &namespace, Target::All);
            }
            event
        }
    }
}

/// The event with what is kept of its object.
fn kept<W, K>(event: watcher::Event<W>, keep: impl Fn(W) -> K) -> watcher::Event<K> {
    match event {
        watcher::Event::Apply(object) => watcher::Event::Apply(keep(object)),
        watcher::Event::Delete(object) => watcher::Event::Delete(keep(object)),
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitApply(object) => watcher::Event::InitApply(keep(object)),
        watcher::Event::InitDone => watcher::Event::InitDone,
    }
}

fn send(
    triggers: &mpsc::UnboundedSender<Trigger>,
    all: &Store<FileIntegrity>,
    namespace: &str,
    target: Target,
) {
    // The receiver lives as long as the controller; after it nobody needs a trigger.
    match target {
        Target::One(name) => {
            triggers.send(ObjectRef::new(&name).within(namespace)).ok();
        }
        Target::All => {
            for fi in all.state() {
                triggers.send(ObjectRef::from_obj(&*fi)).ok();
            }
        }
    }
}

/// What is kept of node statuses.
fn keep_status(texts: &Arc<Texts>) -> impl Fn(ReadStatus) -> WatchedStatus + Send + use<> {
    let keeper = Keeper::new(Arc::clone(texts));
    move |status| keeper.keep(status)
}

/// What is kept of nodes.
fn keep_node(texts: &Arc<Texts>) -> impl Fn(ReadNode) -> NodeFacts + Send + use<> {
    let texts = Arc::clone(texts);
    move |node| node.kept(&texts)
}

/// What is done with all that the watch of node statuses shows: it is counted, and its time is taken.
fn saw_status(
    tally: &Arc<Tally>,
    freshness: &Arc<Freshness>,
) -> impl Fn(&watcher::Event<WatchedStatus>) + Send + use<> {
    let (tally, freshness) = (Arc::clone(tally), Arc::clone(freshness));
    move |event| {
        freshness.saw(event);
        tally.saw_status(event);
    }
}

/// What is done with all that the watch of FileIntegrities shows: it is counted, and the watches
/// of ConfigMaps that were named by those which are gone end.
fn saw_file_integrity(
    tally: &Arc<Tally>,
    users: &Arc<UserConfigs>,
    all: &Store<FileIntegrity>,
    namespace: &str,
) -> impl Fn(&watcher::Event<FileIntegrity>) + Send + use<> {
    let (tally, users) = (Arc::clone(tally), Arc::clone(users));
    let (all, namespace) = (all.clone(), namespace.to_owned());
    move |event| {
        tally.saw_file_integrity(event);
        if let watcher::Event::Delete(_) | watcher::Event::InitDone = event
            && let Ok(mut users) = users.lock()
        {
            users.retain(|name, _| {
                let key = ObjectRef::new(name).within(&namespace);
                all.get(&key).is_some()
            });
        }
    }
}

/// Follows the named ConfigMap. After an error a new watch begins, with a list: one that goes on from
/// the old resource version shows nothing of an object that has not changed since.
async fn follow_config_map(
    source: Source<ConfigMap>,
    name: ObjectName,
    state: Arc<Mutex<UserConfigState>>,
    triggers: mpsc::UnboundedSender<Trigger>,
    trigger: Trigger,
) {
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        let began = Instant::now();
        let mut has_listed = false;
        let mut stream = std::pin::pin!(watch::watch_one(source.clone(), &name));
        while let Some(item) = stream.next().await {
            let failed = item.is_err();
            if let Ok(mut state) = state.lock() {
                *state = state.after(item, name.as_str(), has_listed);
            }
            triggers.send(trigger.clone()).ok();
            if failed {
                break;
            }
            has_listed = true;
        }
        if began.elapsed() > MAX_BACKOFF {
            pauses = backoff(MAX_BACKOFF);
        }
        tokio::time::sleep(pauses.next().unwrap_or(MAX_BACKOFF)).await;
    }
}

impl UserConfigState {
    /// What is known after the watch has shown this. `has_listed` says whether it had shown something
    /// before. What was seen holds on over errors, unless the operator may not read it any more: a
    /// new watch tells soon. That it may not is known when not even the list is answered.
    fn after(
        &self,
        shown: watcher::Result<Option<Read<ConfigMap>>>,
        name: &str,
        has_listed: bool,
    ) -> Self {
        let error = match shown {
            Ok(Some(Ok(config_map))) => {
                return Self::Found(config_map.data.unwrap_or_default());
            }
            Ok(Some(Err(unreadable))) => return Self::Error(unreadable.to_string()),
            Ok(None) => return Self::Missing,
            Err(error) => error,
        };
        let text = crate::error_chain(&error);
        tracing::warn!(
            config_map = name,
            error = text,
            "the watch of a configuration failed; it is opened anew"
        );
        match self {
            Self::Found(_) | Self::Missing if has_listed || !is_refusal(&error) => self.clone(),
            _ => Self::Error(text),
        }
    }
}

/// Whether the API server does not let the operator read it.
fn is_refusal(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
        _ => 0,
    };
    matches!(code, 401 | 403)
}

fn belongs(daemon_set: &DaemonSet, name: &str) -> bool {
    let labels = daemon_set.labels();
    let value = names::label_value(name);
    [names::LABEL_OWNER, names::LABEL_REINIT_OWNER]
        .iter()
        .any(|key| labels.get(*key) == Some(&value))
        || daemon_set.name_any() == names::daemon_set(name)
}

/// Keeps, of who wrote what, who else has written the status.
fn shrink_file_integrity(fi: &mut FileIntegrity) {
    let Some(managers) = &mut fi.metadata.managed_fields else {
        return;
    };
    managers.retain(|entry| {
        entry.subresource.as_deref() == Some("status")
            && entry.manager.as_deref() != Some(names::FIELD_MANAGER_OPERATOR)
    });
}

fn drop_managed_fields<K: kube::Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// What is kept of an object that is made smaller by `shrink`.
fn shrunk<K>(shrink: fn(&mut K)) -> impl Fn(K) -> K {
    move |mut object| {
        shrink(&mut object);
        object
    }
}

fn one(name: &str) -> Target {
    Target::One(name.into())
}

/// Of a FileIntegrity: everything but its status, which passes write; of that, whether others have
/// written it. The others are concerned too: two that select the same nodes both say so.
fn about_itself(fi: &FileIntegrity) -> Meaning {
    let meta = &fi.metadata;
    let written = meta.managed_fields.iter().flatten();
    let written: Vec<(&Option<String>, Option<i64>)> = written
        .map(|entry| {
            (
                &entry.manager,
                entry.time.as_ref().map(|at| at.0.as_second()),
            )
        })
        .collect();
    let matters = (&meta.uid, meta.generation, &meta.annotations, deleted(meta));
    (Some(Target::All), hash(&(matters, written)))
}

/// Of a node status: all but the times of scans that found nothing new.
fn about_status(status: &WatchedStatus) -> Meaning {
    let (owner, matters) = status.meaning();
    (owner.map(Target::One), matters)
}

/// Of a DaemonSet: everything but its status.
fn about_daemon_set(daemon_set: &DaemonSet) -> Meaning {
    let meta = &daemon_set.metadata;
    let owners = daemon_set.owner_references();
    let owner = owners
        .iter()
        .find(|o| o.kind == crate::api::FILE_INTEGRITY_KIND);
    let matters = (
        meta.generation,
        &meta.labels,
        &meta.annotations,
        deleted(meta),
    );
    (owner.map(|o| one(&o.name)), hash(&matters))
}

/// An active ConfigMap has its FileIntegrity's name, whatever became of its labels.
fn about_config_map(config_map: &ConfigMap) -> Meaning {
    let meta = &config_map.metadata;
    (
        Some(one(&config_map.name_any())),
        hash(&(
            &meta.labels,
            &meta.annotations,
            &config_map.data,
            config_map.immutable,
        )),
    )
}

/// Of the operator's Deployment: its image.
fn about_deployment(deployment: &Deployment) -> Meaning {
    (Some(Target::All), hash(&deployment.metadata.generation))
}

fn about_node(node: &NodeFacts) -> Meaning {
    (Some(Target::All), hash(node))
}

fn deleted(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> kube::Error {
        let status = kube::core::Status::failure("no", "Reason").with_code(code);
        kube::Error::Api(status.boxed())
    }

    #[test]
    fn what_was_seen_of_a_configuration_holds_on_over_errors() {
        use UserConfigState::{Error, Found, Missing, Unknown};
        use watcher::Error::{InitialListFailed, NoResourceVersion, WatchStartFailed};
        let found = || Found(BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let shown: ConfigMap = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "c"}, "data": {"a": "b"},
        }))
        .unwrap();
        let other = || Error("other".to_owned());
        let is_error = |state: &UserConfigState| matches!(state, Error(text) if text != "other");
        for before in [Unknown, Missing, found(), other()] {
            let listed = before.after(Ok(Some(Ok(shown.clone()))), "c", false);
            assert_eq!(listed, found());
            assert_eq!(before.after(Ok(None), "c", true), Missing);
        }
        // Before, has listed, error, holds on.
        let table = [
            (found(), false, InitialListFailed(status(503)), true),
            (found(), false, NoResourceVersion, true),
            (found(), true, WatchStartFailed(status(429)), true),
            // The list tells.
            (found(), true, WatchStartFailed(status(403)), true),
            (found(), false, InitialListFailed(status(403)), false),
            (Missing, false, InitialListFailed(status(401)), false),
            (Missing, false, InitialListFailed(status(500)), true),
            (Unknown, false, InitialListFailed(status(503)), false),
            (other(), false, InitialListFailed(status(503)), false),
        ];
        for (before, has_listed, error, holds) in table {
            let what = format!("{before:?} {has_listed} {error:?}");
            let after = before.after(Err(error), "c", has_listed);
            assert_eq!(after == before, holds, "{what}");
            assert_eq!(is_error(&after), !holds, "{what}");
        }
    }
}
