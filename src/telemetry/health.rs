//! The health endpoints `/healthz` and `/readyz`. I/O.
//!
//! Live means that the process still turns its event loop: it answers. Ready is what the owner of
//! the [`Readiness`] says. `/readyz?wait=SECONDS` answers when the process is ready, or after that time:
//! a probe that comes while the process starts need not fail, and leaves no Warning event.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Longest time for which a probe waits, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// Maximum number of probes that wait at a time. Anybody in the cluster may ask.
const MAX_WAITING: usize = 8;

/// Why health cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for health checks")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Whether the process is ready; clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    is_ready: Arc<watch::Sender<bool>>,
    waiting: Arc<Semaphore>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            is_ready: Arc::new(watch::Sender::new(false)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }
}

impl Readiness {
    /// From now on the process is ready, or not.
    pub fn set(&self, ready: bool) {
        self.is_ready.send_replace(ready);
    }

    /// Whether it is.
    pub fn get(&self) -> bool {
        *self.is_ready.borrow()
    }

    /// Whether it is, or becomes so within `patience`.
    async fn get_within(&self, patience: Duration) -> bool {
        let Ok(_permit) = self.waiting.try_acquire() else {
            return self.get();
        };
        let mut changes = self.is_ready.subscribe();
        let ready = changes.wait_for(|is_ready| *is_ready);
        tokio::time::timeout(patience.min(MAX_WAIT), ready)
            .await
            .is_ok()
    }
}

/// Serves both endpoints on `address` for as long as the process lives. Returns once it listens.
pub async fn serve(address: SocketAddr, readiness: Readiness) -> Result<(), BindError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(readiness);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "health checks are not served any more");
        }
    });
    Ok(())
}

async fn ready(
    State(readiness): State<Readiness>,
    RawQuery(query): RawQuery,
) -> (StatusCode, &'static str) {
    let wait = query.as_deref().and_then(|q| q.strip_prefix("wait="));
    let seconds = wait.and_then(|wait| wait.parse().ok()).unwrap_or(0);
    if readiness.get_within(Duration::from_secs(seconds)).await {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code(readiness: &Readiness, query: Option<&str>) -> StatusCode {
        let query = RawQuery(query.map(str::to_owned));
        ready(State(readiness.clone()), query).await.0
    }

    #[tokio::test]
    async fn ready_is_what_was_said_last() {
        let readiness = Readiness::default();
        assert_eq!(
            code(&readiness, None).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        readiness.set(true);
        assert_eq!(code(&readiness, None).await, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_waits_for_a_process_that_starts() {
        let readiness = Readiness::default();
        let start = tokio::time::Instant::now();
        let ready_later = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            readiness.set(true);
        };
        let (code_of_probe, ()) = tokio::join!(code(&readiness, Some("wait=290")), ready_later);
        assert_eq!(
            (code_of_probe, start.elapsed().as_secs()),
            (StatusCode::OK, 100)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_waits_no_longer_than_it_asks_for_or_may() {
        let readiness = Readiness::default();
        for (query, seconds) in [
            (None, 0),
            (Some(""), 0),
            (Some("wait=x"), 0),
            (Some("wait=4"), 4),
            (Some("wait=18446744073709551615"), MAX_WAIT.as_secs()),
        ] {
            let start = tokio::time::Instant::now();
            let code = code(&readiness, query).await;
            assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{query:?}");
            assert_eq!(start.elapsed().as_secs(), seconds, "{query:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_probes_wait_at_a_time() {
        let readiness = Readiness::default();
        let probes = (0..=MAX_WAITING).map(|_| async {
            let start = tokio::time::Instant::now();
            code(&readiness, Some("wait=4")).await;
            start.elapsed().as_secs()
        });
        let mut waited = futures::future::join_all(probes).await;
        waited.sort_unstable();
        assert_eq!(
            waited.iter().filter(|seconds| **seconds == 4).count(),
            MAX_WAITING
        );
        assert_eq!(waited[0], 0);
    }

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = serve(address, Readiness::default()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("listen on {address} for health checks")
        );
    }
}
