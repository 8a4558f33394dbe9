//! Clocks that are set forward and back while daemon and operator run, as real programs under
//! libfaketime: the wall clock is read from a file, the monotonic one is the kernel's. Scans continue at
//! their period, results are reported once, and the leader stays the leader.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::aide::database::digest_of_gzip;
use fio::testing::api::{Condition, FileIntegrity, FileIntegrityNodeStatus, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use serde_json::json;

use crate::chaos::{Row, lost_and_duplicated};
use crate::daemon_permissions::token;
use crate::faults::operators_token;
use crate::harness::{Space, answer, changed, clean, in_space};
use crate::process::Process;
use crate::proxy::Proxy;
use crate::site::Site;

/// The shortest pause between scans.
const PAUSE: &str = "10";
/// A day ahead of all others.
pub(crate) const AHEAD: &str = "+1d";
/// Two days behind them.
pub(crate) const BEHIND: &str = "-2d";
/// As long as a renewed token may take to be read, and what waits for it to be tried again.
const RECOVERY: Duration = Duration::from_secs(180);
/// As long as a lease lasts, and a little.
const A_LEASE: Duration = Duration::from_secs(20);

/// The wall clock of a program.
pub(crate) struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A correct clock, with its file in this directory.
    pub(crate) fn new(dir: &Path) -> anyhow::Result<Self> {
        let clock = Self {
            file: dir.join("clock"),
            library: library()
                .context("libfaketime is missing: install the package libfaketime")?,
        };
        clock.set("+0")?;
        Ok(clock)
    }

    /// Sets it so far ahead of the machine's.
    pub(crate) fn set(&self, offset: &str) -> anyhow::Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n"))?;
        Ok(std::fs::rename(new, &self.file)?)
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }
}

/// Where Debian has it.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut libraries = folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists())
}

/// The time of the newest result.
fn at(status: &FileIntegrityNodeStatus) -> Option<Timestamp> {
    status
        .last_result
        .as_ref()
        .map(|last| last.last_probe_time.0)
}

/// Waits for a later result with this condition; returns the status.
async fn later(
    site: &Site<'_>,
    than: &FileIntegrityNodeStatus,
    condition: Condition,
) -> anyhow::Result<FileIntegrityNodeStatus> {
    let is_later = |status: &FileIntegrityNodeStatus| {
        status.condition() == Some(condition) && at(status) > at(than)
    };
    let status = site
        .until(&format!("a later result, {condition}"), is_later)
        .await?;
    let times: Vec<Timestamp> = status.results.iter().map(|r| r.last_probe_time.0).collect();
    anyhow::ensure!(times.is_sorted(), "results out of order: {times:?}");
    anyhow::ensure!(
        times.last().copied() == at(&status),
        "the last is not the newest: {times:?}"
    );
    Ok(status)
}

/// Number of scans during which the clock is stopped, and which keep their period.
async fn scans_go_on(
    site: &Site<'_>,
    from: FileIntegrityNodeStatus,
    condition: Condition,
) -> anyhow::Result<FileIntegrityNodeStatus> {
    let began = Instant::now();
    let first = later(site, &from, condition).await?;
    let second = later(site, &first, condition).await?;
    // The pause of ten seconds; the machine may be slow, the clock may not make it faster.
    let lasted = began.elapsed();
    anyhow::ensure!(lasted > Duration::from_secs(8), "two scans in {lasted:?}");
    Ok(second)
}

/// The database in the newest backup by its name.
fn newest_backup(site: &Site<'_>) -> anyhow::Result<String> {
    let entries = std::fs::read_dir(site.path("root/etc/kubernetes"))?;
    let backups = entries.filter_map(Result::ok).map(|entry| entry.path());
    let backups = backups.filter(|path| path.to_string_lossy().contains("aide.db.gz.backup-"));
    Ok(digest_of_gzip(&backups.max().context("a backup")?)?)
}

/// Asks for a new baseline; the one of before is the newest backup then.
async fn reinitialize(site: &Site<'_>, request: &str) -> anyhow::Result<FileIntegrityNodeStatus> {
    let old = digest_of_gzip(&site.database())?;
    site.set_request(Some(request)).await?;
    let status = site
        .until("a new baseline, and a clean result", |status| {
            let done = status.reinit.as_ref().map(|reinit| reinit.id.as_str());
            done == Some(request) && status.condition() == Some(Condition::Succeeded)
        })
        .await?;
    let backup = newest_backup(site)?;
    anyhow::ensure!(
        backup == old,
        "the newest backup is not the newest: {backup}"
    );
    Ok(status)
}

