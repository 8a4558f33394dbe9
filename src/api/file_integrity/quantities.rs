//! The schema of resource quantities.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A map of quantities like those in the API's own types: each is a number or a string. The format is
/// checked by a rule, not by a pattern, because the API server's message about a pattern only quotes
/// it. The API server limits the cost of rules, so the map has a maximum size.
pub(super) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": 8,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "x-kubernetes-validations": [{
                "rule": "isQuantity(string(self))",
                "message": "must be a quantity: a number with or without a unit, such as 300m or 1 for cpu, 600Mi or 1Gi for memory"
            }]
        }
    })
}
