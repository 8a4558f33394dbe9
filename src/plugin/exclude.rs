//! `exclude`: paths that are not watched, and how that ends. Pure.

pub(crate) mod text;

#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::safe::safe;
use super::screen::some_of;
use crate::aide::config::ExcludedPaths;
use crate::api::{Condition, FileIntegrityNodeStatus};

/// Maximum number of names in a message.
const MAX_NAMED: usize = 5;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The paths are excluded, for this reason.
    Excluded {
        reason: String,
        until: Option<Timestamp>,
    },
    /// The paths are watched again.
    Ended,
}

/// What a node is known to have changed at the paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) file_integrity: String,
    pub(crate) namespace: String,
    pub(crate) node: String,
    /// Number of changes at each path.
    pub(crate) changes: Vec<usize>,
    /// Whether the status has all changes.
    pub(crate) is_complete: bool,
}

/// Checks how the paths are written, and that none is there twice.
pub(crate) fn check(paths: &[String]) -> Result<(), String> {
    let mut all = ExcludedPaths::default();
    for path in paths {
        let name = safe(path);
        let added = all.add(path);
        added.map_err(|why| format!("the path {name} is not valid: {why}"))?;
    }
    let mut sorted = paths.to_vec();
    sorted.sort();
    sorted.dedup();
    if sorted.len() < paths.len() {
        return Err("a path is named twice".to_owned());
    }
    Ok(())
}

/// The exclusions of a spec with these paths excluded, or without them. Others stay as they are.
pub(crate) fn changed(
    current: &[Value],
    paths: &[String],
    wanted: &Wanted,
) -> Result<Vec<Value>, String> {
    let mut new = current.to_vec();
    match wanted {
        Wanted::Excluded { reason, until } => {
            for path in paths {
                let mut exclusion = json!({"path": path, "reason": reason});
                if let Some(until) = until {
                    exclusion["until"] = json!(until.to_string());
                }
                match new.iter_mut().find(|known| known["path"] == **path) {
                    Some(known) => *known = exclusion,
                    None => new.push(exclusion),
                }
            }
        }
        Wanted::Ended => {
            let is_known = |path: &&String| current.iter().any(|it| it["path"] == ***path);
            let unknown = paths.iter().filter(|path| !is_known(path));
            let unknown = some_of(unknown.map(String::as_str), MAX_NAMED);
            if !unknown.is_empty() {
                return Err(format!("spec.exclude does not have: {unknown}"));
            }
            new.retain(|known| paths.iter().all(|path| known["path"] != **path));
        }
    }
    Ok(new)
}

/// Another excluded path that a path is below of.
pub(crate) fn above<'a>(current: &'a [Value], path: &str) -> Option<&'a str> {
    let mut known = current.iter().filter_map(|it| it["path"].as_str());
    known.find(|known| *known != path && is_within(path, known))
}

/// Whether a path as it is written in results is this one, or below it.
fn is_within(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Known {
    /// What the status of a node says about the paths. None if it has no changes, or belongs to no FileIntegrity.
    pub(crate) fn of(status: &FileIntegrityNodeStatus, paths: &[String]) -> Option<Self> {
        let (owner, _) = status.owner()?;
        let result = status.last_result.as_ref()?;
        if result.condition != Condition::Failed {
            return None;
        }
        let count = |path: &String| {
            let changes = result.changes.iter();
            changes
                .filter(|change| is_within(&change.path, path))
                .count()
        };
        let all = result.files_added + result.files_changed + result.files_removed;
        Some(Self {
            file_integrity: owner.to_owned(),
            namespace: status.metadata.namespace.clone().unwrap_or_default(),
            node: status.node_name.clone(),
            changes: paths.iter().map(count).collect(),
            is_complete: usize::try_from(all).is_ok_and(|all| all <= result.changes.len()),
        })
    }
}
