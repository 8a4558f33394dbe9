//! A reverse proxy in front of the API server that can be made to misbehave as networks, load
//! balancers and API servers do.
//!
//! It speaks TLS with a certificate of its own CA and forwards all requests, tokens included, so that
//! permissions and admission are the API server's as ever. It carries out one [`Fault`] at a time and notes
//! every request, so that a test can count them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body as ApiBody;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_util::sync::CancellationToken;

use crate::harness::admin;

/// Where proxies listen. Not 127.0.0.1, from which everybody's connections come: a port that is given
/// up during an outage would not be free any more at its end.
const ADDRESS: &str = "127.83.0.1";

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// In which way the API fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not.
    None,
    /// Every request is refused with this status, and the client asked to wait so many seconds.
    Status(u16, Option<u32>),
    /// Every second request is refused with 500.
    Flaky,
    /// Every write is refused, as one that came too late.
    Conflict,
    /// Nothing can be created, as over a quota that others change at the same time.
    ConflictOfQuota,
    /// What is asked at this path is refused with this status.
    At(&'static str, u16),
    /// Every answer comes this much later.
    Slow(Duration),
    /// Watches end this soon after they have begun.
    WatchesEnd(Duration),
    /// What is asked is done, and the answer breaks off in the middle.
    CutBodies,
    /// Every write is carried out, and the connection ends before its answer.
    LostAnswers,
    /// The first write whose method and path hold this text is carried out, and the connection ends
    /// before its answer. Then the fault is over. [`Proxy::lost`] shows that it has happened.
    LostAnswer(&'static str),
    /// Nothing listens.
    Refused,
}

/// A request that has come in.
struct KnownStatus {
    /// Method, path and query.
    request: String,
    at: Instant,
}

/// The proxy, for as long as it lives.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    ca: Ca,
    listening: Mutex<CancellationToken>,
}

struct Shared {
    upstream: Client,
    state: Mutex<State>,
}

struct State {
    fault: Fault,
    requests: Vec<KnownStatus>,
    /// Writes that were carried out and not answered: method, path and query.
    lost: Vec<String>,
    /// Writes that were carried out, and whose answers are not lost.
    answered: Vec<String>,
    /// Tokens that the API does not accept any more.
    expired: HashSet<String>,
    tls: Arc<ServerConfig>,
    /// Cancelled when all connections are to break off.
    connections: CancellationToken,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the answer to this write, which was carried out, is to be lost.
    fn loses(&self, method: &Method, path: &str) -> bool {
        let request = format!("{method} {path}");
        let mut state = self.state();
        match state.fault {
            Fault::LostAnswers => {}
            Fault::LostAnswer(text) if request.contains(text) => state.fault = Fault::None,
            _ => {
                state.answered.push(request);
                return false;
            }
        }
        state.lost.push(request);
        true
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening().cancel();
        self.shared.state().connections.cancel();
    }
}

impl Proxy {
    /// Starts one that behaves.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut config = admin().await?;
        // Who asks shows it, not we.
        config.auth_info = kube::config::AuthInfo::default();
        config.default_retry = false;
        let ca = Ca::new()?;
        let state = State {
            fault: Fault::None,
            requests: Vec::new(),
            lost: Vec::new(),
            answered: Vec::new(),
            expired: HashSet::new(),
            tls: ca.leaf()?,
            connections: CancellationToken::new(),
        };
        let shared = Arc::new(Shared {
            upstream: Client::try_from(config)?,
            state: Mutex::new(state),
        });
        let listener = TcpListener::bind((ADDRESS, 0)).await?;
        let address = listener.local_addr()?;
        let listening = CancellationToken::new();
        tokio::spawn(accept(listener, Arc::clone(&shared), listening.clone()));
        Ok(Self {
            address,
            shared,
            ca,
            listening: Mutex::new(listening),
        })
    }

    /// Writes a kubeconfig that leads here, with the token in a file, as in a pod.
    pub(crate) fn kubeconfig(&self, dir: &Path, token: &str) -> anyhow::Result<Kubeconfig> {
        let kubeconfig = Kubeconfig {
            path: dir.join("kubeconfig"),
            token: dir.join("token"),
        };
        std::fs::write(&kubeconfig.token, token)?;
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority-data": BASE64.encode(&self.ca.pem),
            }}],
            "users": [{"name": "account", "user": {"tokenFile": kubeconfig.token}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "account"}}],
        });
        std::fs::write(&kubeconfig.path, config.to_string())?;
        Ok(kubeconfig)
    }

    /// From now on the API fails in this way. What was open breaks off, as it does when an API server
    /// disconnects.
    pub(crate) async fn set(&self, fault: Fault) -> anyhow::Result<()> {
        let was_refusing = {
            let mut state = self.shared.state();
            let before = std::mem::replace(&mut state.fault, fault);
            let open = std::mem::take(&mut state.connections);
            open.cancel();
            before == Fault::Refused
        };
        if fault == Fault::Refused {
            self.listening().cancel();
        } else if was_refusing {
            let listener = TcpListener::bind(self.address)
                .await
                .with_context(|| format!("listen on {} again", self.address))?;
            let listening = CancellationToken::new();
            *self.listening() = listening.clone();
            tokio::spawn(accept(listener, Arc::clone(&self.shared), listening));
        }
        Ok(())
    }

    /// Takes another certificate of the same CA, as an API server that was restarted with it.
    pub(crate) fn rotate_certificate(&self) -> anyhow::Result<()> {
        let tls = self.ca.leaf()?;
        let mut state = self.shared.state();
        state.tls = tls;
        let open = std::mem::take(&mut state.connections);
        open.cancel();
        Ok(())
    }

    /// From now on this token is not accepted any more.
    pub(crate) fn expire(&self, token: &str) {
        let bearer = format!("Bearer {token}");
        self.shared.state().expired.insert(bearer);
    }

    /// What has come in since then: method, path and query.
    pub(crate) fn requests(&self, since: Instant) -> Vec<String> {
        let state = self.shared.state();
        let since = state.requests.iter().filter(|seen| seen.at >= since);
        since.map(|seen| seen.request.clone()).collect()
    }

    /// Number of answered writes so far whose method and path hold this text. No fault that is set later loses their answers.
    pub(crate) fn answered(&self, text: &str) -> usize {
        let state = self.shared.state();
        let answered = state.answered.iter();
        answered.filter(|request| request.contains(text)).count()
    }

    /// The writes that were carried out and not answered so far: method, path and query.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.shared.state().lost.clone()
    }

    fn listening(&self) -> MutexGuard<'_, CancellationToken> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files with which a process finds its way to a proxy.
