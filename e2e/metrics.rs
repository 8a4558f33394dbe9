//! What Prometheus reads, through the Service, with the token and the certificate that it would use.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Condition, Phase, names};
use k8s_openapi::api::core::v1::{Secret, Service};
use serde_json::json;

use crate::harness::{Node, Test, on_all_nodes, until};

/// Value of each series of this program's, by name and labels as they are written.
pub(crate) type Series = BTreeMap<String, f64>;

/// The series that is 1 while a node has failed.
pub(crate) fn node_failed(node: &Node) -> String {
    format!("file_integrity_operator_node_failed{{node=\"{node}\"}}")
}

/// Reads the fleet's metrics from a node.
pub(crate) async fn scrape(t: &Test, from: &Node) -> Result<Series> {
    let service = t.api::<Service>().get("metrics").await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip);
    let address = address.context("the Service has no address")?;
    let secrets = t.api::<Secret>();
    let value = async |secret: &str, key: &str| {
        let data = secrets.get(secret).await?.data.unwrap_or_default();
        let value = data
            .get(key)
            .with_context(|| format!("{secret} has no {key}"))?;
        anyhow::Ok(String::from_utf8(value.0.clone())?)
    };
    let token = value("file-integrity-operator-metrics-token", "token").await?;
    let ca = value("file-integrity-operator-tls", "ca.crt").await?;
    let host = format!("metrics.{}.svc", t.namespace());
    let text = from
        .sh(&format!(
            r#"ca=$(mktemp); trap 'rm "$ca"' EXIT; echo '{ca}' >"$ca"
               if command -v curl >/dev/null; then
                 curl -sS --fail --cacert "$ca" --resolve {host}:8585:{address} \
                   -H 'Authorization: Bearer {token}' https://{host}:8585/metrics-fio
               else
                 {{ printf 'GET /metrics-fio HTTP/1.1\r\nHost: {host}\r\n'
                    printf 'Connection: close\r\nAuthorization: Bearer {token}\r\n\r\n'; sleep 1; }} |
                   openssl s_client -quiet -connect {address}:8585 -servername {host} \
                     -verify_hostname {host} -verify_return_error -CAfile "$ca"
               fi"#
        ))
        .await?;
    let series = text
        .lines()
        .filter(|line| line.starts_with("file_integrity_operator_"))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').context("a line without value")?;
            Ok((name.to_owned(), value.trim().parse()?))
        });
    let series: Series = series.collect::<Result<_>>()?;
    ensure!(!series.is_empty(), "no metrics: {text}");
    Ok(series)
}

/// Waits until these series have these values; whole names come first in the messages.
async fn metrics(t: &Test, from: &Node, wanted: &[(String, f64)]) -> Result<()> {
    until(format!("the metrics {wanted:?}"), async || {
        let series = scrape(t, from).await?;
        let differ: Vec<_> = wanted
            .iter()
            .map(|(name, value)| (name, *value, series.get(name).copied()))
            .filter(|(_, wanted, found)| Some(*wanted) != *found)
            .collect();
        ensure!(differ.is_empty(), "(name, wanted, found): {differ:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn metrics_count_what_happened() -> Result<()> {
    on_all_nodes("metrics", async |t| {
        let (first, second) = t.two_nodes()?;
        // With a new operator all counts begin at nothing.
        t.replace_operator().await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        first.files("printf x > new").await?;
        fi.result(&first.name, Condition::Failed).await?;
        metrics(
            t,
            first,
            &[(node_failed(first), 1.0), (node_failed(second), 0.0)],
        )
        .await?;

        t.replace_operator().await?;
        metrics(
            t,
            first,
            &[(node_failed(first), 1.0), (node_failed(second), 0.0)],
        )
        .await?;
        fi.delete().await?;
        until("the node's series are removed", async || {
            let series = scrape(t, first).await?;
            ensure!(!series.contains_key(&node_failed(first)), "{series:?}");
            Ok(())
        })
        .await?;
        first.clean().await?;

        t.replace_operator().await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let before = fi.baseline(&first.name).await?;
        first.files("printf x > new").await?;
        fi.result(&first.name, Condition::Failed).await?;
        fi.annotate(names::Annotation::REINIT, "").await?;
        fi.new_baseline(&first.name, &before).await?;
        fi.phase(Phase::Active).await?;
        fi.result(&first.name, Condition::Succeeded).await?;
        let counter = |name: &str, value: f64| {
            let name = format!("file_integrity_operator_{name}");
            (name, value)
        };
        let wanted = [
            counter(r#"phase_total{phase="Pending"}"#, 1.0),
            counter(r#"phase_total{phase="Initializing"}"#, 2.0),
            counter(r#"phase_total{phase="Active"}"#, 2.0),
            counter(r#"daemonset_update_total{operation="update"}"#, 1.0),
            counter(r#"reinit_daemonset_update_total{operation="update"}"#, 1.0),
            counter(r#"reinit_daemonset_update_total{operation="delete"}"#, 1.0),
            counter(r#"reinit_total{by="demand",node=""}"#, 1.0),
            counter(
                &format!(r#"node_status_total{{condition="Failed",node="{first}"}}"#),
                1.0,
            ),
            (node_failed(first), 0.0),
            (node_failed(second), 0.0),
        ];
        metrics(t, first, &wanted).await
    })
    .await
}
