//! Which directories AIDE entered although a `!` rule left them out.
//!
//! Pure. Up to 0.16 AIDE entered each directory that it had a node for in its tree of rules
//! (`check_node_for_match` of `gen_list.c`). It has one
//! - for the directory before the first special character of a rule, and all above;
//! - for a directory that a rule matches in part, such as `/etc/.*\.conf$`, or but for its type, where
//!   no rule of the same or a deeper directory matches it.
//!
//! What it found there was looked at on its own. 0.17 and 0.18 left out what lies below a directory
//! that a `!` rule matches, except for `/`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Bound;

use crate::aide::config::budget::Budget;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::{Line, Rule, RuleKind};
use crate::aide::config::macros::{Macros, Readings};
use crate::aide::config::paths::Paths;
use crate::aide::config::regex::{
    is_literal, literal_prefix, literal_suffix, node, regex_alternatives,
};
use crate::aide::config::written_for::WrittenFor;

/// More directories and rules than this are not compared with all `!` rules; the rules then count as
/// not leaving out what lies below, so that nothing is lost.
const MOST_COMPARISONS: usize = 1_000_000;

/// Nor are directories and rules whose names have more bytes together: each directory above one counts.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A rule that selects, as far as it matters here.
#[derive(Debug)]
struct Selective {
    node: String,
    beginning: String,
    /// It matches each directory that begins so; in part only those above, which have a node.
    is_certain: bool,
}

/// What AIDE up to 0.16 would have entered.
#[derive(Debug)]
pub(super) struct Deeper {
    written_for: WrittenFor,
    directories: BTreeSet<String>,
    selective: Vec<Selective>,
    /// The node's root, as the beginning of an expression.
    root: String,
    /// Bytes that may still be noted.
    room: usize,
    /// Comparisons that may still be made.
    left: Cell<usize>,
}

impl Deeper {
    /// Looks through a converted configuration.
    pub(super) fn of(
        effective: &Configuration,
        written_for: WrittenFor,
        paths: &Paths,
        budget: &Budget,
    ) -> Self {
        let root = match Macros::default().read(paths.rule_prefix()) {
            Readings::Known(readings) => readings.concat(),
            Readings::Unknown => String::new(),
        };
        let mut deeper = Self {
            written_for,
            directories: BTreeSet::new(),
            selective: Vec::new(),
            root,
            room: MOST_BYTES,
            left: Cell::new(MOST_COMPARISONS),
        };
        if written_for == WrittenFor::UpTo016 {
            deeper.note_all(effective, budget);
        }
        if deeper.room == 0 {
            deeper.left.set(0);
        }
        deeper
    }

    fn note_all(&mut self, effective: &Configuration, budget: &Budget) {
        let mut macros = Macros::new(budget);
        for line in effective.lines() {
            if let Some(rule) = line.rule()
                && let Readings::Known(readings) = macros.read(line.get(&rule.path))
            {
                for path in &readings {
                    self.note(line, rule, path, readings.len() == 1);
                }
            }
            macros.pass(line);
        }
    }

    fn note(&mut self, line: &Line, rule: &Rule, path: &str, is_only: bool) {
        if self.room == 0 {
            return;
        }
        let mut directory = node(path);
        if !rule.kind.is_negative() {
            self.note_selective(line, rule, path, &directory, is_only);
        }
        while directory.len() > 1 && self.room > 0 && self.directories.insert(directory.clone()) {
            self.room = self.room.saturating_sub(directory.len());
            directory.truncate(directory.rfind('/').unwrap_or(0));
        }
    }

    fn note_selective(
        &mut self,
        line: &Line,
        rule: &Rule,
        path: &str,
        directory: &str,
        is_only: bool,
    ) {
        let plain = path.replacen("(/|$)", "", 1).replacen("(/)", "/", 1);
        let is_certain = is_only
            && is_literal(&plain)
            && rule.kind == RuleKind::Regular
            && takes_directories(line, rule);
        // AIDE keeps rules for the root in two places.
        let at_root = literal_prefix(&format!("{}/", self.root)) == format!("{directory}/");
        let node = if at_root { "/" } else { directory }.to_owned();
        let beginning = literal_prefix(&plain);
        self.room = self.room.saturating_sub(node.len() + beginning.len());
        self.selective.push(Selective {
            node,
            beginning,
            is_certain,
        });
    }

    /// Could AIDE have entered a directory that this path of a `!` rule matches?
    pub(super) fn is_entered(&self, regex: &str) -> bool {
        if regex.strip_suffix('$') == Some(&self.root) {
            return true;
        }
        self.written_for == WrittenFor::UpTo016
            && (self.left.get() == 0
                || regex_alternatives(regex)
                    .iter()
                    .any(|one| self.has_node(one) || self.may_match_in_part(one)))
    }

    /// Does a rule name something in a directory that the expression matches?
    fn has_node(&self, regex: &str) -> bool {
        let (beginning, end) = (literal_prefix(regex), literal_suffix(regex));
        if regex.strip_suffix('$').is_some_and(is_literal) {
            return self.directories.contains(&beginning);
        }
        let from = (Bound::Included(beginning.as_str()), Bound::Unbounded);
        self.directories
            .range::<str, _>(from)
            .take_while(|directory| directory.starts_with(&beginning))
            .any(|directory| {
                self.is_used_up()
                    || (directory.ends_with(&end) && directory.len() >= beginning.len())
            })
    }

    /// May a directory that the expression matches be selected in part only?
    fn may_match_in_part(&self, regex: &str) -> bool {
        let beginning = literal_prefix(regex);
        let certain = self.selective.iter().filter(|rule| {
            rule.is_certain && !self.is_used_up() && beginning.starts_with(&rule.beginning)
        });
        let depth = certain.map(|rule| rule.node.len()).max();
        self.selective.iter().any(|rule| {
            self.is_used_up()
                || (!rule.is_certain
                    && depth.is_none_or(|depth| rule.node.len() > depth)
                    && (beginning.starts_with(&rule.beginning)
                        || rule.beginning.starts_with(&beginning)))
        })
    }

    /// Counts a comparison. Were there too many?
    fn is_used_up(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left == 0
    }
}

fn takes_directories(line: &Line, rule: &Rule) -> bool {
    !line.is_restricted(rule)
        || rule
            .restriction
            .as_ref()
            .is_some_and(|span| line.get(span).split(',').any(|one| one.trim() == "d"))
}
