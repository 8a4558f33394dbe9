//! Selection lines, above all what `!` means.
//!
//! Pure. Up to 0.18 an unrestricted `!` rule took out what it matches with everything below; since
//! 0.19 what lies below is looked at on its own, and `-` means what `!` meant (NEWS, 0.19). The
//! difference shows where the expression is tied to the path's end: `!/dev$` used to leave out
//! all of `/dev`, and now leaves out the directory's own entry. Restricted `!` rules mean what they
//! did.

use super::deeper::Deeper;
use super::notes::Notes;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::{Line, Rule, RuleKind, Span};
use crate::aide::config::macros::Macros;
use crate::aide::config::paths::Paths;
use crate::aide::config::written_for::WrittenFor;

/// Every file type of AIDE on Linux.
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
        macros.pass(line);
    }
    notes.warn_once(
        &different,
        "AIDE 0.19 would no longer leave out what lies below, so `!` becomes `-`, which means what \
         `!` meant",
        "write `-`; in a file with a `-` rule every `!` is 0.19's",
    );
    notes.warn_once(
        &same,
        "`!` becomes `-`, which spares AIDE 0.19 the walk below and leaves out the same",
        "nothing needs to be done; new files write `-`",
    );
    notes.warn_once(
        &entered,
        "AIDE before 0.17 may have looked below what this leaves out, so the rule leaves out the entry \
         only; it gets all file types, so that it means the same in each version",
        "nothing needs to be done; write `-` to leave out what lies below",
    );
}

/// What showed that a text is for 0.19 may have stood in what was left out. Without it, `!` would be read
/// as in 0.18 wherever the result is converted again.
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

/// A restricted `!` rule leaves out what matches and nothing else, in each version since 0.16.
fn restrict_to_all_types(line: &mut Line, rule: &Rule) {
    let end = rule
        .restriction
        .as_ref()
        .map_or(rule.path.end, |span| span.end);
    line.replace(&(rule.path.end..end), &format!(" {ALL_TYPES}"));
}

/// Could a regular expression match a directory, but not what lies below? Not without something
/// that looks at what follows.
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

/// Negative rules with an attribute expression: not since 0.16 (NEWS, 0.16).
fn attributes_of_negatives(effective: &mut Configuration, notes: &mut Notes<'_>) {
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        let mut had_attributes = false;
        // Without what stood behind it, a word may be taken for the next attribute.
        while let Some(attributes) = attributes_of_negative(line) {
            let text = line.text();
            let (kept, behind) = (text[..attributes.start].trim_end(), &text[attributes.end..]);
            // A comment without a blank before it would become the path's end.
            let blank = if behind.starts_with('#') { " " } else { "" };
            line.set_text(format!("{kept}{blank}{behind}"));
            had_attributes = true;
        }
        if had_attributes {
            notes.warn(
                index,
                "a rule that leaves something out takes no attributes, so they are left out",
                "remove them",
            );
        }
    }
}

fn attributes_of_negative(line: &Line) -> Option<Span> {
    let rule = line.rule().filter(|rule| rule.kind.is_negative())?;
    rule.attributes.clone().filter(|span| !span.is_empty())
}

/// Refused since 0.17 (NEWS, 0.17) in the part of the path without special characters.
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
                "AIDE 0.19 takes no double slash in a path",
                "write one slash",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aide::config::budget::Budget;

    #[test]
    fn a_comment_behind_attributes_that_go_stays_a_comment() {
        for (text, expected) in [
            ("!/etc/a p+sha256 # why", "!/etc/a # why"),
            ("!/etc/a f p#why//", "!/etc/a f #why//"),
            ("!/etc/a p+sha256\n", "!/etc/a\n"),
        ] {
            let mut configuration = Configuration::parse(text);
            let (user, budget) = (Configuration::parse(text), Budget::default());
            attributes_of_negatives(&mut configuration, &mut Notes::new(&user, &budget));
            assert_eq!(configuration.to_string(), expected);
        }
    }

    #[test]
    fn sees_what_ties_an_expression_to_the_end() {
        for regex in [
            "/dev$", "/a(/b|$)", "/a\\z", "/a(?!/b)", "/a\\\\$", "/a*+", "/a\\b",
        ] {
            assert!(depends_on_end(regex), "{regex}");
        }
        for regex in [
            "/dev",
            "/etc/.*~",
            "/a\\$",
            "/a(?:b|c)",
            "/a[0-9]+",
            "/json*",
        ] {
            assert!(!depends_on_end(regex), "{regex}");
        }
    }
}
