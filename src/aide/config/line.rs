//! One line of an `aide.conf`: what AIDE's scanner sees in it, as spans into the unchanged text.
//!
//! Pure. The rules follow the scanner and grammar of AIDE 0.19 (`conf_lex.l`, `conf_yacc.y`, and
//! aide.conf(5), "FILE FORMAT"), and accept whatever 0.16 to 0.18 accepted on top: a tab around
//! `=`, a rule that begins with a macro, a comment behind an expression. Whatever AIDE could take
//! for an option, a rule or a directive is seen as that here; anything else is `Unknown` and is
//! left for AIDE to judge.

use std::ops::Range;

/// Bytes of the line's text.
pub(super) type Span = Range<usize>;

/// A line: its text, how it ends, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    text: String,
    ending: &'static str,
    statement: Statement,
}

/// What a line means to AIDE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Nothing, or blanks only.
    Blank,
    /// `# …`
    Comment,
    /// `@@define DBDIR /var/lib/aide` and the other lines that begin with `@@`.
    Directive {
        /// Which one.
        directive: Directive,
        /// What follows, without surrounding blanks.
        argument: Span,
    },
    /// `report_url=stdout`: an option of AIDE 0.16 to 0.19.
    Option {
        /// The option's name.
        name: Span,
        /// The value up to the first unescaped blank, as AIDE reads strings.
        value: Span,
        /// The text between name and value.
        equals: Span,
    },
    /// `NORMAL = p+u+sha256`
    Group {
        /// The group's name.
        name: Span,
        /// The text between name and expression.
        equals: Span,
        /// The attribute expression.
        expression: Span,
    },
    /// `!/var/log f` and its kin. In a box, so that a line that is no rule takes less memory.
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

/// Longest first: like AIDE's scanner, the longest one that fits is taken.
const DIRECTIVES: [(&str, Directive); 12] = [
    ("@@x_include_setenv", Directive::XIncludeSetenv),
    ("@@x_include", Directive::XInclude),
    ("@@include", Directive::Include),
    ("@@ifnhost", Directive::IfNotHost),
    ("@@ifhost", Directive::IfHost),
    ("@@ifndef", Directive::IfNotDef),
    ("@@ifdef", Directive::IfDef),
    ("@@define", Directive::Define),
    ("@@endif", Directive::EndIf),
    ("@@undef", Directive::Undef),
    ("@@else", Directive::Else),
    ("@@if", Directive::If),
];

impl Directive {
    /// Does it open a branch that `@@endif` closes?
    pub fn opens(self) -> bool {
        matches!(
            self,
            Self::If | Self::IfDef | Self::IfNotDef | Self::IfHost | Self::IfNotHost
        )
    }

    /// Does it bring in text or programs from elsewhere?
    pub fn includes(self) -> bool {
        matches!(self, Self::Include | Self::XInclude | Self::XIncludeSetenv)
    }
}

/// Every option that AIDE 0.16 to 0.19 reads, and `syslog_format` of Red Hat's builds
/// (aide.conf(5) of 0.16.2, 0.18.8 and 0.19.1, "CONFIG OPTIONS").
const OPTIONS: [&str; 36] = [
    "acl_no_symlink_follow",
    "config_check_warn_unrestricted_rules",
    "config_version",
    "database",
    "database_add_metadata",
    "database_attrs",
    "database_in",
    "database_new",
    "database_out",
    "grouped",
    "gzip_dbout",
    "ignore_list",
    "log_level",
    "num_workers",
    "recstop",
    "report_append",
    "report_attributes",
    "report_base16",
    "report_detailed_init",
    "report_force_attrs",
    "report_format",
    "report_grouped",
    "report_ignore_added_attrs",
    "report_ignore_changed_attrs",
    "report_ignore_e2fsattrs",
    "report_ignore_removed_attrs",
    "report_level",
    "report_quiet",
    "report_summarize_changes",
    "report_url",
    "root_prefix",
    "summarize_changes",
    "syslog_format",
    "verbose",
    "warn_dead_symlinks",
    "database_gzip",
];

