//! `fio config check`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::exit_status::REFUSED;
use super::input::Input;
use super::report::Report;
use crate::aide::check::{Checker, Verdict};
use crate::aide::command::{Aide, NO_AIDE};
use crate::aide::config::{self, ExcludedPaths};
use crate::aide::path_check;
use crate::aide::report::display_path;
use crate::api::names;

/// The path in spec.exclude that excludes this one, if it is the text of an active ConfigMap.
fn excluding(effective: &str, path: &str) -> Option<String> {
    let (_, excluded) = ExcludedPaths::split(effective, names::HOST_ROOT);
    let path = path_check::argument(path, names::HOST_ROOT)?;
    let (_, path) = path.split_once(names::HOST_ROOT)?;
    let excluding = excluded.excluding(path.as_bytes())?;
    Some(display_path(excluding.as_bytes()))
}

pub(super) async fn check(
    input: &Input,
    paths: &[String],
    aide: &Path,
) -> anyhow::Result<ExitCode> {
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
                let mut answer = checker
                    .path(&prepared.effective, &input.state_dir, path)
                    .await?;
                if let Some(excluding) = excluding(&prepared.effective, path) {
                    answer.kind = Some(format!("exclusion of {excluding} in spec.exclude"));
                }
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

#[cfg(test)]
mod tests;
