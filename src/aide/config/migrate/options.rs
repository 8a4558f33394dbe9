//! Options that AIDE 0.19 does not have any more, and options that each run sets itself. Pure.

use super::notes::{Notes, comment_out};
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::Statement;

/// The change of an option.
enum Action {
    /// It does not change.
    Keep,
    Rename(&'static str),
    /// It is removed, because each run has its own reports.
    RemoveReport,
    /// It is removed, with this message and remedy.
    Remove(&'static str, &'static str),
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
        match action(name, value) {
            Action::Keep => {}
            Action::Rename(new) => {
                notes.warn(index, "AIDE 0.19 calls the option database_in", "rename it");
                if let Statement::Option { name, .. } = line.statement() {
                    let name = name.clone();
                    line.replace(&name, new);
                }
            }
            Action::RemoveReport => {
                comment_out(line);
                reports.push(index);
            }
            Action::Remove(message, remedy) => {
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

fn action(name: &str, value: &str) -> Action {
    match name {
        "database" => Action::Rename("database_in"),
        "verbose" => Action::Remove(
            "AIDE 0.19 has no option verbose; log and report level are set for each run",
            REMOVE,
        ),
        "summarize_changes" | "grouped" | "ignore_list" | "report_attributes" | "recstop"
        | "syslog_format" => Action::Remove("AIDE 0.19 does not have the option", REMOVE),
        "root_prefix" => Action::Remove(
            "root_prefix has no effect: paths are already converted for the node",
            REMOVE,
        ),
        "report_url" => report_url(value),
        _ if name.starts_with("report_ignore_") || name == "report_force_attrs" => {
            ignoring(name, value)
        }
        _ => overridden(name, value),
    }
}

/// Reports to files, standard output and standard error are replaced with those of each run.
fn report_url(value: &str) -> Action {
    if value.starts_with("file:") || value == "stdout" || value == "stderr" {
        Action::RemoveReport
    } else {
        Action::Remove(
            "reports go to the node's log file and the cluster only",
            REMOVE,
        )
    }
}

fn ignoring(name: &str, value: &str) -> Action {
    if name == "report_ignore_e2fsattrs" && value == "0" {
        return Action::Keep;
    }
    Action::Remove(
        "the option has no effect: reports contain all changes",
        "remove the attribute from the rules instead",
    )
}

/// Options that [`crate::aide::config::options`] sets to these values. All others are kept.
fn overridden(name: &str, value: &str) -> Action {
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
        _ => return Action::Keep,
    };
    if same.contains(&value) {
        Action::Keep
    } else {
        Action::Remove(SET_BY_RUN, REMOVE)
    }
}
