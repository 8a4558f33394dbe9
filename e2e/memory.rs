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
/// The error message if the kernel killed only AIDE.
const ALONE: &str = "killed by signal 9, possibly out of memory";
/// If it killed the whole container, as with control groups of version 2. The message contains
/// the number of consecutive failures, so each is a different error.
const CONTAINER: &str = "ScanInterrupted";

fn limit(memory: &str) -> Value {
    json!({"spec": {"resources": {"limits": {"cpu": "1", "memory": memory}}}})
}

/// The event messages that begin with `start`.
async fn messages_with(fi: &Fi<'_>, start: &str) -> Result<Vec<String>> {
    let mut messages = fi.event_messages("NodeIntegrityStatus").await?;
    messages.retain(|message| message.starts_with(start));
    Ok(messages)
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
        let errors = messages_with(&fi, &error).await?;
        let different: BTreeSet<_> = errors.iter().collect();
        let expected = if is_alone { 1 } else { different.len() };
        assert_eq!(errors.len(), expected, "each is reported once: {errors:?}");
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
        fi.event("NodeIntegrityStatus", &change).await?;
        let reported = messages_with(&fi, &change).await?.len();
        Row {
            fault: String::from("AIDE killed by the kernel for memory (cluster)"),
            tried: 1,
            lost: usize::from(reported == 0),
            duplicated: reported.saturating_sub(1),
            recovery_seconds: Some(recovered.as_secs_f64()),
        }
        .print()
    })
    .await
}
