//! Determines the meaning of a line, as AIDE's grammar does (`conf_yacc.y`). Pure.

use super::lexer::{BLANKS, is_name, macro_at, operands, string_end, trim};
use super::statement::{Directive, Rule, RuleKind, Span, Statement};

/// Longest first: like AIDE's scanner, the parser selects the longest match.
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

/// All options of AIDE 0.16 to 0.19, and `syslog_format` of Red Hat's builds
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

pub(super) fn statement(text: &str) -> Statement {
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
    let after = text[name.end..].trim_start_matches(BLANKS);
    if length == 0 || !after.starts_with('=') {
        return None;
    }
    let from = text.len() - after[1..].trim_start_matches(BLANKS).len();
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

/// Splits `f,d=ext p+u` between two operands without an operator between them, as the grammar does. Blanks have
/// no meaning.
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

/// Whether a text has the form of file types (one letter each) and a file system type (aide.conf(5), "RESTRICTED RULES").
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
