//! The part `realtime`: how fast realtime detection is, and what it costs the node. I/O.
//!
//! The daemon has the CPU limit of its pod. A watch shows when a result is in the API.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::api::{
    Condition, FileIntegrityNodeStatus, RealtimeState, ScanResult, Trigger, names,
};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::mpsc;

use crate::cgroup::Cgroup;
use crate::fleet::{PERIOD, until};
use crate::harness::{self, Space};
use crate::node::{Daemon, FILE_INTEGRITY, NODE, Options, Tree};
use crate::operator::megabytes;
use crate::process::Usage;
use crate::report::Report;
use crate::stats::{largest, median, number, quantile};
use crate::{Run, progress};

/// The CPU limit of the daemon, in thousandths of a core: the default of its pod.
const LIMIT: u32 = 300;
/// Watched files.
const FILES: usize = 110_000;
/// Single changes.
const CHANGES: u32 = 20;
/// Files that change at once.
const BURST: usize = 5_000;
/// Files of a package upgrade, and the time for each.
const UPGRADED: usize = 1_000;
const UPGRADE_PACE: Duration = Duration::from_millis(3);
/// For how long a burst is observed: the correct counts are published by then.
const BURST_OBSERVED: Duration = Duration::from_secs(90);
/// For how long a daemon is left alone before its CPU time is measured.
const REST: Duration = Duration::from_secs(20);
/// For how long events are caused.
const FLOOD: Duration = Duration::from_secs(20);
/// Events per second in directories that are not watched.
const UNRELATED: u32 = 5_000;
/// How often the work of other processes is measured with each setting.
const ROUNDS: usize = 5;
/// Directories of the tree for the memory.
const DIRECTORIES: usize = 10_000;

/// Measures it.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("realtime");
    harness::alone("bench", async |space| {
        let tree = Tree::make(FILES)?;
        changes(&mut report, run, space, &tree).await?;
        burst(&mut report, run, space, &tree).await?;
        upgrade(&mut report, run, space, &tree).await?;
        floods(&mut report, run, space, &tree).await?;
        others(&mut report, run, space, &tree).await
    })
    .await?;
    harness::alone("bench-memory", async |space| {
        memory(&mut report, run, space).await
    })
    .await?;
    Ok(report)
}

/// A daemon that detects changes, with its limit.
struct Node<'a> {
    space: &'a Space,
    daemon: Daemon,
    cgroup: Cgroup,
}

impl<'a> Node<'a> {
    /// Starts it, and waits until it detects changes and has published a success.
    async fn start(space: &'a Space, run: &Run, tree: &Tree) -> anyhow::Result<Self> {
        Self::start_with(space, run, tree, &[]).await
    }

    /// The same with more arguments.
    async fn start_with(
        space: &'a Space,
        run: &Run,
        tree: &Tree,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let cgroup = Cgroup::new(LIMIT)?;
        let before = last_scan(space).await?;
        let options = Options {
            cgroup: Some(&cgroup),
            arguments,
            ..Options::new(PERIOD)
        };
        let daemon = Daemon::start(space, run, tree, &options).await?;
        let node = Self {
            space,
            daemon,
            cgroup,
        };
        until("realtime detection", async || {
            let status = node.status().await?;
            let is_new = status.last_full_scan.is_some() && status.last_full_scan != before;
            let is_active = state(&status) == Some(RealtimeState::Active);
            let is_clean = status
                .last_result
                .is_some_and(|it| it.condition == Condition::Succeeded);
            Ok((is_new && is_active && is_clean).then_some(()))
        })
        .await?;
        Ok(node)
    }

    async fn status(&self) -> anyhow::Result<FileIntegrityNodeStatus> {
        status(self.space).await
    }
}

fn state(status: &FileIntegrityNodeStatus) -> Option<RealtimeState> {
    status.realtime.as_ref().map(|realtime| realtime.state)
}

async fn status(space: &Space) -> anyhow::Result<FileIntegrityNodeStatus> {
    let name = names::node_status(FILE_INTEGRITY, NODE);
    Ok(space.api().get(&name).await?)
}

