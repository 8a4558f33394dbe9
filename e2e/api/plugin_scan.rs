//! The command of the plugin that requests scans.

use anyhow::Context as _;
use fio::testing::api::{CompletedRequest, FileIntegrity, FileIntegrityNodeStatus, names, time};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::harness::{Daemon, Space, changed, clean, eventually, in_space};
use crate::plugin::Kubectl;

/// Plays the daemon of a node with an open request for a scan.
async fn scans(space: &Space, daemon: &mut Daemon, is_changed: bool) -> anyhow::Result<()> {
    let statuses = space.api::<FileIntegrityNodeStatus>();
    let id = eventually("the request of a scan", async || {
        let status = statuses.get(&daemon.status).await?;
        let id = status.annotation(names::Annotation::SCAN_REQUEST);
        let is_done = status.scan.as_ref().map(|scan| scan.id.as_str()) == id;
        Ok(id.filter(|_| !is_done).map(str::to_owned))
    });
    let id = id.await?;
    let outcome = if is_changed { changed() } else { clean() };
    daemon.finds(&outcome).await?;
    let now = time::now();
    let (started_at, finished_at) = (now.clone(), now);
    let scan = CompletedRequest {
        id,
        started_at,
        finished_at,
    };
    let patch = Patch::Merge(json!({"scan": scan}));
    let params = PatchParams::default();
    statuses.patch(&daemon.status, &params, &patch).await?;
    Ok(())
}

#[tokio::test]
async fn scans_are_requested_and_waited_for() -> anyhow::Result<()> {
    in_space("plugin-scan", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        let [first, second] = &nodes;
        let [one, other] = &mut daemons;
        let editor = Kubectl::bound(space, "editor", &["fileintegrity-editor-role"]).await?;

        let text = editor.prints(&["scan", first], 0)?;
        assert_eq!(text, "fi: scan of 1 node requested\n");
        let error = editor.fails(
            &["wait", "--for", "scanned", first, "--timeout", "10s"],
            124,
        )?;
        assert_eq!(
            error,
            format!("timed out: scanned: 0 of 1 node, not yet {first}\n")
        );
        scans(space, one, false).await?;

        let wait = ["scan", "--all", "--wait", "--timeout", "60s"];
        let daemons = async {
            scans(space, one, true).await?;
            scans(space, other, false).await
        };
        let (output, done) = tokio::join!(editor.run_beside(&wait), daemons);
        done?;
        let output = output?;
        let text = String::from_utf8(output.stdout)?;
        assert_eq!(
            text,
            "fi: scan of 2 nodes requested\nscanned: 2 nodes, 1 ok, 1 changed\n"
        );
        assert_eq!(output.status.code(), Some(1));

        let wait = [
            "scan",
            &format!("node/{second}"),
            "--wait",
            "--timeout",
            "60s",
        ];
        let (output, done) = tokio::join!(editor.run_beside(&wait), scans(space, other, false));
        done?;
        let output = output?;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let error = editor.fails(&["scan", second, "--wait", "--timeout", "10s"], 124)?;
        assert_eq!(
            error,
            format!("timed out: scanned: 0 of 1 node, not yet {second}\n")
        );
        operator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_request_is_merged_with_one_that_waits() -> anyhow::Result<()> {
    in_space("plugin-scan-merge", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, _daemons) = space.active("fi", json!({})).await?;
        // Nobody takes the requests from here on.
        operator.stop().await?;
        let [first, second] = &nodes;
        let editor = Kubectl::bound(space, "editor", &["fileintegrity-editor-role"]).await?;
        let annotation = async || {
            let fi = space.api::<FileIntegrity>().get("fi").await?;
            let annotations = fi.metadata.annotations.context("annotations")?;
            let value = annotations.get(names::Annotation::SCAN).cloned();
            value.context("the annotation")
        };
        let viewer = Kubectl::bound(space, "viewer", &["fileintegrity-viewer-role"]).await?;
        let error = viewer.fails(&["scan", "--all"], 2)?;
        anyhow::ensure!(
            error.contains("you may not patch fileintegrities in the namespace")
                && error.contains("fileintegrity-editor-role"),
            "{error}"
        );
        editor.prints(&["scan", first], 0)?;
        assert_eq!(&annotation().await?, first);
        editor.prints(&["scan", second, first], 0)?;
        assert_eq!(annotation().await?, format!("{first},{second}"));
        let error = editor.fails(
            &["wait", "--for", "scanned", second, "--timeout", "10s"],
            124,
        )?;
        anyhow::ensure!(error.contains(&format!("not yet {second}")), "{error}");
        editor.prints(&["scan", "--all"], 0)?;
        assert_eq!(annotation().await?, "");
        editor.prints(&["scan", second], 0)?;
        assert_eq!(annotation().await?, "", "all nodes already");

        editor.fails(&["scan"], 2)?;
        editor.fails(&["scan", first, "--all"], 2)?;
        for hostile in ["nowhere\u{1b}[31m", "a\nb", "--", "-x"] {
            let error = editor.fails(&["-n", &space.namespace, "scan", "--", hostile], 2)?;
            anyhow::ensure!(
                error.contains("no FileIntegrity watches these nodes"),
                "{error}"
            );
            anyhow::ensure!(!error.trim_end().contains(['\u{1b}', '\n']), "{error:?}");
        }
        let error = editor.fails(&["scan", "-l", "a=b"], 2)?;
        anyhow::ensure!(error.contains("you may not list nodes"), "{error}");
        let admin = Kubectl::reader(space, "admin")?;
        let error = admin.fails(&["scan", "-l", "no-such-label"], 2)?;
        anyhow::ensure!(
            error.contains("no watched node has these labels"),
            "{error}"
        );
        Ok(())
    })
    .await
}
