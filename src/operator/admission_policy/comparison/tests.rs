use serde_json::json;

use super::super::manifest::Policy;
use super::*;

/// The policy and its binding as the API server stores them.
fn stored() -> [Value; 2] {
    let documents = Policy::Acceptance.documents("ns");
    documents.map(|document| serde_saphyr::from_str(&document.text).unwrap())
}

fn with(object: usize, pointer: &str, value: Value) -> (usize, Value) {
    let mut stored = stored()[object].take();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match stored.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
        other => panic!("{pointer}: {other}"),
    }
    (object, stored)
}

fn without_item(object: usize, pointer: &str) -> (usize, Value) {
    let mut stored = stored()[object].take();
    let list = stored.pointer_mut(pointer).unwrap();
    list.as_array_mut().unwrap().pop().unwrap();
    (object, stored)
}

#[test]
fn the_manifests_equal_themselves_and_are_no_empty_text() {
    for object in stored() {
        assert_eq!(difference(&object, &object), None);
        assert!(object["spec"].as_object().unwrap().len() > 2);
    }
    // Somebody replaced both with nothing.
    for object in stored() {
        assert!(difference(&object, &json!({})).is_some());
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_difference_counts_and_is_named() {
    let elsewhere = json!({"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}});
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"],
    });
    let (policy, binding) = (0, 1);
    for ((object, stored), field) in [
        (
            with(policy, "/spec/failurePolicy", json!("Ignore")),
            "spec.failurePolicy",
        ),
        (
            with(policy, "/spec/failurePolicy", Value::Null),
            "spec.failurePolicy",
        ),
        (
            with(
                policy,
                "/spec/matchConstraints/excludeResourceRules",
                json!([rule]),
            ),
            "spec.matchConstraints.excludeResourceRules",
        ),
        (
            with(
                policy,
                "/spec/matchConstraints/namespaceSelector",
                elsewhere.clone(),
            ),
            "spec.matchConstraints.namespaceSelector",
        ),
        (
            with(
                policy,
                "/spec/matchConstraints/objectSelector",
                elsewhere.clone(),
            ),
            "spec.matchConstraints.objectSelector",
        ),
        (
            with(policy, "/spec/matchConstraints/matchPolicy", json!("Exact")),
            "spec.matchConstraints.matchPolicy",
        ),
        (
            with(
                policy,
                "/spec/matchConstraints/resourceRules/0/resourceNames",
                json!(["a"]),
            ),
            "spec.matchConstraints.resourceRules[0].resourceNames",
        ),
        (
            with(
                policy,
                "/spec/matchConstraints/resourceRules/0/operations",
                json!(["CREATE"]),
            ),
            "spec.matchConstraints.resourceRules[0].operations[1]",
        ),
        (
            without_item(policy, "/spec/matchConstraints/resourceRules"),
            "spec.matchConstraints.resourceRules[3]",
        ),
        (
            with(policy, "/spec/matchConditions/0/expression", json!("false")),
            "spec.matchConditions[0].expression",
        ),
        (
            with(
                policy,
                "/spec/matchConditions",
                json!([
                    stored()[0]["spec"]["matchConditions"][0], {"name": "never", "expression": "false"},
                ]),
            ),
            "spec.matchConditions[1]",
        ),
        (
            with(policy, "/spec/variables/0/expression", json!("false")),
            "spec.variables[0].expression",
        ),
        (
            with(policy, "/spec/validations/0/expression", json!("true")),
            "spec.validations[0].expression",
        ),
        (
            without_item(policy, "/spec/validations"),
            "spec.validations[15]",
        ),
        (
            with(policy, "/spec/auditAnnotations", json!([])),
            "spec.auditAnnotations",
        ),
        (
            with(
                policy,
                "/spec/paramKind",
                json!({"apiVersion": "v1", "kind": "ConfigMap"}),
            ),
            "spec.paramKind",
        ),
        (
            with(binding, "/spec/policyName", json!("other")),
            "spec.policyName",
        ),
        (
            with(binding, "/spec/validationActions", json!(["Audit"])),
            "spec.validationActions[0]",
        ),
        (
            with(binding, "/spec/validationActions", json!(["Warn", "Audit"])),
            "spec.validationActions[0]",
        ),
        (
            with(
                binding,
                "/spec/paramRef",
                json!({"name": "a", "parameterNotFoundAction": "Allow"}),
            ),
            "spec.paramRef",
        ),
        (
            with(
                binding,
                "/spec/matchResources/namespaceSelector",
                elsewhere.clone(),
            ),
            "spec.matchResources.namespaceSelector.matchLabels.kubernetes.io/metadata.name",
        ),
        (
            with(binding, "/spec/matchResources/objectSelector", elsewhere),
            "spec.matchResources.objectSelector",
        ),
        (
            with(binding, "/spec/matchResources/resourceRules", json!([rule])),
            "spec.matchResources.resourceRules",
        ),
        (
            with(
                binding,
                "/spec/matchResources/excludeResourceRules",
                json!([rule]),
            ),
            "spec.matchResources.excludeResourceRules",
        ),
        (
            with(binding, "/spec/fieldOfTheFuture", json!(0)),
            "spec.fieldOfTheFuture",
        ),
    ] {
        let expected = &self::stored()[object];
        assert_eq!(difference(expected, &stored).as_deref(), Some(field));
    }
}

#[test]
fn what_is_empty_counts_as_absent() {
    for (expected, stored) in [
        (json!({"a": {}}), json!({})),
        (json!({}), json!({"a": [], "b": null, "c": {"d": {}}})),
        (json!({"a": {"b": {}}, "c": 1}), json!({"c": 1})),
    ] {
        let [expected, stored] = [expected, stored].map(|spec| json!({"spec": spec}));
        assert_eq!(difference(&expected, &stored), None, "{stored}");
    }
    // But not items of a list: [""] is not [].
    for (expected, stored, field) in [
        (json!([{}]), json!([]), "spec.a"),
        (json!([""]), json!([]), "spec.a"),
        (json!([""]), json!(["", ""]), "spec.a[1]"),
    ] {
        let [expected, stored] =
            [expected, stored].map(|list| json!({"spec": {"a": list, "b": 1}}));
        assert_eq!(difference(&expected, &stored).as_deref(), Some(field));
    }
}

#[test]
fn metadata_and_status_do_not_count() {
    let [mut policy, _] = stored();
    policy["metadata"] = json!({"name": "n", "annotations": {"a": "b"}, "generation": 5});
    policy["status"] = json!({"observedGeneration": 5});
    assert_eq!(difference(&stored()[0], &policy), None);
}
