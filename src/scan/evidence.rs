//! The report of a new baseline, as a ConfigMap: in the format of a failure log, with the record of what the baseline
//! accepted. Pure.
//!
//! The daemon creates it for its node. The operator promotes it to evidence, one for each set of changes and
//! request, and verifies it: the hash of the changes is computed from the report, so the new values certify
//! themselves, whichever node reported them.

use std::io::Read as _;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Identity;
use super::change_set::ChangeSet;
use super::failure_log::{self, FailureLog};
use crate::aide::report::{self, Report, part};
use crate::api::{AcceptedDifferences, AcceptedReason, Baseline, names};

/// Number of hex digits of the id of a set: 128 bits, so that no two sets can be made to have the same one.
pub(crate) const SET_DIGITS: usize = 32;
/// Maximum bytes of an uncompressed JSON report. A longer one counts as truncated. A node may publish anything that fits
/// into a ConfigMap, and 200 kB of it can be 200 MiB of JSON. The digests of a true report do not compress that well.
const MAX_REPORT: u64 = 16 * 1024 * 1024;

/// What is kept with the report of a new baseline.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EvidenceRecord {
    pub(crate) file_integrity: String,
    pub(crate) node: String,
    /// The paths of the report begin with it.
    pub(crate) host_root: String,
    /// The baseline with what it accepted.
    pub(crate) baseline: Baseline,
    /// The report is that of the check with the old configuration, immediately before the new baseline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) with_old_config: bool,
}

impl EvidenceRecord {
    /// What the report shows.
    pub(crate) fn differences(&self) -> Option<&AcceptedDifferences> {
        let accepted = self.baseline.accepted.as_ref()?;
        if self.with_old_config {
            accepted.with_old_config.as_ref()
        } else {
            Some(&accepted.differences)
        }
    }

    /// Whether any change is known.
    pub(crate) fn has_differences(&self) -> bool {
        let counts = self
            .differences()
            .map(|all| (all.files_added, all.files_changed, all.files_removed));
        counts.is_some_and(|counts| counts != (0, 0, 0))
    }

    /// Identifies the changes, and the request that accepted them. Nodes with the same changes have the same one. If
    /// the changes are not completely known, it is that of this baseline only.
    pub(crate) fn set(&self) -> String {
        if self.with_old_config {
            return self.set_with_old_config();
        }
        let accepted = self.baseline.accepted.as_ref();
        let hashes = accepted.map(|accepted| {
            let old = accepted.with_old_config.as_ref();
            let all = [Some(&accepted.differences), old].into_iter().flatten();
            all.map(|part| {
                part.changes_hash
                    .as_deref()
                    .filter(|_| part.incomplete.is_none())
            })
            .collect::<Option<Vec<&str>>>()
        });
        match (accepted, hashes.flatten()) {
            (Some(accepted), Some(hashes)) => {
                let request = accepted.request.as_deref().unwrap_or_default();
                set_of_request(
                    &accepted.reason,
                    request,
                    &self.baseline.config_hash,
                    &hashes,
                )
            }
            _ => set_of_texts(["baseline", &self.node, &self.baseline.digest]),
        }
    }

    /// The same for the changes that the old configuration has shown.
    fn set_with_old_config(&self) -> String {
        let (node, digest) = (self.node.as_str(), self.baseline.digest.as_str());
        let known = self.baseline.accepted.as_ref().and_then(|accepted| {
            let differences = accepted.with_old_config.as_ref()?;
            let hash = differences.changes_hash.as_deref()?;
            let is_complete = differences.incomplete.is_none();
            is_complete.then_some([
                "set with old configuration",
                &accepted.reason,
                accepted.request.as_deref().unwrap_or_default(),
                accepted.old_config_hash.as_deref().unwrap_or_default(),
                hash,
            ])
        });
        match known {
            Some(texts) => set_of_texts(texts),
            None => set_of_texts(["baseline with old configuration", node, digest]),
        }
    }

