//! Tests of requests in annotations.

use serde_json::json;

use super::super::fixtures::{annotated, selected};
use super::*;
use crate::operator::cache::node_status::from_json;

#[test]
fn annotations_are_parsed() {
    let failed = ["n3".to_owned()];
    let all = names::Annotation::REINIT;
    let on_failed = names::Annotation::REINIT_ON_FAILED;
    let check = |annotations: &[(&str, &str)], nodes: Option<&[&str]>, unknown: Option<&str>| {
        let request =
            ReinitRequest::from_annotations(&annotated(annotations), &selected(), &failed).unwrap();
        let own = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(request.nodes, nodes.map(own), "{annotations:?}");
        let message = request.unknown_nodes.as_deref();
        assert_eq!(message, unknown, "{annotations:?}");
    };
    let no_node =
        "re-init names no node: give an empty value for all nodes, or names separated by commas";
    let unknown = "re-init names nodes that are not selected: gone";
    check(&[(all, "")], None, None);
    check(&[(all, " ")], None, None);
    check(&[(all, ",")], Some(&[]), Some(no_node));
    check(
        &[(all, " , ,"), (on_failed, "")],
        Some(&["n3"]),
        Some(no_node),
    );
    check(&[(all, "n2, n1,,n2")], Some(&["n1", "n2"]), None);
    check(&[(all, "n1,gone")], Some(&["n1"]), Some(unknown));
    check(&[(on_failed, "")], Some(&["n3"]), None);
    check(&[(all, "n1"), (on_failed, "")], Some(&["n1", "n3"]), None);
    assert_eq!(
        ReinitRequest::from_annotations(&annotated(&[]), &selected(), &failed),
        None
    );
}

#[test]
fn requests_without_effect_are_reported() {
    let request = |key: &str, value: &str, failed: &[String]| {
        ReinitRequest::from_annotations(&annotated(&[(key, value)]), &selected(), failed).unwrap()
    };
    let (all, on_failed) = (
        names::Annotation::REINIT,
        names::Annotation::REINIT_ON_FAILED,
    );
    assert!(request(on_failed, "", &[]).finds_none_failed);
    assert!(!request(on_failed, "", &["n1".to_owned()]).finds_none_failed);
    assert!(!request(all, "", &[]).finds_none_failed);
    let many = format!("n1,{}{}", "x/?#\n%2f..".repeat(100), ",y".repeat(1000));
    let message = request(all, &many, &[]).unknown_nodes.unwrap();
    assert!(message.ends_with(", y"), "{message}");
    let many: Vec<String> = (0..1000).map(|n| format!("\u{1b}{n}")).collect();
    let message = request(all, &many.join(","), &[]).unknown_nodes.unwrap();
    assert!(message.ends_with("and 990 more"), "{message}");
    assert!(
        message.len() < 1024 && !message.contains('\u{1b}'),
        "{message}"
    );
}

#[test]
fn failed_nodes_are_those_of_the_file_integrity() {
    let status = |node: &str, owner: &str, condition: &str| {
        from_json(json!({
            "metadata": {"name": node, "ownerReferences": [{
                "apiVersion": "a", "kind": "FileIntegrity", "name": owner, "uid": "u",
                "controller": true,
            }]},
            "nodeName": node,
            "lastResult": {"condition": condition, "lastProbeTime": "2026-01-02T03:04:05Z"},
        }))
    };
    let statuses = [
        status("n1", "fi", "Failed"),
        status("n2", "fi", "Succeeded"),
        status("n3", "other", "Failed"),
        status("n4", "fi", "Errored"),
    ];
    assert_eq!(failed_nodes("fi", &statuses), ["n1"]);
}

#[test]
fn a_list_without_nodes_is_reported() {
    let message = |annotations: &[(&str, &str)]| {
        let request =
            ReinitRequest::from_annotations(&annotated(annotations), &selected(), &[]).unwrap();
        request.unknown_nodes.unwrap_or_default()
    };
    let reinit = names::Annotation::REINIT;
    assert!(message(&[(reinit, ",")]).starts_with("re-init names no node"));
    assert!(message(&[(reinit, ",n9")]).ends_with("not selected: n9"));
    assert_eq!(message(&[(reinit, "")]), "");
    assert_eq!(message(&[(names::Annotation::REINIT_ON_FAILED, "")]), "");
}

#[test]
fn a_request_is_recorded_with_its_origin() {
    let id = |annotations: &[(&str, &str)]| {
        let fi = annotated(annotations);
        let mut changes = AnnotationChanges::default();
        let request = ReinitRequest::from_annotations(&fi, &selected(), &["n3".to_owned()]);
        request.unwrap().record(&fi, &mut changes);
        let patch = changes.patch(&fi).unwrap();
        let annotations = &patch["metadata"]["annotations"];
        for key in fi.metadata.annotations.iter().flat_map(|it| it.keys()) {
            assert!(annotations[key].is_null(), "{annotations}");
        }
        let record = annotations[names::Annotation::REINIT_RECORD].as_str();
        let record: RequestRecord = serde_json::from_str(record.unwrap()).unwrap();
        RequestOrigin::of_request(&record.id)
    };
    let (all, on_failed) = (
        names::Annotation::REINIT,
        names::Annotation::REINIT_ON_FAILED,
    );
    assert_eq!(id(&[(all, "n1")]), Some(RequestOrigin::Annotation));
    assert_eq!(id(&[(on_failed, "")]), Some(RequestOrigin::OnFailed));
    assert_eq!(
        id(&[(all, ""), (on_failed, "")]),
        Some(RequestOrigin::Annotation)
    );
}
