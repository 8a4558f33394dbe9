//! The comments before blocks of commands: which files run the commands, or why none does.
//!
//! A marker is `<!-- run by FILE, FILE -->`, `<!-- not run: REASON -->`, or both, separated by `; `. A file is
//! either a test that runs the commands of all pages ([`RUNNERS`]), or a test or script that contains them.

use std::fs;

use super::pages::{Block, Shown, checkout};
use super::runnable::{is_run, is_run_on_a_cluster};

/// A test that runs the commands of all pages, and which of them.
type Runner = (&'static str, fn(&Shown) -> bool);

const RUNNERS: [Runner; 2] = [
    ("e2e/api/docs.rs", is_run),
    ("e2e/docs.rs", is_run_on_a_cluster),
];
/// Words of the pages' commands that differ in tests: names of objects.
const NAMES: [&str; 5] = [
    "example-fileintegrity",
    "integrity",
    "node1",
    "node2",
    "openshift-file-integrity",
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Marker<'a> {
    files: Vec<&'a str>,
    reason: Option<&'a str>,
}

fn parse(text: &str) -> Option<Marker<'_>> {
    let (run, reason) = match text.split_once("not run: ") {
        Some((run, reason)) => (run.trim_end_matches("; "), Some(reason)),
        None => (text, None),
    };
    let files: Vec<&str> = if run.is_empty() {
        Vec::new()
    } else {
        run.strip_prefix("run by ")?.split(", ").collect()
    };
    Some(Marker { files, reason }).filter(|marker| *marker != Marker::default())
}

/// What is wrong with the marker of a block.
pub(super) fn problems(block: &Block<'_>) -> Vec<String> {
    let Some(text) = block.marker else {
        return vec![
            "no comment before the block; give output and configuration a language".to_owned(),
        ];
    };
    let Some(marker) = parse(text) else {
        return vec![format!("`{text}` is neither `run by` nor `not run:`")];
    };
    let commands = block.commands();
    let mut problems = Vec::new();
    for file in &marker.files {
        if !commands.iter().any(|command| runs(file, command)) {
            problems.push(format!("{file} does not run any command of the block"));
        }
    }
    for (runner, is_run) in RUNNERS {
        if commands.iter().any(is_run) && !marker.files.contains(&runner) {
            problems.push(format!("{runner} runs a command of the block"));
        }
    }
    let not_run = commands
        .iter()
        .find(|command| !marker.files.iter().any(|file| runs(file, command)));
    match (not_run, marker.reason) {
        (Some(command), None) => {
            problems.push(format!("no reason why none runs {}", command.described()));
        }
        (None, Some(_)) => problems.push("all commands are run".to_owned()),
        _ => {}
    }
    problems
}

/// Whether the file runs the command.
fn runs(file: &str, command: &Shown) -> bool {
    if let Some((_, is_run)) = RUNNERS.iter().find(|(runner, _)| *runner == file) {
        return is_run(command);
    }
    let Ok(text) = fs::read_to_string(checkout().join(file)) else {
        return false;
    };
    let mut words = essential_words(command).peekable();
    words.peek().is_some() && words.all(|word| text.contains(word))
}

/// The words of a command without operators, names, values, placeholders and quoted texts.
fn essential_words(command: &Shown) -> impl Iterator<Item = &str> {
    let is_placeholder = |word: &str| {
        word.chars()
            .all(|c| c.is_ascii_uppercase() || matches!(c, '-' | '_'))
    };
    let is_operator = |word: &str| matches!(word, "|" | ";" | "&" | "<" | ">" | "(" | ")");
    command
        .words
        .iter()
        .map(String::as_str)
        .filter(move |word| {
            !word.contains(['=', ' '])
                && !word.contains("registry.example")
                && !NAMES.contains(word)
                && !is_operator(word)
                && (word.starts_with('-') || !is_placeholder(word))
        })
}

#[cfg(test)]
mod tests;
