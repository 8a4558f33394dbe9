//! Kept logs that are too large to be kept as they are.

use std::collections::BTreeSet;
use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fio::testing::api::{Condition, names};
use flate2::read::GzDecoder;
use serde_json::json;

use crate::changes::lines_for_shippers;
use crate::harness::node::FILES;
use crate::harness::on_one_node;

/// How many files are added.
const FILES_ADDED: usize = 10_000;

#[tokio::test]
async fn a_log_of_ten_thousand_files_is_compressed_and_whole() -> Result<()> {
    on_one_node("large-log", async |t| {
        let node = t.node()?;
        node.files("printf x > file").await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        // With names so long that the report is larger than a ConfigMap may be.
        let stem = "x".repeat(100);
        node.sh(&format!(
            "seq -f '{stem}-%05.0f' {FILES_ADDED} | xargs touch"
        ))
        .await?;
        // A scan that is under way while they are made, or a check, sees a part of them.
        let added = i64::try_from(FILES_ADDED)?;
        let result = fi
            .result_with(&node.name, "10,000 files added", |r| r.files_added == added)
            .await?;
        assert_eq!(result.condition, Condition::Failed);
        assert_eq!(result.changes.len(), 20, "changes in the status");

        let log = fi.failure_log(&node.name).await?;
        let annotations = log.metadata.annotations.unwrap_or_default();
        let annotation = |key: &str| annotations.get(key).map(String::as_str);
        assert_eq!(annotation(names::Annotation::COMPRESSED), Some(""));
        assert_eq!(annotation(names::Annotation::FILES_ADDED), Some("10000"));
        let data = log.data.context("no data")?;
        let text = unpack(&data["integritylog"])?;
        let logged = paths(&text);
        assert_eq!(logged.len(), FILES_ADDED, "paths in the unpacked log");
        // AIDE's report on the node is that of a scan of all files.
        fi.scans(&node.name, 1).await?;
        let on_node = node.sh("cat /etc/kubernetes/aide.log").await?;
        ensure!(
            logged == paths(&on_node),
            "the failure log and that on the node have the same paths"
        );
        // For log shippers there are 1,000, and how many there would be more.
        let lines = lines_for_shippers(&fi, node, 1001).await?;
        let (last, files) = lines.split_last().context("no lines")?;
        assert_eq!(files.len(), 1000, "lines about files");
        assert!(files.iter().all(|line| line["change"] == "added"));
        assert_eq!(last["omitted"], 9000, "{last}");
        Ok(())
    })
    .await
}

/// The test's files in the lines of a plain report.
fn paths(report: &str) -> BTreeSet<&str> {
    let lines = report.lines();
    let paths = lines.filter_map(|line| line.split_once(": /hostroot"));
    let paths = paths.map(|(_, path)| path);
    paths.filter(|path| path.starts_with(FILES)).collect()
}

/// What `base64 -d | gunzip` makes of it.
fn unpack(text: &str) -> Result<String> {
    let gzip = BASE64.decode(text).context("base64")?;
    let mut text = String::new();
    GzDecoder::new(gzip.as_slice())
        .read_to_string(&mut text)
        .context("gunzip")?;
    Ok(text)
}
