//! The format of an answer: `-o`.

use clap::ValueEnum;
use serde_json::Value;

use crate::plugin::failure::Failure;
use crate::plugin::output;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Output {
    /// Text, as wide as the terminal
    Table,
    /// Text with more columns and whole IDs
    Wide,
    Json,
    Yaml,
    /// Names of objects, for other commands
    Name,
}

/// The JSON or YAML of an answer.
pub(in crate::cli) fn structured(output: Output, value: &Value) -> Result<String, Failure> {
    match output {
        Output::Yaml => output::yaml(value).map_err(|error| Failure::Other(error.to_string())),
        _ => Ok(output::json(value)),
    }
}
