//! Parser of AIDE's reports.
//!
//! [`parse_json`] parses reports of AIDE 0.18 and later with `report_format=json`, [`parse_plain`] plain reports
//! of AIDE 0.15 and later. Paths are bytes.
//!
//! JSON reports are read as a stream: if all files of a node differ, the report is far larger than what is kept
//! of it. Entries take the size of their path and some 200 bytes. Entries of one kind beyond 32 MiB are
//! only counted and hashed, see [`changes::OmittedEntries`].

mod changes;
mod error;
mod json;
mod names;
mod path;
mod plain;
pub(crate) mod render;
mod tokens;
mod value_hash;

#[cfg(test)]
mod aide_tests;
#[cfg(test)]
mod tests;

use std::io::Read;

pub(crate) use self::changes::DETAILED_CHANGES;
pub(crate) use self::changes::Incomparable;
#[cfg(test)]
pub(crate) use self::changes::OmittedEntries;
pub use self::changes::{Change, ChangeKind, Report};
pub(crate) use self::error::ReportError;
pub(crate) use self::names::is_incidental;
pub(crate) use self::path::{display_path, exact_path, is_printable};
pub(crate) use self::tokens::hex_digest;
pub(crate) use self::value_hash::{length, part};

/// Maximum size of the entries of each kind in bytes. Each kind has its own limit, so that many added files
/// cannot displace changed ones.
const MAX_KEPT: usize = 32 * 1024 * 1024;

/// Parses a report of `--check`, `--update` or `--init` of AIDE 0.18 or later with `report_format=json`. An
/// incomplete report is marked as truncated.
pub fn parse_json(report: impl Read) -> Result<Report, ReportError> {
    json::parse(report, MAX_KEPT)
}

/// Parses the last one of several JSON reports (`report_append=yes`).
pub(crate) fn parse_last_json(reports: impl Read) -> Result<Report, ReportError> {
    json::parse_last(reports, MAX_KEPT)
}

/// The last one of several plain reports (`report_append=yes`).
pub(crate) fn last_plain(reports: &[u8]) -> &[u8] {
    plain::last(reports)
}

/// Parses the last plain report in a text, of AIDE 0.15 to 0.19: counts, paths, names of changed attributes, a
/// hash of their values, and the digest of the database.
pub fn parse_plain(report: &[u8]) -> Result<Report, ReportError> {
    plain::parse(report)
}