pub(crate) struct Kubeconfig {
    /// The kubeconfig.
    pub(crate) path: PathBuf,
    /// The file with the token.
    pub(crate) token: PathBuf,
}

/// Signs the certificates.
struct Ca {
    key: KeyPair,
    pem: String,
}

impl Ca {
    fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let pem = Self::params().self_signed(&key)?.pem();
        Ok(Self { key, pem })
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    /// A new key and a certificate for it.
    fn leaf(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![ADDRESS.to_owned()])?;
        let issuer = Issuer::new(Self::params(), &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let key = key.serialize_der().try_into().map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Arc::new(config))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, listening: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = listening.cancelled() => return,
        };
        if let Ok((stream, _)) = stream {
            let open = shared.state().connections.clone();
            let serving = serve(stream, Arc::clone(&shared));
            tokio::spawn(async move {
                tokio::select! {
                    // Clients disconnect and answers break off: this is expected.
                    result = serving => drop(result),
                    () = open.cancelled() => {}
                }
            });
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> anyhow::Result<()> {
    let tls = Arc::clone(&shared.state().tls);
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    Ok(connection.await?)
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
    let method = request.method().clone();
    let path = request.uri().to_string();
    let (is_watch, resource) = (path.contains("watch=true"), request.uri().path().to_owned());
    let bearer = request.headers().get(header::AUTHORIZATION).cloned();
    let (fault, number, is_expired) = {
        let mut state = shared.state();
        state.requests.push(KnownStatus {
            request: format!("{method} {path}"),
            at: Instant::now(),
        });
        let bearer = bearer.as_ref().and_then(|bearer| bearer.to_str().ok());
        let is_expired = bearer.is_some_and(|bearer| state.expired.contains(bearer));
        (state.fault, state.requests.len(), is_expired)
    };
    if is_expired {
        return refusal(401, "Unauthorized", None);
    }
    match fault {
        Fault::Status(code, retry_after) => return refusal(code, "Injected", retry_after),
        Fault::Flaky if number % 2 == 1 => return refusal(500, "InternalError", None),
        Fault::Conflict if method != Method::GET => return refusal(409, "Conflict", None),
        Fault::ConflictOfQuota if method == Method::POST => return refusal(409, "Conflict", None),
        Fault::At(path, code) if path == resource => return refusal(code, "Injected", None),
        Fault::Slow(delay) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let (head, body) = forward(&shared.upstream, request).await?.into_parts();
    if method != Method::GET && head.status.is_success() && shared.loses(&method, &path) {
        anyhow::bail!("the answer is lost");
    }
    let body = body.map_err(Into::into).boxed_unsync();
    let body = match fault {
        Fault::WatchesEnd(after) if is_watch => {
            let end = Box::pin(tokio::time::sleep(after));
            let frames = BodyDataStream::new(body).take_until(end);
            StreamBody::new(frames.map(|data| data.map(Frame::data))).boxed_unsync()
        }
        Fault::CutBodies => cut(body),
        _ => body,
    };
    Ok(Response::from_parts(head, body))
}

async fn forward(
    upstream: &Client,
    request: Request<Incoming>,
) -> anyhow::Result<Response<ApiBody>> {
    let (mut head, body) = request.into_parts();
    head.headers.remove(header::HOST);
    let body = ApiBody::from(body.collect().await?.to_bytes().to_vec());
    Ok(upstream.send(Request::from_parts(head, body)).await?)
}

/// The first half of what comes first, and then nothing more.
fn cut(body: Body) -> Body {
    let first = BodyDataStream::new(body).take(1).map(|data| {
        let data = data?;
        Ok(Frame::data(data.slice(..data.len() / 2)))
    });
    let end = futures::stream::once(async { Err("the connection breaks off".into()) });
    StreamBody::new(first.chain(end)).boxed_unsync()
}

/// An answer as the API server words it.
fn refusal(code: u16, reason: &str, retry_after: Option<u32>) -> anyhow::Result<Response<Body>> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a fault of the test", "reason": reason, "code": code,
    });
    let body = Full::new(Bytes::from(status.to_string()));
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code)?;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}
