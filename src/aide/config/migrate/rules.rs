//! Rules, in particular negative ones. Pure.
//!
//! Up to 0.18, an unrestricted `!` rule excluded matching paths and everything below them. Since 0.19, paths below are
//! checked separately, and `-` has the former meaning of `!` (NEWS, 0.19). This matters if the expression
//! is anchored at the end of the path: `!/dev$` used to exclude all of `/dev`, and now excludes only the
//! entry of the directory. The meaning of restricted `!` rules did not change.

use super::deeper::Deeper;
use super::notes::Notes;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::{Line, Rule, RuleKind, Span};
use crate::aide::config::macros::Macros;
use crate::aide::config::paths::Paths;
use crate::aide::config::written_for::WrittenFor;

/// All file types of AIDE on Linux.
const ALL_TYPES: &str = "f,d,l,c,b,p,s";

pub(super) fn migrate(
    effective: &mut Configuration,
    written_for: WrittenFor,
    paths: &Paths,
    notes: &mut Notes<'_>,
) {
    attributes_of_negatives(effective, notes);
    double_slashes(effective, notes);
    if written_for != WrittenFor::From019 {
        let deeper = Deeper::of(effective, written_for, paths, &notes.budget);
        negatives(effective, &deeper, notes);
    }
}

fn negatives(effective: &mut Configuration, deeper: &Deeper, notes: &mut Notes<'_>) {
    let mut macros = Macros::new(&notes.budget);
    let (mut same, mut different, mut entered) = (Vec::new(), Vec::new(), Vec::new());
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        let negative = line
            .rule()
            .filter(|rule| rule.kind == RuleKind::Negative && !line.is_restricted(rule));
        if let Some(rule) = negative.cloned() {
            let readings = macros.read(line.get(&rule.path));
            let by_end = readings.any(|path| depends_on_end(path));
            if by_end && readings.any(|path| deeper.is_entered(path)) {
                entered.push(index);
                restrict_to_all_types(line, &rule);
            } else {
                let list = if by_end { &mut different } else { &mut same };
                list.push(index);
                line.replace(&rule.marker, "-");
            }
        }
        macros.advance(line);
    }
    notes.warn_once(
        &different,
        "AIDE 0.19 would not exclude the paths below, so `!` becomes `-`, which has the former meaning of `!`",
        "use `-`; in a file with a `-` rule, every `!` has the meaning of 0.19",
    );
    notes.warn_once(
        &same,
        "`!` becomes `-`, which excludes the same and saves AIDE 0.19 from descending into the directory",
        "no action is required; use `-` in new files",
    );
    notes.warn_once(
        &entered,
        "AIDE before 0.17 may have checked paths below the excluded one, so the rule only excludes the entry itself; it gets all file types, so that it has the same meaning in all versions",
        "no action is required; use `-` to exclude the paths below",
    );
}

/// If the lines that identify a text as one for 0.19 were removed, another conversion would interpret `!` as in 0.18. The
/// restriction to all types prevents this.
pub(super) fn keep_0_19(effective: &mut Configuration, written_for: WrittenFor) {
    if written_for != WrittenFor::From019 || WrittenFor::of(effective) == WrittenFor::From019 {
        return;
    }
    for line in effective.lines_mut() {
        let negative = line
            .rule()
            .filter(|rule| rule.kind == RuleKind::Negative && !line.is_restricted(rule));
        if let Some(rule) = negative.cloned() {
            restrict_to_all_types(line, &rule);
        }
    }
}

/// A restricted `!` rule excludes only matching paths, in all versions since 0.16.
fn restrict_to_all_types(line: &mut Line, rule: &Rule) {
    let end = rule
        .restriction
        .as_ref()
        .map_or(rule.path.end, |span| span.end);
    line.replace(&(rule.path.end..end), &format!(" {ALL_TYPES}"));
}

/// Whether a regular expression may match a directory, but not the paths below it. This requires a construct that depends
/// on the following text.
pub(in super::super) fn depends_on_end(regex: &str) -> bool {
    let anchored = regex.char_indices().any(|(at, c)| {
        c == '$' && regex[..at].chars().rev().take_while(|&c| c == '\\').count() % 2 == 0
    });
    anchored
        || [
            "\\z", "\\Z", "\\b", "\\B", "(?=", "(?!", "(?<", "(?>", "(*", "++", "*+", "?+", "}+",
        ]
        .iter()
        .any(|construct| regex.contains(construct))
}

/// Negative rules have no attribute expressions since 0.16 (NEWS, 0.16).
fn attributes_of_negatives(effective: &mut Configuration, notes: &mut Notes<'_>) {
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        let mut had_attributes = false;
        // After the removal, the next word may be interpreted as an attribute.
        while let Some(attributes) = attributes_of_negative(line) {
            let text = line.text();
            let (before, after) = (text[..attributes.start].trim_end(), &text[attributes.end..]);
            // A comment without a blank before it would become a part of the path.
            let blank = if after.starts_with('#') { " " } else { "" };
            line.set_text(format!("{before}{blank}{after}"));
            had_attributes = true;
        }
        if had_attributes {
            notes.warn(
                index,
                "negative rules have no attributes, so they are removed",
                "remove them",
            );
        }
    }
}

fn attributes_of_negative(line: &Line) -> Option<Span> {
    let rule = line.rule().filter(|rule| rule.kind.is_negative())?;
    rule.attributes.clone().filter(|span| !span.is_empty())
}

/// AIDE 0.17 and later reject double slashes before the first special character of a path (NEWS, 0.17).
fn double_slashes(effective: &mut Configuration, notes: &mut Notes<'_>) {
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        let Some(rule) = line.rule() else { continue };
        let start = rule.path.start;
        let path = line.get(&rule.path);
        let end = path
            .find(['(', '^', '$', '?', '*', '['])
            .unwrap_or(path.len());
        let mut literal = path[..end].to_owned();
        while literal.contains("//") {
            literal = literal.replace("//", "/");
        }
        if literal.len() < end {
            line.replace(&(start..start + end), &literal);
            notes.warn(
                index,
                "AIDE 0.19 does not accept double slashes in a path",
                "use one slash",
            );
        }
    }
}

#[cfg(test)]
mod tests;