/// The end of the last scan of an earlier daemon.
async fn last_scan(
    space: &Space,
) -> anyhow::Result<Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>> {
    let name = names::node_status(FILE_INTEGRITY, NODE);
    let api = space.api::<FileIntegrityNodeStatus>();
    Ok(api.get_opt(&name).await?.and_then(|it| it.last_full_scan))
}

/// Sends the results by events of the kernel, with the time of their arrival.
fn results(space: &Space) -> mpsc::UnboundedReceiver<(Instant, ScanResult)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let statuses = space.api::<FileIntegrityNodeStatus>();
    let stream = watcher(statuses, watcher::Config::default());
    let mut seen = None;
    tokio::spawn(stream.default_backoff().for_each(move |event| {
        if let Ok(watcher::Event::Apply(status)) = event
            && let Some(result) = status.last_result
            && seen.as_ref() != Some(&result)
        {
            seen = Some(result.clone());
            sender.send((Instant::now(), result)).ok();
        }
        futures::future::ready(())
    }));
    receiver
}

/// The path of a watched file.
fn file(tree: &Tree, index: usize) -> std::path::PathBuf {
    let directory = tree.watched().join(format!("{:05}", index / 100));
    directory.join(format!("file-{index}"))
}

/// Appends to a file; [`undo`] reverts it.
fn change(path: &Path) -> anyhow::Result<()> {
    let mut file = fs::File::options().append(true).open(path)?;
    Ok(file.write_all(b"x")?)
}

fn undo(path: &Path) -> anyhow::Result<()> {
    let file = fs::File::options().write(true).open(path)?;
    let length = file.metadata()?.len();
    Ok(file.set_len(length - 1)?)
}

/// Each change is the first difference of a new daemon: later ones wait until the state is quiet.
async fn changes(report: &mut Report, run: &Run, space: &Space, tree: &Tree) -> anyhow::Result<()> {
    let mut arrivals = results(space);
    let mut seconds = Vec::new();
    for index in 0..CHANGES {
        let node = Node::start(space, run, tree).await?;
        tokio::time::sleep(Duration::from_millis(u64::from(index) * 37)).await;
        while arrivals.try_recv().is_ok() {}
        let path = file(tree, usize::try_from(index)? * 997);
        change(&path)?;
        let changed = Instant::now();
        let arrived = loop {
            let (at, result) = arrivals.recv().await.context("the watch has ended")?;
            if result.condition == Condition::Failed {
                break at;
            }
        };
        seconds.push(arrived.duration_since(changed).as_secs_f64());
        drop(node);
        undo(&path)?;
    }
    let case = "one change, 110,000 files";
    report.add(case, "changes", number(CHANGES), "");
    report.add(case, "change to status, median", median(&seconds), "s");
    report.add(
        case,
        "change to status, 90 % below",
        quantile(&seconds, 0.9),
        "s",
    );
    report.add(case, "change to status, longest", largest(&seconds), "s");
    Ok(())
}

/// Many files that change at once.
async fn burst(report: &mut Report, run: &Run, space: &Space, tree: &Tree) -> anyhow::Result<()> {
    let case = "5,000 files at once";
    observed(report, run, space, tree, case, BURST, || {
        (0..BURST).try_for_each(|index| change(&file(tree, index * 7)))
    })
    .await?;
    (0..BURST).try_for_each(|index| undo(&file(tree, index * 7)))
}

/// A package upgrade, as dpkg does it: each file is written under another name, and renamed.
async fn upgrade(report: &mut Report, run: &Run, space: &Space, tree: &Tree) -> anyhow::Result<()> {
    let case = "upgrade of 1,000 files";
    let old: Vec<_> = (0..UPGRADED)
        .map(|index| fs::read(file(tree, index * 11)))
        .collect::<Result<_, _>>()?;
    let install = |index: usize, content: &[u8]| {
        let path = file(tree, index * 11);
        let new = path.with_extension("dpkg-new");
        fs::write(&new, content)?;
        anyhow::Ok(fs::rename(new, path)?)
    };
    observed(report, run, space, tree, case, UPGRADED, || {
        for index in 0..UPGRADED {
            install(index, b"the new version")?;
            std::thread::sleep(UPGRADE_PACE);
        }
        Ok(())
    })
    .await?;
    let mut old = old.iter().enumerate();
    old.try_for_each(|(index, content)| install(index, content))
}

