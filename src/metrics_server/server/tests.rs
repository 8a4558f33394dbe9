use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::connections::MAX_CONNECTIONS;
use super::*;
use crate::telemetry::metrics::Metrics;

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
async fn other_paths_methods_and_long_heads_are_rejected() {
    let address = started(Content::Process(Metrics::new()), None).await;
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
async fn a_client_that_accepts_gzip_gets_it() {
    let address = started(Content::Process(Metrics::new()), None).await;
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
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed), &mut text).unwrap();
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

#[tokio::test]
async fn the_oldest_unauthorized_connection_is_closed_when_there_are_too_many() {
    let address = started(Content::Process(Metrics::new()), None).await;
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut authorized = TcpStream::connect(address).await.unwrap();
    let served = async |stream: &mut TcpStream| {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 15];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
    };
    served(&mut authorized).await;
    let mut idle = Vec::new();
    for _ in 0..2 * MAX_CONNECTIONS {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    // The first connection is open, and a new one is accepted after all others.
    authorized.write_all(request.as_bytes()).await.unwrap();
    let mut new = TcpStream::connect(address).await.unwrap();
    served(&mut new).await;
    let mut rest = vec![0; 64 * 1024];
    assert_ne!(authorized.read(&mut rest).await.unwrap(), 0);
    // The first idle connection has been closed, the last one has not.
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
async fn a_new_certificate_is_used_for_new_connections_only() {
    let certificates = Certificates::default();
    let content = Content::Fleet {
        metrics: Metrics::new(),
        auth: None,
        with_process: false,
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
