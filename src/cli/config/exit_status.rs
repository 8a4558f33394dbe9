//! Exit statuses of `fio config`.

/// The configuration was refused, or a path is not watched.
pub(super) const REFUSED: u8 = 1;
/// The check was not possible. clap uses the same status for invalid arguments.
pub(super) const NOT_CHECKED: u8 = 2;
