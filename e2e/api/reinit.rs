//! Re-initialization and hold-off: the effects of the annotations of a FileIntegrity.

use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use fio::testing::k8s::client_layer::client_layer;
use fio::testing::k8s::watch_throttle::is_watch;
use fio::testing::operator::ScrapeSettings;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::failover::until_leads;
use crate::harness::{Operator, Space, condition_of, eventually, in_space, message_of};

/// The request in a node's status.
async fn request(space: &Space, node: &str) -> anyhow::Result<Option<String>> {
    let name = names::node_status("fi", node);
    let status = space.api::<FileIntegrityNodeStatus>().get(&name).await?;
    Ok(status
        .annotation(names::Annotation::REINIT_REQUEST)
        .map(str::to_owned))
}

fn has(fi: &FileIntegrity, key: &str) -> bool {
    fi.annotations().contains_key(key)
}

/// Waits until the annotation was taken in and handed out: neither it nor its record is there.
async fn until_handed_out(space: &Space, annotation: &str) -> anyhow::Result<()> {
    space
        .until_is(
            "fi",
            "the request to be handed out",
            |fi: &FileIntegrity| !has(fi, annotation) && !has(fi, names::Annotation::REINIT_RECORD),
        )
        .await
        .map(|_| ())
}

fn signal_of(daemon_set: &DaemonSet) -> Option<String> {
    let pod = daemon_set.spec.as_ref()?.template.spec.as_ref()?;
    let args = pod.containers.first()?.args.as_ref()?;
    args.iter()
        .find_map(|arg| arg.strip_prefix("--request=").map(str::to_owned))
}

