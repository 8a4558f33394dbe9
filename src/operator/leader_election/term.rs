//! The time for which the leader may act, and a client that sends no writes after it.
//!
//! A process may be suspended, for example by a debugger or by a machine that swaps. When it continues,
//! another operator may lead. Until the process notices, this client refuses its writes. It may still be
//! suspended between the check and the write, so every write can also be repeated safely.

use axum::http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{BoxError, service_fn};

/// A write that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("not sent: the lease was not renewed in time, and another operator may act")]
pub(crate) struct TermOver;

/// The time until which the leader may act.
#[derive(Clone, Debug)]
pub(crate) struct Term(watch::Receiver<Instant>);

impl Term {
    /// A term until `end`. The sender can extend it.
    pub(super) fn new(end: Instant) -> (watch::Sender<Instant>, Self) {
        let (sender, end) = watch::channel(end);
        (sender, Self(end))
    }

    fn is_over(&self) -> bool {
        Instant::now() >= *self.0.borrow()
    }

    /// A client that writes only within the term. It can always read.
    pub(crate) fn client(&self, client: &Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let (client, term) = (client.clone(), self.clone());
        let bounded = service_fn(move |request: Request<Body>| {
            let (client, term) = (client.clone(), term.clone());
            async move {
                let reads = matches!(*request.method(), Method::GET | Method::HEAD);
                if !reads && term.is_over() {
                    return Err(BoxError::from(TermOver));
                }
                Ok(client.send(request).await?)
            }
        });
        Client::new(bounded, namespace)
    }
}

#[cfg(test)]
mod tests;
