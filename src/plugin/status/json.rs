//! The JSON of a status. Pure.
//!
//! Programs rely on it. Fields are added without notice; if one is removed or gets another meaning, [`SCHEMA_VERSION`]
//! increases.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{IntegrityStatus, Status};
use crate::api::RealtimeState;
use crate::plugin::fleet::{Counts, Node, NodeHoldReason, OpenAcceptance};

/// The version of the JSON of all commands.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The JSON of a status.
pub(crate) fn json(status: &Status<'_>) -> Value {
    let fleet = status.fleet;
    json!({
        "schemaVersion": SCHEMA_VERSION,
        "kind": "Status",
        "exitStatus": status.exit_status(),
        "fileIntegrities": status.integrities.iter().map(integrity).collect::<Vec<Value>>(),
        "acceptances": fleet.acceptances.iter().flatten().map(acceptance).collect::<Vec<Value>>(),
        "unread": fleet.unread,
    })
}

fn integrity(status: &IntegrityStatus<'_>) -> Value {
    let integrity = status.integrity;
    let counts = status.counts;
    let realtime: serde_json::Map<String, Value> = RealtimeState::ALL
        .iter()
        .map(|state| {
            let name = state.as_str().to_lowercase();
            (name, json!(status.realtime(*state)))
        })
        .collect();
    let problems = integrity.problems.iter().map(|problem| {
        json!({
            "condition": problem.condition,
            "reason": problem.reason,
            "message": problem.message,
        })
    });
    let sets = status.sets.iter().map(|set| {
        json!({
            "id": set.id.to_string(),
            "nodes": set.nodes,
            "counts": counts_of(set.counts),
            "firstSeen": time(set.first_seen),
            "examplePath": set.example_path,
            "samePathsAs": set.same_paths_as.map(|id| id.to_string()),
        })
    });
    json!({
        "namespace": integrity.owner.namespace,
        "name": integrity.owner.name,
        "phase": integrity.phase,
        "configuration": integrity.configuration,
        "periodSeconds": integrity.period,
        "realtime": realtime,
        "counts": {
            "nodes": status.nodes.len(),
            "ok": counts.ok,
            "changed": counts.changed,
            "errored": counts.errored,
            "pending": counts.pending,
            "held": counts.held,
            "stale": integrity.stale,
            "notSelected": integrity.not_selected,
        },
        "notSelected": integrity.excluded,
        "problems": problems.collect::<Vec<Value>>(),
        "changeSets": sets.collect::<Vec<Value>>(),
        "nodes": status.nodes.iter().map(|it| node(it)).collect::<Vec<Value>>(),
    })
}

fn node(node: &Node) -> Value {
    let scan = node.scan.as_ref();
    let error = scan.and_then(|scan| scan.error.as_ref());
    json!({
        "name": node.name,
        "state": node.state().as_str(),
        "held": node.hold.as_ref().map(NodeHoldReason::as_str),
        "holds": node.spec_hold().map(|hold| json!({
            "names": hold.names,
            "since": hold.since.to_string(),
            "until": hold.until.to_string(),
        })),
        "changeSet": node.set().map(|id| id.to_string()),
        "counts": scan.map(|scan| counts_of(scan.counts)),
        "error": error.map(|(class, message)| json!({"class": class.as_str(), "message": message})),
        "reportedAt": time(scan.map(|scan| scan.at)),
        "lastFullScan": time(node.last_full_scan),
        "realtime": node.realtime.map(|(state, reason)| json!({"state": state, "reason": reason})),
        "baseline": node.baseline.map(|(created_at, is_requested)| {
            json!({"createdAt": created_at.to_string(), "requested": is_requested})
        }),
    })
}

fn acceptance(acceptance: &OpenAcceptance) -> Value {
    json!({
        "namespace": acceptance.owner.namespace,
        "name": acceptance.name,
        "fileIntegrity": acceptance.owner.name,
        "changeSet": acceptance.set,
        "counts": acceptance.counts,
        "until": time(acceptance.until),
        "approvedBy": acceptance.approved_by,
        "reason": acceptance.reason,
    })
}

pub(crate) fn counts_of(counts: Counts) -> Value {
    json!({"added": counts.added, "changed": counts.changed, "removed": counts.removed})
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
