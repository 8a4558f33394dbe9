//! The part `scan`: what a scan of a large tree costs; by itself, by way of the daemon, with more or
//! fewer workers, under a limit, and what a neighbour on the same CPU feels of it. I/O.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::aide::command::ExtraConfig;
use fio::testing::aide::config::RunOptions;
use rustix::fs::{Advice, fadvise};

use crate::cgroup::Cgroup;
use crate::fleet::until;
use crate::harness::{self, Space, aide};
use crate::node::{ATTRIBUTES, Daemon, Options, Tree};
use crate::operator::megabytes;
use crate::process::{self, Usage};
use crate::report::Report;
use crate::stats::{median, number, quantile};
use crate::{Run, progress};

/// Files of the tree.
const FILES: usize = 120_000;
/// Scans by the daemon, and as many by AIDE alone, in turn.
const PAIRS: usize = 10;
/// The daemon's pause between scans, in seconds: AIDE alone runs in it.
const PAUSE: u64 = 15;
/// The CPU that a scan shares with a neighbour.
const SHARED_CPU: &str = "0";
/// How long the neighbour works.
const NEIGHBOUR_SECONDS: u64 = 10;
/// What the neighbour does in a turn, and how long it waits after it.
const TURN: u32 = 20_000;
const TURN_PAUSE: Duration = Duration::from_millis(2);

/// How AIDE is run.
#[derive(Clone, Debug)]
struct Setup {
    workers: u32,
    attributes: String,
    /// In thousandths of a CPU.
    limit: Option<u32>,
    nice: bool,
    cpu: Option<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            workers: 1,
            attributes: format!("{ATTRIBUTES}+sha256"),
            limit: None,
            nice: true,
            cpu: None,
        }
    }
}

/// Measures it.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("scan");
    let tree = Tree::make(FILES)?;
    progress(&format!("a tree of {} files", tree.files));
    harness::alone("bench", async |space| {
        pairs(&mut report, run, space, &tree).await
    })
    .await?;
    let scanner = Scanner::new(&tree).await?;
    scanner.caches(&mut report)?;
    scanner.digests(&mut report)?;
    scanner.workers(&mut report)?;
    scanner.neighbours(&mut report)?;
    Ok(report)
}

/// AIDE alone, and the same by way of the daemon, in turn.
async fn pairs(report: &mut Report, run: &Run, space: &Space, tree: &Tree) -> anyhow::Result<()> {
    let scanner = Scanner::new(tree).await?;
    scanner.aide("--init", &Setup::default())?;
    let daemon = Daemon::start(space, run, tree, &Options::of_scans(PAUSE)).await?;
    until("the first scan", async || {
        Ok((daemon.scans() > 0).then_some(()))
    })
    .await?;
    let (mut alone, mut whole, mut own, mut ratios) = (vec![], vec![], vec![], vec![]);
    for pair in 1..=PAIRS {
        let by_itself = scanner.aide("--check", &Setup::default())?;
        let before = Usage::of(daemon.pid())?;
        let scans = daemon.scans();
        until(
            "a scan",
            async || Ok((daemon.scans() > scans).then_some(())),
        )
        .await?;
        // It is published, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = Usage::of(daemon.pid())?.since(before);
        alone.push(by_itself.cpu.as_secs_f64());
        whole.push((used.own + used.children).as_secs_f64());
        own.push(used.own.as_secs_f64());
        ratios.push((used.own.as_secs_f64() / used.children.as_secs_f64()) * 100.0);
        progress(&format!("pair {pair}: {by_itself:?} {used:?}"));
    }
    let case = "120,000 files";
    report.add(case, "AIDE alone: CPU, median", median(&alone), "s");
    report.add(
        case,
        "by the daemon, AIDE and all: CPU, median",
        median(&whole),
        "s",
    );
    report.add(
        case,
        "of that the daemon itself: CPU, median",
        median(&own) * 1e3,
        "ms",
    );
    report.add(
        case,
        "the daemon itself to its AIDE, median",
        median(&ratios),
        "%",
    );
    let over = (median(&whole) / median(&alone) - 1.0) * 100.0;
    report.add(
        case,
        "by the daemon more than alone, of the medians",
        over,
        "%",
    );
    report.add(
        case,
        "maximum RSS of the daemon itself",
        megabytes(daemon.sample()?.peak),
        "MB",
    );
    Ok(())
}

/// What one run of AIDE took.
#[derive(Clone, Copy, Debug, Default)]
struct Scanned {
    wall: Duration,
    cpu: Duration,
    peak: u64,
    read: u64,
    fetched: u64,
}

/// AIDE on a tree.
struct Scanner<'a> {
    tree: &'a Tree,
    aide: PathBuf,
}

impl<'a> Scanner<'a> {
    async fn new(tree: &'a Tree) -> anyhow::Result<Self> {
        std::fs::create_dir_all(tree.path("alone"))?;
        let aide = aide().await?;
        Ok(Self { tree, aide })
    }

