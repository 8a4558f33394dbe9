//! Reads everything that a reconcile uses, from watches. I/O.
//!
//! Watched are: the FileIntegrities, their acceptances, node statuses, DaemonSets and active ConfigMaps of the namespace,
//! all nodes, the operator's own Deployment, and each ConfigMap that a FileIntegrity names. Failure logs
//! are never read.

mod changes;
mod config_source;
mod environment;
pub(crate) mod error;
mod last_good;
mod relevance;
mod specs;
pub(crate) mod triggers;
mod user_config;
mod watches;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::{Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::error::ObserveError;
use self::last_good::LastGood;
use self::triggers::{Target, Trigger, Triggers};
use self::user_config::UserConfigs;
use self::watches::Watches;
use super::build::Environment;
use super::config_validator::ConfigValidator;
use super::config_validator::exclusions::with_exclusions;
use super::config_validator::redaction::Quoting;
use super::observed::{ConfigVerdict, Observed};
use super::reinit::request;
use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegrity, FileIntegrityAcceptance, FileIntegritySpec, names, time};
use crate::k8s::decode::Unreadable;
use crate::k8s::request as api_request;
use crate::k8s::unread::UnreadableObjects;
use crate::k8s::watch::{self, Source};
use crate::operator::admission_policy::{PolicyState, acceptance_policy};
use crate::operator::cache::freshness::Freshness;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node::wire::ReceivedNode;
use crate::operator::cache::node_status::CachedNodeStatus;
use crate::operator::cache::node_status::wire::{NodeStatusConverter, ReceivedNodeStatus};
use crate::operator::evidence::index::EvidenceIndex;
use crate::operator::fleet_metrics::FleetMetrics;

/// What an observer needs besides the cluster.
#[derive(Debug)]
pub(crate) struct ObserverConfig {
    pub(crate) namespace: NamespaceName,
    /// Image of the pods if there is no Deployment of the operator.
    pub(crate) fallback_image: Option<String>,
    pub(crate) validator: ConfigValidator,
    pub(crate) metrics: Arc<FleetMetrics>,
    pub(crate) evidence: Arc<EvidenceIndex>,
}

/// How long the list of acceptances is waited for at the beginning. An older Role does not allow it.
const ACCEPTANCES_TIMEOUT: Duration = Duration::from_secs(10);

