//! The texts of `accept`. Pure.

use std::fmt::Write as _;

use super::outcome::Outcome;
use super::plan::{Only, Plan, Record};
use crate::api::AcceptanceCounts;
use crate::plugin::changes::{Changes, Filter, text::text as text_of_changes};
use crate::plugin::grid::Grid;
use crate::plugin::safe::{message, safe};
use crate::plugin::screen::{Screen, Tone, counted, some_of};

/// Number of changes that are shown without `--all`.
pub(crate) const MAX_SHOWN: usize = 20;
/// Maximum number of names in a sentence, and of rows of a table.
const MAX_NAMES: usize = 5;
const MAX_ROWS: usize = 20;

/// What will be accepted, on which nodes, and what is recorded.
pub(crate) fn preview(
    plan: &Plan<'_>,
    changes: &Changes,
    record: &Record,
    most: usize,
    screen: &Screen,
) -> String {
    let mut text = text_of_changes(changes, &Filter::default(), most, screen);
    text.push('\n');
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        writeln!(text, "{name:<12} {value}").ok();
    };
    line("nodes", &nodes(plan, record));
    line("approved by", &safe(&record.user));
    line("reason", &message(&record.reason));
    if let Some(ticket) = &record.ticket {
        line("ticket", &message(ticket));
    }
    text
}

fn nodes(plan: &Plan<'_>, record: &Record) -> String {
    let count = plan.nodes.len();
    let now = match &plan.only {
        Only::All => format!("{count}, all that show the set now"),
        Only::Labels { .. } => format!("{count} with these labels"),
        Only::Names(names) if names.len() == 1 && count == 1 => safe(&names[0]),
        Only::Names(names) => {
            let names = some_of(names.iter().map(String::as_str), MAX_NAMES);
            format!("{count} of {names}")
        }
    };
    match record.until {
        Some(until) => format!("{now}; and those that show it before {until}"),
        None => now,
    }
}

/// The question before an acceptance is created.
pub(crate) fn question(plan: &Plan<'_>) -> String {
    let nodes = match &plan.nodes[..] {
        [node] => safe(&node.name),
        nodes => counted(nodes.len(), "node"),
    };
    format!("Accept these changes on {nodes}?")
}

/// How far an acceptance is.
pub(crate) fn progress(counts: &AcceptanceCounts) -> String {
    let AcceptanceCounts {
        accepted,
        refused,
        waiting,
        ..
    } = counts;
    format!("{accepted} accepted, {refused} refused, {waiting} waiting")
}

/// What has become of an acceptance.
pub(crate) fn outcome(outcome: &Outcome, screen: &Screen) -> String {
    let Some(end) = &outcome.end else {
        return format!("{}\n", progress(&outcome.counts));
    };
    let tone = match outcome.exit_status() {
        crate::plugin::failure::WELL => Tone::Good,
        _ => Tone::Bad,
    };
    let head = format!("{}: {}", safe(&end.reason), progress(&outcome.counts));
    let mut text = format!("{}\n", screen.paint(tone, &head));
    if end.is_failure {
        writeln!(text, "{}", message(&end.message)).ok();
    }
    let mut grid = Grid::new(&["NODE", "REASON", "MESSAGE"], &[0, 2]);
    for node in outcome.refused.iter().take(MAX_ROWS) {
        let field = |text: &Option<String>| message(text.as_deref().unwrap_or_default());
        let cells = vec![safe(&node.name), field(&node.reason), field(&node.message)];
        grid.row(Tone::Plain, cells);
    }
    if !grid.is_empty() {
        text.push('\n');
        text.push_str(&grid.render(screen));
    }
    if outcome.refused.len() > MAX_ROWS {
        writeln!(text, "... {} more", outcome.refused.len() - MAX_ROWS).ok();
    }
    text
}
