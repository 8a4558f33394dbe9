//! Which changes are shown. Pure.

use regex_automata::meta::Regex;

use super::entry::Entry;
use crate::api::ChangeKind;

/// The path that is asked for is not a valid pattern.
#[derive(Debug, thiserror::Error)]
#[error("the pattern {0} is too long")]
pub(crate) struct InvalidPattern(String);

/// Which changes are shown: those that match one of each kind of condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    paths: Vec<Pattern>,
    kinds: Vec<ChangeKind>,
    attributes: Vec<String>,
}

#[derive(Clone, Debug)]
enum Pattern {
    /// A path, and everything below it.
    Below(String),
    Glob(Regex),
}

impl Filter {
    pub(crate) fn new(
        paths: &[String],
        kinds: Vec<ChangeKind>,
        attributes: Vec<String>,
    ) -> Result<Self, InvalidPattern> {
        let paths = paths.iter().map(|path| Pattern::parse(path));
        Ok(Self {
            paths: paths.collect::<Result<_, _>>()?,
            kinds,
            attributes,
        })
    }

    pub(crate) fn shows(&self, entry: &Entry) -> bool {
        let has = |name: &String| entry.attributes.iter().any(|known| known.name == *name);
        (self.paths.is_empty() || self.paths.iter().any(|it| it.matches(&entry.path)))
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && (self.attributes.is_empty() || self.attributes.iter().any(has))
    }
}

impl Pattern {
    /// `*` and `?` match no slash, `**` matches any text.
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if !text.contains(['*', '?']) {
            return Ok(Self::Below(text.trim_end_matches('/').to_owned()));
        }
        let mut pattern = "^".to_owned();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("**") {
                pattern.push_str(".*");
                rest = after;
                continue;
            }
            match c {
                '*' => pattern.push_str("[^/]*"),
                '?' => pattern.push_str("[^/]"),
                c if c.is_alphanumeric() => pattern.push(c),
                c => {
                    pattern.push('\\');
                    pattern.push(c);
                }
            }
            rest = &rest[c.len_utf8()..];
        }
        pattern.push('$');
        match Regex::new(&pattern) {
            Ok(regex) => Ok(Self::Glob(regex)),
            Err(_) => Err(InvalidPattern(text.to_owned())),
        }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Below(start) => path
                .strip_prefix(start.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Glob(regex) => regex.is_match(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry::without_values(path, ChangeKind::Changed, &["sha256".to_owned()])
    }

    #[test]
    fn patterns_are_prefixes_or_globs() {
        let table = [
            ("/etc", "/etc", true),
            ("/etc/", "/etc/passwd", true),
            ("/etc", "/etcetera", false),
            ("/", "/etc", true),
            ("/etc/*.conf", "/etc/a.conf", true),
            ("/etc/*.conf", "/etc/a/b.conf", false),
            ("/etc/**.conf", "/etc/a/b.conf", true),
            ("/etc/*.conf", "/etc/a_conf", false),
            ("**/a?", "/x/ab", true),
            ("**/a?", "/x/abc", false),
            ("/x (1)[2]{3}+|^$*", "/x (1)[2]{3}+|^$y", true),
            ("/ü*", "/übung", true),
            ("/a\\033*", "/a\\033b", true),
        ];
        for (pattern, path, is_match) in table {
            let filter = Filter::new(&[pattern.to_owned()], Vec::new(), Vec::new()).unwrap();
            assert_eq!(filter.shows(&entry(path)), is_match, "{pattern} {path}");
        }
    }

    #[test]
    fn a_change_matches_one_of_each_kind_of_condition() {
        let shows = |kinds: &[ChangeKind], attributes: &[&str]| {
            let attributes = attributes.iter().copied().map(str::to_owned);
            let filter = Filter::new(&[], kinds.to_vec(), attributes.collect()).unwrap();
            filter.shows(&entry("/a"))
        };
        assert!(shows(&[], &[]));
        assert!(shows(
            &[ChangeKind::Added, ChangeKind::Changed],
            &["size", "sha256"]
        ));
        assert!(!shows(&[ChangeKind::Added], &["sha256"]));
        assert!(!shows(&[ChangeKind::Changed], &["size"]));
    }
}
