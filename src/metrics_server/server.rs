//! Accepts connections for scrapes. I/O.
//!
//! Anybody who can reach the ports can connect, so all resources are limited: connections, the time of a TLS
//! handshake, the time and the size of a request's head. Idle and slow clients cannot lock a scraper
//! out: if there are too many connections, those without an authorized request are closed first.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};

use super::connections::{Authorized, Connections};
use super::content::Content;
use super::serving_certificate::Certificates;

/// Maximum duration of a TLS handshake, and of reading a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum lifetime of a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);
/// Maximum size of a request's head, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a failure to accept a connection, for instance without free file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The address is not available.
    #[error("listen on {address} for scrapes")]
    Bind {
        /// The address to listen on.
        address: SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The TLS settings are invalid.
    #[error("set up TLS for scrapes")]
    Tls(#[from] rustls::Error),
}

/// A server that listens on its address.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    /// The address; port 0 has been replaced with the actual one.
    pub address: SocketAddr,
    content: Content,
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// Listens on `address`, over TLS if there are `certificates`.
    pub(crate) async fn bind(
        address: SocketAddr,
        content: Content,
        certificates: Option<&Certificates>,
    ) -> Result<Self, ServeError> {
        let tls = certificates.map(tls_config).transpose()?;
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = bound
            .await
            .map_err(|source| ServeError::Bind { address, source })?;
        Ok(Self {
            listener,
            address,
            content,
            tls,
        })
    }

    /// Serves as long as the future is polled.
    pub(crate) async fn run(self) {
        let content = Arc::new(self.content);
        let acceptor = self.tls.map(TlsAcceptor::from);
        let (mut tasks, mut connections) = (JoinSet::new(), Connections::default());
        loop {
            while tasks.try_join_next().is_some() {}
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "failed to accept a connection for a scrape");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            connections.make_room();
            let (content, acceptor) = (Arc::clone(&content), acceptor.clone());
            let authorized = Authorized::default();
            let connection = serve_connection(stream, acceptor, content, authorized.clone());
            let handle = tasks.spawn(async move {
                tokio::time::timeout(CONNECTION_TIMEOUT, connection)
                    .await
                    .ok();
            });
            connections.add(handle, authorized);
        }
    }
}

/// TLS 1.2 or later, HTTP/1.1 only.
fn tls_config(certificates: &Certificates) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates.clone()));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn serve_connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    content: Arc<Content>,
    authorized: Authorized,
) {
    let Some(acceptor) = acceptor else {
        return serve_http(stream, content, authorized).await;
    };
    match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => serve_http(stream, content, authorized).await,
        Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake of a scrape failed"),
        Err(_) => tracing::debug!("the TLS handshake of a scrape timed out"),
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    content: Arc<Content>,
    authorized: Authorized,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (content, authorized) = (Arc::clone(&content), authorized.clone());
        async move {
            let (parts, _) = request.into_parts();
            let response = content.respond(&parts).await;
            if response.status().is_success() {
                authorized.set();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for scrapes failed");
    }
}

#[cfg(test)]
mod tests;
