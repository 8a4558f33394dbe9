//! The text of changes. Pure.

use std::fmt::Write as _;

use super::{Attribute, Changes, Entry, Filter, Source};
use crate::api::{Actor, ChangeKind, ChangeSetId};
use crate::plugin::safe::{message, safe};
use crate::plugin::screen::{Screen, Tone, counted, some_of};

/// Number of changes that are shown without `--all`.
pub(crate) const MAX_SHOWN: usize = 50;
/// Maximum number of names in a sentence.
const MAX_NAMES: usize = 5;
/// Width of the name of an attribute.
const NAME: usize = 12;
/// Longest line without a terminal whose width is known.
const DEFAULT_WIDTH: usize = 120;

/// The text of changes, of at most so many.
pub(crate) fn text(changes: &Changes, filter: &Filter, most: usize, screen: &Screen) -> String {
    let mut text = head(changes, screen);
    let shown: Vec<&Entry> = changes
        .entries
        .iter()
        .filter(|entry| filter.shows(entry))
        .collect();
    if !shown.is_empty() {
        text.push('\n');
    }
    for entry in shown.iter().take(most) {
        write_entry(&mut text, entry, screen);
    }
    let mut notes = Vec::new();
    if shown.len() > most {
        notes.push(format!("{} more; --all shows them", shown.len() - most));
    }
    let hidden = changes.entries.len() - shown.len();
    if hidden > 0 {
        notes.push(format!("{} not selected", counted(hidden, "change")));
    }
    if !notes.is_empty() {
        let line = format!("... {}", notes.join(", "));
        writeln!(text, "{}", screen.paint(Tone::Faint, &line)).ok();
    }
    text
}

/// What they are the changes of.
fn head(changes: &Changes, screen: &Screen) -> String {
    let mut text = String::new();
    let owner = safe(&changes.owner.name);
    let title = match changes.set {
        Some(id) => format!(
            "change set {} of {owner}",
            ChangeSetId::shown(&id.to_string())
        ),
        None => format!("changes of {owner}"),
    };
    let title = screen.paint(Tone::Bold, &title);
    let names = some_of(changes.nodes.iter().map(String::as_str), MAX_NAMES);
    let nodes = counted(changes.nodes.len(), "node");
    // Writing to a String cannot fail.
    writeln!(text, "{title}: {} on {nodes}", changes.counts).ok();
    if !names.is_empty() {
        writeln!(text, "nodes: {names}").ok();
    }
    match &changes.source {
        Source::Log { node, .. } => {
            writeln!(text, "values: the failure log of {}", safe(node)).ok();
        }
        Source::Evidence { config_map } => {
            writeln!(text, "values: the evidence {}", safe(config_map)).ok();
        }
        Source::NodeStatus { node } => {
            writeln!(text, "paths: the status of {}, without values", safe(node)).ok();
        }
        Source::Error(error) => {
            let error = format!("the last scan ended with an error: {}", message(error));
            writeln!(text, "{}", screen.paint(Tone::Bad, &error)).ok();
        }
        Source::Nothing => {
            writeln!(text, "nothing differs from the baseline").ok();
        }
    }
    for note in &changes.notes {
        writeln!(text, "{}", screen.paint(Tone::Bad, &message(note))).ok();
    }
    text
}

/// A path with its values.
pub(crate) fn write_entry(text: &mut String, entry: &Entry, screen: &Screen) {
    let (kind, tone) = match entry.kind {
        ChangeKind::Added => ("added  ", Tone::Good),
        ChangeKind::Changed => ("changed", Tone::Changed),
        ChangeKind::Removed => ("removed", Tone::Changed),
    };
    writeln!(text, "{}  {}", screen.paint(tone, kind), entry.path).ok();
    for attribute in &entry.attributes {
        write_attribute(text, attribute, screen);
    }
    if let Some(actor) = &entry.actor {
        writeln!(text, "  {:NAME$}  {}", "by", described(actor)).ok();
    }
}

/// Old and new value on one line, or, if that is too long, on one line each.
fn write_attribute(text: &mut String, attribute: &Attribute, screen: &Screen) {
    let Attribute { name, old, new } = attribute;
    let width = screen.width.unwrap_or(DEFAULT_WIDTH);
    let line = match (old, new) {
        (Some(old), Some(new)) => {
            let line = format!("  {name:NAME$}  {old} -> {new}");
            if line.chars().count() > width {
                let old = screen.paint(Tone::Changed, &format!("- {old}"));
                let new = screen.paint(Tone::Good, &format!("+ {new}"));
                format!("  {name}\n    {old}\n    {new}")
            } else {
                line
            }
        }
        (Some(value), None) | (None, Some(value)) => {
            let line = format!("  {name:NAME$}  {value}");
            if line.chars().count() > width {
                format!("  {name}\n    {value}")
            } else {
                line
            }
        }
        (None, None) => format!("  {name}"),
    };
    writeln!(text, "{line}").ok();
}

/// A process in one line. It can choose its command name, which therefore comes last and is marked.
fn described(actor: &Actor) -> String {
    let Actor {
        exe,
        comm,
        pid,
        login_uid,
        unit,
        pod_uid,
        container_id,
    } = actor;
    let mut parts = vec![format!("pid {pid}")];
    for (name, value) in [
        ("login uid", login_uid.map(|uid| uid.to_string())),
        ("unit", unit.clone()),
        ("pod", pod_uid.clone()),
        ("container", container_id.clone()),
        ("claims to be", comm.clone()),
    ] {
        parts.extend(value.map(|value| format!("{name} {}", safe(&value))));
    }
    format!("{} ({})", safe(exe), parts.join(", "))
}
