use super::json::json;
use super::text::text;
use super::*;
use crate::plugin::changes::tests::changes;
use crate::plugin::fixtures::{screen, undocumented};

#[test]
fn paths_are_only_in_one_or_have_other_values() {
    let a = changes("node01", &[("/a", "1"), ("/b", "1"), ("/c", "1")]);
    let b = changes("node47", &[("/b", "2"), ("/c", "1"), ("/d\u{1b}[31m", "1")]);
    let filter = Filter::default();
    let diff = Diff::new(&a, &b, &filter);
    for width in [80, 200] {
        for (color, suffix) in [(false, ""), (true, "_color")] {
            let text = text(&diff, false, &screen(Some(width), color));
            insta::assert_snapshot!(format!("diff_{width}{suffix}"), text);
        }
    }
    assert_eq!(undocumented(&json(&diff)), Vec::<String>::new());
    insta::assert_json_snapshot!("diff_json", json(&diff));
    assert_eq!((diff.same, diff.exit_status()), (1, 1));
}

#[test]
fn nothing_differs_only_if_everything_is_known() {
    let a = changes("node01", &[("/a", "1")]);
    let mut b = changes("node02", &[("/a", "1")]);
    let filter = Filter::default();
    assert_eq!(Diff::new(&a, &b, &filter).exit_status(), 0);
    b.is_complete = false;
    let diff = Diff::new(&a, &b, &filter);
    assert_eq!(diff.exit_status(), 2);
    assert!(text(&diff, false, &screen(None, false)).contains("not all changes are known"));
}

#[test]
fn old_values_are_those_of_the_baselines() {
    let a = changes("node01", &[("/a", "1")]);
    let mut b = changes("node02", &[("/a", "1")]);
    b.entries[0].attributes[0].old = Some("another".to_owned());
    assert_eq!(Diff::new(&a, &b, &Filter::default()).same, 1);
}
