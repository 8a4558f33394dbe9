//! The coverage of paths as JSON. Pure.

use serde_json::{Value, json};

use super::{Coverage, exit_status};

pub(crate) fn json(all: &[Coverage]) -> Value {
    let integrities: Vec<Value> = all
        .iter()
        .map(|coverage| {
            let paths: Vec<Value> = coverage
                .paths
                .iter()
                .map(|watched| {
                    let answer = &watched.answer;
                    json!({
                        "path": watched.path,
                        "watched": answer.watched,
                        "nodes": coverage.nodes_with(watched),
                        "kind": answer.kind,
                        "line": answer.line,
                        "rule": watched.rule,
                        "attributes": answer.attributes,
                    })
                })
                .collect();
            json!({
                "namespace": coverage.owner.namespace,
                "name": coverage.owner.name,
                "configurationHash": coverage.hash,
                "nodes": coverage.nodes,
                "nodesWithConfiguration": coverage.current,
                "paths": paths,
            })
        })
        .collect();
    json!({
        "schemaVersion": 1,
        "kind": "Coverage",
        "exitStatus": exit_status(all),
        "fileIntegrities": integrities,
    })
}
