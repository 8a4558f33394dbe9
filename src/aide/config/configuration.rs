//! A lossless model of an `aide.conf`. Pure.

use std::fmt;

use super::line::Line;

/// The byte order mark that some editors insert at the start of a text.
pub(super) const BOM: char = '\u{feff}';

/// The lines of an `aide.conf`. Its [`fmt::Display`] is the exact original text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Number of byte order marks at the start. There may be several.
    pub(super) marks: usize,
    lines: Vec<Line>,
}

impl Configuration {
    /// Parses any text. Invalid lines are `Statement::Unknown`.
    pub fn parse(text: &str) -> Self {
        let rest = text.trim_start_matches(BOM);
        // A growing vector would take up to twice the memory.
        let mut lines = Vec::with_capacity(rest.split_inclusive('\n').count());
        lines.extend(rest.split_inclusive('\n').map(Line::parse));
        Self {
            marks: (text.len() - rest.len()) / BOM.len_utf8(),
            lines,
        }
    }

    /// The lines, in order.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn lines_mut(&mut self) -> &mut [Line] {
        &mut self.lines
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.marks).try_for_each(|_| write!(f, "{BOM}"))?;
        self.lines
            .iter()
            .try_for_each(|line| write!(f, "{}{}", line.text(), line.ending()))
    }
}
