//! `status`: shows the fleet on one screen.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::connection::Connection;
use super::output::{Output, structured};
use crate::plugin::failure::Failure;
use crate::plugin::read::Reader;
use crate::plugin::safe::message;
use crate::plugin::screen::Screen;
use crate::plugin::status::text::{Detail, text};
use crate::plugin::status::{Status, json::json, names};

/// Pause between two answers with `-w`.
const INTERVAL: Duration = Duration::from_secs(10);
/// Clears the terminal.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

const HELP: &str = "\
Exit status:
  0  all nodes were scanned, and nothing differs
  1  files differ on at least one node
  2  something is not watched as it should be: an error, a stale node, a node without a
     result, a condition that is not as it should be, no FileIntegrity; or a right is missing
  3  the API server cannot be reached

-o name prints the nodes with changes or errors as node/NAME.";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// All namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Only the nodes with these labels
    #[arg(long, short = 'l', value_name = "LABELS")]
    selector: Option<String>,
    /// Format
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Show it again every 10 seconds
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    connection: Connection,
}

/// The options that no other command has.
pub(super) fn options() -> impl Iterator<Item = &'static str> {
    ["all_namespaces", "selector", "output", "watch"].into_iter()
}

pub(super) async fn run(args: Args, program: &str) -> Result<u8, Failure> {
    let mut reader = args.connection.reader(args.all_namespaces).await?;
    reader.selector.clone_from(&args.selector);
    if args.watch {
        return watch(&args, &reader, program).await;
    }
    let (text, exit_status) = answer(&args, &reader, &args.connection.screen(program)).await?;
    super::print(&text)?;
    Ok(exit_status)
}

/// The answer at this moment, and the exit status for it.
async fn answer(args: &Args, reader: &Reader, screen: &Screen) -> Result<(String, u8), Failure> {
    let fleet = reader.fleet().await?;
    let status = Status::of(&fleet);
    let text = match args.output {
        Output::Table | Output::Wide => {
            let detail = Detail {
                namespaces: args.all_namespaces,
                wide: args.output == Output::Wide,
            };
            text(&status, detail, screen)
        }
        Output::Json | Output::Yaml => structured(args.output, &json(&status))?,
        Output::Name => names(&status),
    };
    Ok((text, status.exit_status()))
}

/// Shows the fleet until the user interrupts it. A failed request is shown, and tried again.
async fn watch(args: &Args, reader: &Reader, program: &str) -> Result<u8, Failure> {
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let screen = args.connection.screen(program);
        let text = match answer(args, reader, &screen).await {
            Ok((text, _)) => text,
            Err(failure) if failure.is_temporary() => {
                format!("{}\n", message(&failure.to_string()))
            }
            Err(failure) => return Err(failure),
        };
        let start = if is_terminal { CLEAR } else { "" };
        super::print(&format!("{start}{text}"))?;
        tokio::time::sleep(INTERVAL).await;
    }
}
