//! The part `latency`: from a change on a node to its event, with the time of each step.
//! I/O.
//!
//! A new file is made at a moment that has nothing to do with the daemon's scans. When its scans
//! began and ended is in the daemon's log; when the event came is seen by a watch.

use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::Run;
use crate::fleet::{PERIOD, until};
use crate::harness::{self, Space};
use crate::node::{Daemon, Options, Tree, is_scan_end, is_scan_start};
use crate::report::Report;
use crate::stats::{largest, median, number, quantile};

/// Files that are watched.
const FILES: usize = 10_000;
/// Changes.
const CHANGES: u32 = 12;
/// The shortest period that fio takes, in seconds.
const SHORTEST: u64 = 10;

/// One change, in seconds.
struct Change {
    waiting: f64,
    scanning: f64,
    publishing: f64,
    whole: f64,
}

/// Measures it.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("latency");
    harness::alone("bench", async |space| {
        changes(&mut report, run, space).await
    })
    .await?;
    Ok(report)
}

async fn changes(report: &mut Report, run: &Run, space: &Space) -> anyhow::Result<()> {
    let tree = Tree::make(FILES)?;
    let daemon = Daemon::start(space, run, &tree, &Options::of_scans(SHORTEST)).await?;
    let mut arrivals = watch(space);
    until("two scans", async || Ok((daemon.scans() > 1).then_some(()))).await?;
    let mut all = Vec::new();
    for index in 0..CHANGES {
        // Moments that lie evenly in the period, in an order that is none.
        let part = f64::from(index * 5 % CHANGES) / f64::from(CHANGES);
        tokio::time::sleep(Duration::from_secs_f64(part * number(SHORTEST))).await;
        while arrivals.try_recv().is_ok() {}
        std::fs::write(tree.watched().join(format!("new-{index}")), "new")?;
        let written = Timestamp::now();
        let arrived = arrivals
            .recv()
            .await
            .context("the watch of events has ended")?;
        all.push(split(&daemon.lines(), written, arrived)?);
    }
    let of = |part: fn(&Change) -> f64| all.iter().map(part).collect::<Vec<f64>>();
    let case = "period 10 s";
    for (name, values) in [
        ("waiting for the scan", of(|change| change.waiting)),
        ("scanning", of(|change| change.scanning)),
        ("publishing", of(|change| change.publishing)),
        ("change to event", of(|change| change.whole)),
    ] {
        let unit = if name == "publishing" { "ms" } else { "s" };
        let factor = if name == "publishing" { 1e3 } else { 1.0 };
        report.add(
            case,
            &format!("{name}, median"),
            median(&values) * factor,
            unit,
        );
        report.add(
            case,
            &format!("{name}, 90 % below"),
            quantile(&values, 0.9) * factor,
            unit,
        );
        report.add(
            case,
            &format!("{name}, longest"),
            largest(&values) * factor,
            unit,
        );
    }
    // A change waits for half a period in the mean, and for a whole one at most.
    let remaining = median(&of(|change| change.scanning + change.publishing));
    let case = "period 900 s, computed";
    report.add(
        case,
        "change to event, median",
        number(PERIOD) / 2.0 + remaining,
        "s",
    );
    report.add(
        case,
        "change to event, longest",
        number(PERIOD) + 2.0 * remaining,
        "s",
    );
    Ok(())
}

/// Sends the time at which each event about a changed node arrives.
fn watch(space: &Space) -> mpsc::UnboundedReceiver<Timestamp> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = watcher(space.api::<Event>(), watcher::Config::default());
    tokio::spawn(stream.default_backoff().for_each(move |event| {
        if let Ok(watcher::Event::Apply(event)) = event
            && event.note.is_some_and(|note| note.contains("has changed"))
        {
            sender.send(Timestamp::now()).ok();
        }
        futures::future::ready(())
    }));
    receiver
}

/// Splits the time by the daemon's log: the last scan that had begun and ended before the event.
fn split(lines: &[Value], written: Timestamp, arrived: Timestamp) -> anyhow::Result<Change> {
    let last = |which: fn(&Value) -> bool, before: Timestamp| {
        lines
            .iter()
            .filter(|line| which(line))
            .filter_map(|line| line["timestamp"].as_str()?.parse::<Timestamp>().ok())
            .rfind(|at| *at < before)
    };
    let ended = last(is_scan_end, arrived).context("no scan has ended")?;
    let began = last(is_scan_start, ended).context("no scan has begun")?;
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
    Ok(Change {
        waiting: seconds(written, began),
        scanning: seconds(began, ended),
        publishing: seconds(ended, arrived),
        whole: seconds(written, arrived),
    })
}
