//! `fio logcollector` against a real API server: the program itself, on reports of other AIDEs.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use fio::testing::api::{Condition, FileIntegrityNodeStatus, names};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::harness::{Space, eventually, in_space};
use crate::process::program;

const CLEAN: &str = "Start timestamp: 2026-01-02 03:04:05 +0000 (AIDE 0.16)\n\
    AIDE found NO differences between database and filesystem. Looks okay!!\n\n\
    Number of entries:\t12\n\nEnd timestamp: 2026-01-02 03:04:06 +0000 (run time: 0m 1s)\n";
const CHANGED: &str = "Start timestamp: 2026-01-02 03:04:05 +0000 (AIDE 0.16)\n\
    AIDE found differences between database and filesystem!!\n\nSummary:\n\
    \x20 Total number of entries:\t12\n  Added entries:\t\t1\n  Removed entries:\t\t0\n\
    \x20 Changed entries:\t\t0\n\n---------------------------------------------------\n\
    Added entries:\n---------------------------------------------------\n\n\
    f++++++++++++++++: /etc/new\n\n\
    End timestamp: 2026-01-02 03:04:06 +0000 (run time: 0m 1s)\n";

/// The program on this node's behalf.
fn collector(space: &Space, node: &str, file: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(program());
    command
        .args([
            "logcollector",
            "--owner=fi",
            "--lc-config-map-prefix=aide-fi",
        ])
        .arg(format!("--namespace={}", space.namespace))
        .arg(format!("--node={node}"))
        .arg(format!("--lc-file={}", file.display()))
        .env(
            "KUBECONFIG",
            std::env::var_os("KUBECONFIG").context("KUBECONFIG")?,
        )
        .stdin(Stdio::null());
    Ok(command)
}

async fn run(mut command: Command) -> anyhow::Result<(bool, String)> {
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

async fn status(space: &Space, node: &str) -> anyhow::Result<FileIntegrityNodeStatus> {
    let name = names::node_status("fi", node);
    Ok(space.api::<FileIntegrityNodeStatus>().get(&name).await?)
}

#[tokio::test]
async fn one_report_with_its_exit_status() -> anyhow::Result<()> {
    in_space("collector", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("aide.log");
        std::fs::write(&file, CHANGED)?;
        let mut command = collector(space, &nodes[0], &file)?;
        command.arg("--exit-status=1");
        let (success, printed) = run(command).await?;
        assert!(success, "{printed}");
        let last = status(space, &nodes[0])
            .await?
            .last_result
            .context("a result")?;
        assert_eq!((last.condition, last.files_added), (Condition::Failed, 1));
        assert_eq!(last.changes[0].path, "/etc/new");
        let name = last.result_config_map_name.context("a failure log")?;
        let log = space.api::<ConfigMap>().get(&name).await?;
        assert_eq!(
            log.data.unwrap_or_default()[names::KEY_INTEGRITY_LOG],
            CHANGED
        );
        let printed = space.event_messages("fi", "NodeIntegrityStatus").await?;
        let expected = format!(
            "node {} has changed! a:1,c:0,r:0 log:{}/aide-fi-{}-failed",
            nodes[0], space.namespace, nodes[0]
        );
        assert!(printed.contains(&expected), "{printed:?}");

        // The exit status in a file; an error of AIDE is reported, and is the program's failure.
        let code = dir.path().join("code");
        std::fs::write(&code, "17\n")?;
        let mut command = collector(space, &nodes[0], &file)?;
        command.arg(format!("--exit-status-file={}", code.display()));
        let (success, printed) = run(command).await?;
        assert!(
            !success && printed.contains("the run was reported as Errored"),
            "{printed}"
        );
        let last = status(space, &nodes[0])
            .await?
            .last_result
            .context("a result")?;
        assert_eq!(
            last.error_message.as_deref(),
            Some("AIDE error: 17 Invalid configureline error")
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_followed_file_is_reported_each_time_it_is_complete() -> anyhow::Result<()> {
    in_space("follow", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("aide.log");
        // Half of a report: AIDE is still writing.
        std::fs::write(&file, &CHANGED[..CHANGED.len() / 2])?;
        let mut command = collector(space, &nodes[0], &file)?;
        let mut child = command.arg("--follow").stderr(Stdio::null()).spawn()?;
        std::fs::write(&file, CHANGED)?;
        let until = async |condition| {
            eventually(&format!("{condition}"), async || {
                let status = status(space, &nodes[0]).await?;
                Ok(status
                    .last_result
                    .filter(|last| last.condition == condition))
            })
            .await
        };
        until(Condition::Failed).await?;
        std::fs::write(&file, CLEAN)?;
        let last = until(Condition::Succeeded).await?;
        assert_eq!(last.files_scanned, Some(12));
        child.kill()?;
        child.wait()?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_report_that_is_never_complete_is_errored() -> anyhow::Result<()> {
    in_space("half", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("aide.log");
        for text in [&CHANGED[..CHANGED.len() / 2], ""] {
            std::fs::write(&file, text)?;
            let mut command = collector(space, &nodes[0], &file)?;
            command.arg("--lc-timeout=0");
            let (success, printed) = run(command).await?;
            assert!(!success, "{printed}");
            let last = status(space, &nodes[0])
                .await?
                .last_result
                .context("a result")?;
            assert_eq!(last.condition, Condition::Errored);
        }
        Ok(())
    })
    .await
}
