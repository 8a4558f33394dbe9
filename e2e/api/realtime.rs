//! Realtime detection as the operator shows it: in the status of the FileIntegrity and in the metrics. The
//! tests write the states of the nodes as daemons do.

use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};

use crate::harness::{Space, condition_of, in_space, message_of};
use crate::metrics::{Endpoint, token};

/// Writes the state of a node; null removes it.
async fn set(space: &Space, node: &str, realtime: Value) -> anyhow::Result<()> {
    let name = names::node_status("fi", node);
    let patch = json!({"realtime": realtime});
    space.merge::<FileIntegrityNodeStatus>(&name, patch).await?;
    Ok(())
}

fn state(state: &str, overflows: i64, missed: i64) -> Value {
    json!({
        "state": state, "since": "2026-01-02T03:04:05Z", "backend": "fanotify", "reason": null,
        "message": null, "directories": 1000, "overflows": overflows, "missed": missed,
    })
}

/// The counts of the status, null if it has none.
fn counts(fi: &FileIntegrity) -> Value {
    json!(fi.status.as_ref().and_then(|status| status.realtime))
}

async fn until(space: &Space, condition: &str, expected: Value) -> anyhow::Result<FileIntegrity> {
    let what = format!("the condition {condition} and the counts {expected}");
    space
        .until_is("fi", &what, |fi: &FileIntegrity| {
            condition_of(fi, "Realtime") == condition && counts(fi) == expected
        })
        .await
}

/// The arguments of the daemons about realtime detection.
async fn arguments(space: &Space) -> anyhow::Result<Vec<String>> {
    let daemon_set = space.api::<DaemonSet>().get("aide-fi").await?;
    let spec = daemon_set.spec.unwrap_or_default().template.spec;
    let containers = spec.unwrap_or_default().containers;
    let arguments = containers.into_iter().filter_map(|it| it.args).flatten();
    Ok(arguments
        .filter(|it| it.starts_with("--realtime"))
        .collect())
}

#[tokio::test]
async fn states_of_the_nodes_are_counted_explained_and_exported() -> anyhow::Result<()> {
    in_space("realtime", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let _operator = endpoint.operator("op").await?;
        let defaults = json!({"realtime": {"mode": "Auto", "delayMilliseconds": 500}});
        let (nodes, _daemons) = space.active("fi", defaults).await?;
        assert_eq!(arguments(space).await?, [""; 0]);
        until(space, "Unknown/Starting", Value::Null).await?;

        set(space, &nodes[0], state("Active", 0, 0)).await?;
        let mut degraded = state("Degraded", 1, 2);
        degraded["reason"] = json!("PartlyWatched");
        degraded["message"] = json!("/boot/efi\nis not watched");
        set(space, &nodes[1], degraded).await?;
        let expected =
            json!({"active": 1, "degraded": 1, "unsupported": 0, "starting": 0, "off": 0});
        let fi = until(space, "False/Degraded", expected).await?;
        let explained = format!(
            r"{} (Degraded, PartlyWatched: /boot/efi\012is not watched)",
            nodes[1]
        );
        let message = message_of(&fi, "Realtime");
        assert!(message.ends_with(&explained), "{message}");
        assert_eq!(condition_of(&fi, "Ready"), "True/Active");
        assert_eq!(condition_of(&fi, "Degraded"), "False/AsExpected");

        let token = token(space, "file-integrity-operator-metrics").await?;
        let of = |name: &str, node: &str| format!("node_realtime_{name}_total{{node=\"{node}\"}}");
        let is_in =
            |node: &str, state: &str| format!("node_realtime{{node=\"{node}\",state=\"{state}\"}}");
        let expected = [
            (&*is_in(&nodes[0], "Active"), 1.0),
            (&*is_in(&nodes[1], "Degraded"), 1.0),
            (&*of("missed", &nodes[0]), 0.0),
            (&*of("missed", &nodes[1]), 2.0),
            (&*of("overflows", &nodes[1]), 1.0),
        ];
        endpoint.shows(&token, &expected).await?;

        // The daemon was restarted.
        set(space, &nodes[1], state("Active", 0, 1)).await?;
        let expected =
            json!({"active": 2, "degraded": 0, "unsupported": 0, "starting": 0, "off": 0});
        until(space, "True/Active", expected).await?;
        let shown = [
            (&*is_in(&nodes[1], "Active"), 1.0),
            (&*of("missed", &nodes[1]), 3.0),
            (&*of("overflows", &nodes[1]), 1.0),
        ];
        let scrape = endpoint.shows(&token, &shown).await?;
        assert_eq!(scrape.value(&is_in(&nodes[1], "Degraded")), None);

        let off = json!({"spec": {"realtime": {"mode": "Off", "delayMilliseconds": 10_000}}});
        space.merge::<FileIntegrity>("fi", off).await?;
        for node in &nodes {
            set(space, node, Value::Null).await?;
        }
        until(space, "False/Off", Value::Null).await?;
        assert_eq!(
            arguments(space).await?,
            ["--realtime=off", "--realtime-delay=10000"]
        );
        Ok(())
    })
    .await
}
