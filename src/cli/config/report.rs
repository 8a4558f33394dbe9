//! The result of a check as text or JSON.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::input::{Input, Output};
use crate::aide::config::Diagnostic;
use crate::aide::path_check::Answer;

/// The result of a check.
pub(super) struct Report {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    aide: Option<String>,
    pub(super) paths: Vec<(String, Answer)>,
}

impl Report {
    pub(super) fn new(
        errors: Vec<Diagnostic>,
        warnings: Vec<Diagnostic>,
        aide: Option<String>,
    ) -> Self {
        Self {
            errors,
            warnings,
            aide,
            paths: Vec::new(),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.errors.is_empty()
            && self.aide.is_none()
            && self.paths.iter().all(|(_, answer)| answer.watched)
    }

    /// Prints the result and returns `code`.
    pub(super) fn print(
        &self,
        input: &Input,
        out: &mut (impl std::io::Write + std::io::IsTerminal),
        code: ExitCode,
    ) -> anyhow::Result<ExitCode> {
        match input.output {
            Output::Json => writeln!(out, "{:#}", self.json())?,
            Output::Text => {
                let color = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
                out.write_all(self.text(&input.name(), color).as_bytes())?;
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

    fn text(&self, file: &str, color: bool) -> String {
        let mut text = String::new();
        for (level, diagnostics) in [("error", &self.errors), ("warning", &self.warnings)] {
            for diagnostic in diagnostics {
                text.push_str(&diagnostic_text(file, diagnostic, &colored(level, color)));
            }
        }
        if let Some(message) = &self.aide {
            let level = colored("error", color);
            text.extend([file, ": ", &level, ": ", message, "\n"]);
        }
        for (path, answer) in &self.paths {
            text.push_str(&path_text(file, path, answer));
        }
        text
    }
}

fn colored(level: &str, color: bool) -> String {
    match (color, level) {
        (false, _) => level.to_owned(),
        (true, "error") => format!("\x1b[1;31m{level}\x1b[0m"),
        (true, _) => format!("\x1b[1;33m{level}\x1b[0m"),
    }
}

fn diagnostic_text(file: &str, diagnostic: &Diagnostic, level: &str) -> String {
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

fn path_text(file: &str, path: &str, answer: &Answer) -> String {
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
mod tests;
