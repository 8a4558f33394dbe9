//! The part `daemon`: what it holds and does between scans. I/O.

use std::time::Duration;

use serde_json::Value;

use crate::fleet::{PERIOD, until};
use crate::harness::{self, Space};
use crate::node::{Daemon, Options, Tree};
use crate::operator::megabytes;
use crate::report::Report;
use crate::stats::number;
use crate::{Run, web};

/// Files that it watches; what it holds between scans does not depend on them.
const FILES: usize = 10_000;
/// Time after a scan until the daemon is idle. The runtime's threads for blocking calls have exited
/// by then (after ten seconds without work), and their counters are no longer included.
const SETTLE: Duration = Duration::from_secs(15);
/// The period for which wakeups are reported, in seconds.
const QUARTER: f64 = 900.0;

/// Measures it.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("daemon");
    harness::alone("bench", async |space| idle(&mut report, run, space).await).await?;
    Ok(report)
}

async fn idle(report: &mut Report, run: &Run, space: &Space) -> anyhow::Result<()> {
    let tree = Tree::make(FILES)?;
    let daemon = Daemon::start(space, run, &tree, &Options::new(PERIOD)).await?;
    until("the first scan", async || {
        Ok((daemon.scans() > 0).then_some(()))
    })
    .await?;
    tokio::time::sleep(SETTLE).await;
    let case = "between scans";
    let before = daemon.sample()?;
    let requests = requests_of(space, "daemon")?.len();
    tokio::time::sleep(Duration::from_secs(run.seconds)).await;
    let after = daemon.sample()?;
    let made = requests_of(space, "daemon")?;
    let seconds = number(run.seconds);
    report.add(case, "observed for", seconds, "s");
    report.add(case, "RSS", megabytes(after.rss), "MB");
    report.add(case, "of that anonymous", megabytes(after.anonymous), "MB");
    report.add(
        case,
        "maximum RSS since the start",
        megabytes(after.peak),
        "MB",
    );
    let waits = number(after.waits.saturating_sub(before.waits)) / seconds;
    report.add(case, "wakeups", waits, "1/s");
    report.add(case, "wakeups in 15 minutes", waits * QUARTER, "");
    let preempted = number(after.preemptions.saturating_sub(before.preemptions)) / seconds;
    report.add(
        case,
        "involuntary context switches in 15 minutes",
        preempted * QUARTER,
        "",
    );
    let cpu = after.cpu_since(before).as_secs_f64() / seconds;
    report.add(case, "CPU per hour", cpu * 3600.0, "s");
    report.add(case, "threads", number(after.threads), "");
    report.add(case, "open files", number(after.files), "");
    report.add(case, "of these sockets", number(after.sockets), "");
    report.add(
        case,
        "connections to the API server",
        number(connections(daemon.pid())?),
        "",
    );
    let new = number(made.len() - requests) / seconds;
    report.add(case, "requests per hour", new * 3600.0, "");
    let watches = made
        .iter()
        .filter(|request| request["verb"] == "watch")
        .count();
    report.add(case, "watches opened since the start", number(watches), "");
    let named = made.iter().filter(|request| {
        let uri = request["requestURI"].as_str().unwrap_or_default();
        request["verb"] == "watch" && uri.contains("metadata.name")
    });
    report.add(case, "of these of one object", number(named.count()), "");
    let lists = made
        .iter()
        .filter(|request| request["verb"] == "list")
        .count();
    report.add(case, "lists since the start", number(lists), "");
    Ok(())
}

/// What the audit log has of one who asks under a group of its own, once for each request.
fn requests_of(space: &Space, identity: &str) -> anyhow::Result<Vec<Value>> {
    let log = std::fs::read_to_string(std::env::var("FIO_APISERVER_AUDIT_LOG")?)?;
    let group = space.group(identity);
    let own = log.lines().filter(|line| line.contains(&group));
    let entries = own.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_first = |entry: &Value| {
        let is_watch = entry["verb"] == "watch";
        entry["stage"]
            == if is_watch {
                "ResponseStarted"
            } else {
                "ResponseComplete"
            }
    };
    Ok(entries.filter(is_first).collect())
}

/// Its established TCP connections, but for those of its own servers: to the API server.
fn connections(pid: u32) -> anyhow::Result<usize> {
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))?
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter_map(|target| {
            let target = target.to_string_lossy().into_owned();
            Some(
                target
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let tables = [
        format!("/proc/{pid}/net/tcp"),
        format!("/proc/{pid}/net/tcp6"),
    ];
    let text: String = tables
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect();
    Ok(web::established(&text)
        .filter(|inode| inodes.iter().any(|own| own == inode))
        .count())
}
