//! Inserts the host root into the paths of rules. Pure.
//!
//! A rule must match the same files below the host root as on the node, with the same precedence. This needs some care:
//! - AIDE anchors each alternative of `/a|/b` separately, so each gets the host root.
//! - `/hostroot/` does not match the root directory, but `/hostroot(/|$)` does.
//! - AIDE stores a rule at the directory before its first special character, and searches the deepest directory first. Such
//!   a rule is stored at `/`, above `/hostroot`, so later rules for the node's root must be stored there,
//!   too (`/hostroot(/)etc`).

use super::Unclear;
use crate::aide::config::budget::Budget;
use crate::aide::config::line::{Line, Rule, RuleKind, macro_at};
use crate::aide::config::macros::{Macros, Readings};
use crate::aide::config::migrate::depends_on_end;
use crate::aide::config::paths::{Paths, escape};
use crate::aide::config::rule_path::{Alternative, RulePath};
use crate::aide::config::written_for::WrittenFor;

/// How the meaning of a line changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It did not change.
    Kept,
    /// It changed: message and remedy.
    Differs(&'static str, &'static str),
}

const ROOT_REMAINS_WATCHED: Meaning = Meaning::Differs(
    "the rule would exclude the entry of / itself, too; that entry remains watched, because AIDE 0.19 would exclude everything with it",
    "in a file for AIDE 0.19, use a line `!/$` for the entry of /, and `-` in the other rules",
);

const EQUALS_BECOMES_REGULAR: Meaning = Meaning::Differs(
    "the rule matches / and its direct children, which no single `=` rule can do below the host root; it becomes a regular rule, and rules for these files have precedence",
    "use two rules: `=/$` for / itself, and `=/[^/]+$` for its children",
);

/// Lookahead for the end of the path after at most one more component.
const ONE_LEVEL: &str = "(?=/?[^/]*$)";

