//! Describes the DaemonSets that a reconcile writes or deletes, for the metrics. Pure.

use kube::ResourceExt as _;
use serde_json::Value;

use super::apply::Applied;
use super::observed::Observed;
use super::ownership::is_applied;
use crate::api::names;
use crate::operator::fleet_metrics::{DaemonSetRef, DaemonSetVersion, WriteOutcome};

pub(super) fn applied<'a>(observed: &'a Observed, object: &'a Value) -> DaemonSetRef<'a> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    DaemonSetRef {
        file_integrity: file_integrity(observed),
        name,
        is_reinit: !object["metadata"]["labels"][names::Label::REINIT_OWNER].is_null(),
        observed: version(observed, name),
    }
}

pub(super) fn deleted<'a>(observed: &'a Observed, name: &'a str) -> DaemonSetRef<'a> {
    let mut daemon_sets = observed.daemon_sets.iter();
    let is_reinit = daemon_sets
        .any(|ds| ds.name_any() == name && ds.labels().contains_key(names::Label::REINIT_OWNER));
    DaemonSetRef {
        file_integrity: file_integrity(observed),
        name,
        is_reinit,
        observed: version(observed, name),
    }
}

/// The outcome of a write that was answered.
pub(super) fn outcome(applied: Option<&Applied>) -> WriteOutcome {
    match applied {
        Some(applied) => WriteOutcome::Written {
            version: DaemonSetVersion {
                uid: applied.uid.clone(),
                generation: applied.generation,
            },
            replaced: applied.replaced,
        },
        None => WriteOutcome::Unchanged,
    }
}

/// Whether an existing object has to be deleted before this one is applied.
pub(super) fn is_replaced(observed: &Observed, object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str();
    let mut daemon_sets = observed.daemon_sets.iter();
    daemon_sets
        .find(|existing| existing.metadata.name.as_deref() == name)
        .is_some_and(|existing| !is_applied(existing.as_ref()))
}

fn file_integrity(observed: &Observed) -> &str {
    let name = observed.file_integrity.metadata.name.as_deref();
    name.unwrap_or_default()
}

/// The version that was observed.
fn version(observed: &Observed, name: &str) -> Option<DaemonSetVersion> {
    let mut daemon_sets = observed.daemon_sets.iter();
    let existing = daemon_sets.find(|ds| ds.name_any() == name)?;
    Some(DaemonSetVersion {
        uid: existing.uid().unwrap_or_default(),
        generation: existing.metadata.generation.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
