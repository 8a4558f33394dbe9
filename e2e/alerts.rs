//! The alert as its readers get it: a file changes on a node, and Alertmanager has it from a real
//! Prometheus that a real Prometheus Operator has set up by our ServiceMonitor and our rules.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Condition, names};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::cluster::{checkout, hack_cluster};
use crate::harness::monitoring::{Monitoring, Sample, with_monitoring};
use crate::harness::wait::until_within;
use crate::harness::{Fi, Node, Test, on_all_nodes_for, until};

const ALERT: &str = "NodeHasIntegrityFailure";
const SET_ALERT: &str = "FileIntegrityChangeSet";
/// The rule keeps the alert for two minutes after the failure is over.
const RESOLVED_WITHIN: Duration = Duration::from_secs(240);
/// The operator checks every 30 s whether the API has the Prometheus Operator's kinds, and a
/// kubelet brings a changed Secret or ConfigMap into a pod at its next sync of it, 60 to 90 s after
/// the last.
const CONFIGURED_WITHIN: Duration = Duration::from_secs(240);
/// How long all of it may take: four minutes on an idle machine, of which three are waits for the
/// kubelet and for the rule.
const WHOLE: Duration = Duration::from_secs(1200);
/// The ports of the Service whose endpoints are scraped.
const PORTS: [&str; 2] = ["metrics", "metrics-fio"];
/// Panels of the dashboard that may be empty: nothing of what they show happens in this test.
const MAY_BE_EMPTY: [&str; 5] = [
    "Errored nodes",
    "Stale nodes",
    "Errors by class",
    "Holds for node updates",
    "Failed reconciles and errors",
];

/// Panels that have to count something in a series with this label: what has happened once is easily
/// missed, as its series is there only since then.
const COUNTED: [(&str, &str, &str); 3] = [
    ("Phase transitions", "phase", "Active"),
    ("New results", "condition", "Failed"),
    ("Re-initializations", "by", "demand"),
];

/// Waits until Prometheus has read our ServiceMonitor and our rules: each comes by a file of its own.
pub(crate) async fn prometheus_is_configured(t: &Test, monitoring: Monitoring<'_>) -> Result<()> {
    let expected = "Prometheus has our jobs and our rules";
    until_within(CONFIGURED_WITHIN, expected, async || {
        for port in 0..PORTS.len() {
            our_job(t, monitoring, port).await?;
        }
        let rules = our_rules(t, monitoring).await?;
        ensure!(rules.iter().any(|rule| rule["name"] == ALERT), "{rules:?}");
        ensure!(rules.len() > 10, "{rules:?}");
        Ok(())
    })
    .await
}

/// The part of Prometheus' configuration about this endpoint of our ServiceMonitor.
async fn our_job(t: &Test, monitoring: Monitoring<'_>, port: usize) -> Result<String> {
    let config = monitoring.prometheus("/api/v1/status/config").await?;
    let config = config["data"]["yaml"]
        .as_str()
        .context("no configuration")?;
    let job = format!("job_name: serviceMonitor/{}/metrics/{port}", t.namespace());
    let (_, job) = config
        .split_once(&job)
        .with_context(|| format!("no {job}"))?;
    Ok(job.split("job_name:").next().unwrap_or_default().to_owned())
}

/// Waits until Prometheus reads both endpoints of both operators, with verified certificates.
async fn both_operators_are_scraped(t: &Test, monitoring: Monitoring<'_>) -> Result<()> {
    until("two operators' two endpoints are scraped", async || {
        let answer = monitoring
            .prometheus("/api/v1/targets?state=active")
            .await?;
        let targets = answer["data"]["activeTargets"].as_array();
        let ours = targets.into_iter().flatten().filter(|target| {
            target["labels"]["namespace"] == t.namespace() && target["labels"]["job"] == "metrics"
        });
        let mut up: Vec<&str> = Vec::new();
        for target in ours {
            ensure!(target["health"] == "up", "{target}");
            up.extend(target["labels"]["endpoint"].as_str());
        }
        up.sort_unstable();
        let [own, fleet] = PORTS;
        ensure!(up == [own, own, fleet, fleet], "{up:?}");
        Ok(())
    })
    .await?;
    let job = our_job(t, monitoring, 1).await?;
    for line in ["scheme: https", "type: Bearer", "server_name: metrics."] {
        assert!(job.contains(line), "{line}: {job}");
    }
    assert!(!job.contains("insecure_skip_verify: true"), "{job}");
    Ok(())
}

