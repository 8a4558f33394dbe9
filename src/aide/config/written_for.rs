//! The version of AIDE that a configuration was written for. Pure.
//!
//! The meaning of `!`, `%20` and backslashes changed between versions, so the same line may have different meanings.

use super::configuration::Configuration;
use super::groups::is_new;
use super::line::{Directive, Line, RuleKind, Span, Statement, operands};

/// The version of AIDE that a text was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenFor {
    /// 0.16 or earlier: it contains something that 0.17 rejects.
    UpTo016,
    /// Any version from 0.15 to 0.18.
    Unknown,
    /// 0.17 or 0.18: it contains something that exists since 0.17.
    From017,
    /// 0.19: it contains something that exists since 0.19.
    From019,
}

impl WrittenFor {
    /// Determines the version from lines that only some versions accept.
    pub(super) fn of(configuration: &Configuration) -> Self {
        let lines = configuration.lines();
        if lines.iter().any(needs_0_19) {
            return Self::From019;
        }
        match (lines.iter().any(is_old), lines.iter().any(needs_0_17)) {
            (true, false) => Self::UpTo016,
            (false, true) => Self::From017,
            _ => Self::Unknown,
        }
    }
}

fn needs_0_19(line: &Line) -> bool {
    match line.statement() {
        Statement::Rule(rule) => {
            rule.kind == RuleKind::NonRecursiveNegative
                || rule
                    .restriction
                    .as_ref()
                    .is_some_and(|span| line.get(span).contains('='))
                || rule
                    .attributes
                    .as_ref()
                    .is_some_and(|span| uses_new(line, span))
        }
        Statement::Group { expression, .. } => uses_new(line, expression),
        Statement::Directive { argument, .. } => line.get(argument).contains("version_ge"),
        _ => false,
    }
}

fn uses_new(line: &Line, span: &Span) -> bool {
    operands(line.text(), span)
        .iter()
        .any(|name| is_new(line.get(name)))
}

/// Removed options, and comments after expressions (NEWS, 0.17).
fn is_old(line: &Line) -> bool {
    match line.statement() {
        Statement::Option { name, .. } => matches!(
            line.get(name),
            "verbose" | "ignore_list" | "report_attributes" | "recstop" | "syslog_format"
        ),
        Statement::Rule(rule) => rule.comment.is_some() && rule.attributes.is_some(),
        Statement::Group { expression, .. } => line.text()[expression.end..].contains('#'),
        _ => false,
    }
}

/// New options and directives (NEWS, 0.17 and 0.18).
fn needs_0_17(line: &Line) -> bool {
    match line.statement() {
        Statement::Option { name, .. } => matches!(
            line.get(name),
            "log_level"
                | "report_level"
                | "report_append"
                | "report_format"
                | "report_grouped"
                | "report_summarize_changes"
                | "database_in"
                | "num_workers"
                | "config_check_warn_unrestricted_rules"
        ),
        Statement::Directive { directive, .. } => matches!(
            directive,
            Directive::If | Directive::XInclude | Directive::XIncludeSetenv
        ),
        Statement::Rule(rule) => rule
            .restriction
            .as_ref()
            .is_some_and(|span| line.get(span) == "0"),
        _ => false,
    }
}