#[tokio::test]
async fn a_daemon_whose_clock_jumps_scans_and_reports_once() -> anyhow::Result<()> {
    in_space("clock-daemon", async |space| {
        let node = space.node("n1").await?;
        let proxy = Proxy::start().await?;
        let mut site = Site::new(space, "fi", &node, PAUSE).await?;
        let old_token = token(space, Some(("fi", &node))).await?;
        let kubeconfig = proxy.kubeconfig(site.dir.path(), &old_token)?;
        let clock = Clock::new(site.dir.path())?;
        site.kubeconfig.clone_from(&kubeconfig.path);
        site.environment = clock.environment();
        let daemon = site.daemon().await?;
        let clean = site
            .until("a first result", |status| {
                status.condition() == Some(Condition::Succeeded)
            })
            .await?;

        clock.set(AHEAD)?;
        let clean = scans_go_on(&site, clean, Condition::Succeeded).await?;
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(23);
        anyhow::ensure!(
            at(&clean) > Some(tomorrow),
            "the daemon does not go by this clock"
        );
        let new = site.path("root/watched/new");
        site.put("new", "text")?;
        let failed = later(&site, &clean, Condition::Failed).await?;
        std::fs::remove_file(&new)?;
        let clean = later(&site, &failed, Condition::Succeeded).await?;
        site.put("one", "another text")?;
        let failed = later(&site, &clean, Condition::Failed).await?;
        reinitialize(&site, "ahead").await?;

        clock.set(BEHIND)?;
        let began = Instant::now();
        let clean = scans_go_on(&site, failed, Condition::Succeeded).await?;
        site.put("two", "another text")?;
        let failed = later(&site, &clean, Condition::Failed).await?;
        let recovered = began.elapsed();
        reinitialize(&site, "behind").await?;
        let scanned = scans_go_on(&site, failed, Condition::Succeeded).await?;

        // A token that is renewed meanwhile is read, whatever the time of the clock.
        std::fs::write(&kubeconfig.token, token(space, Some(("fi", &node))).await?)?;
        proxy.expire(&old_token);
        let before = at(&scanned);
        answer(
            "a result with the new token",
            Duration::from_millis(500),
            RECOVERY,
            async || Ok((at(&site.status().await?) > before).then_some(())),
        )
        .await?;
        clock.set("+0")?;
        let scanned = site.status().await?;
        scans_go_on(&site, scanned, Condition::Succeeded).await?;
        daemon.still_runs()?;

        let log = names::failure_log("aide-fi", &node);
        let nothing = format!("no changes to node {node}");
        let namespace = &space.namespace;
        let found = |what| format!("node {node} has changed! {what} log:{namespace}/{log}");
        let expected = [
            nothing.clone(),
            found("a:1,c:0,r:0"),
            nothing.clone(),
            found("a:0,c:1,r:0"),
            nothing.clone(),
            found("a:0,c:1,r:0"),
            nothing,
        ];
        let messages = space.event_messages("fi", "NodeIntegrityStatus").await?;
        let (lost, duplicated) = lost_and_duplicated(&expected, &messages);
        Row {
            fault: "daemon: clock one day ahead, then two days behind".to_owned(),
            tried: 3,
            lost,
            duplicated,
            recovery_seconds: Some(recovered.as_secs_f64()),
        }
        .print()
    })
    .await
}

async fn lease(space: &Space) -> anyhow::Result<LeaseSpec> {
    let lease = space.api::<Lease>().get(names::LEASE_NAME).await?;
    lease.spec.context("a lease with a spec")
}

/// When the lease was renewed last, as its holder has it.
fn renewed(lease: &LeaseSpec) -> Option<Timestamp> {
    lease.renew_time.as_ref().map(|at| at.0)
}

/// An operator with this clock.
async fn operator(
    space: &Space,
    identity: &str,
    proxy: &Proxy,
    clock: &Clock,
) -> anyhow::Result<Process> {
    let dir = tempfile::tempdir()?;
    let kubeconfig = proxy.kubeconfig(dir.path(), &operators_token(space).await?)?;
    let environment = clock.environment();
    Process::operator_in(space, identity, &kubeconfig.path, &environment, dir).await
}

