//! What a report needs of the objects in the API. Pure. Objects are reduced to it as soon as they are read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;

use crate::api::names::{Annotation, Label};
use crate::api::{
    AcceptanceCounts, Baseline, FileIntegrity, FileIntegrityAcceptance, FileIntegrityNodeStatus,
    Hold, ScanMonths,
};
use crate::plugin::fleet::{Counts, Integrity, Node, Owner};
use crate::scan::evidence::record_of;
use crate::text::shortened;

/// Maximum bytes of a text that a user chose.
const MAX_TEXT: usize = 1024;

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    /// The address of the API server.
    pub(crate) cluster: String,
    /// None for all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) integrities: Vec<IntegrityRecord>,
    pub(crate) nodes: Vec<NodeRecord>,
    /// None if they could not be read.
    pub(crate) acceptances: Option<Vec<AcceptanceRecord>>,
    /// None if they could not be read.
    pub(crate) baselines: Option<Vec<BaselineRecord>>,
    /// What could not be read, as sentences.
    pub(crate) unread: Vec<String>,
}

/// A FileIntegrity.
#[derive(Clone, Debug)]
pub(crate) struct IntegrityRecord {
    pub(crate) integrity: Integrity,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) node_selector: BTreeMap<String, String>,
    pub(crate) is_restricted: bool,
    pub(crate) holds: Vec<Hold>,
}

/// A node of a FileIntegrity.
#[derive(Clone, Debug)]
pub(crate) struct NodeRecord {
    pub(crate) node: Node,
    pub(crate) months: ScanMonths,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) baseline: Option<Baseline>,
}

/// A FileIntegrityAcceptance.
#[derive(Clone, Debug)]
pub(crate) struct AcceptanceRecord {
    pub(crate) owner: Owner,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    /// The whole ID of the set. None if it lists its changes.
    pub(crate) set: Option<String>,
    pub(crate) approved_by: String,
    pub(crate) reason: String,
    pub(crate) ticket: Option<String>,
    pub(crate) counts: AcceptanceCounts,
    /// The reason of its end, and when it ended. None if it has not ended.
    pub(crate) ended: Option<(String, Timestamp)>,
    pub(crate) evidence: Option<String>,
}

/// Evidence: what baselines accepted when they replaced others.
#[derive(Clone, Debug)]
pub(crate) struct BaselineRecord {
    pub(crate) owner: Owner,
    /// The name of the evidence.
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    /// Why the baselines were replaced, from a fixed set.
    pub(crate) reason: String,
    pub(crate) acceptance: Option<String>,
    pub(crate) counts: Counts,
    /// The whole ID of the set.
    pub(crate) set: Option<String>,
    pub(crate) requested: bool,
    pub(crate) nodes: String,
    pub(crate) node_count: usize,
    /// `true`, or `false` with the reason.
    pub(crate) verified: String,
}

impl Records {
    /// Puts everything in order: FileIntegrities and nodes by name, the others by time.
    pub(crate) fn sort(&mut self) {
        self.integrities
            .sort_by(|a, b| a.integrity.owner.cmp(&b.integrity.owner));
        self.nodes
            .sort_by(|a, b| (&a.node.owner, &a.node.name).cmp(&(&b.node.owner, &b.node.name)));
        if let Some(all) = &mut self.acceptances {
            all.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        }
        if let Some(all) = &mut self.baselines {
            all.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        }
    }
}

impl IntegrityRecord {
    pub(crate) fn of(object: &FileIntegrity) -> Self {
        let spec = &object.spec;
        Self {
            integrity: Integrity::of(object),
            created_at: object.metadata.creation_timestamp.as_ref().map(|at| at.0),
            node_selector: spec.node_selector.clone().unwrap_or_default(),
            is_restricted: spec.is_restricted(),
            holds: spec.holds.clone(),
        }
    }
}

impl NodeRecord {
    /// None if the node status belongs to no FileIntegrity.
    pub(crate) fn of(object: &FileIntegrityNodeStatus) -> Option<Self> {
        let mut baseline = object.baseline.clone();
        // The evidence has what it accepted.
        if let Some(baseline) = &mut baseline {
            baseline.accepted = None;
        }
        Some(Self {
            node: Node::of(object)?,
            months: object.scan_months.clone(),
            created_at: object.metadata.creation_timestamp.as_ref().map(|at| at.0),
            baseline,
        })
    }
}

impl AcceptanceRecord {
    pub(crate) fn of(object: &FileIntegrityAcceptance) -> Option<Self> {
        let (spec, metadata) = (&object.spec, &object.metadata);
        let status = object.status.as_ref();
        Some(Self {
            owner: Owner {
                namespace: metadata.namespace.clone()?,
                name: spec.file_integrity.clone(),
            },
            name: metadata.name.clone()?,
            created_at: metadata.creation_timestamp.as_ref()?.0,
            set: spec.change_set.clone(),
            approved_by: shortened(&spec.approved_by.username, MAX_TEXT),
            reason: shortened(&spec.reason, MAX_TEXT),
            ticket: spec.ticket.as_deref().map(|it| shortened(it, MAX_TEXT)),
            counts: status.and_then(|it| it.counts).unwrap_or_default(),
            ended: object
                .end()
                .map(|it| (it.reason.clone(), it.last_transition_time.0)),
            evidence: status.and_then(|it| it.evidence.clone()),
        })
    }
}

impl BaselineRecord {
    /// None if the object is no evidence.
    pub(crate) fn of(object: &ConfigMap) -> Option<Self> {
        let metadata = &object.metadata;
        let annotation = |key: &str| metadata.annotations.as_ref()?.get(key).map(String::as_str);
        let is_evidence = metadata.labels.as_ref()?.contains_key(Label::EVIDENCE);
        let record = record_of(object).filter(|_| is_evidence)?;
        let differences = record.differences()?.clone();
        let accepted = record.baseline.accepted?;
        let nodes = annotation(Annotation::NODES).unwrap_or(&record.node);
        let listed = nodes.split(',').filter(|node| !node.is_empty()).count();
        let node_count = annotation(Annotation::NODE_COUNT).and_then(|count| count.parse().ok());
        Some(Self {
            owner: Owner {
                namespace: metadata.namespace.clone()?,
                name: record.file_integrity,
            },
            name: metadata.name.clone()?,
            created_at: record.baseline.created_at.0,
            reason: shortened(&accepted.reason, MAX_TEXT),
            acceptance: accepted.acceptance,
            counts: Counts {
                added: differences.files_added,
                changed: differences.files_changed,
                removed: differences.files_removed,
            },
            set: differences.changes_hash,
            requested: record.baseline.requested,
            nodes: nodes.replace(',', ", "),
            node_count: node_count.unwrap_or(listed),
            verified: annotation(Annotation::VERIFIED)
                .unwrap_or("unknown")
                .to_owned(),
        })
    }
}
