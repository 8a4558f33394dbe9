//! `fio config`: what the operator does to an AIDE configuration, on a user's desk.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::aide::check::{Checker, Verdict};
use crate::aide::command::{Aide, NO_AIDE};
use crate::aide::config::{self, Diagnostic};
use crate::aide::path_check::Answer;
use crate::aide::profiles::Profile;
use crate::api::{file_integrity::DEFAULT_STATE_DIR, names};

/// Exit status of a check that found something against a configuration; that of one that could not
/// be done is clap's for wrong usage.
const REFUSED: u8 = 1;
const NOT_CHECKED: u8 = 2;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 good (perhaps with warnings), 1 refused or not watched, 2 not checked."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a configuration can be used, and what becomes of it
    #[command(
        after_help = "Examples:\n  fio config check aide.conf\n  kubectl get cm myconf -o jsonpath='{.data.aide\\.conf}' | fio config check -\n  fio config check aide.conf --path /etc/passwd --path d:/var/log"
    )]
    Check {
        #[command(flatten)]
        input: Input,
        /// Say as well whether and by which line this path of a node is watched; a directory or a
        /// link with its type in front, as in the examples. Symbolic links of the node are not known
        /// here: name the real path.
        #[arg(long, value_name = "[TYPE:]PATH")]
        path: Vec<String>,
        /// The AIDE to ask; version 0.19 or later.
        #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
        aide: PathBuf,
    },
    /// Print a configuration as the daemons get it
    #[command(after_help = "Example:\n  fio config convert aide.conf > aide.effective.conf")]
    Convert {
        #[command(flatten)]
        input: Input,
        /// Only what changes for a pod's view of the node (key aide.conf), in the user's syntax.
        #[arg(long)]
        relocate_only: bool,
    },
    /// Print a built-in configuration, to copy and change
    Default {
        /// Which one.
        #[arg(long, value_enum, default_value_t = ProfileArg::Generic)]
        profile: ProfileArg,
    },
}

#[derive(Debug, clap::Args)]
struct Input {
    /// The configuration; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Directory on the nodes for the database, as in spec.config.stateDir.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    state_dir: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProfileArg {
    /// Any Linux node.
    Generic,
    /// An OpenShift node.
    Openshift,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let result = match args.command {
        Command::Check { input, path, aide } => check(&input, &path, &aide).await,
        Command::Convert {
            input,
            relocate_only,
        } => convert(&input, relocate_only),
        Command::Default { profile } => print_profile(profile),
    };
    // Not checked is something else than refused.
    result.or_else(|error| {
        writeln!(
            std::io::stderr(),
            "fio: {}",
            crate::error_chain(error.as_ref())
        )?;
        Ok(ExitCode::from(NOT_CHECKED))
    })
}

