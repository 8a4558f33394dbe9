//! The https endpoint in the hands of somebody who can reach it: what he holds open, sends, or sends
//! slowly costs a bounded number of connections and bytes, and keeps no scraper out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::api::names;
use k8s_openapi::api::core::v1::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::attacks::attack_row;
use crate::harness::{Space, eventually, in_space, kubectl};
use crate::process::Process;

/// As many connections somebody holds open at a time.
const CROWD: usize = 2000;
/// By so many bytes the process may grow under all of it: 64 connections with the buffers of TLS and
/// HTTP, and what the allocator keeps.
const GROWTH: u64 = 16 * 1024 * 1024;
/// How many files more the process may have open: 64 connections, and a few of its own.
const FILES: usize = 64 + 16;
/// How long the server waits for a handshake or a head; no test waits for it longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// The endpoint of a process.
struct Endpoint {
    process: Process,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    name: String,
    token: String,
    /// Memory and open files before anything was tried.
    before: (u64, usize),
}

impl Endpoint {
    async fn start(space: &Space) -> anyhow::Result<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?;
        drop(free);
        let process = Process::serving(space, "op", &address.to_string()).await?;
        let account = "file-integrity-operator-metrics";
        let arguments = ["-n", &space.namespace, "create", "token", account];
        let token = kubectl(&arguments, "").await?.trim().to_owned();
        let secret = space
            .until_is(names::OWN_CERT_SECRET, "a certificate", |_: &Secret| true)
            .await?;
        let data = secret.data.unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&data["ca.crt"].0)?)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut endpoint = Self {
            process,
            address,
            tls: Arc::new(tls),
            name: format!("metrics.{}.svc", space.namespace),
            token,
            before: (0, 0),
        };
        // Until the certificate has been taken up it is another one.
        eventually("the first scrape", async || {
            Ok(endpoint.scrape().await.ok())
        })
        .await?;
        for _ in 0..20 {
            endpoint.scrape().await?;
        }
        endpoint.before = endpoint.process.uses()?;
        Ok(endpoint)
    }

    async fn plain(&self) -> anyhow::Result<TcpStream> {
        Ok(TcpStream::connect(self.address).await?)
    }

    async fn secure(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.name.clone())?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        Ok(connector.connect(name, self.plain().await?).await?)
    }

    fn request(&self) -> String {
        format!(
            "GET /metrics-fio HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            self.token
        )
    }

    /// A good scraper's scrape.
    async fn scrape(&self) -> anyhow::Result<()> {
        let answer = answer(self.secure().await?, self.request().as_bytes()).await;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        Ok(())
    }

    /// A scrape in the middle of it, and what the process uses.
    async fn holds(&self, what: &str) -> anyhow::Result<()> {
        tokio::time::timeout(PATIENCE, self.scrape())
            .await
            .with_context(|| format!("no scrape during: {what}"))?
            .with_context(|| format!("a scrape during: {what}"))?;
        let (memory, files) = self.process.uses()?;
        let (memory_before, files_before) = self.before;
        assert!(
            memory <= memory_before + GROWTH,
            "{what}: {memory} bytes, before {memory_before}"
        );
        assert!(
            files <= files_before + FILES,
            "{what}: {files} files, before {files_before}"
        );
        Ok(())
    }
}

/// The answer. Sending may fail, because the server need not read everything.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.ok();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the server closes the connection, in time.
async fn is_closed(mut stream: impl AsyncRead + Unpin) -> bool {
    let reading = async {
        let mut chunk = [0; 1024];
        while stream.read(&mut chunk).await.is_ok_and(|n| n > 0) {}
    };
    tokio::time::timeout(PATIENCE, reading).await.is_ok()
}

#[tokio::test]
async fn open_connections_do_not_block_scrapers() -> anyhow::Result<()> {
    in_space("crowd", async |space| {
        let endpoint = Endpoint::start(space).await?;
        // Connections without a request.
        let mut idle = Vec::new();
        for n in 0..CROWD {
            idle.push(endpoint.plain().await?);
            if n % 500 == 499 {
                endpoint.holds("idle connections").await?;
            }
        }
        let mut refused = 0;
        for stream in idle {
            refused += usize::from(is_closed(stream).await);
        }
        attack_row("https: idle connections", CROWD, refused)?;
        assert_eq!(refused, CROWD);

        // Half a handshake, half a request: each is closed in time.
        let mut slow: Vec<Box<dyn AsyncRead + Unpin>> = Vec::new();
        for n in 0..40 {
            if n % 2 == 0 {
                let mut stream = endpoint.plain().await?;
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await?;
                slow.push(Box::new(stream));
            } else {
                let mut stream = endpoint.secure().await?;
                stream
                    .write_all(b"GET /metrics-fio HTTP/1.1\r\nHost: ")
                    .await?;
                slow.push(Box::new(stream));
            }
        }
        endpoint.holds("half a handshake, half a head").await?;
        let started = Instant::now();
        let count = slow.len();
        let mut refused = 0;
        for stream in slow {
            refused += usize::from(is_closed(stream).await);
        }
        attack_row("https: incomplete handshakes and heads", count, refused)?;
        assert_eq!(refused, count, "after {:?}", started.elapsed());

        // A head that comes byte by byte has no longer than one that does not come.
        let mut drips = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let mut stream = endpoint.secure().await?;
            drips.spawn(async move {
                let head = format!("GET /metrics-fio HTTP/1.1\r\nX: {}", "x".repeat(200));
                for byte in head.as_bytes() {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return true;
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                false
            });
        }
        endpoint.holds("heads byte by byte").await?;
        let ends = drips.join_all().await;
        let refused = ends.iter().filter(|closed| **closed).count();
        attack_row("https: heads byte by byte", ends.len(), refused)?;
        assert_eq!(refused, ends.len());
        endpoint.holds("nothing any more").await
    })
    .await
}

