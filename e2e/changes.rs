//! Changes of files, and how they are reported.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{ChangeKind, Condition, Phase, ScanResult, names};
use flate2::read::GzDecoder;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::audit::Request;
use crate::harness::node::FILES;
use crate::harness::{Fi, Node, on_one_node, until};

/// Path below [`FILES`], kind and attributes of each change in a result.
fn changes(result: &ScanResult) -> BTreeMap<String, (ChangeKind, Vec<String>)> {
    result
        .changes
        .iter()
        .map(|change| {
            let path = change.path.strip_prefix(FILES).unwrap_or(&change.path);
            (path.to_owned(), (change.kind, change.attributes.clone()))
        })
        .collect()
}

/// Checks the failure log of the test below: the paths that need no escape, labels, annotations, and
/// the JSON report.
async fn failure_log_is_correct(
    fi: &Fi<'_>,
    node: &Node,
    paths: impl Iterator<Item = &String>,
) -> Result<()> {
    let log = fi.failure_log(&node.name).await?;
    let text = &log.data.as_ref().context("no data")?["integritylog"];
    for path in paths.filter(|path| !path.contains('\\')) {
        let path = format!("/hostroot{FILES}{path}");
        assert!(
            text.contains(&path),
            "{path} is in the failure log:\n{text}"
        );
    }
    let labels = log.metadata.labels.clone().unwrap_or_default();
    assert_eq!(labels[names::Label::OWNER], fi.name);
    assert_eq!(labels[names::Label::NODE], node.name);
    assert!(labels.contains_key(names::Label::RESULT_LOG));
    let annotations = log.metadata.annotations.clone().unwrap_or_default();
    let count = |key: &str| annotations.get(key).map(String::as_str);
    assert_eq!(count(names::Annotation::FILES_ADDED), Some("4"));
    assert_eq!(count(names::Annotation::FILES_CHANGED), Some("6"));
    assert_eq!(count(names::Annotation::FILES_REMOVED), Some("1"));
    assert_eq!(count(names::Annotation::COMPRESSED), None);
    assert_eq!(
        log.metadata.owner_references, None,
        "it outlives its FileIntegrity"
    );
    let json = &log.binary_data.as_ref().context("no binary data")?["report.json.gz"];
    let mut report = Vec::new();
    GzDecoder::new(json.0.as_slice()).read_to_end(&mut report)?;
    // AIDE writes the bytes of names into its JSON as they are.
    let report = String::from_utf8_lossy(&report);
    let report: Value = serde_json::from_str(&report)?;
    assert_eq!(report["number_of_entries"]["added"], 4, "{report}");
    Ok(())
}

/// The lines for log shippers about the last scan with changes, as soon as there are so many: the
/// container runtime hands them on a moment after they were written.
pub(crate) async fn lines_for_shippers(
    fi: &Fi<'_>,
    node: &Node,
    count: usize,
) -> Result<Vec<Value>> {
    until(format!("lines about changed files: {count}"), async || {
        let lines = of_last_scan(&fi.log(&node.name).await?)?;
        ensure!(lines.len() == count, "{} lines", lines.len());
        Ok(lines)
    })
    .await
}

/// The daemon's own log, which is in there too, is about other things.
fn of_last_scan(log: &str) -> Result<Vec<Value>> {
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let mut lines: Vec<Value> = lines
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("a line that is no JSON")?;
    lines.retain(|line| line.get("path").is_some() || line.get("omitted").is_some());
    let last = lines.last().context("no line about a file")?["scan"].clone();
    lines.retain(|line| line["scan"] == last);
    Ok(lines)
}

fn lines_are_correct(
    lines: &[Value],
    fi: &Fi<'_>,
    node: &Node,
    expected: &BTreeMap<String, (ChangeKind, Vec<String>)>,
) {
    let mut reported = BTreeMap::new();
    for line in lines {
        assert_eq!(
            (&line["node"], &line["fileIntegrity"]),
            (&json!(node.name), &json!(fi.name))
        );
        let time = line["time"].as_str().unwrap_or_default();
        assert!(time.parse::<Timestamp>().is_ok(), "{line}");
        let path = line["path"].as_str().unwrap_or_default();
        let attributes = line["attributes"].as_object().cloned().unwrap_or_default();
        reported.insert(
            path.strip_prefix(FILES).unwrap_or(path),
            (&line["change"], attributes),
        );
    }
    let paths: Vec<&str> = reported.keys().copied().collect();
    let wanted: Vec<&str> = expected.keys().map(String::as_str).collect();
    assert_eq!(paths, wanted);
    assert_eq!(reported["/added"].0, "added");
    assert_eq!(reported["/removed"].0, "removed");
    let (change, attributes) = &reported["/owner"];
    assert_eq!(*change, "changed");
    assert_eq!(
        json!(attributes),
        json!({"owner": {"old": "0", "new": "1"}})
    );
}

