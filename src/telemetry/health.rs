//! The health endpoints `/healthz` and `/readyz`. I/O.
//!
//! Live means that the process still turns its event loop: it answers. Ready is what the owner of
//! the [`Readiness`] says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

/// Why health cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for health checks")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Whether the process is ready; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on the process is ready, or not.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.get() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_is_what_was_said_last() {
        let readiness = Readiness::default();
        assert_eq!(
            ready(State(readiness.clone())).await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        readiness.set(true);
        assert_eq!(ready(State(readiness)).await.0, StatusCode::OK);
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
