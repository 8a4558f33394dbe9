//! The real Prometheus and Alertmanager beside the operator, as hack/monitoring puts them there.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::cluster::hack;
use super::test::Test;

/// Where hack/monitoring deploys.
const NAMESPACE: &str = "monitoring";

/// Deploys them for as long as `body` runs.
pub(crate) async fn with_monitoring(
    t: &Test,
    body: impl AsyncFnOnce(Monitoring<'_>) -> Result<()>,
) -> Result<()> {
    let up = hack("monitoring", &["up"]).await;
    let outcome = match up {
        Ok(_) => Box::pin(body(Monitoring { t })).await,
        Err(error) => Err(error),
    };
    let down = hack("monitoring", &["down"]).await.map(|_| ());
    outcome.and(down)
}

/// What can be asked of them.
#[derive(Clone, Copy)]
pub(crate) struct Monitoring<'a> {
    t: &'a Test,
}

/// A series of an instant vector: its labels, and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) labels: Value,
    pub(crate) value: String,
}

impl Monitoring<'_> {
    /// What Prometheus answers to this query now, or at this time in seconds.
    pub(crate) async fn query(&self, query: &str, at: Option<f64>) -> Result<Vec<Sample>> {
        let at = at.map(|at| format!("&time={at}")).unwrap_or_default();
        let uri = format!("/api/v1/query?query={}{at}", encoded(query));
        let answer = self
            .prometheus(&uri)
            .await
            .with_context(|| query.to_owned())?;
        let data = &answer["data"];
        ensure!(data["resultType"] == "vector", "{query}: {data}");
        let samples = data["result"].as_array().into_iter().flatten();
        Ok(samples
            .map(|sample| Sample {
                labels: sample["metric"].clone(),
                value: sample["value"][1].as_str().unwrap_or_default().to_owned(),
            })
            .collect())
    }

    /// An answer of Prometheus' API.
    pub(crate) async fn prometheus(&self, uri: &str) -> Result<Value> {
        let answer: Value = serde_json::from_str(&self.get("prometheus-operated", uri).await?)?;
        ensure!(answer["status"] == "success", "{uri}: {answer}");
        Ok(answer)
    }

    /// The alerts of this name that Alertmanager has now.
    pub(crate) async fn alerts(&self, name: &str) -> Result<Vec<Value>> {
        let filter = encoded(&format!("alertname=\"{name}\""));
        let uri = format!("/api/v2/alerts?filter={filter}");
        let alerts = self.get("alertmanager-operated", &uri).await?;
        Ok(serde_json::from_str(&alerts)?)
    }

    /// The groups of alerts that Alertmanager has now: a group is a notification.
    pub(crate) async fn groups(&self) -> Result<Vec<Value>> {
        let groups = self
            .get("alertmanager-operated", "/api/v2/alerts/groups")
            .await?;
        Ok(serde_json::from_str(&groups)?)
    }

    /// By the API server, which reaches every pod.
    async fn get(&self, service: &str, uri: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/services/{service}:web/proxy{uri}");
        self.t.get(&path).await
    }
}

/// As it is written in a URI's query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
