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
fn each_property_of_a_schema_becomes_a_row() {
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
    | `results` | list of object |  | Maximum number of items: 3. |
    | `results[].at` | time |  |  |
    | `seconds` | integer |  | Minimum: 0. Validation: less than ten. |
    ");
}
