//! Whether, and where, a rule for a real path can be added without changing what other rules watch. Pure.

use super::prefix_index::PrefixIndex;
use super::rules::{LinkedRule, Pattern, Rules};
use crate::aide::config::line::RuleKind;

/// How a rule for a real path is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addition {
    /// After the user's rule, with the same precedence as a rule of the user.
    Equal,
    /// After the user's rule or at the end, with the lowest precedence. AIDE prefers the rule with the
    /// deepest directory, so this one gets the root as its directory.
    Weakest,
    /// Not at all: it would exclude files that the user watches under their real paths.
    None,
}

/// Decides how rules are added.
pub(super) struct Additions<'a> {
    /// Literal prefixes of selecting rules, by line index.
    selecting: PrefixIndex<'a, usize>,
    /// Real paths of selecting rules, by link.
    linked: PrefixIndex<'a, &'a str>,
}

impl<'a> Additions<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        let mut selecting = PrefixIndex::default();
        for Pattern {
            index,
            literal,
            rest,
        } in &rules.selecting
        {
            // `/a$` matches nothing below `/a`.
            selecting.insert(literal, *index, rest != "$");
        }
        let mut linked = PrefixIndex::default();
        for rule in rules.linked.iter().filter(|one| !one.kind.is_negative()) {
            let redirected = &rule.redirected;
            linked.insert(&redirected.real, redirected.link.as_str(), true);
        }
        Self { selecting, linked }
    }

    pub(super) fn of(&self, rule: &LinkedRule) -> Addition {
        let real = &rule.redirected.real;
        let is_selected = self.selecting.overlaps(real, rule.index());
        let is_selected_by_another_link =
            || self.linked.overlaps(real, rule.redirected.link.as_str());
        match rule.kind {
            RuleKind::Regular if is_selected => Addition::Weakest,
            _ if is_selected => Addition::None,
            kind if kind.is_negative() && is_selected_by_another_link() => Addition::None,
            _ => Addition::Equal,
        }
    }
}