fn print_profile(profile: ProfileArg) -> anyhow::Result<ExitCode> {
    let profile = match profile {
        ProfileArg::Generic => Profile::Generic,
        ProfileArg::Openshift => Profile::Openshift,
    };
    std::io::stdout().write_all(profile.text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn convert(input: &Input, relocate_only: bool) -> anyhow::Result<ExitCode> {
    let text = input.read()?;
    let prepared = match config::prepare(&text, &input.state_dir, names::HOST_ROOT) {
        Ok(prepared) => prepared,
        Err(refused) => {
            let report = Report::new(refused.diagnostics, Vec::new(), None);
            return report.print(input, &mut std::io::stderr(), ExitCode::from(REFUSED));
        }
    };
    let mut out = std::io::stdout();
    if input.output == Output::Json {
        let value = json!({
            names::KEY_AIDE_CONF: prepared.conf,
            names::KEY_EFFECTIVE_CONF: prepared.effective,
            "warnings": prepared.warnings,
        });
        writeln!(out, "{value:#}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let converted = if relocate_only {
        &prepared.conf
    } else {
        &prepared.effective
    };
    out.write_all(converted.as_bytes())?;
    let report = Report::new(Vec::new(), prepared.warnings, None);
    report.print(input, &mut std::io::stderr(), ExitCode::SUCCESS)
}

async fn check(input: &Input, paths: &[String], aide: &Path) -> anyhow::Result<ExitCode> {
    let text = input.read()?;
    let aide = Aide::new(aide);
    aide.supported_version().await.context(NO_AIDE)?;
    let checker = Checker::new(aide, std::env::temp_dir());
    let report = match checker.check(&text, &input.state_dir).await? {
        Verdict::Refused(diagnostics) => Report::new(diagnostics, Vec::new(), None),
        Verdict::Unanswered(message) => anyhow::bail!("{message}; try again"),
        Verdict::RefusedByAide(message) => Report::new(Vec::new(), Vec::new(), Some(message)),
        Verdict::Good(prepared) => {
            let mut warnings = prepared.warnings;
            warnings.extend(config::conditions_on_files(&text));
            warnings.sort_by_key(|warning| warning.line);
            let mut report = Report::new(Vec::new(), warnings, None);
            for path in paths {
                let answer = checker
                    .path(&prepared.effective, &input.state_dir, path)
                    .await?;
                report.paths.push((path.clone(), answer));
            }
            report
        }
    };
    let code = if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(REFUSED)
    };
    report.print(input, &mut std::io::stdout(), code)
}

impl Input {
    fn is_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    fn name(&self) -> String {
        if self.is_standard_input() {
            "<stdin>".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    fn read(&self) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        if self.is_standard_input() {
            std::io::stdin()
                .read_to_end(&mut bytes)
                .context("read standard input")?;
        } else {
            bytes = std::fs::read(&self.file).with_context(|| format!("read {}", self.name()))?;
        }
        String::from_utf8(bytes).with_context(|| {
            format!(
                "{} is not UTF-8, and a ConfigMap's data must be",
                self.name()
            )
        })
    }
}

/// What there is to say about a configuration.
struct Report {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    aide: Option<String>,
    paths: Vec<(String, Answer)>,
}

impl Report {
    fn new(errors: Vec<Diagnostic>, warnings: Vec<Diagnostic>, aide: Option<String>) -> Self {
        Self {
            errors,
            warnings,
            aide,
            paths: Vec::new(),
        }
    }

    fn is_good(&self) -> bool {
        self.errors.is_empty()
            && self.aide.is_none()
            && self.paths.iter().all(|(_, answer)| answer.watched)
    }

    fn print(
        &self,
        input: &Input,
        out: &mut (impl std::io::Write + std::io::IsTerminal),
        code: ExitCode,
    ) -> anyhow::Result<ExitCode> {
        match input.output {
            Output::Json => writeln!(out, "{:#}", self.json())?,
            Output::Text => {
                let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
                out.write_all(self.text(&input.name(), colour).as_bytes())?;
            }
        }
        Ok(code)
    }

    fn json(&self) -> Value {
        let paths: Vec<Value> = self
            .paths
            .iter()
            .map(|(path, answer)| {
                json!({
                    "path": path,
                    "watched": answer.watched,
                    "rule": answer.kind,
                    "line": answer.line,
                    "attributes": answer.attributes,
                })
            })
            .collect();
        json!({
            "usable": self.errors.is_empty() && self.aide.is_none(),
            "errors": self.errors,
            "aide": self.aide,
            "warnings": self.warnings,
            "paths": paths,
        })
    }

    fn text(&self, file: &str, colour: bool) -> String {
        let mut text = String::new();
        for (level, diagnostics) in [("error", &self.errors), ("warning", &self.warnings)] {
            for diagnostic in diagnostics {
                text.push_str(&described(file, diagnostic, &painted(level, colour)));
            }
        }
        if let Some(message) = &self.aide {
            let level = painted("error", colour);
            text.extend([file, ": ", &level, ": ", message, "\n"]);
        }
        for (path, answer) in &self.paths {
            text.push_str(&watched(file, path, answer));
        }
        text
    }
}

fn painted(level: &str, colour: bool) -> String {
    match (colour, level) {
        (false, _) => level.to_owned(),
        (true, "error") => format!("\x1b[1;31m{level}\x1b[0m"),
        (true, _) => format!("\x1b[1;33m{level}\x1b[0m"),
    }
}

fn described(file: &str, diagnostic: &Diagnostic, level: &str) -> String {
    let Diagnostic {
        line,
        text,
        message,
        remedy,
    } = diagnostic;
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("{file}:{line}: {level}: {message}\n    {text}\n    {remedy}\n")
}

fn watched(file: &str, path: &str, answer: &Answer) -> String {
    let rule = match (&answer.kind, answer.line) {
        (Some(kind), Some(line)) => format!(" by the {kind} at {file}:{line}"),
        (Some(kind), None) => format!(" by the {kind} of fio's own lines"),
        (None, _) => ": no rule matches".to_owned(),
    };
    match (answer.watched, &answer.attributes) {
        (true, Some(attributes)) => format!("{path}: watched{rule}, with {attributes}\n"),
        (true, None) => format!("{path}: watched{rule}\n"),
        (false, _) => format!("{path}: not watched{rule}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic() -> Diagnostic {
        Diagnostic {
            line: 3,
            text: "verbose=5".to_owned(),
            message: "verbose is not an option any more".to_owned(),
            remedy: "use log_level and report_level".to_owned(),
        }
    }

    fn report() -> Report {
        let mut report = Report::new(vec![diagnostic()], vec![diagnostic()], None);
        report.paths = vec![
            (
                "/etc/passwd".to_owned(),
                Answer {
                    watched: true,
                    kind: Some("selective rule".to_owned()),
                    line: Some(4),
                    attributes: Some("p+u".to_owned()),
                },
            ),
            (
                "/usr".to_owned(),
                Answer {
                    watched: false,
                    kind: None,
                    line: None,
                    attributes: None,
                },
            ),
        ];
        report
    }

    #[test]
    fn for_people() {
        insta::assert_snapshot!(report().text("aide.conf", false));
        assert!(report().text("f", true).contains("\x1b[1;31merror\x1b[0m"));
    }

    #[test]
    fn for_programs() {
        insta::assert_json_snapshot!(report().json());
    }

    #[test]
    fn a_path_that_is_not_watched_is_no_success() {
        let mut report = report();
        assert!(!report.is_good());
        report.errors.clear();
        report.paths.truncate(1);
        assert!(report.is_good());
    }
}