#[tokio::test]
async fn other_requests_than_scrapes_are_refused_without_memory_growth() -> anyhow::Result<()> {
    in_space("garbage", async |space| {
        let endpoint = Endpoint::start(space).await?;
        // What is no TLS, or of a version that is not spoken: no byte of an answer in clear.
        let hello = |version: u8| {
            let mut hello = vec![22, 3, 1, 0, 47, 1, 0, 0, 43, 3, version];
            hello.extend([7; 32]);
            hello.extend([0, 0, 4, 0, 47, 0, 53, 1, 0]);
            hello
        };
        let no_tls: [(&str, Vec<u8>); 6] = [
            ("plain http", endpoint.request().into_bytes()),
            ("garbage", vec![0xff; 100_000]),
            ("a record longer than any", [vec![22, 3, 3, 0xff, 0xff], vec![0; 70_000]].concat()),
            ("SSL 3.0", hello(0)),
            ("TLS 1.0", hello(1)),
            ("TLS 1.1", hello(2)),
        ];
        let mut refused = 0;
        let tries = 20;
        for (what, bytes) in &no_tls {
            for _ in 0..tries {
                let text = answer(endpoint.plain().await?, bytes).await;
                assert!(!text.contains("HTTP/1.1 2"), "{what}: {text}");
                refused += 1;
            }
            endpoint.holds(what).await?;
        }
        attack_row("https: no TLS, or an outdated version", tries * no_tls.len(), refused)?;

        let get = |path: &str, more: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n")
        };
        let with_token = format!("Authorization: Bearer {}\r\n", endpoint.token);
        let other = space.another("foreign").await?.namespace;
        let account = "file-integrity-operator-metrics";
        let foreign = kubectl(&["-n", &other, "create", "token", account], "").await?;
        let table: Vec<(&str, String, &[&str])> = vec![
            ("no token", get("/metrics-fio", ""), &["401"]),
            ("a token that is none", get("/metrics-fio", "Authorization: Bearer x.y.z\r\n"), &["401"]),
            ("a foreign token", get("/metrics-fio", &format!("Authorization: Bearer {}\r\n", foreign.trim())), &["403"]),
            ("a token of 15 KB", get("/metrics-fio", &format!("Authorization: Bearer {}\r\n", "x".repeat(15_000))), &["401"]),
            ("another scheme", get("/metrics-fio", "Authorization: Basic eDp5\r\n"), &["401"]),
            ("another path", get("/metrics", &with_token), &["404"]),
            ("a path upwards", get("/metrics-fio/../healthz", &with_token), &["404"]),
            ("a path of 10 KB", get(&format!("/{}", "x".repeat(10_000)), &with_token), &["404", "414"]),
            ("a head of 1 MB", get("/metrics-fio", &format!("X: {}\r\n", "x".repeat(1_000_000))), &["431", ""]),
            ("10,000 headers", get("/metrics-fio", &"X: y\r\n".repeat(10_000)), &["431", ""]),
            ("a method that writes", format!("DELETE /metrics-fio HTTP/1.1\r\nHost: x\r\n{with_token}Connection: close\r\n\r\n"), &["405"]),
            ("a method that is none", "GARBAGE\r\n\r\n".to_owned(), &["400"]),
            ("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &["400", "505", ""]),
            ("a body of 20 MB", format!("POST /metrics-fio HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n{}", "x".repeat(20_000_000)), &["405"]),
            ("a body in chunks without end", format!("POST /metrics-fio HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}", "1000\r\n".to_owned() + &"x".repeat(4096) + "\r\n"), &["405"]),
            ("two lengths", "POST /metrics-fio HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(), &["400"]),
        ];
        let mut count = 0;
        for (what, request, codes) in &table {
            for _ in 0..tries {
                let stream = endpoint.secure().await?;
                let text = tokio::time::timeout(PATIENCE, answer(stream, request.as_bytes()))
                    .await
                    .with_context(|| format!("no end of the answer: {what}"))?;
                let code = text.split(' ').nth(1).unwrap_or_default();
                assert!(codes.contains(&code), "{what}: {text}");
                count += 1;
            }
            endpoint.holds(what).await?;
        }
        attack_row("https: requests other than scrapes", count, count)?;

        // One after the other in one go, without reading: they wait in the sockets.
        let request = get("/metrics-fio", "").replace("Connection: close\r\n", "");
        let mut streams = Vec::new();
        for _ in 0..32 {
            let mut stream = endpoint.secure().await?;
            let many = request.repeat(20_000);
            let write = stream.write_all(many.as_bytes());
            tokio::time::timeout(Duration::from_millis(200), write).await.ok();
            streams.push(stream);
        }
        endpoint.holds("requests without reading the answers").await?;
        drop(streams);
        attack_row("https: requests without reading the answers", 32, 32)?;
        Ok(())
    })
    .await
}
