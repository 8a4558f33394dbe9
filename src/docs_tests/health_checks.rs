//! The health checks for Argo CD on the page about the installation, run by Lua on objects of this program.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::pages::checkout;

/// The Lua that Argo CD's is closest to. `hack/packages lua` installs it.
const LUA: &str = "lua5.3";
/// The functions that the checks use. Argo CD has more, but not the library `string`.
const FUNCTIONS: &str = "ipairs = ipairs";

/// The health of an object by the check for its kind: the status and the message.
pub(crate) fn argo_health(object: &Value) -> (String, String) {
    let kind = object["kind"].as_str().expect("a kind");
    let program = format!(
        "local check = assert(load({}, 'check', 't', {{{FUNCTIONS}, obj = {}}}))\n\
         local health = check()\nprint(health.status)\nprint(health.message)\n",
        string(&check(kind)),
        literal(object)
    );
    let output = Command::new(LUA)
        .args(["-e", &program])
        .output()
        .unwrap_or_else(|error| panic!("{LUA}: {error}; hack/packages lua installs it"));
    let printed = String::from_utf8(output.stdout).expect("text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the check of {kind}: {stderr}");
    let (status, message) = printed.trim_end().split_once('\n').expect("two lines");
    (status.to_owned(), message.to_owned())
}

/// The check on the page, without its indentation.
fn check(kind: &str) -> String {
    const INDENTATION: &str = "    ";
    let page = fs::read_to_string(checkout().join("docs/install.md")).expect("the page");
    let start = format!("  resource.customizations.health.fileintegrity.openshift.io_{kind}: |");
    let lines: Vec<&str> = page
        .lines()
        .skip_while(|line| *line != start)
        .skip(1)
        .map_while(|line| line.strip_prefix(INDENTATION))
        .collect();
    assert!(!lines.is_empty(), "no check of {kind}");
    lines.join("\n")
}

/// A value as Lua.
fn literal(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Null => text.push_str("nil"),
        Value::Bool(_) | Value::Number(_) => text = value.to_string(),
        Value::String(value) => text = string(value),
        Value::Array(values) => {
            text.push('{');
            for value in values {
                write!(text, "{},", literal(value)).ok();
            }
            text.push('}');
        }
        Value::Object(fields) => {
            text.push('{');
            for (name, value) in fields {
                write!(text, "[{}] = {},", string(name), literal(value)).ok();
            }
            text.push('}');
        }
    }
    text
}

/// A string as Lua, with every byte as an escape sequence.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        write!(quoted, "\\{byte:03}").ok();
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
