//! Messages about a configuration that do not quote it. Pure.
//!
//! Whoever may read conditions, events and logs in the operator's namespace may not be allowed to read
//! ConfigMaps of another namespace. So messages about a configuration from there have only the line
//! numbers and the kind of error, and name the command that shows the rest.

use super::super::observed::ConfigVerdict;
use crate::aide::check::Verdict;
use crate::aide::config::Diagnostic;

/// Maximum number of line numbers in a message.
const MAX_LINES: usize = 20;
/// Added to messages that do not quote the configuration.
const NOT_QUOTED: &str = "the ConfigMap is in another namespace, so its text is not quoted here; \
                          `fio config check FILE` shows the messages in full";

/// Whether messages quote the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    Full,
    Redacted,
}

/// The message about a verdict without text of the configuration. It is empty if there
/// are no warnings.
pub(crate) fn redact(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good(prepared) => lines("there are warnings about", &prepared.warnings),
        Verdict::Refused(diagnostics) => lines("fio does not allow", diagnostics),
        Verdict::RefusedByAide(message) => format!("{}; {NOT_QUOTED}", without_text(message)),
        Verdict::Unanswered(message) => without_text(message),
    }
}

/// Replaces the messages of a verdict.
pub(crate) fn replace(verdict: &mut ConfigVerdict, checked_as_good: bool, redacted: String) {
    match verdict {
        ConfigVerdict::Good { warnings, .. } if !warnings.is_empty() => *warnings = vec![redacted],
        // The configuration is too large. That message has only sizes.
        ConfigVerdict::Refused { .. } if checked_as_good => {}
        ConfigVerdict::Refused { message } | ConfigVerdict::Unchecked { message } => {
            *message = redacted;
        }
        _ => {}
    }
}

/// Lists the lines of diagnostics.
fn lines(what: &str, diagnostics: &[Diagnostic]) -> String {
    let mut lines: Vec<usize> = diagnostics.iter().map(|one| one.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let numbers: Vec<String> = lines.iter().take(MAX_LINES).map(usize::to_string).collect();
    let more = match lines.len().saturating_sub(MAX_LINES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let plural = if lines.len() == 1 { "" } else { "s" };
    format!(
        "{what} line{plural} {}{more}; {NOT_QUOTED}",
        numbers.join(", ")
    )
}

/// AIDE's message without text of the configuration: only the kind of error and the line number.
fn without_text(message: &str) -> String {
    let mut parts = message.split(": ");
    let mut kept: Vec<&str> = parts.by_ref().take(2).collect();
    let is_line = |part: &&str| {
        let number = part.strip_prefix("line ");
        number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    };
    kept.extend(parts.next().filter(is_line));
    kept.join(": ")
}

#[cfg(test)]
mod tests;
