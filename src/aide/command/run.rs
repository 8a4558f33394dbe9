//! What a run of AIDE does, and its result.

use crate::aide::config::{self, RunOptions};
use crate::aide::stderr::Stderr;

/// The action of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Create a new database.
    Init,
    /// Compare with the database.
    Check,
    /// Compare with the database, and create a new one in the same run.
    Update,
    /// Compare two databases, without looking at the files.
    Compare,
    /// Check the configuration, without a database.
    ConfigCheck,
}

impl Mode {
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Init => "--init",
            Self::Check => "--check",
            Self::Update => "--update",
            Self::Compare => "--compare",
            Self::ConfigCheck => "--config-check",
        }
    }
}

/// fio's own configuration before and after that of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraConfig {
    /// The text for `--before`.
    pub before: String,
    /// The text for `--after`.
    pub after: String,
}

impl ExtraConfig {
    /// The options of a run, which override those of the user.
    pub fn of(options: &RunOptions) -> Self {
        Self {
            before: config::run_options_before(options),
            after: config::run_options(options),
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessExit {
    /// The exit status, unless a signal terminated the process.
    pub code: Option<i32>,
    /// The signal that terminated the process.
    pub signal: Option<i32>,
    /// The lines on standard error.
    pub stderr: Stderr,
}
