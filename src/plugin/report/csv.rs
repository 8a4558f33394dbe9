//! A table of a report as CSV (RFC 4180). Pure.

use csv::{Reader, Writer};
use serde::Serialize;

use super::Report;

/// The tables of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Findings,
    FileIntegrities,
    CriticalFiles,
    Nodes,
    Holds,
    ChangeSets,
    Acceptances,
    Baselines,
}

impl Report {
    /// A table, with a line of the names of its columns. Without rows it is empty.
    pub(crate) fn csv(&self, table: Table) -> Result<String, csv::Error> {
        match table {
            Table::Findings => rows(&self.findings),
            Table::FileIntegrities => rows(&self.file_integrities),
            Table::CriticalFiles => rows(self.critical_files.as_deref().unwrap_or_default()),
            Table::Nodes => rows(&self.nodes),
            Table::Holds => rows(&self.holds),
            Table::ChangeSets => rows(&self.change_sets),
            Table::Acceptances => rows(self.acceptances.as_deref().unwrap_or_default()),
            Table::Baselines => rows(self.baselines.as_deref().unwrap_or_default()),
        }
    }
}

fn rows<T: Serialize>(rows: &[T]) -> Result<String, csv::Error> {
    if rows.is_empty() {
        return Ok(String::new());
    }
    let mut all = Writer::from_writer(Vec::new());
    for row in rows {
        all.serialize(row)?;
    }
    let bytes = all.into_inner().map_err(csv::IntoInnerError::into_error)?;
    let mut all = Reader::from_reader(bytes.as_slice());
    let mut safe = Writer::from_writer(Vec::new());
    safe.write_record(all.headers()?)?;
    for record in all.records() {
        safe.write_record(record?.iter().map(neutral))?;
    }
    let bytes = safe.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Spreadsheets execute a cell that begins like a formula. An apostrophe makes it a text.
fn neutral(cell: &str) -> String {
    let cell = crate::plugin::safe::safe(cell);
    if cell.trim_start().starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell
    }
}
