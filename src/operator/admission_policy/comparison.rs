//! Whether a stored object has exactly the spec of its manifest. Pure.
//!
//! A policy that is weaker in any way could have let anything through, and whether a difference weakens it cannot be
//! decided here. So every difference counts. The API server leaves out empty maps and lists, or adds them as defaults:
//! these count as absent.

use serde_json::Value;

use crate::k8s::is_absent;

/// The first field in which the specs differ; None if they are equal.
pub(super) fn difference(expected: &Value, stored: &Value) -> Option<String> {
    let (expected, stored) = (without_empty(expected), without_empty(stored));
    at("spec", &expected["spec"], &stored["spec"])
}

/// Compares what is at this path.
fn at(path: &str, expected: &Value, stored: &Value) -> Option<String> {
    match (expected, stored) {
        (Value::Object(expected), Value::Object(stored)) => {
            let keys = expected
                .keys()
                .chain(stored.keys().filter(|key| !expected.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let (expected, stored) = (of(expected), of(stored));
                let path = format!("{path}.{key}");
                at(
                    &path,
                    &expected.unwrap_or_default(),
                    &stored.unwrap_or_default(),
                )
            })
        }
        (Value::Array(expected), Value::Array(stored)) => {
            let longest = expected.len().max(stored.len());
            (0..longest).find_map(|index| {
                let of = |list: &[Value]| list.get(index).cloned().unwrap_or_default();
                at(&format!("{path}[{index}]"), &of(expected), &of(stored))
            })
        }
        _ => (expected != stored).then(|| path.to_owned()),
    }
}

/// The value without fields that are null, or empty maps or lists. Items of lists stay.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key, without_empty(value)));
            let fields = fields.filter(|(_, value)| !is_absent(value));
            fields.map(|(key, value)| (key.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
