//! Serves the metrics, and keeps the certificate for that. I/O.
//!
//! Failures are logged and tried again. They do not affect the other tasks of the operator.

pub(crate) mod certificate;
mod own_certificate;
mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::own_certificate::OwnSecret;
pub use self::settings::ScrapeSettings;
pub(crate) use self::settings::{CertificateAuthority, ScrapeTargets};
use crate::api::names;
use crate::api::object_name::{InvalidName, NamespaceName, ObjectName};
use crate::k8s::watch::Source;
use crate::metrics_server::{Certificates, Content, FLEET_PATH, ScrapeAuth, Server};
use crate::telemetry::metrics::Metrics;

/// Pause before an address is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// The servers. They end when it is dropped.
#[derive(Debug)]
pub(crate) struct MetricsEndpoint {
    settings: ScrapeSettings,
    namespace: NamespaceName,
    certificates: Certificates,
    own_secret: watch::Receiver<OwnSecret>,
    _tasks: JoinSet<()>,
}

impl MetricsEndpoint {
    /// Starts to serve. Until there is another certificate, a temporary one is used.
    pub(crate) fn start(
        settings: ScrapeSettings,
        metrics: &Metrics,
        namespace: &NamespaceName,
        client: &Client,
    ) -> Result<Self, InvalidName> {
        let certificates = Certificates::default();
        let (sender, own_secret) = watch::channel(OwnSecret::Unknown);
        let mut tasks = JoinSet::new();
        if let Some(address) = settings.process {
            let content = Content::Process(metrics.clone());
            tasks.spawn(serve(address, content, None));
        }
        if let Some(address) = settings.fleet {
            if let Err(error) = use_temporary_certificate(&certificates, namespace.as_str()) {
                tracing::warn!(
                    error = crate::error_chain(error.as_ref()),
                    "failed to create a temporary certificate for the metrics"
                );
            }
            let directory = settings.certificate_dir.clone();
            tasks.spawn(certificates.clone().follow(directory));
            tasks.spawn(own_certificate::follow(
                Source::namespaced(client, namespace),
                ObjectName::parse(names::OWN_CERT_SECRET)?,
                certificates.clone(),
                sender,
            ));
            let auth = || ScrapeAuth::new(client.clone(), namespace.as_str(), FLEET_PATH);
            let content = Content::Fleet {
                metrics: metrics.clone(),
                auth: settings.auth.then(|| Arc::new(auth())),
                with_process: settings.process.is_none(),
            };
            tasks.spawn(serve(address, content, Some(certificates.clone())));
        }
        Ok(Self {
            settings,
            namespace: namespace.clone(),
            certificates,
            own_secret,
            _tasks: tasks,
        })
    }

    /// A task of the leader: creates the operator's own certificate, and renews it.
    pub(crate) fn keep_certificate(
        &self,
        client: &Client,
    ) -> impl Future<Output = ()> + Send + use<> {
        let secrets = Api::namespaced(client.clone(), self.namespace.as_str());
        let (certificates, own_secret) = (self.certificates.clone(), self.own_secret.clone());
        let namespace = self.namespace.clone();
        let is_served = self.settings.fleet.is_some();
        async move {
            if is_served {
                own_certificate::keep(&secrets, &certificates, own_secret, &namespace).await;
            }
        }
    }

    /// Returns a function with the current scrape targets.
    pub(crate) fn scrape_targets(&self, openshift: bool) -> impl Fn() -> ScrapeTargets + use<> {
        let (settings, certificates) = (self.settings.clone(), self.certificates.clone());
        move || settings.targets(openshift, certificates.is_mounted())
    }
}

async fn serve(address: SocketAddr, content: Content, certificates: Option<Certificates>) {
    loop {
        match Server::bind(address, content.clone(), certificates.as_ref()).await {
            Ok(server) => {
                tracing::info!(address = %server.address, "serving metrics");
                return server.run().await;
            }
            Err(error) => {
                tracing::warn!(error = crate::error_chain(&error), "metrics are not served");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Uses a certificate that clients cannot verify.
fn use_temporary_certificate(certificates: &Certificates, namespace: &str) -> anyhow::Result<()> {
    let secret = certificate::renewed(None, namespace, Timestamp::now())?;
    if let Some((certificate, key)) = secret.as_ref().and_then(certificate::pair) {
        certificates.set_own(certificate, key)?;
    }
    Ok(())
}
