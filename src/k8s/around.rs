//! Layers around a client, each of which is one function.

use std::task::{Context, Poll};

use axum::http::{Request, Response};
use kube::client::{Body, DynBody};
use tower::layer::layer_fn;
use tower::util::BoxService;
use tower::{BoxError, Layer, Service};

/// What sends a client's requests.
pub type Sender = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;
/// What will come of a request.
pub type Answer = <Sender as Service<Request<Body>>>::Future;

/// A layer that hands each request to this function, with what would have sent it.
pub fn around<F>(function: F) -> impl Layer<Sender, Service = Sender>
where
    F: Fn(Request<Body>, &mut Sender) -> Answer + Clone + Send + 'static,
{
    layer_fn(move |inner| {
        let function = function.clone();
        Sender::new(Around { inner, function })
    })
}

struct Around<F> {
    inner: Sender,
    function: F,
}

impl<F> Service<Request<Body>> for Around<F>
where
    F: Fn(Request<Body>, &mut Sender) -> Answer,
{
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        (self.function)(request, &mut self.inner)
    }
}
