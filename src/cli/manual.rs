//! `fio man` and `fio completion`: manual pages and completion scripts, generated from the command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fio man /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Directory for the pages: fio.1, and one for each subcommand
    directory: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  source <(fio completion bash)\n  fio completion zsh > \"${fpath[1]}/_fio\""
)]
pub(super) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completion(args: &CompletionArgs) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(&script(args.shell))?)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fio", &mut script);
    script
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<()> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("create the directory {}", directory.display()))?;
    for (name, page) in pages()? {
        write(&directory.join(name), &page)?;
    }
    Ok(())
}

fn write(path: &Path, page: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, page).with_context(|| format!("write {}", path.display()))
}

/// All pages with the names of their files: `fio.1`, `fio-operator.1`, `fio-config-check.1`, ...
fn pages() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    let mut left = vec![command.display_name("fio")];
    while let Some(command) = left.pop() {
        let name = command.get_display_name().unwrap_or_default().to_owned();
        left.extend(visible(&command).cloned());
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        pages.push((format!("{name}.1"), page));
    }
    Ok(pages)
}

/// The subcommands that are not hidden.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

#[cfg(test)]
mod tests;
