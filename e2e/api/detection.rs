//! Realtime detection: changes are reported between two scans. The real daemon, a real AIDE and the real
//! kernel, which requires root.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use fio::testing::api::{
    Actor, Condition, FileIntegrityNodeStatus, RealtimeBackend, RealtimeReason, RealtimeState,
    RealtimeStatus, ScanResult, Trigger, names,
};
use k8s_openapi::api::core::v1::ConfigMap;

use crate::clocks::{AHEAD, BEHIND, Clock};
use crate::harness::{Space, aide, in_space};
use crate::site::Site;

/// No scan starts within a test, except the first one and those that events cause.
const LONG_PAUSE: &str = "3600";
/// More files than the kernel's queue has room for events.
const MORE_THAN_THE_QUEUE: usize = 17_000;

fn realtime(status: &FileIntegrityNodeStatus) -> Option<&RealtimeStatus> {
    status.realtime.as_ref()
}

fn is_active(status: &FileIntegrityNodeStatus) -> bool {
    realtime(status).is_some_and(|it| it.state == RealtimeState::Active)
}

/// Condition, added, changed and removed files of the last result.
fn counts(status: &FileIntegrityNodeStatus) -> Option<(Condition, i64, i64, i64)> {
    let last = status.last_result.as_ref()?;
    let ScanResult {
        condition,
        files_added,
        files_changed,
        files_removed,
        ..
    } = last;
    Some((*condition, *files_added, *files_changed, *files_removed))
}

async fn until_counts(
    site: &Site<'_>,
    expected: (Condition, i64, i64, i64),
) -> anyhow::Result<FileIntegrityNodeStatus> {
    let what = format!("a result {expected:?}");
    site.until(&what, |status| counts(status) == Some(expected))
        .await
}

async fn site(space: &Space) -> anyhow::Result<Site<'_>> {
    let node = space.node("n1").await?;
    Site::new(space, "fi", &node, LONG_PAUSE).await
}

#[tokio::test]
async fn changes_are_reported_between_scans_until_they_are_undone() -> anyhow::Result<()> {
    in_space("detection", async |space| {
        let site = site(space).await?;
        let daemon = site.daemon().await?;
        let first = site.until("realtime detection", is_active).await?;
        let backend = realtime(&first).and_then(|it| it.backend);
        assert_eq!(backend, Some(RealtimeBackend::Fanotify));
        let last = first.last_result.context("a result")?;
        assert_eq!(last.trigger, Some(Trigger::Scan));

        site.put("one", "after")?;
        let status = until_counts(&site, (Condition::Failed, 0, 1, 0)).await?;
        let result = status.last_result.context("a result")?;
        assert_eq!(result.trigger, Some(Trigger::Event));
        assert_eq!(result.changes[0].path, "/watched/one");
        assert_eq!(result.files_scanned, last.files_scanned);
        assert_eq!(status.last_full_scan, first.last_full_scan);
        let log: ConfigMap = space.api().get(&site.log_name()).await?;
        let log = log.data.unwrap_or_default();
        let log = log.get(names::KEY_INTEGRITY_LOG).context("a failure log")?;
        let root = site.path("root");
        let line = format!("File: {}/watched/one\n", root.display());
        anyhow::ensure!(log.contains(&line), "{log}");

        site.put("new", "after")?;
        until_counts(&site, (Condition::Failed, 1, 1, 0)).await?;
        site.put("one", "before")?;
        std::fs::remove_file(root.join("watched/new"))?;
        let status = until_counts(&site, (Condition::Succeeded, 0, 0, 0)).await?;
        assert_eq!(status.last_full_scan, first.last_full_scan);
        let missed = realtime(&status).map(|it| it.missed);
        assert_eq!(missed, Some(0));

        let (node, namespace, log) = (&site.node, &space.namespace, site.log_name());
        let changed = |counts| format!("node {node} has changed! {counts} log:{namespace}/{log}");
        let clean = format!("no changes to node {node}");
        assert_eq!(
            space.event_messages("fi", "NodeIntegrityStatus").await?,
            [
                clean.clone(),
                changed("a:0,c:1,r:0"),
                changed("a:1,c:1,r:0"),
                clean
            ]
        );
        daemon.end().await
    })
    .await
}

