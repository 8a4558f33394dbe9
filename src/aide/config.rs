//! `aide.conf`: parsing, conversion of users' configurations, and fio's own lines. Pure.
//!
//! [`prepare()`] converts the text from a user's ConfigMap to [`Prepared::conf`], with all paths below the host root
//! (key `aide.conf`), and to [`Prepared::effective`], which AIDE 0.19 accepts (key
//! `aide.effective.conf`). All three have the same number of lines, so line numbers in AIDE's messages
//! are those of the user's text. On a node, [`follow`] adds rules for the targets of symbolic links.
//! [`run_options_before`] and [`run_options`] are fio's own lines before and after it.

mod automaton;
mod budget;
mod configuration;
mod coverage;
mod diagnostic;
mod error;
mod excluded_paths;
mod exclusions;
mod expression;
mod groups;
mod line;
mod links;
mod macros;
mod migrate;
mod options;
mod paths;
mod prepare;
pub(crate) mod reach;
mod refuse;
mod regex;
mod relocate;
mod rule_path;
mod written_for;

use crate::api::names::sha256_hex;

pub use self::configuration::Configuration;
pub(crate) use self::diagnostic::Diagnostic;
pub(crate) use self::error::aide_error;
pub use self::excluded_paths::ExcludedPaths;
pub(crate) use self::links::{Followed, Place, Redirected, Unwatched, follow};
pub use self::options::RunOptions;
pub(crate) use self::options::{is_own_file, rule_for, run_options, run_options_before};
pub use self::prepare::prepare;
pub(crate) use self::prepare::{Prepared, Refused, conditions_on_files};

/// The SHA-256 of an effective configuration, as lower-case hexadecimal. It identifies the configuration of a baseline.
pub fn config_hash(effective: &str) -> String {
    sha256_hex(effective)
}

#[cfg(test)]
mod aide_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
pub(in crate::aide) mod tests;
