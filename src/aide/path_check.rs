//! `--path-check` of AIDE: whether a path is watched, and by which rule. Pure.

/// The result for one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether the path is watched.
    pub watched: bool,
    /// The kind of rule in the terms of AIDE, such as `selective rule`.
    pub kind: Option<String>,
    /// The line of the rule in the configuration, starting with 1.
    pub line: Option<usize>,
    /// The attributes in the terms of AIDE: `p+u+sha256`.
    pub attributes: Option<String>,
}

/// AIDE's argument for a path of the node, such as `/etc/passwd` or `d:/etc`: below the host root and without
/// trailing slash. A path with a trailing slash is a directory. `None` if the path is not absolute or
/// contains `..`.
pub(crate) fn argument(path: &str, host_root: &str) -> Option<String> {
    let (kind, path) = match path.split_once(':') {
        Some((kind, rest)) if kind.len() == 1 => (Some(kind), rest),
        _ => (None, path),
    };
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".")
        .collect();
    if !path.starts_with('/') || names.contains(&"..") {
        return None;
    }
    let by_name = if path.ends_with('/') { "d" } else { "f" };
    let kind = kind.unwrap_or(by_name);
    let slash = if names.is_empty() { "" } else { "/" };
    Some(format!("{kind}:{host_root}{slash}{}", names.join("/")))
}

/// Parses the output of AIDE 0.19:
/// `[x] f:/etc/passwd: selective rule: '/etc (none) p+u+sha256' (FILE:2: '/etc P+sha256')`, or
/// `[ ] f:/usr: no matching rule`. Removes `host_root` from paths.
pub(crate) fn parse(stdout: &str, config_file: &str, host_root: &str) -> Option<Answer> {
    let line = stdout.lines().find(|line| line.starts_with('['))?;
    let watched = line.starts_with("[x]");
    let Some((before, rule)) = line.split_once(": '") else {
        return Some(Answer {
            watched,
            kind: None,
            line: None,
            attributes: None,
        });
    };
    let kind = before.rsplit(": ").next();
    let kind = kind.map(|kind| kind_on_node(kind, host_root));
    let (rule, place) = rule.split_once("' (").unwrap_or((rule, ""));
    let number = place
        .strip_prefix(config_file)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.parse().ok());
    let attributes = rule
        .rsplit(' ')
        .next()
        .filter(|_| watched)
        .map(str::to_owned);
    Some(Answer {
        watched,
        kind,
        line: number,
        attributes,
    })
}

/// Converts `parent directory '/hostroot/etc/x' matches non-recursive negative rule` to the kind of rule followed by
/// the directory on the node.
fn kind_on_node(kind: &str, host_root: &str) -> String {
    let parent = kind.strip_prefix("parent directory '");
    let Some((directory, rule)) = parent.and_then(|parent| parent.split_once("' matches ")) else {
        return kind.to_owned();
    };
    let directory = match directory.strip_prefix(host_root) {
        Some("") => "/",
        Some(directory) => directory,
        None => directory,
    };
    format!("{rule} for the parent directory '{directory}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_for_a_directory_has_no_trailing_slash() {
        for (path, expected) in [
            ("/etc/passwd", Some("f:/h/etc/passwd")),
            ("d:/etc/", Some("d:/h/etc")),
            ("/etc/", Some("d:/h/etc")),
            ("l:/a//b/./c", Some("l:/h/a/b/c")),
            ("/", Some("d:/h")),
            ("d:/", Some("d:/h")),
            ("d:/a:b", Some("d:/h/a:b")),
            ("etc", None),
            ("d:etc/", None),
            ("/etc/../usr", None),
            ("", None),
        ] {
            assert_eq!(argument(path, "/h").as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn outputs_of_aide_0_19_are_parsed() {
        let answer = |watched, kind: &str, line, attributes: Option<&str>| Answer {
            watched,
            kind: Some(kind.to_owned()),
            line: Some(line),
            attributes: attributes.map(str::to_owned),
        };
        let table = [
            (
                "[x] f:/h/etc/passwd: selective rule: '/h/etc (none) p+u+sha256' (c.conf:2: '/h/etc P+sha256')",
                answer(true, "selective rule", 2, Some("p+u+sha256")),
            ),
            (
                "[ ] f:/h/etc/mtab: recursive negative rule: '!/h/etc/mtab (none)' (c.conf:3: '!/h/etc/mtab')",
                answer(false, "recursive negative rule", 3, None),
            ),
            (
                "[x] d:/h/var: equal rule: '=/h/var d p' (c.conf:5: '=/h/var d p')",
                answer(true, "equal rule", 5, Some("p")),
            ),
            (
                "[ ] f:/h/etc/o s/y: parent directory '/h/etc/o s' matches non-recursive negative rule: '-/h/etc/o s (none)' (c.conf:4: '-/h/etc/o\\ s')",
                answer(
                    false,
                    "non-recursive negative rule for the parent directory '/etc/o s'",
                    4,
                    None,
                ),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text, "c.conf", "/h"), Some(expected), "{text}");
        }
        let none = Answer {
            watched: false,
            kind: None,
            line: None,
            attributes: None,
        };
        assert_eq!(
            parse("[ ] f:/usr/a: no matching rule\n", "c.conf", "/h"),
            Some(none)
        );
        assert_eq!(parse("", "c.conf", "/h"), None);
    }
}
