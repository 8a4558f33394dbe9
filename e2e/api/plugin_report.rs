//! The report for auditors: the plugin reads what the operator and the publishers of daemons have written.

use std::time::Duration;

use anyhow::Context as _;
use fio::testing::api::{FileIntegrityNodeStatus, names};
use serde_json::json;

use crate::acceptance_admission::from_now;
use crate::harness::{aide, clean, in_space};
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

#[tokio::test]
async fn the_report_has_critical_files_and_holds() -> anyhow::Result<()> {
    in_space("plugin-report-critical", async |space| {
        let operator = space.operator("op").await?;
        let hold = json!({"name": "weekend", "from": from_now(-60), "until": from_now(3600),
            "reason": "kernel, CHG7", "nodes": ["elsewhere"]});
        let (nodes, _daemons) = space.active(FI, json!({"holds": [hold]})).await?;
        let status = json!({"hold": {"since": from_now(-60), "until": from_now(3600), "then": "Report",
            "holds": ["weekend"]}});
        let name = names::node_status(FI, &nodes[0]);
        space.merge::<FileIntegrityNodeStatus>(&name, status).await?;
        let role = ["fileintegrity-log-reader-role"];
        let reader = Kubectl::bound(space, "reader", &role).await?;
        let text = reader.prints(&["status"], 0)?;
        let line = "fi: 1 node held by weekend in spec.holds, until ";
        anyhow::ensure!(text.contains(line), "{text}");

        let aide = aide().await?;
        let aide = aide.to_str().context("a path")?;
        let hostile = "/srv/-x\u{1b}[31m";
        let critical = ["report", "--aide", aide, "--critical", "/etc/passwd", "--critical", hostile];
        let report = reader.json(&critical, 2)?;
        let rows = report["criticalFiles"].as_array().context("files")?;
        let row = |index: usize| (rows[index]["watched"].clone(), rows[index]["watchingNodes"].clone());
        assert_eq!(row(0), (json!(true), json!(2)), "{report}");
        assert_eq!(row(1), (json!(false), json!(0)), "{report}");
        let findings = report["findings"].as_array().context("findings")?;
        let of_kind = |kind: &str| findings.iter().filter(|it| it["kind"] == kind).count();
        assert_eq!((of_kind("critical-file"), of_kind("held")), (1, 1), "{report}");
        let row = &report["holds"][0];
        assert_eq!(row["name"], json!("weekend"), "{report}");
        assert_eq!(row["nodesNow"], json!(nodes[0]), "{report}");
        let page = reader.prints(&critical, 2)?;
        anyhow::ensure!(page.contains("kernel, CHG7"), "{page}");
        let csv = reader.prints(&[&critical[..], &["-o", "csv", "--table", "critical-files"]].concat(), 2)?;
        assert_eq!(csv.lines().count(), 3, "{csv}");

        let all = reader.json(&["report", "--aide", aide], 2)?;
        let rows = all["criticalFiles"].as_array().context("files")?;
        assert!(rows.len() == 10 && rows.iter().all(|row| row["watchingNodes"] == 2), "{all}");
        let none = ["report", "--aide", "/nonexistent"];
        let unknown = reader.json(&none, 2)?;
        assert_eq!(unknown["criticalFiles"], json!(null), "{unknown}");
        let before = unknown["unread"].as_array().map(Vec::len);
        let unknown = reader.json(&[&none[..], &["--critical", "/etc/passwd"]].concat(), 2)?;
        assert_eq!(unknown["unread"].as_array().map(Vec::len), before.map(|it| it + 1));
        let viewer = Kubectl::bound(space, "viewer", &["fileintegrity-viewer-role"]).await?;
        let unknown = viewer.json(&["report", "--aide", aide], 2)?;
        let why = unknown["criticalFilesUnknownBecause"].as_str().context("why")?;
        anyhow::ensure!(why.contains("you may not get configmaps"), "{why}");
        operator.stop().await
    })
    .await
}
