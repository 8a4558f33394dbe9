//! With `spec.config.requireAcceptance`, nothing but an acceptance creates a baseline that accepts changes.

use super::*;

const REQUIRE: &str = names::Annotation::REQUIRE_ACCEPTANCE;
const PREVIOUS: &str = names::Annotation::PREVIOUS_CONFIG;

fn restricted(annotations: &Value) -> Observed {
    let spec = json!({"config": {"requireAcceptance": true}});
    Observed {
        file_integrity: Arc::new(file_integrity(annotations, &spec)),
        ..settled()
    }
}

fn failed(mut status: FileIntegrityNodeStatus) -> FileIntegrityNodeStatus {
    status.last_result = Some(ScanResult::new(Condition::Failed, now()));
    status
}

/// A node with a baseline of the configuration `baseline` that should have the configuration `desired`.
fn with_old(node: &str, desired: &str, baseline: &str) -> FileIntegrityNodeStatus {
    let mut status = asked(node, desired);
    status.baseline.as_mut().unwrap().config_hash = baseline.to_owned();
    status
}

#[test]
fn every_node_gets_it_and_loses_it_with_the_field() {
    let annotations = desired_annotations(&plan(&restricted(&json!({}))), "n1");
    assert_eq!(annotations[REQUIRE], "true");
    assert_eq!(annotations.get(PREVIOUS), None);
    let before = annotated(asked("n1", &hash()), REQUIRE, "true");
    let observed = with_statuses(settled(), &[annotated(before, PREVIOUS, "old")]);
    let annotations = desired_annotations(&plan(&observed), "n1");
    assert_eq!(
        (annotations.get(REQUIRE), annotations.get(PREVIOUS)),
        (None, None)
    );
}

#[test]
fn a_requested_re_initialization_is_removed_with_an_event_that_names_the_command() {
    let record = r#"{"id":"r1"}"#;
    for requested in [
        json!({names::Annotation::REINIT: ""}),
        json!({names::Annotation::REINIT: "n1"}),
        json!({names::Annotation::REINIT_ON_FAILED: ""}),
        json!({names::Annotation::REINIT_RECORD: record}),
        json!({names::Annotation::REINIT: "", names::Annotation::REINIT_RECORD: record}),
    ] {
        let plan = plan(&restricted(&requested));
        let patch = plan.metadata_patch.as_ref().unwrap();
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        let annotations = patch["metadata"]["annotations"].as_object().unwrap();
        for key in requested.as_object().unwrap().keys() {
            assert_eq!(annotations.get(key), Some(&Value::Null), "{key}");
        }
        let [event] = plan.events.as_slice() else {
            panic!("{:?}", plan.events);
        };
        assert_eq!(event.reason, EventReason::AcceptanceRequired);
        assert!(
            event.message.contains("kubectl -n ns create -f"),
            "{event:?}"
        );
        let node = desired_annotations(&plan, "n1");
        assert_eq!(node.get(names::Annotation::REINIT_REQUEST), None);
        assert!(!desired(&plan).iter().any(|it| it.contains("aide-ini")));
    }
    let quiet = plan(&restricted(&json!({})));
    assert_eq!((quiet.metadata_patch, quiet.events.len()), (None, 0));
}

#[test]
fn a_request_that_is_not_done_is_withdrawn() {
    let requested = annotated(status("n1"), names::Annotation::REINIT_REQUEST, "r1");
    let table = [
        (requested.clone(), None),
        (done(requested, "r1"), Some(json!("r1"))),
    ];
    for (first, expected) in table {
        let observed = with_statuses(restricted(&json!({})), &[first, status("n2")]);
        let plan = plan(&observed);
        let annotations = desired_annotations(&plan, "n1");
        let request = annotations.get(names::Annotation::REINIT_REQUEST);
        assert_eq!(request, expected.as_ref());
        assert_eq!(phase(&plan), Phase::Active);
    }
}

#[test]
fn the_end_of_an_update_and_of_a_hold_requests_no_baseline() {
    for hold in [names::HOLDOFF_NODE_UPDATE, ""] {
        let held = annotated(status("n2"), names::Annotation::HOLDOFF, hold);
        // A user ends the hold and requests a re-initialization.
        let annotations = json!({names::Annotation::REINIT: ""});
        let observed = with_statuses(restricted(&annotations), &[status("n1"), held]);
        let annotations = desired_annotations(&plan(&observed), "n2");
        assert_eq!(annotations.get(names::Annotation::HOLDOFF), None);
        assert_eq!(annotations.get(names::Annotation::REINIT_REQUEST), None);
    }
}

#[test]
fn a_new_configuration_waits_on_failed_nodes_and_names_them() {
    let planned = |first: FileIntegrityNodeStatus| {
        let second = asked("n2", &hash());
        let plan = plan(&with_statuses(restricted(&json!({})), &[first, second]));
        let node = desired_annotations(&plan, "n1");
        let of = |key: &str| node.get(key).and_then(Value::as_str).map(str::to_owned);
        (
            of(names::Annotation::DESIRED_CONFIG).unwrap(),
            of(PREVIOUS),
            condition(&plan, ConditionType::ConfigValid).clone(),
            phase(&plan),
            desired(&plan),
        )
    };
    let previous = |status| annotated(status, PREVIOUS, "old");
    // Failed before the new configuration, and failed when it was compared before it.
    for first in [
        failed(with_old("n1", "old", "old")),
        failed(previous(with_old("n1", &hash(), "old"))),
    ] {
        let (config, previous, valid, phase, desired) = planned(first);
        assert_eq!((&*config, previous.as_deref()), ("old", Some("old")));
        let shown = (&*valid.status, &*valid.reason);
        assert_eq!(shown, ("True", "WaitingForAcceptance"));
        assert!(
            valid.message.ends_with("accepted or reverted: n1"),
            "{}",
            valid.message
        );
        assert_eq!(phase, Phase::Active);
        // No signal for what must wait.
        assert!(!desired.contains(&"DaemonSet aide-ini-fi".to_owned()));
    }
    // Without changes it gets the new one, and the old one is known in case that there are changes.
    for first in [
        with_old("n1", "old", "old"),
        previous(with_old("n1", &hash(), "old")),
        // Two changes of the configuration, one soon after the other.
        previous(with_old("n1", "between", "old")),
    ] {
        let (config, previous, valid, phase, _) = planned(first);
        assert_eq!((config, previous.as_deref()), (hash(), Some("old")));
        assert_eq!((&*valid.reason, phase), ("Valid", Phase::Initializing));
    }
    // A hash that nobody has ever requested is only claimed by the node.
    let (config, previous, ..) = planned(failed(with_old("n1", &hash(), "forged")));
    assert_eq!((config, previous), (hash(), None));
}
