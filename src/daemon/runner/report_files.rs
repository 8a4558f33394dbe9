//! The files with AIDE's two reports of a run. I/O.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::context::Runner;
use super::error::RunnerError;
use crate::aide::report::{self, Report};
use crate::file_error::FileError;
use crate::scan::failure_log::rendered::{self, Known};
use crate::scan::failure_log::{self, Reports};

/// Name of the JSON report in the container's own directory.
const JSON_REPORT: &str = "aide.report.json";
/// Name of the plain report in another directory than the state directory.
const PLAIN_REPORT: &str = "aide.log";

/// The files with AIDE's two reports of a run.
#[derive(Debug)]
pub(super) struct ReportFiles<'a> {
    runner: &'a Runner,
    json: PathBuf,
}

impl Runner {
    /// The failure log of the known state of the node.
    pub(crate) fn log_of_known_state(&self, report: &Report, at: &Time) -> io::Result<Value> {
        let known = Known {
            at: at.0,
            aide_version: &self.aide_version,
            host_root: &self.host_root,
            path_on_node: &self.log_on_node(),
        };
        rendered::of_known_state(&self.identity, report, known)
    }

    /// Path on the node of AIDE's plain report of the last scan.
    fn log_on_node(&self) -> String {
        let dir = self.state_dir_on_node.trim_end_matches('/');
        format!("{dir}/aide.log")
    }
}

impl<'a> ReportFiles<'a> {
    pub(super) fn of(runner: &'a Runner) -> Self {
        Self {
            json: runner.work_dir.join(JSON_REPORT),
            runner,
        }
    }

    /// The reports of a comparison of two databases.
    pub(super) fn in_dir(runner: &'a Runner, dir: &Path) -> Self {
        Self {
            json: dir.join(JSON_REPORT),
            runner,
        }
    }

    /// Path of the plain report beside the JSON report.
    pub(super) fn plain(&self) -> PathBuf {
        self.json.with_file_name(PLAIN_REPORT)
    }

    /// Path of the JSON report.
    pub(super) fn json(&self) -> &PathBuf {
        &self.json
    }

    pub(super) fn read_json(&self) -> Result<Report, RunnerError> {
        read(&self.json, &self.runner.host_root)
    }

    /// The report of an earlier run must not be read as that of the next one.
    pub(super) fn remove_json(&self) -> Result<(), FileError> {
        remove(&self.json)
    }

    /// The failure log of the two reports.
    pub(super) fn failure_log(&self, report: &Report) -> Result<Value, RunnerError> {
        self.log_of(report, &self.runner.state.log())
    }

    /// The same of an update, whose plain report is not the latest one yet.
    pub(super) fn log_of_update(&self, report: &Report) -> Result<Value, RunnerError> {
        self.log_of(report, &self.runner.state.new_log())
    }

    /// The failure log of the JSON report and this plain report.
    pub(super) fn log_of(&self, report: &Report, log: &Path) -> Result<Value, RunnerError> {
        let identity = &self.runner.identity;
        let reports = Reports {
            plain: File::open(log).map_err(FileError::on("open", log))?,
            json: File::open(&self.json).map_err(FileError::on("open", &self.json))?,
            path_on_node: self.runner.log_on_node(),
        };
        let content =
            failure_log::fit(identity, report, reports).map_err(FileError::on("read", log))?;
        Ok(failure_log::config_map(identity, report, &content))
    }
}

/// Reads a JSON report. Its paths become those of the node.
pub(super) fn read(path: &Path, host_root: &str) -> Result<Report, RunnerError> {
    let file = File::open(path).map_err(FileError::on("open", path))?;
    let mut report = report::parse_json(file)?;
    report.strip_host_root(host_root);
    Ok(report)
}

/// Removes a report, if there is one.
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::on("remove", path)(error))
        }
        _ => Ok(()),
    }
}
