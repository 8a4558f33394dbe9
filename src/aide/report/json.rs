//! JSON reports.

mod collector;
mod latin1;
mod values;
mod visitors;

use std::io::{BufRead, BufReader, Read};

use serde::de::Deserializer as _;

use self::collector::Collector;
#[cfg(test)]
pub(super) use self::collector::MAX_DETAILS;
use self::latin1::AsText;
use self::visitors::Top;
use super::changes::Report;
use super::error::ReportError;

/// Bytes of the report that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Parses a report and keeps at most `max_kept` bytes of entries of each kind.
pub(super) fn parse(report: impl Read, max_kept: usize) -> Result<Report, ReportError> {
    let mut bytes = BufReader::with_capacity(CHUNK, report);
    if bytes.fill_buf().map_err(ReportError::Read)?.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut collector = Collector::new(max_kept);
    let mut json = serde_json::Deserializer::from_reader(AsText::new(bytes));
    let read = json
        .deserialize_map(Top(&mut collector))
        .and_then(|()| json.end());
    finish(collector, read)
}

/// Parses the last one of several reports.
pub(super) fn parse_last(reports: impl Read, max_kept: usize) -> Result<Report, ReportError> {
    let mut bytes = BufReader::with_capacity(CHUNK, reports);
    if bytes.fill_buf().map_err(ReportError::Read)?.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut json = serde_json::Deserializer::from_reader(AsText::new(bytes));
    loop {
        let mut collector = Collector::new(max_kept);
        let read = json.deserialize_map(Top(&mut collector));
        // If neither the end nor another report follows, the next iteration fails.
        if read.is_err() || json.end().is_ok() {
            return finish(collector, read);
        }
    }
}

fn finish(
    collector: Collector,
    read: Result<(), serde_json::Error>,
) -> Result<Report, ReportError> {
    match read {
        Ok(()) => Ok(collector.finish(false)),
        Err(error) if error.is_eof() => Ok(collector.finish(true)),
        Err(error) if error.is_io() => Err(ReportError::Read(error.into())),
        Err(error) => Err(ReportError::Json(error)),
    }
}
