//! `hold` and `resume`: suspends the scans of nodes, and ends that.

use super::connection::Connection;
use crate::api::names::Annotation;
use crate::plugin::annotation::{Target, targets, with, without};
use crate::plugin::failure::{Failure, WELL};
use crate::plugin::safe::safe;
use crate::plugin::screen::some_of;

/// Maximum number of names in a sentence.
const MAX_NAMES: usize = 20;

const HELP: &str = "\
These are the annotation holdoff of the FileIntegrity. When a hold ends, the nodes are scanned at once, against their old
baselines: to accept the changes of an update, run reinit before resume. A hold of the Machine Config Operator or of a
cordon ends by itself.

Examples:
  kubectl file-integrity hold node1 node2
  kubectl file-integrity resume --all

Exit status:
  0  the annotation is as wanted
  2  there is no such node, or a right is missing
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["nodes", "all"]))]
pub(in crate::cli) struct Args {
    /// Names of nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// All nodes
    #[arg(long)]
    all: bool,
    /// Only this FileIntegrity [default: all that watch the nodes]
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn hold(args: Args) -> Result<u8, Failure> {
    annotate(&args, |current, nodes| Ok(Some(with(current, nodes)))).await
}

pub(super) async fn resume(args: Args) -> Result<u8, Failure> {
    annotate(&args, without).await
}

/// The new value of the annotation, from the current one and the nodes.
type Change = fn(Option<&str>, &[String]) -> Result<Option<String>, String>;

async fn annotate(args: &Args, change: Change) -> Result<u8, Failure> {
    let reader = args.connection.reader(false).await?;
    let fleet = reader.integrities_and_nodes().await?;
    let targets = targets(&fleet, &args.nodes, args.file_integrity.as_deref());
    for Target { owner, nodes } in targets.map_err(Failure::Other)? {
        let change = |current: Option<&str>| change(current, &nodes);
        let value = reader.annotate(&owner, Annotation::HOLDOFF, change).await?;
        let held = match value.as_deref() {
            None => "no node is held".to_owned(),
            Some("") => "all nodes are held".to_owned(),
            Some(list) => format!("held: {}", some_of(list.split(','), MAX_NAMES)),
        };
        super::print(&format!("{}: {held}\n", safe(&owner.name)))?;
    }
    Ok(WELL)
}