/// Whether so many nodes have failed, and none is stale.
fn has_failed(fi: &FileIntegrity, failed: i64) -> bool {
    let nodes = fi.status.as_ref().and_then(|status| status.nodes.as_ref());
    nodes.is_some_and(|nodes| nodes.failed == failed && nodes.stale == 0)
}

async fn is_well(space: &Space) -> anyhow::Result<bool> {
    Ok(has_failed(&space.api().get("fi").await?, 0))
}

async fn until_failed(space: &Space, failed: i64) -> anyhow::Result<()> {
    let what = format!("{failed} failed nodes, and none that is stale");
    space
        .until_is("fi", &what, |fi| has_failed(fi, failed))
        .await?;
    Ok(())
}

/// Waits until the lease is renewed at a time like this, by who held it before.
async fn until_renewed(
    space: &Space,
    is_so: impl Fn(SignedDuration) -> bool,
    holder: &str,
) -> anyhow::Result<()> {
    let lease: Lease = space
        .until_is(
            names::LEASE_NAME,
            "the lease to be renewed",
            |lease: &Lease| {
                let spec = lease.spec.as_ref();
                let at = spec.and_then(renewed);
                at.is_some_and(|at| is_so(at.duration_since(Timestamp::now())))
            },
        )
        .await?;
    let held_by = lease.spec.and_then(|spec| spec.holder_identity);
    anyhow::ensure!(held_by.as_deref() == Some(holder), "held by {held_by:?}");
    Ok(())
}

#[tokio::test]
async fn an_operator_whose_clock_jumps_continues_and_fails_over() -> anyhow::Result<()> {
    in_space("clock-operator", async |space| {
        let proxy = Proxy::start().await?;
        let dir = tempfile::tempdir()?;
        let (first_dir, second_dir) = (dir.path().join("first"), dir.path().join("second"));
        std::fs::create_dir(&first_dir)?;
        std::fs::create_dir(&second_dir)?;
        let (jumping, correct) = (Clock::new(&first_dir)?, Clock::new(&second_dir)?);
        let first = operator(space, "first", &proxy, &jumping).await?;
        // A node may be silent for longer than all of this takes.
        let seldom = json!({"config": {"gracePeriod": 300}});
        let (_, mut daemons) = space.active("fi", seldom).await?;
        let before = lease(space).await?;
        let holder = before.holder_identity.clone().context("a holder")?;
        let standby = operator(space, "second", &proxy, &correct).await?;
        standby.logs("standing by").await?;

        let began = Instant::now();
        let hours = SignedDuration::from_hours;
        jumping.set(AHEAD)?;
        until_renewed(space, |ahead| ahead > hours(23), &holder).await?;
        daemons[0].finds(&changed()).await?;
        until_failed(space, 1).await?;
        jumping.set(BEHIND)?;
        until_renewed(space, |ahead| ahead < hours(-47), &holder).await?;
        daemons[0].finds(&clean()).await?;
        until_failed(space, 0).await?;
        // The standby measures by its own clock how long the lease has not changed.
        tokio::time::sleep(A_LEASE).await;
        let now = lease(space).await?;
        anyhow::ensure!(
            (&now.holder_identity, now.lease_transitions)
                == (&before.holder_identity, before.lease_transitions),
            "another one took over: {now:?}"
        );
        let recovered = began.elapsed().saturating_sub(A_LEASE);

        // One that is killed a day ahead leaves a time that is long to come.
        jumping.set(AHEAD)?;
        until_renewed(space, |ahead| ahead > hours(23), &holder).await?;
        first.kill()?;
        daemons[1].finds(&changed()).await?;
        until_failed(space, 1).await?;
        standby.still_runs()?;
        standby.terminate()?;

        // One that starts a day ahead considers old statuses older; the next results correct that.
        let third = operator(space, "third", &proxy, &jumping).await?;
        third.logs("lead").await?;
        let deadline = Instant::now() + RECOVERY;
        while !is_well(space).await? {
            anyhow::ensure!(Instant::now() < deadline, "nodes stay stale");
            for daemon in &mut daemons {
                daemon.finds(&clean()).await?;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }

        let messages = space.event_messages("fi", "FileIntegrityStatus").await?;
        let expected = ["Pending", "Initializing", "Active"].map(str::to_owned);
        let (lost, duplicated) = lost_and_duplicated(&expected, &messages);
        Row {
            fault: "operator: clock one day ahead, then two days behind".to_owned(),
            tried: 4,
            lost,
            duplicated,
            recovery_seconds: Some(recovered.as_secs_f64()),
        }
        .print()
    })
    .await
}
