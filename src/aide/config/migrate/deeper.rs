//! Which directories AIDE entered although a `!` rule left them out.
//!
//! Pure. Up to 0.16 AIDE entered each directory that it had a node for in its tree of rules: the one
//! before the first special character of a rule, and all above. What it found there was looked at on
//! its own. 0.17 and 0.18 look at the directories above as well, except for `/`.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::super::budget::Budget;
use super::super::macros::{Macros, Readings};
use super::super::paths::Paths;
use super::super::rule_path::{self, literal_beginning, literal_end};
use super::super::written_for::WrittenFor;
use super::Configuration;

/// More directories than this are not compared with all `!` rules; the rules then count as not
/// leaving out what lies below, so that nothing is lost.
const MOST_COMPARISONS: usize = 1_000_000;

/// Nor are directories whose names have more bytes together: each directory above one counts.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The directories that rules name.
#[derive(Debug)]
pub(super) struct Deeper {
    directories: BTreeSet<String>,
    /// The `!` rule for the entry of the node's root alone.
    root_only: Readings,
    left: std::cell::Cell<usize>,
}

impl Deeper {
    /// Those of a converted configuration.
    pub(super) fn of(
        effective: &Configuration,
        written_for: WrittenFor,
        paths: &Paths,
        budget: &Budget,
    ) -> Self {
        let mut directories = BTreeSet::new();
        let mut room = MOST_BYTES;
        if written_for == WrittenFor::UpTo016 {
            let mut macros = Macros::new(budget);
            for line in effective.lines() {
                if let Some(rule) = line.rule()
                    && let Readings::Known(readings) = macros.read(line.get(&rule.path))
                {
                    for path in &readings {
                        note(&mut directories, path, &mut room);
                    }
                }
                macros.pass(line);
            }
        }
        Self {
            directories,
            root_only: Macros::default().read(&format!("{}$", paths.rule_prefix())),
            left: std::cell::Cell::new(if room == 0 { 0 } else { MOST_COMPARISONS }),
        }
    }

    /// Could AIDE have entered a directory that this path of a `!` rule matches?
    pub(super) fn is_entered(&self, regex: &str) -> bool {
        self.root_only.all(|root| root == regex)
            || rule_path::regex_alternatives(regex)
                .iter()
                .any(|one| self.may_match(one))
    }

    fn may_match(&self, regex: &str) -> bool {
        if self.left.get() == 0 {
            return true;
        }
        let (beginning, end) = (literal_beginning(regex), literal_end(regex));
        let is_literal = regex.strip_suffix('$').is_some_and(rule_path::is_literal);
        if is_literal {
            return self.directories.contains(&beginning);
        }
        let from = (Bound::Included(beginning.as_str()), Bound::Unbounded);
        for directory in self.directories.range::<str, _>(from) {
            if !directory.starts_with(&beginning) {
                return false;
            }
            let left = self.left.get();
            if left == 0 || (directory.ends_with(&end) && directory.len() >= beginning.len()) {
                return true;
            }
            self.left.set(left - 1);
        }
        false
    }
}

/// Adds the directory of a rule and all above, as far as there is room.
fn note(directories: &mut BTreeSet<String>, path: &str, room: &mut usize) {
    let mut node = rule_path::node(path);
    while node.len() > 1 && *room > 0 && directories.insert(node.clone()) {
        *room = room.saturating_sub(node.len());
        node.truncate(node.rfind('/').unwrap_or(0));
    }
}
