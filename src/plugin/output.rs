//! The output for programs: JSON and YAML. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use super::safe::safe;
use crate::aide::report::is_printable;

/// JSON with line feeds and indentation. Characters that a terminal could execute are escaped, also those that JSON allows.
pub(crate) fn json(value: &Value) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut text = String::with_capacity(pretty.len() + 1);
    for c in pretty.chars() {
        if is_printable(c) || matches!(c, '\n' | '\\') {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                write!(text, "\\u{unit:04x}").ok();
            }
        }
    }
    text.push('\n');
    text
}

/// The same as YAML. Such characters are written as in the text, because YAML has several ways to write them.
pub(crate) fn yaml(value: &Value) -> Result<String, serde_saphyr::ser_error::Error> {
    serde_saphyr::to_string(&with_safe_texts(value))
}

fn with_safe_texts(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(safe(text)),
        Value::Array(values) => values.iter().map(with_safe_texts).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (safe(name), with_safe_texts(value)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_in_json_or_yaml_controls_a_terminal() {
        let hostile = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}";
        let value = json!({"path": hostile, "list": [hostile], "ok": "ü\\033"});
        let text = json(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let yaml = yaml(&value).unwrap();
        for text in [text, yaml] {
            let is_harmless = |c| is_printable(c) || matches!(c, '\n' | '\\');
            assert!(text.chars().all(is_harmless), "{text:?}");
        }
    }
}
