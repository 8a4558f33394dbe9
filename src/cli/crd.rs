//! `fio crd`: prints the CustomResourceDefinitions, or their reference page.

use std::io::Write as _;

use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Manifest
    Yaml,
    /// Reference page with all fields
    Markdown,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let text = match args.output {
        Output::Yaml => crate::api::crd::yaml()?,
        Output::Markdown => crate::api::reference::markdown()?,
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
