//! A label selector as users type it for `-l`, as the API has it. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
pub(crate) fn parse(text: &str) -> Result<LabelSelector, String> {
    let requirements: Option<Vec<LabelSelectorRequirement>> =
        split(text).into_iter().map(requirement).collect();
    let Some(all) = requirements.filter(|all| !all.is_empty()) else {
        return Err(format!(
            "{} is not a selector such as a=b,c!=d,e in (f,g),!h",
            super::safe::safe(text)
        ));
    };
    // A label that is required twice needs two expressions.
    let mut labels = BTreeMap::new();
    let mut expressions = Vec::new();
    for mut it in all {
        let is_equality = it.operator == "=" && !labels.contains_key(&it.key);
        let value = it.values.as_mut().and_then(Vec::pop);
        match value {
            Some(value) if is_equality => {
                labels.insert(it.key, value);
            }
            value => {
                if let (Some(value), Some(values)) = (value, it.values.as_mut()) {
                    values.push(value);
                }
                if it.operator == "=" {
                    "In".clone_into(&mut it.operator);
                }
                expressions.push(it);
            }
        }
    }
    Ok(LabelSelector {
        match_labels: Some(labels).filter(|labels| !labels.is_empty()),
        match_expressions: Some(expressions).filter(|all| !all.is_empty()),
    })
}

/// The requirements: commas in parentheses separate values.
fn split(text: &str) -> Vec<&str> {
    let mut is_in_parentheses = false;
    let parts = text.split(|c| {
        match c {
            '(' => is_in_parentheses = true,
            ')' => is_in_parentheses = false,
            _ => {}
        }
        c == ',' && !is_in_parentheses
    });
    parts.map(str::trim).collect()
}

fn requirement(text: &str) -> Option<LabelSelectorRequirement> {
    let of = |key: &str, operator: &str, values: Option<Vec<String>>| {
        let key = key.trim();
        is_word(key).then(|| LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values,
        })
    };
    if let Some(list) = text.strip_suffix(')') {
        let (start, list) = list.split_once('(')?;
        let (key, operator) = start.trim().rsplit_once(char::is_whitespace)?;
        let operator = match operator {
            "in" => "In",
            "notin" => "NotIn",
            _ => return None,
        };
        return of(key, operator, Some(values(list)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return of(key, "NotIn", Some(values(value)?));
    }
    if let Some((key, value)) = text.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return of(key, "=", Some(values(value)?));
    }
    match text.strip_prefix('!') {
        Some(key) => of(key, "DoesNotExist", None),
        None => of(text, "Exists", None),
    }
}

/// Values, which may be empty.
fn values(list: &str) -> Option<Vec<String>> {
    let values = list.split(',').map(str::trim);
    values
        .map(|value| (value.is_empty() || is_word(value)).then(|| value.to_owned()))
        .collect()
}

/// Characters of keys and values. The API server checks the rest.
fn is_word(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    !text.is_empty() && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(text: &str) -> Value {
        serde_json::to_value(parse(text).unwrap()).unwrap()
    }

    #[test]
    fn selectors_are_those_of_kubectl() {
        assert_eq!(
            parsed("a=b,node-role.kubernetes.io/worker="),
            json!({"matchLabels": {"a": "b", "node-role.kubernetes.io/worker": ""}})
        );
        assert_eq!(
            parsed("a==b, c != d,e in (f, g),h notin (i),j,!k"),
            json!({
                "matchLabels": {"a": "b"},
                "matchExpressions": [
                    {"key": "c", "operator": "NotIn", "values": ["d"]},
                    {"key": "e", "operator": "In", "values": ["f", "g"]},
                    {"key": "h", "operator": "NotIn", "values": ["i"]},
                    {"key": "j", "operator": "Exists"},
                    {"key": "k", "operator": "DoesNotExist"},
                ],
            })
        );
        // Nothing has both values, as for kubectl.
        assert_eq!(
            parsed("a=b,a=c"),
            json!({
                "matchLabels": {"a": "b"},
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["c"]}],
            })
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            ",",
            "a=b,",
            "=b",
            "a=b c",
            "a in b",
            "a on (b)",
            "!",
            "a=\u{1b}[31m",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("is not a selector"), "{text}: {error}");
            assert!(!error.contains('\u{1b}'));
        }
    }
}
