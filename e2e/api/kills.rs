//! SIGKILL for the daemon at every step, and for AIDE: whatever the point, the node has one whole
//! baseline, the next daemon finishes or starts again, no result is lost, and none is reported twice.
//!
//! The daemon is the real program with the real AIDE on a small tree, and no operator is there: the
//! tests write its requests. A step is a system call that changes something others see: files of the state
//! and work directories, what is sent to the API server. strace stops the whole daemon after each (by
//! SIGSTOP), whichever thread makes it, and [`follow`] lets it go on or kills it. [`walk`] first writes
//! down the steps of a daemon that is not killed, and then kills one after each of them. A step is
//! known by its call and path, and by how often it came: no point depends on the speed of the machine,
//! nor on which of two threads was first. While AIDE runs the daemon takes no step; [`kill_amid`] has
//! both killed then, or AIDE alone.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::aide::database::digest_of_gzip;
use fio::testing::api::{
    AcceptanceState, Baseline, Condition, FileIntegrityNodeStatus, HoldEnd, TimedHold,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DeleteParams, Preconditions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::chaos::Row;
use crate::harness::{Space, eventually, in_space};
use crate::site::{Site, children, kill_with_children};

/// The node; each point has a FileIntegrity of its own.
const NODE: &str = "node";
/// The configuration of [`Story::Reconfigured`].
const OTHER_RULES: &str = "/watched(/|$) ftype+p+sha256\n";
/// The request of [`Story::Reinitialized`].
const REQUEST: &str = "request-1";
/// The UID of the acceptance of [`Story::Accepted`].
const ACCEPTANCE: &str = "0d9d5a1e-6f0e-4a4e-9b60-6f2f1d1d8f3b";
/// The hold of [`Story::HoldEnded`].
const HOLD: &str = "maintenance";
/// So many points are tried at a time. Most of their time they wait.
const AT_ONCE: usize = 8;
/// So often a kill is tried for which AIDE may have been too fast.
const MAX_ATTEMPTS: u32 = 5;
/// How long a daemon under strace may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a daemon that is done may take for a step after it.
const GRACE: Duration = Duration::from_secs(3);
/// Pause between scans of daemons that should scan once.
const LONG: &str = "600";
/// Pause between scans of daemons that should scan again soon.
const SHORT: &str = "10";
/// The calls that can change something.
const CALLS: &str = "?rename,renameat,renameat2,?link,linkat,?unlink,unlinkat,fsync,fdatasync,ftruncate,fchmod,?openat,write,writev,sendto,sendmsg";

/// What the daemon is at when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// Makes the first baseline, and scans.
    First,
    /// Creates a requested new one, and scans.
    Reinitialized,
    /// Checks with the old configuration, creates a baseline with a new one, and scans.
    Reconfigured,
    /// Executes an acceptance of the changes.
    Accepted,
    /// The same, but the acceptance is withdrawn before the next daemon is there.
    Withdrawn,
    /// Scans, finds changes that are announced, and accepts them in the same scan.
    Announced,
    /// Creates a baseline at the end of a hold, and scans.
    HoldEnded,
    /// Scans, and finds changes.
    Changed,
}

impl Story {
    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Reinitialized => "reinitialized",
            Self::Reconfigured => "reconfigured",
            Self::Accepted => "accepted",
            Self::Withdrawn => "withdrawn",
            Self::Announced => "announced",
            Self::HoldEnded => "holdended",
            Self::Changed => "changed",
        }
    }

    /// What is among the steps in any case.
    fn calls(self) -> &'static [&'static str] {
        match self {
            Self::First => &["rename", "fsync", "aide.baseline.json.new", "<TCP:"],
            Self::Announced => &[
                "aide.db.gz.merged",
                "aide.db.gz.backup-",
                "aide.accepted.json.new",
                "aide.running",
                "<TCP:",
            ],
            Self::Reinitialized
            | Self::Reconfigured
            | Self::Accepted
            | Self::Withdrawn
            | Self::HoldEnded => &[
                "link",
                "rename",
                "aide.db.gz.backup-",
                "aide.baseline.conf.new",
                "aide.running",
                "<TCP:",
            ],
            Self::Changed => &["rename", "aide.log.new", "aide.running", "<TCP:"],
        }
    }

    /// Whether everything is done and reported in the node status.
    fn is_over(self, status: &FileIntegrityNodeStatus) -> bool {
        let result = status.last_result.as_ref();
        let last = result.map(|last| last.condition);
        match self {
            Self::First => status.baseline.is_some() && last == Some(Condition::Succeeded),
            // The earlier clean result is still there when the baseline is reported; it may be of the
            // same second, but is one of fewer files.
            Self::Reinitialized => status.reinit.as_ref().is_some_and(|done| {
                let files = status.baseline.as_ref().map(|baseline| baseline.entries);
                let compared = result.is_some_and(|result| result.files_scanned == files);
                done.id == REQUEST && last == Some(Condition::Succeeded) && compared
            }),
            Self::Reconfigured | Self::HoldEnded => {
                status.baseline.as_ref().is_some_and(|baseline| {
                    let compared =
                        result.is_some_and(|it| it.files_scanned == Some(baseline.entries));
                    baseline.accepted.is_some() && last == Some(Condition::Succeeded) && compared
                })
            }
            Self::Accepted | Self::Withdrawn => status.acceptance.as_ref().is_some_and(|answer| {
                let is_accepted = answer.state == AcceptanceState::Accepted;
                is_accepted && last == Some(Condition::Succeeded)
            }),
            Self::Announced => status.announced.first().is_some_and(|progress| {
                (progress.accepted, progress.remaining) == (2, 0)
                    && last == Some(Condition::Succeeded)
            }),
            Self::Changed => last == Some(Condition::Failed),
        }
    }

    /// Whether a new baseline replaces the first one, and accepts the changes.
    fn accepts(self) -> bool {
        matches!(
            self,
            Self::Reinitialized
                | Self::Reconfigured
                | Self::Accepted
                | Self::Withdrawn
                | Self::Announced
                | Self::HoldEnded
        )
    }
}

