//! Tests of labels.

use super::*;

#[test]
fn labels_are_found_by_the_whole_key() {
    let labels = [("b", "2"), ("a", "1"), ("a/b", "")];
    let labels: Labels = labels
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let table = [
        ("a", Some("1")),
        ("b", Some("2")),
        ("a/b", Some("")),
        ("", None),
        ("a/", None),
    ];
    for (key, expected) in table {
        assert_eq!(labels.get(key), expected, "{key}");
    }
}
