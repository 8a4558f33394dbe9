//! Who has made a change: a container, a shell of the node, and short-lived commands.

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Actor, ScanResult, names};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::{LONG_SCANS, PAUSE, beside, counts, full_scan, hold, is_active};
use crate::harness::node::{FILES, STOP};
use crate::harness::{Fi, Node, Test, on_one_node, until};

/// Number of files that `sed -i` changes, each in a process of its own.
const BY_SED: usize = 10;

/// Runs a pod that changes a file of the node and does not end.
async fn run_writer(t: &Test, node: &Node) -> Result<Pod> {
    // The image has no shell: it gets the programs of the node.
    let container = json!({
        "command": ["/bin/sh", "-c", "printf two > /files/by-pod; while sleep 1; do :; done"],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [
            {"name": "files", "mountPath": "/files"},
            {"name": "programs", "mountPath": "/usr", "readOnly": true},
        ],
    });
    let volumes = json!([
        {"name": "files", "hostPath": {"path": FILES}},
        {"name": "programs", "hostPath": {"path": "/usr"}},
    ]);
    t.create_pod("realtime-actors-writer", &node.name, container, volumes)
        .await
}

/// The id of the container of a pod.
async fn container_id(t: &Test, pod: &str) -> Result<String> {
    let status = t.api::<Pod>().get(pod).await?.status.unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let id = containers.into_iter().find_map(|it| it.container_id);
    let id = id.context("no container")?;
    let (_, id) = id.split_once("://").context("no runtime")?;
    Ok(id.to_owned())
}

/// Who has changed a file, as far as the result says so.
fn actor_of<'a>(result: &'a ScanResult, file: &str) -> Result<Option<&'a Actor>> {
    let path = format!("{FILES}/{file}");
    let mut changes = result.changes.iter();
    let change = changes.find(|change| change.path == path);
    Ok(change.context(path)?.actor.as_ref())
}

/// The path of a program on the node, without links.
async fn program(node: &Node, name: &str) -> Result<String> {
    node.sh(&format!("readlink -f $(command -v {name})")).await
}

/// A process of this pod and container, or of none.
fn is_of(actor: &Actor, exe: &str, pod: Option<(&str, &str)>) {
    assert_eq!(actor.exe, exe, "{actor:?}");
    let (uid, container) = pod.unzip();
    assert_eq!(actor.pod_uid.as_deref(), uid, "{actor:?}");
    assert_eq!(actor.container_id.as_deref(), container, "{actor:?}");
}

async fn actors_are_correct(t: &Test, node: &Node, pod: &Pod, result: &ScanResult) -> Result<()> {
    let (shell, sed) = (program(node, "sh").await?, program(node, "sed").await?);
    let uid = pod.metadata.uid.as_deref().context("no uid")?;
    let name = pod.metadata.name.as_deref().context("no name")?;
    let container = container_id(t, name).await?;

    // Both still run when the daemon looks at them.
    let by_pod = actor_of(result, "by-pod")?.context("the pod is unknown")?;
    is_of(by_pod, &shell, Some((uid, &container)));
    let by_shell = actor_of(result, "by-shell")?.context("the shell is unknown")?;
    is_of(by_shell, &shell, None);
    for actor in [by_pod, by_shell] {
        assert_eq!(actor.comm.as_deref(), Some("sh"), "{actor:?}");
    }

    // These end within milliseconds: some may be unknown, but none may be another program.
    let mut known = 0;
    for number in 1..=BY_SED {
        let Some(actor) = actor_of(result, &format!("by-sed-{number}"))? else {
            continue;
        };
        is_of(actor, &sed, None);
        assert!(actor.comm.as_ref().is_none_or(|comm| comm == "sed"));
        known += 1;
    }
    crate::chaos::print("realtime", &json!({"sed": BY_SED, "known": known}))?;
    ensure!(known > 0, "none of {BY_SED} processes is known: {result:?}");
    Ok(())
}

/// The daemon is killed while AIDE runs, and can stop neither itself nor AIDE.
async fn no_aide_outlives_the_daemon(t: &Test, fi: &Fi<'_>, node: &Node) -> Result<()> {
    let daemon = fi.daemon(&node.name).await?;
    hold(fi).await?;
    node.stop_aide("--check", async || {
        fi.remove_annotation(names::Annotation::HOLDOFF).await
    })
    .await?;
    node.signal(&daemon, "STOP").await?;
    let running = node.processes(&daemon).await?;
    assert!(running.iter().any(|name| name == "aide"), "{running:?}");
    t.kill_pod(&daemon).await?;
    until("no process of the daemon's pod is left", async || {
        let left = node.processes(&daemon).await?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

/// Whether the daemons see the processes of their nodes.
async fn has_host_pid(fi: &Fi<'_>) -> Result<Option<bool>> {
    let set = fi.daemon_set().await?;
    let pod = set.spec.and_then(|spec| spec.template.spec);
    Ok(pod.context("no pod")?.host_pid)
}

#[tokio::test]
async fn the_processes_that_made_changes_are_named() -> Result<()> {
    on_one_node("realtime-actors", async |t| {
        let node = t.node()?;
        node.files(&format!(
            "for name in by-pod by-shell $(seq -f by-sed-%g {BY_SED}); do printf one > $name; done
             {LONG_SCANS}"
        ))
        .await?;
        let realtime = json!({"actors": "Process"});
        let fi = t
            .create(json!({"config": {"gracePeriod": PAUSE}, "realtime": realtime}))
            .await?;
        fi.watched().await?;
        is_active(&fi, node).await?;
        assert_eq!(has_host_pid(&fi).await?, Some(true));

        let pod = run_writer(t, node).await?;
        let script = format!(
            "printf two > by-shell
             for number in $(seq {BY_SED}); do sed -i s/one/two/ by-sed-$number; done
             until [ -e {STOP} ]; do sleep 0.1; done"
        );
        let all = (0, i64::try_from(BY_SED)? + 2, 0);
        let reported = beside(node, &script, async || {
            fi.result_with(&node.name, &format!("{all:?}"), |result| {
                counts(result) == all
            })
            .await
        })
        .await?;
        actors_are_correct(t, node, &pod, &reported).await?;

        let scanned = full_scan(&fi, node).await?;
        assert_eq!(scanned.changes, reported.changes, "also after a scan");
        fi.all_reported_at_once(&node.name).await?;
        let log = fi.failure_log(&node.name).await?;
        let text = &log.data.context("no data")?[names::KEY_INTEGRITY_LOG];
        let uid = pod.metadata.uid.context("no uid")?;
        assert!(text.contains(&uid), "{uid} is in the failure log:\n{text}");

        no_aide_outlives_the_daemon(t, &fi, node).await?;
        fi.patch(json!({"spec": {"realtime": null}})).await?;
        until(
            "the daemons do not see the processes any more",
            async || {
                let host_pid = has_host_pid(&fi).await?;
                ensure!(host_pid.is_none(), "{host_pid:?}");
                Ok(())
            },
        )
        .await
    })
    .await
}
