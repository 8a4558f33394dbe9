//! `fio config convert`.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::exit_status::REFUSED;
use super::input::{Input, Output};
use super::report::Report;
use crate::aide::config;
use crate::api::names;

pub(super) fn convert(input: &Input, relocate_only: bool) -> anyhow::Result<ExitCode> {
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
