//! Layers of a client that consist of one function.

use std::task::{Context, Poll};

use axum::http::{Request, Response};
use kube::client::{Body, DynBody};
use tower::layer::layer_fn;
use tower::util::BoxService;
use tower::{BoxError, Layer, Service};

/// The service that sends a client's requests.
pub type Sender = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;
/// The future of a response.
pub(crate) type ResponseFuture = <Sender as Service<Request<Body>>>::Future;

/// A layer that passes each request to this function, with the service that sends it.
pub fn client_layer<F>(function: F) -> impl Layer<Sender, Service = Sender>
where
    F: Fn(Request<Body>, &mut Sender) -> ResponseFuture + Clone + Send + 'static,
{
    layer_fn(move |inner| {
        let function = function.clone();
        Sender::new(FunctionLayer { inner, function })
    })
}

struct FunctionLayer<F> {
    inner: Sender,
    function: F,
}

impl<F> Service<Request<Body>> for FunctionLayer<F>
where
    F: Fn(Request<Body>, &mut Sender) -> ResponseFuture,
{
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        (self.function)(request, &mut self.inner)
    }
}
