//! How the report of a node becomes evidence. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;

use super::Annotations;
use super::index::{EvidenceState, EvidenceStates};
use crate::api::names::{self, Annotation, Label};
use crate::api::object_name::ObjectName;
use crate::api::time;
use crate::scan::evidence::{
    EvidenceRecord, SET_DIGITS, is_truncated, is_verified, record_of, set_id,
};
use crate::text::shortened;

/// Maximum bytes of the data of all evidence. Beyond it, evidence has no reports.
pub(super) const MAX_TOTAL: u64 = 256 * 1024 * 1024;
/// From this size on, users are warned: 80 percent.
const WARN_FROM: u64 = MAX_TOTAL / 5 * 4;
/// Maximum number of evidence objects of one node alone that are created within a day.
pub(super) const MAX_PER_NODE: usize = 50;
/// Maximum number of nodes in an annotation.
const MAX_NODES: usize = 100;
/// Values of the annotation with the result of the verification.
const VERIFIED: &str = "true";
const NOT_VERIFIED: &str = "false: the report does not have the changes of the record";
const INCOMPLETE: &str = "false: the changes are not completely known";
const TRUNCATED: &str =
    "false: the report is truncated, so the changes cannot be compared with the record";
const REFUSED: &str = "false: the API server refuses the report as evidence";
const NOT_KEPT: &str = "the report is not kept, because evidence takes too much space";
/// Maximum bytes of the error of the API server in evidence.
const MAX_ERROR: usize = 1024;

/// The annotations with the numbers of changes.
const COUNTS: [&str; 3] = [
    Annotation::FILES_ADDED,
    Annotation::FILES_CHANGED,
    Annotation::FILES_REMOVED,
];

/// The metadata of a report.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    pub(super) metadata: ObjectMeta,
    /// The set that the daemon claims.
    set: String,
    node: String,
    /// The name of the FileIntegrity.
    pub(super) file_integrity: String,
    /// The name of the DaemonSet, with which names of evidence begin.
    prefix: String,
}

impl Reported {
    /// None if the object is not one of a daemon.
    pub(super) fn new(metadata: ObjectMeta) -> Option<Self> {
        let set = annotation(&metadata, Annotation::CHANGE_SET)?.to_owned();
        let is_set = set.len() == SET_DIGITS
            && set
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let owner = full_value(&metadata, Label::OWNER)?;
        // Names become part of requests, and of a list with commas.
        ObjectName::parse(&owner).ok()?;
        let node = full_value(&metadata, Label::NODE)?;
        ObjectName::parse(&node).ok()?;
        is_set.then(|| Self {
            prefix: names::daemon_set(&owner),
            file_integrity: owner,
            set,
            node,
            metadata,
        })
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The name of the evidence that this report claims to have.
    pub(super) fn evidence_name(&self) -> String {
        names::evidence(&self.prefix, &self.set)
    }
}

/// The reports by the evidence that they claim to have.
pub(super) fn group(reported: impl Iterator<Item = Reported>) -> BTreeMap<String, Vec<Reported>> {
    let mut groups: BTreeMap<String, Vec<Reported>> = BTreeMap::new();
    for report in reported {
        groups
            .entry(report.evidence_name())
            .or_default()
            .push(report);
    }
    groups
}

/// The metadata of existing evidence.
#[derive(Debug, Default)]
pub(super) struct Existing(BTreeMap<String, ObjectMeta>);

impl Existing {
    pub(super) fn add(&mut self, metadata: ObjectMeta) {
        if let Some(name) = metadata.name.clone() {
            self.0.insert(name, metadata);
        }
    }

    /// The resource version of evidence.
    pub(super) fn version_of(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.resource_version.as_deref()
    }

    /// Bytes of the data of all evidence.
    pub(super) fn size(&self) -> u64 {
        let sizes = self
            .0
            .values()
            .filter_map(|it| annotation(it, Annotation::SIZE));
        sizes.filter_map(|size| size.parse::<u64>().ok()).sum()
    }

    /// The states of all evidence by name.
    pub(super) fn states(&self) -> EvidenceStates {
        let all = self.0.iter();
        all.map(|(name, metadata)| (name.clone(), state(metadata)))
            .collect()
    }

    /// Whether users should be warned before the limit is reached.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.size() >= WARN_FROM
    }

    /// The names of the FileIntegrities that have evidence.
    pub(super) fn file_integrities(&self) -> BTreeSet<String> {
        let all = self.0.values();
        all.filter_map(|it| full_value(it, Label::OWNER)).collect()
    }

