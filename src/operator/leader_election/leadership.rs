//! Holds the Lease: renews it, and releases it. I/O.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::election::Election;
use super::lease_client::LeaseClient;
use super::term::Term;
use crate::k8s::RequestError;

/// How long the leader acts after a renewal. This is shorter than others wait.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the leader renews the Lease.
const RENEW_INTERVAL: Duration = Duration::from_secs(4);
/// Pause after a failed request.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The Lease is held.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Cancelled when another operator may act.
    pub(crate) lost: CancellationToken,
    pub(crate) term: Term,
    renewal: JoinHandle<Option<Lease>>,
    stop: CancellationToken,
    client: LeaseClient,
}

impl Leadership {
    /// Starts to renew the Lease, which was taken at `since`.
    pub(super) fn start(client: LeaseClient, lease: Lease, since: Instant) -> Self {
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let (end, term) = Term::new(since + RENEW_DEADLINE);
        let renewal = Renewal {
            client: client.clone(),
            election: Election::new(&client.identity),
            lease,
            end,
        };
        Self {
            renewal: tokio::spawn(renewal.run(lost.clone(), stop.clone())),
            lost,
            term,
            stop,
            client,
        }
    }

    /// Releases the Lease, so that another operator can act at once. The caller must have stopped acting.
    pub(crate) async fn release(self) {
        self.stop.cancel();
        let Ok(Some(mut lease)) = self.renewal.await else {
            return;
        };
        let mut released = self.client.release(&mut lease).await;
        if matches!(&released, Err(error) if is_conflict(error)) {
            // The answer of the last renewal was lost.
            released = match self.client.read_if_held().await {
                Ok(Some(mut held)) => self.client.release(&mut held).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
        }
        if let Err(error) = released {
            tracing::warn!(
                error = crate::error_chain(&error),
                "the lease was not released"
            );
        }
    }
}

struct Renewal {
    client: LeaseClient,
    election: Election,
    lease: Lease,
    end: watch::Sender<Instant>,
}

impl Renewal {
    /// Renews the Lease until `stop`, and returns it. Cancels `lost` if the deadline passes before.
    async fn run(mut self, lost: CancellationToken, stop: CancellationToken) -> Option<Lease> {
        let mut pause = RENEW_INTERVAL;
        loop {
            let deadline = *self.end.borrow();
            let next = (Instant::now() + pause).min(deadline);
            tokio::select! {
                () = stop.cancelled() => return Some(self.lease),
                () = tokio::time::sleep_until(next) => {}
            }
            let Some(next_pause) = self.renew(deadline).await else {
                lost.cancel();
                return None;
            };
            pause = next_pause;
        }
    }

    /// Renews the Lease once. Returns the pause until the next renewal, or none if the Lease is lost.
    async fn renew(&mut self, deadline: Instant) -> Option<Duration> {
        let started = Instant::now();
        let held = self.election.held(Some(&self.lease));
        let attempt = self.client.replace(&held);
        match tokio::time::timeout_at(deadline, attempt).await {
            Ok(Ok(held)) => {
                self.lease = held;
                self.end.send_replace(started + RENEW_DEADLINE);
                Some(RENEW_INTERVAL)
            }
            Ok(Err(error)) if Instant::now() < deadline => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "the lease was not renewed"
                );
                if is_conflict(&error) {
                    self.reread(deadline).await?;
                }
                Some(RETRY)
            }
            _ => None,
        }
    }

    /// Reads the Lease again after a conflict. Returns none if another operator holds it, or after the
    /// deadline.
    async fn reread(&mut self, deadline: Instant) -> Option<()> {
        match tokio::time::timeout_at(deadline, self.client.read_if_held()).await {
            Ok(Ok(Some(held))) => {
                self.lease = held;
                Some(())
            }
            // The next renewal finds out.
            Ok(Err(_)) => Some(()),
            Ok(Ok(None)) | Err(_) => None,
        }
    }
}

fn is_conflict(error: &RequestError) -> bool {
    error.code() == Some(409)
}