/// What follows from changes of this many files.
async fn observed(
    report: &mut Report,
    run: &Run,
    space: &Space,
    tree: &Tree,
    case: &str,
    files: usize,
    change: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let node = Node::start(space, run, tree).await?;
    let mut arrivals = results(space);
    let log = names::failure_log(&names::daemon_set(FILE_INTEGRITY), NODE);
    space
        .api::<ConfigMap>()
        .delete(&log, &kube::api::DeleteParams::default())
        .await
        .ok();
    let mut logs = logs(space, &log);
    tokio::time::sleep(Duration::from_secs(1)).await;
    while arrivals.try_recv().is_ok() {}
    let writes = space.writes("daemon")?.len();
    let usage = Usage::of(node.daemon.pid())?;
    let began = Instant::now();
    tokio::task::block_in_place(change)?;
    let changing = began.elapsed().as_secs_f64();
    let (mut first, mut correct, mut published, mut bytes) = (None, None, 0_u32, 0_usize);
    let end = tokio::time::Instant::now() + BURST_OBSERVED;
    while let Ok(Some((at, result))) = tokio::time::timeout_at(end, arrivals.recv()).await {
        if result.condition != Condition::Failed {
            continue;
        }
        published += 1;
        bytes += serde_json::to_vec(&status(space).await?)?.len();
        let after = at.duration_since(began).as_secs_f64();
        first.get_or_insert(after);
        if result.files_changed == i64::try_from(files)? {
            correct.get_or_insert(after);
        }
    }
    let used = Usage::of(node.daemon.pid())?.since(usage);
    let wall = began.elapsed().as_secs_f64();
    let mut written = 0_u32;
    while let Ok(size) = logs.try_recv() {
        written += 1;
        bytes += size;
    }
    let first = first.context("no result")?;
    let correct = correct.context("no correct counts")?;
    report.add(case, "time of the changes", changing, "s");
    report.add(case, "first change to first result", first, "s");
    report.add(case, "first change to correct counts", correct, "s");
    report.add(case, "results published", number(published), "");
    report.add(case, "failure logs written", number(written), "");
    let writes = space.writes("daemon")?.len() - writes;
    report.add(case, "writes to the API server", number(writes), "");
    let bytes = megabytes(u64::try_from(bytes)?);
    report.add(case, "written statuses and logs", bytes, "MB");
    report.add(case, "observed for", wall, "s");
    let share = used.children.as_secs_f64() / wall * 100.0;
    report.add(case, "CPU of AIDE, of a core", share, "%");
    let share = used.own.as_secs_f64() / wall * 100.0;
    report.add(case, "CPU of the daemon, of a core", share, "%");
    Ok(())
}

/// Sends the bytes of each version of the failure log.
fn logs(space: &Space, name: &str) -> mpsc::UnboundedReceiver<usize> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let stream = watcher(space.api::<ConfigMap>(), only);
    tokio::spawn(stream.default_backoff().for_each(move |event| {
        if let Ok(watcher::Event::Apply(log)) = event {
            let size = serde_json::to_vec(&log).map_or(0, |json| json.len());
            sender.send(size).ok();
        }
        futures::future::ready(())
    }));
    receiver
}

