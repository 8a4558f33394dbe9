//! Tests of the record.

use super::super::fixtures::{annotated, selected};
use super::*;

#[test]
fn the_id_of_a_record_is_checked() {
    let id = |text: &str| {
        let fi = annotated(&[(names::Annotation::REINIT_RECORD, text)]);
        ReinitRecord::from_annotations(&fi).map(|record| record.id)
    };
    assert_eq!(id(r#"{"id":"abc"}"#).as_deref(), Some("abc"));
    for text in [
        "",
        "{}",
        r#"{"id":""}"#,
        r#"{"id":"a/b"}"#,
        r#"{"id":"config:x"}"#,
        r#"{"id":"a\nb"}"#,
    ] {
        assert_eq!(id(text), None, "{text}");
    }
    assert!(is_request_id(&names::short_hash("anything")));
}

#[test]
fn one_write_replaces_the_annotation_by_a_record() {
    let fi = annotated(&[(names::Annotation::REINIT, "n1")]);
    let patch = record_patch(
        &fi,
        &ReinitRequest::from_annotations(&fi, &selected(), &[]).unwrap(),
    );
    let annotations = &patch["metadata"]["annotations"];
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    assert_eq!(annotations[names::Annotation::REINIT], Value::Null);
    let text = annotations[names::Annotation::REINIT_RECORD]
        .as_str()
        .unwrap()
        .to_owned();
    let record =
        ReinitRecord::from_annotations(&annotated(&[(names::Annotation::REINIT_RECORD, &text)]))
            .unwrap();
    assert!(record.includes("n1") && !record.includes("n2"));
}

#[test]
fn a_request_for_no_node_leaves_no_record() {
    let fi = annotated(&[(names::Annotation::REINIT_ON_FAILED, "")]);
    let patch = record_patch(
        &fi,
        &ReinitRequest::from_annotations(&fi, &selected(), &[]).unwrap(),
    );
    assert_eq!(
        patch["metadata"]["annotations"].get(names::Annotation::REINIT_RECORD),
        None
    );
}
