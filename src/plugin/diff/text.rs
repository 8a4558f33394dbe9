//! The text of a comparison. Pure.

use std::fmt::Write as _;

use super::{Diff, Other};
use crate::api::{ChangeKind, ChangeSetId};
use crate::plugin::changes::text::{MAX_SHOWN, write_entry};
use crate::plugin::changes::{Changes, Entry};
use crate::plugin::safe::{message, safe};
use crate::plugin::screen::{Screen, Tone, counted};

/// The text of a comparison.
pub(crate) fn text(diff: &Diff<'_>, all: bool, screen: &Screen) -> String {
    let mut text = String::new();
    for (label, changes) in [("A", diff.a), ("B", diff.b)] {
        let line = format!("{label}  {}: {}", name(changes), changes.counts);
        // Writing to a String cannot fail.
        writeln!(text, "{}", screen.paint(Tone::Bold, &line)).ok();
        for note in &changes.notes {
            writeln!(text, "{}", screen.paint(Tone::Bad, &message(note))).ok();
        }
    }
    let most = if all { usize::MAX } else { MAX_SHOWN };
    section(&mut text, "only in A", &diff.only_a, most, screen);
    section(&mut text, "only in B", &diff.only_b, most, screen);
    if !diff.other.is_empty() {
        let title = format!("in both, with other values: {}", diff.other.len());
        writeln!(text, "\n{}", screen.paint(Tone::Bold, &title)).ok();
        for other in diff.other.iter().take(most) {
            write_other(&mut text, other, screen);
        }
        more(&mut text, diff.other.len(), most, screen);
    }
    let same = counted(diff.same, "change");
    writeln!(text, "\nthe same in both: {same}").ok();
    if !(diff.a.is_complete && diff.b.is_complete) {
        let note = "not all changes are known, so more may differ";
        writeln!(text, "{}", screen.paint(Tone::Bad, note)).ok();
    }
    text
}

/// The set with its example node, or the node.
fn name(changes: &Changes) -> String {
    let nodes = match &changes.nodes[..] {
        [] => String::new(),
        [node] => format!(" on {}", safe(node)),
        [first, ..] => format!(
            " on {}, such as {}",
            counted(changes.nodes.len(), "node"),
            safe(first)
        ),
    };
    match changes.set {
        Some(id) => format!("change set {}{nodes}", ChangeSetId::shown(&id.to_string())),
        None => format!("changes{nodes}"),
    }
}

fn section(text: &mut String, title: &str, entries: &[&Entry], most: usize, screen: &Screen) {
    if entries.is_empty() {
        return;
    }
    let title = format!("{title}: {}", entries.len());
    writeln!(text, "\n{}", screen.paint(Tone::Bold, &title)).ok();
    for entry in entries.iter().take(most) {
        write_entry(text, entry, screen);
    }
    more(text, entries.len(), most, screen);
}

fn more(text: &mut String, all: usize, most: usize, screen: &Screen) {
    if let Some(more) = all.checked_sub(most).filter(|more| *more > 0) {
        let note = format!("... {more} more; --all shows them");
        writeln!(text, "{}", screen.paint(Tone::Faint, &note)).ok();
    }
}

fn write_other(text: &mut String, other: &Other<'_>, screen: &Screen) {
    let Other { a, b, values } = other;
    let kinds = if a.kind == b.kind {
        kind(a.kind).to_owned()
    } else {
        format!("{} in A, {} in B", kind(a.kind), kind(b.kind))
    };
    writeln!(text, "{}  {}", screen.paint(Tone::Changed, &kinds), a.path).ok();
    for (name, in_a, in_b) in values {
        writeln!(text, "  {name}").ok();
        for (label, value) in [("A", in_a), ("B", in_b)] {
            writeln!(text, "    {label} {}", value.unwrap_or("-")).ok();
        }
    }
}

const fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Changed => "changed",
        ChangeKind::Removed => "removed",
    }
}
