//! The commands of the plugin of kubectl: `kubectl file-integrity COMMAND`, or `fio COMMAND`.
//!
//! kubectl runs a program with the name `kubectl-file_integrity` for it. Options that choose the cluster are those of
//! kubectl, and may also precede the command.

mod accept;
pub(super) mod changes;
mod completion;
pub(super) mod connection;
mod diff;
mod exclude;
mod explain;
mod hold;
mod logs;
pub(super) mod output;
mod poll;
mod reinit;
mod report;
mod scan;
mod status;
mod terminal;
mod wait;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::plugin::failure::{Failure, WELL};
use crate::plugin::safe;
use crate::telemetry::logging;

/// The name of the program as a plugin of kubectl, without a suffix.
const PROGRAM: &str = "kubectl-file_integrity";
/// The first word of a request for completion, of the program that `completion` installs.
const COMPLETE: &str = "__complete";
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
    /// Accept the changes of a change set or of a node: those that are shown, and no others
    Accept(accept::Args),
    /// Request new baselines, which accept everything on these nodes, after showing what that is
    Reinit(reinit::Args),
    /// Exclude paths for a reason, or end that; an exclusion accepts nothing
    Exclude(exclude::Args),
    /// Scan nodes once more, now
    Scan(scan::Args),
    /// Hold the scans of nodes, for example during an update
    Hold(hold::Args),
    /// End the hold of scans
    Resume(hold::Args),
    /// Wait until nothing differs, all nodes are scanned, or acceptances have ended
    Wait(wait::Args),
    /// Print the failure log of a node
    Logs(logs::Args),
    /// Write the document for auditors: scans, changes, acceptances and baselines of a period
    Report(report::Args),
    /// Explain the reason of an event or a condition, an error class, or an alert
    Explain(explain::Args),
}

/// The commands of the plugin. fio has a completion of its own.
#[derive(Debug, Subcommand)]
enum PluginCommand {
    #[command(flatten)]
    Common(Command),
    /// Check or convert an AIDE configuration, print a default one, or whether paths are watched
    Config(super::config::Args),
    /// Print or install the program by which kubectl completes these commands
    Completion(completion::Args),
}

/// File integrity of the nodes of a cluster, as fio reports it
#[derive(Debug, Parser)]
#[command(name = "file-integrity", bin_name = AS_PLUGIN, version, propagate_version = true)]
#[command(max_term_width = 100, after_help = "Without a command: status")]
struct Plugin {
    #[command(flatten)]
    status: status::Args,
    #[command(subcommand)]
    command: Option<PluginCommand>,
}

/// Runs the program if it was called as a plugin.
pub(super) fn run_as_plugin(arguments: &[OsString]) -> Option<ExitCode> {
    let program = std::path::Path::new(arguments.first()?).file_name()?;
    let program = program.to_str()?;
    if program.strip_suffix(".exe").unwrap_or(program) != PROGRAM {
        return None;
    }
    if arguments.get(1).is_some_and(|word| word == COMPLETE) {
        let done = print(&completion::answer(&arguments[2..]));
        return Some(exit_code(done.map(|()| WELL), AS_PLUGIN));
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
    Some(match command {
        PluginCommand::Common(command) => run(command, AS_PLUGIN),
        PluginCommand::Config(args) => {
            let ran = super::block_on(super::config::run(args, AS_PLUGIN));
            ran.unwrap_or_else(|error| exit_code(Err(failed(&error)), AS_PLUGIN))
        }
        PluginCommand::Completion(args) => {
            let plugin = std::path::Path::new(arguments.first()?);
            exit_code(completion::run(&args, plugin), AS_PLUGIN)
        }
    })
}

fn parse(arguments: &[OsString]) -> Result<PluginCommand, clap::Error> {
    let mut matches = Plugin::command().try_get_matches_from(arguments)?;
    let has_command = matches.subcommand_name().is_some();
    if let Some(misplaced) = status::options().find(|id| {
        has_command && matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    }) {
        let message = format!("--{misplaced} must follow the command");
        return Err(Plugin::command().error(clap::error::ErrorKind::ArgumentConflict, message));
    }
    let plugin = Plugin::from_arg_matches_mut(&mut matches)?;
    let status = || PluginCommand::Common(Command::Status(plugin.status));
    Ok(plugin.command.unwrap_or_else(status))
}

/// Whether these are valid arguments.
#[cfg(test)]
pub(super) fn check(arguments: &[OsString]) -> Result<(), clap::Error> {
    parse(arguments).map(|_| ())
}

/// Runs a command, and prints why it cannot answer.
pub(super) fn run(command: Command, program: &str) -> ExitCode {
    let status = super::block_on(async {
        Ok(match command {
            Command::Status(args) => status::run(args, program).await,
            Command::Changes(args) => changes::run(args, program).await,
            Command::Diff(args) => diff::run(args, program).await,
            Command::Accept(args) => accept::run(args, program).await,
            Command::Reinit(args) => reinit::run(args, program).await,
            Command::Exclude(args) => exclude::run(args, program).await,
            Command::Scan(args) => scan::run(args).await,
            Command::Hold(args) => hold::hold(args).await,
            Command::Resume(args) => hold::resume(args).await,
            Command::Wait(args) => wait::run(args).await,
            Command::Logs(args) => logs::run(args).await,
            Command::Report(args) => report::run(args).await,
            Command::Explain(args) => explain::run(&args, program),
        })
    });
    exit_code(status.unwrap_or_else(|error| Err(failed(&error))), program)
}

fn failed(error: &anyhow::Error) -> Failure {
    Failure::Other(crate::error_chain(error.as_ref()))
}

/// The exit status of the program. Prints why a command cannot answer.
pub(super) fn exit_code(status: Result<u8, Failure>, program: &str) -> ExitCode {
    ExitCode::from(status.unwrap_or_else(|failure| {
        let text = safe::message(&failure.to_string());
        writeln!(std::io::stderr(), "{program}: {text}").ok();
        failure.exit_status()
    }))
}

/// Writes the answer. A reader that has seen enough, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
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
