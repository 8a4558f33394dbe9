//! `logs`: the failure log of a node.

use super::connection::Connection;
use crate::plugin::failure::{Failure, WELL};
use crate::plugin::log::text;
use crate::plugin::target::{Target, find};

const HELP: &str = "\
AIDE's report of the most recent failure, unpacked if it was compressed. It stays when the node is as its baseline again.
Control characters are written as \\ooo. If the report was too large for the API, the text has its place on the node.

Exit status:
  0  the log was printed
  2  there is no log, no such node, or a right is missing
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// Name of the node
    node: String,
    /// The FileIntegrity, if several ones watch the node
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<u8, Failure> {
    let reader = args.connection.reader(false).await?;
    let fleet = reader.nodes().await?;
    let name = args.node.strip_prefix("node/").unwrap_or(&args.node);
    let found = find(
        &fleet,
        &format!("node/{name}"),
        args.file_integrity.as_deref(),
    );
    let Target::Node(node) = found.map_err(Failure::Other)? else {
        return Err(Failure::Other(format!("there is no node {name}")));
    };
    let log = reader.failure_log(node).await?;
    let log = log.ok_or_else(|| Failure::Other(format!("{name} has no failure log")))?;
    let text = text(&log).map_err(|reason| {
        Failure::Other(format!(
            "the failure log of {name} cannot be read: {reason}"
        ))
    })?;
    super::print(&text)?;
    Ok(WELL)
}
