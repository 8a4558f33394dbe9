//! The kinds of lines. Pure.

use std::ops::Range;

/// A range of bytes in the text of a line.
pub(in crate::aide::config) type Span = Range<usize>;

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Only blanks, or nothing.
    Blank,
    /// `# …`
    Comment,
    /// `@@define DBDIR /var/lib/aide` and other lines that start with `@@`.
    Directive {
        /// The directive.
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
    /// `NORMAL = p+u+sha256`
    Group {
        /// The name of the group.
        name: Span,
        /// The text between name and expression.
        equals: Span,
        /// The attribute expression.
        expression: Span,
    },
    /// `!/var/log f` and other rules. Boxed to save memory for other lines.
    Rule(Box<Rule>),
    /// Anything else.
    Unknown,
}

/// The directives of AIDE 0.19 (aide.conf(5), "MACRO LINES").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// `@@define`
    Define,
    /// `@@undef`
    Undef,
    /// `@@if`
    If,
    /// `@@ifdef`
    IfDef,
    /// `@@ifndef`
    IfNotDef,
    /// `@@ifhost`
    IfHost,
    /// `@@ifnhost`
    IfNotHost,
    /// `@@else`
    Else,
    /// `@@endif`
    EndIf,
    /// `@@include`
    Include,
    /// `@@x_include`
    XInclude,
    /// `@@x_include_setenv`
    XIncludeSetenv,
}

impl Directive {
    /// Whether it opens a branch that `@@endif` closes.
    pub fn opens(self) -> bool {
        matches!(
            self,
            Self::If | Self::IfDef | Self::IfNotDef | Self::IfHost | Self::IfNotHost
        )
    }

    /// Whether it includes other files or the output of programs.
    pub fn includes(self) -> bool {
        matches!(self, Self::Include | Self::XInclude | Self::XIncludeSetenv)
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The kind of rule.
    pub kind: RuleKind,
    /// The `=`, `!` or `-` before the path. Empty for a regular rule.
    pub marker: Span,
    /// The regular expression of the path, with macros and escapes.
    pub path: Span,
    /// File types and file system type.
    pub restriction: Option<Span>,
    /// The attribute expression.
    pub attributes: Option<Span>,
    /// A comment after the rule, including `#`. AIDE 0.17 and later do not accept it.
    pub comment: Option<Span>,
}

/// The kinds of rules of aide.conf(5), "RULES".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
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
    pub fn is_negative(self) -> bool {
        matches!(self, Self::Negative | Self::NonRecursiveNegative)
    }
}
