//! `fio config`: checks and converts AIDE configurations without a cluster, and whether a cluster watches a path.

mod check;
mod convert;
pub(super) mod coverage;
mod exit_status;
mod input;
mod report;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use self::check::check;
use self::convert::convert;
use self::exit_status::NOT_CHECKED;
use self::input::Input;
use crate::aide::profiles::Profile;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 valid (possibly with warnings), 1 configuration refused or path not watched, 2 check not possible"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check whether a configuration is valid, and which paths it watches
    #[command(
        after_help = "Examples:\n  fio config check aide.conf\n  kubectl get cm myconf -o jsonpath='{.data.aide\\.conf}' | fio config check -\n  fio config check aide.conf --path /etc/passwd --path d:/var/log"
    )]
    Check {
        #[command(flatten)]
        input: Input,
        /// Print whether this path of a node is watched, and by which line. Directories and links need their
        /// type as a prefix, as in the examples. Specify paths without symbolic links, which depend on the
        /// node.
        #[arg(long, value_name = "[TYPE:]PATH")]
        path: Vec<String>,
        /// AIDE 0.19 or later
        #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
        aide: PathBuf,
    },
    /// Print whether the nodes of a cluster watch paths, by which line, and how many nodes
    Coverage(coverage::Args),
    /// Print a configuration as the daemons use it
    #[command(after_help = "Example:\n  fio config convert aide.conf > aide.effective.conf")]
    Convert {
        #[command(flatten)]
        input: Input,
        /// Only insert the host root, without migration to AIDE 0.19 (key aide.conf)
        #[arg(long)]
        relocate_only: bool,
    },
    /// Print a default configuration
    Default {
        /// Profile of the configuration
        #[arg(long, value_enum, default_value_t = ProfileArg::Generic)]
        profile: ProfileArg,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProfileArg {
    /// For any Linux node
    Generic,
    /// For OpenShift nodes
    Openshift,
}

pub(super) async fn run(args: Args, program: &str) -> anyhow::Result<ExitCode> {
    let result = match args.command {
        Command::Check { input, path, aide } => check(&input, &path, &aide).await,
        Command::Convert {
            input,
            relocate_only,
        } => convert(&input, relocate_only),
        Command::Coverage(args) => Ok(coverage::run(args, program).await),
        Command::Default { profile } => print_profile(profile),
    };
    // A failure must not look like a rejection.
    result.or_else(|error| {
        writeln!(
            std::io::stderr(),
            "{program}: {}",
            crate::error_chain(error.as_ref())
        )?;
        Ok(ExitCode::from(NOT_CHECKED))
    })
}

fn print_profile(profile: ProfileArg) -> anyhow::Result<ExitCode> {
    let profile = match profile {
        ProfileArg::Generic => Profile::Generic,
        ProfileArg::Openshift => Profile::Openshift,
    };
    std::io::stdout().write_all(profile.text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