/// A selection line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Regular, equals, or one of the negative ones.
    pub kind: RuleKind,
    /// The `=`, `!` or `-` in front of the path; empty for a regular rule.
    pub marker: Span,
    /// The regular expression of the path, macros and escapes as written.
    pub path: Span,
    /// File types, file system type.
    pub restriction: Option<Span>,
    /// The attribute expression.
    pub attributes: Option<Span>,
    /// A comment behind the rule, from its `#`. AIDE 0.16 took it, 0.17 and later do not.
    pub comment: Option<Span>,
}

/// The kinds of rules of aide.conf(5), "RULES".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// `/path`: what matches, and everything below.
    Regular,
    /// `=/path`: what matches, and its direct children.
    Equals,
    /// `!/path`: what matches is left out.
    Negative,
    /// `-/path`, since 0.19: what matches is left out with everything below.
    NonRecursiveNegative,
}

impl RuleKind {
    /// Does the rule take something out?
    pub fn is_negative(self) -> bool {
        matches!(self, Self::Negative | Self::NonRecursiveNegative)
    }
}

impl Line {
    /// Reads one line. `raw` holds at most one `\n`, at its end.
    pub fn parse(raw: &str) -> Self {
        let (text, ending) = match raw.strip_suffix('\n') {
            None => (raw, ""),
            Some(text) => match text.strip_suffix('\r') {
                None => (text, "\n"),
                Some(text) => (text, "\r\n"),
            },
        };
        Self {
            statement: statement(text),
            text: text.to_owned(),
            ending,
        }
    }

