//! The regular expression of a rule's path: its alternatives, and whether it matches `/` itself.
//!
//! Pure. AIDE anchors the expression at the beginning of a path and keeps the rule at a node of its
//! tree: the directory before the first special character (`strrxtok` of seltree.c). Both matter when
//! the host root is put in front.

use super::line::macro_at;
use super::macros::{Macros, Readings};

/// A character of the expression that AIDE compiles.
#[derive(Debug, Clone, Copy)]
struct Unit {
    c: char,
    /// Where it, or the macro that it comes from, begins in the text.
    at: usize,
    from_macro: bool,
}

/// A rule's path with its macros filled in and the scanner's escapes resolved.
#[derive(Debug, Clone)]
pub(super) struct RulePath {
    units: Vec<Unit>,
    length: usize,
}

/// Groups in groups, and groups behind each other, that are followed.
const MOST_GROUPS: usize = 8;

/// Longest expression with its macros filled in, in characters. PCRE2 compiles no longer one.
const LONGEST: usize = 64 * 1024;

/// A macro has several values, and the meaning of the path depends on which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// One alternative of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alternative {
    /// Where it begins in the text, behind any `^`.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// It begins with a slash, and what follows may match nothing: it may match `/` itself.
    pub(super) may_be_root: bool,
}

impl RulePath {
    /// Reads a path as it is written in the configuration.
    pub(super) fn read(text: &str, macros: &Macros) -> Result<Self, Ambiguous> {
        let mut units = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if let Some(name) = macro_at(text, at) {
                let end = name.end + 1;
                let value = value_of(macros.read(&text[at..end]))?;
                units.extend(value.chars().map(|c| Unit {
                    c,
                    at,
                    from_macro: true,
                }));
                if units.len() > LONGEST {
                    return Err(Ambiguous);
                }
                at = end;
                continue;
            }
            let escaped = text[at..]
                .strip_prefix('\\')
                .and_then(|behind| behind.chars().next())
                .filter(|c| matches!(c, '\\' | '@' | ' '));
            units.push(Unit {
                c: escaped.unwrap_or(c),
                at,
                from_macro: false,
            });
            at += if escaped.is_some() { 2 } else { c.len_utf8() };
        }
        Ok(Self {
            units,
            length: text.len(),
        })
    }

    /// The expression that AIDE compiles.
    pub(super) fn regex(&self) -> String {
        self.units.iter().map(|unit| unit.c).collect()
    }

    /// Does a macro hold a `|` that separates alternatives of the whole path?
    pub(super) fn has_alternative_in_macro(&self) -> bool {
        bars(&self.units)
            .iter()
            .any(|&bar| self.units[bar].from_macro)
    }

    /// The alternatives in order; at least one.
    pub(super) fn alternatives(&self) -> Vec<Alternative> {
        let mut ends = bars(&self.units);
        ends.push(self.units.len());
        let mut from = 0;
        ends.into_iter()
            .map(|end| {
                let carets = self.units[from..end]
                    .iter()
                    .take_while(|u| u.c == '^')
                    .count();
                let start = if from == 0 { 0 } else { from + carets };
                let alternative = Alternative {
                    // A macro that is empty leaves no unit.
                    start: if start == 0 { 0 } else { self.offset(start) },
                    end: self.offset(end),
                    may_be_root: self.may_be_root(start, end),
                };
                from = end + 1;
                alternative
            })
            .collect()
    }

    fn offset(&self, unit: usize) -> usize {
        self.units.get(unit).map_or(self.length, |unit| unit.at)
    }

    fn may_be_root(&self, start: usize, end: usize) -> bool {
        let alternative = &self.units[start..end];
        let mut behind = alternative.get(1..).unwrap_or_default();
        // `/*` may be `/`, too.
        while let Some(Unit {
            c: '*' | '+' | '?', ..
        }) = behind.first()
        {
            behind = &behind[1..];
        }
        alternative.first().is_some_and(|unit| unit.c == '/')
            && (behind.first().is_some_and(|unit| unit.c == '{')
                || may_be_empty(behind, MOST_GROUPS))
    }

    /// Is AIDE's node for the rule the root of its tree?
    pub(super) fn is_at_root_node(&self) -> bool {
        node(&self.regex()) == "/"
    }
}

