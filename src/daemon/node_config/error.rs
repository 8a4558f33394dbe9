//! Why there is no configuration for this node.

use std::io;
use std::path::PathBuf;

use crate::aide::command::RunError;

/// Why there is no configuration for this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeConfigError {
    /// The configuration could not be read or written.
    #[error("create this node's configuration from {}", path.display())]
    File {
        /// Path of the configuration.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file system does not answer.
    #[error(
        "the symbolic links of rules cannot be looked up: no answer at {0}; fix or unmount what hangs there, or leave \
         it out of the configuration"
    )]
    Hung(String),
    /// AIDE could not check the configuration.
    #[error(transparent)]
    Run(#[from] RunError),
}
