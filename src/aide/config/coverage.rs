//! Does a configuration watch what a node's integrity is about?
//!
//! Pure. A guess from the literal beginnings of the rules: it only says what is certainly missing.

use super::budget::Budget;
use super::macros::Macros;
use super::paths::Paths;
use super::rule_path::regex_alternatives;
use super::{Configuration, Diagnostic};

/// What the converted configuration `conf` of the text `user` does not watch.
pub(super) fn gaps(
    user: &Configuration,
    conf: &Configuration,
    paths: &Paths,
    budget: &Budget,
) -> Vec<Diagnostic> {
    let etc = format!("{}/etc", paths.host_root());
    let (mut selects, mut selects_etc, mut without_etc) = (None, false, None);
    let mut macros = Macros::new(budget);
    for (index, line) in conf.lines().iter().enumerate() {
        if let Some(rule) = line.rule() {
            let path = macros.read(line.get(&rule.path));
            if !rule.kind.is_negative() {
                selects = Some(index);
                selects_etc |= path.any(|path| {
                    regex_alternatives(path)
                        .iter()
                        .any(|one| reaches(one, &etc))
                });
            } else if !line.is_restricted(rule) && path.all(|path| covers(path, &etc)) {
                without_etc = Some(index);
            }
        }
        macros.pass(line);
    }
    let at = |index: usize, message: &str, remedy: &str| {
        let text = user.lines().get(index).map_or("", |line| line.text());
        vec![Diagnostic::new(index, text, message, remedy)]
    };
    match (selects, selects_etc, without_etc) {
        (None, ..) => at(
            conf.lines().len().saturating_sub(1),
            "no rule selects anything, so nothing is watched",
            "add rules such as `/etc p+u+g+sha256`",
        ),
        (Some(_), _, Some(index)) => at(
            index,
            "the rule leaves /etc out",
            "exclude only what changes by itself",
        ),
        (Some(index), false, None) => at(
            index,
            "no rule selects /etc",
            "add a rule such as `/etc p+u+g+sha256`",
        ),
        (Some(_), true, None) => Vec::new(),
    }
}

/// Up to the first character that may mean something in a regular expression.
fn literal(path: &str) -> &str {
    &path[..path
        .find(['\\', '^', '$', '.', '[', '|', '(', '?', '*', '+', '{'])
        .unwrap_or(path.len())]
}

/// Could the rule match something at or below `directory`?
fn reaches(path: &str, directory: &str) -> bool {
    let literal = literal(path);
    directory.starts_with(literal.trim_end_matches('/'))
        || literal
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Does the rule match `directory` and all below?
fn covers(path: &str, directory: &str) -> bool {
    let path = path.strip_suffix('$').unwrap_or(path);
    literal(path) == path && directory.starts_with(path.trim_end_matches('/'))
}
