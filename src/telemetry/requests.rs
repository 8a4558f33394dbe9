//! Counts the requests to the API server, in a layer of the client.

use axum::http::{Method, Uri};
use kube::{Client, Config};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tower::{Layer, Service as _};

use crate::k8s;
use crate::k8s::client_layer::{Sender, client_layer};
use crate::k8s::watch_throttle::is_watch;

/// The labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    verb: &'static str,
    /// The HTTP status, or `error` without a response.
    code: Code,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Code {
    Status(u16),
    NoResponse,
}

impl prometheus_client::encoding::EncodeLabelValue for Code {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        match self {
            Self::Status(code) => {
                prometheus_client::encoding::EncodeLabelValue::encode(code, encoder)
            }
            Self::NoResponse => {
                prometheus_client::encoding::EncodeLabelValue::encode(&"error", encoder)
            }
        }
    }
}

/// Counters of requests. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ApiRequests {
    pub(super) counts: Family<Labels, Counter>,
}

impl ApiRequests {
    /// Creates a client like [`crate::k8s::client`], whose requests are counted.
    pub fn client(&self, config: Config) -> Result<Client, kube::Error> {
        Ok(k8s::builder(config)?.with_layer(&self.layer()).build())
    }

    fn layer(&self) -> impl Layer<Sender, Service = Sender> + use<> {
        let requests = self.clone();
        client_layer(move |request, sender| {
            let verb = verb(request.method(), request.uri());
            let (requests, answer) = (requests.clone(), sender.call(request));
            Box::pin(async move {
                let answer = answer.await;
                let code = answer.as_ref().map_or(Code::NoResponse, |response| {
                    Code::Status(response.status().as_u16())
                });
                requests.count(verb, code);
                answer
            })
        })
    }

    /// Counts a request without a response.
    #[cfg(test)]
    pub(super) fn count_for_tests(&self) {
        self.count("get", Code::NoResponse);
    }

    fn count(&self, verb: &'static str, code: Code) {
        self.counts.get_or_create(&Labels { verb, code }).inc();
    }
}

/// The verb of a request (Kubernetes documentation, "Determine the Request Verb").
fn verb(method: &Method, uri: &Uri) -> &'static str {
    match (method.as_str(), is_one_object(uri.path())) {
        ("GET", _) if is_watch(uri) => "watch",
        ("GET" | "HEAD", Some(false)) => "list",
        ("GET" | "HEAD", _) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", Some(false)) => "deletecollection",
        ("DELETE", _) => "delete",
        _ => "other",
    }
}

/// Whether a path names one object (true) or a collection (false); `None` for paths without a resource.
fn is_one_object(path: &str) -> Option<bool> {
    let mut segments = path.trim_matches('/').split('/');
    match segments.next()? {
        "api" => segments.next(),
        "apis" => segments.next().and_then(|_| segments.next()),
        _ => return None,
    }?;
    let rest: Vec<&str> = segments.collect();
    match rest.as_slice() {
        [] => None,
        // Resources in a namespace.
        ["namespaces", _, kind @ ..] if !kind.is_empty() => Some(kind.len() > 1),
        [_] => Some(false),
        _ => Some(true),
    }
}

#[cfg(test)]
mod tests;