    /// Runs it to its end.
    fn aide(&self, mode: &str, setup: &Setup) -> anyhow::Result<Scanned> {
        let dir = self.tree.path("alone");
        let config = dir.join("conf");
        std::fs::write(&config, self.tree.configuration(&setup.attributes))?;
        let extra = ExtraConfig::of(&RunOptions::new(
            &dir,
            &dir.join("report.json"),
            setup.workers,
        ));
        let limit = setup.limit.map(Cgroup::new).transpose()?;
        let script = format!(
            "{}exec {}{}\"$@\"",
            limit.as_ref().map(Cgroup::enter).unwrap_or_default(),
            setup
                .cpu
                .map(|cpu| format!("taskset -c {cpu} "))
                .unwrap_or_default(),
            if setup.nice { "nice -n 19 " } else { "" },
        );
        let (started, before) = (Instant::now(), Usage::of(std::process::id())?);
        let mut child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&self.aide)
            .args([mode, "--config"])
            .arg(&config)
            .args(["--before", &extra.before, "--after", &extra.after])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start AIDE")?;
        let mut scanned = Scanned::default();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if let Ok((peak, read, fetched)) = process::reading(child.id()) {
                scanned.peak = scanned.peak.max(peak);
                scanned.read = scanned.read.max(read);
                scanned.fetched = scanned.fetched.max(fetched);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        anyhow::ensure!(
            status.success(),
            "AIDE ended with {status}, {mode} {setup:?}"
        );
        scanned.wall = started.elapsed();
        scanned.cpu = Usage::of(std::process::id())?.since(before).children;
        if mode == "--init" {
            std::fs::rename(dir.join("aide.db.gz.new"), dir.join("aide.db.gz"))?;
        }
        Ok(scanned)
    }

    /// A baseline and a check of this kind.
    fn check(&self, report: &mut Report, case: &str, setup: &Setup) -> anyhow::Result<()> {
        self.aide("--init", setup)?;
        let scanned = self.aide("--check", setup)?;
        report_scan(report, case, &scanned);
        Ok(())
    }

    fn caches(&self, report: &mut Report) -> anyhow::Result<()> {
        self.aide("--init", &Setup::default())?;
        report_scan(
            report,
            "1 worker, warm",
            &self.aide("--check", &Setup::default())?,
        );
        forget(&self.tree.watched())?;
        report_scan(
            report,
            "1 worker, files not cached",
            &self.aide("--check", &Setup::default())?,
        );
        Ok(())
    }

    fn digests(&self, report: &mut Report) -> anyhow::Result<()> {
        for digests in ["sha512", "sha256+sha512"] {
            let attributes = format!("{ATTRIBUTES}+{digests}");
            let setup = Setup {
                attributes,
                ..Setup::default()
            };
            self.check(report, &format!("{digests} in place of sha256"), &setup)?;
        }
        let attributes = ATTRIBUTES.to_owned();
        let setup = Setup {
            attributes,
            ..Setup::default()
        };
        self.check(report, "no digest", &setup)
    }

    fn workers(&self, report: &mut Report) -> anyhow::Result<()> {
        self.aide("--init", &Setup::default())?;
        for limit in [None, Some(300), Some(1000), Some(2000)] {
            for workers in [1, 2] {
                let setup = Setup {
                    workers,
                    limit,
                    ..Setup::default()
                };
                let limit =
                    limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}m"));
                match self.aide("--check", &setup) {
                    Ok(scanned) => {
                        report_scan(report, &format!("{workers} workers, {limit}"), &scanned);
                    }
                    Err(error) => {
                        progress(&format!("left out: {workers} workers, {limit}: {error:#}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// What somebody on the same CPU feels of a scan.
    fn neighbours(&self, report: &mut Report) -> anyhow::Result<()> {
        for (case, nice) in [
            ("no scan", None),
            ("scan at nice 0", Some(false)),
            ("scan as fio runs it", Some(true)),
        ] {
            let mut neighbour = Command::new("taskset")
                .args(["-c", SHARED_CPU])
                .arg(std::env::current_exe()?)
                .args(["neighbour", &NEIGHBOUR_SECONDS.to_string()])
                .stdout(Stdio::piped())
                .spawn()
                .context("start the neighbour")?;
            while let Some(nice) = nice
                && neighbour.try_wait()?.is_none()
            {
                let setup = Setup {
                    nice,
                    cpu: Some(SHARED_CPU),
                    ..Setup::default()
                };
                self.aide("--check", &setup)?;
            }
            let output = neighbour.wait_with_output()?;
            let text = String::from_utf8(output.stdout)?;
            let mut words = text
                .split_whitespace()
                .filter_map(|word| word.parse::<f64>().ok());
            let (middle, slow) = (words.next(), words.next());
            report.add(
                case,
                "a neighbour's turn, median",
                middle.context("the neighbour's word")?,
                "us",
            );
            report.add(
                case,
                "a neighbour's turn, 99 % below",
                slow.context("the neighbour's word")?,
                "us",
            );
        }
        Ok(())
    }
}

fn report_scan(report: &mut Report, case: &str, scanned: &Scanned) {
    report.add(case, "wall time", scanned.wall.as_secs_f64(), "s");
    report.add(case, "CPU", scanned.cpu.as_secs_f64(), "s");
    report.add(case, "maximum RSS of AIDE", megabytes(scanned.peak), "MB");
    report.add(case, "read", megabytes(scanned.read), "MB");
    report.add(
        case,
        "of that from the disk",
        megabytes(scanned.fetched),
        "MB",
    );
}

/// Has the kernel drop what it has cached of these files; names and attributes stay cached.
fn forget(dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = std::fs::File::open(&path)?;
            // What was just written cannot be dropped.
            rustix::fs::fdatasync(&file)?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// Works a little all the time; returns the median and the 99th percentile of its turns in
/// microseconds.
pub(crate) fn neighbour(seconds: u64) -> String {
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut turns, mut sum) = (Vec::new(), 0_u32);
    while Instant::now() < end {
        let started = Instant::now();
        for number in 0..TURN {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(number));
        }
        let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        turns.push(number(micros));
        std::thread::sleep(TURN_PAUSE);
    }
    format!("{} {}\n", median(&turns), quantile(&turns, 0.99))
}
