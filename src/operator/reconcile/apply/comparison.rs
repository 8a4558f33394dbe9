//! Whether an existing object has everything that should be applied to it. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::{DesiredNodeState, names};
use crate::k8s::is_absent;

/// Whether the object was created from this one, and still has all of it.
pub(super) fn is_up_to_date(existing: &Value, desired: &Value) -> bool {
    fn hash(object: &Value) -> &Value {
        &object["metadata"]["annotations"][names::Annotation::APPLIED_HASH]
    }
    hash(existing) == hash(desired) && contains(existing, desired)
}

/// The patch that removes annotations which a daemon would take for the operator's.
pub(super) fn foreign_annotations_removal(
    annotations: &BTreeMap<String, String>,
    desired: &Value,
) -> Option<Value> {
    let desired = &desired["metadata"]["annotations"];
    let removals: Map<String, Value> = DesiredNodeState::ANNOTATIONS
        .into_iter()
        .filter(|key| annotations.contains_key(*key) && desired.get(key).is_none())
        .map(|key| (key.to_owned(), Value::Null))
        .collect();
    (!removals.is_empty()).then(|| json!({"metadata": {"annotations": removals}}))
}

/// Whether `object` has everything that `desired` has. The API adds defaults to maps, but never to
/// lists. Objects in a store have no kind and version.
fn contains(object: &Value, desired: &Value) -> bool {
    match (object, desired) {
        (Value::Object(object), Value::Object(desired)) => desired
            .iter()
            .filter(|(key, _)| {
                !matches!(key.as_str(), "apiVersion" | "kind") || object.contains_key(*key)
            })
            .all(|(key, value)| match object.get(key) {
                Some(found) => contains(found, value),
                None => is_absent(value),
            }),
        (Value::Array(object), Value::Array(desired)) => {
            object.len() == desired.len() && object.iter().zip(desired).all(|(o, d)| contains(o, d))
        }
        _ => object == desired,
    }
}

#[cfg(test)]
mod tests;
