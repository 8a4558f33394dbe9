//! `scan`: requests a scan of nodes in addition to the periodic ones.

use std::time::Duration;

use super::connection::{Connection, timeout};
use super::poll::{Step, TIMED_OUT, until};
use crate::api::names::Annotation;
use crate::plugin::annotation::{targets, with};
use crate::plugin::failure::{Failure, WELL};
use crate::plugin::fleet::Fleet;
use crate::plugin::scan::{Progress, Request};

const HELP: &str = "\
It sets the annotation scan of the FileIntegrity. A scan compares the nodes with their baselines, and changes no baseline.

Examples:
  kubectl file-integrity scan node1 node2 --wait
  kubectl file-integrity scan --all

Exit status:
  0  the scan was requested; with --wait: the nodes were scanned, and nothing differs
  1  with --wait: the nodes were scanned, and files differ, or a scan ended with an error
  2  there is no such node, or a right is missing
  3  the API server cannot be reached
  124  --timeout is over";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["nodes", "all", "selector"]))]
pub(in crate::cli) struct Args {
    /// Names of nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// All nodes of the FileIntegrity
    #[arg(long)]
    all: bool,
    /// Only nodes with these labels
    #[arg(long, short = 'l', value_name = "LABELS")]
    selector: Option<String>,
    /// Only this FileIntegrity [default: all that watch the nodes]
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    /// Wait until the nodes are scanned
    #[arg(long)]
    wait: bool,
    /// Longest time to wait, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = timeout, default_value = "10m", requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<u8, Failure> {
    let mut reader = args.connection.reader(false).await?;
    reader.selector.clone_from(&args.selector);
    let fleet = reader.integrities_and_nodes().await?;
    let nodes = nodes(&args, &fleet).map_err(Failure::Other)?;
    let targets = targets(&fleet, &nodes, args.file_integrity.as_deref());
    let targets = targets.map_err(Failure::Other)?;
    let requests = targets.iter().map(|target| Request::of(&fleet, target));
    let requests: Vec<Request<'_>> = requests.collect::<Result<_, _>>().map_err(Failure::Other)?;
    for request in &requests {
        let change = |current: Option<&str>| Ok(Some(with(current, &request.target.nodes)));
        let owner = &request.target.owner;
        reader.annotate(owner, Annotation::SCAN, change).await?;
        super::print(&request.text())?;
    }
    if !args.wait {
        return Ok(WELL);
    }
    let finished = until(args.timeout, async || {
        let now = reader.nodes().await?;
        let progress = Progress::of(&requests, &now);
        Ok(if progress.is_done() {
            Step::Done((progress.text(), progress.exit_status()))
        } else {
            Step::Waiting(progress.text())
        })
    });
    let Some((text, exit_status)) = finished.await? else {
        return Ok(TIMED_OUT);
    };
    super::print(&format!("{text}\n"))?;
    Ok(exit_status)
}

/// The names of the nodes; none for all.
fn nodes(args: &Args, fleet: &Fleet) -> Result<Vec<String>, String> {
    if args.selector.is_none() {
        return Ok(args.nodes.clone());
    }
    let is_meant = |name: &str| args.file_integrity.as_deref().is_none_or(|it| it == name);
    let nodes = fleet.nodes.iter().filter(|node| is_meant(&node.owner.name));
    let names: Vec<String> = nodes.map(|node| node.name.clone()).collect();
    if names.is_empty() {
        return Err("no watched node has these labels".to_owned());
    }
    Ok(names)
}