/// Since when the one alert is firing; fails if there is none, or one about another node.
pub(crate) async fn firing_since(monitoring: Monitoring<'_>, node: &Node) -> Result<String> {
    let alerts = monitoring.alerts(ALERT).await?;
    let [alert] = alerts.as_slice() else {
        anyhow::bail!("{} alerts: {alerts:?}", alerts.len());
    };
    ensure!(alert["labels"]["node"] == node.name, "{alert}");
    ensure!(alert["status"]["state"] == "active", "{alert}");
    let since = alert["startsAt"].as_str();
    Ok(since.context("no start")?.to_owned())
}

/// The contract's words, and what helps the person on call.
async fn alert_is_correct(t: &Test, monitoring: Monitoring<'_>, node: &Node) -> Result<()> {
    let alerts = monitoring.alerts(ALERT).await?;
    let alert = &alerts[0];
    let annotation = |name: &str| alert["annotations"][name].as_str().unwrap_or_default();
    assert_eq!(
        annotation("summary"),
        format!("Node {node} has a file integrity failure")
    );
    assert_eq!(
        annotation("description"),
        format!("Node {node} has an integrity check status of Failed for more than 1 second.")
    );
    let runbook = annotation("runbook_url");
    assert!(runbook.ends_with("#nodehasintegrityfailure"), "{alert}");
    let changes = printed_by(annotation("next_step")).await?;
    assert!(changes.contains("added /"), "{changes}");
    for (label, value) in [("severity", "warning"), ("namespace", t.namespace())] {
        assert_eq!(alert["labels"][label], value, "{alert}");
    }
    Ok(())
}

/// The changes of the node are one set, and the command of the alert names it.
async fn change_set_is_reported(t: &Test, monitoring: Monitoring<'_>, node: &Node) -> Result<()> {
    until("an alert of the change set", async || {
        let alerts = monitoring.alerts(SET_ALERT).await?;
        let [alert] = alerts.as_slice() else {
            anyhow::bail!("{} alerts: {alerts:?}", alerts.len());
        };
        for (label, value) in [("severity", "info"), ("namespace", t.namespace())] {
            ensure!(alert["labels"][label] == value, "{alert}");
        }
        let set = alert["labels"]["change_set"].as_str();
        let command = alert["annotations"]["next_step"].as_str();
        let printed = printed_by(command.context("no command")?).await?;
        let expected = format!("1 {} {node} /", set.context("no set")?);
        ensure!(printed.starts_with(&expected), "{printed} {alert}");
        Ok(())
    })
    .await
}

/// What the command of an alert prints, as on the command line of the person on call.
async fn printed_by(command: &str) -> Result<String> {
    let command = command.strip_prefix("kubectl ").context("not kubectl")?;
    let command = format!("{}/hack/cluster kubectl {command}", checkout().display());
    let printed = Command::new("sh").args(["-c", &command]).output().await?;
    ensure!(printed.status.success(), "{command}: {printed:?}");
    Ok(String::from_utf8(printed.stdout)?)
}

/// Applies our example of a configuration of Alertmanager.
async fn route_alerts(t: &Test) -> Result<()> {
    let manifest = checkout().join("manifests/monitoring/alertmanager-config.yaml");
    let manifest = manifest.to_str().context("the path of the checkout")?;
    let apply = [
        "kubectl",
        "-n",
        t.namespace(),
        "apply",
        "--server-side",
        "-f",
    ];
    hack_cluster(&[&apply[..], &[manifest]].concat()).await?;
    Ok(())
}