    /// Whether so much evidence is of this node alone that no more is created today. Each report of a node that
    /// somebody else controls may claim another set.
    pub(super) fn has_too_many_of(&self, report: &Reported, now: Timestamp) -> bool {
        let recent = self.0.values().filter(|it| {
            let created = it.creation_timestamp.as_ref().map(|at| at.0);
            created.is_none_or(|at| now.duration_since(at) < SignedDuration::from_hours(24))
        });
        let of_node =
            recent.filter(|it| annotation(it, Annotation::NODES) == Some(report.node.as_str()));
        of_node.count() >= MAX_PER_NODE
    }

    /// Whether there is verified evidence of the set that this report claims.
    pub(super) fn has_verified(&self, report: &Reported) -> bool {
        let found = self.0.get(&report.evidence_name());
        found.is_some_and(|it| annotation(it, Annotation::VERIFIED) == Some(VERIFIED))
    }

    /// The annotations that add these nodes to evidence; None if it has them, or does not exist.
    pub(super) fn with_nodes(&self, name: &str, reported: &[Reported]) -> Option<Annotations> {
        let evidence = self.0.get(name)?;
        let list = annotation(evidence, Annotation::NODES).unwrap_or_default();
        let mut nodes: BTreeSet<&str> = list.split(',').filter(|node| !node.is_empty()).collect();
        let count = annotation(evidence, Annotation::NODE_COUNT);
        let mut count: usize = count
            .and_then(|count| count.parse().ok())
            .unwrap_or(nodes.len());
        for report in reported {
            if nodes.contains(report.node.as_str()) {
                continue;
            }
            count += 1;
            if nodes.len() < MAX_NODES {
                nodes.insert(&report.node);
            }
        }
        let nodes = nodes.into_iter().collect::<Vec<_>>().join(",");
        let annotations = Annotations::from([
            (Annotation::NODES.to_owned(), nodes),
            (Annotation::NODE_COUNT.to_owned(), count.to_string()),
        ]);
        let is_new = |(key, value): (&String, &String)| annotation(evidence, key) != Some(value);
        annotations.iter().any(is_new).then_some(annotations)
    }
}

fn state(evidence: &ObjectMeta) -> EvidenceState {
    match annotation(evidence, Annotation::VERIFIED) {
        Some(VERIFIED) => EvidenceState::Verified,
        Some(INCOMPLETE | TRUNCATED) => EvidenceState::Incomplete,
        _ => EvidenceState::Unverified,
    }
}

/// Evidence that is to be created.
#[derive(Debug)]
pub(super) struct Evidence {
    object: ConfigMap,
    /// Whether it has no report, because evidence takes too much space.
    pub(super) is_over_limit: bool,
}

impl Evidence {
    /// The evidence of this node's report. `used` are the bytes of the evidence that exists.
    pub(super) fn of(
        object: &ConfigMap,
        report: &Reported,
        used: u64,
        retention: SignedDuration,
    ) -> Self {
        let record = record_of(object);
        let is_own = |record: &&EvidenceRecord| record.set() == report.set;
        let (set, verified) = match record.as_ref().filter(is_own) {
            Some(record) if is_verified(object, record) => (report.set.clone(), VERIFIED),
            Some(record) if !is_complete(record) => (report.set.clone(), INCOMPLETE),
            Some(record) if is_truncated(object, record) => {
                (unverified_set(report, Some(record)), TRUNCATED)
            }
            _ => (unverified_set(report, record.as_ref()), NOT_VERIFIED),
        };
        let size = size(object);
        let is_kept = used.saturating_add(size) <= MAX_TOTAL;
        let kept = if is_kept { size } else { 0 };
        let annotations = annotations(&set, verified, kept, retention);
        Self {
            object: ConfigMap {
                metadata: metadata(object, report, &set, annotations),
                immutable: Some(true),
                data: data(object, (!is_kept).then_some(NOT_KEPT)),
                binary_data: object.binary_data.clone().filter(|_| is_kept),
            },
            is_over_limit: !is_kept,
        }
    }

    /// What is kept of a report with which the evidence is invalid, by the error of the API server: the record, if there
    /// is one, and the counts. It counts as not verified, so another node can prove the set.
    pub(super) fn refused(
        object: &ConfigMap,
        report: &Reported,
        error: &str,
        retention: SignedDuration,
    ) -> Self {
        let set = unverified_set(report, record_of(object).as_ref());
        let error = shortened(error, MAX_ERROR);
        let why = format!("the report is not kept, because the API server refuses it: {error}");
        let mut metadata = metadata(
            object,
            report,
            &set,
            annotations(&set, REFUSED, 0, retention),
        );
        // The names of these are fixed; their values are what the node has written.
        let is_count = |value: &String| value.parse::<u64>().is_ok();
        if let Some(annotations) = &mut metadata.annotations {
            annotations.retain(|key, value| !COUNTS.contains(&key.as_str()) || is_count(value));
            annotations.remove(Annotation::COMPRESSED);
        }
        Self {
            object: ConfigMap {
                metadata,
                immutable: Some(true),
                data: data(object, Some(&why)),
                binary_data: None,
            },
            is_over_limit: false,
        }
    }

