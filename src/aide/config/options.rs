//! Our own lines in each run of AIDE.
//!
//! Pure. AIDE 0.19 keeps the first `database_in`, `database_out`, `num_workers` and `log_level` that
//! it reads and the last of every other option, and a report's options are those set when its
//! `report_url` is read (`do_dbdef`, `eval_config_statement` and `add_report_url` of
//! `commandconf.c`, `conf_eval.c` and `report.c`; aide.conf(5), "REPORT OPTIONS"). So what must
//! hold whatever the configuration says is given on both sides of it: [`run_options_before`] by
//! `--before`, [`run_options`] by `--after`.

use std::fmt::Write as _;
use std::path::Path;

use super::paths::{escape, escape_rule};

/// What a run of AIDE needs to know. All paths are absolute, as AIDE sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// Threads that read files; 0 means none beside the main one.
    pub workers: u32,
    /// The baseline to compare with.
    pub database_in: String,
    /// Where `--init` writes a new one.
    pub database_out: String,
    /// Where the report goes as JSON.
    pub json_report: String,
    /// Where the report goes as text.
    pub plain_report: String,
}

impl RunOptions {
    /// A run on the database and the log in `state_dir`, as AIDE sees that directory.
    pub fn new(state_dir: &Path, json_report: &Path, workers: u32) -> Self {
        let file = |name: &str| state_dir.join(name).to_string_lossy().into_owned();
        Self {
            workers,
            database_in: file("aide.db.gz"),
            database_out: file("aide.db.gz.new"),
            json_report: json_report.to_string_lossy().into_owned(),
            plain_report: file("aide.log.new"),
        }
    }
}

/// The lines for `--before`: options of which AIDE keeps the first.
pub fn run_options_before(options: &RunOptions) -> String {
    let RunOptions {
        workers,
        database_in,
        database_out,
        ..
    } = options;
    format!(
        "database_in=file:{}\ndatabase_out=file:{}\nnum_workers={workers}\nlog_level=warning\n",
        escape(database_in),
        escape(database_out),
    )
}

/// The lines for `--after`: the same again, the options of which AIDE keeps the last, both reports,
/// and a rule that keeps our own files beside either database out of the database.
///
/// The JSON report tells everything, down to the digests of added files
/// (`report_level=added_removed_entries`); the plain one is what AIDE prints by default.
/// The digest of the database is its SHA-256 (`database_attrs`), in base64 in both.
pub fn run_options(options: &RunOptions) -> String {
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
        let _ = writeln!(text, "-{}/{OWN_FILES}", escape_rule(directory));
    }
    text
}

/// A line for `--after` that selects just this path, which AIDE sees as it is written, by an attribute
/// expression.
pub fn rule_for(path: &str, attributes: &str) -> String {
    format!("{}$ {attributes}\n", escape_rule(path))
}

/// Our own files in the state directory, and what is made of them: `.new`, `.backup-TIME`. No others
/// of that form: what somebody puts into `aide.d` is to be seen.
const OWN_FILES: &str = r"aide\.(db\.gz|log|baseline\.json|lock|backup|reinit)(\.[^/]+)?$";

/// AIDE's defaults, set again: nothing is left out of a report. `p-p` is the empty set under any
/// definition of groups; `E`, AIDE's own name for it, may be redefined.
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

/// The directories of both databases, each once. The root is no one's state directory.
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
mod tests {
    use super::*;

    #[test]
    fn run_options_are_the_only_ones() {
        let options = RunOptions {
            workers: 2,
            database_in: "/hostroot/etc/kubernetes/aide.db.gz".into(),
            database_out: "/hostroot/etc/kubernetes/aide.db.gz.new".into(),
            json_report: "/tmp/re port.json".into(),
            plain_report: "/hostroot/etc/kubernetes/aide.log.new".into(),
        };
        insta::assert_snapshot!("before", run_options_before(&options));
        insta::assert_snapshot!("after", run_options(&options));
    }
}
