//! The words in the sources that pages must explain.
//!
//! They are extracted from the sources, so that no list needs to be updated.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::pages::checkout;
use crate::api::condition::{ConditionReason, ConditionType};
use crate::api::{EventReason, ReportedErrorClass};

/// The string literals in this directory or file below `src/`, without those of tests.
pub(super) fn literals(place: &str) -> Vec<String> {
    let mut texts = Vec::new();
    read(&checkout().join("src").join(place), &mut texts);
    assert!(!texts.is_empty(), "no source in src/{place}");
    texts.iter().flat_map(|text| in_quotes(text)).collect()
}

fn read(path: &Path, texts: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read(&entry.unwrap().path(), texts);
        }
        return;
    }
    let name = path.to_string_lossy();
    if name.ends_with(".rs") && !name.ends_with("tests.rs") {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        texts.push(code.to_owned());
    }
}

/// The string literals of each line. Literals of several lines are not words.
fn in_quotes(code: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let line = line.trim_start();
        let is_ignored = line.starts_with("//") || line.contains("debug_struct(");
        let pieces: Vec<String> = line.split('"').map(str::to_owned).collect();
        let inside = pieces.into_iter().skip(1).step_by(2);
        inside.filter(move |_| !is_ignored).collect::<Vec<_>>()
    };
    code.lines().flat_map(of_line).collect()
}

/// Words such as `NodesNotReady`: types and reasons of conditions, and reasons of events.
pub(super) fn reasons() -> BTreeSet<String> {
    let all = [condition_types(), condition_reasons(), event_reasons()];
    all.into_iter().flatten().collect()
}

pub(super) fn condition_types() -> BTreeSet<String> {
    ConditionType::ALL.iter().map(ToString::to_string).collect()
}

pub(super) fn condition_reasons() -> BTreeSet<String> {
    let all = ConditionReason::ALL.iter();
    all.map(ToString::to_string).collect()
}

pub(super) fn event_reasons() -> BTreeSet<String> {
    EventReason::ALL.iter().map(ToString::to_string).collect()
}

/// Keys of labels and annotations.
pub(super) fn keys() -> BTreeSet<String> {
    ["api", "operator"]
        .into_iter()
        .flat_map(literals)
        .filter(|text| is_key(text))
        .collect()
}

/// The prefix of all keys.
pub(super) const KEY_PREFIX: &str = "file-integrity.openshift.io/";

fn is_key(text: &str) -> bool {
    text.strip_prefix(KEY_PREFIX).is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-')
    })
}

/// The error classes in metrics.
pub(super) fn error_classes() -> Vec<String> {
    let all = ReportedErrorClass::all();
    all.map(|class| class.as_str().to_owned()).collect()
}
