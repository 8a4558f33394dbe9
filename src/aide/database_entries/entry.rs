//! An entry of a database. Pure.

use std::sync::Arc;

/// An entry of a database: the attributes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    columns: Arc<[String]>,
    line: Vec<u8>,
}

impl Entry {
    /// `line` has one value for each column.
    pub(super) fn new(columns: Arc<[String]>, line: Vec<u8>) -> Self {
        Self { columns, line }
    }

    /// The value in this column, as AIDE has written it. None without this column. An attribute that the file's rule
    /// does not have is `0`.
    pub(crate) fn value(&self, column: &str) -> Option<&[u8]> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.line
            .trim_ascii_end()
            .split(|byte| *byte == b' ')
            .nth(at)
    }

    /// All columns with their values.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let values = self.line.trim_ascii_end().split(|byte| *byte == b' ');
        self.columns.iter().map(String::as_str).zip(values)
    }
}
