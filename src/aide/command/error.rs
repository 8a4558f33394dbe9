//! Errors of running AIDE.

use std::io;
use std::path::PathBuf;

use super::process::StuckProcess;
use crate::aide::watchdog::Hang;

/// The message if there is no AIDE.
pub(crate) const NO_AIDE: &str = "AIDE not found; set --aide or FIO_AIDE";

/// AIDE could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The program could not be started.
    #[error("start {}", binary.display())]
    Start {
        /// The path of the program.
        binary: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Waiting for the process failed.
    #[error("wait for AIDE")]
    Wait(#[source] io::Error),
    /// The limits of memory and CPU time could not be set.
    #[error("limit the memory and time of AIDE")]
    Limit(#[source] io::Error),
    /// The caller cancelled the run.
    #[error("AIDE was terminated before it finished")]
    Cancelled,
    /// The run made no progress or took too long, and was terminated.
    #[error(
        "AIDE error: {0}; AIDE was terminated. Fix what hangs or takes so long, or exclude it in the configuration"
    )]
    Hung(Hang),
    /// The run hangs and cannot be terminated.
    #[error(
        "AIDE error: {hang}; AIDE waits in the kernel and cannot be terminated. No other run starts until it exits. \
         Fix or unmount the file system that hangs"
    )]
    Stuck {
        /// The exceeded limit and the file.
        hang: Hang,
        /// The process that still exists.
        stuck_process: StuckProcess,
    },
    /// The output has no version.
    #[error("{} printed no version: {output}", binary.display())]
    Version {
        /// The path of the program.
        binary: PathBuf,
        /// The first line of its output.
        output: String,
    },
    /// The version is too old.
    #[error("{} is AIDE {version}; fio needs AIDE 0.19 or later", binary.display())]
    TooOld {
        /// The path of the program.
        binary: PathBuf,
        /// The version of the program.
        version: String,
    },
}
