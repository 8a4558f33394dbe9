//! Builds the ServiceMonitor and the PrometheusRules. Pure.

use serde_json::{Value, json};

use super::runbooks::Runbooks;
use crate::api::names;
use crate::metrics_server::FLEET_PATH;
use crate::operator::metrics_endpoint::certificate::{CA_CERTIFICATE, server_names};
use crate::operator::metrics_endpoint::{CertificateAuthority, ScrapeTargets};

pub(super) const GROUP_VERSION: &str = "monitoring.coreos.com/v1";
pub(super) const SERVICE_MONITOR: &str = "ServiceMonitor";
pub(super) const PROMETHEUS_RULE: &str = "PrometheusRule";
/// Name of the rule that compliance profiles require.
const FAILURE_RULE: &str = "file-integrity";
/// Name of the rule with further alerts.
const FURTHER_RULE: &str = "file-integrity-operator";
/// The CA of the cluster's service certificates, in OpenShift's Prometheus.
const SERVICE_CA: &str = "/etc/prometheus/configmaps/serving-certs-ca-bundle/service-ca.crt";

pub(super) fn service_monitor(namespace: &str, targets: ScrapeTargets) -> Value {
    let labels = json!({"name": names::OPERATOR_NAME});
    let mut endpoints = Vec::new();
    if targets.process {
        endpoints.push(json!({"port": "metrics"}));
    }
    if targets.fleet {
        let mut endpoint = fleet_endpoint(namespace, targets.authority);
        if targets.process {
            // Only the leader has series about the fleet. With its pod as a label, there would be two
            // of each after a change of the leader, and the alert could not join them.
            let labels = "pod|instance|container|endpoint";
            endpoint["metricRelabelings"] = json!([{"action": "labeldrop", "regex": labels}]);
        }
        endpoints.push(endpoint);
    }
    json!({
        "apiVersion": GROUP_VERSION,
        "kind": SERVICE_MONITOR,
        "metadata": {
            "name": names::METRICS_SERVICE, "namespace": namespace, "labels": labels,
        },
        "spec": {"selector": {"matchLabels": labels}, "endpoints": endpoints},
    })
}

/// Adds the Service as the owner, so that no alerts are left when the operator is removed.
pub(super) fn owned_by_service(mut object: Value, uid: Option<&str>) -> Value {
    if let Some(uid) = uid {
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "Service", "name": names::METRICS_SERVICE, "uid": uid,
            "controller": true,
        }]);
    }
    object
}

fn fleet_endpoint(namespace: &str, authority: CertificateAuthority) -> Value {
    let [server_name, _] = server_names(namespace);
    let mut tls = json!({"serverName": server_name});
    let secret = |name: &str| json!({"secret": {"name": name, "key": CA_CERTIFICATE}});
    match authority {
        CertificateAuthority::ServiceCa => tls["caFile"] = json!(SERVICE_CA),
        CertificateAuthority::Mounted => tls["ca"] = secret(names::SERVING_CERT_SECRET),
        CertificateAuthority::Own => tls["ca"] = secret(names::OWN_CERT_SECRET),
    }
    json!({
        "port": "metrics-fio",
        "path": FLEET_PATH,
        "scheme": "https",
        "authorization": {
            "type": "Bearer",
            "credentials": {"name": names::METRICS_TOKEN_SECRET, "key": "token"},
        },
        "tlsConfig": tls,
    })
}

/// The rules. Their text has the placeholder `NAMESPACE` in annotations: templates of Prometheus cannot
/// read a label that the rule adds.
pub(super) fn rules(namespace: &str, runbooks: &Runbooks) -> Result<[Value; 2], serde_json::Error> {
    let rule = |name: &str, text: &str| {
        let mut spec: Value = serde_json::from_str(text)?;
        for group in spec["groups"].as_array_mut().into_iter().flatten() {
            for rule in group["rules"].as_array_mut().into_iter().flatten() {
                complete(rule, namespace, runbooks);
            }
        }
        Ok(prometheus_rule(name, namespace, &spec))
    };
    Ok([
        rule(FAILURE_RULE, include_str!("failure.json"))?,
        rule(FURTHER_RULE, include_str!("further.json"))?,
    ])
}

/// Adds the namespace and the URL of the runbook.
fn complete(rule: &mut Value, namespace: &str, runbooks: &Runbooks) {
    let runbook = rule["alert"].as_str().map(|alert| runbooks.url(alert));
    rule["labels"]["namespace"] = json!(namespace);
    for (_, text) in rule["annotations"].as_object_mut().into_iter().flatten() {
        if let Value::String(text) = text {
            *text = text.replace("NAMESPACE", namespace);
        }
    }
    rule["annotations"]["runbook_url"] = json!(runbook);
}

fn prometheus_rule(name: &str, namespace: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": GROUP_VERSION,
        "kind": PROMETHEUS_RULE,
        "metadata": {
            "name": name, "namespace": namespace, "labels": {"name": names::OPERATOR_NAME},
        },
        "spec": spec,
    })
}

/// The rule as the original wrote it at each of its starts.
pub(super) fn rule_of_the_original(namespace: &str) -> Value {
    let spec = json!({"groups": [{"name": "node-failed", "rules": [{
        "alert": "NodeHasIntegrityFailure",
        "expr": "file_integrity_operator_node_failed{node=~\".+\"} * on(node) kube_node_info > 0",
        "for": "1s",
        "labels": {"severity": "warning", "namespace": namespace},
        "annotations": {
            "summary": "Node {{ $labels.node }} has a file integrity failure",
            "description":
                "Node {{ $labels.node }} has an integrity check status of Failed for more than 1 second.",
        },
    }]}]});
    prometheus_rule(FAILURE_RULE, namespace, &spec)
}

#[cfg(test)]
mod tests;
