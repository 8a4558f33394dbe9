//! `changes`: the changed paths of a set or of a node.

use clap::ValueEnum;

use super::connection::Connection;
use super::output::{Output, structured};
use crate::api::ChangeKind;
use crate::plugin::changes::json::json;
use crate::plugin::changes::text::{MAX_SHOWN, text};
use crate::plugin::changes::{Changes, Filter};
use crate::plugin::failure::Failure;

const HELP: &str = "\
SET is the start of an ID, as status shows it, or the whole ID. The values are those of the failure log of one node; its
hash proves that they are the changes of the set. A set that no node shows any more is found by the evidence of its
acceptance.

Exit status:
  0  the node has no changes
  1  there are changes
  2  the last scan of the node ended with an error, there is no such node or set, or a right is missing
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// ID of a change set or its first digits, or the name of a node. `set/` or `node/` before it chooses one of both
    #[arg(value_name = "SET|NODE")]
    target: String,
    #[command(flatten)]
    selection: Selection,
    /// Show all changes, not only the first 50
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Which changes are shown, and in which format.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Only this path and those below it, or those that match: `*` and `?` match no slash, `**` any text. Repeatable
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// Only this kind of change. Repeatable
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// Only changes of this attribute, such as permissions, owner or sha256. Repeatable
    #[arg(long, value_name = "NAME")]
    attribute: Vec<String>,
    /// The FileIntegrity, if several ones watch the node
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    pub(super) file_integrity: Option<String>,
    /// Format
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    Text,
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Added,
    Changed,
    Removed,
}

impl Selection {
    pub(super) fn filter(&self) -> Result<Filter, Failure> {
        let kinds = self.kind.iter().map(|kind| match kind {
            Kind::Added => ChangeKind::Added,
            Kind::Changed => ChangeKind::Changed,
            Kind::Removed => ChangeKind::Removed,
        });
        let filter = Filter::new(&self.path, kinds.collect(), self.attribute.clone());
        filter.map_err(|error| Failure::Other(error.to_string()))
    }
}

impl Format {
    /// As the format of answers that programs read. None for text.
    pub(in crate::cli) const fn structured(self) -> Option<Output> {
        match self {
            Self::Text => None,
            Self::Json => Some(Output::Json),
            Self::Yaml => Some(Output::Yaml),
        }
    }
}

pub(super) async fn run(args: Args, program: &str) -> Result<u8, Failure> {
    let filter = args.selection.filter()?;
    let reader = args.connection.reader(false).await?;
    let fleet = reader.nodes().await?;
    let file_integrity = args.selection.file_integrity.as_deref();
    let changes: Changes = reader.changes(&fleet, &args.target, file_integrity).await?;
    let answer = match args.selection.output.structured() {
        Some(output) => structured(output, &json(&changes, &filter))?,
        None => text(
            &changes,
            &filter,
            if args.all { usize::MAX } else { MAX_SHOWN },
            &args.connection.screen(program),
        ),
    };
    super::print(&answer)?;
    Ok(changes.exit_status())
}
