//! Tests of the lines that exclude paths.

use super::*;
use crate::aide::config::prepare;
use crate::aide::config::reach::Reach;

const ROOT: &str = "/hostroot";
const BASE: &str = "/hostroot/etc p\n";

fn paths(shown: &[&str]) -> ExcludedPaths {
    let mut paths = ExcludedPaths::default();
    for path in shown {
        paths.add(path).unwrap();
    }
    paths
}

#[test]
fn only_plain_paths_that_aide_can_match_are_valid() {
    use InvalidPath::{NotExact, NotPlain, NotText, TooLong};
    let long = format!("/{}", "a".repeat(4096));
    let table = [
        ("/etc/motd", None),
        ("/a b/c:d/@@e/%f/#g/…", None),
        (r"/line\012feed/back\134slash", None),
        ("", Some(NotPlain)),
        ("/", Some(NotPlain)),
        ("etc", Some(NotPlain)),
        ("/etc/", Some(NotPlain)),
        ("//etc", Some(NotPlain)),
        ("/etc/./motd", Some(NotPlain)),
        ("/etc/..", Some(NotPlain)),
        ("/etc/..a", None),
        ("/line\nfeed", Some(NotExact)),
        (r"/back\slash", Some(NotExact)),
        // A printable character is written as it is.
        (r"/\141", Some(NotExact)),
        (r"/\000", Some(NotText)),
        (r"/\377", Some(NotText)),
        (&long, Some(TooLong)),
    ];
    for (path, expected) in table {
        let added = ExcludedPaths::default().add(path);
        assert_eq!(added.err(), expected, "{path}");
    }
}

#[test]
fn a_path_is_excluded_with_everything_below_it() {
    let paths = paths(&["/etc/a", "/srv"]);
    for (path, expected) in [
        ("/etc/a", true),
        ("/etc/a/b/c", true),
        ("/srv/x", true),
        ("/etc/ab", false),
        ("/etc", false),
        ("/", false),
    ] {
        assert_eq!(paths.excludes(path.as_bytes()), expected, "{path}");
    }
    for (path, expected) in [("/etc", true), ("/srv/x", true), ("/var", false)] {
        assert_eq!(paths.overlaps(path), expected, "{path}");
    }
}

#[test]
fn what_was_appended_is_found_again() {
    for shown in [
        &["/etc/motd"][..],
        &[
            "/a b/@@{c}/#d$",
            r"/line\012feed/x",
            r"/back\134slash",
            "/ü",
        ],
    ] {
        let paths = paths(shown);
        for base in [BASE, "/hostroot/etc p", "@@if x\n\n\n"] {
            let text = paths.append_to(base, ROOT);
            let (rest, found) = ExcludedPaths::split(&text, ROOT);
            assert_eq!((&rest, &found), (&with_line_end(base), &paths));
            // Without them, the text is the same.
            let (whole, none) = ExcludedPaths::split(base, ROOT);
            assert_eq!((whole, none.is_empty()), (rest, true));
        }
    }
    assert_eq!(ExcludedPaths::default().append_to(BASE, ROOT), BASE);
}

#[test]
fn rules_of_a_user_are_not_taken_for_exclusions() {
    let text = paths(&["/etc/motd"]).append_to(BASE, ROOT);
    let other = [
        text.replace("-/hostroot", "/hostroot"),
        text.replace("-/hostroot", "-/other"),
        text.replace("# /etc/motd", "# /etc/passwd"),
        text.replace("# /etc/motd\n", ""),
        format!("{text}/hostroot/usr p\n"),
        format!("x{HEAD}"),
    ];
    for text in other {
        let (rest, found) = ExcludedPaths::split(&text, ROOT);
        assert_eq!((rest, found.is_empty()), (with_line_end(&text), true));
    }
}

#[test]
fn the_conversion_of_the_active_text_keeps_the_exclusions() {
    let prepared = prepare("/etc p\n", "/etc/kubernetes", ROOT).unwrap();
    let paths = paths(&["/etc/a b", r"/etc/line\012feed"]);
    let conf = paths.append_to(&prepared.conf, ROOT);
    let again = prepare(&conf, "/etc/kubernetes", ROOT).unwrap();
    let (_, found) = ExcludedPaths::split(&again.effective, ROOT);
    assert_eq!(found, paths, "{conf}\n{}", again.effective);
}

#[test]
fn everything_is_excluded_if_no_rule_begins_elsewhere() {
    let table = [
        ("/hostroot/etc p\n", &["/etc"][..], true),
        (
            "/hostroot/etc/ssh p\n/hostroot/etc/pam.d p\n",
            &["/etc"],
            true,
        ),
        ("/hostroot/etc p\n/hostroot/usr p\n", &["/etc"], false),
        (
            "/hostroot/etc p\n/hostroot/usr p\n",
            &["/etc", "/usr"],
            true,
        ),
        ("/hostroot/(etc|usr) p\n", &["/etc", "/usr"], false),
        ("/hostroot/etc p\n", &["/etc/motd"], false),
        ("!/hostroot/etc\n", &["/etc"], false),
        ("", &["/etc"], false),
    ];
    for (text, shown, expected) in table {
        let is_all = paths(shown).exclude_all_of(text, ROOT);
        assert_eq!(is_all, expected, "{text:?} {shown:?}");
    }
}

/// Realtime detection neither watches nor reports them.
#[test]
fn excluded_directories_are_not_reached() {
    let text = paths(&["/etc/cache", "/etc/a b"]).append_to(BASE, ROOT);
    let mut reach = Reach::of(&Configuration::parse(&text));
    for (path, expected) in [
        ("/hostroot/etc", true),
        ("/hostroot/etc/cached", true),
        ("/hostroot/etc/cache", false),
        ("/hostroot/etc/cache/x", false),
        ("/hostroot/etc/a b", false),
    ] {
        assert_eq!(reach.includes(path.as_bytes()), expected, "{path}");
        assert_eq!(reach.excludes(path.as_bytes()), !expected, "{path}");
    }
}