/// Many events: in directories that are not watched, and in one that is.
async fn floods(report: &mut Report, run: &Run, space: &Space, tree: &Tree) -> anyhow::Result<()> {
    let node = Node::start(space, run, tree).await?;
    let elsewhere = tree.path("elsewhere");
    fs::create_dir_all(&elsewhere)?;
    tokio::time::sleep(REST).await;
    for (case, pace) in [("no events", 0), ("5,000 unrelated events/s", UNRELATED)] {
        let before = Usage::of(node.daemon.pid())?;
        let directory = elsewhere.clone();
        let work = tokio::task::spawn_blocking(move || touch(&directory, Some(pace)));
        let events = work.await??;
        let used = Usage::of(node.daemon.pid())?.since(before);
        report.add(case, "events per second", events, "1/s");
        let share = used.own.as_secs_f64() / FLOOD.as_secs_f64() * 100.0;
        report.add(case, "CPU of the daemon, of a core", share, "%");
    }
    let watched = tree.watched().join("00000");
    let before = Usage::of(node.daemon.pid())?;
    let work = tokio::task::spawn_blocking(move || touch(&watched, None));
    let events = work.await??;
    let used = Usage::of(node.daemon.pid())?.since(before);
    let case = "events in a watched directory";
    report.add(case, "events per second", events, "1/s");
    let share = used.own.as_secs_f64() / FLOOD.as_secs_f64() * 100.0;
    report.add(case, "CPU of the daemon, of a core", share, "%");
    report.add(
        case,
        "memory of the cgroup",
        megabytes(node.cgroup.memory()?),
        "MB",
    );
    let status = node.status().await?;
    let overflows = status.realtime.map_or(0, |realtime| realtime.overflows);
    report.add(case, "overflows", number(u32::try_from(overflows)?), "");
    Ok(())
}

/// Creates and deletes files, at this many events per second, or as many as possible. Returns how many events
/// per second that were, by two events for each file.
fn touch(directory: &Path, pace: Option<u32>) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut files = 0_u32;
    while started.elapsed() < FLOOD {
        if let Some(pace) = pace {
            let due = started.elapsed().as_secs_f64() * f64::from(pace) / 2.0;
            if f64::from(files) >= due {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
        }
        let path = directory.join(format!("touched-{}", files % 1000));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::RegularFile,
            0o600.into(),
            0,
        )?;
        fs::remove_file(&path)?;
        files += 1;
    }
    Ok(f64::from(files) * 2.0 / started.elapsed().as_secs_f64())
}

/// The work of other processes: without a daemon, with one, and with one that finds out who makes changes.
async fn others(report: &mut Report, run: &Run, space: &Space, tree: &Tree) -> anyhow::Result<()> {
    let directory = tree.path("work");
    fs::create_dir_all(&directory)?;
    let settings: [(&str, Option<&[&str]>); 3] = [
        ("without", None),
        ("work of others, CPU", Some(&[])),
        (
            "the same, actors: Process",
            Some(&["--realtime-actors=process"]),
        ),
    ];
    let mut all: Vec<(String, [Vec<f64>; 3])> = Vec::new();
    for round in 0..ROUNDS {
        progress(&format!(
            "work of other processes, round {} of {ROUNDS}",
            round + 1
        ));
        // Another setting is the first one in each round.
        for index in 0..settings.len() {
            let setting = (round + index) % settings.len();
            let node = match settings[setting].1 {
                Some(arguments) => Some(Node::start_with(space, run, tree, arguments).await?),
                None => None,
            };
            let output = Command::new(std::env::current_exe()?)
                .arg("work")
                .arg(&directory)
                .output()?;
            for line in String::from_utf8(output.stdout)?.lines() {
                let (kind, micros) = line.rsplit_once(' ').context("a line of the work")?;
                let known = all.iter().position(|(name, _)| name == kind);
                let at = known.unwrap_or_else(|| {
                    all.push((kind.to_owned(), Default::default()));
                    all.len() - 1
                });
                all[at].1[setting].push(micros.parse()?);
            }
            drop(node);
        }
    }
    for (setting, (case, _)) in settings.iter().enumerate().skip(1) {
        for (kind, micros) in &all {
            // In a single round, the kernel may charge other work to these processes.
            let ratio = median(&micros[setting]) / median(&micros[0]);
            report.add(case, kind, ratio * 100.0 - 100.0, "% more");
        }
    }
    Ok(())
}

