//! Serves the metrics, and keeps what that takes: a certificate, and the objects by which Prometheus
//! finds them. I/O.
//!
//! Nothing here can keep the operator from its work: what fails is logged and tried again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Settings;
use super::certificate::{self, IssueError};
use super::monitoring::{self, Authority, Targets};
use crate::api::names;
use crate::api::object_name::{InvalidName, NamespaceName, ObjectName};
use crate::k8s::watch::{Source, watch_one};
use crate::k8s::{RequestError, request};
use crate::metrics_server::{CA_FILE, Certificates, Content, FLEET_PATH, ScrapeAuth, Server};

/// How often it is looked whether the certificate is due.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// Where and how metrics are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrapes {
    /// Where this process' metrics are served.
    pub own: Option<SocketAddr>,
    /// Where the fleet's are.
    pub fleet: Option<SocketAddr>,
    /// Whether the fleet's are for those only who may read them.
    pub auth: bool,
    /// A directory with a certificate that somebody else made, or will make.
    pub certificate: PathBuf,
}

/// What is known of the Secret with the operator's own certificate.
#[derive(Clone, Debug, PartialEq)]
enum Own {
    Unknown,
    Missing,
    Found(Box<Secret>),
}

/// The servers, for as long as it lives.
#[derive(Debug)]
pub struct Serving {
    scrapes: Scrapes,
    namespace: String,
    certificates: Certificates,
    own: watch::Receiver<Own>,
    _tasks: JoinSet<()>,
}

impl Serving {
    /// Starts serving. Until there is a certificate of more standing, one made on the spot is used.
    pub fn start(
        settings: &Settings,
        own_namespace: &NamespaceName,
        client: &Client,
    ) -> Result<Self, InvalidName> {
        let scrapes = settings.scrapes.clone();
        let namespace = settings.namespace.clone();
        let certificates = Certificates::default();
        let (found, own) = watch::channel(Own::Unknown);
        let mut tasks = JoinSet::new();
        if let Some(address) = scrapes.own {
            let content = Content::Process(settings.metrics.clone());
            tasks.spawn(serve(address, content, None));
        }
        if let Some(address) = scrapes.fleet {
            if let Err(error) = make_do(&certificates, &namespace) {
                tracing::warn!(
                    error = crate::error_chain(error.as_ref()),
                    "metrics have no certificate yet"
                );
            }
            tasks.spawn(certificates.clone().follow(scrapes.certificate.clone()));
            let secrets = Source::namespaced(client, own_namespace);
            let name = ObjectName::parse(names::OWN_CERT_SECRET)?;
            tasks.spawn(follow_own(secrets, name, certificates.clone(), found));
            let auth = scrapes
                .auth
                .then(|| Arc::new(ScrapeAuth::new(client.clone(), &namespace, FLEET_PATH)));
            let content = Content::Fleet {
                metrics: settings.metrics.clone(),
                auth,
                with_process: scrapes.own.is_none(),
            };
            tasks.spawn(serve(address, content, Some(certificates.clone())));
        }
        Ok(Self {
            scrapes,
            namespace,
            certificates,
            own,
            _tasks: tasks,
        })
    }

    /// The leader's part: makes the operator's own certificate, and renews it in time.
    pub fn keep_certificate(&self, client: &Client) -> impl Future<Output = ()> + Send + use<> {
        let secrets = Api::namespaced(client.clone(), &self.namespace);
        let (certificates, mut own) = (self.certificates.clone(), self.own.clone());
        let namespace = self.namespace.clone();
        let is_served = self.scrapes.fleet.is_some();
        async move {
            if !is_served {
                return;
            }
            loop {
                let state = own.borrow_and_update().clone();
                let kept = if certificates.is_mounted() {
                    Ok(())
                } else {
                    keep(&secrets, &state, &namespace).await
                };
                let pause = match kept {
                    Ok(()) => LOOK_EVERY,
                    Err(error) => {
                        let error = crate::error_chain(&error);
                        tracing::warn!(error, "no certificate of our own");
                        RETRY
                    }
                };
                // Where the sender is gone, so is this operator.
                if let Ok(Err(_)) = tokio::time::timeout(pause, own.changed()).await {
                    return;
                }
            }
        }
    }

