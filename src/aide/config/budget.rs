//! Limits of a configuration and its conversion: size, work, memory and number of diagnostics. Pure.
//!
//! Anybody who can write the `ConfigMap` chooses the text, and the operator converts it in the container that serves all
//! FileIntegrity objects. All steps of a conversion share one [`Budget`]. If a limit is exceeded, it is
//! recorded with its line, and the text is rejected. The limits are counts, not times, so the result is
//! the same on all machines.

use std::cell::Cell;
use std::rc::Rc;

use super::diagnostic::Diagnostic;

/// Maximum size of a text in bytes: the limit of the API server for a `ConfigMap`.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
/// Maximum number of lines. AIDE accepts about 5,000 lines other than comments. A line takes about 100 bytes of memory
/// in addition to its text, three times.
pub(super) const MAX_LINES: usize = 100_000;
/// Maximum length in bytes of a line other than a comment. PCRE2 compiles no longer regular expressions.
pub(super) const MAX_LINE: usize = 64 * 1024;
/// Maximum number of steps. A step reads or writes a byte. A text of the maximum size without macros takes about 15
/// steps per byte, so about half of this.
pub(super) const MAX_WORK: usize = 32 * 1024 * 1024;
/// Maximum memory in bytes for the values of all macros. Debian's own configuration needs some 20,000.
const MAX_MACRO_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of bytes that the conversion adds to both results: values of macros and the host root.
const MAX_GROWTH: usize = 2 * 1024 * 1024;
/// Maximum number of diagnostics that are listed.
pub(super) const MAX_DIAGNOSTICS: usize = 100;
/// Maximum total length of the listed diagnostics in bytes.
pub(super) const MAX_DIAGNOSTIC_BYTES: usize = 16 * 1024;

/// The limits of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Work,
    /// Bytes in the values of macros.
    MacroBytes,
    Output,
}

/// The first exceeded limit and the index of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exceeded {
    limit: Limit,
    index: usize,
}

/// The resources used for one text. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Rc<State>);

#[derive(Debug, Default)]
struct State {
    work: Cell<usize>,
    growth: Cell<usize>,
    exceeded: Cell<Option<Exceeded>>,
}

impl Budget {
    /// Adds steps for the line with this index. Returns whether they are within the limit.
    pub(super) fn work(&self, index: usize, steps: usize) -> bool {
        let work = self.0.work.get().saturating_add(steps);
        self.0.work.set(work);
        self.within(index, Limit::Work, work, MAX_WORK)
    }

    /// Sets the size of the values of all macros at the line with this index. Returns whether it is within the limit.
    pub(super) fn macro_bytes(&self, index: usize, bytes: usize) -> bool {
        self.within(index, Limit::MacroBytes, bytes, MAX_MACRO_BYTES)
    }

    /// Adds bytes that the conversion adds to a line. Returns whether they are within the limit.
    pub(super) fn output(&self, index: usize, bytes: usize) -> bool {
        let growth = self.0.growth.get().saturating_add(bytes);
        self.0.growth.set(growth);
        self.within(index, Limit::Output, growth, MAX_GROWTH)
    }

    fn within(&self, index: usize, limit: Limit, used: usize, max: usize) -> bool {
        if used > max && self.0.exceeded.get().is_none() {
            self.0.exceeded.set(Some(Exceeded { limit, index }));
        }
        used <= max
    }

    /// The reason to reject the text, if a limit was exceeded. `line` returns lines of the user's text.
    pub(super) fn refusal<'a>(&self, line: impl FnOnce(usize) -> &'a str) -> Option<Diagnostic> {
        let Exceeded { limit, index } = self.0.exceeded.get()?;
        let (message, remedy) = match limit {
            Limit::Work => (
                format!("converting the configuration takes more than {MAX_WORK} steps"),
                "use fewer macros, and fewer or shorter lines",
            ),
            Limit::MacroBytes => (
                format!("the values of all macros have more than {MAX_MACRO_BYTES} bytes"),
                "define fewer macros, with shorter values",
            ),
            Limit::Output => (
                format!("the conversion adds more than {MAX_GROWTH} bytes to the configuration"),
                "use fewer alternatives, and no long macros in attributes or at the start of rules",
            ),
        };
        Some(Diagnostic::new(index, line(index), &message, remedy))
    }

    /// The number of steps so far.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.0.work.get()
    }
}

/// The reason to reject a text because of its size.
pub(super) fn oversized(text: &str) -> Option<Diagnostic> {
    if text.len() > MAX_TEXT {
        let message = format!(
            "the configuration has {} bytes, more than {MAX_TEXT}",
            text.len()
        );
        return Some(Diagnostic::new(
            0,
            "",
            &message,
            "use fewer or shorter lines",
        ));
    }
    for (index, line) in text.split_terminator('\n').enumerate() {
        if index >= MAX_LINES {
            let message = format!("the configuration has more than {MAX_LINES} lines");
            let remedy = "use fewer lines, such as regular expressions for several paths";
            return Some(Diagnostic::new(index, line, &message, remedy));
        }
        if line.len() > MAX_LINE && !is_comment(line) {
            let message = format!("the line has {} bytes, more than {MAX_LINE}", line.len());
            return Some(Diagnostic::new(index, line, &message, "split the line"));
        }
    }
    None
}

fn is_comment(line: &str) -> bool {
    line.trim_start_matches([' ', '\t']).starts_with('#')
}

/// Diagnostics in the order in which they were found. If there are too many, the others are only counted.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    listed: Vec<Diagnostic>,
    bytes: usize,
    more: usize,
    /// The index of the line of the first diagnostic that is not listed.
    first_more: usize,
}

impl Diagnostics {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.bytes = self.bytes.saturating_add(diagnostic.size());
        if self.listed.len() < MAX_DIAGNOSTICS && self.bytes <= MAX_DIAGNOSTIC_BYTES {
            self.listed.push(diagnostic);
        } else {
            if self.more == 0 {
                self.first_more = diagnostic.line.saturating_sub(1);
            }
            self.more += 1;
        }
    }

    pub(super) fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        more.into_iter()
            .for_each(|diagnostic| self.push(diagnostic));
    }

    pub(super) fn append(&mut self, other: Self) {
        self.extend(other.listed);
        if other.more > 0 && self.more == 0 {
            self.first_more = other.first_more;
        }
        self.more += other.more;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.more == 0
    }

    /// The diagnostics in the order of their lines, and one with the number of those that are not listed.
    pub(super) fn into_vec(mut self) -> Vec<Diagnostic> {
        self.listed.sort_by_key(|diagnostic| diagnostic.line);
        if self.more > 0 {
            let message = format!("{} more diagnostics are not listed", self.more);
            let remedy = "correct the listed lines first";
            self.listed
                .push(Diagnostic::new(self.first_more, "", &message, remedy));
        }
        self.listed
    }
}
