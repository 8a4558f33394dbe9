//! Every field of both kinds as a page to read, made from the definitions. Pure; `fio crd --output
//! markdown` prints it.

use std::fmt::Write as _;

use serde_json::Value;

use super::crd::{self, SchemaError};
use super::{GROUP, VERSION};

const HEAD: &str = "\
# Reference

Every field, with its type, default and limits. Printed by `fio crd --output markdown` from the types
that the program uses; `kubectl explain fileintegrity.spec --recursive` shows the same of a cluster.
";

/// The page, in Markdown.
pub fn markdown() -> Result<String, SchemaError> {
    let mut text = HEAD.to_owned();
    for definition in crd::all()? {
        let names = &definition.spec.names;
        writeln!(
            text,
            "\n## {}\n\n`{GROUP}/{VERSION}`, namespaced; `kubectl get {}`.",
            names.kind, names.plural
        )
        .ok();
        for version in &definition.spec.versions {
            let schema = serde_json::to_value(&version.schema)?;
            let schema = &schema["openAPIV3Schema"];
            writeln!(text, "\n{}", description(schema)).ok();
            text.push_str("\n| field | type | default | |\n|---|---|---|---|\n");
            fields(&mut text, "", schema);
        }
    }
    Ok(text)
}

/// A row for each property, and below it those of its own properties.
fn fields(text: &mut String, parent: &str, schema: &Value) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{parent}{name}");
        let default = match &schema["default"] {
            Value::Null => String::new(),
            default => format!("`{}`", cell(&default.to_string())),
        };
        let about = [description(schema), limits(schema)].join(" ");
        let kind = kind(schema);
        writeln!(text, "| `{path}` | {kind} | {default} | {} |", about.trim()).ok();
        fields(text, &format!("{path}."), schema);
        fields(text, &format!("{path}[]."), &schema["items"]);
    }
}

fn kind(schema: &Value) -> String {
    if schema["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    match schema["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", kind(&schema["additionalProperties"]))
        }
        plain => match schema["format"].as_str() {
            Some("date-time") => "time".to_owned(),
            _ => plain.to_owned(),
        },
    }
}

/// What the API refuses, in words.
fn limits(schema: &Value) -> String {
    let mut limits = Vec::new();
    let values: Vec<String> = schema["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|value| !value.is_null())
        .map(|value| {
            format!(
                "`{}`",
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            )
        })
        .collect();
    if !values.is_empty() {
        limits.push(format!("One of {}.", values.join(", ")));
    }
    for (key, words) in [
        ("minimum", "At least"),
        ("maximum", "At most"),
        ("maxLength", "Characters, at most:"),
        ("maxItems", "Entries, at most:"),
        ("pattern", "Matches"),
    ] {
        match &schema[key] {
            Value::Null => {}
            Value::String(pattern) => limits.push(format!("{words} `{}`.", cell(pattern))),
            number => limits.push(format!("{words} {number}.")),
        }
    }
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        if let Some(message) = rule["message"].as_str() {
            limits.push(format!("Refused otherwise: {}.", cell(message)));
        }
    }
    limits.join(" ")
}

fn description(schema: &Value) -> String {
    cell(schema["description"].as_str().unwrap_or_default())
}

/// On one line, and without what would end a table's cell.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_in_the_checkout_is_up_to_date() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/reference/fileintegrity.md"
        );
        let page = std::fs::read_to_string(path).unwrap();
        assert!(
            page == markdown().unwrap(),
            "{path} is not what fio crd --output markdown prints; run make manifests"
        );
    }

    #[test]
    fn what_a_schema_says_becomes_rows() {
        let schema = json!({"properties": {
            "config": {"type": "object", "description": "How\nand where.", "default": {}, "properties": {
                "mode": {"type": "string", "enum": ["a", "b", null], "description": "a | b"},
            }},
            "limits": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": true}},
            "results": {"type": "array", "maxItems": 3, "items": {"type": "object", "properties": {
                "at": {"type": "string", "format": "date-time"},
            }}},
            "seconds": {"type": "integer", "minimum": 0, "x-kubernetes-validations": [
                {"rule": "self < 10", "message": "less than ten"},
            ]},
        }});
        let mut text = String::new();
        fields(&mut text, "", &schema);
        insta::assert_snapshot!(text, @r"
        | `config` | object | `{}` | How and where. |
        | `config.mode` | string |  | a \| b One of `a`, `b`. |
        | `limits` | map to integer or string |  |  |
        | `results` | list of object |  | Entries, at most: 3. |
        | `results[].at` | time |  |  |
        | `seconds` | integer |  | At least 0. Refused otherwise: less than ten. |
        ");
    }
}
