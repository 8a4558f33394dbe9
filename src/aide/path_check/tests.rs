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