#[tokio::test]
async fn every_kind_of_change_is_reported_and_can_be_reverted() -> Result<()> {
    on_one_node("every-change", async |t| {
        let node = t.node()?;
        node.files(
            "umask 022; printf one > content; printf x > mode; printf x > owner; printf x > group
             printf x > removed; ln -s content link; mkdir dir",
        )
        .await?;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        let phases = fi.event_messages("FileIntegrityStatus").await?;

        node.sh(
            r#"umask 022; printf two > content; chmod 4755 mode; chown 1 owner; chgrp 1 group
               rm removed; ln -sfn mode link; chmod 700 dir; printf x > added
               printf x > "$(printf 'new\nline')"; printf x > "$(printf 'odd\377byte')"
               printf x > 'blank and "quote"'"#,
        )
        .await?;
        // A scan that is under way while this is done sees a part of it.
        let result = fi
            .result_with(&node.name, "4 added, 6 changed, 1 removed", |r| {
                (r.files_added, r.files_changed, r.files_removed) == (4, 6, 1)
            })
            .await?;
        let changed = |attributes: &[&str]| {
            let attributes = attributes.iter().map(|a| (*a).to_owned()).collect();
            (ChangeKind::Changed, attributes)
        };
        // The mode is part of the access control list, too.
        let mode = ["permissions", "acl"];
        let expected = BTreeMap::from(
            [
                ("/content", changed(&["sha256"])),
                ("/mode", changed(&mode)),
                ("/owner", changed(&["owner"])),
                ("/group", changed(&["group"])),
                ("/link", changed(&["link"])),
                ("/dir", changed(&mode)),
                ("/removed", (ChangeKind::Removed, vec![])),
                ("/added", (ChangeKind::Added, vec![])),
                (r"/new\012line", (ChangeKind::Added, vec![])),
                (r"/odd\377byte", (ChangeKind::Added, vec![])),
                (r#"/blank and "quote""#, (ChangeKind::Added, vec![])),
            ]
            .map(|(path, change)| (path.to_owned(), change)),
        );
        assert_eq!(changes(&result), expected);
        let log_name = format!("aide-every-change-{node}-failed");
        assert_eq!(result.result_config_map_name.as_ref(), Some(&log_name));
        assert_eq!(
            result.result_config_map_namespace.as_deref(),
            Some(t.namespace())
        );
        let message = format!(
            "node {node} has changed! a:4,c:6,r:1 log:{}/{log_name}",
            t.namespace()
        );
        let event = fi.event("NodeIntegrityStatus", &message).await?;
        assert_eq!((event.message, event.kind), (message, "Warning".to_owned()));

        failure_log_is_correct(&fi, node, expected.keys()).await?;
        let lines = lines_for_shippers(&fi, node, expected.len()).await?;
        lines_are_correct(&lines, &fi, node, &expected);

        node.sh(
            r#"umask 022; printf one > content; chmod 644 mode; chown 0 owner; chgrp 0 group
               printf x > removed; ln -sfn content link; chmod 755 dir; rm added
               rm "$(printf 'new\nline')" "$(printf 'odd\377byte')" 'blank and "quote"'"#,
        )
        .await?;
        fi.result(&node.name, Condition::Succeeded).await?;
        let clean = format!("no changes to node {node}");
        let messages = fi.event_messages("NodeIntegrityStatus").await?;
        let reported = messages.iter().filter(|message| **message == clean).count();
        assert_eq!(
            reported, 2,
            "once at the start and once after the changes were reverted: {messages:?}"
        );
        fi.phase(Phase::Active).await?;
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            phases,
            "a failed scan is a result, and no matter of the phase"
        );
        fi.failure_log(&node.name).await.context("the log stays")?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_same_changes_are_reported_once_and_other_changes_again() -> Result<()> {
    on_one_node("once", async |t| {
        let node = t.node()?;
        node.files("printf one > content").await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        node.sh("printf x > first").await?;
        let first = fi.result(&node.name, Condition::Failed).await?;
        let count_events = async || {
            let messages = fi.event_messages("NodeIntegrityStatus").await?;
            anyhow::Ok(
                messages
                    .iter()
                    .filter(|message| message.contains("has changed!"))
                    .count(),
            )
        };
        assert_eq!(count_events().await?, 1, "events of the first change");

        let daemon = fi.daemon(&node.name).await?.metadata.name;
        let requests = fi.requests_in_scans(&node.name, 3).await?;
        let of_daemon = requests
            .iter()
            .filter(|r| r.pod == daemon && r.verb != "watch")
            .map(Request::short);
        let status = format!("patch fileintegritynodestatuses once-{node} (200)");
        assert_eq!(
            of_daemon.collect::<Vec<_>>(),
            vec![status; 3],
            "the daemon's requests in three scans that find the same"
        );
        assert_eq!(count_events().await?, 1, "events after three further scans");

        node.sh("mv first second").await?;
        let second = fi
            .result_with(&node.name, "a failure with other changes", |r| {
                r.condition == Condition::Failed && r.changes_hash != first.changes_hash
            })
            .await?;
        assert_eq!(
            (
                second.files_added,
                second.files_changed,
                second.files_removed
            ),
            (1, 0, 0),
            "equal counts"
        );
        assert_eq!(
            count_events().await?,
            2,
            "events after another file at equal counts"
        );

        node.sh("printf two > second").await?;
        fi.result_with(&node.name, "a failure with new content", |r| {
            r.condition == Condition::Failed && r.changes_hash != second.changes_hash
        })
        .await?;
        assert_eq!(
            count_events().await?,
            3,
            "events after new content in a file that was already reported"
        );
        fi.scans(&node.name, 1).await?;
        assert_eq!(count_events().await?, 3, "events after a further scan");
        Ok(())
    })
    .await
}
