//! Tables of existing objects, and whether they are up to date.

use kube::ResourceExt as _;

use super::*;
use crate::api::{AcceptanceRequest, AnnouncedChanges, HoldEnd, HoldReason, TimedHold};
use crate::operator::cache::node_status::from_json;
use crate::operator::reconcile::build::node_status;

#[test]
fn defaults_of_the_api_are_ignored_and_changes_are_not() {
    let desired =
        json!({"apiVersion": "v1", "spec": {"a": [{"name": "x", "args": ["1"]}], "none": {}}});
    let table = [
        (
            json!({"spec": {"a": [{"name": "x", "args": ["1"], "default": true}], "b": 1}}),
            true,
        ),
        (
            json!({"spec": {"a": [{"name": "x", "args": ["2"]}]}}),
            false,
        ),
        (
            json!({"spec": {"a": [{"name": "x", "args": ["1", "2"]}]}}),
            false,
        ),
        (json!({"spec": {"a": []}}), false),
        (json!({}), false),
    ];
    for (object, expected) in table {
        assert_eq!(contains(&object, &desired), expected, "{object}");
    }
}

#[test]
fn foreign_annotations_are_removed() {
    let desired = json!({"metadata": {"annotations": {names::Annotation::REINIT_REQUEST: "r"}}});
    let removed = |keys: &[&str]| {
        let annotations = keys.iter().map(|key| ((*key).to_owned(), String::new()));
        foreign_annotations_removal(&annotations.collect(), &desired)
    };
    assert_eq!(
        removed(&[names::Annotation::REINIT_REQUEST, "somebody/else's"]),
        None
    );
    let hold = json!({"metadata": {"annotations": {names::Annotation::HOLDOFF: null}}});
    assert_eq!(removed(&[names::Annotation::HOLDOFF]), Some(hold));
}

#[test]
fn a_cached_node_status_has_everything_that_was_applied_except_the_hash() {
    let fi = json!({"metadata": {"name": "f".repeat(70), "namespace": "ns", "uid": "u"}, "spec": {"config": {}}});
    let desired = DesiredNodeState {
        config_hash: Some("c".to_owned()),
        reinit_request: Some("r".to_owned()),
        scan_request: Some("s".to_owned()),
        acceptance: Some(AcceptanceRequest {
            name: "a".to_owned(),
            uid: "u".to_owned(),
            attempt: 1,
            change_set: "s".to_owned(),
            config_hash: "c".to_owned(),
            until: "2026-01-02T03:04:05Z".parse().unwrap(),
            publish_report: false,
        }),
        announced: vec![AnnouncedChanges {
            name: "a".to_owned(),
            uid: "u".to_owned(),
            until: "2026-01-02T03:04:05Z".parse().unwrap(),
            config_hash: "c".to_owned(),
        }],
        hold: Some(HoldReason::User),
        holds: vec![TimedHold {
            name: "h".to_owned(),
            from: "2026-01-02T03:04:05Z".parse().unwrap(),
            until: "2026-01-02T04:04:05Z".parse().unwrap(),
            then: HoldEnd::Report,
        }],
        require_acceptance: true,
        previous_config: Some("p".to_owned()),
    };
    let fi = serde_json::from_value(fi).unwrap();
    let mut object = node_status(&fi, "n1", &desired);
    let existing = from_json(object.clone()).to_applied_object();
    let seen = serde_json::to_value(&existing).unwrap();
    assert!(!is_up_to_date(&seen, &object));
    let nothing = node_status(&fi, "n1", &DesiredNodeState::default());
    let removal = foreign_annotations_removal(existing.annotations(), &nothing).unwrap();
    let removed = removal["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(removed.len(), DesiredNodeState::ANNOTATIONS.len());
    let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
    assert!(
        annotations
            .remove(names::Annotation::APPLIED_HASH)
            .is_some()
    );
    assert!(contains(&seen, &object));
}

#[test]
fn an_object_with_another_hash_is_not_up_to_date() {
    let desired = |hash: &str| json!({"metadata": {"name": "x", "annotations": {names::Annotation::APPLIED_HASH: hash}}, "data": {"k": "v"}});
    assert!(is_up_to_date(&desired("1"), &desired("1")));
    assert!(!is_up_to_date(&desired("1"), &desired("2")));
}
