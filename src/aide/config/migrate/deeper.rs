//! Directories that AIDE entered although a `!` rule excluded them. Pure.
//!
//! AIDE 0.16 and earlier entered each directory that has a node in its tree of rules (`check_node_for_match` of
//! `gen_list.c`):
//! - the directory before the first special character of a rule, and its parents;
//! - a directory that a rule matches partially, such as `/etc/.*\.conf$`, or except for its type, if no rule of the same or
//!   a deeper directory matches it.
//!
//! AIDE then checked its entries separately. AIDE 0.17 and 0.18 excluded everything below a directory that a `!` rule
//! matches, except for `/`.

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

/// Maximum number of comparisons between `!` rules and other rules. After that, `!` rules are assumed not to exclude
/// paths below, so that nothing is missed.
const MAX_COMPARISONS: usize = 1_000_000;

/// Maximum total length of directories and rules in bytes, including all parent directories.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The relevant properties of a selecting rule.
#[derive(Debug)]
struct Selective {
    node: String,
    prefix: String,
    /// Whether it matches all directories with this prefix. It partially matches only their parents, which have nodes.
    is_certain: bool,
}

/// The directories that AIDE 0.16 and earlier entered.
#[derive(Debug)]
pub(super) struct Deeper {
    written_for: WrittenFor,
    directories: BTreeSet<String>,
    selective: Vec<Selective>,
    /// The host root as the prefix of an expression.
    root: String,
    room: usize,
    left: Cell<usize>,
}

impl Deeper {
    /// Reads the rules of a converted configuration.
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
            room: MAX_BYTES,
            left: Cell::new(MAX_COMPARISONS),
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
            macros.advance(line);
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
        // AIDE stores rules for the root in two places.
        let at_root = literal_prefix(&format!("{}/", self.root)) == format!("{directory}/");
        let node = if at_root { "/" } else { directory }.to_owned();
        let prefix = literal_prefix(&plain);
        self.room = self.room.saturating_sub(node.len() + prefix.len());
        self.selective.push(Selective {
            node,
            prefix,
            is_certain,
        });
    }

    /// Whether AIDE may have entered a directory that this path of a `!` rule matches.
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

    /// Whether a rule names a path in a directory that the expression matches.
    fn has_node(&self, regex: &str) -> bool {
        let (prefix, end) = (literal_prefix(regex), literal_suffix(regex));
        if regex.strip_suffix('$').is_some_and(is_literal) {
            return self.directories.contains(&prefix);
        }
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        self.directories
            .range::<str, _>(from)
            .take_while(|directory| directory.starts_with(&prefix))
            .any(|directory| {
                self.is_used_up() || (directory.ends_with(&end) && directory.len() >= prefix.len())
            })
    }

    /// Whether a rule may partially match a directory that the expression matches.
    fn may_match_in_part(&self, regex: &str) -> bool {
        let prefix = literal_prefix(regex);
        let certain = self.selective.iter().filter(|rule| {
            rule.is_certain && !self.is_used_up() && prefix.starts_with(&rule.prefix)
        });
        let depth = certain.map(|rule| rule.node.len()).max();
        self.selective.iter().any(|rule| {
            self.is_used_up()
                || (!rule.is_certain
                    && depth.is_none_or(|depth| rule.node.len() > depth)
                    && (prefix.starts_with(&rule.prefix) || rule.prefix.starts_with(&prefix)))
        })
    }

    /// Counts a comparison. Returns whether the limit is reached.
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