/// The alert is in a group with those of the other nodes, for the receiver of our example.
async fn alert_is_grouped(t: &Test, monitoring: Monitoring<'_>) -> Result<()> {
    let labels = json!({"alertname": ALERT, "namespace": t.namespace()});
    let receiver = format!("{}/file-integrity/file-integrity-on-call", t.namespace());
    until_within(
        CONFIGURED_WITHIN,
        "Alertmanager has our routes",
        async || {
            let groups = monitoring.groups().await?;
            let is_ours =
                |group: &&Value| group["labels"] == labels && group["receiver"]["name"] == receiver;
            ensure!(groups.iter().any(|group| is_ours(&group)), "{groups:?}");
            Ok(())
        },
    )
    .await
}

/// Ends the leader without a word: it is stopped first, so it cannot give the lease up.
async fn kill_leader(t: &Test) -> Result<String> {
    let leader = t.leader().await?;
    let name = leader.name_any();
    let spec = leader.spec.as_ref();
    let node = spec.and_then(|spec| spec.node_name.clone());
    let node = Node {
        name: node.context("the leader is on no node")?,
    };
    node.signal(&leader, "STOP").await?;
    t.kill_pod(&leader).await?;
    Ok(name)
}

/// The alert stays the same while another operator takes over.
async fn failover_does_not_end_it(t: &Test, monitoring: Monitoring<'_>, node: &Node) -> Result<()> {
    let since = firing_since(monitoring, node).await?;
    let killed = kill_leader(t).await?;
    let failed = format!("file_integrity_operator_node_failed{{node=\"{node}\"}} == 1");
    until(
        "Prometheus has the failure from another leader",
        async || {
            assert_eq!(firing_since(monitoring, node).await?, since, "the alert");
            let leaders = monitoring
                .query("file_integrity_operator_leader == 1", None)
                .await?;
            let pods: Vec<&Value> = leaders.iter().map(|sample| &sample.labels["pod"]).collect();
            ensure!(pods.len() == 1 && pods[0] != &json!(killed), "{pods:?}");
            let failures = monitoring.query(&failed, None).await?;
            ensure!(failures.len() == 1, "{failures:?}");
            Ok(())
        },
    )
    .await?;
    both_operators_are_scraped(t, monitoring).await?;
    assert_eq!(firing_since(monitoring, node).await?, since, "the alert");
    rules_evaluate(t, monitoring).await
}

/// Our alerts, as Prometheus has read them.
async fn our_rules(t: &Test, monitoring: Monitoring<'_>) -> Result<Vec<Value>> {
    let answer = monitoring.prometheus("/api/v1/rules?type=alert").await?;
    let groups = answer["data"]["groups"].as_array();
    let rules = groups
        .into_iter()
        .flatten()
        .filter_map(|group| group["rules"].as_array())
        .flatten()
        .filter(|rule| rule["labels"]["namespace"] == t.namespace());
    Ok(rules.cloned().collect())
}

/// No rule of ours has ever failed, as one does whose join finds two series for a node.
async fn rules_evaluate(t: &Test, monitoring: Monitoring<'_>) -> Result<()> {
    let rules = our_rules(t, monitoring).await?;
    let unhealthy: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(rules.len() > 10 && unhealthy.is_empty(), "{unhealthy:?}");
    let failures = "max_over_time(prometheus_rule_evaluation_failures_total{rule_group=~\".*file-integrity.*\"}[1h])";
    let failures = monitoring.query(failures, None).await?;
    assert!(!failures.is_empty(), "Prometheus does not scrape itself");
    assert!(failures.iter().all(|s| s.value == "0"), "{failures:?}");
    Ok(())
}

