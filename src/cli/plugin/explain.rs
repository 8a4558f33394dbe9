//! `explain`: what the pages say about a reason, an error class or an alert.

use super::connection::Connection;
use crate::plugin::explain::{explain, names, similar};
use crate::plugin::failure::{Failure, WELL};
use crate::plugin::safe::safe;

const HELP: &str = "\
Without a name, it lists all names. It needs no cluster.

Exit status: 0 the text was printed, 2 there is no such name";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// Reason of an event, of a condition or of realtime detection; type of a condition; error class; or alert
    #[arg(value_name = "REASON")]
    name: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &Args, program: &str) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        let names: Vec<String> = names().into_iter().collect();
        super::print(&format!("{}\n", names.join("\n")))?;
        return Ok(WELL);
    };
    match explain(name, &args.connection.screen(program)) {
        Some(text) => {
            super::print(&text)?;
            Ok(WELL)
        }
        None => Err(Failure::Other(unknown(name))),
    }
}

fn unknown(name: &str) -> String {
    let similar = similar(name).join(", ");
    let name = safe(name);
    if similar.is_empty() {
        format!("no page explains {name}; without a name, all names are listed")
    } else {
        format!("no page explains {name}; similar names: {similar}")
    }
}
