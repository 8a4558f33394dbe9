//! The JSON of a comparison. Pure.

use serde_json::{Value, json};

use super::{Diff, Other};
use crate::plugin::changes::json::{described, entry};
use crate::plugin::status::json::SCHEMA_VERSION;

/// The JSON of a comparison.
pub(crate) fn json(diff: &Diff<'_>) -> Value {
    let other = diff
        .other
        .iter()
        .map(|Other { a, b, .. }| json!({"path": a.path, "a": entry(a), "b": entry(b)}));
    json!({
        "schemaVersion": SCHEMA_VERSION,
        "kind": "Diff",
        "exitStatus": diff.exit_status(),
        "a": described(diff.a),
        "b": described(diff.b),
        "onlyA": diff.only_a.iter().map(|it| entry(it)).collect::<Vec<Value>>(),
        "onlyB": diff.only_b.iter().map(|it| entry(it)).collect::<Vec<Value>>(),
        "otherValues": other.collect::<Vec<Value>>(),
        "same": diff.same,
    })
}
