//! The limits of one configuration text: its size, and the work, the memory and the diagnostics that
//! its conversion may take.
//!
//! Pure. The text comes from a `ConfigMap` that anybody with access to that object can write, and the
//! operator converts it in the container that serves all `FileIntegrities`. Each step of the conversion
//! charges what it does to one shared [`Budget`]; the first limit that is exceeded is remembered with its
//! line, and the whole text is refused. The limits are counts, not times, so the same text gets the same
//! answer on each machine.

use std::cell::Cell;
use std::rc::Rc;

use super::diagnostic::Diagnostic;

/// Maximum size of a text in bytes: what the API server takes for a whole `ConfigMap`.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
/// Maximum number of lines, most of which can only be comments: AIDE reads some 5,000 others. A line takes
/// some 100 bytes of memory beside its text, three times.
pub(super) const MAX_LINES: usize = 100_000;
/// Maximum length in bytes of a line that is no comment. PCRE2 compiles no longer regular expression.
pub(super) const MAX_LINE: usize = 64 * 1024;
/// Maximum work in steps; a step reads or writes a byte. A text of the maximum size without macros takes
/// some 15 steps for each byte, so about half of this.
pub(super) const MAX_WORK: usize = 32 * 1024 * 1024;
/// Maximum memory in bytes for the values of all macros. Debian's own configuration needs some 20,000.
const MAX_MACRO_BYTES: usize = 4 * 1024 * 1024;
/// Maximum growth in bytes of both texts that are made of one: values of macros that are written out, and
/// the host root in front of paths.
const MAX_GROWTH: usize = 2 * 1024 * 1024;
/// Maximum number of diagnostics that are listed.
pub(super) const MAX_DIAGNOSTICS: usize = 100;
/// Maximum length in bytes of all listed diagnostics together.
pub(super) const MAX_DIAGNOSTIC_BYTES: usize = 16 * 1024;

/// What a conversion can run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Steps.
    Work,
    /// Bytes in the values of macros.
    MacroBytes,
    /// Bytes of output.
    Output,
}

/// The limit that was exceeded first, and the index of the line at which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exceeded {
    limit: Limit,
    index: usize,
}

/// What is left for one text. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Rc<State>);

#[derive(Debug, Default)]
struct State {
    work: Cell<usize>,
    growth: Cell<usize>,
    exceeded: Cell<Option<Exceeded>>,
}

impl Budget {
    /// Charges this many steps to the line with this index. False: they are not available.
    pub(super) fn work(&self, index: usize, steps: usize) -> bool {
        let work = self.0.work.get().saturating_add(steps);
        self.0.work.set(work);
        self.within(index, Limit::Work, work, MAX_WORK)
    }

    /// Whether the values of all macros may have this many bytes at the line with this index.
    pub(super) fn macro_bytes(&self, index: usize, bytes: usize) -> bool {
        self.within(index, Limit::MacroBytes, bytes, MAX_MACRO_BYTES)
    }

    /// Charges text that a line gets on top of what the user wrote. False: there is no room for it.
    pub(super) fn output(&self, index: usize, bytes: usize) -> bool {
        let growth = self.0.growth.get().saturating_add(bytes);
        self.0.growth.set(growth);
        self.within(index, Limit::Output, growth, MAX_GROWTH)
    }

    fn within(&self, index: usize, limit: Limit, used: usize, most: usize) -> bool {
        if used > most && self.0.exceeded.get().is_none() {
            self.0.exceeded.set(Some(Exceeded { limit, index }));
        }
        used <= most
    }

    /// Why the text is refused, if a limit was exceeded. `lines` are those of the user.
    pub(super) fn refusal<'a>(&self, line: impl FnOnce(usize) -> &'a str) -> Option<Diagnostic> {
        let Exceeded { limit, index } = self.0.exceeded.get()?;
        let (message, remedy) = match limit {
            Limit::Work => (
                format!("converting the configuration takes more than {MAX_WORK} steps"),
                "use macros less, and fewer or shorter lines",
            ),
            Limit::MacroBytes => (
                format!("the values of all macros have more than {MAX_MACRO_BYTES} bytes"),
                "define fewer macros, with shorter values",
            ),
            Limit::Output => (
                format!(
                    "the configuration grows by more than {MAX_GROWTH} bytes when it is converted"
                ),
                "use fewer alternatives, and no long macros in attributes or at the beginning of rules",
            ),
        };
        Some(Diagnostic::new(index, line(index), &message, remedy))
    }

    /// The steps taken so far.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.0.work.get()
    }
}

/// Why a text is refused before anything else is done with it: its size.
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

/// Diagnostics in the order in which they were found. Of more than are listed only the number is kept.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    listed: Vec<Diagnostic>,
    bytes: usize,
    more: usize,
    /// The line, counted from 0, of the first that is not listed.
    first_more: usize,
}

impl Diagnostics {
    /// Adds one.
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

    /// Adds several.
    pub(super) fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        more.into_iter()
            .for_each(|diagnostic| self.push(diagnostic));
    }

    /// Adds those of another step.
    pub(super) fn append(&mut self, other: Self) {
        self.extend(other.listed);
        if other.more > 0 && self.more == 0 {
            self.first_more = other.first_more;
        }
        self.more += other.more;
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.more == 0
    }

    /// In the order of their lines; at the end the number of those that are not listed.
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
