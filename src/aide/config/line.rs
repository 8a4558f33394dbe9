//! A line of an `aide.conf`: its text, and spans of its parts. Pure.
//!
//! The parser follows the scanner and grammar of AIDE 0.19 (`conf_lex.l`, `conf_yacc.y`, and aide.conf(5), "FILE
//! FORMAT"). It also accepts what 0.16 to 0.18 accepted: a tab around `=`, a rule that starts with a
//! macro, a comment after an expression. Everything that AIDE could interpret as an option, a rule or
//! a directive is one here, too. All other lines are `Unknown`: AIDE checks them.

mod lexer;
mod parser;
mod statement;

#[cfg(test)]
mod tests;

pub(super) use self::lexer::{macro_at, operands, string_end};
use self::parser::statement;
pub(super) use self::statement::Span;
pub(crate) use self::statement::{Directive, Rule, RuleKind, Statement};

/// A line of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    ending: &'static str,
    statement: Statement,
}

impl Line {
    /// Parses one line. `raw` has at most one `\n`, at its end.
    pub(crate) fn parse(raw: &str) -> Self {
        let (text, ending) = match raw.strip_suffix('\n') {
            None => (raw, ""),
            Some(text) => match text.strip_suffix('\r') {
                None => (text, "\n"),
                Some(text) => (text, "\r\n"),
            },
        };
        Self {
            statement: statement(text),
            text: text.to_owned(),
            ending,
        }
    }

    /// The text without its line ending.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// `\n`, `\r\n`, or an empty string in the last line.
    pub(crate) fn ending(&self) -> &'static str {
        self.ending
    }

    /// The kind of line and its spans.
    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The text of a span of this line.
    pub(crate) fn get(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Replaces the text, except the ending, and parses it.
    pub(crate) fn set_text(&mut self, text: String) {
        self.statement = statement(&text);
        self.text = text;
    }

    /// Replaces a span and parses the new text.
    pub(crate) fn replace(&mut self, span: &Span, with: &str) {
        let mut text = self.text.clone();
        text.replace_range(span.clone(), with);
        self.set_text(text);
    }

    /// Adds a line feed if the line has no ending.
    pub(crate) fn terminate(&mut self) {
        if self.ending.is_empty() {
            self.ending = "\n";
        }
    }

    /// Name and value of an option.
    pub(crate) fn option(&self) -> Option<(&str, &str)> {
        match &self.statement {
            Statement::Option { name, value, .. } => Some((self.get(name), self.get(value))),
            _ => None,
        }
    }

    /// The rule, if the line is a rule.
    pub(crate) fn rule(&self) -> Option<&Rule> {
        match &self.statement {
            Statement::Rule(rule) => Some(rule),
            _ => None,
        }
    }

    /// Whether the rule applies only to some file types. The restriction `0` means all (since 0.18).
    pub(crate) fn is_restricted(&self, rule: &Rule) -> bool {
        rule.restriction
            .as_ref()
            .is_some_and(|span| self.get(span) != "0")
    }

    /// Directive and argument of a directive.
    pub(crate) fn directive(&self) -> Option<(Directive, &str)> {
        match &self.statement {
            Statement::Directive {
                directive,
                argument,
            } => Some((*directive, self.get(argument))),
            _ => None,
        }
    }
}
