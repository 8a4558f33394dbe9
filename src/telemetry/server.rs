//! Answers scrapes: process metrics over http, the fleet's over https. I/O.
//!
//! Whoever can reach the ports may try, so everything is bounded: connections, the time for a
//! handshake and for a request's head, and the size of that head. Where there are too many
//! connections the oldest makes room that has not been let in: many that do nothing, or do it slowly,
//! cannot keep a scraper out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};

use super::access::{Access, Verdict};
use super::certificate::Certificates;
use super::metrics::Metrics;
use super::metrics::text::Format;
use super::pieces::Pieces;

/// Where the fleet's metrics are served.
pub const FLEET_PATH: &str = "/metrics-fio";
/// Where the process' metrics are served.
pub const OWN_PATH: &str = "/metrics";

/// As many connections are open at a time, for each of the two servers.
const MAX_CONNECTIONS: usize = 64;
/// How long a handshake, or the head of a request, may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may live.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long the head of a request may be, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a connection could not be accepted, for instance for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("listen on {address} for scrapes")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("set up TLS for scrapes")]
    Tls(#[from] rustls::Error),
}

/// What is served.
#[derive(Clone, Debug)]
pub enum Content {
    /// This process' metrics.
    Own(Metrics),
    /// The fleet's.
    Fleet {
        /// The values.
        metrics: Metrics,
        /// Who may read them; none: everybody.
        access: Option<Arc<Access>>,
        /// This process' metrics are served here as well, having no place of their own.
        with_own: bool,
    },
}

/// A server, listening.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// The address; the port is the one that was found where none was named.
    pub address: SocketAddr,
    content: Content,
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// Listens on `address`; with `certificates` over TLS.
    pub async fn bind(
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

    /// Serves for as long as it is polled.
    pub async fn run(self) {
        let content = Arc::new(self.content);
        let acceptor = self.tls.map(TlsAcceptor::from);
        let (mut tasks, mut open) = (JoinSet::new(), Open::default());
        loop {
            while tasks.try_join_next().is_some() {}
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection for a scrape was not accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            open.make_room();
            let (content, acceptor) = (Arc::clone(&content), acceptor.clone());
            let let_in = Arc::new(AtomicBool::new(false));
            let talk = connection(stream, acceptor, content, Arc::clone(&let_in));
            let handle = tasks.spawn(async move {
                tokio::time::timeout(CONNECTION_TIMEOUT, talk).await.ok();
            });
            open.0.push_back((handle, let_in));
        }
    }
}

/// The open connections, the oldest first, and whether they have been let in.
#[derive(Default)]
struct Open(VecDeque<(AbortHandle, Arc<AtomicBool>)>);

impl Open {
    /// Forgets those that have ended, and ends one where there are too many.
    fn make_room(&mut self) {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() < MAX_CONNECTIONS {
            return;
        }
        let stranger = self
            .0
            .iter()
            .position(|(_, let_in)| !let_in.load(Ordering::Relaxed));
        if let Some((task, _)) = self.0.remove(stranger.unwrap_or(0)) {
            task.abort();
        }
    }
}

/// TLS 1.2 and up, HTTP/1.1 only.
fn tls_config(certificates: &Certificates) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates.clone()));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    content: Arc<Content>,
    let_in: Arc<AtomicBool>,
) {
    let Some(acceptor) = acceptor else {
        return talk(stream, content, let_in).await;
    };
    match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, content, let_in).await,
        Ok(Err(error)) => tracing::debug!(%error, "a handshake for a scrape failed"),
        Err(_) => tracing::debug!("a handshake for a scrape took too long"),
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    content: Arc<Content>,
    let_in: Arc<AtomicBool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (content, let_in) = (Arc::clone(&content), Arc::clone(&let_in));
        async move {
            let (parts, _) = request.into_parts();
            let answer = content.answer(&parts).await;
            if answer.status().is_success() {
                let_in.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for scrapes ended");
    }
}

type Answer = Response<Pieces>;

impl Content {
    fn path(&self) -> &'static str {
        match self {
            Self::Own(_) => OWN_PATH,
            Self::Fleet { .. } => FLEET_PATH,
        }
    }

    async fn answer(&self, request: &request::Parts) -> Answer {
        if request.uri.path() != self.path() {
            return refuse(StatusCode::NOT_FOUND);
        }
        if ![Method::GET, Method::HEAD].contains(&request.method) {
            return refuse(StatusCode::METHOD_NOT_ALLOWED);
        }
        if let Err(status) = self.let_in(&request.headers).await {
            return refuse(status);
        }
        let accept = text_of(&request.headers, &header::ACCEPT);
        let format = Format::accepted(accept);
        let gzip = takes_gzip(text_of(&request.headers, &header::ACCEPT_ENCODING));
        let text = match self.text(format, gzip) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, "metrics cannot be told");
                return refuse(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        let mut answer = Response::new(text);
        let headers = answer.headers_mut();
        let content_type = HeaderValue::from_static(format.content_type());
        headers.insert(header::CONTENT_TYPE, content_type);
        let by_encoding = HeaderValue::from_static("accept-encoding");
        headers.insert(header::VARY, by_encoding);
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer
    }

    fn text(&self, format: Format, gzip: bool) -> std::io::Result<Pieces> {
        let mut pieces = Pieces::default();
        if gzip {
            let mut encoder = GzEncoder::new(pieces, Compression::fast());
            self.tell(format, &mut encoder)?;
            pieces = encoder.finish()?;
        } else {
            self.tell(format, &mut pieces)?;
        }
        Ok(pieces)
    }

    fn tell(&self, format: Format, out: &mut impl std::io::Write) -> std::io::Result<()> {
        match self {
            Self::Own(metrics) => metrics.tell_own(format, out),
            Self::Fleet {
                metrics, with_own, ..
            } => metrics.tell_fleet(format, *with_own, out),
        }
    }

    async fn let_in(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        let Self::Fleet {
            access: Some(access),
            ..
        } = self
        else {
            return Ok(());
        };
        match access.check(text_of(headers, &header::AUTHORIZATION)).await {
            Ok(Verdict::Allowed) => Ok(()),
            Ok(Verdict::Unauthenticated) => Err(StatusCode::UNAUTHORIZED),
            Ok(Verdict::Forbidden) => Err(StatusCode::FORBIDDEN),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "a scrape was not let in"
                );
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether an Accept-Encoding header wants gzip (RFC 9110, section 12.5.3). Prometheus does.
fn takes_gzip(accept: Option<&str>) -> bool {
    accept.unwrap_or_default().split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = quality.trim().strip_prefix("q=").map(str::parse);
        name.trim().eq_ignore_ascii_case("gzip") && quality != Some(Ok(0.0_f32))
    })
}

