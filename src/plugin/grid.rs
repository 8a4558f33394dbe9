//! Tables as kubectl writes them: columns without lines, one line for each row. Pure.

use comfy_table::{ContentArrangement, Table, presets};

use super::screen::{Screen, Tone};
use crate::text::shorten_middle;

/// Width of the narrowest column that is shortened.
const NARROWEST: usize = 12;
/// Columns between two columns.
const GAP: u16 = 2;

/// A table. Long columns are shortened in the middle if the screen is too narrow.
#[derive(Debug)]
pub(crate) struct Grid {
    header: Vec<&'static str>,
    /// The columns that may be shortened.
    flexible: &'static [usize],
    rows: Vec<(Tone, Vec<String>)>,
}

impl Grid {
    pub(crate) fn new(header: &[&'static str], flexible: &'static [usize]) -> Self {
        Self {
            header: header.to_vec(),
            flexible,
            rows: Vec::new(),
        }
    }

    /// Adds a row. Texts from the API must be safe.
    pub(crate) fn row(&mut self, tone: Tone, cells: Vec<String>) {
        self.rows.push((tone, cells));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table.
    pub(crate) fn render(mut self, screen: &Screen) -> String {
        self.fit(screen);
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        if screen.headers {
            table.set_header(&self.header);
        }
        table.add_rows(self.rows.iter().map(|(_, cells)| cells));
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        let headers = screen.headers.then_some(Tone::Bold);
        let tones = headers.into_iter().chain(self.rows.iter().map(|row| row.0));
        let mut text = String::new();
        for (line, tone) in table.lines().zip(tones) {
            text.push_str(&screen.paint(tone, line.trim_end()));
            text.push('\n');
        }
        text
    }

    /// Shortens the widest flexible columns until the rows fit.
    fn fit(&mut self, screen: &Screen) {
        let Some(room) = screen.width else { return };
        let mut widths: Vec<usize> = (0..self.header.len())
            .map(|column| self.width(column, screen.headers))
            .collect();
        loop {
            let all: usize = widths.iter().map(|width| width + usize::from(GAP)).sum();
            let excess = all.saturating_sub(room + usize::from(GAP));
            let widest = self.flexible.iter().max_by_key(|column| widths[**column]);
            let Some(&widest) = widest.filter(|_| excess > 0) else {
                break;
            };
            let narrower = widths[widest].saturating_sub(excess.min(4)).max(NARROWEST);
            if narrower >= widths[widest] {
                break;
            }
            widths[widest] = narrower;
        }
        for (_, cells) in &mut self.rows {
            for &column in self.flexible {
                narrow(&mut cells[column], widths[column]);
            }
        }
    }

    fn width(&self, column: usize, with_header: bool) -> usize {
        let header = with_header.then_some(self.header[column]);
        let cells = self.rows.iter().map(|(_, cells)| cells[column].as_str());
        let widths = cells.chain(header).map(|text| text.chars().count());
        widths.max().unwrap_or(0)
    }
}

/// Removes the middle of a text with more than `width` characters.
fn narrow(text: &mut String, width: usize) {
    // The limit of `shorten_middle` is in bytes: the length of its result in characters is at most that.
    if text.chars().count() > width {
        shorten_middle(text, width + '…'.len_utf8() - 1);
    }
}
