//! A file to which another program writes AIDE's reports. I/O.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::aide::report::{self, Report, ReportError};
use crate::file_error::FileError;
use crate::scan::Identity;
use crate::scan::failure_log::{self, Reports};

/// Maximum bytes of a report that are parsed. The failure log is made of the complete report.
const MAX_PARSED: u64 = 64 * 1024 * 1024;

/// A report that another program's AIDE has written.
#[derive(Debug)]
pub(super) struct ExternalReport {
    pub(super) report: Result<Report, ReportError>,
    /// Whether the file has JSON, not plain text.
    pub(super) is_json: bool,
}

/// Distinguishes one report in the file from the next: modification time and size.
type Version = (SystemTime, u64);

/// The file with AIDE's reports. The last report counts.
#[derive(Debug)]
pub(super) struct ReportFile {
    path: PathBuf,
    host_root: String,
}

impl ReportFile {
    pub(super) fn new(path: PathBuf, host_root: String) -> Self {
        Self { path, host_root }
    }

    pub(super) fn version(&self) -> Option<Version> {
        let meta = std::fs::metadata(&self.path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }

    /// Reads and parses the last report in the file.
    pub(super) fn read(&self) -> Result<ExternalReport, FileError> {
        let bytes = self.start()?;
        let is_json = bytes.trim_ascii_start().starts_with(b"{");
        let parsed = if is_json {
            report::parse_last_json(&bytes[..])
        } else {
            report::parse_plain(&bytes[..])
        };
        let report = parsed.map(|mut report| {
            report.strip_host_root(&self.host_root);
            report
        });
        Ok(ExternalReport { report, is_json })
    }

    /// The failure log of the report in the file.
    pub(super) fn failure_log(
        &self,
        identity: &Identity,
        report: &Report,
        is_json: bool,
    ) -> Result<Value, FileError> {
        let json: Box<dyn Read> = if is_json {
            Box::new(self.open()?)
        } else {
            Box::new(&b"{}"[..])
        };
        let reports = Reports {
            plain: self.open_last(is_json)?,
            json,
            path_on_node: self.path.display().to_string(),
        };
        let content = failure_log::fit(identity, report, reports).map_err(|e| self.unread(e))?;
        Ok(failure_log::config_map(identity, report, &content))
    }

    /// Opens the file at the beginning of its last plain report.
    fn open_last(&self, is_json: bool) -> Result<File, FileError> {
        let bytes = self.start()?;
        let last = if is_json {
            &bytes[..]
        } else {
            report::last_plain(&bytes)
        };
        let before = bytes.len() - last.len();
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(before as u64))
            .map_err(|error| self.unread(error))?;
        Ok(file)
    }

    fn start(&self) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        self.open()?
            .take(MAX_PARSED)
            .read_to_end(&mut bytes)
            .map_err(|error| self.unread(error))?;
        Ok(bytes)
    }

    fn open(&self) -> Result<File, FileError> {
        File::open(&self.path).map_err(FileError::on("open", &self.path))
    }

    fn unread(&self, source: io::Error) -> FileError {
        FileError::on("read", &self.path)(source)
    }
}

/// Reads a small file.
pub(super) fn read_text(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(FileError::on("read", path))
}
