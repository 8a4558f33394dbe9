use super::*;

const FILE: &str = "/config/aide.effective.conf";

fn message(stderr: &str) -> String {
    aide_error(stderr, "database_in=file:x\n/etc\tNONE\n", None, FILE)
}

#[test]
fn an_error_has_what_aide_expected() {
    let expecting = "syntax error, unexpected new line, expecting group or '=' or '0'";
    let stderr = format!("  ERROR: {FILE}:2: {expecting} (line: '/etc\\011NONE')\n");
    assert_eq!(
        message(&stderr),
        format!("line 2: {expecting} (`/etc\\011NONE`)")
    );
}

#[test]
fn the_error_for_too_many_rules_has_a_hint() {
    let stderr = format!("  ERROR: {FILE}:2: memory exhausted (line: '/etc\\011NONE')\n");
    let expected = format!("line 2: memory exhausted{TOO_LONG_HINT} (`/etc\\011NONE`)");
    assert_eq!(message(&stderr), expected);
}

#[test]
fn an_error_has_the_line_of_the_user() {
    let stderr = format!(
        "WARNING: acl\n  ERROR: {FILE}:2: group 'NONE' is not defined (line: '/etc\\011NONE')\n"
    );
    assert_eq!(
        message(&stderr),
        "line 2: group 'NONE' is not defined (`/etc\\011NONE`)"
    );
    let stderr =
        format!("  ERROR: {FILE}:2:5: error in rule '/etc': missing ) (line: '/etc\\011NONE')");
    assert_eq!(
        message(&stderr),
        "line 2: error in rule '/etc': missing ) (`/etc\\011NONE`)"
    );
    let stderr = "  ERROR: (--before):1: open failed for file '/x': No such file or directory \
                  (line: 'database_in=file:/x')";
    assert_eq!(
        message(stderr),
        "open failed for file '/x': No such file or directory"
    );
    let stderr = format!("  ERROR: {FILE}:9: syntax error, unexpected end of file");
    assert_eq!(
        message(&stderr),
        "line 9: syntax error, unexpected end of file"
    );
}

#[test]
fn an_error_quotes_the_line_of_the_user() {
    let effective = "/hostroot/etc( p # c\n-/hostroot/a\n";
    let stderr = format!(
        "  ERROR: {FILE}:1:5: error in rule '/hostroot/etc(': missing ) (line: '/hostroot/etc( p # c')"
    );
    let expected = "line 1: error in rule '/etc(': missing ) (`/etc( p # c`)";
    let user = Some("/etc( p # c\n!/a\n");
    assert_eq!(aide_error(&stderr, effective, user, FILE), expected);
    assert_eq!(aide_error(&stderr, effective, None, FILE), expected);
    let user = Some(effective);
    let message = aide_error(&stderr, effective, user, FILE);
    assert_eq!(
        message,
        "line 1: error in rule '/hostroot/etc(': missing ) (`/hostroot/etc( p # c`)"
    );
}

#[test]
fn text_from_other_files_is_removed() {
    let secret = "root:$6$abc";
    for stderr in [
        format!("  ERROR: /etc/shadow:1: unexpected character: ':' (line: '{secret}')"),
        format!("  ERROR: {FILE}:2: unexpected character: ':' (line: '{secret}')"),
        format!("  ERROR: {FILE}:2: group '{secret}' is not defined (line: '/etc\\011NONE')"),
        format!("  ERROR: {FILE}:7: group '{secret}' is not defined (line: '{secret}')"),
        format!("  ERROR: /bin/x: stderr> {secret}"),
    ] {
        let message = message(&stderr);
        assert!(!message.is_empty() && !message.contains("abc"), "{message}");
    }
}

#[test]
fn a_message_is_short_and_on_one_line() {
    let long = "x".repeat(100_000);
    let message = message(&format!("  ERROR: cannot open\u{7} {long}\nmore"));
    assert!(message.chars().count() <= MAX_LENGTH && message.starts_with("cannot open\\007 xx"));
    assert_eq!(aide_error("WARNING: nothing", "", None, FILE), "");
}