/// Of the tests in this file.
impl Site<'_> {
    /// A baseline and a clean result, and then what the story begins with.
    async fn prepare(&mut self, story: Story) -> anyhow::Result<()> {
        if story == Story::First {
            return Ok(());
        }
        let daemon = self.start(&[]).await?;
        self.until("a first result", |status| Story::First.is_over(status))
            .await?;
        daemon.end().await?;
        self.change()?;
        if story == Story::Announced {
            self.announce_change().await?;
        }
        if story == Story::Reinitialized {
            self.set_request(Some(REQUEST)).await?;
        }
        if matches!(story, Story::Accepted | Story::Withdrawn) {
            let daemon = self.start(&[]).await?;
            self.until("the changes", |status| Story::Changed.is_over(status))
                .await?;
            daemon.end().await?;
            self.set_acceptance(ACCEPTANCE).await?;
        }
        if story == Story::HoldEnded {
            let now = Timestamp::now();
            let hold = |until| TimedHold {
                name: HOLD.to_owned(),
                from: now - SignedDuration::from_hours(1),
                until,
                then: HoldEnd::Accept,
            };
            self.set_holds(&[hold(now + SignedDuration::from_hours(1))])
                .await?;
            let daemon = self.start(&[]).await?;
            self.until("the hold", |status| status.hold.is_some())
                .await?;
            daemon.end().await?;
            self.set_holds(&[hold(now)]).await?;
        }
        if story == Story::Reconfigured {
            self.reconfigure(OTHER_RULES).await?;
        }
        Ok(())
    }

    /// Has the daemon killed after this step, or when the story is over.
    async fn cut(&self, story: Story, last: Option<Step>) -> anyhow::Result<Course> {
        let (trace, inject) = (
            format!("trace={CALLS}"),
            format!("inject={CALLS}:signal=SIGSTOP"),
        );
        // It lets go of AIDE, which is another program.
        let strace = [
            "strace",
            "-f",
            "-b",
            "execve",
            "-yy",
            "-s",
            "0",
            "-o",
            "/dev/stdout",
            "-e",
            &trace,
            "-e",
            &inject,
        ];
        let mut traced = self.start(&strace).await?;
        let stdout = traced.child.as_mut().and_then(|child| child.stdout.take());
        let stdout = stdout.context("standard output")?;
        let daemon = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&daemon);
        let place = self.dir.path().to_string_lossy().into_owned();
        // What follows the end, at once in another run, may take a moment in this one.
        let grace = last.as_ref().map_or(Duration::ZERO, |_| GRACE);
        let mut following =
            tokio::task::spawn_blocking(move || follow(stdout, &seen, &place, last.as_ref()));
        let deadline = Instant::now() + PATIENCE;
        let mut over: Option<Instant> = None;
        let course = loop {
            tokio::select! {
                course = &mut following => break course??,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let late = Instant::now() > deadline;
            if over.is_none() && story.is_over(&self.status().await?) {
                over = Some(Instant::now());
            }
            if late || over.is_some_and(|since| since.elapsed() >= grace) {
                kill_with_children(daemon.load(Ordering::SeqCst));
            }
            anyhow::ensure!(!late, "the daemon does not come to its end under strace");
        };
        traced.wait().await?;
        anyhow::ensure!(
            over.is_some() || course.is_cut,
            "strace ended before the daemon was done; the log has its words. Tracing must be permitted \
             here (ptrace: CAP_SYS_PTRACE in containers, kernel.yama.ptrace_scope below 3)"
        );
        Ok(course)
    }
}

/// A step: the call without what differs from run to run, and how often it was called until then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    call: String,
    time: usize,
}

/// What a traced daemon has done.
#[derive(Debug)]
struct Course {
    steps: Vec<Step>,
    /// It was killed after the given step.
    is_cut: bool,
}

