//! Requests about the Lease. I/O.

use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};

use crate::api::{names, time};
use crate::k8s::{RequestError, raw, request_within};

/// Maximum duration of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// The requests of one candidate.
#[derive(Clone)]
pub(super) struct LeaseClient {
    api: Api<Lease>,
    pub(super) identity: String,
}

impl std::fmt::Debug for LeaseClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseClient")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl LeaseClient {
    pub(super) fn new(api: Api<Lease>, identity: String) -> Self {
        Self { api, identity }
    }

    pub(super) async fn create(&self, lease: &Lease) -> Result<Lease, RequestError> {
        let params = PostParams::default();
        send(self.api.create(&params, lease)).await
    }

    /// The Lease, if it exists. A Lease that cannot be decoded is an error: another operator may hold it.
    pub(super) async fn read(&self) -> Result<Option<Lease>, RequestError> {
        send(async {
            let lease = raw::get_opt(&self.api, names::LEASE_NAME).await?;
            lease.transpose().map_err(raw::failed)
        })
        .await
    }

    pub(super) async fn replace(&self, lease: &Lease) -> Result<Lease, RequestError> {
        send(async {
            let params = PostParams::default();
            let replaced = raw::replace(&self.api, names::LEASE_NAME, &params, lease).await?;
            replaced.map_err(raw::failed)
        })
        .await
    }

    /// The Lease, if this candidate still holds it. After a conflict it may: a renewal whose answer was
    /// lost has changed the Lease, too. That does not extend the term. Only an answered renewal does.
    pub(super) async fn read_if_held(&self) -> Result<Option<Lease>, RequestError> {
        let lease = self.read().await?;
        let holder = |lease: &Lease| lease.spec.as_ref()?.holder_identity.clone();
        Ok(lease.filter(|lease| holder(lease).as_deref() == Some(self.identity.as_str())))
    }

    /// Releases the Lease as other users of Leases do: without a holder, and with a short duration.
    pub(super) async fn release(&self, lease: &mut Lease) -> Result<(), RequestError> {
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(time::now_micro());
        }
        self.replace(lease).await.map(|_| ())
    }

    /// Returns when the Lease has changed. Fails if the watch does.
    pub(super) async fn wait_for_change(
        &self,
        lease: &Lease,
        timeout: Duration,
    ) -> kube::Result<()> {
        let version = lease.metadata.resource_version.as_deref().unwrap_or("0");
        let params = WatchParams::default()
            .fields(&format!("metadata.name={}", names::LEASE_NAME))
            .timeout(u32::try_from(timeout.as_secs() + 1).unwrap_or(u32::MAX));
        let stream = self.api.watch(&params, version).await?;
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.try_next().await? {
            match event {
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

async fn send<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, RequestError> {
    request_within(
        REQUEST_TIMEOUT,
        format!("request the lease {}", names::LEASE_NAME),
        call,
    )
    .await
}
