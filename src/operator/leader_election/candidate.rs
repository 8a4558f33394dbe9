//! Waits until the Lease is held. I/O.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::time::Instant;

use super::election::{Election, Step};
use super::leadership::{Leadership, RETRY};
use super::lease_client::LeaseClient;
use crate::k8s::RequestError;

/// An operator that wants to lead.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    client: LeaseClient,
}

enum Attempt {
    Held { lease: Box<Lease>, since: Instant },
    Wait { lease: Box<Lease>, left: Duration },
}

impl Candidate {
    /// A candidate for the Lease in the namespace of `api`.
    pub(crate) fn new(api: Api<Lease>, identity: String) -> Self {
        Self {
            client: LeaseClient::new(api, identity),
        }
    }

    /// Waits until the Lease is held.
    pub(crate) async fn acquire(&self) -> Leadership {
        let start = Instant::now();
        let mut election = Election::new(&self.client.identity);
        let mut waiting_for = String::new();
        loop {
            match self.try_acquire(&mut election, start).await {
                Ok(Attempt::Held { lease, since }) => {
                    return Leadership::start(self.client.clone(), *lease, since);
                }
                Ok(Attempt::Wait { lease, left }) => {
                    let holder = lease.spec.as_ref().and_then(|s| s.holder_identity.clone());
                    let holder = holder.unwrap_or_default();
                    if holder != waiting_for {
                        tracing::info!(holder, "another operator leads; standing by");
                        waiting_for = holder;
                    }
                    self.wait_for_change(&lease, left).await;
                }
                Err(error) => {
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        "failed to acquire the lease; trying again"
                    );
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn try_acquire(
        &self,
        election: &mut Election,
        start: Instant,
    ) -> Result<Attempt, RequestError> {
        let lease = self.client.read().await?;
        // Taken before the request: when the answer arrives, others may have waited for a while.
        let since = Instant::now();
        let written = match election.step(lease.as_ref(), start.elapsed()) {
            Step::Create => self.client.create(&election.held(None)).await,
            Step::Take => self.client.replace(&election.held(lease.as_ref())).await,
            Step::Wait(left) => {
                let lease = Box::new(lease.unwrap_or_default());
                return Ok(Attempt::Wait { lease, left });
            }
        };
        written.map(|lease| Attempt::Held {
            lease: Box::new(lease),
            since,
        })
    }

    /// Returns when the Lease has changed, or after `left`.
    async fn wait_for_change(&self, lease: &Lease, left: Duration) {
        let change = self.client.wait_for_change(lease, left);
        if let Ok(Err(_)) = tokio::time::timeout(left, change).await {
            tokio::time::sleep(RETRY.min(left)).await;
        }
    }
}
