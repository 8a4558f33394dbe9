//! Tests of the annotation.

use super::super::reinit::fixtures::{annotated, selected};
use super::*;

fn request(value: &str) -> ScanRequest {
    let fi = annotated(&[(names::Annotation::SCAN, value)]);
    ScanRequest::from_annotation(&fi, selected).unwrap()
}

/// The nodes of the records that replace the annotation: one, or none at all.
fn recorded(value: &str) -> Vec<Option<Vec<String>>> {
    let fi = annotated(&[(names::Annotation::SCAN, value)]);
    let mut changes = AnnotationChanges::default();
    request(value).record(&fi, &mut changes);
    let patch = changes.patch(&fi).unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    let annotations = patch["metadata"]["annotations"].as_object().unwrap();
    assert!(annotations[names::Annotation::SCAN].is_null());
    let text = annotations.get(names::Annotation::SCAN_RECORD);
    let records = text.map(|text| {
        let fi = annotated(&[(names::Annotation::SCAN_RECORD, text.as_str().unwrap())]);
        RequestRecord::from_annotation(&fi, names::Annotation::SCAN_RECORD).unwrap()
    });
    records.into_iter().map(|record| record.nodes).collect()
}

#[test]
fn the_annotation_is_replaced_by_a_record() {
    assert_eq!(recorded(""), [None]);
    let some = vec!["n1".to_owned(), "n2".to_owned()];
    assert_eq!(recorded("n2, n1,n2"), [Some(some)]);
    // There is nothing to do.
    assert!(recorded("gone").is_empty() && recorded(",").is_empty());
    let none = ScanRequest::from_annotation(&annotated(&[]), selected);
    assert_eq!(none, None);
}

#[test]
fn nodes_that_cannot_be_scanned_are_named() {
    assert_eq!(request("").unknown_nodes(), None);
    assert_eq!(request("n1").unknown_nodes(), None);
    let message = request("n1,gone").unknown_nodes().unwrap();
    assert_eq!(message, "scan names nodes that are not selected: gone");
    let message = request(" , ").unknown_nodes().unwrap();
    assert!(message.starts_with("scan names no node: "), "{message}");
}
