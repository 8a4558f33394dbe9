//! `diff`: what two nodes or sets have in common, and what not.

use super::changes::Selection;
use super::connection::Connection;
use super::output::structured;
use crate::plugin::diff::Diff;
use crate::plugin::diff::json::json;
use crate::plugin::diff::text::text;
use crate::plugin::failure::Failure;

const HELP: &str = "\
New values are compared: the old ones are those of each node's baseline.

Exit status:
  0  both have the same changes
  1  the changes differ
  2  not all changes are known, there is no such node or set, or a right is missing
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// ID of a change set or its first digits, or the name of a node
    #[arg(value_name = "SET|NODE")]
    a: String,
    /// The one to compare it with
    #[arg(value_name = "SET|NODE")]
    b: String,
    #[command(flatten)]
    selection: Selection,
    /// Show all changes, not only the first 50 of each section
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args, program: &str) -> Result<u8, Failure> {
    let filter = args.selection.filter()?;
    let reader = args.connection.reader(false).await?;
    let fleet = reader.nodes().await?;
    let file_integrity = args.selection.file_integrity.as_deref();
    let a = reader.changes(&fleet, &args.a, file_integrity).await?;
    let b = reader.changes(&fleet, &args.b, file_integrity).await?;
    let diff = Diff::new(&a, &b, &filter);
    let answer = match args.selection.output.structured() {
        Some(output) => structured(output, &json(&diff))?,
        None => text(&diff, args.all, &args.connection.screen(program)),
    };
    super::print(&answer)?;
    Ok(diff.exit_status())
}
