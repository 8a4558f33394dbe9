//! Random changes on a node on which pods are created and deleted: all changes are reported and
//! nothing else, and neither daemon nor operator grows.
//!
//! Five minutes with the other tests; `make soak` takes an hour for it. `SOAK_SECONDS` is how
//! long, `SOAK_SEED` which changes: the seed of a run that fails is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use fio::testing::api::{ChangeKind, Condition, ScanResult};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::chaos::Row;
use crate::harness::node::{FILES, Uses};
use crate::harness::{Fi, Node, Test, on_one_node_for, until};
use crate::quiet::{end_pod, run_pod};

/// How long it takes with the other tests.
const SHORT: Duration = Duration::from_secs(300);
/// What begins in time may take so much longer. With the length this is more than other tests may take,
/// so that this one begins first.
const LAST_ROUND: Duration = Duration::from_secs(900);
/// As many files differ from the baseline at most. The status has room for twenty.
const MOST_CHANGES: usize = 12;
/// So many files are there in the beginning.
const FILES_AT_FIRST: usize = 40;
/// Rounds after which memory is taken for what it will stay.
const WARM_UP: usize = 4;
/// How much more anonymous memory a process may have after the warm-up than ever before: for the
/// daemon some 3 kB a scan in an hour, while it has 1.1 MB. The other tests keep the operator busy.
const DAEMON_GROWS: u64 = 512 << 10;
const OPERATOR_GROWS: u64 = 8 << 20;

/// What a file is, as far as the configuration watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    content: u64,
    mode: u16,
}

type Files = BTreeMap<String, File>;
type Differences = BTreeMap<String, ChangeKind>;

/// What the watched files are, and what they were when the baseline was created.
#[derive(Debug, Default)]
struct Model {
    baseline: Files,
    now: Files,
    made: usize,
}

/// The number of changes and results, and the resources of the processes.
#[derive(Debug, Default)]
struct Course {
    rounds: u32,
    changes: usize,
    missed: usize,
    invented: usize,
    baselines: usize,
    daemon: Vec<Uses>,
    operator: Vec<Uses>,
}

impl Model {
    fn new(rng: &mut Rng) -> Self {
        let mut model = Self::default();
        for _ in 0..FILES_AT_FIRST {
            model.add(rng);
        }
        model.baseline = model.now.clone();
        model
    }

    /// Names are never used again, so that what is removed and added is two files.
    fn add(&mut self, rng: &mut Rng) {
        self.made += 1;
        let file = File {
            content: rng.u64(..),
            mode: 0o644,
        };
        self.now.insert(format!("f{}", self.made), file);
    }

    /// Changes some files, adds some, removes some; puts all back when there is no room for more.
    fn change(&mut self, rng: &mut Rng) {
        let room = MOST_CHANGES.saturating_sub(self.differences().len());
        if room == 0 {
            self.now = self.baseline.clone();
            return;
        }
        for _ in 0..rng.usize(1..=room) {
            let paths: Vec<String> = self.now.keys().cloned().collect();
            let Some(path) = rng.choice(&paths) else {
                self.add(rng);
                continue;
            };
            match rng.u8(..4) {
                0 => self.add(rng),
                1 => drop(self.now.remove(path)),
                2 => self.alter(path, |file| file.content = rng.u64(..)),
                _ => self.alter(path, |file| file.mode ^= 0o111),
            }
        }
    }

    fn alter(&mut self, path: &str, change: impl FnOnce(&mut File)) {
        if let Some(file) = self.now.get_mut(path) {
            change(file);
        }
    }

    /// The differences that a scan must report.
    fn differences(&self) -> Differences {
        let differ = |path: &String| {
            let kind = match (self.baseline.get(path), self.now.get(path)) {
                (None, Some(_)) => ChangeKind::Added,
                (Some(_), None) => ChangeKind::Removed,
                (before, after) if before != after => ChangeKind::Changed,
                _ => return None,
            };
            Some((path.clone(), kind))
        };
        let paths: BTreeSet<&String> = self.baseline.keys().chain(self.now.keys()).collect();
        paths.into_iter().filter_map(differ).collect()
    }