    /// The text without its line ending.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `\n`, `\r\n`, or nothing on the last line.
    pub fn ending(&self) -> &'static str {
        self.ending
    }

    /// What the line means.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The text of a span of this line.
    pub fn get(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Gives the line another text and reads it anew; its ending stays.
    pub fn set_text(&mut self, text: String) {
        self.statement = statement(&text);
        self.text = text;
    }

    /// Puts `with` in the place of `span` and reads the line anew.
    pub fn replace(&mut self, span: &Span, with: &str) {
        let mut text = self.text.clone();
        text.replace_range(span.clone(), with);
        self.set_text(text);
    }

    /// Ends the line with a line feed if it has no ending.
    pub fn terminate(&mut self) {
        if self.ending.is_empty() {
            self.ending = "\n";
        }
    }

    /// Name and value, if the line is an option.
    pub fn option(&self) -> Option<(&str, &str)> {
        match &self.statement {
            Statement::Option { name, value, .. } => Some((self.get(name), self.get(value))),
            _ => None,
        }
    }

    /// The rule, if the line is one.
    pub fn rule(&self) -> Option<&Rule> {
        match &self.statement {
            Statement::Rule(rule) => Some(rule),
            _ => None,
        }
    }

    /// Does the rule hold for some types of files only? `0` says that it does not (since 0.18).
    pub fn is_restricted(&self, rule: &Rule) -> bool {
        rule.restriction
            .as_ref()
            .is_some_and(|span| self.get(span) != "0")
    }

    /// The directive and its argument, if the line is one.
    pub fn directive(&self) -> Option<(Directive, &str)> {
        match &self.statement {
            Statement::Directive {
                directive,
                argument,
            } => Some((*directive, self.get(argument))),
            _ => None,
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn statement(text: &str) -> Statement {
    let start = text.len() - text.trim_start_matches(BLANKS).len();
    let rest = &text[start..];
    if rest.is_empty() {
        return Statement::Blank;
    }
    if rest.starts_with('#') {
        return Statement::Comment;
    }
    if let Some((name, directive)) = DIRECTIVES.iter().find(|(name, _)| rest.starts_with(name)) {
        let argument = trim(text, start + name.len()..text.len());
        return Statement::Directive {
            directive: *directive,
            argument,
        };
    }
    rule(text, start)
        .or_else(|| assignment(text, start))
        .unwrap_or(Statement::Unknown)
}

fn rule(text: &str, start: usize) -> Option<Statement> {
    let rest = &text[start..];
    let (kind, marker) = match rest.as_bytes().first()? {
        b'=' => (RuleKind::Equals, 1),
        b'!' => (RuleKind::Negative, 1),
        b'-' => (RuleKind::NonRecursiveNegative, 1),
        _ => (RuleKind::Regular, 0),
    };
    let path = start + marker;
    if !text[path..].starts_with('/') && macro_at(text, path).is_none() {
        return None;
    }
    let end = string_end(text, path);
    let comment = text[end..].find('#').map(|at| end + at..text.len());
    let expression = trim(
        text,
        end..comment.as_ref().map_or(text.len(), |span| span.start),
    );
    let (restriction, attributes) = split_expression(text, &expression, kind);
    Some(Statement::Rule(Box::new(Rule {
        kind,
        marker: start..path,
        path: path..end,
        restriction,
        attributes,
        comment,
    })))
}

fn assignment(text: &str, start: usize) -> Option<Statement> {
    let length = text[start..]
        .find(|c| !is_name(c))
        .unwrap_or(text.len() - start);
    let name = start..start + length;
    let behind = text[name.end..].trim_start_matches(BLANKS);
    if length == 0 || !behind.starts_with('=') {
        return None;
    }
    let from = text.len() - behind[1..].trim_start_matches(BLANKS).len();
    let equals = name.end..from;
    if OPTIONS.contains(&&text[name.clone()]) {
        let value = from..string_end(text, from);
        return Some(Statement::Option {
            name,
            value,
            equals,
        });
    }
    let end = text[from..].find('#').map_or(text.len(), |at| from + at);
    Some(Statement::Group {
        name,
        equals,
        expression: trim(text, from..end),
    })
}

/// The characters of names: letters, digits, `_`, `%`, and letters beyond ASCII (the scanner's
/// class `L`; which of those it takes does not matter here).
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '%' || !c.is_ascii()
}

/// If `@@{NAME}` stands at `at`: the name's span.
pub(super) fn macro_at(text: &str, at: usize) -> Option<Span> {
    let name = at + 3;
    if !text.get(at..)?.starts_with("@@{") {
        return None;
    }
    let length = text[name..].find(|c| !is_name(c))?;
    (length > 0 && text[name + length..].starts_with('}')).then_some(name..name + length)
}

/// Where a string that starts at `from` ends: before the first blank that no backslash escapes.
pub(super) fn string_end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b' ' | b'\t', _) => break,
            (b'\\', Some(b'\\' | b'@' | b' ')) => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn trim(text: &str, span: Span) -> Span {
    let within = &text[span.clone()];
    let blank = |c: char| BLANKS.contains(&c);
    let start = span.start + (within.len() - within.trim_start_matches(blank).len());
    let end = start + within.trim_matches(blank).len();
    start..end
}

/// Splits `f,d=ext p+u` where two operands meet without an operator between them, as the grammar
/// does: blanks mean nothing there.
fn split_expression(text: &str, span: &Span, kind: RuleKind) -> (Option<Span>, Option<Span>) {
    if span.is_empty() {
        return (None, None);
    }
    let operands = operands(text, span);
    let meeting = operands.windows(2).find(|pair| {
        text[pair[0].end..pair[1].start]
            .trim_matches(BLANKS)
            .is_empty()
    });
    if let Some([left, right]) = meeting {
        return (Some(span.start..left.end), Some(right.start..span.end));
    }
    if !kind.is_negative() {
        return (None, Some(span.clone()));
    }
    if is_restriction(&text[span.clone()]) {
        (Some(span.clone()), None)
    } else {
        (None, Some(span.clone()))
    }
}

/// The operands of an expression: runs of name characters and `>`.
pub(super) fn operands(text: &str, span: &Span) -> Vec<Span> {
    let mut found = Vec::new();
    let mut from = None;
    for (at, c) in text[span.clone()].char_indices() {
        let at = span.start + at;
        match (is_name(c) || c == '>', from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                found.push(start..at);
                from = None;
            }
            _ => {}
        }
    }
    found.extend(from.map(|start| start..span.end));
    found
}

