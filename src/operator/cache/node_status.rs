//! What the operator keeps of a FileIntegrityNodeStatus. Pure.
//!
//! The whole object of a failed node is some 8 kB. What neither reconciles nor metrics use is skipped
//! while its JSON is read ([`wire`]). What all statuses of a FileIntegrity share is kept once.

pub(crate) mod wire;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::runtime::reflector::Lookup;

use super::delegate_kind::delegate_kind;
use super::fingerprint::fingerprint;
use crate::api::{
    AcceptanceState, ChangeSetId, Condition, DesiredNodeState, FILE_INTEGRITY_KIND,
    FileIntegrityNodeStatus, RealtimeState, ReportedErrorClass, names,
};
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CachedNodeStatus {
    pub(crate) name: Arc<str>,
    /// Hash of the uid.
    pub(crate) uid: u64,
    pub(crate) resource_version: Arc<str>,
    pub(crate) node_name: Arc<str>,
    /// When the API server stored the last change.
    pub(crate) written_at: Option<Timestamp>,
    pub(crate) desired: Arc<DesiredNodeState>,
    pub(crate) report: Arc<NodeReport>,
    /// It has the annotation that objects applied by the operator have.
    is_applied: bool,
    is_being_deleted: bool,
    node_label: Option<Arc<str>>,
    shared: Arc<Shared>,
}

/// What all statuses of a FileIntegrity share.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Shared {
    namespace: Option<String>,
    owners: Vec<Owner>,
    labels: BTreeMap<&'static str, String>,
    /// The annotation with the whole value of the owner label.
    whole_owner: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: Arc<str>,
    pub(crate) uid: String,
    pub(crate) controller: Option<bool>,
    pub(crate) block_owner_deletion: Option<bool>,
}

/// What a node's daemon reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeReport {
    pub(crate) last_result: Option<LastResult>,
    /// Whether the newest result that is not an error is Failed.
    pub(crate) failed: Option<bool>,
    pub(crate) baseline: Option<CachedBaseline>,
    /// Id of the last re-initialization that was done.
    pub(crate) reinit: Option<Arc<str>>,
    /// When the last scan of all files ended, in seconds since the epoch.
    pub(crate) last_scan: Option<i64>,
    /// Since when holds of the spec hold the node, in seconds since the epoch.
    pub(crate) held_since: Option<i64>,
    pub(crate) realtime: Option<CachedRealtime>,
    /// The latest answer to an acceptance. Most nodes of a fleet have none.
    pub(crate) acceptance: Option<Box<CachedAnswer>>,
    /// What the baseline has of acceptances that list their changes. Most nodes of a fleet have none.
    pub(crate) announced: Box<[CachedProgress]>,
}

/// What the baseline of a node has of an acceptance that lists its changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CachedProgress {
    /// UID of the acceptance.
    pub(crate) uid: Arc<str>,
    pub(crate) accepted: i64,
    pub(crate) remaining: i64,
    /// Why a change was not accepted, as shown in a status.
    pub(crate) message: Option<Arc<str>>,
    /// By the clock of the node.
    pub(crate) accepted_at: Option<Timestamp>,
    /// Hashes of the databases.
    pub(crate) old_digest: Option<[u8; 32]>,
    pub(crate) new_digest: Option<[u8; 32]>,
}

/// The answer of a node to an acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CachedAnswer {
    /// UID of the acceptance.
    pub(crate) uid: Arc<str>,
    pub(crate) attempt: u32,
    pub(crate) state: AcceptanceState,
    /// Reason of a refusal, as shown in a status.
    pub(crate) reason: Option<Arc<str>>,
    /// Explanation of a refusal, as shown in a status.
    pub(crate) message: Option<Arc<str>>,
    /// By the clock of the node.
    pub(crate) finished_at: Timestamp,
    /// Hashes of the databases.
    pub(crate) old_digest: Option<[u8; 32]>,
    pub(crate) new_digest: Option<[u8; 32]>,
    /// Whether the last result is newer than the answer.
    pub(crate) is_older_than_result: bool,
}

/// The last scan result of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LastResult {
    pub(crate) condition: Condition,
    /// Files added, changed and removed.
    pub(crate) counts: [i64; 3],
    pub(crate) duration: Option<Duration>,
    pub(crate) files_scanned: Option<i64>,
    pub(crate) error_message: Option<Arc<str>>,
    pub(crate) error_class: ReportedErrorClass,
    /// The first rule that watches nothing, as shown in a condition.
    pub(crate) unwatched_rule: Option<Arc<str>>,
    /// What differs from the baseline, if the result is Failed and identifies it.
    pub(crate) change_set: Option<Arc<ReportedChangeSet>>,
}

/// The change set that a node reports. Nodes with the same one share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReportedChangeSet {
    pub(crate) id: ChangeSetId,
    /// Version of the calculation of its hash.
    pub(crate) version: Option<i64>,
    /// Hash of its paths and kinds of change.
    pub(crate) paths: Option<[u8; 32]>,
    /// Its first path, as shown in the status of the FileIntegrity.
    pub(crate) first_path: Option<Arc<str>>,
    /// Files added, changed and removed.
    pub(crate) counts: [i64; 3],
}

/// Realtime detection of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CachedRealtime {
    pub(crate) state: RealtimeState,
    /// Reason and message of the states Degraded and Unsupported, as shown in a condition.
    pub(crate) explanation: Option<Arc<str>>,
    /// Since the daemon started.
    pub(crate) overflows: u64,
    /// Since the daemon started.
    pub(crate) missed: u64,
}

