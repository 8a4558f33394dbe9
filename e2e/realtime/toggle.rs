//! A file that toggles is one failure: few events, and an alert that stays.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::Condition;
use serde_json::json;

use super::{PAUSE, is_active, is_confirmed_by_a_scan};
use crate::alerts::{firing_since, prometheus_is_configured};
use crate::harness::monitoring::with_monitoring;
use crate::harness::{Fi, Node, Test, on_all_nodes_for, on_one_node, until};
use crate::metrics::{node_failed, scrape};

/// For how long a file toggles with the other tests, in seconds.
const SHORT: u32 = 70;
/// The same in the long test: `make soak` runs it.
const LONG: u32 = 600;
/// How long the long test may take.
const WHOLE: Duration = Duration::from_secs(1800);
/// Pause between two observations.
const INTERVAL: Duration = Duration::from_secs(1);

/// A FileIntegrity with a file on the node that is about to toggle.
async fn create<'a>(t: &'a Test, node: &Node) -> Result<Fi<'a>> {
    node.files("printf one > file").await?;
    let fi = t.create(json!({"config": {"gracePeriod": PAUSE}})).await?;
    fi.watched().await?;
    is_active(&fi, node).await?;
    Ok(fi)
}

async fn is_failed(t: &Test, node: &Node) -> Result<()> {
    let series = scrape(t, node).await?;
    ensure!(series.get(&node_failed(node)) == Some(&1.0), "{series:?}");
    Ok(())
}

/// Changes the file every second for so long. What `observe` returns first, it has to return until the end.
async fn toggle<T: PartialEq + std::fmt::Debug>(
    fi: &Fi<'_>,
    node: &Node,
    seconds: u32,
    observe: impl AsyncFn() -> Result<T>,
) -> Result<()> {
    let before = fi.event_messages("NodeIntegrityStatus").await?.len();
    let has_ended = Cell::new(false);
    let changes = async {
        let times = seconds / 2;
        node.sh(&format!(
            "for i in $(seq {times}); do
               printf two > file; sleep 1; printf one > file; sleep 1
             done"
        ))
        .await?;
        has_ended.set(true);
        Ok(())
    };
    let observation = async {
        fi.result(&node.name, Condition::Failed).await?;
        let first = until("the failure is seen", &observe).await?;
        let mut samples = 0;
        while !has_ended.get() {
            let seen = observe().await.context("the file toggles")?;
            assert_eq!(seen, first, "the file toggles");
            samples += 1;
            tokio::time::sleep(INTERVAL).await;
        }
        ensure!(samples > 10, "{samples} samples");
        anyhow::Ok(())
    };
    tokio::try_join!(changes, observation)?;
    let messages = fi.event_messages("NodeIntegrityStatus").await?;
    let new = messages.len() - before;
    crate::chaos::print("realtime", &json!({"toggled": seconds, "events": new}))?;
    assert!((1..=3).contains(&new), "events: {messages:?}");

    let reported = fi.result(&node.name, Condition::Succeeded).await?;
    let messages = fi.event_messages("NodeIntegrityStatus").await?;
    let failures = messages.iter().filter(|m| m.contains("has changed!"));
    assert_eq!(failures.count(), 1, "{messages:?}");
    is_confirmed_by_a_scan(fi, node, &reported).await
}

#[tokio::test]
async fn a_file_that_toggles_is_one_failure() -> Result<()> {
    on_one_node("realtime-toggle", async |t| {
        let node = t.node()?;
        let fi = create(t, node).await?;
        toggle(&fi, node, SHORT, async || is_failed(t, node).await).await
    })
    .await
}

#[tokio::test]
#[ignore = "it takes ten minutes: make soak"]
async fn a_file_that_toggles_for_ten_minutes_is_one_alert() -> Result<()> {
    on_all_nodes_for("realtime-alert", WHOLE, async |t| {
        let (node, _) = t.two_nodes()?;
        with_monitoring(t, async |monitoring| {
            let fi = create(t, node).await?;
            prometheus_is_configured(t, monitoring).await?;
            toggle(&fi, node, LONG, async || {
                is_failed(t, node).await?;
                firing_since(monitoring, node).await
            })
            .await
        })
        .await
    })
    .await
}
