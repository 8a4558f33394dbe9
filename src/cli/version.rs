//! `fio version`: prints the version as text or JSON.

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::json;

/// The commit of the sources, set by hack/build.
const COMMIT: Option<&str> = option_env!("FIO_COMMIT");

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let text = match args.output {
        Output::Text => text(COMMIT),
        Output::Json => json(COMMIT),
    };
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn text(commit: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    match known(commit) {
        Some(commit) => format!("fio {version} ({commit}) {os}/{arch}"),
        None => format!("fio {version} {os}/{arch}"),
    }
}

fn json(commit: Option<&str>) -> String {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": known(commit),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
    .to_string()
}

/// The variable is empty if the sources have uncommitted changes.
fn known(commit: Option<&str>) -> Option<&str> {
    commit.filter(|commit| !commit.is_empty())
}

#[cfg(test)]
mod tests;
