use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::json;

use super::*;
use crate::operator::reconcile::plan::tests::settled;

/// A DaemonSet of the cluster, last applied by this field manager.
fn existing(name: &str, label: &str, manager: &str) -> Arc<DaemonSet> {
    let value = json!({"metadata": {
        "name": name, "uid": format!("uid of {name}"), "generation": 7, "labels": {label: "fi"},
        "managedFields": [{"manager": manager, "operation": "Apply"}],
    }});
    Arc::new(serde_json::from_value(value).unwrap())
}

fn observed() -> Observed {
    let mut observed = settled();
    observed.daemon_sets = vec![
        existing(
            "aide-fi",
            names::Label::OWNER,
            names::FIELD_MANAGER_OPERATOR,
        ),
        existing("aide-ini-fi", names::Label::REINIT_OWNER, "another"),
    ];
    observed
}

fn object(name: &str, label: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {label: "fi"}}})
}

#[test]
fn an_applied_daemon_set_has_the_version_that_was_observed() {
    let observed = observed();
    let version = |name: &str| DaemonSetVersion {
        uid: format!("uid of {name}"),
        generation: 7,
    };
    let cases = [
        ("aide-fi", names::Label::OWNER, false, true),
        ("aide-ini-fi", names::Label::REINIT_OWNER, true, true),
        ("aide-ini-fi-n1", names::Label::REINIT_OWNER, true, false),
    ];
    for (name, label, is_reinit, exists) in cases {
        let object = object(name, label);
        let applied = applied(&observed, &object);
        assert_eq!((applied.file_integrity, applied.name), ("fi", name));
        assert_eq!(applied.is_reinit, is_reinit, "{name}");
        assert_eq!(applied.observed, exists.then(|| version(name)), "{name}");
    }
}

#[test]
fn a_deleted_daemon_set_is_a_reinit_daemon_set_by_its_observed_label() {
    let observed = observed();
    for (name, is_reinit, exists) in [
        ("aide-fi", false, true),
        ("aide-ini-fi", true, true),
        ("aide-ini-fi-n1", false, false),
    ] {
        let deleted = deleted(&observed, name);
        assert_eq!((deleted.file_integrity, deleted.name), ("fi", name));
        assert_eq!(deleted.is_reinit, is_reinit, "{name}");
        assert_eq!(deleted.observed.is_some(), exists, "{name}");
    }
}

#[test]
fn the_outcome_of_a_write_is_what_was_applied() {
    assert!(matches!(outcome(None), WriteOutcome::Unchanged));
    let applied = Applied {
        uid: "u".to_owned(),
        generation: 3,
        replaced: true,
    };
    let WriteOutcome::Written { version, replaced } = outcome(Some(&applied)) else {
        panic!("it was written");
    };
    assert_eq!(
        (version.uid.as_str(), version.generation, replaced),
        ("u", 3, true)
    );
}

#[test]
fn only_an_existing_daemon_set_that_another_manager_applied_is_replaced() {
    let observed = observed();
    let replaced = |name| is_replaced(&observed, &object(name, names::Label::OWNER));
    assert!(!replaced("aide-fi"), "applied by the operator");
    assert!(replaced("aide-ini-fi"), "applied by another manager");
    assert!(!replaced("aide-ini-fi-n1"), "it does not exist");
}
