//! The text before a re-initialization. Pure.

use std::fmt::Write as _;

use super::Scope;
use crate::api::ChangeSetId;
use crate::plugin::grid::Grid;
use crate::plugin::safe::safe;
use crate::plugin::screen::{Screen, Tone, counted, some_of};

/// Maximum number of rows of the table, and of names in a sentence.
const MAX_ROWS: usize = 20;
const MAX_NAMES: usize = 5;

/// What new baselines would accept.
pub(crate) fn preview(scope: &Scope<'_>, screen: &Screen) -> String {
    let title = format!(
        "{}: new baselines of {}",
        safe(&scope.target.owner.name),
        counted(scope.nodes.len(), "node")
    );
    let mut text = format!("{}\n", screen.paint(Tone::Bold, &title));
    let mut grid = Grid::new(&["SET", "NODES", "CHANGES", "EXAMPLE", "PATH"], &[3, 4]);
    for set in scope.sets.iter().take(MAX_ROWS) {
        let example = set.nodes.first().map(String::as_str).unwrap_or_default();
        let path = set.example_path.as_deref().unwrap_or_default();
        let cells = vec![
            ChangeSetId::shown(&set.id.to_string()),
            set.nodes.len().to_string(),
            set.counts.to_string(),
            safe(example),
            safe(path),
        ];
        grid.row(Tone::Changed, cells);
    }
    if !grid.is_empty() {
        text.push_str(&grid.render(screen));
    }
    if scope.sets.len() > MAX_ROWS {
        // Writing to a String cannot fail.
        let more = scope.sets.len() - MAX_ROWS;
        writeln!(text, "... {more} more; status -o json has all").ok();
    }
    if scope.ok > 0 {
        writeln!(text, "without changes: {}", counted(scope.ok, "node")).ok();
    }
    for (what, names) in [
        ("not all changes are known", &scope.without_set),
        ("the last scan ended with an error", &scope.errored),
        ("no result yet", &scope.pending),
        ("held, the new baseline comes afterwards", &scope.held),
    ] {
        if !names.is_empty() {
            let names = some_of(names.iter().copied(), MAX_NAMES);
            let line = format!("{what}: {names}");
            writeln!(text, "{}", screen.paint(Tone::Bad, &line)).ok();
        }
    }
    text
}

/// What the reader has to know before the confirmation.
pub(crate) const WARNING: &str = "A new baseline accepts everything that has changed on a node, also what no scan has reported yet.";

/// The question before the request.
pub(crate) fn question(scopes: &[Scope<'_>]) -> String {
    let nodes: std::collections::BTreeSet<&str> = scopes
        .iter()
        .flat_map(|scope| scope.nodes.iter().map(|node| node.name.as_str()))
        .collect();
    match nodes.into_iter().collect::<Vec<_>>()[..] {
        [node] => format!("Accept everything on {}?", safe(node)),
        ref nodes => format!("Accept everything on {}?", counted(nodes.len(), "node")),
    }
}
