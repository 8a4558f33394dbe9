//! Errors of parsing reports.

use std::io;

/// A report cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report is empty.
    #[error("the report is empty")]
    Empty,
    /// The file cannot be read.
    #[error("failed to read the report")]
    Read(#[source] io::Error),
    /// The text is not a JSON report of AIDE.
    #[error("the text is not a JSON report of AIDE")]
    Json(#[source] serde_json::Error),
    /// The text is not a plain report of AIDE.
    #[error("the text is not a report of AIDE")]
    Plain,
}