/// The baseline of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CachedBaseline {
    /// When it was created, in seconds since the epoch.
    pub(crate) at: i64,
    /// sha256 of the configuration that it was created with, hex.
    pub(crate) config_hash: Arc<str>,
    /// Hash of the database's digest.
    pub(crate) digest: u64,
    /// False if nobody requested it.
    pub(crate) requested: bool,
}

impl CachedNodeStatus {
    pub(crate) fn owners(&self) -> &[Owner] {
        &self.shared.owners
    }

    /// The name of the FileIntegrity that controls it.
    pub(crate) fn owner(&self) -> Option<&Arc<str>> {
        let owners = self.shared.owners.iter();
        let mut controllers = owners.filter(|owner| owner.controller == Some(true));
        controllers
            .find(|owner| owner.kind == FILE_INTEGRITY_KIND)
            .map(|owner| &owner.name)
    }

    /// The name of the FileIntegrity that it belongs to. Where somebody has removed the owner, the label
    /// has it.
    pub(crate) fn file_integrity(&self) -> Option<Arc<str>> {
        let label = || self.label(names::Label::OWNER).map(Arc::from);
        self.owner().cloned().or_else(label)
    }

    /// Whether the FileIntegrity of this name and uid controls it. The status of a deleted FileIntegrity
    /// does not describe a new one of the same name.
    pub(crate) fn is_controlled_by(&self, name: &str, uid: Option<&str>) -> bool {
        self.shared.owners.iter().any(|owner| {
            owner.controller == Some(true)
                && owner.kind == FILE_INTEGRITY_KIND
                && *owner.name == *name
                && Some(&*owner.uid) == uid
        })
    }

    /// The value of one of the operator's labels.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        match key {
            names::Label::NODE => self.node_label.as_deref(),
            _ => self.shared.labels.get(key).map(String::as_str),
        }
    }

    /// The annotation with the whole value of the owner label, which may be shortened.
    pub(crate) fn whole_owner(&self) -> Option<&str> {
        self.shared.whole_owner.as_deref()
    }

    /// Whether a daemon has reported anything.
    pub(crate) fn has_report(&self) -> bool {
        *self.report != NodeReport::default()
    }

    /// Whether the operator has applied it.
    pub(crate) fn is_applied(&self) -> bool {
        self.is_applied
    }

    /// The condition of the last result.
    pub(crate) fn condition(&self) -> Option<Condition> {
        self.report.last_result.as_ref().map(|last| last.condition)
    }

    /// A hash that a scan without new results does not change, and new counts of realtime detection
    /// neither.
    pub(crate) fn fingerprint(&self) -> u64 {
        let report = &self.report;
        let last = report.last_result.as_ref();
        fingerprint(&(
            (&self.node_name, &self.node_label),
            (&self.shared, &self.desired),
            (self.is_applied, self.is_being_deleted),
            last.map(|last| {
                let set = last.change_set.as_ref();
                (last.condition, last.counts, &last.unwatched_rule, set)
            }),
            report.baseline.as_ref().map(|b| (&b.config_hash, b.digest)),
            (&report.reinit, report.held_since),
            (report.realtime.as_ref()).map(|realtime| (realtime.state, &realtime.explanation)),
            (&report.acceptance, &report.announced),
        ))
    }

    /// A hash that the results and the counts of realtime detection do not change.
    pub(crate) fn scan_fingerprint(&self) -> u64 {
        let report = &self.report;
        let baseline = report.baseline.as_ref();
        fingerprint(&(
            &self.desired,
            (report.last_scan, report.held_since),
            baseline.map(|it| (it.at, &it.config_hash, it.digest)),
            &report.reinit,
        ))
    }

    /// The object with what the operator applies to it, but without the hash of that.
    pub(crate) fn to_applied_object(&self) -> FileIntegrityNodeStatus {
        let shared = &self.shared;
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut labels: BTreeMap<_, _> = shared.labels.iter().map(|(k, v)| entry(k, v)).collect();
        labels.extend(
            self.node_label
                .as_ref()
                .map(|v| entry(names::Label::NODE, v)),
        );
        let mut annotations = self.desired.to_annotations();
        annotations.extend(self.whole_owner().map(|v| entry(names::Label::OWNER, v)));
        FileIntegrityNodeStatus {
            metadata: ObjectMeta {
                name: Some(self.name.to_string()),
                namespace: shared.namespace.clone(),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: Some(shared.owners.iter().map(owner_reference).collect()),
                ..ObjectMeta::default()
            },
            node_name: self.node_name.to_string(),
            ..FileIntegrityNodeStatus::default()
        }
    }
}

fn owner_reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.to_string(),
        uid: owner.uid.clone(),
        controller: owner.controller,
        block_owner_deletion: owner.block_owner_deletion,
    }
}

/// Nobody reads namespace, resource version and uid from a store's keys, and all statuses are of one
/// namespace.
impl Lookup for CachedNodeStatus {
    delegate_kind!(FileIntegrityNodeStatus);

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }
    fn namespace(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn resource_version(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}

#[cfg(test)]
impl From<&FileIntegrityNodeStatus> for CachedNodeStatus {
    fn from(status: &FileIntegrityNodeStatus) -> Self {
        from_json(serde_json::to_value(status).unwrap())
    }
}

/// What the operator keeps of the object with this JSON.
#[cfg(test)]
pub(crate) fn from_json(json: serde_json::Value) -> CachedNodeStatus {
    wire::NodeStatusConverter::new(Arc::default()).convert(serde_json::from_value(json).unwrap())
}

#[cfg(test)]
mod tests;
