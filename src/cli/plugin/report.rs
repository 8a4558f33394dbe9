//! `report`: the document for auditors.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use k8s_openapi::jiff::Timestamp;

use super::connection::{Connection, seconds};
use crate::aide::check::Checker;
use crate::aide::command::{Aide, NO_AIDE};
use crate::cli::config::coverage::coverage;
use crate::plugin::failure::Failure;
use crate::plugin::fleet::Fleet;
use crate::plugin::output;
use crate::plugin::read::Reader;
use crate::plugin::report::critical::{Critical, DEFAULT};
use crate::plugin::report::csv::Table;
use crate::plugin::report::period::Period;
use crate::plugin::report::records::Records;
use crate::plugin::report::{Report, Scope};

const HELP: &str = "\
The page has the scope, the nodes with the longest time between two scans, change sets and their outcome, acceptances with
who, when and why, and replaced baselines. It needs no other file and no network; browsers print it.

Critical files by default: /etc/passwd, /etc/shadow, /etc/group, /etc/sudoers, /etc/ssh/sshd_config, /etc/crontab,
/etc/ld.so.conf, /usr/bin/sudo, /usr/bin/kubelet, /usr/sbin/sshd.

Exit status:
  0  the report was written, and has no findings
  1  the report was written, and has findings
  2  the report lacks something that could not be read, or there is no FileIntegrity, or an option is wrong
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// All namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Start of the period: a date (UTC) or a time as in RFC 3339 [default: 90 days before its end]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// End of the period: a date, which is included, or a time [default: now]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Longest time that is allowed between two scans of a node, such as 7d or 12h
    #[arg(long, value_name = "DURATION", value_parser = days, default_value = "7d")]
    max_interval: Duration,
    /// Critical file: the report states whether it is watched, which requires AIDE. Repeatable [default: those below, if
    /// there is AIDE]
    #[arg(long, value_name = "[TYPE:]PATH")]
    critical: Vec<String>,
    /// AIDE 0.19 or later, which answers whether critical files are watched
    #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
    aide: PathBuf,
    /// Format
    #[arg(long, short, value_enum, default_value_t = Format::Html)]
    output: Format,
    /// Table to write as CSV
    #[arg(long, value_enum, default_value_t = TableName::Nodes)]
    table: TableName,
    /// File to write to, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A page for a browser and for print
    Html,
    /// A table, see --table
    Csv,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableName {
    Findings,
    FileIntegrities,
    CriticalFiles,
    Nodes,
    Holds,
    ChangeSets,
    Acceptances,
    Baselines,
}

impl From<TableName> for Table {
    fn from(name: TableName) -> Self {
        match name {
            TableName::Findings => Self::Findings,
            TableName::FileIntegrities => Self::FileIntegrities,
            TableName::CriticalFiles => Self::CriticalFiles,
            TableName::Nodes => Self::Nodes,
            TableName::Holds => Self::Holds,
            TableName::ChangeSets => Self::ChangeSets,
            TableName::Acceptances => Self::Acceptances,
            TableName::Baselines => Self::Baselines,
        }
    }
}

pub(super) async fn run(args: Args) -> Result<u8, Failure> {
    let now = Timestamp::now();
    let period = Period::parse(args.from.as_deref(), args.to.as_deref(), now);
    let scope = Scope {
        period: period.map_err(Failure::Other)?,
        max_interval: i64::try_from(args.max_interval.as_secs()).unwrap_or(i64::MAX),
        now,
    };
    let reader = args.connection.reader(args.all_namespaces).await?;
    let mut records = reader.records().await?;
    let critical = critical(&args, &reader, &records).await?;
    if let Critical::Unknown(why) = &critical
        && !args.critical.is_empty()
    {
        records.unread.push(format!(
            "the coverage of critical files is not known: {why}"
        ));
    }
    let report = Report::of(&records, &critical, scope);
    let text = match args.output {
        Format::Html => report.html().map_err(|error| failed(&error))?,
        Format::Csv => {
            let csv = report.csv(args.table.into());
            csv.map_err(|error| failed(&error))?
        }
        Format::Json => {
            let json = serde_json::to_value(&report);
            output::json(&json.map_err(|error| failed(&error))?)
        }
    };
    match &args.file {
        Some(file) => write(file, &text)?,
        None => super::print(&text)?,
    }
    Ok(report.exit_status)
}

/// Whether the critical files are watched. Without AIDE, or without the right to read the configuration, it is not known.
async fn critical(args: &Args, reader: &Reader, records: &Records) -> Result<Critical, Failure> {
    let aide = Aide::new(&args.aide);
    if let Err(error) = aide.supported_version().await {
        let why = format!("{NO_AIDE}: {}", crate::error_chain(&error));
        return Ok(Critical::Unknown(why));
    }
    let paths = match &args.critical[..] {
        [] => DEFAULT.map(str::to_owned).to_vec(),
        paths => paths.to_vec(),
    };
    let checker = Checker::new(aide, std::env::temp_dir());
    let mut fleet = Fleet {
        nodes: records.nodes.iter().map(|it| it.node.clone()).collect(),
        ..Fleet::default()
    };
    fleet.sort();
    let mut all = Vec::new();
    for record in &records.integrities {
        let integrity = &record.integrity;
        match coverage(&paths, reader, &checker, &fleet, integrity).await {
            Ok(coverage) => all.push(coverage),
            Err(failure) if failure.is_optional() => {
                return Ok(Critical::Unknown(failure.to_string()));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(Critical::Known(all))
}

/// Writes a new file. An existing one may be the report of another period.
fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Other(format!("write {}: {error}", path.display())))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Other(format!("write the report: {}", crate::error_chain(error)))
}

/// A duration such as `7d`, `12h`, `30m` or `60s`.
fn days(text: &str) -> Result<Duration, String> {
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let seconds = seconds(text).filter(|seconds| *seconds > 0 && has_unit);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a duration such as 7d, 12h or 30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let seconds = |text| days(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("7d"), Ok(604_800));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("30m"), Ok(1800));
        for text in ["", "7", "0d", "-1d", "1w", "99999999999999999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_existing_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        write(&path, "one").unwrap();
        let error = write(&path, "two").unwrap_err().to_string();
        assert!(error.contains("report.html"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
    }
}
