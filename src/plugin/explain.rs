//! `explain`: what the pages of the project say about the reason of an event or a condition, an error class, or an alert.
//! Pure.
//!
//! The pages are part of the program, so the answer is that of its version, and needs no network.

mod markdown;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::markdown::{Row, Section, cells, plain, sections};
use super::screen::{Screen, Tone};

/// The pages, the most general one last.
const PAGES: [&str; 3] = [
    include_str!("../../docs/troubleshooting.md"),
    include_str!("../../docs/accepting-changes.md"),
    include_str!("../../docs/monitoring.md"),
];
/// What the other pages do not explain is in its table of events.
const OVERVIEW: &str = include_str!("../../docs/results.md");
/// Sections of tables whose first column has names that can be explained.
const TABLES: [&str; 11] = [
    "Ready",
    "ConfigValid",
    "Degraded",
    "NodesExcluded",
    "Realtime",
    "Events",
    "Errors of a node",
    "Why a node refuses",
    "Why a node waits",
    "Conditions",
    "Alerts",
];
/// The section whose subsections are about alerts.
const RUNBOOKS: &str = "Runbooks";

/// What the pages say about a name.
pub(crate) fn explain(name: &str, screen: &Screen) -> Option<String> {
    let is_named = |row: &Row| row.names.iter().any(|it| it.eq_ignore_ascii_case(name));
    let of_rows = |pages: &[&'static str]| -> Vec<String> {
        let rows = rows(pages).into_iter().filter(is_named);
        rows.map(|row| of_row(&row, screen)).collect()
    };
    let mut parts = of_rows(&PAGES);
    if parts.is_empty() {
        parts = of_rows(&[OVERVIEW]);
    }
    for section in named_sections() {
        if section.title.eq_ignore_ascii_case(name) {
            let title = screen.paint(Tone::Bold, section.title);
            parts.push(format!("{title}\n\n{}", plain(section.body)));
        }
    }
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// All names that can be explained.
pub(crate) fn names() -> BTreeSet<String> {
    let of_sections = named_sections().map(|section| section.title.to_owned());
    let of_rows = rows(&PAGES).into_iter().chain(rows(&[OVERVIEW]));
    of_rows
        .flat_map(|row| row.names)
        .chain(of_sections)
        .collect()
}

/// The names that look like this one.
pub(crate) fn similar(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let is_similar = |known: &String| {
        let known = known.to_ascii_lowercase();
        !name.is_empty() && (known.contains(&name) || name.contains(&known))
    };
    names().into_iter().filter(is_similar).collect()
}

/// The rows of the tables that explain names.
fn rows(pages: &[&'static str]) -> Vec<Row> {
    let all = pages.iter().copied().flat_map(sections);
    let tables = all.filter(|section| TABLES.contains(&section.title));
    tables.flat_map(|section| cells(&section)).collect()
}

/// The sections about a type of condition or an alert.
fn named_sections() -> impl Iterator<Item = Section> {
    let mut is_runbook = false;
    let all = PAGES.into_iter().flat_map(sections);
    all.filter(move |section| {
        if section.level <= 2 {
            is_runbook = section.title == RUNBOOKS;
            return false;
        }
        let is_condition = section.parent == "Conditions" && TABLES.contains(&section.title);
        is_condition || is_runbook
    })
}

fn of_row(row: &Row, screen: &Screen) -> String {
    let title = format!("{} ({})", row.names.join(", "), row.section);
    let title = screen.paint(Tone::Bold, &title);
    let cells = row.cells.iter();
    let lines: Vec<String> = cells
        .map(|(column, cell)| format!("  {column}: {cell}\n"))
        .collect();
    format!("{title}\n{}", lines.concat())
}
