//! More events than the kernel keeps, more directories than are watched, and a file that changes all the time:
//! the state says so, and nothing is lost.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Condition, RealtimeReason, RealtimeState, RealtimeStatus};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::{
    ADDED, AFTER_BURST, AT_ONCE, CHANGED, LONG_SCANS, PAUSE, beside, changed_by, changes,
    full_scan, is_active, is_confirmed_by_a_scan, reported_within, rounded, writes,
};
use crate::harness::audit::Audit;
use crate::harness::node::{FILES, STOP};
use crate::harness::{Fi, Node, on_one_node, until};

/// Has more events than the queue of the kernel has room for: it merges those of a file. The last one is lost.
const FLOOD: &str = "room=$(cat /proc/sys/fs/fanotify/max_queued_events 2>/dev/null || echo 16384)
    i=0; while [ $i -lt $((room + 1000)) ]; do i=$((i + 1)); : > flood-$i; done
    find . -name 'flood-*' -delete; printf x > last";

/// A few directories more than a daemon watches. In memory they are created and removed fast.
const DIRECTORIES: &str =
    "mkdir wide; mount -t tmpfs -o mode=755 tmpfs wide; seq 65600 | (cd wide; xargs mkdir)";

/// Watches what the kubelet, its pods and the log daemons write all the time. Images are too large for a test.
const VAR: &str = "/etc/fio-e2e ftype+p+u+g+sha256
!/var/lib/containerd
!/var/lib/docker
/var ftype+p+u+g+s+sha256
";

/// Waits until not all changes are reported at once, for this reason.
async fn is_degraded(fi: &Fi<'_>, node: &Node, reason: RealtimeReason) -> Result<RealtimeStatus> {
    until(format!("Degraded, {reason:?}"), async || {
        let realtime = fi.status(&node.name).await?.realtime;
        let realtime = realtime.context("no state of realtime detection")?;
        ensure!(
            (realtime.state, realtime.reason) == (RealtimeState::Degraded, Some(reason)),
            "{realtime:?}"
        );
        Ok(realtime)
    })
    .await
}

#[tokio::test]
async fn after_an_overflow_everything_is_found() -> Result<()> {
    on_one_node("realtime-overflow", async |t| {
        let node = t.node()?;
        node.files(&format!("printf x > file; {LONG_SCANS}"))
            .await?;
        let fi = t.create(json!({"config": {"gracePeriod": PAUSE}})).await?;
        fi.watched().await?;
        is_active(&fi, node).await?;

        let daemon = fi.daemon(&node.name).await?;
        let mut ended = Timestamp::now();
        // The state is there until the scan that follows ends.
        node.stop_aide("--check", async || {
            node.signal(&daemon, "STOP").await?;
            node.sh(FLOOD).await?;
            ended = Timestamp::now();
            node.signal(&daemon, "CONT").await
        })
        .await?;
        let realtime = is_degraded(&fi, node, RealtimeReason::Overflow).await?;
        let seconds = Timestamp::now().duration_since(ended).as_secs_f64();
        crate::chaos::print("realtime", &json!({"overflow": rounded(seconds)}))?;
        assert_eq!(realtime.overflows, 1, "{realtime:?}");
        fi.condition("Realtime", "False", "Degraded").await?;
        node.continue_aide().await?;

        let expected = BTreeMap::from([("/last", ADDED)]);
        let reported = fi
            .result_with(&node.name, "the last file", |r| changes(r) == expected)
            .await?;
        is_active(&fi, node).await?;
        is_confirmed_by_a_scan(&fi, node, &reported).await
    })
    .await
}

#[tokio::test]
async fn beyond_the_limit_of_directories_scans_report_changes() -> Result<()> {
    on_one_node("realtime-limit", async |t| {
        let node = t.node()?;
        node.files(&format!("printf x > file; {DIRECTORIES}"))
            .await?;
        let fi = t.create(json!({"config": {"gracePeriod": PAUSE}})).await?;
        fi.watched().await?;
        let realtime = is_degraded(&fi, node, RealtimeReason::WatchLimit).await?;
        assert_eq!(realtime.directories, 65_536, "{realtime:?}");
        let message = realtime.message.context("no message")?;
        let (covered, unwatched) = message.split_once(", such as ").context("no example")?;
        assert!(covered.starts_with("65536 directories are watched, and fio watches no more"));
        let name = unwatched.strip_prefix(FILES).context("not of the test")?;

        let script = format!("printf x > .{name}/new; printf y > file");
        let changed = changed_by(node, &script).await?;
        let watched = BTreeMap::from([("/file", CHANGED)]);
        let (_, seconds) =
            reported_within(AT_ONCE, &fi, node, changed, |r| changes(r) == watched).await?;
        crate::chaos::print("realtime", &json!({"besideLimit": seconds}))?;

        let new = format!("{name}/new");
        let all = BTreeMap::from([("/file", CHANGED), (new.as_str(), ADDED)]);
        let scanned = full_scan(&fi, node).await?;
        assert_eq!(changes(&scanned), all);
        is_degraded(&fi, node, RealtimeReason::WatchLimit).await?;

        node.sh("cd wide; ls | head -200 | xargs rm -r").await?;
        full_scan(&fi, node).await?;
        is_active(&fi, node).await
    })
    .await
}

