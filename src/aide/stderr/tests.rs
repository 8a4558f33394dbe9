use super::*;

/// How many were left out, in motion, and others.
fn counts(text: &str) -> (u64, u64, u64) {
    let stderr = Stderr::of(text);
    (
        stderr.skipped.count,
        stderr.changing.count,
        stderr.others.count,
    )
}

#[test]
fn lines_are_classified() {
    let table = [
        ("", (0, 0, 0)),
        (
            "WARNING: failed to open directory '/tmp' for reading: stat fields changed: n (skipping recursion)",
            (1, 0, 0),
        ),
        (
            "WARNING: failed to open directory '/a' for reading directory contents: Permission denied (skipping recursion)",
            (1, 0, 0),
        ),
        (
            "WARNING: hash calculation: failed to read file content of '/a': Input/output error (hashsums could not be calculated)",
            (1, 0, 0),
        ),
        (
            "WARNING: failed to access '/a': No such file or directory (skipping)",
            (0, 0, 0),
        ),
        (
            "WARNING: failed to access '/a': Permission denied (skipping)",
            (1, 0, 0),
        ),
        (
            "WARNING: acl_get_fd() failed to get ACL for '/a': Operation not supported (disabling acl attribute)",
            (0, 0, 0),
        ),
        (
            "WARNING: failed to open file '/a' for reading: open() failed: Resource temporarily unavailable (disabling attrs requiring read permissions: sha256)",
            (1, 0, 0),
        ),
        (
            "WARNING: failed to open file '/a' for reading: open() failed: No such file or directory (disabling attrs requiring read permissions: sha256)",
            (0, 0, 0),
        ),
        (
            "  WARNING: '/a' has changed (changed fields: mtime) during hash calculation (discarding calculated hashsums)",
            (0, 1, 0),
        ),
        (
            "WARNING: number of bytes read for hash calculation (1) mismatches expected stat size (2) for '/b' (discarding calculated hashsums)",
            (0, 1, 0),
        ),
        ("WARNING: /etc/aide.conf:3: DEPRECATED", (0, 0, 1)),
        ("NOTICE: something", (0, 0, 0)),
    ];
    for (text, expected) in table {
        assert_eq!(counts(text), expected, "{text}");
    }
}

#[test]
fn names_of_files_do_not_affect_the_class() {
    for name in [
        "/x: No such file or directory",
        "/x: No such file or directory (skipping)",
        "/x (disabling y)",
        "/No such file or directory",
        "/it's No such file or directory (disabling x",
        "/x\nNOTICE: y",
        "/x\nERROR: y",
    ] {
        let text = format!("WARNING: failed to access '{name}': Permission denied (skipping)");
        assert_eq!(counts(&text).0, 1, "{text}");
        assert_eq!(Stderr::of(&text).error, None, "{text}");
        let text = format!(
            "WARNING: '{name}' has changed (changed fields: mtime) during hash calculation (discarding calculated hashsums)"
        );
        assert_eq!(counts(&text).1, 1, "{text}");
    }
    let text = "WARNING: acl_get_fd() failed to get ACL for '/x for reading: y': Operation not supported (disabling acl attribute)";
    assert_eq!(counts(text), (0, 0, 0));
    // The second half of a line whose path has a line feed.
    let text = "NOTICE: ' for reading: Permission denied (skipping recursion)";
    assert_eq!(counts(text), (1, 0, 0));
    let text = "ERROR: '/a (disabling b' cannot be read";
    assert_eq!(Stderr::of(text).error.as_deref(), Some(text));
}

#[test]
fn the_first_line_and_the_number_of_lines_are_kept() {
    let flood = "WARNING: symlink '/l' points to a dead target\n".repeat(5_000);
    let text = format!(
        "{flood}  WARNING: failed to access '/a': Permission denied (skipping)\n\
         WARNING: failed to access '/b': Permission denied (skipping)\n  ERROR: /c:1: no\nERROR: late\n"
    );
    let stderr = Stderr::of(&text);
    let expected = "failed to access '/a': Permission denied (skipping) (2 in all)";
    assert_eq!(stderr.skipped.summary().as_deref(), Some(expected));
    assert_eq!(stderr.error.as_deref(), Some("ERROR: /c:1: no"));
    assert_eq!(stderr.others.count, 5_000);
    assert_eq!(stderr.changing.summary(), None);
}

#[test]
fn a_long_path_is_shortened_in_the_middle() {
    let path = "/d".repeat(3_000);
    let text = format!("WARNING: failed to access '{path}': File name too long (skipping)");
    let summary = Stderr::of(&text).skipped.summary().unwrap();
    assert!(summary.starts_with("failed to access '/d/d"), "{summary}");
    assert!(
        summary.ends_with("/d': File name too long (skipping) (1 in all)"),
        "{summary}"
    );
    assert!(
        summary.contains('…') && summary.len() < MAX_FIRST + 40,
        "{summary}"
    );
}

#[test]
fn start_and_end_of_a_long_line_are_kept() {
    let mut line = LongLine::default();
    line.extend(b"begin ");
    for _ in 0..1_000 {
        line.extend(&[b'x'; 700]);
    }
    line.extend(b" end");
    let text = line.take();
    assert_eq!(text.len(), MAX_HEAD + MAX_TAIL);
    assert!(text.starts_with("begin x") && text.ends_with("x end"));
    assert_eq!(line.take(), "");
}
