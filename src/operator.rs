//! The operator: deploys a daemon to each node that a FileIntegrity selects, and summarizes what the
//! nodes report.
//!
//! One operator leads at a time ([`leader_election`]). It reconciles FileIntegrities ([`reconcile`])
//! from what it keeps of the watched objects ([`cache`]). Every operator serves metrics
//! ([`metrics_endpoint`]), and the leader exports those about the fleet ([`fleet_metrics`]). The leader
//! also creates the objects for Prometheus ([`monitoring_objects`]) and the policy that restricts
//! daemons to their own nodes ([`admission_policy`]), and keeps what new baselines accepted ([`evidence`]).

pub(crate) mod admission_policy;
mod cache;
mod change_sets;
pub(crate) mod evidence;
mod fleet_metrics;
mod leader_election;
mod metrics_endpoint;
pub(crate) mod monitoring_objects;
mod reconcile;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::evidence::index::EvidenceIndex;
use self::fleet_metrics::FleetMetrics;
use self::leader_election::Candidate;
use self::metrics_endpoint::MetricsEndpoint;
pub use self::metrics_endpoint::ScrapeSettings;
use self::monitoring_objects::Runbooks;
use self::reconcile::acceptances::orphans;
use self::reconcile::apply::Applier;
#[cfg(feature = "testing")]
pub(crate) use self::reconcile::build;
use self::reconcile::config_validator::ConfigValidator;
use self::reconcile::observe::error::ObserveError;
use self::reconcile::observe::{Observer, ObserverConfig};
use self::reconcile::unreadable;
use crate::aide::check::Checker;
use crate::aide::command::{Aide, NO_AIDE};
use crate::api::FileIntegrity;
use crate::api::object_name::NamespaceName;
use crate::k8s::watch::{self, Source};
use crate::telemetry::health::{self, Readiness};
use crate::telemetry::metrics::Metrics;

/// Pause after the API server did not answer. It doubles up to [`MAX_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Maximum pause after the API server did not answer.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// The settings of an operator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the FileIntegrities.
    pub namespace: String,
    /// The identity in the Lease: the name of the pod.
    pub identity: String,
    /// Image of the pods if there is no Deployment of the operator.
    pub fallback_image: Option<String>,
    /// The path of the AIDE program.
    pub aide: PathBuf,
    /// A directory for temporary files.
    pub work_dir: PathBuf,
    /// Address of the health checks.
    pub health: Option<SocketAddr>,
    /// Where and how metrics are served.
    pub scrape: ScrapeSettings,
    /// URL of a copy of the page with the runbooks of the alerts.
    pub runbook_url: Option<String>,
    /// The metrics of the process and of the fleet.
    pub metrics: Metrics,
}

/// Runs the operator until `stop` is cancelled.
pub async fn run(
    settings: Settings,
    client: Client,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let namespace =
        NamespaceName::parse(&settings.namespace).context("the operator's namespace")?;
    // First of all, because probes begin when the container starts.
    let readiness = Readiness::default();
    if let Some(address) = settings.health {
        health::serve(address, readiness.clone()).await?;
    }
    let aide = Aide::new(&settings.aide);
    aide.supported_version().await.context(NO_AIDE)?;
    let scrape = settings.scrape.clone();
    let endpoint = MetricsEndpoint::start(scrape, &settings.metrics, &namespace, &client)?;
    tokio::select! {
        ready = wait_for_api(&client, &namespace) => ready?,
        () = stop.cancelled() => return Ok(()),
    }
    readiness.set(true);
    let operator = Operator {
        settings,
        namespace,
        client,
        endpoint,
    };
    operator.run(stop).await
}

struct Operator {
    settings: Settings,
    namespace: NamespaceName,
    client: Client,
    endpoint: MetricsEndpoint,
}

