//! The health endpoints `/healthz` and `/readyz`. I/O.
//!
//! `/healthz` succeeds as long as the event loop runs. `/readyz` returns the current [`Readiness`].
//! `/readyz?wait=SECONDS` responds when the process is ready or the time is over, so that a probe during the
//! start does not fail and cause a Warning event.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Maximum wait of a probe.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// Maximum number of waiting probes: anybody in the cluster can connect.
const MAX_WAITING: usize = 8;

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for health checks")]
pub(crate) struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Whether the process is ready. Clones share the state.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
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
    /// Sets whether the process is ready.
    pub(crate) fn set(&self, ready: bool) {
        self.is_ready.send_replace(ready);
    }

    /// Whether the process is ready.
    pub(crate) fn get(&self) -> bool {
        *self.is_ready.borrow()
    }

    /// Waits until the process is ready, at most for `timeout`.
    async fn get_within(&self, timeout: Duration) -> bool {
        let Ok(_permit) = self.waiting.try_acquire() else {
            return self.get();
        };
        let mut changes = self.is_ready.subscribe();
        let ready = changes.wait_for(|is_ready| *is_ready);
        tokio::time::timeout(timeout.min(MAX_WAIT), ready)
            .await
            .is_ok()
    }
}

/// Starts a task that serves both endpoints on `address`. Returns as soon as it listens.
pub(crate) async fn serve(address: SocketAddr, readiness: Readiness) -> Result<(), BindError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(readiness);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the server for health checks failed");
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
mod tests;
