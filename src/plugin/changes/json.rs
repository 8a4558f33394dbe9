//! The JSON of changes. Pure.

use serde_json::{Map, Value, json};

use super::{Attribute, Changes, Entry, Filter, Source};
use crate::plugin::status::json::{SCHEMA_VERSION, counts_of};

/// The JSON of changes.
pub(crate) fn json(changes: &Changes, filter: &Filter) -> Value {
    let shown = changes.entries.iter().filter(|entry| filter.shows(entry));
    let mut value = described(changes);
    value["schemaVersion"] = json!(SCHEMA_VERSION);
    value["kind"] = json!("Changes");
    value["exitStatus"] = json!(changes.exit_status());
    value["changes"] = shown.map(entry).collect();
    value
}

/// What they are the changes of.
pub(crate) fn described(changes: &Changes) -> Value {
    json!({
        "namespace": changes.owner.namespace,
        "fileIntegrity": changes.owner.name,
        "changeSet": changes.set.map(|id| id.to_string()),
        "nodes": changes.nodes,
        "source": match &changes.source {
            Source::Log { config_map, node } => {
                json!({"kind": "failureLog", "configMap": config_map, "node": node})
            }
            Source::Evidence { config_map } => json!({"kind": "evidence", "configMap": config_map}),
            Source::NodeStatus { node } => json!({"kind": "nodeStatus", "node": node}),
            Source::Error(message) => json!({"kind": "error", "message": message}),
            Source::Nothing => json!({"kind": "none"}),
        },
        "counts": counts_of(changes.counts),
        "complete": changes.is_complete,
        "notes": changes.notes,
    })
}

/// The JSON of a path.
pub(crate) fn entry(entry: &Entry) -> Value {
    let attributes = entry.attributes.iter();
    let attributes: Map<String, Value> = attributes
        .map(|Attribute { name, old, new }| (name.clone(), json!({"old": old, "new": new})))
        .collect();
    json!({
        "path": entry.path,
        "kind": entry.kind,
        "attributes": attributes,
        "actor": entry.actor,
    })
}
