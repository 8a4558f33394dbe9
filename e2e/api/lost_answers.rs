//! Writes of the operator and of a daemon that are carried out and whose answers are lost: each leads to
//! one event and one count for each transition, and ends no leadership.

use fio::testing::api::{Condition, names};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::faults::{Node, operators_token};
use crate::harness::{Space, clean, eventually, in_space};
use crate::metrics::{Endpoint, token};
use crate::process::Process;
use crate::proxy::{Fault, Proxy};

const STATUS: &str = "PATCH /apis/fileintegrity.openshift.io";
const LOG: &str = "/configmaps/";
const EVENT: &str = "POST /apis/events.k8s.io";

/// An operator whose API server loses the answer to one write at a time.
struct Loser<'a> {
    proxy: Proxy,
    endpoint: Endpoint<'a>,
    operator: Process,
}

impl<'a> Loser<'a> {
    async fn start(space: &'a Space) -> anyhow::Result<Self> {
        let endpoint = Endpoint::new(space).await?;
        let proxy = Proxy::start().await?;
        let dir = tempfile::tempdir()?;
        let kubeconfig = proxy.kubeconfig(dir.path(), &operators_token(space).await?)?;
        let address = endpoint.address.to_string();
        let operator =
            Process::operator_on(space, "op", &kubeconfig.path, &address, &[], dir).await?;
        operator.logs("leading").await?;
        Ok(Self {
            proxy,
            endpoint,
            operator,
        })
    }

    /// The answer to the next write whose method and path hold this text is lost.
    async fn lose(&self, text: &'static str) -> anyhow::Result<()> {
        self.proxy.set(Fault::LostAnswer(text)).await
    }

    /// Waits until this many answers were lost.
    async fn until_lost(&self, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} lost answers");
        eventually(&what, async || {
            Ok((self.proxy.lost().len() >= count).then_some(()))
        })
        .await
    }
}

/// The contract's example of counts, with the answer to each kind of write lost once.
#[tokio::test]
async fn each_transition_is_counted_and_reported_once() -> anyhow::Result<()> {
    in_space("lost-answers", async |space| {
        let op = Loser::start(space).await?;
        let nodes = [space.node("n1").await?, space.node("n2").await?];
        let mut daemons = [space.daemon("fi", &nodes[0]), space.daemon("fi", &nodes[1])];

        op.lose("/daemonsets/aide-fi?").await?;
        space.file_integrity("fi", json!({})).await?;
        op.until_lost(1).await?;
        space.until_phase("fi", "Initializing").await?;

        // The phase.
        op.lose("/fileintegrities/fi/status").await?;
        for daemon in &mut daemons {
            daemon.handle_request().await?;
            daemon.finds(&clean()).await?;
        }
        op.until_lost(2).await?;
        space.until_phase("fi", "Active").await?;

        // The record of a request.
        op.lose("/fileintegrities/fi?").await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        op.until_lost(3).await?;
        op.lose("PATCH /apis/apps/v1/").await?;
        op.until_lost(4).await?;
        space.until_phase("fi", "Initializing").await?;
        // The deletion of the re-init DaemonSet.
        op.lose("DELETE /apis/apps/v1/").await?;
        for daemon in &mut daemons {
            daemon.handle_request().await?;
        }
        op.until_lost(5).await?;
        space.until_phase("fi", "Active").await?;
        space
            .until_deleted::<DaemonSet>("aide-ini-fi", "the deletion of the re-init DaemonSet")
            .await?;

        // The event.
        op.lose("/events").await?;
        let text = "no such option\n";
        let config = json!({"metadata": {"name": "broken"}, "data": {"aide.conf": text}});
        space
            .api::<k8s_openapi::api::core::v1::ConfigMap>()
            .create(
                &kube::api::PostParams::default(),
                &serde_json::from_value(config)?,
            )
            .await?;
        let named = json!({"spec": {"config": {"name": "broken", "namespace": space.namespace}}});
        space
            .merge::<fio::testing::api::FileIntegrity>("fi", named)
            .await?;
        op.until_lost(6).await?;
        space.until_phase("fi", "Error").await?;

        let token = token(space, "file-integrity-operator-metrics").await?;
        op.endpoint
            .shows(
                &token,
                &[
                    ("phase_total{phase=\"Active\"}", 2.0),
                    ("phase_total{phase=\"Initializing\"}", 2.0),
                    ("phase_total{phase=\"Error\"}", 1.0),
                    ("daemonset_update_total{operation=\"update\"}", 1.0),
                    ("reinit_daemonset_update_total{operation=\"update\"}", 1.0),
                    ("reinit_daemonset_update_total{operation=\"delete\"}", 1.0),
                    ("reinit_total{by=\"demand\",node=\"\"}", 1.0),
                ],
            )
            .await?;
        let mut messages = space.event_messages("fi", "FileIntegrityStatus").await?;
        messages.retain(|phase| phase != "Pending");
        let expected = ["Initializing", "Active", "Initializing", "Active", "Error"];
        assert_eq!(messages, expected);
        let refused = space.event_messages("fi", "ConfigRefused").await?;
        assert_eq!(refused.len(), 1, "{refused:?}");
        op.operator.still_runs()
    })
    .await
}