/// File types (one letter each) and a file system type (aide.conf(5), "RESTRICTED RULES").
fn is_restriction(text: &str) -> bool {
    let types = text.split('=').next().unwrap_or_default();
    text == "0"
        || (text.starts_with('=') && text.len() > 1)
        || types.split(',').all(|one| {
            matches!(
                one.trim_matches(BLANKS),
                "f" | "d" | "l" | "c" | "b" | "p" | "s" | "D" | "P"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        let line = Line::parse(text);
        let get = |span: &Span| line.get(span).to_owned();
        let optional = |span: &Option<Span>| span.as_ref().map_or_else(|| "-".to_owned(), get);
        match line.statement() {
            Statement::Blank => vec!["blank".into()],
            Statement::Comment => vec!["comment".into()],
            Statement::Unknown => vec!["unknown".into()],
            Statement::Directive {
                directive,
                argument,
            } => {
                vec![format!("{directive:?}"), get(argument)]
            }
            Statement::Option { name, value, .. } => vec!["option".into(), get(name), get(value)],
            Statement::Group {
                name, expression, ..
            } => {
                vec!["group".into(), get(name), get(expression)]
            }
            Statement::Rule(rule) => vec![
                format!("{:?}", rule.kind),
                get(&rule.path),
                optional(&rule.restriction),
                optional(&rule.attributes),
                optional(&rule.comment),
            ],
        }
    }

    #[test]
    fn reads_each_kind_of_line() {
        let table: &[(&str, &[&str])] = &[
            ("", &["blank"]),
            (" \t ", &["blank"]),
            ("  # /etc R", &["comment"]),
            (
                "@@define DBDIR /var/lib/aide",
                &["Define", "DBDIR /var/lib/aide"],
            ),
            ("\t@@x_include_setenv A b", &["XIncludeSetenv", "A b"]),
            ("@@includefoo", &["Include", "foo"]),
            ("@@ifdef X", &["IfDef", "X"]),
            ("@@iffy", &["If", "fy"]),
            ("database=file:/a # b", &["option", "database", "file:/a"]),
            (" report_url = stdout", &["option", "report_url", "stdout"]),
            (
                "report_url=file:/a\\ b c",
                &["option", "report_url", "file:/a\\ b"],
            ),
            ("report_urlx=stdout", &["group", "report_urlx", "stdout"]),
            ("verbose\t=\t5", &["option", "verbose", "5"]),
            (
                "CONTENT_EX = sha512 + p # all",
                &["group", "CONTENT_EX", "sha512 + p"],
            ),
            ("/etc R", &["Regular", "/etc", "-", "R", "-"]),
            ("  /etc\tR # no", &["Regular", "/etc", "-", "R", "# no"]),
            (
                "/etc f,d R+sha256",
                &["Regular", "/etc", "f,d", "R+sha256", "-"],
            ),
            (
                "/etc f , d p + u",
                &["Regular", "/etc", "f , d", "p + u", "-"],
            ),
            ("/etc d=ext R", &["Regular", "/etc", "d=ext", "R", "-"]),
            ("/etc 0 R", &["Regular", "/etc", "0", "R", "-"]),
            ("/a\\ b#c R", &["Regular", "/a\\ b#c", "-", "R", "-"]),
            ("=/etc/ R", &["Equals", "/etc/", "-", "R", "-"]),
            ("!/etc/mtab$", &["Negative", "/etc/mtab$", "-", "-", "-"]),
            ("!/etc d", &["Negative", "/etc", "d", "-", "-"]),
            ("!/etc =tmpfs", &["Negative", "/etc", "=tmpfs", "-", "-"]),
            ("!/etc NORMAL", &["Negative", "/etc", "-", "NORMAL", "-"]),
            (
                "-/etc f R",
                &["NonRecursiveNegative", "/etc", "f", "R", "-"],
            ),
            ("@@{TOP}/etc R", &["Regular", "@@{TOP}/etc", "-", "R", "-"]),
            ("!@@{TOP}/etc", &["Negative", "@@{TOP}/etc", "-", "-", "-"]),
            ("@@{", &["unknown"]),
            ("other", &["unknown"]),
            ("! /etc", &["unknown"]),
            ("=", &["unknown"]),
        ];
        for (text, expected) in table {
            assert_eq!(parts(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn endings_stay() {
        for (raw, text, ending) in [
            ("a\n", "a", "\n"),
            ("a\r\n", "a", "\r\n"),
            ("a", "a", ""),
            ("a\r", "a\r", ""),
        ] {
            let line = Line::parse(raw);
            assert_eq!((line.text(), line.ending()), (text, ending));
        }
    }
}
