//! Where changes are from: a failure log, evidence, or a node status. Pure.

use std::io::Read as _;

use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;

use super::entry::Entry;
use crate::aide::report::Report;
use crate::api::{ChangeKind, ChangeSetId, ScanResult, names};
use crate::plugin::fleet::Counts;
use crate::scan::change_set::ChangeSet;
use crate::scan::evidence;

/// Maximum bytes of a truncated report.
const MAX_TRUNCATED: u64 = 16 * 1024 * 1024;

/// Where the paths and values are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The failure log of this node.
    Log { config_map: String, node: String },
    /// The evidence of an acceptance.
    Evidence { config_map: String },
    /// The status of this node, which has the first 20 paths without values.
    NodeStatus { node: String },
    /// The last scan of the node ended with this error.
    Error(String),
    /// The node has no changes, or no result.
    Nothing,
}

/// What a source has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) counts: Counts,
    /// Sorted by path.
    pub(crate) entries: Vec<Entry>,
    /// Whether these are all changes, with their values.
    pub(crate) is_complete: bool,
    /// The hash of the changes, if these are all.
    pub(crate) hash: Option<String>,
}

/// The changes of a ConfigMap with AIDE's reports: a failure log, or evidence.
pub(crate) fn of_log(object: &ConfigMap) -> Option<Listed> {
    let report = evidence::report_of(object, names::HOST_ROOT)?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let counts = Counts {
        added: number(report.added),
        changed: number(report.changed),
        removed: number(report.removed),
    };
    if !report.lists_all() {
        let entries = truncated(object).unwrap_or_else(|| entries(&report));
        return Some(Listed {
            counts,
            entries,
            ..Listed::default()
        });
    }
    let set = ChangeSet::new(&report);
    Some(Listed {
        counts,
        entries: entries(&report),
        is_complete: report.omitted.is_none(),
        hash: set.is_complete().then(|| set.hash().to_owned()),
    })
}

fn entries(report: &Report) -> Vec<Entry> {
    let mut entries: Vec<Entry> = report.changes.iter().map(Entry::of).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// The changes of a report that was too large, and has the first ones only.
fn truncated(object: &ConfigMap) -> Option<Vec<Entry>> {
    #[derive(Deserialize)]
    struct Truncated {
        changes: Vec<TruncatedChange>,
    }
    #[derive(Deserialize)]
    struct TruncatedChange {
        path: String,
        kind: ChangeKind,
        #[serde(default)]
        attributes: Vec<String>,
    }
    let bytes = object.binary_data.as_ref()?.get(names::KEY_JSON_REPORT)?;
    let json = GzDecoder::new(bytes.0.as_slice()).take(MAX_TRUNCATED);
    let report: Truncated = serde_json::from_reader(json).ok()?;
    let changes = report.changes.iter();
    Some(
        changes
            .map(|it| Entry::without_values(&it.path, it.kind, &it.attributes))
            .collect(),
    )
}

/// The changes of a node status.
pub(crate) fn of_status(result: &ScanResult) -> Listed {
    let entries = result.changes.iter();
    Listed {
        counts: Counts {
            added: result.files_added,
            changed: result.files_changed,
            removed: result.files_removed,
        },
        entries: entries
            .map(|it| Entry::without_values(&it.path, it.kind, &it.attributes))
            .collect(),
        ..Listed::default()
    }
}

/// Whether these are exactly the changes of a set.
pub(crate) fn is_set(listed: &Listed, set: ChangeSetId) -> bool {
    listed.hash.as_deref() == Some(&set.to_string())
}

/// Adds the processes that a node status names: failure logs have them in the text only.
pub(crate) fn with_actors(entries: &mut [Entry], result: &ScanResult) {
    for change in result.changes.iter().filter(|it| it.actor.is_some()) {
        let known = entries.iter_mut().filter(|entry| entry.path == change.path);
        for entry in known {
            entry.actor.clone_from(&change.actor);
        }
    }
}