#[tokio::test]
async fn inotify_reports_changes_where_it_has_to() -> anyhow::Result<()> {
    in_space("detection-inotify", async |space| {
        let mut site = site(space).await?;
        let variable = ("FIO_REALTIME_BACKEND".to_owned(), "inotify".to_owned());
        site.environment.push(variable);
        let daemon = site.daemon().await?;
        let first = site.until("realtime detection", is_active).await?;
        let backend = realtime(&first).and_then(|it| it.backend);
        assert_eq!(backend, Some(RealtimeBackend::Inotify));
        std::fs::create_dir_all(site.path("root/watched/a/b"))?;
        std::fs::write(site.path("root/watched/a/b/file"), "new")?;
        // The directories, and the file that may have been there before they were watched.
        until_counts(&site, (Condition::Failed, 3, 0, 0)).await?;
        daemon.end().await
    })
    .await
}

#[tokio::test]
async fn without_realtime_detection_only_scans_report_changes() -> anyhow::Result<()> {
    in_space("detection-off", async |space| {
        let node = space.node("n1").await?;
        let mut site = Site::new(space, "fi", &node, "10").await?;
        site.arguments.push("--realtime=off".to_owned());
        let daemon = site.daemon().await?;
        site.until("a baseline", |status| {
            counts(status).is_some_and(|counts| counts.0 == Condition::Succeeded)
        })
        .await?;
        site.put("one", "after")?;
        let status = until_counts(&site, (Condition::Failed, 0, 1, 0)).await?;
        let result = status.last_result.clone().context("a result")?;
        assert_eq!(result.trigger, Some(Trigger::Scan));
        let realtime = realtime(&status).context("a state")?;
        assert_eq!((realtime.state, realtime.checks), (RealtimeState::Off, 0));
        daemon.end().await
    })
    .await
}

#[tokio::test]
async fn after_an_overflow_a_scan_finds_everything() -> anyhow::Result<()> {
    in_space("detection-overflow", async |space| {
        let site = site(space).await?;
        let daemon = site.daemon().await?;
        site.until("realtime detection", is_active).await?;
        daemon.stop()?;
        for number in 0..MORE_THAN_THE_QUEUE {
            std::fs::write(site.path(&format!("root/watched/{number}")), "new")?;
        }
        daemon.go_on()?;
        site.until("an overflow", |status| {
            realtime(status).is_some_and(|it| it.reason == Some(RealtimeReason::Overflow))
        })
        .await?;
        let added = i64::try_from(MORE_THAN_THE_QUEUE)?;
        let status = until_counts(&site, (Condition::Failed, added, 0, 0)).await?;
        let result = status.last_result.clone().context("a result")?;
        assert_eq!(result.trigger, Some(Trigger::Scan));
        let status = site.until("realtime detection", is_active).await?;
        let realtime = realtime(&status).context("a state")?;
        assert_eq!((realtime.overflows, realtime.missed), (1, 0));
        daemon.end().await
    })
    .await
}

