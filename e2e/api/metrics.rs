//! Metrics, as somebody gets them who scrapes: what is counted, who is let in, with which
//! certificate; and the objects by which Prometheus finds them.

use std::cell::RefCell;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fio::testing::api::{ErrorClass, FileIntegrity, FileIntegrityNodeStatus, names};
use fio::testing::operator::ScrapeSettings;
use fio::testing::scan::outcome::{Outcome, ScanError};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{GroupVersionKind, NamespaceResourceScope};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::harness::{
    Operator, POLL_INTERVAL, Space, alone, answer, changed, clean, condition_of, eventually,
    in_space, kubectl, message_of, phase_of,
};
use crate::updates::{machine_config, until_held};

/// What a scrape got: the status line's code and the body.
pub(crate) struct Answer {
    code: String,
    text: String,
}

impl Answer {
    /// The value of a series, named without the prefix that all have.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        let whole = format!("file_integrity_operator_{series} ");
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(&whole)?.parse().ok())
    }
}

/// Maximum time until there are objects of a new kind: half a minute until the operator detects the
/// kind, the same again if the API does not accept objects yet, and some reserve.
const KIND_PATIENCE: Duration = Duration::from_secs(120);

/// An operator's fleet endpoint.
pub(crate) struct Endpoint<'a> {
    space: &'a Space,
    pub(crate) address: SocketAddr,
    /// Where no certificate is mounted.
    nothing: tempfile::TempDir,
}

impl<'a> Endpoint<'a> {
    /// A place for one: a port that is free.
    pub(crate) async fn new(space: &'a Space) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let nothing = tempfile::tempdir()?;
        Ok(Self {
            space,
            address,
            nothing,
        })
    }

    /// An operator that serves it with a certificate of its own.
    pub(crate) async fn operator(&self, identity: &str) -> anyhow::Result<Operator> {
        let scrapes = self.scrapes(self.nothing.path());
        self.space.operator_with(identity, scrapes).await
    }

    fn scrapes(&self, certificate: &Path) -> ScrapeSettings {
        ScrapeSettings {
            process: None,
            fleet: Some(self.address),
            auth: true,
            certificate_dir: certificate.to_owned(),
        }
    }

    fn name(&self) -> String {
        format!("metrics.{}.svc", self.space.namespace)
    }

    /// The CA that the operator created.
    async fn own_ca(&self) -> anyhow::Result<Vec<u8>> {
        let secret = self
            .space
            .until_is(names::OWN_CERT_SECRET, "a certificate", |_: &Secret| true)
            .await?;
        let data = secret.data.unwrap_or_default();
        Ok(data.get("ca.crt").context("no CA")?.0.clone())
    }

    /// Scrapes, verifying the certificate by `ca`.
    async fn get(&self, ca: &[u8], token: Option<&str>) -> anyhow::Result<Answer> {
        let stream = self.connect(ca).await?;
        let authorization = token.map(|t| format!("Authorization: Bearer {t}\r\n"));
        let request = format!(
            "GET /metrics-fio HTTP/1.1\r\nHost: x\r\n{}Connection: close\r\n\r\n",
            authorization.unwrap_or_default()
        );
        exchange(stream, &request).await
    }

    async fn connect(
        &self,
        ca: &[u8],
    ) -> anyhow::Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + use<>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(self.name())?;
        Ok(TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?)
    }

    /// Waits for a scrape that is as `condition` wants it.
    async fn until(
        &self,
        what: &str,
        token: &str,
        condition: impl Fn(&Answer) -> bool,
    ) -> anyhow::Result<Answer> {
        let ca = self.own_ca().await?;
        eventually(what, async || {
            // Until the certificate has reached this operator it uses another one.
            let answer = self.get(&ca, Some(token)).await.ok();
            Ok(answer.filter(|answer| condition(answer)))
        })
        .await
    }

    /// Waits until a scrape has these values: not all of them are there at the moment at which what
    /// they come from can be seen.
    pub(crate) async fn shows(
        &self,
        token: &str,
        expected: &[(&str, f64)],
    ) -> anyhow::Result<Answer> {
        let last = RefCell::new(String::new());
        let is_shown = |answer: &Answer| {
            let others = expected
                .iter()
                .filter(|(series, value)| answer.value(series) != Some(*value));
            let others: Vec<_> = others.collect();
            if !others.is_empty() {
                last.replace(format!("not shown: {others:?} in {}", answer.text));
            }
            others.is_empty()
        };
        let shown = self.until("what is to be shown", token, is_shown).await;
        shown.with_context(|| last.take())
    }
}

