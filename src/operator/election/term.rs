//! The time for which the holder of the Lease may act, and a client that sends no write after it.
//!
//! A process that was stopped (by a signal, a debugger, a machine that swaps) goes on where it was,
//! however long that took, and another operator may act by then. It finds out in a moment; until
//! then its writes end here. What is decided by a clock cannot exclude that it stops between the
//! look at the clock and the write: hence every write is also safe to do twice.

use axum::http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{BoxError, service_fn};

/// A write that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("not sent: the lease was not renewed in time, and another operator may act")]
pub struct TermOver;

/// Until when the holder may act.
#[derive(Clone, Debug)]
pub struct Term(watch::Receiver<Instant>);

impl Term {
    /// A term that ends when the sender says; it can put that off.
    pub fn new(end: Instant) -> (watch::Sender<Instant>, Self) {
        let (sender, end) = watch::channel(end);
        (sender, Self(end))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= *self.0.borrow()
    }

    /// A client that writes only within the term. It reads at any time.
    pub fn client(&self, client: &Client) -> Client {
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
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::http::Response;

    use super::*;

    async fn sends(client: &Client, method: Method) -> bool {
        let request = Request::builder().method(method).uri("/");
        let answer = client.send(request.body(Body::empty()).unwrap()).await;
        if let Err(error) = &answer {
            let error = crate::error_chain(error);
            assert!(error.contains(&TermOver.to_string()), "{error}");
        }
        answer.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_after_the_term() {
        let end = Instant::now() + Duration::from_secs(10);
        let (renew, term) = Term::new(end);
        // An API server that answers everything with an empty page.
        let answers =
            service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
        let client = term.client(&Client::new(answers, "ns"));
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for method in &writes {
            assert!(sends(&client, method.clone()).await, "{method}");
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        for method in &writes {
            assert!(!sends(&client, method.clone()).await, "{method}");
        }
        assert!(sends(&client, Method::GET).await, "it may look");
        renew.send_replace(Instant::now() + Duration::from_secs(1));
        assert!(sends(&client, Method::PATCH).await);
        // Who would renew it is gone: what was granted last holds.
        drop(renew);
        assert!(sends(&client, Method::PATCH).await);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!sends(&client, Method::PATCH).await);
    }
}
