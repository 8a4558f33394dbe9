//! The kernel ends AIDE for memory, by the limit of the daemon's container.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Result;
use fio::testing::api::Condition;
use serde_json::{Value, json};

use crate::chaos::Row;
use crate::harness::{Fi, on_one_node};

/// Files in the baseline: AIDE keeps them all in memory, of which it then takes some 100 MB.
const FILES: usize = 100_000;
/// Enough for the daemon, and for AIDE to begin.
const TOO_LITTLE: &str = "40Mi";
const ENOUGH: &str = "600Mi";
/// What a result says where the kernel ended AIDE alone.
const ALONE: &str = "killed by signal 9, possibly out of memory";
/// Where it ended the whole container, as it does with control groups of version 2. It says as well
/// how many times in a row, so each is another error.
const CONTAINER: &str = "ScanInterrupted";

fn limit(memory: &str) -> Value {
    json!({"spec": {"resources": {"limits": {"cpu": "1", "memory": memory}}}})
}

/// The messages that begin so.
async fn told(fi: &Fi<'_>, start: &str) -> Result<Vec<String>> {
    let mut notes = fi.notes("NodeIntegrityStatus").await?;
    notes.retain(|note| note.starts_with(start));
    Ok(notes)
}

#[tokio::test]
async fn a_scan_without_memory_is_an_error_and_the_change_is_found_with_more() -> Result<()> {
    on_one_node("memory", async |t| {
        let node = t.node()?;
        let files = format!("seq -f %06.0f {FILES} | xargs touch");
        node.files(&files).await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let baseline = fi.baseline(&node.name).await?;

        fi.patch(limit(TOO_LITTLE)).await?;
        let result = fi.result(&node.name, Condition::Errored).await?;
        let message = result.error_message.unwrap_or_default();
        let is_alone = message.contains(ALONE);
        assert!(is_alone || message.contains(CONTAINER), "{message}");
        node.sh("printf x > new").await?;
        let later = fi.scans(&node.name, 2).await?;
        assert_eq!(later.condition, Condition::Errored, "{later:?}");
        let error = format!("node {node} has an error!");
        let errors = told(&fi, &error).await?;
        let different: BTreeSet<_> = errors.iter().collect();
        let expected = if is_alone { 1 } else { different.len() };
        assert_eq!(errors.len(), expected, "each is told once: {errors:?}");
        assert_eq!(fi.baseline(&node.name).await?, baseline);
        assert_eq!(node.digest_on_disk().await?, baseline.digest);

        fi.patch(limit(ENOUGH)).await?;
        let enough_since = Instant::now();
        let result = fi.result(&node.name, Condition::Failed).await?;
        let recovered = enough_since.elapsed();
        assert_eq!(
            (result.files_added, result.files_changed),
            (1, 0),
            "{result:?}"
        );
        assert_eq!(fi.baseline(&node.name).await?, baseline);
        let change = format!("node {node} has changed!");
        fi.said("NodeIntegrityStatus", &change).await?;
        let told = told(&fi, &change).await?.len();
        Row {
            fault: String::from("AIDE killed by the kernel for memory (cluster)"),
            tried: 1,
            lost: usize::from(told == 0),
            duplicated: told.saturating_sub(1),
            recovery_seconds: Some(recovered.as_secs_f64()),
        }
        .tell()
    })
    .await
}
