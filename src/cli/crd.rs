//! `fio crd`: the definitions on standard output, for the API or for people.

use std::io::Write as _;

use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is printed
    #[arg(long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// What the API takes
    Yaml,
    /// Every field, as a page to read
    Markdown,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let text = match args.output {
        Output::Yaml => crate::api::crd::yaml()?,
        Output::Markdown => crate::api::reference::markdown()?,
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
