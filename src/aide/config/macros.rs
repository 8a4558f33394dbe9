//! The possible values of macros `@@{NAME}`. Pure.
//!
//! Conditions (`@@if …`) are not evaluated, because they depend on the node. So a macro has a set of possible values, and a
//! text with macros a set of possible readings. Undefined macros are empty (aide.conf(5), "@@{VAR}").

use std::collections::BTreeMap;
use std::rc::Rc;

use super::budget::Budget;
use super::line::{Directive, Line, Span, macro_at, string_end};

/// Maximum number of readings. With more, the readings of a text are unknown.
const MAX_READINGS: usize = 32;

/// Maximum total length of readings in bytes. A macro that contains itself twice grows exponentially. Debian's own macros
/// with the dates of 90 days have about 1,100 bytes.
const MAX_READING_BYTES: usize = 32 * 1024;

/// The possible values of macros at a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Macros {
    values: BTreeMap<String, Rc<[String]>>,
    /// Size of all names and values in bytes.
    bytes: usize,
    /// Number of open conditions.
    depth: usize,
    /// The index of the current line.
    index: usize,
    budget: Budget,
}

/// The possible readings of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readings {
    /// All readings, at least one.
    Known(Vec<String>),
    /// There are too many readings, or they are too long.
    Unknown,
}

impl Readings {
    /// Whether `test` is true for all readings. False if they are unknown.
    pub(super) fn all(&self, test: impl FnMut(&String) -> bool) -> bool {
        match self {
            Self::Known(readings) => readings.iter().all(test),
            Self::Unknown => false,
        }
    }

    /// Whether `test` is true for any reading. True if they are unknown.
    pub(super) fn any(&self, test: impl FnMut(&String) -> bool) -> bool {
        match self {
            Self::Known(readings) => readings.iter().any(test),
            Self::Unknown => true,
        }
    }
}

impl Macros {
    /// The macros before the first line of a text with this budget.
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            budget: budget.clone(),
            ..Self::default()
        }
    }

    /// Continues after a line.
    pub(super) fn advance(&mut self, line: &Line) {
        match line.directive() {
            Some((Directive::EndIf, _)) => self.depth = self.depth.saturating_sub(1),
            Some((directive, _)) if directive.opens() => self.depth += 1,
            _ => {}
        }
        if self.budget.work(self.index, line.text().len()) {
            self.take(line);
        }
        self.index += 1;
    }

    fn take(&mut self, line: &Line) {
        let Some((directive, argument)) = line.directive() else {
            return;
        };
        match directive {
            Directive::Define => self.define(argument),
            Directive::Undef => self.set(argument, Some(vec![String::new()])),
            _ => {}
        }
    }

    fn define(&mut self, argument: &str) {
        let (name, value) = split_definition(argument);
        match self.read(&argument[value]) {
            Readings::Known(values) => self.set(name, Some(values)),
            Readings::Unknown => self.set(name, None),
        }
    }

    /// Unknown values (`None`) are stored as an empty set, which makes all readings unknown.
    fn set(&mut self, name: &str, values: Option<Vec<String>>) {
        let mut values = values.unwrap_or_default();
        if self.depth > 0 && !values.is_empty() {
            let before = self.values_of(name);
            values = if before.is_empty() {
                Vec::new()
            } else {
                union(before.to_vec(), values)
            };
        }
        if is_too_much(&values) {
            values = Vec::new();
        }
        let bytes = name.len() + size(&values);
        let replaced = self.values.insert(name.to_owned(), values.into());
        let freed = replaced.map_or(0, |values| name.len() + size(&values));
        self.bytes = self.bytes.saturating_add(bytes).saturating_sub(freed);
        if !self.budget.macro_bytes(self.index, self.bytes) {
            // The text will be rejected, so the values are not needed any more.
            self.values.clear();
            self.bytes = 0;
        }
    }

    /// Whether the next line is in a condition.
    pub(super) fn is_in_condition(&self) -> bool {
        self.depth > 0
    }

    /// The possible readings of `text` with macros expanded and escapes removed.
    pub(super) fn read(&self, text: &str) -> Readings {
        if !self.budget.work(self.index, text.len()) {
            return Readings::Unknown;
        }
        let mut readings = vec![String::new()];
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if let Some(name) = macro_at(text, at) {
                at = name.end + 1;
                readings = append_values(readings, &self.values_of(&text[name]));
                if readings.is_empty() || is_too_much(&readings) {
                    self.budget.work(self.index, size(&readings));
                    return Readings::Unknown;
                }
                continue;
            }
            let escaped = text[at..]
                .strip_prefix('\\')
                .and_then(|rest| rest.chars().next());
            let (c, length) = match escaped {
                Some(escaped @ ('\\' | '@' | ' ')) => (escaped, 2),
                _ => (c, c.len_utf8()),
            };
            for reading in &mut readings {
                reading.push(c);
            }
            at += length;
        }
        if self.budget.work(self.index, size(&readings)) {
            Readings::Known(union(Vec::new(), readings))
        } else {
            Readings::Unknown
        }
    }

    fn values_of(&self, name: &str) -> Rc<[String]> {
        let known = self.values.get(name).map(Rc::clone);
        known.unwrap_or_else(|| Rc::new([predefined(name).to_owned()]))
    }
}

/// Appends each value to each reading.
fn append_values(mut readings: Vec<String>, values: &[String]) -> Vec<String> {
    if let [only] = values {
        // Does not copy the readings, because a line may have thousands of macros.
        for head in &mut readings {
            head.push_str(only);
        }
        return readings;
    }
    let with_each = |head: &String| -> Vec<String> {
        let appended = |tail: &String| format!("{head}{tail}");
        values.iter().map(appended).collect()
    };
    readings.iter().flat_map(with_each).collect()
}

fn size(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

/// Whether there are too many readings, or they are too long.
fn is_too_much(readings: &[String]) -> bool {
    readings.len() > MAX_READINGS || size(readings) > MAX_READING_BYTES
}

/// AIDE's predefined macros (aide.conf(5), "Pre-defined macro variables"). They cannot contain slashes, so a placeholder is
/// sufficient for paths.
fn predefined(name: &str) -> &'static str {
    match name {
        "AIDE_VERSION" => "0.19",
        "HOSTNAME" => "hostname",
        _ => "",
    }
}

/// The name of a definition, and the span of its value, which ends at the first blank that is not escaped.
pub(super) fn split_definition(argument: &str) -> (&str, Span) {
    let blank = [' ', '\t'];
    let name = argument.split(blank).next().unwrap_or_default();
    let from = argument.len() - argument[name.len()..].trim_start_matches(blank).len();
    (name, from..string_end(argument, from))
}

fn union(mut left: Vec<String>, right: Vec<String>) -> Vec<String> {
    left.extend(right);
    left.sort_unstable();
    left.dedup();
    left
}

#[cfg(test)]
mod tests;
