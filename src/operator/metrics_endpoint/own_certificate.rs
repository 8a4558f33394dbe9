//! Follows and renews the Secret with the operator's own certificate. I/O.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt as _;
use tokio::sync::watch;

use super::certificate::{self, IssueError};
use crate::api::object_name::{NamespaceName, ObjectName};
use crate::k8s::watch::{Source, watch_one};
use crate::k8s::{RequestError, request};
use crate::metrics_server::Certificates;

/// How often the certificate is checked for renewal.
const CHECK_INTERVAL: Duration = Duration::from_secs(3600);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// What is known of the Secret.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OwnSecret {
    /// It has not been read yet.
    Unknown,
    /// It does not exist.
    Missing,
    Found(Box<Secret>),
}

/// Why the certificate could not be renewed.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Uses the certificate of the Secret whenever it changes.
pub(super) async fn follow(
    secrets: Source<Secret>,
    name: ObjectName,
    certificates: Certificates,
    found: watch::Sender<OwnSecret>,
) {
    let stream = watch_one(secrets, &name).default_backoff();
    let mut stream = std::pin::pin!(stream);
    while let Some(item) = stream.next().await {
        let own = match item {
            Ok(Some(Ok(secret))) => {
                use_certificate(&certificates, &secret);
                OwnSecret::Found(Box::new(secret))
            }
            Ok(None) => OwnSecret::Missing,
            Ok(Some(Err(unreadable))) => {
                let error = unreadable.to_string();
                tracing::warn!(
                    error,
                    "the Secret with the operator's own certificate cannot be read; the certificate is not renewed"
                );
                continue;
            }
            Err(error) => {
                tracing::debug!(
                    error = crate::error_chain(&error),
                    "failed to watch the Secret with the operator's own certificate"
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

fn use_certificate(certificates: &Certificates, secret: &Secret) {
    let Some((certificate, key)) = certificate::pair(secret) else {
        return;
    };
    if let Err(error) = certificates.set_own(certificate, key) {
        let error = crate::error_chain(&error);
        tracing::warn!(
            error,
            "the Secret with the operator's own certificate cannot be used"
        );
    }
}

/// Creates and renews the certificate, unless somebody else provides one. Ends together with the sender
/// of `own_secret`.
pub(super) async fn keep(
    secrets: &Api<Secret>,
    certificates: &Certificates,
    mut own_secret: watch::Receiver<OwnSecret>,
    namespace: &NamespaceName,
) {
    loop {
        let state = own_secret.borrow_and_update().clone();
        let renewed = if certificates.is_mounted() {
            Ok(())
        } else {
            renew(secrets, &state, namespace.as_str()).await
        };
        let pause = match renewed {
            Ok(()) => CHECK_INTERVAL,
            Err(error) => {
                let error = crate::error_chain(&error);
                tracing::warn!(error, "failed to renew the operator's own certificate");
                RETRY
            }
        };
        if let Ok(Err(_)) = tokio::time::timeout(pause, own_secret.changed()).await {
            return;
        }
    }
}

async fn renew(
    secrets: &Api<Secret>,
    state: &OwnSecret,
    namespace: &str,
) -> Result<(), RenewError> {
    let existing = match state {
        OwnSecret::Unknown => return Ok(()),
        OwnSecret::Missing => None,
        OwnSecret::Found(secret) => Some(&**secret),
    };
    let Some(secret) = certificate::renewed(existing, namespace, Timestamp::now())? else {
        return Ok(());
    };
    let (name, params) = (secret.name_any(), PostParams::default());
    if existing.is_some() {
        let update = secrets.replace(&name, &params, &secret);
        request(format!("update the Secret {name}"), update).await?;
    } else {
        let creation = secrets.create(&params, &secret);
        request(format!("create the Secret {name}"), creation).await?;
    }
    tracing::info!(secret = name, "created a certificate for the metrics");
    Ok(())
}