/// The units that separate alternatives of the whole expression.
fn bars(units: &[Unit]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut bars = Vec::new();
    let mut scanner = Scanner::new(units);
    while let Some((at, c)) = scanner.next_special() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => bars.push(at),
            _ => {}
        }
    }
    bars
}

/// Which of several values it is does not matter unless one of them separates alternatives.
fn value_of(readings: Readings) -> Result<String, Ambiguous> {
    let Readings::Known(mut values) = readings else {
        return Err(Ambiguous);
    };
    let splits = |value: &String| {
        let units = value.chars().map(|c| Unit {
            c,
            at: 0,
            from_macro: true,
        });
        !bars(&units.collect::<Vec<Unit>>()).is_empty()
    };
    if values.len() > 1 && values.iter().any(splits) {
        return Err(Ambiguous);
    }
    values.sort_by_key(String::len);
    Ok(values.into_iter().next().unwrap_or_default())
}

/// Walks over an expression and stops at characters that are neither escaped nor in a class.
struct Scanner<'a> {
    units: &'a [Unit],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(units: &'a [Unit]) -> Self {
        Self { units, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.units.get(self.at + ahead).map(|unit| unit.c)
    }

    fn next_special(&mut self) -> Option<(usize, char)> {
        loop {
            let c = self.peek(0)?;
            match c {
                '\\' if self.peek(1) == Some('Q') => self.skip_quoted(),
                '\\' => self.at += 2,
                '[' => self.skip_class(),
                _ => {
                    self.at += 1;
                    return Some((self.at - 1, c));
                }
            }
        }
    }

    /// `\Q...\E`
    fn skip_quoted(&mut self) {
        self.at += 2;
        while self.peek(0).is_some() {
            if self.peek(0) == Some('\\') && self.peek(1) == Some('E') {
                self.at += 2;
                return;
            }
            self.at += 1;
        }
    }

    /// `[...]`, where a `]` at the beginning stands for itself.
    fn skip_class(&mut self) {
        self.at += 1;
        if self.peek(0) == Some('^') {
            self.at += 1;
        }
        if self.peek(0) == Some(']') {
            self.at += 1;
        }
        while let Some(c) = self.peek(0) {
            match c {
                ']' => {
                    self.at += 1;
                    return;
                }
                '\\' => self.at += 2,
                '[' if matches!(self.peek(1), Some(':' | '.' | '=')) => self.skip_posix(),
                _ => self.at += 1,
            }
        }
    }

    /// `[:alpha:]`
    fn skip_posix(&mut self) {
        let kind = self.peek(1);
        let mut at = self.at + 2;
        while at + 1 < self.units.len() {
            if Some(self.units[at].c) == kind && self.units[at + 1].c == ']' {
                self.at = at + 2;
                return;
            }
            at += 1;
        }
        self.at += 1;
    }
}

/// May a sequence match the empty end of a path? Says yes where it cannot be known, and where more than
/// so many groups would have to be followed.
fn may_be_empty(units: &[Unit], groups: usize) -> bool {
    let mut at = 0;
    while at < units.len() {
        let mut scanner = Scanner { units, at };
        let end = match units[at].c {
            '^' | '$' => {
                at += 1;
                continue;
            }
            '(' => return groups == 0 || true_unless_followed(units, at, groups - 1),
            '\\' if matches!(
                scanner.peek(1),
                Some('z' | 'Z' | 'b' | 'B' | 'Q' | 'E' | 'A' | 'G' | 'K' | '0'..='9' | 'g' | 'k')
            ) =>
            {
                return true;
            }
            '\\' => at + 2,
            '[' => {
                scanner.skip_class();
                scanner.at
            }
            _ => at + 1,
        };
        match units.get(end).map(|unit| unit.c) {
            Some('?' | '*') => at = end + 1,
            Some('{') => return true,
            _ => return false,
        }
        // Lazy and possessive quantifiers.
        while matches!(units.get(at).map(|unit| unit.c), Some('?' | '+')) {
            at += 1;
        }
    }
    true
}

