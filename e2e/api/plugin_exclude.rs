//! The command of the plugin that excludes paths.

use fio::testing::api::FileIntegrity;
use serde_json::{Value, json};

use crate::harness::in_space;
use crate::node_report::json_report;
use crate::plugin::{Kubectl, shown};

#[tokio::test]
async fn paths_are_excluded_until_that_is_ended() -> anyhow::Result<()> {
    in_space("plugin-exclude", async |space| {
        let operator = space.operator("op").await?;
        let (_nodes, mut daemons) = space.active("fi", json!({})).await?;
        daemons[0]
            .reports(&json_report("/etc/agent/index", 1))
            .await?;
        let spec = async || {
            let fi = space.api::<FileIntegrity>().get("fi").await?;
            anyhow::Ok(serde_json::to_value(fi.spec)?["exclude"].clone())
        };
        let editor = Kubectl::bound(space, "editor", &["fileintegrity-editor-role"]).await?;
        let exclude = [
            "exclude",
            "/etc/agent",
            "--reason",
            "the agent's index, INC1",
        ];
        let with = |more: &[&'static str]| [&exclude[..], more].concat();

        let error = editor.fails(&exclude, 2)?;
        anyhow::ensure!(error.contains("-y confirms"), "{error}");
        let text = editor.prints(&with(&["--dry-run"]), 0)?;
        shown(&text);
        anyhow::ensure!(
            text.contains("1 on 1 node") && text.contains("exclude:"),
            "{text}"
        );
        assert_eq!(spec().await?, Value::Null);
        let text = editor.prints(&with(&["-y"]), 0)?;
        shown(&text);
        let undo = "undo: kubectl file-integrity exclude /etc/agent --end --file-integrity fi -n ";
        anyhow::ensure!(text.contains(undo), "{text}");
        anyhow::ensure!(text.ends_with("fileintegrity/fi patched\n"), "{text}");
        let first = json!({"path": "/etc/agent", "reason": "the agent's index, INC1"});
        assert_eq!(spec().await?, json!([first]));
        let text = editor.prints(&with(&["-y"]), 0)?;
        assert_eq!(text, "fileintegrity/fi unchanged\n");

        // A name with a line feed and an escape sequence, and one that begins with a dash.
        let hostile = ["/etc/a\\012\\033[31m", "/-x"];
        let more = ["--reason", "odd", "--until", "2d", "-y"];
        let text = editor.prints(&[&["exclude"], &hostile[..], &more].concat(), 0)?;
        anyhow::ensure!(text.contains("'/etc/a\\012\\033[31m' /-x --end"), "{text}");
        let all = spec().await?;
        assert_eq!(all[1]["path"], json!(hostile[0]), "{all}");
        anyhow::ensure!(all[2]["until"].is_string(), "{all}");
        for path in ["/etc/a\n\u{1b}[31m", "etc", "/", "/etc/../x"] {
            let error = editor.fails(&["exclude", path, "--reason", "x", "-y"], 2)?;
            anyhow::ensure!(error.contains("is not valid"), "{error}");
            anyhow::ensure!(!error.trim_end().contains(['\u{1b}', '\n']), "{error:?}");
        }
        editor.fails(&["exclude", "-x", "--reason", "x", "-y"], 2)?;
        editor.fails(&["exclude", "/etc/x", "-y"], 2)?;
        editor.fails(&["exclude", "/etc/x", "--end", "--reason", "x", "-y"], 2)?;
        let past = ["--reason", "x", "--until", "2020-01-01T00:00:00Z", "-y"];
        let error = editor.fails(&[&["exclude", "/etc/x"], &past[..]].concat(), 2)?;
        anyhow::ensure!(error.contains("later than now"), "{error}");
        let error = editor.fails(&["exclude", "/etc/x", "--reason", "\u{1b}[31m", "-y"], 2)?;
        anyhow::ensure!(error.contains("reason must state"), "{error}");
        let error = editor.fails(&["exclude", "/etc/agen", "--end", "-y"], 2)?;
        anyhow::ensure!(error.contains("does not have: /etc/agen"), "{error}");

        let ends = [&["exclude"], &hostile[..], &["--end", "-y"]].concat();
        let text = editor.prints(&ends, 0)?;
        anyhow::ensure!(text.contains("--reason odd --until "), "{text}");
        assert_eq!(spec().await?, json!([first]));

        let viewer = Kubectl::bound(space, "viewer", &["fileintegrity-viewer-role"]).await?;
        let error = viewer.fails(&["exclude", "/etc/x", "--reason", "x", "-y"], 2)?;
        anyhow::ensure!(
            error.contains("you may not patch fileintegrities in the namespace")
                && error.contains("fileintegrity-editor-role"),
            "{error}"
        );
        operator.stop().await
    })
    .await
}

#[tokio::test]
async fn the_policy_refuses_an_exclusion_without_the_verb_accept() -> anyhow::Result<()> {
    in_space("plugin-exclude-policy", async |space| {
        let operator = space.operator("op").await?;
        let required = json!({"config": {"requireAcceptance": true},
            "exclude": [{"path": "/etc/old", "reason": "x"}]});
        space.active("fi", required).await?;
        crate::acceptances::until_policy_counts(space).await?;
        let roles = ["fileintegrity-editor-role"];
        let editor = Kubectl::bound(space, "editor", &roles).await?;
        for more in ["-y", "--dry-run"] {
            let error = editor.fails(&["exclude", "/etc/x", "--reason", "x", more], 2)?;
            anyhow::ensure!(
                error.contains(
                    "adding or extending an exclusion requires the verb accept on it, which editor"
                ),
                "{error}"
            );
        }
        // To watch more needs no such right.
        editor.prints(&["exclude", "/etc/old", "--end", "-y"], 0)?;
        let roles = ["fileintegrity-editor-role", "fileintegrity-accepter-role"];
        let accepter = Kubectl::bound(space, "accepter", &roles).await?;
        accepter.prints(&["exclude", "/etc/x", "--reason", "x", "-y"], 0)?;
        operator.stop().await
    })
    .await
}
