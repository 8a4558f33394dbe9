use std::collections::BTreeMap;
use std::io::Write as _;

use k8s_openapi::ByteString;

use super::*;
use crate::aide::report::parse_json;
use crate::api::{Accepted, time};
use crate::scan::accepted;
use crate::scan::failure_log::Reports;
use crate::scan::identity;
use crate::scan::outcome::Outcome;

/// A report whose only change is this file with this content.
fn json(path: &str, content: &str) -> String {
    format!(
        r#"{{"number_of_entries": {{"total": 9, "added": 1, "removed": 0, "changed": 0}},
            "added": {{"/hostroot{path}": "f++++"}},
            "details": {{"/hostroot{path}": {{"sha256": {{"new": "{content}"}}}}}}}}"#
    )
}

fn parsed(json: &str) -> Report {
    let mut report = parse_json(json.as_bytes()).unwrap();
    report.strip_host_root("/hostroot");
    report
}

fn record(node: &str, differences: AcceptedDifferences) -> EvidenceRecord {
    EvidenceRecord {
        with_old_config: false,
        file_integrity: "fi".to_owned(),
        node: node.to_owned(),
        host_root: "/hostroot".to_owned(),
        baseline: Baseline {
            created_at: time::now(),
            config_hash: "c".to_owned(),
            digest: format!("digest of {node}"),
            entries: 9,
            aide_version: "0.19.1".to_owned(),
            state_dir: None,
            requested: true,
            accepted: Some(Accepted {
                reason: "Annotation".to_owned(),
                request: Some("r1".to_owned()),
                differences,
                ..Accepted::default()
            }),
        },
    }
}

/// The record of a report.
fn of(node: &str, json: &str) -> EvidenceRecord {
    let outcome = Outcome::Changed(Box::new(parsed(json)));
    let nothing = std::collections::HashSet::new();
    record(node, accepted::differences(&outcome, &nothing))
}

/// The ConfigMap of a node with this record and this report.
pub(crate) fn object(record: &EvidenceRecord, json: &str) -> ConfigMap {
    let reports = Reports {
        plain: &b"the plain report"[..],
        json: json.as_bytes(),
        path_on_node: "/etc/kubernetes/aide.log".to_owned(),
    };
    let content = failure_log::fit(&identity(), &parsed(json), reports).unwrap();
    let log = failure_log::config_map(&identity(), &parsed(json), &content);
    serde_json::from_value(node_report(&identity(), Some(log), record)).unwrap()
}

/// The ConfigMap of a node that reports this change truly.
pub(crate) fn reported(node: &str, path: &str) -> ConfigMap {
    let json = json(path, "YQ==");
    object(&of(node, &json), &json)
}

#[test]
fn a_report_has_its_record_and_is_no_failure_log() {
    let found = reported("n1", "/etc/new");
    let metadata = &found.metadata;
    assert_eq!(metadata.name.as_deref(), Some("aide-fi-n1-accepted"));
    let labels = metadata.labels.as_ref().unwrap();
    assert!(labels.contains_key(names::Label::ACCEPTED));
    assert!(!labels.contains_key(names::Label::RESULT_LOG));
    let record = record_of(&found).unwrap();
    let annotations = metadata.annotations.as_ref().unwrap();
    assert_eq!(annotations[names::Annotation::CHANGE_SET], record.set());
    assert_eq!(annotations[names::Annotation::FILES_ADDED], "1");
    let size: usize = found.data.unwrap().values().map(String::len).sum();
    assert!(size < 4096, "{size}");
}

#[test]
fn the_set_is_that_of_the_changes_and_the_request() {
    let (one, other) = (json("/etc/a", "YQ=="), json("/etc/a", "Yg=="));
    let set = of("n1", &one).set();
    assert_eq!(set.len(), SET_DIGITS);
    assert_eq!(of("n2", &one).set(), set, "of another node");
    assert_ne!(of("n1", &other).set(), set, "of another content");
    let mut later = of("n1", &one);
    later.baseline.accepted.as_mut().unwrap().request = Some("r2".to_owned());
    assert_ne!(later.set(), set, "of another request");
    // What is not known of two nodes is not the same.
    let unknown = |node| record(node, accepted::unknown("why")).set();
    assert_ne!(unknown("n1"), unknown("n2"));
}

