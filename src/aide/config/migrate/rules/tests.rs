use super::*;
use crate::aide::config::budget::Budget;

#[test]
fn a_comment_after_removed_attributes_remains_a_comment() {
    for (text, expected) in [
        ("!/etc/a p+sha256 # why", "!/etc/a # why"),
        ("!/etc/a f p#why//", "!/etc/a f #why//"),
        ("!/etc/a p+sha256\n", "!/etc/a\n"),
    ] {
        let mut configuration = Configuration::parse(text);
        let (user, budget) = (Configuration::parse(text), Budget::default());
        attributes_of_negatives(&mut configuration, &mut Notes::new(&user, &budget));
        assert_eq!(configuration.to_string(), expected);
    }
}

#[test]
fn expressions_that_depend_on_the_end_are_recognized() {
    for regex in [
        "/dev$", "/a(/b|$)", "/a\\z", "/a(?!/b)", "/a\\\\$", "/a*+", "/a\\b",
    ] {
        assert!(depends_on_end(regex), "{regex}");
    }
    for regex in [
        "/dev",
        "/etc/.*~",
        "/a\\$",
        "/a(?:b|c)",
        "/a[0-9]+",
        "/json*",
    ] {
        assert!(!depends_on_end(regex), "{regex}");
    }
}
