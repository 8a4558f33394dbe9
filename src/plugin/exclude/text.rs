//! The texts of `exclude`. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Known, Wanted, above};
use crate::plugin::fleet::Owner;
use crate::plugin::grid::Grid;
use crate::plugin::safe::{message, safe};
use crate::plugin::screen::{Screen, Tone, counted};

/// What will be excluded, or will be watched again.
#[derive(Debug)]
pub(crate) struct Preview<'a> {
    pub(crate) owner: &'a Owner,
    /// Number of nodes of the FileIntegrity.
    pub(crate) nodes: usize,
    pub(crate) paths: &'a [String],
    pub(crate) wanted: &'a Wanted,
    /// The exclusions now.
    pub(crate) current: &'a [Value],
    /// What the nodes of the FileIntegrity have changed.
    pub(crate) known: &'a [Known],
}

const ACCEPTS_NOTHING: &str = "An exclusion accepts nothing. When it ends, the files are compared with the baseline from before it.";
const COMPARED: &str = "A scan compares the files with the baseline from before the exclusion, and reports what differs.";

/// What will be excluded, with what is known to have changed there, and how to undo it.
pub(crate) fn preview(preview: &Preview<'_>, screen: &Screen) -> String {
    let paths = counted(preview.paths.len(), "path");
    let nodes = counted(preview.nodes, "node");
    let name = safe(&preview.owner.name);
    let title = match preview.wanted {
        Wanted::Excluded { .. } => format!("{name}: exclusion of {paths} on {nodes}"),
        Wanted::Ended => format!("{name}: end of the exclusion of {paths} on {nodes}"),
    };
    let mut text = format!("{}\n", screen.paint(Tone::Bold, &title));
    let mut grid = Grid::new(&["PATH", "UNTIL", "KNOWN CHANGES", "REASON"], &[0, 3]);
    for (index, path) in preview.paths.iter().enumerate() {
        let (until, reason) = match preview.wanted {
            Wanted::Excluded { reason, until } => {
                (until.map(|until| until.to_string()), reason.as_str())
            }
            Wanted::Ended => {
                let known = of_path(preview.current, path);
                (
                    text_of(known, "until"),
                    known["reason"].as_str().unwrap_or_default(),
                )
            }
        };
        let changes = preview.known.iter().filter_map(|it| it.changes.get(index));
        let changes: Vec<&usize> = changes.filter(|count| **count > 0).collect();
        let nodes = counted(changes.len(), "node");
        let number: usize = changes.into_iter().sum();
        let known = match number {
            0 => "none".to_owned(),
            number => format!("{number} on {nodes}"),
        };
        let until = until.unwrap_or_else(|| "-".to_owned());
        grid.row(
            Tone::Plain,
            vec![safe(path), safe(&until), known, message(reason)],
        );
    }
    text.push_str(&grid.render(screen));
    let cut = preview.known.iter().filter(|it| !it.is_complete).count();
    if cut > 0 {
        let nodes = counted(cut, "node");
        let line = format!("There may be more: {nodes} with more changes than a node status has");
        // Writing to a String cannot fail.
        writeln!(text, "{}", screen.paint(Tone::Bad, &line)).ok();
    }
    for path in preview.paths {
        if let Some(above) = above(preview.current, path) {
            let line = format!("{} is below {}, which is excluded", safe(path), safe(above));
            writeln!(text, "{}", screen.paint(Tone::Bad, &line)).ok();
        }
    }
    let remark = match preview.wanted {
        Wanted::Excluded { .. } => ACCEPTS_NOTHING,
        Wanted::Ended => COMPARED,
    };
    writeln!(text, "{remark}").ok();
    for line in undo(preview, screen) {
        writeln!(text, "undo: {line}").ok();
    }
    text
}

fn of_path<'a>(current: &'a [Value], path: &str) -> &'a Value {
    let mut known = current.iter();
    known
        .find(|known| known["path"] == *path)
        .unwrap_or(&Value::Null)
}

fn text_of(value: &Value, field: &str) -> Option<String> {
    value[field].as_str().map(str::to_owned)
}

/// The commands that restore the exclusions of now.
fn undo(preview: &Preview<'_>, screen: &Screen) -> Vec<String> {
    let start = format!("{} exclude", screen.program);
    let owner = preview.owner;
    let cluster = screen.cluster.as_ref().map(|it| format!(" {it}"));
    let end = format!(
        " --file-integrity {} -n {}{}",
        quoted(&owner.name),
        quoted(&owner.namespace),
        cluster.unwrap_or_default()
    );
    let is_known = |path: &&String| !of_path(preview.current, path).is_null();
    let new = preview.paths.iter().filter(|path| !is_known(path));
    let new: Vec<String> = new.map(|path| quoted(path)).collect();
    let mut lines = Vec::new();
    if !new.is_empty() {
        lines.push(format!("{start} {} --end{end}", new.join(" ")));
    }
    for path in preview.paths.iter().filter(is_known) {
        let known = of_path(preview.current, path);
        let reason = quoted(known["reason"].as_str().unwrap_or_default());
        let until = text_of(known, "until").map(|until| format!(" --until {}", quoted(&until)));
        let until = until.unwrap_or_default();
        let path = quoted(path);
        lines.push(format!("{start} {path} --reason {reason}{until}{end}"));
    }
    lines
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let text = safe(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The question before it.
pub(crate) fn question(preview: &Preview<'_>) -> String {
    let paths = match preview.paths {
        [path] => safe(path),
        paths => counted(paths.len(), "path"),
    };
    let nodes = counted(preview.nodes, "node");
    match preview.wanted {
        Wanted::Excluded { .. } => format!("Exclude {paths} on {nodes}?"),
        Wanted::Ended => format!("End the exclusion of {paths} on {nodes}?"),
    }
}
