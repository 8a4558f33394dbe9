//! The kinds of lines. Pure.

use std::ops::Range;

/// A range of bytes in the text of a line.
pub(in crate::aide::config) type Span = Range<usize>;

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Only blanks, or nothing.
    Blank,
    Comment,
    /// `@@define DBDIR /var/lib/aide` and other lines that start with `@@`.
    Directive {
        directive: Directive,
        /// The rest of the line without surrounding blanks.
        argument: Span,
    },
    /// `report_url=stdout`: an option of AIDE 0.16 to 0.19.
    Option {
        /// The name of the option.
        name: Span,
        /// The value, up to the first blank that is not escaped, as in AIDE.
        value: Span,
        /// The text between name and value.
        equals: Span,
    },
    Group {
        /// The name of the group.
        name: Span,
        /// The text between name and expression.
        equals: Span,
        expression: Span,
    },
    /// `!/var/log f` and other rules. Boxed to save memory for other lines.
    Rule(Box<Rule>),
    Unknown,
}

/// The directives of AIDE 0.19 (aide.conf(5), "MACRO LINES").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directive {
    Define,
    Undef,
    If,
    IfDef,
    IfNotDef,
    IfHost,
    IfNotHost,
    Else,
    EndIf,
    Include,
    XInclude,
    XIncludeSetenv,
}

impl Directive {
    /// Whether it opens a branch that `@@endif` closes.
    pub(crate) fn opens(self) -> bool {
        matches!(
            self,
            Self::If | Self::IfDef | Self::IfNotDef | Self::IfHost | Self::IfNotHost
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) kind: RuleKind,
    /// The `=`, `!` or `-` before the path. Empty for a regular rule.
    pub(crate) marker: Span,
    /// The regular expression of the path, with macros and escapes.
    pub(crate) path: Span,
    /// File types and file system type.
    pub(crate) restriction: Option<Span>,
    pub(crate) attributes: Option<Span>,
    /// A comment after the rule, including `#`. AIDE 0.17 and later do not accept it.
    pub(crate) comment: Option<Span>,
}

/// The kinds of rules of aide.conf(5), "RULES".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// `/path`: selects matching paths and everything below them.
    Regular,
    /// `=/path`: selects matching paths and their direct children.
    Equals,
    /// `!/path`: excludes matching paths.
    Negative,
    /// `-/path`, since 0.19: excludes matching paths and everything below them.
    NonRecursiveNegative,
}

impl RuleKind {
    /// Whether the rule excludes paths.
    pub(crate) fn is_negative(self) -> bool {
        matches!(self, Self::Negative | Self::NonRecursiveNegative)
    }
}
