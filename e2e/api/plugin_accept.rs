//! The command of the plugin that accepts single changes of a set.

use anyhow::Context as _;
use fio::testing::api::FileIntegrityAcceptance;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::in_space;
use crate::plugin::{Kubectl, shown};

/// AIDE's report of an edited file, an added one with a hostile name, and a removed one.
fn report() -> String {
    let digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let old = "LIsI2lzmA5jh8Zrw5dzMdE3ydLgmq+WF6rpoxSVDSAY=";
    json!({
        "number_of_entries": {"total": 9, "added": 1, "removed": 1, "changed": 1},
        "added": {"/hostroot/etc/-a\n\u{1b}[31m": "f++++"},
        "removed": {"/hostroot/etc/gone": "f----"},
        "changed": {"/hostroot/etc/motd": "f"},
        "details": {
            "/hostroot/etc/motd": {"sha256": {"old": old, "new": digest}},
            "/hostroot/etc/-a\n\u{1b}[31m": {
                "file_type": {"new": "File"}, "perm": {"new": "-rw-r--r--"}, "uid": {"new": 0},
                "gid": {"new": 0}, "sha256": {"new": digest},
            },
            "/hostroot/etc/gone": {"sha256": {"old": old}},
        },
    })
    .to_string()
}

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HOSTILE: &str = "/etc/-a\\012\\033[31m";

#[tokio::test]
async fn single_changes_are_accepted() -> anyhow::Result<()> {
    in_space("plugin-accept", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        for daemon in &mut daemons {
            daemon.reports(&report()).await?;
        }
        let roles = [
            "fileintegrity-log-reader-role",
            "fileintegrity-accepter-role",
        ];
        let accepter = Kubectl::bound(space, "accepter", &roles).await?;
        let acceptances = async || {
            let api = space.api::<FileIntegrityAcceptance>();
            let list = api.list(&ListParams::default()).await?;
            let specs = list
                .items
                .into_iter()
                .map(|it| serde_json::to_value(it.spec));
            anyhow::Ok(specs.collect::<Result<Vec<Value>, _>>()?)
        };
        let node = [&*nodes[0], "--reason", "a new message"];
        let accept = |more: &[&str]| [&["accept"], &node[..], more].concat().join("\u{0}");
        let words = |text: &str| text.split('\u{0}').map(str::to_owned).collect::<Vec<_>>();
        let run = |more: &[&str], status: i32| {
            let all = words(&accept(more));
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            match status {
                0 => accepter.prints(&all, 0),
                status => accepter.fails(&all, status),
            }
        };

        let text = run(&["--path", "/etc/motd", "--dry-run"], 0)?;
        shown(&text);
        anyhow::ensure!(
            text.contains("not accepted: 2 other changes of the set"),
            "{text}"
        );
        anyhow::ensure!(text.contains(HEX) && !text.contains("gone"), "{text}");
        anyhow::ensure!(acceptances().await?.is_empty());
        let text = run(&["--path", "/etc/gone", "--path", HOSTILE, "-y"], 0)?;
        shown(&text);
        anyhow::ensure!(text.contains("fileintegrityacceptance/"), "{text}");
        let all = acceptances().await?;
        let spec = all.first().context("the acceptance")?;
        assert_eq!(spec["changeSet"], json!(null), "{spec}");
        assert_eq!(spec["nodes"], json!({"names": [nodes[0]]}), "{spec}");
        let mut changes = spec["changes"].as_array().context("changes")?.clone();
        changes.sort_by_key(ToString::to_string);
        let added = json!({"path": HOSTILE, "kind": "added", "digests": {"sha256": HEX},
            "mode": "0644", "uid": 0, "gid": 0});
        let removed = json!({"path": "/etc/gone", "kind": "removed"});
        assert!(
            changes.contains(&added) && changes.contains(&removed),
            "{changes:?}"
        );
        assert_eq!(changes.len(), 2);

        for hostile in ["/etc", "/etc/mot", "-x", "/etc/-a\n\u{1b}[31m"] {
            let option = format!("--path={hostile}");
            let error = run(&[&option, "-y"], 2)?;
            anyhow::ensure!(error.contains("not among the changes: "), "{error}");
            anyhow::ensure!(!error.trim_end().contains(['\u{1b}', '\n']), "{error:?}");
        }
        run(&["--path", "/etc/motd", "--incomplete", "-y"], 2)?;
        assert_eq!(acceptances().await?.len(), 1);
        let only_logs = ["fileintegrity-log-reader-role"];
        let reviewer = Kubectl::bound(space, "reviewer", &only_logs).await?;
        let all = [
            "accept",
            &nodes[1],
            "--reason",
            "x",
            "--path",
            "/etc/motd",
            "-y",
        ];
        let error = reviewer.fails(&all, 2)?;
        anyhow::ensure!(
            error.contains("you may not create fileintegrityacceptances")
                && error.contains("fileintegrity-accepter-role"),
            "{error}"
        );
        operator.stop().await
    })
    .await
}
