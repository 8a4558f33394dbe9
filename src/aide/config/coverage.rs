//! Warnings about configurations that do not watch `/etc`. Pure.
//!
//! The literal prefixes of the rules show what is certainly not watched.

use super::budget::Budget;
use super::configuration::Configuration;
use super::diagnostic::Diagnostic;
use super::macros::Macros;
use super::paths::Paths;
use super::regex::{is_literal, literal_prefix, regex_alternatives};

/// Warns if the converted configuration `conf` of the text `user` does not watch `/etc`.
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
        macros.advance(line);
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
            "the rule excludes /etc",
            "exclude only files that change in normal operation",
        ),
        (Some(index), false, None) => at(
            index,
            "no rule selects /etc",
            "add a rule such as `/etc p+u+g+sha256`",
        ),
        (Some(_), true, None) => Vec::new(),
    }
}

/// Whether the rule may match `directory` or a path below it.
fn reaches(path: &str, directory: &str) -> bool {
    let literal = literal_prefix(path);
    directory.starts_with(literal.trim_end_matches('/'))
        || literal
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the rule matches `directory` and all paths below it.
fn covers(path: &str, directory: &str) -> bool {
    let path = path.strip_suffix('$').unwrap_or(path);
    is_literal(path) && directory.starts_with(literal_prefix(path).trim_end_matches('/'))
}
