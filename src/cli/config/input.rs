//! The configuration to check or convert.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::api::state_dir::DEFAULT_STATE_DIR;

#[derive(Debug, clap::Args)]
pub(super) struct Input {
    /// File with the configuration, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Output format
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
    /// State directory on the nodes, as in spec.config.stateDir
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    pub(super) state_dir: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Text
    Text,
    /// JSON
    Json,
}

impl Input {
    fn is_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// The name for messages.
    pub(super) fn name(&self) -> String {
        if self.is_standard_input() {
            "<stdin>".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    pub(super) fn read(&self) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        if self.is_standard_input() {
            std::io::stdin()
                .read_to_end(&mut bytes)
                .context("read standard input")?;
        } else {
            bytes = std::fs::read(&self.file).with_context(|| format!("read {}", self.name()))?;
        }
        String::from_utf8(bytes).with_context(|| {
            format!(
                "{} is not UTF-8, which the data of a ConfigMap must be",
                self.name()
            )
        })
    }
}
