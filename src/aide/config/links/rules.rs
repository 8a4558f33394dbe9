//! The rules of a configuration with the places that they select or exclude. Pure.

use super::followed::{Redirected, Unwatched};
use super::place::{Place, real_place};
use super::regex::{Prefix, before_macros, prefixes};
use crate::aide::config::line::{Line, Rule, RuleKind};
use crate::aide::config::macros::Readings;

/// A rule and its context.
pub(super) struct Occurrence<'a> {
    /// The index of its line.
    pub(super) index: usize,
    pub(super) line: &'a Line,
    pub(super) rule: &'a Rule,
    /// Whether it is inside of `@@if`.
    pub(super) is_conditional: bool,
}

/// A rule whose path contains a link.
#[derive(Debug)]
pub(super) struct LinkedRule {
    pub(super) kind: RuleKind,
    pub(super) is_conditional: bool,
    pub(super) redirected: Redirected,
    /// The expression after the real path.
    pub(super) rest: String,
}

impl LinkedRule {
    pub(super) fn index(&self) -> usize {
        self.redirected.line - 1
    }
}

/// The paths of a rule as written in the configuration.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The index of the rule's line.
    pub(super) index: usize,
    /// The literal prefix of the paths, on the node.
    pub(super) literal: String,
    /// The expression after it.
    pub(super) rest: String,
}

impl Pattern {
    fn any(index: usize) -> Self {
        Self {
            index,
            literal: String::new(),
            rest: String::new(),
        }
    }
}

/// The rules of a configuration, each list in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) linked: Vec<LinkedRule>,
    pub(super) selecting: Vec<Pattern>,
    /// Negative rules for all file types, without unknown macros.
    pub(super) excluding: Vec<Pattern>,
    pub(super) unwatched: Vec<Unwatched>,
}

impl Rules {
    /// Adds a rule. `readings` are the possible values of its path.
    pub(super) fn read(
        &mut self,
        at: &Occurrence<'_>,
        host_root: &str,
        readings: &Readings,
        resolve: &mut dyn FnMut(&str) -> Place,
    ) {
        let is_negative = at.rule.kind.is_negative();
        let Readings::Known(readings) = readings else {
            // It may select anything.
            self.selecting
                .extend((!is_negative).then(|| Pattern::any(at.index)));
            let known = before_macros(at.line.get(&at.rule.path));
            let path = known.strip_prefix(host_root).unwrap_or_default();
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            self.add_unwatched(at, resolve(directory));
            return;
        };
        let is_unambiguous = readings.len() == 1;
        for regex in readings {
            let patterns = patterns(regex, host_root, at.index);
            for pattern in &patterns {
                let (place, end) = real_place(&pattern.literal, resolve);
                match place {
                    Place::Behind { link, real, .. } if is_unambiguous => {
                        let rest = format!("{end}{}", pattern.rest);
                        self.linked.push(at.linked_rule(link, real, rest));
                    }
                    place => self.add_unwatched(at, place),
                }
            }
            if !is_negative {
                self.selecting.extend(patterns);
            } else if is_unambiguous && !at.line.is_restricted(at.rule) {
                self.excluding.extend(patterns);
            }
        }
    }

    /// Adds a rule whose link is not followed, or whose path is not known. Negative rules are ignored: if
    /// they exclude less, nothing is missed.
    fn add_unwatched(&mut self, at: &Occurrence<'_>, place: Place) {
        let (link, reason) = match place {
            Place::Same => return,
            Place::Behind { link, .. } => {
                let reason = "is a symbolic link, and the path contains a macro with several values; \
                              use the path without the macro";
                (link, reason.to_owned())
            }
            Place::Refused { link, reason } => (link, reason),
        };
        if !at.rule.kind.is_negative() {
            self.unwatched.push(Unwatched {
                line: at.index + 1,
                link,
                reason,
            });
        }
    }
}

impl Occurrence<'_> {
    fn linked_rule(&self, link: String, real: String, rest: String) -> LinkedRule {
        let attributes = self.rule.attributes.as_ref();
        LinkedRule {
            kind: self.rule.kind,
            is_conditional: self.is_conditional,
            redirected: Redirected {
                line: self.index + 1,
                link,
                real,
                attributes: attributes.map_or("", |span| self.line.get(span)).to_owned(),
                is_added: false,
            },
            rest,
        }
    }
}

fn patterns(regex: &str, host_root: &str, index: usize) -> Vec<Pattern> {
    let prefixes = prefixes(regex);
    if prefixes.is_empty() {
        return vec![Pattern::any(index)];
    }
    let on_node = |Prefix { literal, rest }: Prefix| {
        let literal = literal.strip_prefix(host_root)?.to_owned();
        Some(Pattern {
            index,
            literal,
            rest,
        })
    };
    prefixes.into_iter().filter_map(on_node).collect()
}