/// The next renewal is a conflict with the operator's own write, and so is the release.
#[tokio::test]
async fn a_lost_answer_to_a_lease_renewal_keeps_the_leader() -> anyhow::Result<()> {
    in_space("lost-renewal", async |space| {
        let op = Loser::start(space).await?;
        op.lose("/leases/").await?;
        op.until_lost(1).await?;
        // Then the lost write is done, whenever its answer was dropped.
        op.operator.logs("the object has been modified").await?;
        let answered = op.proxy.answered("/leases/");
        eventually("the lease to be renewed", async || {
            Ok((op.proxy.answered("/leases/") > answered).then_some(()))
        })
        .await?;
        let lines = op.operator.lines();
        let leads = lines.iter().filter(|line| line.contains("\"leading\""));
        assert_eq!(leads.count(), 1, "{lines:#?}");

        op.lose("/leases/").await?;
        op.until_lost(2).await?;
        op.operator.end().await?;
        let lease = space.api::<Lease>().get(names::LEASE_NAME).await?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        assert_eq!(holder.as_deref(), Some(""), "it was released");
        Ok(())
    })
    .await
}

/// A daemon whose answers to these writes are lost: to `with` when a file is added, and to `without` when
/// it is removed. It writes again what was carried out already, and nothing is reported twice. A real
/// daemon and a real AIDE.
async fn each_transition_has_one_event(
    space: &Space,
    with: &'static str,
    without: &'static str,
) -> anyhow::Result<()> {
    let node = Node::start(space).await?;
    let new = node.watched.join("new");
    let mut expected = vec![node.clean()];
    for (write, is_there) in [(with, true), (without, false)] {
        let (before, after) = if is_there {
            (Condition::Succeeded, Condition::Failed)
        } else {
            (Condition::Failed, Condition::Succeeded)
        };
        node.until_scanned(before).await?;
        let lost = node.proxy.lost().len();
        node.proxy.set(Fault::LostAnswer(write)).await?;
        if is_there {
            std::fs::write(&new, "text")?;
            expected.push(node.added(1));
        } else {
            std::fs::remove_file(&new)?;
            expected.push(node.clean());
        }
        node.until_reported(&expected).await?;
        // So that the answer of the last write, the status, is lost as well, or has come.
        for _ in 0..2 {
            node.until_scanned(after).await?;
        }
        let all = node.proxy.lost();
        anyhow::ensure!(all.len() == lost + 1, "{write}: {all:?}");
        let messages = node.event_messages().await?;
        anyhow::ensure!(messages == expected, "{write}: {messages:?}");
    }
    let log = node.failure_log().await?.data.unwrap_or_default();
    anyhow::ensure!(format!("{log:?}").contains("/etc/watched/new"), "{log:?}");
    node.daemon.still_runs()
}

#[tokio::test]
async fn each_transition_has_one_event_although_the_failure_log_is_not_answered()
-> anyhow::Result<()> {
    in_space("lost-log", async |space| {
        // The failure log is written when there are changes only.
        each_transition_has_one_event(space, LOG, STATUS).await
    })
    .await
}

#[tokio::test]
async fn each_transition_has_one_event_although_events_are_not_answered() -> anyhow::Result<()> {
    in_space("lost-event", async |space| {
        each_transition_has_one_event(space, EVENT, EVENT).await
    })
    .await
}

#[tokio::test]
async fn each_transition_has_one_event_although_statuses_are_not_answered() -> anyhow::Result<()> {
    in_space("lost-status", async |space| {
        each_transition_has_one_event(space, STATUS, STATUS).await
    })
    .await
}
