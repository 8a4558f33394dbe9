//! The report for auditors: the plugin reads what the operator and the publishers of daemons have written.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::harness::{clean, in_space};
use crate::plugin::Kubectl;

const FI: &str = "fi";

#[tokio::test]
async fn the_report_has_the_scans_that_the_daemons_have_counted() -> anyhow::Result<()> {
    in_space("plugin-report", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active(FI, json!({})).await?;
        for daemon in &mut daemons {
            daemon.finds(&clean()).await?;
            daemon.finds(&clean()).await?;
        }
        let kubectl = Kubectl::reader(space, "auditor")?;
        let report = kubectl.json(&["report"], 0)?;
        assert_eq!(report["kind"], "Report");
        assert_eq!(report["summary"]["nodes"], json!(nodes.len()));
        assert_eq!(report["summary"]["late"], 0);
        let rows = report["nodes"].as_array().context("nodes")?;
        for row in rows {
            assert!(row["scans"].as_i64() >= Some(2), "{row}");
            assert_eq!(row["state"], "ok");
            assert!(row["longestIntervalSeconds"].as_i64().is_some(), "{row}");
        }
        let csv = kubectl.prints(&["report", "-o", "csv"], 0)?;
        assert_eq!(csv.lines().count(), nodes.len() + 1, "{csv}");
        let page = kubectl.prints(&["report"], 0)?;
        assert!(page.starts_with("<!doctype html>"), "{page}");
        assert!(nodes.iter().all(|node| page.contains(&**node)), "{page}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let late = kubectl.json(&["report", "--max-interval", "1s"], 1)?;
        assert_eq!(late["findings"][0]["kind"], "late-scan", "{late}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_report_names_what_its_reader_may_not_read() -> anyhow::Result<()> {
    in_space("plugin-report-rights", async |space| {
        space.file_integrity(FI, json!({})).await?;
        let kubectl = Kubectl::bound(space, "viewer", &["fileintegrity-viewer-role"]).await?;
        let report = kubectl.json(&["report"], 2)?;
        assert_eq!(report["baselines"], json!(null));
        assert_eq!(report["acceptances"], json!([]));
        let unread = report["unread"][0].as_str().context("a sentence")?;
        assert!(unread.contains("you may not list configmaps"), "{unread}");
        let error = kubectl.fails(&["report", "--from", "yesterday"], 2)?;
        assert!(error.contains("--from must be a date"), "{error}");
        Ok(())
    })
    .await
}
