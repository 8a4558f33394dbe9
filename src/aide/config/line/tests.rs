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
fn all_kinds_of_lines_are_parsed() {
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
fn line_endings_are_kept() {
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