/// Reads the output of strace, lets the daemon continue after each call, and kills it after this step.
/// `place` is the directory of all its files.
fn follow(
    trace: ChildStdout,
    daemon: &AtomicI32,
    place: &str,
    last: Option<&Step>,
) -> anyhow::Result<Course> {
    let mut begun: HashMap<i32, String> = HashMap::new();
    let mut steps: Vec<Step> = Vec::new();
    for line in BufReader::new(trace).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let Some((pid, what)) = line.trim_start().split_once(' ') else {
            continue;
        };
        // The daemon's own lines are JSON.
        let Ok(pid) = pid.parse::<i32>() else {
            continue;
        };
        let what = what.trim_start();
        // The first one is the main thread.
        daemon
            .compare_exchange(0, pid, Ordering::SeqCst, Ordering::SeqCst)
            .ok();
        let call = match what.as_bytes().first() {
            Some(b'-') => {
                // It has stopped; if two threads stop at the same time, strace reports only one.
                if let Some(pid) = Pid::from_raw(pid).filter(|_| what.starts_with("--- SIGSTOP")) {
                    kill_process(pid, Signal::CONT).ok();
                }
                None
            }
            Some(b'<') => begun.remove(&pid),
            Some(b'+') | None => None,
            _ if what.ends_with("<unfinished ...>") => {
                begun.insert(pid, what.to_owned());
                None
            }
            _ => Some(what.to_owned()),
        };
        if let Some(call) = call.filter(|call| is_step(call)) {
            let call = without_chance(&call, place);
            let time = 1 + steps.iter().filter(|step| step.call == call).count();
            steps.push(Step { call, time });
            if steps.last() == last {
                kill_with_children(daemon.load(Ordering::SeqCst));
                let is_cut = true;
                return Ok(Course { steps, is_cut });
            }
        }
    }
    let is_cut = false;
    Ok(Course { steps, is_cut })
}

/// A call without its result, numbers, hashes, and the place of the files.
fn without_chance(call: &str, place: &str) -> String {
    let call = call.split(" <unfinished").next().unwrap_or(call);
    let call = call.rsplit_once(" = ").map_or(call, |(call, _)| call);
    let call = call.trim_end().trim_end_matches(')').replace(place, "");
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let mut fixed = String::new();
    let mut rest = call.as_str();
    while let Some(start) = rest.find(is_word) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !is_word(c)).unwrap_or(word.len()));
        let is_hash = word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_chance = is_hash || word.starts_with(|c: char| c.is_ascii_digit());
        fixed.extend([before, if is_chance { "#" } else { word }]);
        rest = after;
    }
    fixed + rest
}

/// Whether others see what this call, as strace prints it, has done.
fn is_step(call: &str) -> bool {
    let (name, arguments) = call.split_once('(').unwrap_or((call, ""));
    match name {
        "openat" => arguments.contains("O_CREAT"),
        // Files, and what is sent to the API server; no pipes, terminals and wake-ups.
        "write" | "writev" | "sendto" | "sendmsg" => {
            let target = arguments.split_once('<').map_or("", |(_, target)| target);
            target.starts_with("TCP") || (target.starts_with('/') && !target.starts_with("/dev/"))
        }
        _ => true,
    }
}