async fn exchange(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &str,
) -> anyhow::Result<Answer> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, text) = answer
        .split_once("\r\n\r\n")
        .context("no end of the head")?;
    let code = head.split(' ').nth(1).context("no status")?.to_owned();
    let text = text.to_owned();
    Ok(Answer { code, text })
}

pub(crate) async fn token(space: &Space, account: &str) -> anyhow::Result<String> {
    let arguments = ["-n", &space.namespace, "create", "token", account];
    Ok(kubectl(&arguments, "").await?.trim().to_owned())
}

/// The metrics after a failure and a re-initialization, of an operator and of the next one.
#[tokio::test]
async fn a_failure_and_a_reinit_are_counted() -> anyhow::Result<()> {
    in_space("counts", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let operator = endpoint.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let token = token(space, "file-integrity-operator-metrics").await?;
        let series = |name: &str, node: &str| format!("{name}{{node=\"{node}\"}}");
        let failed = |node: &str| series("node_failed", node);

        first.finds(&changed()).await?;
        endpoint
            .until("the failure", &token, |a| {
                a.value(&failed(&nodes[0])) == Some(1.0)
            })
            .await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        space.until_phase("fi", "Initializing").await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        space
            .until_deleted::<DaemonSet>("aide-ini-fi", "the deletion of the re-init DaemonSet")
            .await?;
        let condition = |name: &str| {
            format!(
                "node_status_total{{condition=\"{name}\",node=\"{}\"}}",
                nodes[0]
            )
        };
        let scrape = endpoint
            .shows(
                &token,
                &[
                    ("phase_total{phase=\"Active\"}", 2.0),
                    ("phase_total{phase=\"Initializing\"}", 2.0),
                    ("daemonset_update_total{operation=\"update\"}", 1.0),
                    ("reinit_daemonset_update_total{operation=\"update\"}", 1.0),
                    ("reinit_daemonset_update_total{operation=\"delete\"}", 1.0),
                    ("reinit_total{by=\"demand\",node=\"\"}", 1.0),
                    (&condition("Failed"), 1.0),
                    (&condition("Succeeded"), 1.0),
                    (&failed(&nodes[0]), 1.0),
                    (&failed(&nodes[1]), 0.0),
                    (&series("node_files_scanned", &nodes[1]), 100.0),
                    (&series("node_stale", &nodes[1]), 0.0),
                    ("nodes{state=\"selected\"}", 2.0),
                    ("degraded{file_integrity=\"fi\"}", 0.0),
                    ("leader", 1.0),
                ],
            )
            .await?;
        assert!(
            scrape.text.contains(
                "file_integrity_operator_api_requests_total{verb=\"patch\",code=\"200\"}"
            )
        );

        // The next one knows which nodes have failed, and counts nothing twice.
        operator.kill().await?;
        let _next = endpoint.operator("next").await?;
        let both = [(&*failed(&nodes[0]), 1.0), (&*failed(&nodes[1]), 0.0)];
        let scrape = endpoint.shows(&token, &both).await?;
        assert_eq!(scrape.value(&condition("Failed")), None);
        first.finds(&clean()).await?;
        space.remove_node(&nodes[1]).await?;
        endpoint
            .until("the node to be forgotten", &token, |a| {
                !a.text.contains(&nodes[1])
            })
            .await?;
        let left = [(&*failed(&nodes[0]), 0.0), (&*condition("Succeeded"), 1.0)];
        endpoint.shows(&token, &left).await?;
        Ok(())
    })
    .await
}

