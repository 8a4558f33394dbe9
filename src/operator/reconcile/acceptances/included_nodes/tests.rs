use serde_json::{Value, json};

use super::*;

fn nodes(json: Value) -> AcceptedNodes {
    serde_json::from_value(json).unwrap()
}

fn labels() -> Labels {
    let pairs = [("zone", "a"), ("role/worker", ""), ("cpu", "arm")];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    pairs.into_iter().collect()
}

#[test]
fn nodes_are_included_by_name_or_by_labels() {
    let expression = |key: &str, operator: &str, values: Value| {
        json!({"selector": {"matchExpressions": [
            {"key": key, "operator": operator, "values": values},
        ]}})
    };
    let table = [
        (json!({}), true),
        (json!({"names": ["n1", "n2"]}), true),
        (json!({"names": ["n2"]}), false),
        (json!({"selector": {"matchLabels": {"zone": "a"}}}), true),
        (
            json!({"selector": {"matchLabels": {"role/worker": ""}}}),
            true,
        ),
        (
            json!({"selector": {"matchLabels": {"zone": "a", "cpu": "x"}}}),
            false,
        ),
        (expression("zone", "In", json!(["b", "a"])), true),
        (expression("zone", "In", json!(["b"])), false),
        (expression("absent", "In", json!(["b"])), false),
        (expression("zone", "NotIn", json!(["a"])), false),
        (expression("zone", "NotIn", json!(["b"])), true),
        (expression("absent", "NotIn", json!(["b"])), true),
        (expression("role/worker", "Exists", json!([])), true),
        (expression("absent", "Exists", json!(null)), false),
        (expression("zone", "DoesNotExist", json!(null)), false),
        (expression("absent", "DoesNotExist", json!(null)), true),
        (
            json!({"selector": {"matchLabels": {"zone": "a"}, "matchExpressions": [
                {"key": "cpu", "operator": "In", "values": ["amd"]},
            ]}}),
            false,
        ),
    ];
    for (json, expected) in table {
        let nodes = nodes(json.clone());
        let included = IncludedNodes::new(Some(&nodes)).unwrap();
        assert_eq!(included.includes("n1", &labels()), expected, "{json}");
    }
    let all = IncludedNodes::new(None).unwrap();
    assert!(all.includes("n1", &Labels::default()));
}

#[test]
fn a_selector_that_cannot_be_evaluated_is_invalid() {
    let table = [
        (
            json!({"key": "zone", "operator": "Gt", "values": ["1"]}),
            "operator Gt;",
        ),
        (
            json!({"key": "zone", "operator": "in", "values": ["a"]}),
            "operator in;",
        ),
        (
            json!({"key": "zone", "operator": "In"}),
            "no values for zone",
        ),
        (
            json!({"key": "zone", "operator": "NotIn", "values": []}),
            "no values for zone",
        ),
        (
            json!({"key": "zone", "operator": "Exists", "values": ["a"]}),
            "has values for zone",
        ),
        (json!({"key": "a\nb", "operator": "In"}), "a\\nb"),
    ];
    for (requirement, expected) in table {
        let nodes = nodes(json!({"selector": {"matchExpressions": [requirement]}}));
        let error = IncludedNodes::new(Some(&nodes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