impl Operator {
    /// Leads whenever the Lease is held.
    async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let Settings {
            identity, metrics, ..
        } = &self.settings;
        let leases = Api::namespaced(self.client.clone(), self.namespace.as_str());
        let candidate = Candidate::new(leases, identity.clone());
        loop {
            let leadership = tokio::select! {
                leadership = candidate.acquire() => leadership,
                () = stop.cancelled() => return Ok(()),
            };
            tracing::info!(identity, "leading");
            let fleet_metrics = Arc::new(FleetMetrics::new(metrics.lead()));
            let client = leadership.term.client(&self.client);
            let result = tokio::select! {
                result = self.lead(client, fleet_metrics) => Some(result),
                () = leadership.lost.cancelled() => None,
                () = stop.cancelled() => {
                    metrics.stand_by();
                    leadership.release().await;
                    return Ok(());
                }
            };
            metrics.stand_by();
            if let Some(result) = result {
                leadership.release().await;
                return result.context("the operator's watches");
            }
            tracing::warn!("the lease is lost; standing by");
        }
    }

    /// Does the work of the leader, until the watches end.
    async fn lead(&self, client: Client, metrics: Arc<FleetMetrics>) -> Result<(), ObserveError> {
        let (triggers, triggered) = mpsc::unbounded_channel();
        // The tasks end when the set is dropped.
        let mut tasks = JoinSet::new();
        let evidence = Arc::<EvidenceIndex>::default();
        let config = self.observer_config(&metrics, &evidence);
        let observer = Observer::start(client.clone(), config, triggers, &mut tasks).await?;
        let namespace = self.namespace.clone();
        tasks.spawn(admission_policy::keep(
            client.clone(),
            namespace.to_string(),
        ));
        tasks.spawn(evidence::keep(
            client.clone(),
            namespace.to_string(),
            self.settings.identity.clone(),
            observer.file_integrities.clone(),
            evidence,
        ));
        tasks.spawn(self.endpoint.keep_certificate(&client));
        tasks.spawn(monitoring_objects::keep(
            client.clone(),
            namespace.clone(),
            Runbooks::new(self.settings.runbook_url.as_deref()),
            self.endpoint.scrape_targets(observer.is_openshift()),
        ));
        let applier = Applier::new(&client, &namespace, &self.settings.identity);
        if let Err(error) = applier.delete_legacy().await {
            tracing::warn!(
                error = crate::error_chain(&error),
                "failed to delete legacy objects"
            );
        }
        tasks.spawn(unreadable::report(Arc::clone(&observer), applier.clone()));
        tasks.spawn(orphans::handle(Arc::clone(&observer), applier.clone()));
        reconcile::run(observer, applier, metrics, triggered).await;
        Err(ObserveError::WatchesEnded)
    }

    fn observer_config(
        &self,
        metrics: &Arc<FleetMetrics>,
        evidence: &Arc<EvidenceIndex>,
    ) -> ObserverConfig {
        let aide = Aide::new(&self.settings.aide);
        let checker = Checker::new(aide, self.settings.work_dir.clone());
        ObserverConfig {
            namespace: self.namespace.clone(),
            fallback_image: self.settings.fallback_image.clone(),
            validator: ConfigValidator::new(checker),
            metrics: Arc::clone(metrics),
            evidence: Arc::clone(evidence),
        }
    }
}

/// Waits until the API server answers. Fails if it has no FileIntegrities, or does not allow this
/// operator to list them.
async fn wait_for_api(client: &Client, namespace: &NamespaceName) -> anyhow::Result<()> {
    let source = Source::<FileIntegrity>::namespaced(client, namespace);
    let mut pause = FIRST_BACKOFF;
    loop {
        match watch::probe(&source).await {
            Ok(()) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => anyhow::bail!(
                "the API does not know FileIntegrity (fileintegrity.openshift.io/v1alpha1); \
                 install the definitions: fio crd | kubectl apply -f -"
            ),
            Err(kube::Error::Api(status)) if status.code == 403 => anyhow::bail!(
                "no permission to list fileintegrities in namespace {namespace}: {}; \
                 apply the manifests' Role and RoleBinding file-integrity-operator",
                status.message
            ),
            Err(kube::Error::Api(status)) if status.code == 401 => anyhow::bail!(
                "the API does not accept this operator's credentials: {}",
                status.message
            ),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "waiting for the API server"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_BACKOFF);
            }
        }
    }
}