    /// A script that changes the files from `before` to what they are now.
    fn script(&self, before: &Files) -> String {
        let mut lines = vec!["umask 022".to_owned()];
        let deleted = before.keys().filter(|path| !self.now.contains_key(*path));
        lines.extend(deleted.map(|path| format!("rm {path}")));
        for (path, file) in self
            .now
            .iter()
            .filter(|(path, f)| before.get(*path) != Some(f))
        {
            // A mode alone is changed without a write.
            if before.get(path).map(|f| f.content) != Some(file.content) {
                lines.push(format!("printf {} > {path}", file.content));
            }
            lines.push(format!("chmod {:o} {path}", file.mode));
        }
        lines.join("\n")
    }
}

/// The differences of the test's files in a result. Any other difference is an error.
fn reported_by(result: &ScanResult) -> Result<Differences> {
    let all = result.files_added + result.files_changed + result.files_removed;
    ensure!(
        usize::try_from(all)? == result.changes.len(),
        "{all} changes are counted, and {} listed",
        result.changes.len()
    );
    let file = |path: &str| {
        path.strip_prefix(FILES)?
            .strip_prefix('/')
            .map(str::to_owned)
    };
    let changes = result.changes.iter().map(|change| {
        let path = file(&change.path).with_context(|| format!("{change:?}"))?;
        Ok((path, change.kind))
    });
    changes.collect()
}

fn seconds() -> Result<Duration> {
    match std::env::var("SOAK_SECONDS") {
        Ok(text) if !text.is_empty() => {
            let seconds = text
                .parse()
                .with_context(|| format!("SOAK_SECONDS={text}"))?;
            Ok(Duration::from_secs(seconds))
        }
        _ => Ok(SHORT),
    }
}

fn seed() -> Result<u64> {
    match std::env::var("SOAK_SEED") {
        Ok(text) if !text.is_empty() => text.parse().with_context(|| format!("SOAK_SEED={text}")),
        _ => Ok(fastrand::u64(..)),
    }
}

#[tokio::test]
async fn random_changes_are_all_reported_and_nothing_else() -> Result<()> {
    let (length, seed) = (seconds()?, seed()?);
    on_one_node_for("soak", length + LAST_ROUND, async |t| {
        let course = soak(t, length, seed)
            .await
            .with_context(|| format!("SOAK_SEED={seed}"))?;
        report(&course, length)
    })
    .await
}

async fn soak(t: &Test, length: Duration, seed: u64) -> Result<Course> {
    let node = t.node()?;
    let rng = &mut Rng::with_seed(seed);
    let mut model = Model::new(rng);
    node.files(&model.script(&Files::new())).await?;
    // By the built-in configuration, so that all else on the node is watched as well.
    let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
    fi.watched().await?;

    let (mut course, began) = (Course::default(), Instant::now());
    while began.elapsed() < length {
        round(t, &fi, node, &mut model, rng, &mut course).await?;
    }
    ensure!(course.rounds > 0, "no round in {length:?}");
    Ok(course)
}

/// One time: something changes, or is as it was, or there is a new baseline, while a pod runs; then
/// the result of a scan that began after that.
async fn round(
    t: &Test,
    fi: &Fi<'_>,
    node: &Node,
    model: &mut Model,
    rng: &mut Rng,
    course: &mut Course,
) -> Result<()> {
    course.rounds += 1;
    let (before, differences_before) = (model.now.clone(), model.differences());
    let pod = run_pod(t, "soak", &node.name, course.rounds).await?;
    match rng.u8(..8) {
        0 => reinitialize(fi, node, model, course).await?,
        1 => model.now = model.baseline.clone(),
        _ => model.change(rng),
    }
    node.sh(&model.script(&before)).await?;
    end_pod(t, &pod).await?;
    // The second one began after the change.
    let result = fi.scans(&node.name, 2).await?;
    let (expected, reported) = (model.differences(), reported_by(&result)?);
    let is_new = |path: &&String| differences_before.get(*path) != expected.get(*path);
    course.changes += expected.keys().filter(is_new).count();
    let differ = |one: &Differences, other: &Differences| {
        one.iter().filter(|&(p, k)| other.get(p) != Some(k)).count()
    };
    course.missed += differ(&expected, &reported);
    course.invented += differ(&reported, &expected);
    let condition = if expected.is_empty() {
        Condition::Succeeded
    } else {
        Condition::Failed
    };
    ensure!(
        reported == expected && result.condition == condition,
        "round {}: {expected:?} was done, and a scan reports {result:?}",
        course.rounds
    );
    let realtime = fi.all_reported_at_once(&node.name).await;
    realtime.with_context(|| format!("round {}", course.rounds))?;
    record_processes(t, fi, node, course).await
}

