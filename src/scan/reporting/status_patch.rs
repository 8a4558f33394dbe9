//! The patch that turns one node status into another. Pure.

use serde_json::{Map, Value};

use crate::api::FileIntegrityNodeStatus;

/// The JSON merge patch (RFC 7396) that turns `current` into `planned`. It has the uid of the object, so
/// that it never changes another object of the same name. None if there is no difference.
pub(crate) fn status_patch(
    current: &FileIntegrityNodeStatus,
    planned: &FileIntegrityNodeStatus,
) -> Result<Option<Value>, serde_json::Error> {
    let Some(mut patch) = merge_difference(&body(current)?, &body(planned)?) else {
        return Ok(None);
    };
    patch["metadata"] = serde_json::json!({"uid": current.metadata.uid});
    Ok(Some(patch))
}

/// The object without its metadata.
pub(super) fn body(status: &FileIntegrityNodeStatus) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(status)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("metadata");
    }
    Ok(value)
}

fn merge_difference(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        _ if from == to => None,
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = Map::new();
            for key in from.keys().filter(|key| !to.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in to {
                let difference = match from.get(key) {
                    Some(old) => merge_difference(old, value),
                    None => Some(value.clone()),
                };
                if let Some(difference) = difference {
                    patch.insert(key.clone(), difference);
                }
            }
            Some(Value::Object(patch))
        }
        _ => Some(to.clone()),
    }
}