    /// The set of a record whose report does not have the changes that it claims.
    pub(crate) fn unverified_set(&self) -> String {
        let (node, digest) = (self.node.as_str(), self.baseline.digest.as_str());
        if self.with_old_config {
            set_of_texts(["unverified with old configuration", node, digest])
        } else {
            unverified_set(node, digest)
        }
    }
}

/// The set of an acceptance: that of each node that accepts exactly these changes for it.
pub fn acceptance_set(uid: &str, config_hash: &str, changes_hash: &str) -> String {
    let reason = AcceptedReason::Acceptance.as_str();
    set_of_request(reason, uid, config_hash, &[changes_hash])
}

/// The set of a report that does not have the changes that it claims, by the node and the digest of its baseline.
pub(crate) fn unverified_set(node: &str, digest: &str) -> String {
    set_of_texts(["unverified", node, digest])
}

fn set_of_request(reason: &str, request: &str, config_hash: &str, hashes: &[&str]) -> String {
    let texts = ["set", reason, request, config_hash];
    set_of_texts(texts.into_iter().chain(hashes.iter().copied()))
}

fn set_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        part(&mut hash, text.as_bytes());
    }
    set_id(&names::hex(&hash.finalize()))
}

/// The ID of a set by the digits of a hash.
pub(crate) fn set_id(hash: &str) -> String {
    hash.chars().take(SET_DIGITS).collect()
}

/// The ConfigMap of a node. Without `log` there is no report: the changes are not known.
pub(crate) fn node_report(
    identity: &Identity,
    log: Option<Value>,
    record: &EvidenceRecord,
) -> Value {
    let mut object = log.unwrap_or_else(|| {
        failure_log::config_map(identity, &Report::default(), &FailureLog::default())
    });
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(identity.accepted_report());
    if let Some(labels) = metadata["labels"].as_object_mut() {
        labels.remove(names::Label::RESULT_LOG);
        labels.insert(names::Label::ACCEPTED.to_owned(), json!(""));
    }
    let annotations = &mut metadata["annotations"];
    annotations[names::Annotation::BASELINE_DIGEST] = json!(record.baseline.digest);
    annotations[names::Annotation::CHANGE_SET] = json!(record.set());
    // Texts, numbers and times always have a JSON form.
    let text = serde_json::to_string(record).unwrap_or_default();
    object["data"][names::KEY_RECORD] = json!(text);
    object
}

/// The record of a node's ConfigMap.
pub(crate) fn record_of(object: &ConfigMap) -> Option<EvidenceRecord> {
    let text = object.data.as_ref()?.get(names::KEY_RECORD)?;
    serde_json::from_str(text).ok()
}

/// Whether the report of a node's ConfigMap has exactly the changes that its record claims.
pub(crate) fn is_verified(object: &ConfigMap, record: &EvidenceRecord) -> bool {
    let differences = record.differences();
    let Some(differences) = differences.filter(|it| it.incomplete.is_none()) else {
        return false;
    };
    let found = report_of(object, &record.host_root).map(|report| {
        let set = ChangeSet::new(&report);
        let hash = (report.counted() > 0).then(|| set.hash().to_owned());
        // AIDE's reports do not list more than they count.
        let is_whole = !report.truncated && report.listed() == report.counted();
        is_whole.then_some(hash)
    });
    found
        .flatten()
        .is_some_and(|hash| hash == differences.changes_hash)
}

/// Whether the report of a node's ConfigMap lists only some of its changes, because all of them do not fit into it.
pub(crate) fn is_truncated(object: &ConfigMap, record: &EvidenceRecord) -> bool {
    report_of(object, &record.host_root).is_some_and(|report| !report.lists_all())
}

/// The JSON report of a ConfigMap in the format of a failure log.
pub(crate) fn report_of(object: &ConfigMap, host_root: &str) -> Option<Report> {
    let bytes = object.binary_data.as_ref()?.get(names::KEY_JSON_REPORT)?;
    let json = flate2::read::GzDecoder::new(bytes.0.as_slice()).take(MAX_REPORT);
    let mut report = report::parse_json(json).ok()?;
    report.strip_host_root(host_root);
    Some(report)
}

#[cfg(test)]
pub(crate) mod tests;
