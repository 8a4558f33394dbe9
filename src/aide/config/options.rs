//! fio's own options in each run of AIDE. Pure.
//!
//! AIDE 0.19 uses the first `database_in`, `database_new`, `database_out`, `num_workers` and `log_level`, and the last one of all other
//! options. The options of a report are those that are set at its `report_url` (`do_dbdef`,
//! `eval_config_statement` and `add_report_url` of `commandconf.c`, `conf_eval.c` and `report.c`;
//! aide.conf(5), "REPORT OPTIONS"). To override the user's options, fio sets its own before and after
//! them: [`run_options_before`] with `--before`, [`run_options`] with `--after`.

use std::fmt::Write as _;
use std::path::Path;

use super::paths::{escape, escape_rule};

/// The options of a run. All paths are absolute, as AIDE sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// Number of threads that read files. 0 means only the main thread.
    pub workers: u32,
    /// The database of the baseline.
    pub database_in: String,
    /// The database that `--compare` compares with that of the baseline.
    pub database_new: Option<String>,
    /// The new database of `--init`.
    pub database_out: String,
    /// The path of the JSON report.
    pub json_report: String,
    /// The path of the plain report.
    pub plain_report: String,
}

impl RunOptions {
    /// A run with database and plain report in `state_dir`, as AIDE sees that directory.
    pub fn new(state_dir: &Path, json_report: &Path, workers: u32) -> Self {
        let file = |name: &str| state_dir.join(name).to_string_lossy().into_owned();
        Self {
            workers,
            database_in: file("aide.db.gz"),
            database_new: None,
            database_out: file("aide.db.gz.new"),
            json_report: json_report.to_string_lossy().into_owned(),
            plain_report: file("aide.log.new"),
        }
    }
}

/// The lines for `--before`: options of which AIDE uses the first.
pub(crate) fn run_options_before(options: &RunOptions) -> String {
    let RunOptions {
        workers,
        database_in,
        database_new,
        database_out,
        ..
    } = options;
    let database_new = database_new.as_ref();
    let database_new = database_new.map(|path| format!("database_new=file:{}\n", escape(path)));
    format!(
        "database_in=file:{}\n{}database_out=file:{}\nnum_workers={workers}\nlog_level=warning\n",
        escape(database_in),
        database_new.unwrap_or_default(),
        escape(database_out),
    )
}

/// The lines for `--after`: the same options, those of which AIDE uses the last, both reports, and rules that exclude
/// fio's own files from the database.
///
/// The JSON report has all details, including the digests of added files (`report_level=added_removed_entries`). The plain
/// report has AIDE's default level. Both have the SHA-256 of the database (`database_attrs`) in base64.
pub(crate) fn run_options(options: &RunOptions) -> String {
    let mut text = run_options_before(options);
    text += "database_attrs=sha256\ngzip_dbout=yes\n";
    text += REPORT_OPTIONS;
    report(
        &mut text,
        "json",
        "added_removed_entries",
        &options.json_report,
    );
    report(
        &mut text,
        "plain",
        "changed_attributes",
        &options.plain_report,
    );
    for directory in own_directories(options) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "-{}/{}", escape_rule(directory), own_files());
    }
    text
}

/// A line for `--after` that selects only this path, as AIDE sees it, with an attribute expression.
pub(crate) fn rule_for(path: &str, attributes: &str) -> String {
    format!("{}$ {attributes}\n", escape_rule(path))
}

/// The names of fio's own files in the state directory after `aide.`, without or with a suffix such as `.new` and `.backup-TIME`. Other files, such
/// as those in `aide.d`, are watched.
const OWN_FILES: [&str; 8] = [
    "accepted.json",
    "db.gz",
    "log",
    "baseline.json",
    "baseline.conf",
    "lock",
    "backup",
    "reinit",
];

/// Whether fio writes a file with this name to its state directory.
pub(crate) fn is_own_file(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"aide.").unwrap_or_default();
    OWN_FILES.iter().any(|own| {
        let suffix = rest.strip_prefix(own.as_bytes());
        suffix.is_some_and(|suffix| suffix.is_empty() || (suffix[0] == b'.' && suffix.len() > 1))
    })
}

/// The expression for the names of these files.
fn own_files() -> String {
    let names = OWN_FILES.join("|").replace('.', r"\.");
    format!(r"aide\.({names})(\.[^/]+)?$")
}

/// AIDE's defaults, so that reports contain all changes. `p-p` is the empty set, whatever groups are defined. AIDE's own
/// name for it, `E`, may be redefined.
const REPORT_OPTIONS: &str = "\
report_append=no
report_base16=no
report_detailed_init=no
report_grouped=yes
report_quiet=no
report_summarize_changes=yes
report_force_attrs=p-p
report_ignore_added_attrs=p-p
report_ignore_changed_attrs=p-p
report_ignore_removed_attrs=p-p
report_ignore_e2fsattrs=0
";

fn report(text: &mut String, format: &str, level: &str, path: &str) {
    let _ = writeln!(
        text,
        "report_format={format}\nreport_level={level}\nreport_url=file:{}",
        escape(path)
    );
}

/// The distinct directories of both databases, except the root.
fn own_directories(options: &RunOptions) -> Vec<&str> {
    let mut directories: Vec<&str> = [&options.database_in, &options.database_out]
        .into_iter()
        .filter_map(|path| path.rsplit_once('/'))
        .map(|(directory, _)| directory)
        .filter(|directory| directory.starts_with('/'))
        .collect();
    directories.dedup();
    directories
}

#[cfg(test)]
mod tests;
