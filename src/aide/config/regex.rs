//! Analysis of the regular expressions of rules without compiling them. Pure.

mod alternatives;
mod empty_match;
mod literal;
mod scanner;

pub(super) use self::alternatives::{alternatives, group_alternatives, regex_alternatives};
pub(super) use self::empty_match::may_match_root;
pub(super) use self::literal::{is_literal, literal_prefix, literal_suffix, node, split_literal};
pub(super) use self::scanner::{Unit, bars};