/// Works with files in a directory, and returns a line for each kind of work with its CPU time in
/// microseconds.
pub(crate) fn work(directory: &Path) -> anyhow::Result<String> {
    let path = |index: usize| directory.join(format!("file-{index}"));
    let archive = directory.join("archive.tar");
    let tree = directory.join("tree");
    fs::create_dir_all(tree.join("sub"))?;
    for index in 0..2000 {
        fs::write(tree.join("sub").join(index.to_string()), [1; 4096])?;
    }
    let tar = |arguments: &[&str]| {
        let status = Command::new("tar")
            .arg("-C")
            .arg(directory)
            .args(arguments)
            .status()?;
        anyhow::ensure!(status.success(), "tar: {status}");
        anyhow::Ok(())
    };
    let archive = archive.to_string_lossy().into_owned();
    tar(&["-cf", &archive, "tree"])?;
    let mut text = String::new();
    let measured = |work: &dyn Fn() -> anyhow::Result<()>| {
        let before = cpu();
        work()?;
        anyhow::Ok(cpu().saturating_sub(before))
    };
    let mut add = |kind: &str, used: Duration| writeln!(text, "{kind} {}", used.as_micros());
    let (mut creating, mut deleting) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..10 {
        creating +=
            measured(&|| (0..5000).try_for_each(|index| Ok(fs::write(path(index), b"x")?)))?;
        deleting +=
            measured(&|| (0..5000).try_for_each(|index| Ok(fs::remove_file(path(index))?)))?;
    }
    add("create, write, close", creating)?;
    add("delete", deleting)?;
    let used = measured(&|| (0..20).try_for_each(|_| tar(&["-xf", &archive])))?;
    add("untar", used)?;
    let used = measured(&|| {
        let mut file = fs::File::create(path(0))?;
        (0..200_000).try_for_each(|_| Ok(file.write_all(&[1; 4096])?))
    })?;
    add("write 4 kB at a time", used)?;
    let used = measured(&|| {
        let file = tree.join("sub/0");
        (0..200_000).try_for_each(|_| Ok(fs::read(&file).map(drop)?))
    })?;
    add("open, read, close", used)?;
    let used = measured(&|| {
        (0..2000).try_for_each(|_| {
            let status = Command::new("true").status()?;
            anyhow::ensure!(status.success(), "true: {status}");
            Ok(())
        })
    })?;
    add("run a program", used)?;
    fs::remove_dir_all(directory)?;
    fs::create_dir_all(directory)?;
    Ok(text)
}

/// CPU time of this process, and of its children that have ended.
fn cpu() -> Duration {
    let usage = Usage::of(std::process::id()).unwrap_or_default();
    usage.own + usage.children
}

/// Memory at rest, with 10,000 directories.
async fn memory(report: &mut Report, run: &Run, space: &Space) -> anyhow::Result<()> {
    let tree = Tree::make(0)?;
    for index in 0..DIRECTORIES {
        let directory = tree.watched().join(format!("directory-{index}"));
        fs::create_dir(&directory)?;
        fs::write(directory.join("file"), "text")?;
    }
    for (case, arguments) in [
        ("off", &["--realtime=off"][..]),
        ("10,000 directories", &[]),
    ] {
        let cgroup = Cgroup::new(LIMIT)?;
        let options = Options {
            cgroup: Some(&cgroup),
            arguments,
            ..Options::new(PERIOD)
        };
        let daemon = Daemon::start(space, run, &tree, &options).await?;
        until("a scan", async || Ok((daemon.scans() > 0).then_some(()))).await?;
        tokio::time::sleep(REST).await;
        let sample = daemon.sample()?;
        report.add(case, "RSS at rest", megabytes(sample.rss), "MB");
        report.add(
            case,
            "memory of the cgroup",
            megabytes(cgroup.memory()?),
            "MB",
        );
        drop(daemon);
        let results = status(space).await?;
        let trigger = results.last_result.and_then(|result| result.trigger);
        anyhow::ensure!(trigger == Some(Trigger::Scan), "nothing has changed");
    }
    Ok(())
}