    /// The leader's part: the objects by which Prometheus finds the metrics and knows the alerts.
    pub fn keep_monitoring(
        &self,
        client: &Client,
        openshift: bool,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (client, namespace) = (client.clone(), self.namespace.clone());
        let (scrapes, certificates) = (self.scrapes.clone(), self.certificates.clone());
        let targets = move || Targets {
            own: scrapes.own.is_some(),
            fleet: scrapes.fleet.is_some(),
            authority: authority(&scrapes, openshift, certificates.is_mounted()),
        };
        monitoring::keep(client, namespace, targets)
    }
}

/// Who vouches for the certificate that is served.
fn authority(scrapes: &Scrapes, openshift: bool, is_mounted: bool) -> Authority {
    let brings_ca = scrapes.certificate.join(CA_FILE).exists();
    match (is_mounted, brings_ca) {
        (true, true) => Authority::Mounted,
        (true, false) => Authority::ServiceCa,
        (false, _) if openshift => Authority::ServiceCa,
        (false, _) => Authority::Own,
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

/// A certificate that nobody can verify, for the time until there is one that can be.
fn make_do(certificates: &Certificates, namespace: &str) -> anyhow::Result<()> {
    let secret = certificate::due(None, namespace, Timestamp::now())?;
    if let Some((certificate, key)) = secret.as_ref().and_then(certificate::pair) {
        certificates.set_own(certificate, key)?;
    }
    Ok(())
}

/// Takes up the Secret's certificate whenever it changes.
async fn follow_own(
    secrets: Source<Secret>,
    name: ObjectName,
    certificates: Certificates,
    found: watch::Sender<Own>,
) {
    let stream = watch_one(secrets, &name).default_backoff();
    let mut stream = std::pin::pin!(stream);
    while let Some(item) = stream.next().await {
        let own = match item {
            Ok(Some(Ok(secret))) => {
                take_up(&certificates, &secret);
                Own::Found(Box::new(secret))
            }
            Ok(None) => Own::Missing,
            Ok(Some(Err(unreadable))) => {
                let error = unreadable.to_string();
                tracing::warn!(error, "the certificate is not renewed");
                continue;
            }
            Err(error) => {
                tracing::debug!(
                    error = crate::error_chain(&error),
                    "the Secret with our own certificate cannot be watched"
                );
                continue;
            }
        };
        found.send_if_modified(|known| {
            let is_new = *known != own;
            *known = own;
            is_new
        });
    }
}

fn take_up(certificates: &Certificates, secret: &Secret) {
    let Some((certificate, key)) = certificate::pair(secret) else {
        return;
    };
    if let Err(error) = certificates.set_own(certificate, key) {
        let error = crate::error_chain(&error);
        tracing::warn!(error, "the Secret with our own certificate cannot be used");
    }
}

/// Why the operator has no certificate of its own.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

async fn keep(secrets: &Api<Secret>, state: &Own, namespace: &str) -> Result<(), KeepError> {
    let existing = match state {
        Own::Unknown => return Ok(()),
        Own::Missing => None,
        Own::Found(secret) => Some(&**secret),
    };
    let Some(secret) = certificate::due(existing, namespace, Timestamp::now())? else {
        return Ok(());
    };
    let (name, params) = (secret.name_any(), PostParams::default());
    if existing.is_some() {
        request(
            format!("update the Secret {name}"),
            secrets.replace(&name, &params, &secret),
        )
        .await?;
    } else {
        request(
            format!("create the Secret {name}"),
            secrets.create(&params, &secret),
        )
        .await?;
    }
    tracing::info!(secret = name, "made a certificate for the metrics");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_vouches_depends_on_where_the_certificate_comes_from() {
        let directory = tempfile::tempdir().unwrap();
        let scrapes = Scrapes {
            certificate: directory.path().to_owned(),
            ..Scrapes::default()
        };
        assert_eq!(authority(&scrapes, false, false), Authority::Own);
        assert_eq!(authority(&scrapes, true, false), Authority::ServiceCa);
        assert_eq!(authority(&scrapes, false, true), Authority::ServiceCa);
        std::fs::write(directory.path().join(CA_FILE), "").unwrap();
        assert_eq!(authority(&scrapes, false, true), Authority::Mounted);
    }
}
