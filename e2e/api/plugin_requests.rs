//! The commands of the plugin that request something of nodes: hold, resume and reinit; and wait.

use std::time::Duration;

use anyhow::Context as _;
use fio::testing::api::{FileIntegrityNodeStatus, names};
use serde_json::json;

use crate::harness::{Daemon, Space, aide, changed, clean, eventually, in_space};
use crate::node_report::json_report;
use crate::plugin::{Kubectl, shown};

/// Until the node's status holds its scans, or does not.
async fn until_held(space: &Space, node: &str, is_held: bool) -> anyhow::Result<()> {
    let name = names::node_status("fi", node);
    eventually(&format!("{node} held: {is_held}"), async || {
        let status = space.api::<FileIntegrityNodeStatus>().get(&name).await?;
        let hold = status.annotation(names::Annotation::HOLDOFF);
        Ok((hold.is_some() == is_held).then_some(()))
    })
    .await
}

#[tokio::test]
async fn scans_are_held_and_resumed() -> anyhow::Result<()> {
    in_space("plugin-hold", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, _daemons) = space.active("fi", json!({})).await?;
        let [first, second] = &nodes;
        let editor = ["fileintegrity-editor-role"];
        let editor = Kubectl::bound(space, "editor", &editor).await?;
        let text = editor.prints(&["hold", first], 0)?;
        assert_eq!(text, format!("fi: held: {first}\n"));
        until_held(space, first, true).await?;
        let status = editor.json(&["status"], 0)?;
        let of_node = &status["fileIntegrities"][0]["nodes"];
        assert_eq!(of_node[0]["held"], json!("user"), "{of_node}");
        let text = editor.prints(&["hold", &format!("node/{second}")], 0)?;
        assert_eq!(text, format!("fi: held: {first}, {second}\n"));
        let text = editor.prints(&["resume", first], 0)?;
        assert_eq!(text, format!("fi: held: {second}\n"));
        until_held(space, first, false).await?;
        until_held(space, second, true).await?;
        let text = editor.prints(&["hold", "--all"], 0)?;
        assert_eq!(text, "fi: all nodes are held\n");
        until_held(space, first, true).await?;
        let error = editor.fails(&["resume", first], 2)?;
        anyhow::ensure!(error.contains("all nodes are held"), "{error}");
        let text = editor.prints(&["resume", "--all"], 0)?;
        assert_eq!(text, "fi: no node is held\n");
        until_held(space, first, false).await?;
        until_held(space, second, false).await?;

        editor.fails(&["hold"], 2)?;
        let error = editor.fails(&["hold", "nowhere\u{1b}[31m"], 2)?;
        anyhow::ensure!(
            error.contains("no FileIntegrity watches these nodes: nowhere\\033"),
            "{error}"
        );
        let viewer = ["fileintegrity-viewer-role"];
        let viewer = Kubectl::bound(space, "viewer", &viewer).await?;
        for command in [&["hold", first][..], &["reinit", first, "-y"]] {
            let error = viewer.fails(command, 2)?;
            anyhow::ensure!(
                error.contains("you may not patch fileintegrities in the namespace")
                    && error.contains("fileintegrity-editor-role"),
                "{error}"
            );
        }
        operator.stop().await
    })
    .await
}

#[tokio::test]
async fn new_baselines_are_requested_after_what_they_accept_is_shown() -> anyhow::Result<()> {
    in_space("plugin-reinit", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        let kubectl = Kubectl::reader(space, "admin")?;
        kubectl.prints(&["wait", "--for", "ok,active"], 0)?;
        let [daemon, other] = &mut daemons;
        daemon.reports(&json_report("/etc/new", 1)).await?;
        let waits = ["wait", "--for", "ok", "--timeout", "10s"];
        let error = kubectl.fails(&waits, 124)?;
        assert_eq!(error, "timed out: ok: 1 node changed\n");
        kubectl.prints(&["wait", "--for", "ok", &nodes[1]], 0)?;

        let error = kubectl.fails(&["reinit", &nodes[0]], 2)?;
        anyhow::ensure!(error.contains("-y confirms"), "{error}");
        let reinit = ["reinit", &nodes[0], "-y", "--wait"];
        let (output, done) = tokio::join!(kubectl.run_beside(&reinit), daemon.handle_request());
        done?;
        let output = output?;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout)?;
        shown(&text);
        for part in [
            "added    /etc/new",
            "A new baseline accepts everything",
            "fileintegrity/fi annotated",
            "new baselines: 1 node",
        ] {
            anyhow::ensure!(text.contains(part), "{part}: {text}");
        }
        scanned(space, &kubectl, daemon, other).await?;
        let error = kubectl.fails(&["wait", "--for", "accepted", "--acceptance", "x"], 2)?;
        anyhow::ensure!(error.contains("not found"), "{error}");
        kubectl.prints(&["wait", "--for", "accepted"], 0)?;
        operator.stop().await
    })
    .await
}