fn refuse(status: StatusCode) -> Answer {
    let mut answer = Response::new(Pieces::from(format!("{status}\n")));
    *answer.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
    }
    answer
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;

    const NAME: &str = "metrics.ns.svc";

    async fn started(content: Content, certificates: Option<&Certificates>) -> SocketAddr {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(address, content, certificates).await.unwrap();
        let address = server.address;
        tokio::spawn(server.run());
        address
    }

    async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn status(address: SocketAddr, request: &str) -> String {
        let stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(stream, request).await;
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn requests_are_answered_and_others_refused() {
        let address = started(Content::Own(Metrics::new()), None).await;
        let long = format!(
            "GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "x".repeat(2 * MAX_HEAD)
        );
        let table = [
            (
                "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 OK",
            ),
            (
                "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 OK",
            ),
            (
                "GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 404 Not Found",
            ),
            (
                "DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 405 Method Not Allowed",
            ),
            (&long, "HTTP/1.1 431 Request Header Fields Too Large"),
        ];
        for (request, expected) in table {
            assert_eq!(status(address, request).await, expected);
        }
    }

    #[tokio::test]
    async fn who_takes_gzip_gets_it() {
        let address = started(Content::Own(Metrics::new()), None).await;
        let get = async |headers: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /metrics HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
            let body = answer.split_off(end + 4);
            (String::from_utf8(answer).unwrap(), body)
        };
        let (head, packed) = get("Accept-Encoding: gzip\r\n").await;
        assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed), &mut text)
            .unwrap();
        let (head, plain) = get("").await;
        assert!(!head.contains("content-encoding"), "{head}");
        let length = format!("content-length: {}\r\n", plain.len());
        assert!(head.contains(&length), "{head}");
        let series = |text: &str| text.lines().filter(|l| l.starts_with('#')).count();
        assert_eq!(series(&text), series(std::str::from_utf8(&plain).unwrap()));
        assert!(
            text.contains("\nfile_integrity_operator_leader 0\n"),
            "{text}"
        );
    }

    #[test]
    fn codings_are_weighed() {
        let table = [
            (None, false),
            (Some("gzip"), true),
            (Some("deflate, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip; q=0.0, identity"), false),
            (Some("identity"), false),
        ];
        for (accept, expected) in table {
            assert_eq!(takes_gzip(accept), expected, "{accept:?}");
        }
    }

    #[tokio::test]
    async fn too_many_connections_cost_the_oldest_that_was_not_let_in() {
        let address = started(Content::Own(Metrics::new()), None).await;
        let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut known = TcpStream::connect(address).await.unwrap();
        let served = async |stream: &mut TcpStream| {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut start = [0; 15];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200 OK");
        };
        served(&mut known).await;
        let mut idle = Vec::new();
        for _ in 0..2 * MAX_CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        // Still there, and so is a newcomer, who is answered only after all before it were accepted.
        known.write_all(request.as_bytes()).await.unwrap();
        let mut newcomer = TcpStream::connect(address).await.unwrap();
        served(&mut newcomer).await;
        let mut rest = vec![0; 64 * 1024];
        assert_ne!(known.read(&mut rest).await.unwrap(), 0);
        // The first of the idle ones has been closed, the last one has not.
        let mut end = [0; 1];
        assert_eq!(idle[0].read(&mut end).await.unwrap(), 0);
        served(&mut idle[2 * MAX_CONNECTIONS - 1]).await;
    }

    fn certificate(certificates: &Certificates) -> ClientConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        certificates
            .set_own(pem.as_bytes(), key.serialize_pem().as_bytes())
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    async fn connect(
        address: SocketAddr,
        config: &ClientConfig,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config.clone()))
            .connect(name, stream)
            .await
    }

    #[tokio::test]
    async fn a_new_certificate_is_served_and_open_connections_go_on() {
        let certificates = Certificates::default();
        let content = Content::Fleet {
            metrics: Metrics::new(),
            access: None,
            with_own: false,
        };
        let address = started(content, Some(&certificates)).await;
        let first = certificate(&certificates);
        let stream = connect(address, &first).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let second = certificate(&certificates);
        connect(address, &first).await.unwrap_err();
        let request = "GET /metrics-fio HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        for stream in [stream, connect(address, &second).await.unwrap()] {
            let answer = exchange(stream, request).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
            assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
        }
    }
}
