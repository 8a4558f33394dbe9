//! Options that AIDE 0.19 no longer has, and those that each run sets itself.
//!
//! Pure.

use super::notes::{Notes, comment_out};
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::Statement;

/// What becomes of an option.
enum Fate {
    /// It stays.
    Stay,
    /// It stays under its new name.
    Rename(&'static str),
    /// It goes, since each run has its own two reports.
    GoReport,
    /// It goes, and this is told.
    GoTelling(&'static str, &'static str),
}

const SET_BY_RUN: &str = "the option has no effect: each run sets it itself";
const REMOVE: &str = "remove the line";

pub(super) fn migrate(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let mut reports = Vec::new();
    for index in 0..effective.lines().len() {
        let Some(line) = effective.lines_mut().get_mut(index) else {
            continue;
        };
        let Some((name, value)) = line.option() else {
            continue;
        };
        match fate(name, value) {
            Fate::Stay => {}
            Fate::Rename(new) => {
                notes.warn(index, "AIDE 0.19 calls the option database_in", "rename it");
                if let Statement::Option { name, .. } = line.statement() {
                    let name = name.clone();
                    line.replace(&name, new);
                }
            }
            Fate::GoReport => {
                comment_out(line);
                reports.push(index);
            }
            Fate::GoTelling(message, remedy) => {
                comment_out(line);
                notes.warn(index, message, remedy);
            }
        }
    }
    notes.warn_once(
        &reports,
        "report_url has no effect: each run writes its reports to the node's log file and the cluster",
        REMOVE,
    );
}

fn fate(name: &str, value: &str) -> Fate {
    match name {
        "database" => Fate::Rename("database_in"),
        "verbose" => Fate::GoTelling(
            "AIDE 0.19 has no option verbose; log and report level are set for each run",
            REMOVE,
        ),
        "summarize_changes" | "grouped" | "ignore_list" | "report_attributes" | "recstop"
        | "syslog_format" => Fate::GoTelling("AIDE 0.19 does not have the option", REMOVE),
        "root_prefix" => Fate::GoTelling(
            "root_prefix has no effect: paths are converted for the node already",
            REMOVE,
        ),
        "report_url" => report_url(value),
        _ if name.starts_with("report_ignore_") || name == "report_force_attrs" => {
            ignoring(name, value)
        }
        _ => overridden(name, value),
    }
}

/// To a file, standard output and standard error: those that each run writes are like them.
fn report_url(value: &str) -> Fate {
    if value.starts_with("file:") || value == "stdout" || value == "stderr" {
        Fate::GoReport
    } else {
        Fate::GoTelling(
            "reports go to the node's log file and the cluster only",
            REMOVE,
        )
    }
}

fn ignoring(name: &str, value: &str) -> Fate {
    if name == "report_ignore_e2fsattrs" && value == "0" {
        return Fate::Stay;
    }
    Fate::GoTelling(
        "the option has no effect: no change is left out of a report",
        "leave the attribute out of the rules instead",
    )
}

/// Options that [`crate::aide::config::options`] sets to these values. All others stay.
fn overridden(name: &str, value: &str) -> Fate {
    let same: &[&str] = match name {
        "gzip_dbout" | "report_grouped" | "report_summarize_changes" => &["yes", "true"],
        "report_append" | "report_base16" | "report_detailed_init" | "report_quiet" => {
            &["no", "false"]
        }
        "report_level" => &["changed_attributes"],
        "report_format" => &["plain"],
        "log_level" => &["warning"],
        "database_attrs" => &["sha256"],
        "num_workers" => &[],
        _ => return Fate::Stay,
    };
    if same.contains(&value) {
        Fate::Stay
    } else {
        Fate::GoTelling(SET_BY_RUN, REMOVE)
    }
}
