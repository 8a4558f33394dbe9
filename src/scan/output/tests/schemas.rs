//! Validates lines against extracts of the published schemas.

use std::collections::BTreeMap;

use serde_json::Value;

const ECS: &str = include_str!("../schemas/ecs-9.4.0.csv");
const OCSF: &str = include_str!("../schemas/ocsf-1.8.0.json");

struct EcsField<'a> {
    of_type: &'a str,
    is_array: bool,
    allowed: Vec<&'a str>,
}

fn ecs_rows() -> impl Iterator<Item = Vec<&'static str>> {
    let rows = ECS
        .lines()
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| row.split(',').collect())
}

fn ecs_fields() -> BTreeMap<&'static str, EcsField<'static>> {
    let fields = ecs_rows().filter(|row| row[0] != "category");
    fields
        .map(|row| {
            let field = EcsField {
                of_type: row[1],
                is_array: row[2] == "array",
                allowed: row[3].split('|').filter(|it| !it.is_empty()).collect(),
            };
            (row[0], field)
        })
        .collect()
}

pub(crate) fn assert_valid_ecs(line: &str) {
    let line: Value = serde_json::from_str(line).unwrap();
    let fields = ecs_fields();
    let mut leaves = Vec::new();
    collect_leaves("", &line, &mut leaves);
    for (name, value) in &leaves {
        let field = fields
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} is no field: {line}"));
        let values = match (field.is_array, value) {
            (true, Value::Array(values)) => values.iter().collect(),
            (false, value) => vec![*value],
            (true, value) => panic!("{name} is no array: {value}"),
        };
        for value in values {
            assert!(is_of_ecs_type(value, field.of_type), "{name}: {value}");
            let is_allowed = |text: &str| field.allowed.is_empty() || field.allowed.contains(&text);
            assert!(value.as_str().is_none_or(is_allowed), "{name}: {value}");
        }
    }
    for required in [
        "@timestamp",
        "ecs.version",
        "event.id",
        "event.kind",
        "message",
        "host.name",
    ] {
        assert!(
            leaves.iter().any(|(name, _)| name == required),
            "no {required}: {line}"
        );
    }
    assert_types_of_category(&line["event"]);
}

/// The schema lists the types that it expects for each category.
fn assert_types_of_category(event: &Value) {
    let category = event["category"][0].as_str().unwrap();
    let row = ecs_rows().find(|row| row[0] == "category" && row[1] == category);
    let expected: Vec<&str> = row.unwrap()[3].split('|').collect();
    let of_type = event["type"][0].as_str().unwrap();
    assert!(expected.contains(&of_type), "{category}: {of_type}");
}

/// Names and values of all fields but our own ones below `fio`.
fn collect_leaves<'a>(prefix: &str, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
    for (name, member) in value.as_object().unwrap() {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match member {
            Value::Object(_) if name == "fio" => {}
            Value::Object(_) => collect_leaves(&name, member, leaves),
            _ => leaves.push((name, member)),
        }
    }
}

fn is_of_ecs_type(value: &Value, of_type: &str) -> bool {
    match of_type {
        "keyword" | "match_only_text" | "wildcard" => value.is_string(),
        "date" => value
            .as_str()
            .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        "long" => value.is_u64(),
        _ => false,
    }
}

pub(crate) fn assert_valid_ocsf(line: &str) {
    let line: Value = serde_json::from_str(line).unwrap();
    let schema: Value = serde_json::from_str(OCSF).unwrap();
    let classes = schema["classes"].as_object().unwrap();
    let class = classes
        .values()
        .find(|class| class["uid"] == line["class_uid"]);
    let class = class.unwrap_or_else(|| panic!("no class: {line}"));
    assert_valid_object(&schema, class, &line, "");
    for (name, member) in line.as_object().unwrap() {
        let profile = &class["attributes"][name]["profile"];
        let profiles = line["metadata"]["profiles"].as_array().unwrap();
        assert!(
            profile.is_null() || profiles.contains(profile),
            "{name}: {member}"
        );
    }
    let number = |name: &str| line[name].as_u64().unwrap();
    assert_eq!(
        number("type_uid"),
        number("class_uid") * 100 + number("activity_id")
    );
    assert_eq!(number("category_uid"), number("class_uid") / 1000);
}

fn assert_valid_object(schema: &Value, definition: &Value, value: &Value, place: &str) {
    let members = value
        .as_object()
        .unwrap_or_else(|| panic!("{place} is no object: {value}"));
    let attributes = definition["attributes"].as_object().unwrap();
    for (name, member) in members {
        let place = format!("{place}.{name}");
        let attribute = attributes
            .get(name)
            .unwrap_or_else(|| panic!("no attribute {place}"));
        let values = match (attribute["array"].as_bool(), member) {
            (Some(true), Value::Array(values)) => values.iter().collect(),
            (None, member) => vec![member],
            other => panic!("{place}: {other:?}"),
        };
        for value in values {
            assert_valid_attribute(schema, attribute, value, &place);
        }
    }
    for (name, attribute) in attributes {
        let is_required = attribute["required"] == true;
        assert!(
            !is_required || members.contains_key(name),
            "no {place}.{name}"
        );
    }
    if let Some(names) = definition["at_least_one"].as_array() {
        let is_given = |name: &Value| members.contains_key(name.as_str().unwrap());
        assert!(names.iter().any(is_given), "{place}: none of {names:?}");
    }
}

fn assert_valid_attribute(schema: &Value, attribute: &Value, value: &Value, place: &str) {
    let of_type = attribute["type"].as_str().unwrap();
    if let Some(definition) = schema["objects"].get(of_type) {
        assert_valid_object(schema, definition, value, place);
        return;
    }
    let is_valid = match schema["types"][of_type].as_str().unwrap_or(of_type) {
        "string_t" => value.is_string(),
        "integer_t" | "long_t" => value.is_i64() || value.is_u64(),
        "boolean_t" => value.is_boolean(),
        "object" => value.is_object(),
        _ => false,
    };
    assert!(is_valid, "{place} is no {of_type}: {value}");
    if let Some(allowed) = attribute["enum"].as_array() {
        assert!(allowed.contains(value), "{place}: {value}");
    }
}