/// A group may match nothing if one of its alternatives may, and what follows it as well.
fn true_unless_followed(units: &[Unit], open: usize, groups: usize) -> bool {
    let Some(close) = closing(units, open) else {
        return true;
    };
    let mut inside = &units[open + 1..close];
    let extended = inside.first().is_some_and(|unit| unit.c == '?');
    if extended {
        if inside.get(1).is_none_or(|unit| unit.c != ':') {
            // A look around, a flag, a name: not followed.
            return true;
        }
        inside = &inside[2..];
    }
    let mut from = 0;
    let mut ends = bars(inside);
    ends.push(inside.len());
    let mut empty = false;
    for end in ends {
        empty |= may_be_empty(&inside[from..end], groups);
        from = end + 1;
    }
    let mut behind = close + 1;
    match units.get(behind).map(|unit| unit.c) {
        Some('{') => return true,
        Some('?' | '*') => {
            empty = true;
            behind += 1;
        }
        Some('+') => behind += 1,
        _ => {}
    }
    while matches!(units.get(behind).map(|unit| unit.c), Some('?' | '+')) {
        behind += 1;
    }
    empty && may_be_empty(&units[behind..], groups)
}

fn closing(units: &[Unit], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut scanner = Scanner { units, at: open };
    while let Some((at, c)) = scanner.next_special() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The directory at whose node AIDE keeps a rule (`strrxtok` of seltree.c).
pub(super) fn node(regex: &str) -> String {
    let mut path = String::new();
    let mut last_slash = 0;
    let mut chars = regex.chars().skip(1);
    path.push('/');
    while let Some(c) = chars.next() {
        match c {
            '(' | '^' | '$' | '?' | '*' | '[' => break,
            '\\' => path.extend(chars.next()),
            '/' => {
                last_slash = path.len();
                path.push(c);
            }
            _ => path.push(c),
        }
    }
    path.truncate(last_slash.max(1));
    path
}

fn units(regex: &str) -> Vec<Unit> {
    let unit = |(at, c)| Unit {
        c,
        at,
        from_macro: false,
    };
    regex.char_indices().map(unit).collect()
}

/// The alternatives of an expression without macros and escapes of the scanner.
pub(super) fn regex_alternatives(regex: &str) -> Vec<&str> {
    let path = RulePath {
        units: units(regex),
        length: regex.len(),
    };
    let found = path.alternatives();
    found.iter().map(|one| &regex[one.start..one.end]).collect()
}

/// The expression once for each alternative of the first group, where all of these are literal and the
/// group is not repeated: `/(bin|sbin)/a` is `/bin/a` and `/sbin/a`. Otherwise just the expression.
pub(super) fn group_alternatives(regex: &str) -> Vec<String> {
    literal_group(regex).unwrap_or_else(|| vec![regex.to_owned()])
}

fn literal_group(regex: &str) -> Option<Vec<String>> {
    let (_, rest) = split_literal(regex);
    let before = regex.strip_suffix(rest)?;
    let units = units(rest);
    if units.first()?.c != '(' {
        return None;
    }
    let inside = if rest.starts_with("(?:") { 3 } else { 1 };
    let close = closing(&units, 0)?;
    let end = units[close].at;
    let behind = &rest[end + 1..];
    if behind.starts_with(['?', '*', '+', '{']) {
        return None;
    }
    let alternatives = regex_alternatives(&rest[inside..end]);
    let are_literal = alternatives.iter().all(|one| is_literal(one));
    are_literal.then(|| {
        let whole = |one: &&str| format!("{before}{one}{behind}");
        alternatives.iter().map(whole).collect()
    })
}

/// Has the expression no special characters but escaped ones?
pub(super) fn is_literal(regex: &str) -> bool {
    split_literal(regex).1.is_empty()
}

/// What each match of the expression begins with.
pub(super) fn literal_beginning(regex: &str) -> String {
    split_literal(regex).0
}

/// The text that each match of the expression begins with, and the rest of the expression.
pub(super) fn split_literal(regex: &str) -> (String, &str) {
    let mut beginning = String::new();
    let mut chars = regex.char_indices().peekable();
    let mut last = 0;
    while let Some((at, c)) = chars.next() {
        let c = match c {
            '\\' => match chars.peek().copied() {
                Some((_, escaped)) if escaped.is_ascii_punctuation() || escaped == ' ' => {
                    chars.next();
                    escaped
                }
                _ => return (beginning, &regex[at..]),
            },
            '^' | '$' | '.' | '[' | '(' | ')' | '|' | '?' | '*' | '+' | '{' => {
                if matches!(c, '?' | '*' | '+' | '{') {
                    beginning.pop();
                    return (beginning, &regex[last..]);
                }
                return (beginning, &regex[at..]);
            }
            c => c,
        };
        last = at;
        beginning.push(c);
    }
    (beginning, "")
}

/// What each match of an expression with `$` at its end ends with.
pub(super) fn literal_end(regex: &str) -> String {
    let Some(path) = regex.strip_suffix('$') else {
        return String::new();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '~' | '-' | '_' | '/');
    let length: usize = path
        .chars()
        .rev()
        .take_while(|&c| plain(c))
        .map(char::len_utf8)
        .sum();
    let (before, end) = path.split_at(path.len() - length);
    // `\d` is no `d`.
    let skip = usize::from(before.ends_with('\\')).min(end.len());
    end[skip..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RulePath {
        RulePath::read(text, &Macros::default()).unwrap()
    }

    #[test]
    fn writes_out_the_first_group() {
        for (regex, expected) in [
            ("/(bin|s\\.x)/a.*", &["/bin/a.*", "/s\\.x/a.*"][..]),
            ("/(a|)b", &["/ab", "/b"]),
            ("/a", &["/a"]),
            ("/a(/|$)", &["/a(/|$)"]),
            ("/(a|b)*", &["/(a|b)*"]),
            ("/(?:a|b)", &["/a", "/b"]),
            ("/(?=a|b)", &["/(?=a|b)"]),
            ("/(a|(b))", &["/(a|(b))"]),
            ("/(a|b", &["/(a|b"]),
            ("/.(a|b)", &["/.(a|b)"]),
        ] {
            assert_eq!(group_alternatives(regex), expected, "{regex}");
        }
    }

    #[test]
    fn finds_alternatives_of_the_whole_path() {
        for (text, expected) in [
            ("/etc", vec!["/etc"]),
            ("/a|/b$|^/c", vec!["/a", "/b$", "/c"]),
            ("/(a|b)|/c", vec!["/(a|b)", "/c"]),
            ("/[|]|/[]|]", vec!["/[|]", "/[]|]"]),
            ("/[[:alpha:]|]", vec!["/[[:alpha:]|]"]),
            (r"/a\|b", vec![r"/a\|b"]),
            (r"/a\\|b", vec![r"/a\\|b"]),
            (r"/a\\\\|/b", vec![r"/a\\\\", "/b"]),
            (r"/\Qa|b\E|/c", vec![r"/\Qa|b\E", "/c"]),
            ("/a|", vec!["/a", ""]),
        ] {
            let found: Vec<&str> = read(text)
                .alternatives()
                .iter()
                .map(|one| &text[one.start..one.end])
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn knows_what_may_match_the_root() {
        for text in [
            "/",
            "/$",
            "/.*",
            "/*",
            "/[^/]*$",
            "/(etc)?$",
            "/(|x)",
            "/(etc|$)",
            "/(?:a|b)*",
            "/a?",
            "/a*b?$",
            "/((a))?",
            "/.{0,2}",
            r"/\w*",
        ] {
            assert!(read(text).alternatives()[0].may_be_root, "{text}");
        }
        for text in [
            "/etc",
            "/e+",
            "/.",
            "/(etc|usr)",
            "/(a)+$",
            "/(a?)b",
            "/[a]",
            r"/\.a",
            "/(etc)?x",
        ] {
            assert!(!read(text).alternatives()[0].may_be_root, "{text}");
        }
    }

    #[test]
    fn finds_the_node() {
        for (regex, expected) in [
            ("/", "/"),
            ("/etc", "/"),
            ("/etc/a", "/etc"),
            ("/etc/(a|b)/c", "/etc"),
            ("/etc/", "/etc"),
            (r"/a\.d/b.*", "/a.d"),
            ("/a|/b/c", "/a|/b"),
        ] {
            assert_eq!(node(regex), expected, "{regex}");
        }
    }
}