/// Makes the current files the new baseline.
async fn reinitialize(
    fi: &Fi<'_>,
    node: &Node,
    model: &mut Model,
    course: &mut Course,
) -> Result<()> {
    let before = fi.baseline(&node.name).await?;
    fi.annotate("file-integrity.openshift.io/re-init", "")
        .await?;
    fi.new_baseline(&node.name, &before).await?;
    model.baseline = model.now.clone();
    course.baselines += 1;
    Ok(())
}

async fn record_processes(t: &Test, fi: &Fi<'_>, node: &Node, course: &mut Course) -> Result<()> {
    let daemon = fi.daemon(&node.name).await?;
    course.daemon.push(uses(&daemon).await?);
    // Another test may replace it just now.
    if let Ok(uses) = uses(&t.operator().await?).await {
        if course
            .operator
            .last()
            .is_some_and(|last| last.process != uses.process)
        {
            course.operator.clear();
        }
        course.operator.push(uses);
    }
    Ok(())
}

async fn uses(pod: &Pod) -> Result<Uses> {
    let name = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let node = Node {
        name: name.context("a pod without a node")?,
    };
    until("the pod's process", async || node.uses(pod).await).await
}

/// Fails where a process has more after the warm-up than ever before it.
fn has_not_grown(who: &str, all: &[Uses], grows: u64) -> Result<()> {
    let Some((warm, later)) = all.split_at_checked(all.len().div_ceil(2).max(WARM_UP)) else {
        return Ok(());
    };
    let has_not = |what: &str, of: fn(&Uses) -> u64, more: u64| {
        let most = |some: &[Uses]| some.iter().map(of).max().unwrap_or_default();
        let (before, after) = (most(warm), most(later));
        ensure!(
            after <= before + more,
            "{who}: {what} grew from {before} to {after}: {all:?}"
        );
        Ok(())
    };
    has_not("anonymous memory", |uses| uses.anonymous, grows)?;
    has_not("open files", |uses| uses.files, 16)?;
    has_not("threads", |uses| uses.threads, 4)?;
    let same = all.iter().all(|uses| uses.process == all[0].process);
    ensure!(same, "{who} was restarted: {all:?}");
    Ok(())
}

fn report(course: &Course, length: Duration) -> Result<()> {
    let ends = |all: &[Uses]| json!([all.first(), all.last()]);
    let line = json!({
        "seconds": length.as_secs(),
        "rounds": course.rounds,
        "changes": course.changes,
        "baselines": course.baselines,
        "daemon": ends(&course.daemon),
        "operator": ends(&course.operator),
    });
    crate::chaos::print("soak", &line)?;
    has_not_grown("the daemon", &course.daemon, DAEMON_GROWS)?;
    has_not_grown("the operator", &course.operator, OPERATOR_GROWS)?;
    Row {
        fault: format!(
            "changes at random, while pods come and go, {} minutes",
            length.as_secs() / 60
        ),
        tried: course.changes,
        lost: course.missed,
        duplicated: course.invented,
        recovery_seconds: None,
    }
    .print()
}

#[test]
fn a_script_creates_the_files_of_the_model() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let rng = &mut Rng::with_seed(7);
    let mut model = Model::new(rng);
    let mut before = Files::new();
    for _ in 0..20 {
        let script = format!(
            "set -eu; cd {}\n{}",
            dir.path().display(),
            model.script(&before)
        );
        let status = std::process::Command::new("sh")
            .arg("-c")
            .arg(script)
            .status()?;
        ensure!(status.success(), "{status}");
        let mut found = Files::new();
        for entry in std::fs::read_dir(dir.path())? {
            use std::os::unix::fs::PermissionsExt as _;
            let entry = entry?;
            let file = File {
                content: std::fs::read_to_string(entry.path())?.parse()?,
                mode: u16::try_from(entry.metadata()?.permissions().mode() & 0o777)?,
            };
            found.insert(entry.file_name().to_string_lossy().into_owned(), file);
        }
        assert_eq!(found, model.now);
        assert!(
            model.differences().len() <= 20,
            "the status has room for them"
        );
        before = model.now.clone();
        model.change(rng);
    }
    Ok(())
}
