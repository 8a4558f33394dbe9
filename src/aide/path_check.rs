//! What AIDE says to `--path-check`: whether a path is watched, and by which rule. Pure.

/// The answer about one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The path is in the database.
    pub watched: bool,
    /// The kind of rule, as AIDE calls it, such as `selective rule`.
    pub kind: Option<String>,
    /// The line of the configuration that holds the rule, from 1.
    pub line: Option<usize>,
    /// The attributes that are compared, as AIDE names them: `p+u+sha256`.
    pub attributes: Option<String>,
}

/// Reads the line that AIDE 0.19 prints:
/// `[x] f:/etc/passwd: selective rule: '/etc (none) p+u+sha256' (FILE:2: '/etc P+sha256')`, or
/// `[ ] f:/usr: no matching rule`. None for anything else.
pub fn parse(stdout: &str, config_file: &str) -> Option<Answer> {
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
    let kind = before.rsplit(": ").next().map(str::to_owned);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_aide_0_19() {
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
        ];
        for (text, expected) in table {
            assert_eq!(parse(text, "c.conf"), Some(expected), "{text}");
        }
        let none = Answer {
            watched: false,
            kind: None,
            line: None,
            attributes: None,
        };
        assert_eq!(
            parse("[ ] f:/usr/a: no matching rule\n", "c.conf"),
            Some(none)
        );
        assert_eq!(parse("", "c.conf"), None);
    }
}
