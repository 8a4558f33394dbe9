//! AIDE's exit status.
//!
//! Pure. From aide(1) of 0.19, "EXIT STATUS", and `errorcodes.h`: `--check` and `--update` end with
//! 1 for added + 2 for removed + 4 for changed entries; `--init` ends with 0 when it is done; both
//! end with 14 and above for errors.

use std::fmt;

use crate::api::ErrorClass;

/// What an exit status of `--check` or `--update` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// 0: nothing differs; after `--init`: the database is written.
    Clean,
    /// 1 to 7: something differs.
    Changes {
        /// Entries were added.
        added: bool,
        /// Entries were removed.
        removed: bool,
        /// Entries were changed.
        changed: bool,
    },
    /// AIDE could not tell.
    Error(AideError),
}

/// Why AIDE could not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AideError {
    /// 14: writing failed.
    Write,
    /// 15: a wrong argument.
    Argument,
    /// 16: a function that is not implemented.
    Unimplemented,
    /// 17: a line of the configuration that AIDE does not take.
    Configuration,
    /// 18: reading or opening failed.
    Io,
    /// 19: a version that does not fit.
    Version,
    /// 20: an included program failed.
    Exec,
    /// 21: a file could not be locked.
    Lock,
    /// 22: out of memory, as AIDE noticed.
    Memory,
    /// 23: a thread could not be started or joined.
    Thread,
    /// 24: the database is damaged or incomplete.
    Database,
    /// 25: a signal ended AIDE, which cleaned up.
    Interrupted,
    /// Any other status.
    Other(i32),
    /// Ended by a signal at once. SIGKILL (9) most often means that memory ran out.
    Signal(i32),
    /// Neither a status nor a signal.
    Unknown,
}

/// SIGXFSZ, what the kernel sends to a program that writes too large a file.
pub const SIGXFSZ: i32 = 25;

/// SIGXCPU, what the kernel sends to a program that has used the CPU for too long.
pub const SIGXCPU: i32 = 24;

/// Signals of a program that does what it must not: SIGABRT, SIGBUS, SIGSEGV.
const CRASHES: [i32; 3] = [6, 7, 11];

/// SIGKILL, what the kernel sends when memory runs out.
const SIGKILL: i32 = 9;

/// Reads the exit status of `--check` or `--update`: `code` as from a normal end, `signal` if one
/// ended the process.
pub fn decode(code: Option<i32>, signal: Option<i32>) -> Verdict {
    match (code, signal) {
        (Some(0), _) => Verdict::Clean,
        (Some(bits @ 1..=7), _) => Verdict::Changes {
            added: bits & 1 != 0,
            removed: bits & 2 != 0,
            changed: bits & 4 != 0,
        },
        (Some(code), _) => Verdict::Error(AideError::from_code(code)),
        (None, Some(signal)) => Verdict::Error(AideError::Signal(signal)),
        (None, None) => Verdict::Error(AideError::Unknown),
    }
}

/// Reads the exit status of `--init`, `--config-check` and other commands that compare nothing:
/// anything but 0 is an error.
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

    /// The text of a result's error message, in the form that users and their tools know:
    /// `AIDE error: 17 Invalid configureline error`.
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

    /// Whether it says nothing of what AIDE was given: AIDE was ended, or lacked memory or threads, and
    /// may get further the next time.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Memory | Self::Thread | Self::Interrupted | Self::Signal(_)
        )
    }

    /// Whether AIDE has crashed, as it will with the same input.
    pub fn is_crash(self) -> bool {
        matches!(self, Self::Signal(signal) if CRASHES.contains(&signal))
    }

    /// The class under which it is counted.
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
