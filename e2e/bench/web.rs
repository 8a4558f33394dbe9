//! Asks the program's own servers. I/O; the reading of metrics is pure.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::{Client, Config};

/// A client of a server of this machine.
#[derive(Clone)]
pub(crate) struct Server(Client);

impl Server {
    /// The server at this port. Who it is, by its certificate, is not asked.
    pub(crate) fn new(scheme: &str, port: u16) -> anyhow::Result<Self> {
        let url = format!("{scheme}://127.0.0.1:{port}");
        let mut config = Config::new(url.parse()?);
        config.accept_invalid_certs = true;
        Ok(Self(Client::try_from(config)?))
    }

    /// What it answers to a GET.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = axum::http::Request::get(path).body(Vec::new())?;
        Ok(self.0.request_text(request).await?)
    }

    /// How many bytes its answer to a GET takes, packed as Prometheus has it.
    pub(crate) async fn packed(&self, path: &str) -> anyhow::Result<usize> {
        let request = axum::http::Request::get(path)
            .header("accept-encoding", "gzip")
            .body(Body::empty())?;
        let answer = self.0.send(request).await?;
        anyhow::ensure!(answer.status().is_success(), "{}", answer.status());
        Ok(answer.into_body().collect().await?.to_bytes().len())
    }

    /// What it answers to a POST of JSON.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let request = axum::http::Request::post(path).body(serde_json::to_vec(body)?)?;
        Ok(self.0.request(request).await?)
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// The sum of the values of all series of this name whose labels contain `labels`.
pub(crate) fn sum(metrics: &str, name: &str, labels: &str) -> f64 {
    series(metrics, name)
        .filter(|(found, _)| found.contains(labels))
        .map(|(_, value)| value)
        .sum()
}

/// Labels and value of each series of this name.
pub(crate) fn series<'a>(metrics: &'a str, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        Some((labels, value.trim().parse().ok()?))
    })
}

/// The inodes of the sockets that are connected, by a table of `/proc/net/tcp`, see proc(5).
pub(crate) fn established(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(3) == Some(&"01")).then(|| words.get(9).copied())?
    })
}

#[cfg(test)]
mod tests;