/// The contract's second example.
#[tokio::test]
async fn configurations_are_counted() -> anyhow::Result<()> {
    in_space("configs", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let own = json!({"metadata": {"name": "own"}, "data": {"aide.conf": "/hostroot/etc p\n"}});
        let own = serde_json::from_value(own)?;
        let params = PostParams::default();
        space.api::<ConfigMap>().create(&params, &own).await?;
        let set = json!({"name": "own", "namespace": space.namespace});
        let unset = json!({"name": null, "namespace": null});
        for (config, then) in [(set, changed()), (unset, clean())] {
            let patch = json!({"spec": {"config": config}});
            space.merge::<FileIntegrity>("fi", patch).await?;
            space.until_phase("fi", "Initializing").await?;
            for daemon in [&mut first, &mut second] {
                daemon.handle_request().await?;
                daemon.finds(&then).await?;
            }
            space.until_phase("fi", "Active").await?;
            space
                .until_deleted::<DaemonSet>("aide-ini-fi", "the deletion of the re-init DaemonSet")
                .await?;
        }
        let token = token(space, "file-integrity-operator-metrics").await?;
        let condition = |name: &str, node: &str| {
            format!("node_status_total{{condition=\"{name}\",node=\"{node}\"}}")
        };
        endpoint
            .shows(
                &token,
                &[
                    ("phase_total{phase=\"Active\"}", 3.0),
                    ("phase_total{phase=\"Initializing\"}", 3.0),
                    ("daemonset_update_total{operation=\"update\"}", 1.0),
                    ("reinit_daemonset_update_total{operation=\"update\"}", 2.0),
                    ("reinit_daemonset_update_total{operation=\"delete\"}", 2.0),
                    ("reinit_total{by=\"config\",node=\"\"}", 2.0),
                    (&condition("Failed", &nodes[0]), 1.0),
                    (&condition("Succeeded", &nodes[0]), 2.0),
                    (&condition("Failed", &nodes[1]), 1.0),
                    (&condition("Succeeded", &nodes[1]), 2.0),
                ],
            )
            .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn holds_of_nodes_that_are_updated_are_counted() -> anyhow::Result<()> {
    in_space("holds", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        let (nodes, [mut first, _]) = space.active("fi", json!({})).await?;
        // A hold by hand is no update of a node.
        for value in [json!(""), json!(null)] {
            let held = !value.is_null();
            space
                .annotate("fi", names::Annotation::HOLDOFF, value)
                .await?;
            for node in &nodes {
                until_held(space, node, held).await?;
            }
        }
        for node in &nodes {
            machine_config(space, node, "a", "b", "Working").await?;
        }
        for node in &nodes {
            until_held(space, node, true).await?;
        }
        machine_config(space, &nodes[0], "b", "b", "Done").await?;
        until_held(space, &nodes[0], false).await?;
        first.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        let token = token(space, "file-integrity-operator-metrics").await?;
        let of = |name: &str, node: &str| format!("{name}{{node=\"{node}\"}}");
        let reinit = format!("reinit_total{{by=\"node\",node=\"{}\"}}", nodes[0]);
        let scrape = endpoint
            .shows(
                &token,
                &[
                    (&of("unpause_total", &nodes[0]), 1.0),
                    (&of("pause_total", &nodes[0]), 1.0),
                    (&of("pause_total", &nodes[1]), 1.0),
                    (&reinit, 1.0),
                    ("nodes{state=\"held\"}", 1.0),
                ],
            )
            .await?;
        assert_eq!(scrape.value(&of("unpause_total", &nodes[1])), None);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn only_clients_with_permission_can_scrape() -> anyhow::Result<()> {
    in_space("access", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        let own = token(space, "file-integrity-daemon").await?;
        endpoint
            .until("a scrape by a ServiceAccount of the namespace", &own, |a| a.code == "200")
            .await?;
        let ca = endpoint.own_ca().await?;
        assert_eq!(endpoint.get(&ca, None).await?.code, "401");
        assert_eq!(endpoint.get(&ca, Some("nonsense")).await?.code, "401");

        let elsewhere = format!("{}-elsewhere", space.namespace);
        // As JSON: the kubectl of Kubernetes 1.30 accepts no YAML that begins with a brace.
        let account = |name: &str| json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": name, "namespace": elsewhere}});
        let objects = json!({"kind": "List", "apiVersion": "v1", "items": [
            {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": elsewhere}},
            account("may"),
            account("may-not"),
            {
                "kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
                "metadata": {"name": elsewhere},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "file-integrity-operator-metrics",
                },
                "subjects": [{"kind": "ServiceAccount", "name": "may", "namespace": elsewhere}],
            },
        ]});
        kubectl(&["apply", "-f", "-"], &objects.to_string()).await?;
        let path = json!({"nonResourceAttributes": {"path": "/metrics-fio", "verb": "get"}});
        space.until_may(&elsewhere, "may", &path, true).await?;
        for (account, code) in [("may", "200"), ("may-not", "403")] {
            let arguments = ["-n", &elsewhere, "create", "token", account];
            let token = kubectl(&arguments, "").await?;
            let answer = endpoint.get(&ca, Some(token.trim())).await?;
            assert_eq!(answer.code, code, "{account}");
        }
        assert!(!space.log().contains(&own), "no token is logged");
        Ok(())
    })
    .await
}

/// A certificate in a directory, as a mounted Secret has it; returns what to trust.
fn put_certificate(directory: &Path, name: &str) -> anyhow::Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
    let certificate = params.self_signed(&key)?.pem();
    std::fs::write(directory.join("tls.key"), key.serialize_pem())?;
    std::fs::write(directory.join("tls.crt"), &certificate)?;
    Ok(certificate)
}

#[tokio::test]
async fn a_mounted_certificate_is_used_and_rotated_without_a_lost_request() -> anyhow::Result<()> {
    in_space("rotate", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let mounted = tempfile::tempdir()?;
        let _operator = space
            .operator_with("op", endpoint.scrapes(mounted.path()))
            .await?;
        let token = token(space, "file-integrity-operator-metrics").await?;
        endpoint
            .until("the first scrape", &token, |a| a.code == "200")
            .await?;
        let mut trusted = String::from_utf8(endpoint.own_ca().await?)?;
        for _ in 0..2 {
            let new = put_certificate(mounted.path(), &endpoint.name())?;
            trusted.push_str(&new);
            let rotated = async {
                eventually("the new certificate", async || {
                    Ok(endpoint.get(new.as_bytes(), Some(&token)).await.ok())
                })
                .await
            };
            // Somebody who trusts old and new scrapes all the time, and never in vain.
            let scraping = async {
                loop {
                    match endpoint.get(trusted.as_bytes(), Some(&token)).await {
                        Ok(answer) if answer.code == "200" => {}
                        Ok(answer) => return anyhow::anyhow!("answered {}", answer.code),
                        Err(error) => return error,
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                rotated = rotated => rotated?,
                error = scraping => return Err(error),
            };
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn standbys_serve_the_leaders_certificate_and_no_fleet() -> anyhow::Result<()> {
    in_space("standby", async |space| {
        let (leading, waiting) = (Endpoint::new(space).await?, Endpoint::new(space).await?);
        let leader = leading.operator("leader").await?;
        space.active("fi", json!({})).await?;
        let _standby = waiting.operator("standby").await?;
        let token = token(space, "file-integrity-operator-metrics").await?;
        let scrape = waiting
            .until("the standby", &token, |a| a.code == "200")
            .await?;
        assert_eq!(scrape.value("leader"), Some(0.0), "{}", scrape.text);
        assert!(!scrape.text.contains("node"), "{}", scrape.text);
        leader.stop().await?;
        waiting
            .until("the standby to lead", &token, |a| {
                a.value("nodes{state=\"selected\"}") == Some(2.0)
            })
            .await?;
        Ok(())
    })
    .await
}

/// What the Prometheus Operator brings, as far as it matters here: one of its defaults is there.
const KINDS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor, listKind: ServiceMonitorList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-preserve-unknown-fields: true
            properties: {targetLimit: {type: integer, default: 7}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PrometheusRule, plural: prometheusrules, singular: prometheusrule, listKind: PrometheusRuleList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

fn monitoring(space: &Space, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind);
    let resource = ApiResource::from_gvk(&kind);
    Api::namespaced_with(space.client.clone(), &space.namespace, &resource)
}

async fn found(api: &Api<DynamicObject>, name: &str) -> anyhow::Result<DynamicObject> {
    answer(name, POLL_INTERVAL, KIND_PATIENCE, async || {
        // While the kinds are not there yet, nothing of them is.
        Ok(api.get_opt(name).await.ok().flatten())
    })
    .await
}

#[tokio::test]
async fn prometheus_objects_are_created_when_their_kinds_appear() -> anyhow::Result<()> {
    alone("monitoring", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let operator = endpoint.operator("op").await?;
        space.active("fi", json!({})).await?;
        eventually("a word about the missing kinds", async || {
            Ok(space
                .log()
                .contains("the API has no ServiceMonitor")
                .then_some(()))
        })
        .await?;
        kubectl(&["apply", "--server-side", "-f", "-"], KINDS).await?;

        let monitors = monitoring(space, "ServiceMonitor");
        let monitor = found(&monitors, "metrics").await?;
        assert_eq!(monitor.owner_references()[0].kind, "Service");
        // The process' metrics are served with the fleet's here.
        let endpoints = monitor.data["spec"]["endpoints"]
            .as_array()
            .context("endpoints")?;
        assert_eq!(endpoints.len(), 1);
        assert_eq!(
            endpoints[0]["tlsConfig"]["ca"]["secret"]["name"],
            names::OWN_CERT_SECRET
        );
        let rules = monitoring(space, "PrometheusRule");
        let rule = found(&rules, "file-integrity").await?;
        let alert = &rule.data["spec"]["groups"][0]["rules"][0];
        assert_eq!(alert["alert"], "NodeHasIntegrityFailure");
        assert_eq!(alert["labels"]["namespace"], json!(space.namespace));
        found(&rules, "file-integrity-operator").await?;

        // Changes of users stay; deleted objects are restored.
        let edit = json!({"spec": {"groups": []}});
        let params = PatchParams::default();
        rules
            .patch("file-integrity", &params, &Patch::Merge(&edit))
            .await?;
        rules
            .delete("file-integrity-operator", &DeleteParams::default())
            .await?;
        operator.stop().await?;
        let _next = endpoint.operator("next").await?;
        found(&rules, "file-integrity-operator").await?;
        let edited = found(&rules, "file-integrity").await?;
        assert_eq!(edited.data["spec"]["groups"], json!([]));
        let same = found(&monitors, "metrics").await?;
        assert_eq!(same.resource_version(), monitor.resource_version());
        kubectl(&["delete", "-f", "-"], KINDS).await?;
        Ok(())
    })
    .await
}

/// The rule that the original created.
fn rule_of_the_original(namespace: &str) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "file-integrity", "namespace": namespace},
        "spec": {"groups": [{"name": "node-failed", "rules": [{
            "alert": "NodeHasIntegrityFailure",
            "annotations": {
                "description": "Node {{ $labels.node }} has an integrity check status of Failed for more than 1 second.",
                "summary": "Node {{ $labels.node }} has a file integrity failure",
            },
            "expr": "file_integrity_operator_node_failed{node=~\".+\"} * on(node) kube_node_info > 0",
            "for": "1s",
            "labels": {"namespace": namespace, "severity": "warning"},
        }]}]},
    })
}

/// Objects of an operator of another version are updated if nobody else changed them since.
#[tokio::test]
async fn prometheus_objects_of_another_version_are_updated() -> anyhow::Result<()> {
    alone("monitoring-renewed", async |space| {
        kubectl(&["apply", "--server-side", "-f", "-"], KINDS).await?;
        let original = rule_of_the_original(&space.namespace).to_string();
        eventually("the rule of the original", async || {
            Ok(kubectl(&["create", "-f", "-"], &original).await.ok())
        })
        .await?;
        let endpoint = Endpoint::new(space).await?;
        let operator = endpoint.operator("op").await?;
        let objects = [
            ("ServiceMonitor", "metrics"),
            ("PrometheusRule", "file-integrity"),
            ("PrometheusRule", "file-integrity-operator"),
        ];
        let key = "file-integrity.openshift.io/written-spec";
        for (kind, name) in objects {
            found(&monitoring(space, kind), name).await?;
        }
        let rules = monitoring(space, "PrometheusRule");
        eventually("the rule of the original is updated", async || {
            let rule = rules.get("file-integrity").await?;
            let alert = &rule.data["spec"]["groups"][0]["rules"][0];
            Ok(alert["annotations"]["runbook_url"]
                .is_string()
                .then_some(()))
        })
        .await?;
        operator.stop().await?;
        for (kind, name) in objects {
            let api = monitoring(space, kind);
            let written = api.get(name).await?.annotations()[key].clone();
            let (_, made) = written.split_once('.').context("two hashes")?;
            let other = json!({"metadata": {"annotations": {key: format!("other.{made}")}}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(&other))
                .await?;
        }
        let _next = endpoint.operator("next").await?;
        for (kind, name) in objects {
            let api = monitoring(space, kind);
            eventually(name, async || {
                let written = api.get(name).await?.annotations()[key].clone();
                Ok((!written.starts_with("other.")).then_some(()))
            })
            .await?;
        }
        kubectl(&["delete", "-f", "-"], KINDS).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_expiring_certificate_is_renewed() -> anyhow::Result<()> {
    in_space("due", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let operator = endpoint.operator("op").await?;
        let old = endpoint.own_ca().await?;
        operator.stop().await?;
        // Without a word on when it is due, it is.
        let unmarked = json!({"metadata": {"annotations": null}});
        space
            .merge::<Secret>(names::OWN_CERT_SECRET, unmarked)
            .await?;
        let _next = endpoint.operator("next").await?;
        space
            .until_is(names::OWN_CERT_SECRET, "a new one", |secret: &Secret| {
                let ca = secret.data.as_ref().and_then(|data| data.get("ca.crt"));
                ca.is_some_and(|ca| ca.0 != old)
            })
            .await?;
        let token = token(space, "file-integrity-operator-metrics").await?;
        endpoint
            .until("a scrape", &token, |a| a.code == "200")
            .await?;
        Ok(())
    })
    .await
}

/// Statuses without a result have no series of results.
#[tokio::test]
async fn a_node_that_has_not_reported_has_not_failed() -> anyhow::Result<()> {
    in_space("silent", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        let node = space.node("n1").await?;
        space.file_integrity("fi", json!({})).await?;
        let status = names::node_status("fi", &node);
        space
            .until_is(&status, "a status", |_: &FileIntegrityNodeStatus| true)
            .await?;
        let token = token(space, "file-integrity-operator-metrics").await?;
        let scrape = endpoint
            .until("the node", &token, |a| a.text.contains(&node))
            .await?;
        assert_eq!(
            scrape.value(&format!("node_failed{{node=\"{node}\"}}")),
            None
        );
        // The node's status is created before that of the FileIntegrity is written.
        space
            .until_is("fi", "Initializing", |fi: &FileIntegrity| {
                phase_of(fi) == "Initializing"
            })
            .await?;
        Ok(())
    })
    .await
}

/// An admission webhook that is down: the API server answers a write with 500.
struct DownWebhook<'a, K> {
    space: &'a Space,
    api: Api<ValidatingWebhookConfiguration>,
    /// One of the objects that cannot be written, and where it is.
    object: String,
    objects: Api<K>,
}

impl<'a, K> DownWebhook<'a, K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    /// Keeps objects of this kind that have these labels from being written; `object` is one.
    async fn start(space: &'a Space, labels: Value, object: &str) -> anyhow::Result<Self> {
        let down = Self {
            space,
            api: Api::all(space.client.clone()),
            object: object.to_owned(),
            objects: space.api(),
        };
        let object = json!({
            "metadata": {"name": space.namespace},
            "webhooks": [{
                "name": "down.example.com",
                // Nothing listens there.
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [{
                    "apiGroups": [K::group(&())], "apiVersions": [K::version(&())],
                    "resources": [K::plural(&())], "operations": ["CREATE", "UPDATE"],
                }],
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": space.namespace},
                },
                "objectSelector": {"matchLabels": labels},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }],
        });
        let params = PostParams::default();
        let object = serde_json::from_value(object)?;
        down.api.create(&params, &object).await?;
        down.until_writable(false).await?;
        Ok(down)
    }

    async fn end(self) -> anyhow::Result<()> {
        let params = DeleteParams::default();
        self.api.delete(&self.space.namespace, &params).await?;
        self.until_writable(true).await
    }

    /// The API server takes a while to heed a change.
    async fn until_writable(&self, expected: bool) -> anyhow::Result<()> {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
        let what = format!("{} to be writable: {expected}", self.object);
        eventually(&what, async || {
            let written = self.objects.patch(&self.object, &params, &patch).await;
            Ok((written.is_ok() == expected).then_some(()))
        })
        .await
    }
}

/// While an object cannot be written, the results of the nodes are reported nevertheless; and the
/// failure is, once.
#[tokio::test]
async fn nodes_are_counted_while_a_webhook_is_down() -> anyhow::Result<()> {
    in_space("webhook", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        // So long that nodes which report no more do not count as silent before the end.
        let config = json!({"config": {"gracePeriod": 900}});
        let (nodes, [mut first, mut second]) = space.active("fi", config).await?;
        let down = DownWebhook::<DaemonSet>::start(space, json!({}), "aide-fi").await?;
        let backups = json!({"spec": {"config": {"maxBackups": 3}}});
        space.merge::<FileIntegrity>("fi", backups).await?;
        first.finds(&changed()).await?;
        let error = ScanError::new(ErrorClass::Io, "AIDE error: 18 I/O error");
        second.finds(&Outcome::Errored(error)).await?;
        space.set_ready(&nodes[0], false).await?;
        let fi = space
            .until_is("fi", "the nodes and the failure", |fi: &FileIntegrity| {
                let nodes = fi.status.as_ref().and_then(|status| status.nodes);
                let nodes = nodes.unwrap_or_default();
                condition_of(fi, "Degraded") == "True/ApiFailing"
                    && phase_of(fi) == "Error"
                    && (nodes.failed, nodes.errored, nodes.stale) == (1, 1, 1)
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        assert!(message.contains("down.example.com"), "{message}");
        assert!(message.contains(&nodes[0]), "{message}");
        let token = token(space, "file-integrity-operator-metrics").await?;
        let stale = format!("node_stale{{node=\"{}\"}}", nodes[0]);
        endpoint
            .shows(
                &token,
                &[
                    ("degraded{file_integrity=\"fi\"}", 1.0),
                    ("nodes{state=\"failed\"}", 1.0),
                    ("nodes{state=\"errored\"}", 1.0),
                    ("nodes{state=\"stale\"}", 1.0),
                    (&stale, 1.0),
                ],
            )
            .await?;

        // Further reconciles fail, and write nothing new.
        let writes = || {
            let mut writes = space.writes("op")?;
            writes.retain(|write| write.contains("fileintegrities/") || write.contains("events/"));
            anyhow::Ok(writes)
        };
        let before = writes()?;
        let failed = "reconcile_errors_total{step=\"apply\"}";
        for touch in ["first", "second"] {
            let scrape = endpoint.until("a scrape", &token, |_| true).await?;
            let so_far = scrape.value(failed).context("failed reconciles")?;
            space.annotate("fi", "test/touch", json!(touch)).await?;
            let are_more = |answer: &Answer| answer.value(failed) > Some(so_far);
            endpoint
                .until("a further failed reconcile", &token, are_more)
                .await?;
        }
        assert_eq!(writes()?, before);

        down.end().await?;
        space.set_ready(&nodes[0], true).await?;
        space
            .until_is("fi", "nothing in the way", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "False/AsExpected"
            })
            .await?;
        endpoint
            .until("no degradation", &token, |answer| {
                answer.value("degraded{file_integrity=\"fi\"}") == Some(0.0)
            })
            .await?;
        let messages = space.event_messages("fi", "FileIntegrityStatus").await?;
        assert_eq!(messages, ["Pending", "Initializing", "Active", "Error"]);
        Ok(())
    })
    .await
}

/// A node's status that cannot be written leaves what is written beside it counted.
#[tokio::test]
async fn a_status_that_cannot_be_written_leaves_the_others_counted() -> anyhow::Result<()> {
    in_space("beside", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let mut others = vec![nodes[1].clone()];
        for short in ["n3", "n4"] {
            let node = space.node(short).await?;
            space.daemon("fi", &node).handle_request().await?;
            others.push(node);
        }
        space.until_well("fi").await?;
        let refused = names::node_status("fi", &nodes[0]);
        let label = json!({names::Label::NODE: names::label_value(&nodes[0])});
        let down = DownWebhook::<FileIntegrityNodeStatus>::start(space, label, &refused).await?;

        // It is tried with each of the others.
        for node in nodes[..1].iter().chain(&others) {
            machine_config(space, node, "a", "b", "Working").await?;
        }
        for node in &others {
            until_held(space, node, true).await?;
        }
        let token = token(space, "file-integrity-operator-metrics").await?;
        let pauses = |node: &str| format!("pause_total{{node=\"{node}\"}}");
        let are_counted = |answer: &Answer| {
            let once = |node: &String| answer.value(&pauses(node)) == Some(1.0);
            others.iter().all(once)
        };
        let scrape = endpoint
            .until("the others' pauses", &token, are_counted)
            .await?;
        assert_eq!(scrape.value(&pauses(&nodes[0])), None);
        let fi = space
            .until_is("fi", "the failure", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/ApiFailing"
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        assert!(message.contains(&refused), "{message}");

        down.end().await?;
        space.annotate("fi", "test/touch", json!("")).await?;
        let scrape = endpoint
            .until("the last pause", &token, |answer| {
                answer.value(&pauses(&nodes[0])) == Some(1.0)
            })
            .await?;
        assert!(are_counted(&scrape), "{}", scrape.text);
        Ok(())
    })
    .await
}