#[test]
fn the_report_of_the_check_with_the_old_configuration_is_another_set() {
    let (new, old) = (json("/etc/a", "YQ=="), json("/etc/b", "YQ=="));
    let mut record = of("n1", &new);
    let shown = of("n1", &old).differences().cloned();
    let accepted = record.baseline.accepted.as_mut().unwrap();
    accepted.with_old_config = shown;
    accepted.old_config_hash = Some("o".to_owned());
    let of_update = record.clone();
    assert!(is_verified(&object(&of_update, &new), &of_update));
    record.with_old_config = true;
    assert_ne!(record.set(), of_update.set());
    assert_ne!(record.unverified_set(), of_update.unverified_set());
    let found = object(&record, &old);
    assert!(is_verified(&found, &record));
    assert_eq!(record_of(&found).unwrap(), record);
    assert!(!is_verified(&object(&record, &new), &record));
    // Nodes with the same changes share it.
    let mut other = record.clone();
    other.node = "n2".to_owned();
    other.baseline.digest = "another".to_owned();
    assert_eq!(other.set(), record.set());
    // What is not completely known is that of one baseline.
    for record in [&mut record, &mut other] {
        let of_baseline = record.baseline.accepted.as_mut().unwrap();
        of_baseline.with_old_config = Some(accepted::unknown("why"));
    }
    assert_ne!(other.set(), record.set());
    let mut update = record.clone();
    update.with_old_config = false;
    update.baseline.accepted.as_mut().unwrap().differences = accepted::unknown("why");
    assert_ne!(update.set(), record.set());
}

#[test]
fn the_set_of_an_acceptance_is_known_in_advance() {
    let mut record = of("n1", &json("/etc/a", "YQ=="));
    let hash = {
        let accepted = record.baseline.accepted.as_mut().unwrap();
        accepted.reason = AcceptedReason::Acceptance.to_string();
        accepted.request = Some("uid".to_owned());
        accepted.differences.changes_hash.clone().unwrap()
    };
    assert_eq!(record.set(), acceptance_set("uid", "c", &hash));
    assert_ne!(record.set(), acceptance_set("another", "c", &hash));
    assert_ne!(record.set(), acceptance_set("uid", "another", &hash));
    assert_eq!(
        record.unverified_set(),
        unverified_set("n1", "digest of n1")
    );
}

#[test]
fn a_report_that_was_truncated_to_fit_is_known() {
    let truth = json("/etc/a", "YQ==");
    let claim = of("n1", &truth);
    assert!(!is_truncated(&object(&claim, &truth), &claim));
    let mut report = parsed(&truth);
    report.truncated = true;
    let reports = Reports {
        plain: &b"the plain report"[..],
        json: truth.as_bytes(),
        path_on_node: "/etc/kubernetes/aide.log".to_owned(),
    };
    let content = failure_log::fit(&identity(), &report, reports).unwrap();
    let log = failure_log::config_map(&identity(), &report, &content);
    let object: ConfigMap =
        serde_json::from_value(node_report(&identity(), Some(log), &claim)).unwrap();
    assert!(is_truncated(&object, &claim));
    assert!(!is_verified(&object, &claim));
}

#[test]
fn only_a_report_with_the_claimed_changes_is_verified() {
    let (truth, other) = (json("/etc/a", "YQ=="), json("/etc/a", "Yg=="));
    let claim = of("n1", &truth);
    assert!(is_verified(&object(&claim, &truth), &claim));
    assert!(
        !is_verified(&object(&claim, &other), &claim),
        "another content"
    );
    let unknown = record("n1", accepted::unknown("why"));
    assert!(!is_verified(&object(&unknown, &truth), &unknown));
    let mut damaged = object(&claim, &truth);
    damaged.binary_data = Some(BTreeMap::from([(
        names::KEY_JSON_REPORT.to_owned(),
        ByteString(b"no gzip".to_vec()),
    )]));
    assert!(!is_verified(&damaged, &claim));
    damaged.binary_data = None;
    assert!(!is_verified(&damaged, &claim));
}

/// The JSON report that repeats this text, compressed.
fn repeated(start: &str, text: &str, bytes: usize, end: &str) -> ByteString {
    let mut json = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let text = text.repeat(1024);
    json.write_all(start.as_bytes()).unwrap();
    for _ in 0..=bytes / text.len() {
        json.write_all(text.as_bytes()).unwrap();
    }
    json.write_all(end.as_bytes()).unwrap();
    ByteString(json.finish().unwrap())
}

/// A node that somebody else controls may publish anything that fits into a ConfigMap. The operator reads at most
/// `MAX_REPORT` of it, and of an entry only what an entry of AIDE can have.
#[test]
fn a_report_that_is_far_longer_than_its_configmap_is_not_read_to_its_end() {
    let mut object = reported("n1", "/etc/new");
    let record = record_of(&object).unwrap();
    let longer = usize::try_from(MAX_REPORT).unwrap();
    let value = r#"{"added": {"/a": "f"}, "details": {"/a": {"sha256": {"new": "#;
    for (start, text, bytes, end, is_cut) in [
        (format!("{value}\""), "a", longer, "\"}}}}", true),
        (format!("{value}[\"\""), ",\"\"", 128 * 1024, "", false),
        (
            r#"{"details": {"/a": {"a": {}"#.to_owned(),
            ",\"a\": {}",
            4096,
            "",
            false,
        ),
    ] {
        let report = repeated(&start, text, bytes, end);
        let binary = object.binary_data.as_mut().unwrap();
        binary.insert(names::KEY_JSON_REPORT.to_owned(), report);
        assert!(!is_verified(&object, &record), "{start}");
        assert_eq!(is_truncated(&object, &record), is_cut, "{start}");
    }
}
