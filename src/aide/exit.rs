//! AIDE's exit status. Pure.
//!
//! According to aide(1) of 0.19, "EXIT STATUS", and `errorcodes.h`, the status of `--check` and `--update` is the sum of
//! 1 for added, 2 for removed and 4 for changed entries. That of a successful `--init` is 0. Errors
//! have 14 and above.

use std::fmt;

use crate::api::ErrorClass;

/// The result of `--check` or `--update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStatus {
    /// 0: there are no differences.
    Clean,
    /// 1 to 7: there are differences.
    Changes {
        added: bool,
        removed: bool,
        changed: bool,
    },
    /// AIDE failed with this error.
    Error(AideError),
}

/// An error of AIDE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AideError {
    /// 14: AIDE failed to write a file.
    Write,
    /// 15: a wrong argument.
    Argument,
    /// 16: a function that is not implemented.
    Unimplemented,
    /// 17: an invalid line of the configuration.
    Configuration,
    /// 18: reading or opening failed.
    Io,
    /// 19: a version mismatch.
    Version,
    /// 20: an included program failed.
    Exec,
    /// 21: a file could not be locked.
    Lock,
    /// 22: out of memory, detected by AIDE.
    Memory,
    /// 23: a thread could not be started or joined.
    Thread,
    /// 24: the database is damaged or incomplete.
    Database,
    /// 25: AIDE was interrupted by a signal and cleaned up.
    Interrupted,
    Other(i32),
    /// A signal terminated AIDE. SIGKILL (9) usually means out of memory.
    Signal(i32),
    /// Neither a status nor a signal.
    Unknown,
}

/// SIGXFSZ: the size limit of files was exceeded.
pub const SIGXFSZ: i32 = 25;

/// SIGXCPU: the limit of CPU time was exceeded.
pub const SIGXCPU: i32 = 24;

/// Signals of crashes: SIGABRT, SIGBUS, SIGSEGV.
const CRASHES: [i32; 3] = [6, 7, 11];

/// SIGKILL: the kernel sends it if memory runs out.
const SIGKILL: i32 = 9;

/// Decodes the exit status of `--check` or `--update`. `code` is `None` if `signal` terminated the process.
pub fn decode(code: Option<i32>, signal: Option<i32>) -> CheckStatus {
    match (code, signal) {
        (Some(0), _) => CheckStatus::Clean,
        (Some(bits @ 1..=7), _) => CheckStatus::Changes {
            added: bits & 1 != 0,
            removed: bits & 2 != 0,
            changed: bits & 4 != 0,
        },
        (Some(code), _) => CheckStatus::Error(AideError::from_code(code)),
        (None, Some(signal)) => CheckStatus::Error(AideError::Signal(signal)),
        (None, None) => CheckStatus::Error(AideError::Unknown),
    }
}

/// Decodes the exit status of `--init`, `--config-check` and other commands: anything but 0 is an error.
pub fn decode_plain(code: Option<i32>, signal: Option<i32>) -> Result<(), AideError> {
    match (code, signal) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(AideError::from_code(code)),
        (None, Some(signal)) => Err(AideError::Signal(signal)),
        (None, None) => Err(AideError::Unknown),
    }
}

impl AideError {
    fn from_code(code: i32) -> Self {
        match code {
            14 => Self::Write,
            15 => Self::Argument,
            16 => Self::Unimplemented,
            17 => Self::Configuration,
            18 => Self::Io,
            19 => Self::Version,
            20 => Self::Exec,
            21 => Self::Lock,
            22 => Self::Memory,
            23 => Self::Thread,
            24 => Self::Database,
            25 => Self::Interrupted,
            other => Self::Other(other),
        }
    }

    /// The number of the status or signal.
    fn number(self) -> i32 {
        match self {
            Self::Write => 14,
            Self::Argument => 15,
            Self::Unimplemented => 16,
            Self::Configuration => 17,
            Self::Io => 18,
            Self::Version => 19,
            Self::Exec => 20,
            Self::Lock => 21,
            Self::Memory => 22,
            Self::Thread => 23,
            Self::Database => 24,
            Self::Interrupted => 25,
            Self::Other(number) | Self::Signal(number) => number,
            Self::Unknown => -1,
        }
    }

    /// The error message as in the original operator: `AIDE error: 17 Invalid configureline error`.
    pub fn message(self) -> String {
        let text = match self {
            Self::Signal(SIGKILL) => {
                return "AIDE error: killed by signal 9, possibly out of memory".to_owned();
            }
            Self::Signal(signal) => return format!("AIDE error: killed by signal {signal}"),
            Self::Write => "Error writing error",
            Self::Argument => "Invalid argument error",
            Self::Unimplemented => "Unimplemented function error",
            Self::Configuration => "Invalid configureline error",
            Self::Io => "IO error",
            Self::Version => "Version mismatch error",
            _ => "Unexpected error",
        };
        format!("AIDE error: {} {text}", self.number())
    }

    /// The error message, followed by what AIDE printed, if it printed anything.
    pub(crate) fn message_with(self, detail: &str) -> String {
        match detail {
            "" => self.message(),
            detail => format!("{}: {detail}", self.message()),
        }
    }

    /// Whether a retry may succeed with the same input: AIDE was terminated, or lacked memory or threads.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Memory | Self::Thread | Self::Interrupted | Self::Signal(_)
        )
    }

    /// Whether AIDE crashed. It will crash again with the same input.
    pub fn is_crash(self) -> bool {
        matches!(self, Self::Signal(signal) if CRASHES.contains(&signal))
    }

    /// The error class of results with this error.
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Write => ErrorClass::Write,
            Self::Argument => ErrorClass::Argument,
            Self::Unimplemented => ErrorClass::Unimplemented,
            Self::Configuration => ErrorClass::Configuration,
            Self::Io => ErrorClass::Io,
            Self::Version => ErrorClass::Version,
            Self::Exec => ErrorClass::Exec,
            Self::Lock => ErrorClass::Lock,
            Self::Memory | Self::Signal(SIGKILL) => ErrorClass::Memory,
            Self::Thread => ErrorClass::Thread,
            Self::Database => ErrorClass::Database,
            Self::Interrupted | Self::Signal(_) => ErrorClass::Signal,
            Self::Other(_) | Self::Unknown => ErrorClass::Unexpected,
        }
    }
}

impl fmt::Display for AideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for AideError {}

#[cfg(test)]
mod tests;
