//! `fio config check`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::exit_status::REFUSED;
use super::input::Input;
use super::report::Report;
use crate::aide::check::{Checker, Verdict};
use crate::aide::command::{Aide, NO_AIDE};
use crate::aide::config;

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