    pub(super) fn object(&self) -> &ConfigMap {
        &self.object
    }

    pub(super) fn name(&self) -> String {
        self.object.metadata.name.clone().unwrap_or_default()
    }

    pub(super) fn is_verified(&self) -> bool {
        annotation(&self.object.metadata, Annotation::VERIFIED) == Some(VERIFIED)
    }
}

/// The annotations that are not those of the report.
fn annotations(
    set: &str,
    verified: &str,
    size: u64,
    retention: SignedDuration,
) -> [(&'static str, String); 4] {
    let until = time::now().0 + retention;
    [
        (Annotation::CHANGE_SET, set.to_owned()),
        (Annotation::VERIFIED, verified.to_owned()),
        (Annotation::SIZE, size.to_string()),
        (Annotation::RETAIN_UNTIL, until.to_string()),
    ]
}

fn is_complete(record: &EvidenceRecord) -> bool {
    let differences = record.differences();
    differences.is_some_and(|differences| differences.incomplete.is_none())
}

/// A report that is not what it claims must not take the name of one that is.
fn unverified_set(report: &Reported, record: Option<&EvidenceRecord>) -> String {
    match record {
        Some(record) if record.node == report.node => record.unverified_set(),
        _ => {
            let uid = report.metadata.uid.as_deref().unwrap_or_default();
            set_id(&names::sha256_hex(format!(
                "unverified/{}/{uid}",
                report.node
            )))
        }
    }
}

fn metadata(
    object: &ConfigMap,
    report: &Reported,
    set: &str,
    new: [(&str, String); 4],
) -> ObjectMeta {
    let copied = COUNTS.into_iter();
    let copied = copied.chain([Annotation::COMPRESSED, Label::OWNER]);
    let copied = copied.filter_map(|key| {
        let value = annotation(&object.metadata, key)?;
        Some((key.to_owned(), value.to_owned()))
    });
    let new = new.map(|(key, value)| (key.to_owned(), value));
    let annotations = copied.chain(new).collect();
    let labels = object.metadata.labels.clone().unwrap_or_default();
    let owner = labels.into_iter().filter(|(key, _)| key == Label::OWNER);
    let evidence = (Label::EVIDENCE.to_owned(), String::new());
    ObjectMeta {
        name: Some(names::evidence(&report.prefix, set)),
        namespace: object.metadata.namespace.clone(),
        labels: Some(owner.chain([evidence]).collect()),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

/// The data of evidence: only the record, and why there is no report, if it is not kept.
fn data(object: &ConfigMap, not_kept: Option<&str>) -> Option<BTreeMap<String, String>> {
    let data = object.data.clone();
    let Some(why) = not_kept else {
        return data;
    };
    let mut data = data.unwrap_or_default();
    data.retain(|key, _| key == names::KEY_RECORD);
    data.insert(names::KEY_INTEGRITY_LOG.to_owned(), why.to_owned());
    Some(data)
}

fn size(object: &ConfigMap) -> u64 {
    let data = object.data.iter().flatten();
    let binary = object.binary_data.iter().flatten();
    let all = data.map(|(_, text)| text.len());
    all.chain(binary.map(|(_, bytes)| bytes.0.len()))
        .sum::<usize>() as u64
}

/// Whether an object is evidence.
pub(super) fn is_evidence(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(Label::EVIDENCE))
}

/// Whether the retention has ended.
pub(super) fn is_expired(metadata: &ObjectMeta, now: Timestamp) -> bool {
    let until = annotation(metadata, Annotation::RETAIN_UNTIL);
    let until = until.and_then(|text| text.parse::<Timestamp>().ok());
    until.is_some_and(|until| until < now)
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let annotations = metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// The value of a label, or its complete value in the annotation with the same key.
fn full_value(metadata: &ObjectMeta, key: &str) -> Option<String> {
    let label = metadata.labels.as_ref()?.get(key)?;
    Some(annotation(metadata, key).unwrap_or(label).to_owned())
}

#[cfg(test)]
mod tests;