#[tokio::test]
async fn a_file_that_changes_all_the_time_is_named_and_others_are_reported() -> Result<()> {
    on_one_node("realtime-busy", async |t| {
        let node = t.node()?;
        node.files("printf x > log; printf x > other").await?;
        let fi = t.create(json!({"config": {"gracePeriod": PAUSE}})).await?;
        fi.watched().await?;
        is_active(&fi, node).await?;

        let both = BTreeMap::from([("/log", CHANGED), ("/other", CHANGED)]);
        let write = format!("until [ -e {STOP} ]; do printf x >> log; sleep 0.1; done");
        beside(node, &write, async || {
            let realtime = is_degraded(&fi, node, RealtimeReason::Busy).await?;
            let log = format!("{FILES}/log ");
            let message = realtime.message.context("no message")?;
            assert!(message.starts_with(&log), "{message}");
            let message = fi.condition("Realtime", "False", "Degraded").await?;
            assert!(message.contains(&log), "{message}");

            let changed = changed_by(node, "printf y > other").await?;
            let (_, seconds) =
                reported_within(AFTER_BURST, &fi, node, changed, |r| changes(r) == both).await?;
            let figures = json!({"besideBusy": seconds, "checks": realtime.checks});
            crate::chaos::print("realtime", &figures)
        })
        .await?;
        is_active(&fi, node).await?;
        let scanned = full_scan(&fi, node).await?;
        assert_eq!(changes(&scanned), both);
        fi.all_reported_at_once(&node.name).await.map(|_| ())
    })
    .await
}

/// Number of checks since the daemon started.
async fn checks(fi: &Fi<'_>, node: &Node) -> Result<i64> {
    let realtime = fi.status(&node.name).await?.realtime;
    Ok(realtime.context("no state of realtime detection")?.checks)
}

/// A rule over /var, as users write it: files change on the node all the time, and the test adds another one.
#[tokio::test]
async fn a_rule_over_var_is_named_as_busy_and_is_paced() -> Result<()> {
    on_one_node("realtime-var", async |t| {
        let node = t.node()?;
        node.files("printf x > other").await?;
        let name = t.config_map(VAR).await?;
        let config = json!({"name": name, "namespace": t.namespace(), "gracePeriod": PAUSE});
        let fi = t.create(json!({"config": config})).await?;
        // Something has changed since the baseline.
        fi.result(&node.name, Condition::Failed).await?;
        let write = format!("until [ -e {STOP} ]; do printf x >> /var/log/busy; sleep 0.1; done");
        beside(node, &write, async || {
            let realtime = is_degraded(&fi, node, RealtimeReason::Busy).await?;
            let message = realtime.message.context("no message")?;
            assert!(message.starts_with("/var/"), "{message}");
            full_scan(&fi, node).await?;

            let audit = Audit::start().await?;
            let before = checks(&fi, node).await?;
            let start = Timestamp::now();
            let changed = changed_by(node, "printf y > other").await?;
            let other = format!("{FILES}/other");
            let (_, seconds) = reported_within(AFTER_BURST, &fi, node, changed, |r| {
                r.changes.iter().any(|change| change.path == other)
            })
            .await?;
            let (results, logs) = writes(&audit, &fi, node).await?;
            let minutes = Timestamp::now().duration_since(start).as_secs_f64() / 60.0;
            // Further differences once a minute, and transitions of the state.
            assert!(results <= 4, "{results} writes in {minutes} minutes");
            assert!(logs <= 1, "{logs} failure logs in {minutes} minutes");
            let made = checks(&fi, node).await? - before;
            let figures = json!({"besideVar": seconds, "minutes": minutes, "checks": made});
            crate::chaos::print("realtime", &figures)
        })
        .await?;
        node.sh("rm -f /var/log/busy").await.map(|_| ())
    })
    .await
}
