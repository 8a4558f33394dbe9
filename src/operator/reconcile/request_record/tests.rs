//! Tests of the record.

use super::super::reinit::fixtures::annotated;
use super::*;

const REINIT: &str = names::Annotation::REINIT;
const RECORD: &str = names::Annotation::REINIT_RECORD;

fn record(nodes: Option<&[&str]>) -> RequestRecord {
    let own = |nodes: &[&str]| nodes.iter().map(|node| (*node).to_owned()).collect();
    RequestRecord {
        id: "r1".to_owned(),
        nodes: nodes.map(own),
    }
}

#[test]
fn the_id_of_a_record_is_checked() {
    let id = |text: &str| {
        let fi = annotated(&[(RECORD, text)]);
        RequestRecord::from_annotation(&fi, RECORD).map(|record| record.id)
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
    assert!(is_request_id(&request_hash(&annotated(&[]))));
}

#[test]
fn one_write_replaces_the_annotation_by_a_record() {
    let fi = annotated(&[(REINIT, "n1")]);
    let mut changes = AnnotationChanges::default();
    changes.replace(&[REINIT], RECORD, &record(Some(&["n1"])));
    changes.remove("other");
    let patch = changes.patch(&fi).unwrap();
    let annotations = &patch["metadata"]["annotations"];
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    assert_eq!(
        (&annotations[REINIT], &annotations["other"]),
        (&Value::Null, &Value::Null)
    );
    let text = annotations[RECORD].as_str().unwrap().to_owned();
    let record = RequestRecord::from_annotation(&annotated(&[(RECORD, &text)]), RECORD).unwrap();
    assert!(record.includes("n1") && !record.includes("n2"));
}

#[test]
fn a_request_for_no_node_leaves_no_record() {
    let mut changes = AnnotationChanges::default();
    changes.replace(&[REINIT], RECORD, &record(Some(&[])));
    let patch = changes.patch(&annotated(&[])).unwrap();
    assert_eq!(patch["metadata"]["annotations"], json!({REINIT: null}));
}

#[test]
fn the_removal_of_a_record_does_not_depend_on_other_changes() {
    let fi = annotated(&[]);
    assert_eq!(AnnotationChanges::default().patch(&fi), None);
    let mut changes = AnnotationChanges::default();
    changes.remove(RECORD);
    let expected = json!({"metadata": {"annotations": {RECORD: null}}});
    assert_eq!(changes.patch(&fi), Some(expected));
}