/// Converts rules in order.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    written_for: WrittenFor,
    pub(super) paths: &'a Paths,
    /// The index of the line.
    pub(super) index: usize,
    budget: &'a Budget,
    /// Whether a regular rule is stored at `/` instead of the host root.
    has_rule_at_root: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(written_for: WrittenFor, paths: &'a Paths, budget: &'a Budget) -> Self {
        Self {
            written_for,
            paths,
            index: 0,
            budget,
            has_rule_at_root: false,
        }
    }

    pub(super) fn relocate(
        &mut self,
        line: &mut Line,
        macros: &Macros,
    ) -> Result<Meaning, Unclear> {
        let Some(rule) = line.rule() else {
            return Ok(Meaning::Kept);
        };
        let path = line.get(&rule.path).to_owned();
        let read = RulePath::read(&path, macros).map_err(|_| Unclear)?;
        if !read.has_alternative_in_macro() {
            return self.insert_host_root(line, &read, macros);
        }
        // The macro is expanded so that each alternative can get the host root.
        let (values, span) = (macros.read(&path), rule.path.clone());
        let Readings::Known(values) = values else {
            return Err(Unclear);
        };
        let [value] = values.as_slice() else {
            return Err(Unclear);
        };
        let written_out = escape(value);
        let read = RulePath::read(&written_out, macros).map_err(|_| Unclear)?;
        let is_done = |one: &Alternative| self.paths.is_relocated(&written_out[one.start..one.end]);
        if read.alternatives().iter().all(is_done) {
            return Ok(Meaning::Kept);
        }
        if !self.budget.output(self.index, written_out.len()) {
            return Err(Unclear);
        }
        line.replace(&span, &written_out);
        self.insert_host_root(line, &read, macros)
    }

    fn insert_host_root(
        &mut self,
        line: &mut Line,
        read: &RulePath,
        macros: &Macros,
    ) -> Result<Meaning, Unclear> {
        let Some(rule) = line.rule() else {
            return Ok(Meaning::Kept);
        };
        let (at, path) = (rule.path.start, line.get(&rule.path).to_owned());
        let matches = self.role(line, rule, &path, read);
        let (alternatives, is_at_root) = (read.alternatives(), read.is_at_root_node());
        let mut new = String::with_capacity(path.len());
        let (mut copied, mut converted_root) = (0, false);
        for (number, alternative) in alternatives.iter().enumerate() {
            let text = &path[alternative.start..alternative.end];
            if self.is_converted(text, number == 0, macros)? {
                continue;
            }
            converted_root |= alternative.may_be_root && is_at_root;
            let (end, with) = self.prefix(matches, text, alternative, number == 0);
            new.push_str(&path[copied..alternative.start]);
            new.push_str(&with);
            new.push_str(&path[end..alternative.end]);
            if !text.starts_with('/') && number > 0 && macro_at(text, 0).is_none() {
                new.push(')');
            }
            copied = alternative.end;
        }
        new.push_str(&path[copied..]);
        if !self
            .budget
            .output(self.index, new.len() - path.len().min(new.len()))
        {
            return Err(Unclear);
        }
        let length = path.len();
        line.replace(&(at..at + length), &new);
        Ok(self.finish(line, matches, converted_root))
    }

    /// The text to insert before an alternative, and the end of the text that it replaces.
    fn prefix(
        &self,
        role: Role,
        text: &str,
        alternative: &Alternative,
        is_first: bool,
    ) -> (usize, String) {
        let root = self.paths.rule_prefix();
        // AIDE applies an `=` rule only to direct children of its directory.
        let depth = if role == Role::Children {
            ONE_LEVEL
        } else {
            ""
        };
        let head = format!("{root}{depth}");
        let slash = alternative.start + 1;
        if !text.starts_with('/') {
            let open = if macro_at(text, 0).is_none() {
                "(?:"
            } else {
                ""
            };
            return (alternative.start, format!("{head}{open}"));
        }
        // A capturing group would change the numbers of groups after it.
        let open = if text.contains('\\') || text.contains("(?") {
            "(?:"
        } else {
            "("
        };
        match role {
            Role::Root if text == "/$" => (slash, root.to_owned()),
            Role::Root | Role::Children if alternative.may_be_root => {
                (slash, format!("{head}{open}/|$)"))
            }
            // The rule must be stored at `/`, whatever the first alternative is.
            Role::Root | Role::BesideRoot if is_first => (slash, format!("{head}{open}/)")),
            _ => (alternative.start, head),
        }
    }

    fn role(&self, line: &Line, rule: &Rule, path: &str, read: &RulePath) -> Role {
        if path == "/$" {
            return Role::Root;
        }
        // AIDE does not apply rules of other directories to `/`.
        if !read.is_at_root_node() {
            return Role::Below;
        }
        let may_be_root = read.alternatives().iter().any(|one| one.may_be_root);
        match rule.kind {
            RuleKind::Equals if may_be_root => Role::Children,
            RuleKind::Regular if !may_be_root && self.has_rule_at_root => Role::BesideRoot,
            RuleKind::Negative
                if may_be_root
                    && !line.is_restricted(rule)
                    && self.written_for != WrittenFor::From019
                    && depends_on_end(&read.regex()) =>
            {
                Role::NotRoot
            }
            _ if may_be_root => Role::Root,
            _ => Role::Below,
        }
    }

    fn finish(&mut self, line: &mut Line, role: Role, converted_root: bool) -> Meaning {
        if !converted_root {
            return Meaning::Kept;
        }
        let Some(Rule {
            kind, marker, path, ..
        }) = line.rule().cloned()
        else {
            return Meaning::Kept;
        };
        match role {
            Role::NotRoot => ROOT_REMAINS_WATCHED,
            Role::Children => {
                line.replace(&marker, "");
                self.has_rule_at_root = true;
                EQUALS_BECOMES_REGULAR
            }
            Role::Root if kind == RuleKind::Regular => {
                let only_root = format!("{}$", self.paths.rule_prefix());
                self.has_rule_at_root |= line.get(&path) != only_root;
                Meaning::Kept
            }
            _ => Meaning::Kept,
        }
    }

    /// Whether an alternative already starts with the host root, directly or in the value of a macro.
    fn is_converted(&self, text: &str, is_first: bool, macros: &Macros) -> Result<bool, Unclear> {
        if macro_at(text, 0).is_none() {
            return Ok(self.paths.is_relocated(text));
        }
        let readings = macros.read(text);
        if readings.all(|reading| self.paths.is_relocated(reading)) {
            Ok(true)
        } else if readings.any(|reading| self.paths.is_relocated(reading)) {
            Err(Unclear)
        } else {
            // AIDE rejects a rule that does not start with a slash.
            Ok(is_first && !readings.all(|reading| reading.starts_with('/')))
        }
    }
}

/// How a rule applies to `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It may match `/`.
    Root,
    /// An `=` rule that may match `/` and its direct children.
    Children,
    /// It may match `/`, but must not.
    NotRoot,
    /// It does not match `/`, but an earlier rule that may is stored at `/`.
    BesideRoot,
    /// It only applies to other paths.
    Below,
}