/// The arguments of the command about these paths.
fn coverage<'a>(aide: &'a str, paths: &[&'a str]) -> Vec<&'a str> {
    [&["config", "coverage"], paths, &["--aide", aide]].concat()
}

#[tokio::test]
async fn the_active_configuration_says_which_paths_are_watched() -> anyhow::Result<()> {
    in_space("plugin-coverage", async |space| {
        let operator = space.operator("op").await?;
        let (_nodes, _daemons) = space.active("fi", json!({})).await?;
        let reader = ["fileintegrity-log-reader-role"];
        let reader = Kubectl::bound(space, "reader", &reader).await?;
        let aide = aide().await?;
        let aide = aide.to_str().context("a path")?;
        let text = reader.prints(
            &coverage(aide, &["/etc/passwd", "/usr/bin/sudo", "/nowhere"]),
            1,
        )?;
        shown(&text);
        let all = reader.json(&coverage(aide, &["/etc/passwd", "/nowhere"]), 1)?;
        let fi = &all["fileIntegrities"][0];
        assert_eq!(fi["nodesWithConfiguration"], json!(2), "{all}");
        let [watched, unwatched] = [0, 1].map(|index| &fi["paths"][index]);
        assert_eq!(watched["watched"], json!(true), "{all}");
        assert_eq!(watched["nodes"], json!(2), "{all}");
        let rule = watched["rule"].as_str().context("the rule")?;
        anyhow::ensure!(
            rule.starts_with("/(bin|") && rule.contains("|etc|"),
            "{rule}"
        );
        assert_eq!(unwatched["watched"], json!(false), "{all}");
        reader.prints(&coverage(aide, &["/etc/passwd"]), 0)?;
        let error = reader.fails(&coverage(aide, &["../x"]), 2)?;
        anyhow::ensure!(error.contains("is not an absolute path"), "{error}");
        let viewer = ["fileintegrity-viewer-role"];
        let viewer = Kubectl::bound(space, "viewer", &viewer).await?;
        let error = viewer.fails(&coverage(aide, &["/etc/passwd"]), 2)?;
        anyhow::ensure!(error.contains("you may not get configmaps"), "{error}");
        let none = ["config", "coverage", "/etc", "--aide", "/nonexistent"];
        let error = viewer.fails(&none, 2)?;
        anyhow::ensure!(error.contains("AIDE not found"), "{error}");
        operator.stop().await
    })
    .await
}

/// A complete scan of all nodes decides whether files differ.
async fn scanned(
    space: &Space,
    kubectl: &Kubectl,
    first: &mut Daemon,
    second: &mut Daemon,
) -> anyhow::Result<()> {
    let waits = ["wait", "--for", "scanned,ok", "--timeout", "60s"];
    let before = space.requests("admin")?.len();
    let scans = async {
        // The command has to read the fleet before the scans.
        eventually("the command to read the fleet", async || {
            let requests = space.requests("admin")?.len();
            Ok((requests >= before + 2).then_some(()))
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        first.finds(&changed()).await?;
        second.finds(&clean()).await
    };
    let (output, scans) = tokio::join!(kubectl.run_beside(&waits), scans);
    scans?;
    let output = output?;
    let error = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{error}");
    let last = error.lines().last().context("the reason")?;
    anyhow::ensure!(last.starts_with("ok: 1 node changed"), "{error}");
    Ok(())
}
