//! Exit statuses of `fio config`.

/// The configuration was rejected, or a path is not watched.
pub(super) const REJECTED: u8 = 1;
/// The check failed. clap uses the same status for invalid arguments.
pub(super) const NOT_CHECKED: u8 = 2;
