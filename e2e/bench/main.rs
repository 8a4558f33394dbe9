//! The benchmark: what fio costs a node, the API server and the operator's pod, and how fast it is.
//!
//! `hack/bench` runs it. A part per file; each measures the program that it is given (`--fio`), so
//! that two builds can be compared. [`report`] and [`stats`] are pure, [`process`] reads what the
//! kernel reports about a process, [`fleet`] plays the role of nodes, kubelets and daemons, [`operator`]
//! and [`daemon`] start fio.
//!
//! Nothing here is a test: figures are printed for a reader to evaluate.

mod acceptance;
mod api;
mod cgroup;
mod daemon;
mod fleet;
mod latency;
mod merge;
mod node;
mod operator;
mod process;
mod realtime;
mod report;
mod rollout;
mod scan;
mod stats;
mod web;

#[path = "../api/concurrency.rs"]
mod concurrency;
#[expect(dead_code, reason = "the API tests need more of it")]
#[path = "../api/harness.rs"]
mod harness;
#[path = "../api/node_report.rs"]
mod node_report;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use self::report::Report;

/// Measures fio, and compares what was measured.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure one part; prints a table
    Run(Run),
    /// Print two measurements of the same parts side by side
    Compare {
        /// Of the build to compare with.
        base: PathBuf,
        /// Of the new build.
        new: PathBuf,
    },
    /// Works a little all the time, and prints how long that took: the median and the 99th percentile
    /// of the turns, in microseconds
    #[command(hide = true)]
    Neighbour {
        /// For so long.
        seconds: u64,
    },
    /// Works with files, and prints the CPU time of each kind of work in microseconds
    #[command(hide = true)]
    Work {
        /// Where it works.
        directory: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// What to measure.
    part: Part,
    /// The program.
    #[arg(long)]
    fio: PathBuf,
    /// Where the figures are written to, as JSON.
    #[arg(long)]
    json: PathBuf,
    /// Sizes of the fleet.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,5000")]
    nodes: Vec<usize>,
    /// Seconds for which an idle process is measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The operator, with more and more nodes.
    Operator,
    /// A daemon between scans.
    Daemon,
    /// What scans are to the API server.
    Api,
    /// From a change on a node to the event.
    Latency,
    /// Another configuration for the whole fleet.
    Rollout,
    /// Changes on the whole fleet, and their acceptance.
    Acceptance,
    /// The acceptance of a part of the changes on a node.
    Merge,
    /// A scan of a large tree.
    Scan,
    /// Realtime detection: how fast it is, and what it costs.
    Realtime,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let text = match Cli::parse().command {
        Command::Run(run) => {
            let report = measure(&run).await?;
            let json = serde_json::to_string_pretty(&report)?;
            std::fs::write(&run.json, json).context("write the figures")?;
            report.table()
        }
        Command::Compare { base, new } => {
            let read = |path: PathBuf| -> anyhow::Result<Report> {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("read {}", path.display()))?;
                Ok(serde_json::from_str(&text)?)
            };
            report::compare(&read(base)?, &read(new)?)
        }
        Command::Neighbour { seconds } => scan::neighbour(seconds),
        Command::Work { directory } => realtime::work(&directory)?,
    };
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    {
        print!("{text}");
    }
    Ok(())
}

async fn measure(run: &Run) -> anyhow::Result<Report> {
    match run.part {
        Part::Operator => operator::measure(run).await,
        Part::Daemon => daemon::measure(run).await,
        Part::Api => api::measure(run).await,
        Part::Latency => latency::measure(run).await,
        Part::Rollout => rollout::measure(run).await,
        Part::Acceptance => acceptance::measure(run).await,
        Part::Merge => merge::measure(run).await,
        Part::Scan => scan::measure(run).await,
        Part::Realtime => realtime::measure(run).await,
    }
}

/// Prints the current step to standard error.
fn progress(what: &str) {
    #[expect(clippy::print_stderr, reason = "it takes minutes")]
    {
        eprintln!("bench: {what}");
    }
}