/// The words by which a process was started; none when it has ended.
fn arguments(pid: i32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// What is not as it should be.
#[derive(Debug, Default)]
struct Wrong {
    lost: Vec<String>,
    twice: Vec<String>,
}

impl Wrong {
    fn unless(&mut self, is_so: bool, what: impl FnOnce() -> String) {
        if !is_so {
            self.lost.push(what());
        }
    }

    fn count(&mut self, what: &str, found: usize, expected: usize) {
        let list = if found > expected {
            &mut self.twice
        } else {
            &mut self.lost
        };
        if found != expected {
            list.push(format!("{what}: {found} instead of {expected}"));
        }
    }
}

/// What a daemon has left, in the API and on the disk.
struct Left {
    status: FileIntegrityNodeStatus,
    baseline: Baseline,
    /// Digest of the database.
    digest: String,
    record: Value,
}

impl Left {
    /// The database must be the reported one.
    async fn read(site: &Site<'_>, wrong: &mut Wrong) -> anyhow::Result<Self> {
        let status = site.status().await?;
        let digest = digest_of_gzip(&site.database()).context("read the database")?;
        let baseline = status.baseline.clone().context("no baseline")?;
        wrong.unless(baseline.digest == digest, || {
            format!("on disk {digest}, recorded {}", baseline.digest)
        });
        let record = std::fs::read(site.path("root/etc/kubernetes/aide.baseline.json"))?;
        let record: Value = serde_json::from_slice(&record)?;
        Ok(Self {
            status,
            baseline,
            digest,
            record,
        })
    }
}

/// Checks everything that a story leaves when its daemon has exited. `old` is the digest of the
/// previous baseline.
async fn check(site: &Site<'_>, story: Story, old: Option<&str>) -> anyhow::Result<Wrong> {
    let mut wrong = Wrong::default();
    let Left {
        status,
        baseline,
        digest,
        record,
    } = Left::read(site, &mut wrong).await?;
    wrong.unless(baseline.requested, || "an unrequested baseline".to_owned());
    wrong.unless(record["digest"] == json!(digest), || {
        format!("another one's record: {record}")
    });
    let is_new = old.is_none_or(|old| (old != digest) == story.accepts());
    wrong.unless(is_new, || format!("{digest} after {old:?}"));
    let accepted = serde_json::to_value(&baseline.accepted)?;
    wrong.unless(
        record.get("accepted").unwrap_or(&Value::Null) == &accepted,
        || format!("recorded as accepted: {record}, reported: {accepted}"),
    );
    check_accepted(&accepted, story, old, &mut wrong);
    check_report(site, story, &digest, &mut wrong).await?;
    check_files(site, story, old, &mut wrong)?;
    check_result(&status, story, &mut wrong);
    check_events(site, story, &mut wrong).await?;
    if story == Story::Changed {
        let name = format!("aide-{}-{NODE}-failed", site.name());
        let log = site.space.api::<ConfigMap>().get_opt(&name).await?;
        let text = log.and_then(|log| log.data).unwrap_or_default();
        let text = text.get("integritylog").cloned().unwrap_or_default();
        wrong.unless(text.contains("/watched/new"), || {
            format!("failure log: {text:?}")
        });
    }
    Ok(wrong)
}

/// The record of what a baseline accepted exists exactly if it has replaced another one.
fn check_accepted(accepted: &Value, story: Story, old: Option<&str>, wrong: &mut Wrong) {
    if !story.accepts() {
        wrong.unless(accepted.is_null(), || format!("accepted: {accepted}"));
        return;
    }
    let reason = match story {
        Story::Announced => json!(["AnnouncedChanges", accepted["request"], old]),
        Story::Reconfigured => json!(["Configuration", null, old]),
        Story::Accepted | Story::Withdrawn => json!(["Acceptance", ACCEPTANCE, old]),
        Story::HoldEnded => {
            let holds = &accepted["holds"];
            wrong.unless(*holds == json!([HOLD]), || format!("accepted: {accepted}"));
            json!(["HoldEnded", accepted["request"], old])
        }
        _ => json!(["Request", REQUEST, old]),
    };
    let found = json!([
        accepted["reason"],
        accepted["request"],
        accepted["oldDigest"]
    ]);
    wrong.unless(found == reason, || format!("accepted: {accepted}"));
    let with_old_config = &accepted["withOldConfig"];
    let is_expected = with_old_config.is_object() == (story == Story::Reconfigured);
    wrong.unless(is_expected, || format!("accepted: {accepted}"));
    let comparisons = [&accepted["differences"], with_old_config];
    for differences in comparisons.into_iter().filter(|it| it.is_object()) {
        let found = json!([
            differences["filesAdded"],
            differences["filesChanged"],
            differences["changes"][0]["path"],
            differences["changes"][1]["path"],
            differences["incomplete"],
        ]);
        let expected = json!([1, 1, "/watched/new", "/watched/one", null]);
        wrong.unless(found == expected, || format!("accepted: {accepted}"));
    }
}

/// The whole report was published, with the digest of the new baseline.
async fn check_report(
    site: &Site<'_>,
    story: Story,
    digest: &str,
    wrong: &mut Wrong,
) -> anyhow::Result<()> {
    let name = format!("aide-{}-{NODE}-accepted", site.name());
    let report = site.space.api::<ConfigMap>().get_opt(&name).await?;
    let Some(report) = report else {
        wrong.unless(!story.accepts(), || {
            "no report of the new baseline".to_owned()
        });
        return Ok(());
    };
    let data = report.data.unwrap_or_default();
    let text = |key: &str| data.get(key).cloned().unwrap_or_default();
    let record: Value = serde_json::from_str(&text("record.json"))?;
    let is_right = story.accepts()
        && record["baseline"]["digest"] == digest
        && text("integritylog").contains("/watched/new");
    wrong.unless(is_right, || {
        format!("the report of the new baseline: {data:?}")
    });
    Ok(())
}

fn check_files(
    site: &Site<'_>,
    story: Story,
    old: Option<&str>,
    wrong: &mut Wrong,
) -> anyhow::Result<()> {
    let mut backups = HashMap::new();
    for entry in std::fs::read_dir(site.path("root/etc/kubernetes"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((of, _)) = name.split_once(".backup-") else {
            let ours = [
                "aide.db.gz",
                "aide.baseline.json",
                "aide.baseline.conf",
                "aide.log",
                "aide.lock",
            ];
            wrong.unless(ours.contains(&name.as_str()), || format!("{name} is left"));
            continue;
        };
        *backups.entry(of.to_owned()).or_insert(0) += 1;
        if of == "aide.db.gz" {
            let digest = digest_of_gzip(&entry.path()).unwrap_or_default();
            let is_old = Some(digest.as_str()) == old;
            wrong.unless(is_old, || format!("{name} is {digest}"));
        }
    }
    let expected = usize::from(story.accepts());
    for of in ["aide.db.gz", "aide.log"] {
        let mut found = backups.get(of).copied().unwrap_or_default();
        if story == Story::Announced && of == "aide.log" {
            // Each attempt begins with a check, whose log is another one.
            found = found.min(1);
        }
        wrong.count(&format!("backups of {of}"), found, expected);
    }
    let marker = site.path("work/aide.running").exists();
    wrong.unless(!marker, || {
        "the marker of a running AIDE is left".to_owned()
    });
    Ok(())
}

fn check_result(status: &FileIntegrityNodeStatus, story: Story, wrong: &mut Wrong) {
    let Some(last) = &status.last_result else {
        wrong.lost.push("no result".to_owned());
        return;
    };
    let counts = (last.files_added, last.files_changed, last.files_removed);
    let paths: Vec<&str> = last
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    let expected: ((i64, i64, i64), &[&str]) = match story {
        Story::Changed => ((1, 1, 0), &["/watched/new", "/watched/one"]),
        _ => ((0, 0, 0), &[]),
    };
    wrong.unless((counts, paths.as_slice()) == expected, || {
        format!("last result: {counts:?} {paths:?}")
    });
    let answer = status.acceptance.as_ref();
    let accepted = answer.filter(|answer| answer.state == AcceptanceState::Accepted);
    let is_expected = accepted.is_some() == (story == Story::Accepted);
    wrong.unless(is_expected, || format!("answer {answer:?}"));
    let digests = accepted.map(|it| (it.new_digest.as_ref(), it.old_digest.is_some()));
    let digest = status.baseline.as_ref().map(|baseline| &baseline.digest);
    wrong.unless(digests.is_none_or(|it| it == (digest, true)), || {
        format!("answer {answer:?}")
    });
    let done = status.reinit.as_ref().map(|reinit| reinit.id.as_str());
    let request = (story == Story::Reinitialized).then_some(REQUEST);
    wrong.unless(done == request, || format!("request {done:?}"));
    let hold = status.hold.as_ref();
    wrong.unless(hold.is_none(), || format!("hold {hold:?}"));
}

/// A kill during a run of AIDE is reported once; after it the node has no changes again.
async fn check_events(site: &Site<'_>, story: Story, wrong: &mut Wrong) -> anyhow::Result<()> {
    let (mut clean, mut changed, mut errors, mut accepted) = (0, 0, 0, 0);
    for event in site.space.events(site.name()).await? {
        let reason = event.reason.unwrap_or_default();
        let note = event.note.unwrap_or_default();
        let is = |start: &str| reason == "NodeIntegrityStatus" && note.starts_with(start);
        if reason == "ChangesAccepted" {
            accepted += 1;
        } else if is(&format!("no changes to node {NODE}")) {
            clean += 1;
        } else if is(&format!("node {NODE} has changed! a:1,c:1,r:0 log:")) {
            changed += 1;
        } else if is(&format!("node {NODE} has an error! ScanInterrupted: "))
            || is(&format!(
                "node {NODE} has an error! AIDE error: killed by signal 9"
            ))
            || is(&format!(
                "node {NODE} has an error! Error initializing the AIDE DB: AIDE error: killed by signal 9"
            ))
        {
            errors += 1;
        } else {
            wrong.lost.push(format!("an event {reason}: {note}"));
        }
    }
    wrong.count("events of errors", errors, errors.min(1));
    // The daemon may have scanned before it knew the new configuration.
    let expected = match story {
        Story::Reconfigured => changed.min(1),
        Story::Accepted | Story::Withdrawn | Story::Changed => 1,
        Story::First | Story::Reinitialized | Story::Announced | Story::HoldEnded => 0,
    };
    let again = if story.accepts() {
        errors.min(1).max(expected)
    } else {
        0
    };
    wrong.count("events of clean scans", clean, 1 + again);
    wrong.count(
        "events of accepted changes",
        accepted,
        usize::from(story.accepts()),
    );
    wrong.count("events of changes", changed, expected);
    Ok(())
}

/// A kill and its result.
#[derive(Debug)]
struct Tried {
    at: String,
    recovery: Duration,
    wrong: Wrong,
}

/// Kills the daemon after this step and starts it again. None if it did not reach the step.
async fn kill_after(
    space: &Space,
    story: Story,
    number: usize,
    step: &Step,
) -> anyhow::Result<Option<Tried>> {
    let name = format!("{}-{number}", story.name());
    let mut site = Site::new(space, &name, NODE, LONG).await?;
    site.prepare(story).await?;
    let old = digest_of_gzip(&site.database()).ok();
    if !site.cut(story, Some(step.clone())).await?.is_cut {
        return Ok(None);
    }
    site.until_unlocked().await?;
    let left = site.status().await?.last_result;
    let left = left.map(|last| last.last_probe_time);
    until_after(left.as_ref()).await;
    let at = format!("{step:?}");
    let reported = site.status().await?.acceptance.is_some();
    if story == Story::Withdrawn {
        site.set_request(None).await?;
    }
    let started = Instant::now();
    let daemon = site.start(&[]).await?;
    site.until("a result after the kill", |status| {
        let last = status.last_result.as_ref();
        let is_over = story == Story::Withdrawn || story.is_over(status);
        let is_result = last.is_some_and(|last| last.condition != Condition::Errored);
        is_over && is_result && last.map(|last| &last.last_probe_time) != left.as_ref()
    })
    .await
    .with_context(|| format!("killed after {at}"))?;
    let recovery = started.elapsed();
    until_reports_are_published(&site).await?;
    daemon.end().await?;
    let wrong = match (story, old.as_deref()) {
        (Story::Withdrawn, Some(old)) => check_withdrawn(&site, old, reported).await?,
        (_, old) => check(&site, story, old).await?,
    };
    Ok(Some(Tried {
        at,
        recovery,
        wrong,
    }))
}

/// The node has kept its baseline, or it reports that it has accepted the changes: once, and not as requested, unless the
/// killed daemon had `reported` it.
async fn check_withdrawn(site: &Site<'_>, old: &str, reported: bool) -> anyhow::Result<Wrong> {
    let mut wrong = Wrong::default();
    let Left {
        status,
        baseline,
        digest,
        record,
    } = Left::read(site, &mut wrong).await?;
    let is_new = digest != old;
    let accepted = serde_json::to_value(&baseline.accepted)?;
    if is_new {
        check_accepted(&accepted, Story::Accepted, Some(old), &mut wrong);
    } else {
        wrong.unless(accepted.is_null(), || format!("accepted: {accepted}"));
    }
    let is_requested = !is_new || reported;
    let found = (baseline.requested, record["requested"] == json!(true));
    wrong.unless(found == (is_requested, is_requested), || {
        format!("requested: {found:?}")
    });
    let last = status.last_result.as_ref().map(|last| last.condition);
    let expected = if is_new {
        Condition::Succeeded
    } else {
        Condition::Failed
    };
    wrong.unless(last == Some(expected), || format!("{last:?}"));
    let answer = status.acceptance.as_ref();
    let answer = answer.map(|it| (it.state, it.uid.as_str(), it.new_digest.as_deref()));
    let expected = is_new.then(|| (AcceptanceState::Accepted, ACCEPTANCE, Some(&*digest)));
    wrong.unless(answer == expected, || format!("answer {answer:?}"));
    check_report(
        site,
        if is_new {
            Story::Accepted
        } else {
            Story::Changed
        },
        &digest,
        &mut wrong,
    )
    .await?;
    let events = site.space.events(site.name()).await?;
    let count = |reason: &str| {
        let events = events.iter();
        let events = events.filter(|event| event.reason.as_deref() == Some(reason));
        events.count()
    };
    for (reason, expected) in [
        ("ChangesAccepted", is_new),
        ("UnrequestedReinit", !is_requested),
        ("BaselineTampered", false),
    ] {
        wrong.count(reason, count(reason), usize::from(expected));
    }
    Ok(wrong)
}

/// Waits until no report of a new baseline waits on the node. As the operator, removes the one before, for which the next
/// one waits: after a change of the configuration there are two.
async fn until_reports_are_published(site: &Site<'_>) -> anyhow::Result<()> {
    let name = format!("aide-{}-{NODE}-accepted", site.name());
    let operator = site.operator().await?;
    let published = Api::<ConfigMap>::namespaced(operator, &site.space.namespace);
    eventually("no report of a new baseline to wait", async || {
        let mut waiting = Vec::new();
        for entry in std::fs::read_dir(site.path("root/etc/kubernetes"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("aide.accepted.") {
                // It may have been published meanwhile.
                waiting.push(std::fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
        let second = match &waiting[..] {
            [] => return Ok(Some(())),
            [only] => only.contains(r#"\"withOldConfig\":true"#),
            _ => false,
        };
        let first = published.get_opt(&name).await?.filter(|_| second);
        let is_first = |report: &ConfigMap| {
            let record = report
                .data
                .as_ref()
                .and_then(|data| data.get("record.json"));
            record.is_some_and(|record| !record.contains(r#""withOldConfig":true"#))
        };
        if let Some(first) = first.filter(is_first) {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: first.metadata.uid,
                    resource_version: None,
                }),
                ..DeleteParams::default()
            };
            published.delete(&name, &params).await?;
        }
        Ok(None)
    })
    .await
}

/// Results are dated to the second: waits until one of now has a later date than this.
async fn until_after(date: Option<&Time>) {
    while date.is_some_and(|date| Timestamp::now().as_second() <= date.0.as_second()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The steps of a daemon that is not killed.
async fn steps_of(space: &Space, story: Story) -> anyhow::Result<Vec<Step>> {
    let mut site = Site::new(space, &format!("{}-whole", story.name()), NODE, LONG).await?;
    site.prepare(story).await?;
    let steps = site.cut(story, None).await?.steps;
    // A walk that never met the calls that matter would come to a good end, too.
    for call in story.calls() {
        let met = steps.iter().any(|step| step.call.contains(call));
        anyhow::ensure!(met, "no step with {call}: {steps:#?}");
    }
    Ok(steps)
}

/// Kills the daemon after each of its steps.
async fn walk(space: &Space, story: Story, fault: &str) -> anyhow::Result<()> {
    let version = Command::new("strace").arg("-V").output();
    version.context("strace is missing: install the package strace")?;
    let steps: Vec<(usize, Step)> = steps_of(space, story)
        .await?
        .into_iter()
        .enumerate()
        .collect();
    let mut all = Vec::new();
    for some in steps.chunks(AT_ONCE) {
        let points = some
            .iter()
            .map(|(number, step)| kill_after(space, story, *number, step));
        for (result, (_, step)) in futures::future::join_all(points)
            .await
            .into_iter()
            .zip(some)
        {
            let tried = result?;
            // What the API server sends decides in how many pieces it is answered. A report is published beside the
            // result, and may be removed from the node after it.
            let is_removal =
                step.call.starts_with("unlink") && step.call.contains("aide.accepted.");
            let may_differ = step.call.contains("<TCP:") || is_removal;
            anyhow::ensure!(
                may_differ || tried.is_some(),
                "no daemon took the step {step:?} again"
            );
            all.extend(tried);
        }
    }
    report(fault, &all)
}

fn report(fault: &str, all: &[Tried]) -> anyhow::Result<()> {
    let wrong: Vec<&Tried> = all
        .iter()
        .filter(|tried| !(tried.wrong.lost.is_empty() && tried.wrong.twice.is_empty()))
        .collect();
    let longest = all.iter().map(|tried| tried.recovery).max();
    let row = Row {
        fault: fault.to_owned(),
        tried: all.len(),
        lost: wrong.iter().map(|tried| tried.wrong.lost.len()).sum(),
        duplicated: wrong.iter().map(|tried| tried.wrong.twice.len()).sum(),
        recovery_seconds: longest.map(|longest| longest.as_secs_f64()),
    };
    let described = wrong
        .iter()
        .map(|tried| format!("killed after {}: {:?}", tried.at, tried.wrong));
    let described: Vec<String> = described.collect();
    row.print().with_context(|| described.join("; "))
}

#[test]
fn steps_are_the_system_calls_with_visible_effects() {
    for (call, expected) in [
        (
            r#"openat(AT_FDCWD</>, "/x/aide.running", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 9</x>"#,
            true,
        ),
        (
            r#"openat(AT_FDCWD</>, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 9</etc/hosts>"#,
            false,
        ),
        ("write(9</x/aide.running>, \"\"..., 1) = 1", true),
        ("write(5<anon_inode:[eventfd]>, \"\"..., 8) = 8", false),
        ("write(2<pipe:[1]>, \"\"..., 8) = 8", false),
        (
            "sendto(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\"..., 9, MSG_NOSIGNAL, NULL, 0) = 9",
            true,
        ),
        ("fsync(9</x/aide.running>) = 0", true),
    ] {
        assert_eq!(is_step(call), expected, "{call}");
    }
}

#[test]
fn a_step_is_the_same_in_another_run() {
    for (call, expected) in [
        (
            r#"rename("/x/killA1/work/a.new", "/x/killA1/work/a") = 0"#,
            r#"rename("/work/a.new", "/work/a""#,
        ),
        (
            r#"link("/x/killA1/aide.log", "/x/killA1/aide.log.backup-20261126T00_01_02" <unfinished ...>"#,
            r#"link("/aide.log", "/aide.log.backup-#_#_#""#,
        ),
        (
            r#"rename("/x/killA1/aide.accepted.json.new", "/x/killA1/aide.accepted.json.e402df625be7f43c") = 0"#,
            r#"rename("/aide.accepted.json.new", "/aide.accepted.json.#""#,
        ),
        (
            r#"write(12</x/killA1/aide.167a5e65b1eac7d09a64a31ec6d4d69c.new>, ""..., 38) = 38"#,
            r#"write(#</aide.#.new>, ""..., #"#,
        ),
        (
            r#"sendto(9<TCP:[127.0.0.1:40->127.0.0.1:2]>, ""..., 9, MSG_NOSIGNAL, NULL, 0) = 9"#,
            r#"sendto(#<TCP:[#.#.#.#:#->#.#.#.#:#]>, ""..., #, MSG_NOSIGNAL, NULL, #"#,
        ),
    ] {
        assert_eq!(without_chance(call, "/x/killA1"), expected);
    }
}

#[tokio::test]
async fn a_daemon_killed_during_the_first_initialization_recovers() -> anyhow::Result<()> {
    in_space("kill-first", async |space| {
        walk(
            space,
            Story::First,
            "kill -9 of the daemon during an initialization",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_during_a_re_initialization_recovers() -> anyhow::Result<()> {
    in_space("kill-renewed", async |space| {
        walk(
            space,
            Story::Reinitialized,
            "kill -9 of the daemon during a re-initialization",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_after_a_change_of_the_configuration_recovers() -> anyhow::Result<()> {
    in_space("kill-config", async |space| {
        walk(
            space,
            Story::Reconfigured,
            "kill -9 of the daemon after a change of the configuration",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_while_it_executes_an_acceptance_recovers() -> anyhow::Result<()> {
    in_space("kill-accepted", async |space| {
        walk(
            space,
            Story::Accepted,
            "kill -9 of the daemon during an acceptance",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_while_it_executes_an_acceptance_that_is_withdrawn_reports_it()
-> anyhow::Result<()> {
    in_space("kill-withdrawn", async |space| {
        walk(
            space,
            Story::Withdrawn,
            "kill -9 of the daemon during an acceptance, which is withdrawn then",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_while_it_accepts_announced_changes_recovers() -> anyhow::Result<()> {
    in_space("kill-announced", async |space| {
        walk(
            space,
            Story::Announced,
            "kill -9 of the daemon while it accepts announced changes",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_at_the_end_of_a_hold_recovers() -> anyhow::Result<()> {
    in_space("kill-hold", async |space| {
        walk(
            space,
            Story::HoldEnded,
            "kill -9 of the daemon at the end of a hold",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_while_it_reports_changes_recovers() -> anyhow::Result<()> {
    in_space("kill-changed", async |space| {
        walk(
            space,
            Story::Changed,
            "kill -9 of the daemon during scanning and publishing",
        )
        .await
    })
    .await
}

/// Whom the kill meets while AIDE runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// Only AIDE. Its daemon reports it and tries again.
    Aide,
    /// The daemon, too, and another one is started.
    Both,
}

/// Kills so long after AIDE's start. Who is to do it may be kept waiting until AIDE is at its end; then
/// it is done once more.
async fn kill_amid(
    space: &Space,
    victim: Victim,
    story: Story,
    after: Duration,
) -> anyhow::Result<Tried> {
    for attempt in 0..MAX_ATTEMPTS {
        let name = format!(
            "{victim:?}-{}-{}-{attempt}",
            story.name(),
            after.as_millis()
        );
        let mut site = Site::new(space, &name.to_lowercase(), NODE, SHORT).await?;
        if let Some(tried) = try_to_kill_amid(&mut site, victim, story, after).await? {
            return Ok(tried);
        }
    }
    anyhow::bail!("AIDE ended before {after:?} were over, {MAX_ATTEMPTS} times")
}

/// Returns nothing where AIDE had ended before.
async fn try_to_kill_amid(
    site: &mut Site<'_>,
    victim: Victim,
    story: Story,
    after: Duration,
) -> anyhow::Result<Option<Tried>> {
    // A file that takes no room, and AIDE some time.
    std::fs::File::create(site.path("root/watched/large"))?.set_len(128 * 1024 * 1024)?;
    site.prepare(story).await?;
    let old = digest_of_gzip(&site.database()).ok();
    let mut daemon = site.start(&[]).await?;
    let mode = match story {
        Story::Changed => "--check",
        Story::First => "--init",
        Story::Reinitialized
        | Story::Reconfigured
        | Story::Accepted
        | Story::Withdrawn
        | Story::Announced
        | Story::HoldEnded => "--update",
    };
    let parent = daemon.pid();
    let killing = move || kill_child(parent, mode, after, victim);
    if !tokio::task::spawn_blocking(killing).await?? {
        return Ok(None);
    }
    let started = Instant::now();
    if victim == Victim::Both {
        daemon.wait().await?;
        site.until_unlocked().await?;
        daemon = site.start(&[]).await?;
    }
    let errored = |status: &FileIntegrityNodeStatus| {
        let mut results = status.results.iter();
        results.any(|result| result.condition == Condition::Errored)
    };
    site.until("the kill and the next result to be reported", |status| {
        errored(status) && story.is_over(status)
    })
    .await?;
    let recovery = started.elapsed();
    until_reports_are_published(site).await?;
    daemon.end().await?;
    let wrong = check(site, story, old.as_deref()).await?;
    let at = format!("{mode}, after {after:?}");
    Ok(Some(Tried {
        at,
        recovery,
        wrong,
    }))
}

/// Waits for the child with this argument, and a bit more, and kills it. False: it had ended by itself.
fn kill_child(
    parent: i32,
    argument: &str,
    after: Duration,
    victim: Victim,
) -> anyhow::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let child = children(parent).into_iter().find(|child| {
            let words = arguments(*child);
            words
                .split(|byte| *byte == 0)
                .any(|word| word == argument.as_bytes())
        });
        if let Some(child) = child.and_then(Pid::from_raw) {
            std::thread::sleep(after);
            if !children(parent).contains(&child.as_raw_nonzero().get()) {
                return Ok(false);
            }
            match victim {
                Victim::Aide => kill_process(child, Signal::KILL)?,
                Victim::Both => kill_with_children(parent),
            }
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    anyhow::bail!("no AIDE with {argument}")
}

/// Kills at a few moments of AIDE's run.
async fn kill_all_amid(
    space: &Space,
    victim: Victim,
    story: Story,
    fault: &str,
) -> anyhow::Result<()> {
    let moments = [0, 20, 60].map(Duration::from_millis);
    let points = moments.map(|after| kill_amid(space, victim, story, after));
    let results = futures::future::join_all(points).await;
    let all: Vec<Tried> = results.into_iter().collect::<anyhow::Result<_>>()?;
    report(fault, &all)
}

#[tokio::test]
async fn a_killed_aide_is_reported_and_run_again() -> anyhow::Result<()> {
    in_space("kill-aide", async |space| {
        for (story, fault) in [
            (Story::First, "kill -9 of AIDE during an initialization"),
            (Story::Changed, "kill -9 of AIDE during a scan"),
        ] {
            kill_all_amid(space, Victim::Aide, story, fault).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_with_its_aide_reports_it_and_starts_again() -> anyhow::Result<()> {
    in_space("kill-both", async |space| {
        for (story, fault) in [
            (
                Story::First,
                "kill -9 of the daemon and AIDE during the first initialization",
            ),
            (
                Story::Reinitialized,
                "kill -9 of the daemon and AIDE during a re-initialization",
            ),
            (
                Story::Accepted,
                "kill -9 of the daemon and AIDE during an acceptance",
            ),
            (
                Story::Announced,
                "kill -9 of the daemon and AIDE while announced changes are accepted",
            ),
            (
                Story::Changed,
                "kill -9 of the daemon and AIDE during a scan",
            ),
        ] {
            kill_all_amid(space, Victim::Both, story, fault).await?;
        }
        Ok(())
    })
    .await
}