#[tokio::test]
async fn all_nodes_by_annotation() -> anyhow::Result<()> {
    in_space("reinit", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        space.until_phase("fi", "Initializing").await?;
        until_handed_out(space, names::Annotation::REINIT).await?;
        let id = request(space, &nodes[0]).await?;
        assert!(id.is_some());
        assert_eq!(request(space, &nodes[1]).await?, id);
        let reinit_set = space
            .until_is("aide-ini-fi", "the re-init DaemonSet", |_: &DaemonSet| true)
            .await?;
        assert_eq!(signal_of(&reinit_set), id);
        assert_eq!(
            reinit_set
                .labels()
                .get(names::Label::REINIT_OWNER)
                .map(String::as_str),
            Some("fi")
        );

        // It stays as it is until the last node has done it.
        first.handle_request().await?;
        space
            .until_is("fi", "one node to be done", |fi: &FileIntegrity| {
                let counts = fi.status.as_ref().and_then(|status| status.nodes);
                counts.is_some_and(|counts| counts.initialized == 1)
            })
            .await?;
        let still = space.api::<DaemonSet>().get("aide-ini-fi").await?;
        assert_eq!(
            (still.uid(), still.metadata.generation),
            (reinit_set.uid(), reinit_set.metadata.generation)
        );
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        space
            .until_deleted::<DaemonSet>("aide-ini-fi", "the deletion of the re-init DaemonSet")
            .await?;
        assert_eq!(
            space.event_messages("fi", "FileIntegrityStatus").await?,
            [
                "Pending",
                "Initializing",
                "Active",
                "Initializing",
                "Active"
            ]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_second_request_has_another_id() -> anyhow::Result<()> {
    in_space("again", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        let mut ids = Vec::new();
        for _ in 0..2 {
            space
                .annotate("fi", names::Annotation::REINIT, json!(""))
                .await?;
            for daemon in &mut daemons {
                daemon.handle_request().await?;
            }
            until_handed_out(space, names::Annotation::REINIT).await?;
            space.until_phase("fi", "Active").await?;
            ids.push(request(space, &nodes[0]).await?);
        }
        assert_ne!(ids[0], ids[1]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_node_by_name_and_one_that_is_unknown() -> anyhow::Result<()> {
    in_space("named", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, _]) = space.active("fi", json!({})).await?;
        let list = format!("{}, nowhere", nodes[0]);
        space
            .annotate("fi", names::Annotation::REINIT, json!(list))
            .await?;
        let reinit_set = names::reinit_daemon_set("fi", Some(&nodes[0]));
        space
            .until_is(
                &reinit_set,
                "the node's re-init DaemonSet",
                |_: &DaemonSet| true,
            )
            .await?;
        first.handle_request().await?;
        space
            .until_deleted::<DaemonSet>(&reinit_set, "the deletion of the node's re-init DaemonSet")
            .await?;
        until_handed_out(space, names::Annotation::REINIT).await?;
        space.until_phase("fi", "Active").await?;
        assert_eq!(request(space, &nodes[1]).await?, None);
        let events = space.events("fi").await?;
        let warning = events
            .iter()
            .find(|event| event.reason.as_deref() == Some("UnknownNodes"));
        assert_eq!(
            warning.and_then(|event| event.note.as_deref()),
            Some("re-init names nodes that are not selected: nowhere")
        );
        assert_eq!(
            warning.and_then(|event| event.type_.as_deref()),
            Some("Warning")
        );
        Ok(())
    })
    .await
}

/// The nodes to which a DaemonSet's pods are bound.
fn bound_to(daemon_set: &DaemonSet) -> Vec<Value> {
    let nodes = json!(daemon_set)
        .pointer("/spec/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")
        .cloned();
    let values = |term: &Value| term.pointer("/matchFields/0/values/0").cloned();
    let terms = nodes.as_ref().and_then(Value::as_array);
    terms.into_iter().flatten().filter_map(values).collect()
}

#[tokio::test]
async fn further_nodes_are_added_during_a_re_initialization() -> anyhow::Result<()> {
    in_space("several", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let third = space.node("n3").await?;
        let mut last = space.daemon("fi", &third);
        last.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(nodes.join(",")))
            .await?;
        let both = |ds: &DaemonSet| bound_to(ds) == [json!(nodes[0]), json!(nodes[1])];
        space
            .until_is("aide-ini-fi", "one re-init DaemonSet for both", both)
            .await?;
        until_handed_out(space, names::Annotation::REINIT).await?;
        let id = request(space, &nodes[0]).await?;
        assert_eq!(request(space, &nodes[1]).await?, id);
        assert_eq!(request(space, &third).await?, None);

        space
            .annotate("fi", names::Annotation::REINIT, json!(third))
            .await?;
        last.handle_request().await?;
        until_handed_out(space, names::Annotation::REINIT).await?;
        assert_ne!(request(space, &third).await?, id);
        assert_eq!(
            request(space, &nodes[0]).await?,
            id,
            "the open request stays"
        );
        space.until_phase("fi", "Initializing").await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        for name in [
            "aide-ini-fi".to_owned(),
            names::reinit_daemon_set("fi", Some(&third)),
        ] {
            space
                .until_deleted::<DaemonSet>(&name, "the deletion of the re-init DaemonSets")
                .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_request_with_only_unknown_nodes_is_reported() -> anyhow::Result<()> {
    in_space("nobody", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!("nowhere"))
            .await?;
        until_handed_out(space, names::Annotation::REINIT).await?;
        let messages = eventually("the warning", async || {
            let messages = space.event_messages("fi", "UnknownNodes").await?;
            Ok((!messages.is_empty()).then_some(messages))
        })
        .await?;
        assert_eq!(
            messages,
            ["re-init names nodes that are not selected: nowhere"]
        );
        space.until_phase("fi", "Active").await?;
        assert_eq!(request(space, &nodes[0]).await?, None);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_failed_nodes_by_annotation() -> anyhow::Result<()> {
    in_space("on-failed", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, _]) = space.active("fi", json!({})).await?;
        let status = names::node_status("fi", &nodes[0]);
        let failed = json!({"condition": "Failed", "lastProbeTime": "2030-01-02T03:04:05Z", "filesChanged": 1});
        space
            .merge::<FileIntegrityNodeStatus>(&status, json!({"lastResult": failed}))
            .await?;
        space
            .until_is("fi", "a failed node", |fi: &FileIntegrity| {
                fi.status.as_ref().and_then(|s| s.nodes).is_some_and(|n| n.failed == 1)
            })
            .await?;
        space
            .annotate("fi", names::Annotation::REINIT_ON_FAILED, json!(""))
            .await?;
        first.handle_request().await?;
        until_handed_out(space, names::Annotation::REINIT_ON_FAILED).await?;
        assert_eq!(request(space, &nodes[1]).await?, None);
        Ok(())
    })
    .await
}

/// An operator whose watch of node statuses shows nothing after the list it begins with, as one that is
/// behind.
async fn operator_behind(space: &Space) -> anyhow::Result<Operator> {
    let client = |_: &_, config: kube::Config| {
        let stalled = client_layer(|request, sender| {
            let uri = request.uri();
            let is_stalled = is_watch(uri) && uri.path().ends_with("/fileintegritynodestatuses");
            let answer = sender.call(request);
            Box::pin(async move {
                if is_stalled {
                    std::future::pending::<()>().await;
                }
                answer.await
            })
        });
        Ok(fio::testing::k8s::builder(config)?
            .with_layer(&stalled)
            .build())
    };
    let kill = CancellationToken::new();
    space
        .operator_by("behind", ScrapeSettings::default(), kill, client)
        .await
}

#[tokio::test]
async fn re_init_on_failed_includes_the_newest_failures() -> anyhow::Result<()> {
    in_space("just-failed", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        operator.stop().await?;
        let operator = operator_behind(space).await?;
        until_leads(space, "behind").await?;
        // Without a failure there is nothing to do, and that is not silent.
        let on_failed = names::Annotation::REINIT_ON_FAILED;
        space.annotate("fi", on_failed, json!("")).await?;
        until_handed_out(space, on_failed).await?;
        let messages = space.event_messages("fi", "NoNodesFailed").await?;
        assert_eq!(messages, ["re-init-on-failed has no effect: no node's last scan failed"]);
        let failed = json!({"condition": "Failed", "lastProbeTime": "2030-01-02T03:04:05Z", "filesChanged": 1});
        let status = names::node_status("fi", &nodes[0]);
        space
            .merge::<FileIntegrityNodeStatus>(&status, json!({"lastResult": failed}))
            .await?;
        space.annotate("fi", on_failed, json!("")).await?;
        space
            .until_is(&status, "a request", |status: &FileIntegrityNodeStatus| {
                status.annotation(names::Annotation::REINIT_REQUEST).is_some()
            })
            .await?;
        assert_eq!(request(space, &nodes[1]).await?, None);
        operator.kill().await
    })
    .await
}

#[tokio::test]
async fn an_unreachable_node_reinitializes_when_it_is_back() -> anyhow::Result<()> {
    in_space("unreachable", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        space.set_ready(&nodes[1], false).await?;
        space
            .until_is("fi", "a stale node", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/NodesNotReady"
            })
            .await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        first.handle_request().await?;
        // The others do not wait.
        until_handed_out(space, names::Annotation::REINIT).await?;
        space.until_phase("fi", "Active").await?;
        space.set_ready(&nodes[1], true).await?;
        space.until_phase("fi", "Initializing").await?;
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn scans_are_held_and_continue_without_a_new_baseline() -> anyhow::Result<()> {
    in_space("holdoff", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let held = async |value: Value, expected: [bool; 2]| {
            space
                .annotate("fi", names::Annotation::HOLDOFF, value)
                .await?;
            for (node, expected) in nodes.iter().zip(expected) {
                let what = format!("held {expected} on {node}");
                space
                    .until_is(
                        &names::node_status("fi", node),
                        &what,
                        |status: &FileIntegrityNodeStatus| {
                            status.annotation(names::Annotation::HOLDOFF).is_some() == expected
                        },
                    )
                    .await?;
            }
            let count = i64::from(expected[0]) + i64::from(expected[1]);
            space
                .until_is("fi", "the count of held nodes", |fi: &FileIntegrity| {
                    fi.status
                        .as_ref()
                        .and_then(|s| s.nodes)
                        .is_some_and(|n| n.held == count)
                })
                .await
        };
        held(json!(""), [true, true]).await?;
        let fi = held(json!(nodes[1]), [false, true]).await?;
        assert_eq!(condition_of(&fi, "Ready"), "True/Active");
        let [every, held_one] = ["all reachable nodes are being scanned", &nodes[1]];
        assert_eq!(
            message_of(&fi, "Ready"),
            format!("{every}, except held nodes ({held_one})")
        );
        let fi = held(Value::Null, [false, false]).await?;
        assert_eq!(condition_of(&fi, "Ready"), "True/Active");
        assert_eq!(message_of(&fi, "Ready"), every);
        assert_eq!(request(space, &nodes[0]).await?, None);
        assert_eq!(request(space, &nodes[1]).await?, None);
        Ok(())
    })
    .await
}
