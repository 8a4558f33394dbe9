//! `fio config coverage`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::aide::check::Checker;
use crate::aide::command::{Aide, NO_AIDE};
use crate::aide::config::config_hash;
use crate::api::names;
use crate::cli::plugin::changes::Format;
use crate::cli::plugin::connection::Connection;
use crate::cli::plugin::output::structured;
use crate::cli::plugin::{exit_code, print};
use crate::plugin::coverage::json::json;
use crate::plugin::coverage::text::text;
use crate::plugin::coverage::{Coverage, exit_status};
use crate::plugin::failure::Failure;
use crate::plugin::fleet::{Fleet, Integrity};
use crate::plugin::read::Reader;

const HELP: &str = "\
AIDE on this machine answers, with the active configuration of each FileIntegrity. Directories and links need their type
as a prefix, such as d:/etc. Specify paths without symbolic links, which depend on the node.

Examples:
  kubectl file-integrity config coverage /etc/passwd /usr/bin/kubelet
  fio config coverage d:/var/log -n openshift-file-integrity -o json

Exit status:
  0  each path is watched on all nodes of at least one FileIntegrity
  1  a path is not watched, or not yet on all nodes
  2  there is no FileIntegrity or no AIDE, or a right is missing
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Paths on the nodes
    #[arg(value_name = "[TYPE:]PATH", required = true)]
    paths: Vec<String>,
    /// Only this FileIntegrity [default: all of the namespace]
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    /// Format
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// AIDE 0.19 or later
    #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
    aide: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args, program: &str) -> ExitCode {
    exit_code(answer(&args, program).await, program)
}

async fn answer(args: &Args, program: &str) -> Result<u8, Failure> {
    let aide = Aide::new(&args.aide);
    let version = aide.supported_version().await;
    version
        .map_err(|error| Failure::Other(format!("{NO_AIDE}: {}", crate::error_chain(&error))))?;
    let checker = Checker::new(aide, std::env::temp_dir());
    let reader = args.connection.reader(false).await?;
    let fleet = reader.integrities_and_nodes().await?;
    let is_meant = |integrity: &&Integrity| {
        let name = args.file_integrity.as_deref();
        name.is_none_or(|name| integrity.owner.name == name)
    };
    let mut all = Vec::new();
    for integrity in fleet.integrities.iter().filter(is_meant) {
        all.push(coverage(&args.paths, &reader, &checker, &fleet, integrity).await?);
    }
    if all.is_empty() {
        return Err(Failure::Other(
            "there is no such FileIntegrity in this namespace".to_owned(),
        ));
    }
    let answer = match args.output.structured() {
        Some(output) => structured(output, &json(&all))?,
        None => text(&all, &args.connection.screen(program)),
    };
    print(&answer)?;
    Ok(exit_status(&all))
}

/// Whether a FileIntegrity watches these paths.
pub(in crate::cli) async fn coverage(
    paths: &[String],
    reader: &Reader,
    checker: &Checker,
    fleet: &Fleet,
    integrity: &Integrity,
) -> Result<Coverage, Failure> {
    let effective = reader.active_configuration(&integrity.owner).await?;
    let hash = effective.as_deref().map(config_hash);
    let mut coverage = Coverage::of(fleet, integrity, hash);
    let Some(effective) = effective else {
        return Ok(coverage);
    };
    for path in paths {
        let answer = checker.path(&effective, &integrity.state_dir, path).await;
        let answer = answer.map_err(|error| Failure::Other(crate::error_chain(&error)))?;
        coverage.add(path, answer, &effective, names::HOST_ROOT);
    }
    Ok(coverage)
}