/// The stores of all watches.
pub(crate) struct Observer {
    client: Client,
    config: ObserverConfig,
    openshift: bool,
    pub(crate) file_integrities: Store<FileIntegrity>,
    statuses: Store<CachedNodeStatus>,
    freshness: Arc<Freshness>,
    daemon_sets: Store<DaemonSet>,
    config_maps: Store<ConfigMap>,
    deployments: Store<Deployment>,
    nodes: Store<CachedNode>,
    acceptances: Store<FileIntegrityAcceptance>,
    user_configs: Arc<UserConfigs>,
    unread: Arc<UnreadableObjects>,
    last_good: LastGood,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Observer {
    /// Starts the watches as `tasks`, and waits until all objects are listed. Changes are sent to
    /// `triggers`.
    pub(crate) async fn start(
        client: Client,
        config: ObserverConfig,
        triggers: mpsc::UnboundedSender<Trigger>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>, ObserveError> {
        let openshift = environment::is_openshift(&client).await;
        let namespace = &config.namespace;
        let (file_integrities, writer) = reflector::store();
        let triggers = Triggers::new(triggers, file_integrities.clone(), namespace.as_str());
        let user_configs = Arc::new(UserConfigs::new(client.clone(), triggers.clone()));
        let freshness = Arc::new(Freshness::default());
        let mut watches = Watches {
            tasks,
            triggers: triggers.clone(),
            texts: Arc::default(),
            unread: Arc::default(),
            metrics: Arc::clone(&config.metrics),
        };
        let (texts, unread) = (Arc::clone(&watches.texts), Arc::clone(&watches.unread));
        watches.start_with(
            specs::file_integrities(&client, namespace, &config.metrics, &user_configs),
            writer,
        );
        let statuses =
            specs::node_statuses(&client, namespace, &config.metrics, &texts, &freshness);
        let observer = Arc::new(Self {
            openshift,
            file_integrities,
            statuses: watches.start(statuses),
            freshness,
            daemon_sets: watches.start(specs::daemon_sets(&client, namespace)),
            config_maps: watches.start(specs::config_maps(&client, namespace)),
            deployments: watches.start(specs::own_deployment(&client, namespace)?),
            nodes: watches.start(specs::nodes(&client, &texts)),
            acceptances: watches.start(specs::acceptances(&client, namespace, &config.metrics)),
            user_configs,
            unread,
            last_good: LastGood::default(),
            client,
            config,
        });
        tasks.spawn(follow_evidence(
            Arc::clone(&observer.config.evidence),
            triggers,
        ));
        observer.wait_until_listed().await?;
        Ok(observer)
    }

    async fn wait_until_listed(&self) -> Result<(), ObserveError> {
        let listed = async {
            self.file_integrities.wait_until_ready().await?;
            self.statuses.wait_until_ready().await?;
            self.daemon_sets.wait_until_ready().await?;
            self.config_maps.wait_until_ready().await?;
            self.deployments.wait_until_ready().await?;
            self.nodes.wait_until_ready().await
        };
        listed
            .await
            .map_err(|_: reflector::store::WriterDropped| ObserveError::WatchesEnded)?;
        let acceptances = self.acceptances.wait_until_ready();
        let listed = tokio::time::timeout(ACCEPTANCES_TIMEOUT, acceptances).await;
        if listed.is_err() {
            tracing::warn!("the acceptances are not listed; continuing without them");
        }
        Ok(())
    }

    /// Whether the cluster is OpenShift.
    pub(crate) fn is_openshift(&self) -> bool {
        self.openshift
    }

    /// Everything about this FileIntegrity. `name_collisions` are those of the last reconcile: they show
    /// only when a node status is written.
    pub(crate) async fn observe(
        &self,
        fi: Arc<FileIntegrity>,
        name_collisions: HashSet<Arc<str>>,
    ) -> Result<Observed, ObserveError> {
        let name = fi.name_any();
        let uid = fi.metadata.uid.as_deref();
        let is_own = |status: &CachedNodeStatus| status.is_controlled_by(&name, uid);
        let statuses = self.statuses.state_filter(is_own);
        let now = time::now();
        let verdict = self.verdict(&fi).await?;
        let verdict = with_exclusions(verdict, &fi.spec.exclude, &now);
        let acceptances = self.acceptances_of(&name);
        Ok(Observed {
            policy: self.policy(acceptances.as_deref()).await,
            acceptances,
            evidence: self.config.evidence.states(),
            last_good: self.last_good.update(&fi, &verdict, &self.file_integrities),
            verdict,
            active: self.config_maps.get(&self.object_ref(&name)),
            daemon_sets: self
                .daemon_sets
                .state_filter(|ds| relevance::is_daemon_set_of(ds, &name)),
            nodes: self.nodes.state(),
            silence: self.silence(&statuses),
            statuses,
            name_collisions,
            failed_nodes: self.failed_nodes(&fi).await?,
            unreadable: self.unread.about(&name),
            unreadable_nodes: self.unreadable_nodes(),
            others: self
                .file_integrities
                .state_filter(|other| other.name_any() != name),
            environment: self.environment(&fi.spec).await?,
            now,
            file_integrity: fi,
        })
    }

    /// The acceptances that name this FileIntegrity, if they are listed.
    fn acceptances_of(&self, name: &str) -> Option<Vec<Arc<FileIntegrityAcceptance>>> {
        self.acceptances.wait_until_ready().now_or_never()?.ok()?;
        let named = |acceptance: &FileIntegrityAcceptance| acceptance.spec.file_integrity == name;
        Some(self.acceptances.state_filter(named))
    }

    /// The state of the policy, if any acceptance is open. Where it cannot be read, the acceptances wait.
    async fn policy(
        &self,
        acceptances: Option<&[Arc<FileIntegrityAcceptance>]>,
    ) -> Option<PolicyState> {
        let mut acceptances = acceptances?.iter();
        acceptances.find(|acceptance| !acceptance.is_finished())?;
        match acceptance_policy(&self.client, self.namespace().as_str()).await {
            Ok(state) => Some(state),
            Err(error) => {
                let error = crate::error_chain(&error);
                tracing::warn!(error, "failed to read the admission policy for acceptances");
                None
            }
        }
    }

    fn silence(&self, statuses: &[Arc<CachedNodeStatus>]) -> HashMap<Arc<str>, Duration> {
        let statuses = statuses.iter();
        let silence = statuses.map(|status| {
            let since = self.freshness.since_last_change(status);
            (Arc::clone(&status.node_name), since)
        });
        silence.collect()
    }

    /// The nodes whose last scan is Failed, if these are requested. They are listed now: a user who has
    /// seen a failure may be faster than the watch.
    async fn failed_nodes(&self, fi: &FileIntegrity) -> Result<Vec<String>, ObserveError> {
        if !request::needs_failed_nodes(fi) {
            return Ok(Vec::new());
        }
        let source = Source::<ReceivedNodeStatus>::namespaced(&self.client, self.namespace());
        let source = source.paged(specs::STATUSES_PAGE);
        let statuses = api_request("list the node statuses", watch::list_now(&source)).await?;
        let converter = NodeStatusConverter::new(Arc::default());
        let statuses = statuses.into_iter().map(|status| converter.convert(status));
        let statuses: Vec<CachedNodeStatus> = statuses.collect();
        Ok(request::failed_nodes(&fi.name_any(), &statuses))
    }

    fn unreadable_nodes(&self) -> HashSet<String> {
        let nodes = self.unread.of::<ReceivedNode>().into_iter();
        nodes.map(|node| node.name).collect()
    }

    /// Changes when other objects than before cannot be decoded.
    pub(crate) fn unreadable_changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.unread.changes()
    }

    /// The FileIntegrities that cannot be decoded, and of which no earlier version is known.
    pub(crate) fn unreadable_file_integrities(&self) -> Vec<Unreadable> {
        let mut unreadable = self.unread.of::<FileIntegrity>();
        unreadable.retain(|fi| {
            let key = self.object_ref(&fi.name);
            self.file_integrities.get(&key).is_none()
        });
        unreadable
    }

    pub(crate) fn acceptances(&self) -> Vec<Arc<FileIntegrityAcceptance>> {
        self.acceptances.state()
    }

    /// Whether a FileIntegrity with this name exists, even if it cannot be decoded.
    pub(crate) fn has_file_integrity(&self, name: &str) -> bool {
        let unread = self.unread.of::<FileIntegrity>();
        self.file_integrities.get(&self.object_ref(name)).is_some()
            || unread.iter().any(|fi| fi.name == name)
    }

    /// Sets whether this FileIntegrity waits for evidence that should exist soon.
    pub(crate) fn await_evidence(&self, file_integrity: &str, awaits: bool) {
        self.config.evidence.set_waiting(file_integrity, awaits);
    }

    /// Ends the watch of the ConfigMap that this FileIntegrity named.
    pub(crate) fn forget(&self, file_integrity: &str) {
        self.user_configs.forget(file_integrity);
    }

    async fn verdict(&self, fi: &FileIntegrity) -> Result<ConfigVerdict, ObserveError> {
        let named = match fi.spec.user_config() {
            Ok(Some(named)) => named,
            Ok(None) => {
                self.forget(&fi.name_any());
                let profile = config_source::profile(&fi.spec, self.openshift);
                return self.validate(fi, profile.text(), Quoting::Full).await;
            }
            Err(invalid) => {
                self.forget(&fi.name_any());
                return Ok(config_source::invalid_reference(&invalid));
            }
        };
        let state = self
            .user_configs
            .state(&fi.name_any(), &named.namespace, &named.name);
        let quoting = if named.namespace == *self.namespace() {
            Quoting::Full
        } else {
            Quoting::Redacted
        };
        match config_source::text(state, &named, self.namespace()) {
            Ok(text) => self.validate(fi, &text, quoting).await,
            Err(verdict) => Ok(verdict),
        }
    }

    async fn validate(
        &self,
        fi: &FileIntegrity,
        text: &str,
        quoting: Quoting,
    ) -> Result<ConfigVerdict, ObserveError> {
        let state_dir = fi.spec.state_dir();
        let verdict = self.config.validator.validate(text, &state_dir, quoting);
        Ok(verdict.await?)
    }

    async fn environment(&self, spec: &FileIntegritySpec) -> Result<Environment, ObserveError> {
        let deployment = self
            .deployments
            .get(&ObjectRef::new(names::OPERATOR_NAME).within(self.namespace().as_str()));
        let fallback_image = self.config.fallback_image.as_ref();
        let environment =
            environment::from_deployment(deployment.as_deref(), fallback_image, self.openshift)?;
        Ok(Environment {
            priority_class_exists: environment::priority_class_exists(&self.client, spec).await?,
            ..environment
        })
    }

    fn namespace(&self) -> &NamespaceName {
        &self.config.namespace
    }

    fn object_ref<K>(&self, name: &str) -> ObjectRef<K>
    where
        K: reflector::Lookup<DynamicType = ()>,
    {
        ObjectRef::new(name).within(self.namespace().as_str())
    }
}

/// Triggers the FileIntegrities that wait for evidence when there is other evidence than before.
async fn follow_evidence(index: Arc<EvidenceIndex>, triggers: Triggers) {
    let mut changes = index.changes();
    while changes.changed().await.is_ok() {
        for file_integrity in index.waiting() {
            triggers.send(&Target::One(file_integrity.into()));
        }
    }
}