/// Each query of the dashboard gives something, now or at the time of the failure.
async fn dashboard_shows_something(
    monitoring: Monitoring<'_>,
    node: &Node,
    failing_at: f64,
) -> Result<()> {
    let dashboard = checkout().join("manifests/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(dashboard)?)?;
    let mut shown = BTreeMap::<&str, Vec<Sample>>::new();
    for panel in dashboard["panels"].as_array().context("no panels")? {
        let title = panel["title"].as_str().context("a panel without title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().context("a target without query")?;
            let now = monitoring.query(query, None).await?;
            let then = monitoring.query(query, Some(failing_at)).await?;
            assert!(
                MAY_BE_EMPTY.contains(&title) || !(now.is_empty() && then.is_empty()),
                "{title}: nothing for {query}"
            );
            shown.entry(title).or_default().extend([now, then].concat());
        }
    }
    assert!(MAY_BE_EMPTY.iter().all(|title| shown.contains_key(title)));
    let counted = |title: &str, label: &str, value: &str| {
        let samples = &shown[title];
        let is_counted = samples.iter().any(|sample| {
            let count = sample.value.parse::<f64>();
            sample.labels[label] == value && count.is_ok_and(|count| count >= 0.9)
        });
        assert!(is_counted, "{title}: {value} in {samples:?}");
    };
    for (title, label, value) in COUNTED {
        counted(title, label, value);
    }
    counted("Failing nodes", "node", &node.name);
    Ok(())
}

/// Prometheus' time.
async fn now(monitoring: Monitoring<'_>) -> Result<f64> {
    let now = monitoring.query("vector(time())", None).await?;
    Ok(now.first().context("no time")?.value.parse()?)
}

/// Accepts the change, and waits until nobody is alerted any more.
async fn re_init_ends_it(fi: &Fi<'_>, monitoring: Monitoring<'_>, node: &Node) -> Result<()> {
    let before = fi.baseline(&node.name).await?;
    fi.annotate(names::Annotation::REINIT, "").await?;
    fi.new_baseline(&node.name, &before).await?;
    fi.result(&node.name, Condition::Succeeded).await?;
    until_within(RESOLVED_WITHIN, "the alert is resolved", async || {
        let alerts = monitoring.alerts(ALERT).await?;
        ensure!(alerts.is_empty(), "{alerts:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_changed_file_is_an_alert_until_it_is_accepted() -> Result<()> {
    on_all_nodes_for("alerts", WHOLE, async |t| {
        let (node, _) = t.two_nodes()?;
        t.two_operators().await?;
        with_monitoring(t, async |monitoring| {
            route_alerts(t).await?;
            let fi = t.create(json!({})).await?;
            fi.watched().await?;
            prometheus_is_configured(t, monitoring).await?;
            both_operators_are_scraped(t, monitoring).await?;
            assert_eq!(monitoring.alerts(ALERT).await?, [Value::Null; 0]);

            node.files("printf x > new").await?;
            fi.result(&node.name, Condition::Failed).await?;
            until("Alertmanager has the alert", async || {
                firing_since(monitoring, node).await
            })
            .await?;
            alert_is_correct(t, monitoring, node).await?;
            change_set_is_reported(t, monitoring, node).await?;
            alert_is_grouped(t, monitoring).await?;
            let failing_at = now(monitoring).await?;
            failover_does_not_end_it(t, monitoring, node).await?;
            re_init_ends_it(&fi, monitoring, node).await?;
            dashboard_shows_something(monitoring, node, failing_at).await?;
            rules_evaluate(t, monitoring).await?;
            let ours = "ALERTS{alertname=~\"FileIntegrity.*\",alertstate=\"firing\"}";
            until_within(RESOLVED_WITHIN, "no alert is firing", async || {
                let firing = monitoring.query(ours, None).await?;
                ensure!(firing.is_empty(), "{firing:?}");
                Ok(())
            })
            .await
        })
        .await
    })
    .await
}
