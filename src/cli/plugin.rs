//! The commands of the plugin of kubectl: `kubectl file-integrity COMMAND`, or `fio COMMAND`.
//!
//! kubectl runs a program with the name `kubectl-file_integrity` for it. Options that choose the cluster are those of
//! kubectl, and may also precede the command.

mod changes;
mod connection;
mod diff;
mod explain;
mod logs;
mod output;
mod report;
mod status;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::plugin::failure::Failure;
use crate::plugin::safe;
use crate::telemetry::logging;

/// The name of the program as a plugin of kubectl, without a suffix.
const PROGRAM: &str = "kubectl-file_integrity";
/// What users type for it.
const AS_PLUGIN: &str = "kubectl file-integrity";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the fleet on one screen: phases, changed nodes, change sets, errors, baselines
    Status(status::Args),
    /// Show the changed paths of a change set or of a node, with their old and new values
    Changes(changes::Args),
    /// Compare the changes of two change sets or nodes
    Diff(diff::Args),
    /// Print the failure log of a node
    Logs(logs::Args),
    /// Write the document for auditors: scans, changes, acceptances and baselines of a period
    Report(report::Args),
    /// Explain the reason of an event or a condition, an error class, or an alert
    Explain(explain::Args),
}

/// File integrity of the nodes of a cluster, as fio reports it
#[derive(Debug, Parser)]
#[command(name = "file-integrity", bin_name = AS_PLUGIN, version, propagate_version = true)]
#[command(max_term_width = 100, after_help = "Without a command: status")]
struct Plugin {
    #[command(flatten)]
    status: status::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Runs the program if it was called as a plugin.
pub(super) fn run_as_plugin(arguments: &[OsString]) -> Option<ExitCode> {
    let program = std::path::Path::new(arguments.first()?).file_name()?;
    let program = program.to_str()?;
    if program.strip_suffix(".exe").unwrap_or(program) != PROGRAM {
        return None;
    }
    let command = match parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            // Nothing can be reported if standard error is closed.
            error.print().ok();
            return Some(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    logging::init(logging::Format::Text, false, Some("error"));
    Some(run(command, AS_PLUGIN))
}

fn parse(arguments: &[OsString]) -> Result<Command, clap::Error> {
    let mut matches = Plugin::command().try_get_matches_from(arguments)?;
    let has_command = matches.subcommand_name().is_some();
    if let Some(misplaced) = status::options().find(|id| {
        has_command && matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    }) {
        let message = format!("--{misplaced} must follow the command");
        return Err(Plugin::command().error(clap::error::ErrorKind::ArgumentConflict, message));
    }
    let plugin = Plugin::from_arg_matches_mut(&mut matches)?;
    Ok(plugin.command.unwrap_or(Command::Status(plugin.status)))
}

/// Runs a command, and prints why it cannot answer.
pub(super) fn run(command: Command, program: &str) -> ExitCode {
    let status = super::block_on(async {
        Ok(match command {
            Command::Status(args) => status::run(args, program).await,
            Command::Changes(args) => changes::run(args, program).await,
            Command::Diff(args) => diff::run(args, program).await,
            Command::Logs(args) => logs::run(args).await,
            Command::Report(args) => report::run(args).await,
            Command::Explain(args) => explain::run(&args, program),
        })
    });
    let failed = |text: &str, status| {
        let line = format!("{program}: {}\n", safe::message(text));
        std::io::stderr().write_all(line.as_bytes()).ok();
        ExitCode::from(status)
    };
    match status {
        Ok(Ok(status)) => ExitCode::from(status),
        Ok(Err(failure)) => failed(&failure.to_string(), failure.exit_status()),
        Err(error) => failed(
            &crate::error_chain(error.as_ref()),
            crate::plugin::failure::PROBLEMS,
        ),
    }
}

/// Writes the answer. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Number of columns of the terminal that shows standard output.
fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

#[cfg(test)]
mod tests;