/// A program in the place of AIDE: the first check of changed files is killed.
async fn aide_that_is_killed(site: &Site<'_>) -> anyhow::Result<PathBuf> {
    let (path, once) = (site.path("aide-that-is-killed"), site.path("killed"));
    let text = format!(
        "#!/bin/sh\ncase \" $* \" in *' --limit '*) mkdir '{}' 2>/dev/null && kill -9 $$;; esac\nexec '{}' \"$@\"\n",
        once.display(),
        aide().await?.display()
    );
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[tokio::test]
async fn after_a_killed_check_a_scan_finds_everything() -> anyhow::Result<()> {
    in_space("detection-killed", async |space| {
        let mut site = site(space).await?;
        site.aide = Some(aide_that_is_killed(&site).await?);
        let daemon = site.daemon().await?;
        site.until("realtime detection", is_active).await?;
        site.put("one", "after")?;
        let degraded = site
            .until("a failed check", |status| {
                realtime(status).is_some_and(|it| it.reason == Some(RealtimeReason::CheckFailed))
            })
            .await?;
        let message = realtime(&degraded).and_then(|it| it.message.clone());
        let message = message.unwrap_or_default();
        anyhow::ensure!(message.contains("killed"), "{message}");
        let status = until_counts(&site, (Condition::Failed, 0, 1, 0)).await?;
        let result = status.last_result.context("a result")?;
        assert_eq!(result.trigger, Some(Trigger::Scan));
        site.until("realtime detection", is_active).await?;
        site.put("two", "after")?;
        let status = until_counts(&site, (Condition::Failed, 0, 2, 0)).await?;
        let result = status.last_result.clone().context("a result")?;
        assert_eq!(result.trigger, Some(Trigger::Event));
        assert_eq!(realtime(&status).map(|it| it.missed), Some(0));
        daemon.end().await
    })
    .await
}

#[tokio::test]
async fn changes_are_reported_at_once_whatever_the_clock_shows() -> anyhow::Result<()> {
    in_space("detection-clocks", async |space| {
        let mut site = site(space).await?;
        let clock = Clock::new(site.dir.path())?;
        site.environment.extend(clock.environment());
        let daemon = site.daemon().await?;
        site.until("realtime detection", is_active).await?;
        let mut before = None;
        for (offset, file, changed) in [(AHEAD, "one", 1), (BEHIND, "two", 2)] {
            clock.set(offset)?;
            site.put(file, "after")?;
            let status = until_counts(&site, (Condition::Failed, 0, changed, 0)).await?;
            let result = status.last_result.context("a result")?;
            assert_eq!(result.trigger, Some(Trigger::Event));
            let at = Some(result.last_probe_time.0);
            anyhow::ensure!(at >= before, "{at:?} is before {before:?}");
            before = at;
        }
        site.put("one", "before")?;
        site.put("two", "before")?;
        let status = until_counts(&site, (Condition::Succeeded, 0, 0, 0)).await?;
        let realtime = realtime(&status).context("a state")?;
        assert_eq!(
            (realtime.state, realtime.missed),
            (RealtimeState::Active, 0)
        );
        daemon.end().await
    })
    .await
}

/// Changes go on when a check is due, so that it is put off again and again.
#[tokio::test]
async fn the_last_of_many_changes_is_reported() -> anyhow::Result<()> {
    in_space("detection-series", async |space| {
        let site = site(space).await?;
        let daemon = site.daemon().await?;
        site.until("realtime detection", is_active).await?;
        for number in 0..80 {
            site.put("one", &number.to_string())?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        site.put("last", "new")?;
        site.put("one", "before")?;
        let status = until_counts(&site, (Condition::Failed, 1, 0, 0)).await?;
        let result = status.last_result.context("a result")?;
        assert_eq!(result.changes[0].path, "/watched/last");
        daemon.end().await
    })
    .await
}

#[tokio::test]
async fn the_process_that_made_a_change_is_reported() -> anyhow::Result<()> {
    in_space("realtime-actors", async |space| {
        let mut site = site(space).await?;
        site.arguments.push("--realtime-actors=process".to_owned());
        let daemon = site.daemon().await?;
        site.until("realtime detection", is_active).await?;
        let touched = std::process::Command::new("touch")
            .arg(site.path("root/watched/new"))
            .spawn()?;
        let pid = i64::from(touched.id());
        touched.wait_with_output()?;
        let status = until_counts(&site, (Condition::Failed, 1, 0, 0)).await?;
        let result = status.last_result.context("a result")?;
        let actor: Actor = result.changes[0].actor.clone().context("an actor")?;
        let name = actor.exe.rsplit('/').next();
        // Some systems have one program for many commands.
        anyhow::ensure!(
            matches!(name, Some("touch" | "coreutils" | "busybox")),
            "{actor:?}"
        );
        assert_eq!(actor.pid, pid);

        let log: ConfigMap = space.api().get(&site.log_name()).await?;
        let log = log.data.unwrap_or_default();
        let log = log.get(names::KEY_INTEGRITY_LOG).context("a failure log")?;
        anyhow::ensure!(log.contains(&format!(" Pid       : {pid}\n")), "{log}");
        daemon.end().await
    })
    .await
}
