use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::scan::evidence::tests::reported;

const RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);

fn with_metadata(mut object: ConfigMap, node: &str) -> ConfigMap {
    object.metadata.uid = Some(format!("uid of {node}"));
    let labels = object.metadata.labels.as_mut().unwrap();
    labels.insert(Label::NODE.to_owned(), node.to_owned());
    object
}

fn of(object: &ConfigMap) -> Reported {
    Reported::new(object.metadata.clone()).unwrap()
}

fn value<'a>(evidence: &'a Evidence, key: &str) -> &'a str {
    annotation(&evidence.object.metadata, key).unwrap_or_default()
}

#[test]
fn a_verified_report_is_immutable_evidence_without_an_owner() {
    let object = with_metadata(reported("n1", "/etc/new"), "n1");
    let report = of(&object);
    let evidence = Evidence::of(&object, &report, 0, RETENTION);
    assert!(evidence.is_verified());
    assert_eq!(evidence.name(), report.evidence_name());
    assert!(
        evidence.name().starts_with("aide-fi-set-"),
        "{}",
        evidence.name()
    );
    let created = evidence.object();
    assert_eq!(created.immutable, Some(true));
    assert_eq!(created.metadata.owner_references, None);
    assert_eq!(created.data, object.data);
    assert_eq!(created.binary_data, object.binary_data);
    let labels = created.metadata.labels.as_ref().unwrap();
    assert!(labels.contains_key(Label::EVIDENCE) && !labels.contains_key(Label::ACCEPTED));
    assert!(!labels.contains_key(Label::NODE), "it is of several nodes");
    let now = time::now().0;
    assert!(!is_expired(
        &created.metadata,
        now + RETENTION - SignedDuration::from_secs(60)
    ));
    assert!(is_expired(
        &created.metadata,
        now + RETENTION + SignedDuration::from_secs(60)
    ));
}

/// Existing evidence of these nodes, created at this time.
fn existing(count: usize, nodes: &str, at: Timestamp) -> Existing {
    let mut existing = Existing::default();
    for index in 0..count {
        let annotations = [(Annotation::NODES.to_owned(), nodes.to_owned())];
        existing.add(ObjectMeta {
            name: Some(format!("evidence-{index}")),
            creation_timestamp: Some(Time(at)),
            annotations: Some(annotations.into()),
            ..ObjectMeta::default()
        });
    }
    existing
}

#[test]
fn a_node_cannot_create_evidence_without_end() {
    let report = of(&with_metadata(reported("n1", "/etc/new"), "n1"));
    let now = time::now().0;
    let yesterday = now - SignedDuration::from_hours(25);
    for (count, nodes, at, expected) in [
        (MAX_PER_NODE - 1, "n1", now, false),
        (MAX_PER_NODE, "n1", now, true),
        (MAX_PER_NODE, "n1", yesterday, false),
        (MAX_PER_NODE, "n1,n2", now, false),
        (MAX_PER_NODE, "n2", now, false),
    ] {
        let found = existing(count, nodes, at).has_too_many_of(&report, now);
        assert_eq!(found, expected, "{count} of {nodes}");
    }
}

#[test]
fn a_report_with_an_invalid_name_is_ignored() {
    let object = with_metadata(reported("n1", "/etc/new"), "n1");
    for (key, value) in [
        (Label::NODE, "n1,n2"),
        (Label::NODE, ""),
        (Label::OWNER, "../secrets"),
    ] {
        let mut metadata = object.metadata.clone();
        let annotations = metadata.annotations.as_mut().unwrap();
        annotations.insert(key.to_owned(), value.to_owned());
        assert!(Reported::new(metadata).is_none(), "{value:?}");
    }
}

#[test]
fn a_node_that_claims_the_set_of_others_gets_another_name() {
    let truth = with_metadata(reported("n1", "/etc/new"), "n1");
    let set = of(&truth).set.clone();
    let mut lie = with_metadata(reported("n2", "/etc/other"), "n2");
    let annotations = lie.metadata.annotations.as_mut().unwrap();
    annotations.insert(Annotation::CHANGE_SET.to_owned(), set);
    let evidence = Evidence::of(&lie, &of(&lie), 0, RETENTION);
    assert!(!evidence.is_verified());
    assert_eq!(value(&evidence, Annotation::VERIFIED), NOT_VERIFIED);
    assert_ne!(evidence.name(), of(&truth).evidence_name());
    // Nor without a record.
    lie.data = None;
    let evidence = Evidence::of(&lie, &of(&lie), 0, RETENTION);
    assert!(!evidence.is_verified());
    assert_ne!(evidence.name(), of(&truth).evidence_name());
}

#[test]
fn objects_without_a_valid_set_are_not_promoted() {
    for set in [
        "",
        "0123",
        "../../../../etc/passwd-0123456789",
        &"g".repeat(32),
    ] {
        let mut object = reported("n1", "/etc/new");
        let annotations = object.metadata.annotations.as_mut().unwrap();
        annotations.insert(Annotation::CHANGE_SET.to_owned(), set.to_owned());
        assert!(Reported::new(object.metadata).is_none(), "{set}");
    }
}

#[test]
fn beyond_the_limit_only_the_record_is_kept() {
    let object = with_metadata(reported("n1", "/etc/new"), "n1");
    let evidence = Evidence::of(&object, &of(&object), MAX_TOTAL, RETENTION);
    let created = evidence.object();
    assert_eq!(created.binary_data, None);
    let data = created.data.clone().unwrap();
    assert_eq!(data[names::KEY_INTEGRITY_LOG], NOT_KEPT);
    assert_eq!(
        data[names::KEY_RECORD],
        object.data.unwrap()[names::KEY_RECORD]
    );
    assert_eq!(value(&evidence, Annotation::SIZE), "0");
    assert!(evidence.is_verified(), "its changes are known nevertheless");
}

#[test]
fn of_a_report_that_is_invalid_as_evidence_only_the_record_is_kept() {
    let mut object = with_metadata(reported("n1", "/etc/new"), "n1");
    let annotations = object.metadata.annotations.as_mut().unwrap();
    annotations.insert(Annotation::FILES_CHANGED.to_owned(), "x".repeat(250_000));
    let report = of(&object);
    let evidence = Evidence::refused(&object, &report, &"too long".repeat(1000), RETENTION);
    assert!(!evidence.is_verified());
    assert_eq!(value(&evidence, Annotation::VERIFIED), REFUSED);
    assert_ne!(evidence.name(), report.evidence_name());
    assert_eq!(value(&evidence, Annotation::FILES_ADDED), "1");
    assert_eq!(value(&evidence, Annotation::FILES_CHANGED), "");
    let created = evidence.object();
    assert_eq!(
        (created.immutable, &created.binary_data),
        (Some(true), &None)
    );
    let data = created.data.clone().unwrap();
    assert_eq!(
        data[names::KEY_RECORD],
        object.data.as_ref().unwrap()[names::KEY_RECORD]
    );
    let why = &data[names::KEY_INTEGRITY_LOG];
    assert!(why.contains("too long") && why.len() < 1200, "{why}");
    assert_eq!(data.len(), 2);
    // Nor does it need a record.
    object.data = None;
    let data = Evidence::refused(&object, &report, "e", RETENTION)
        .object
        .data;
    assert_eq!(data.unwrap().len(), 1);
}

#[test]
fn evidence_lists_its_nodes_once_and_within_a_limit() {
    let nodes: Vec<String> = (0..MAX_NODES + 20).map(|n| format!("node{n}")).collect();
    let all: Vec<Reported> = nodes
        .iter()
        .map(|node| of(&with_metadata(reported("n1", "/etc/new"), node)))
        .collect();
    let object = reported("n1", "/etc/new");
    let evidence = Evidence::of(&object, &all[0], 0, RETENTION);
    let mut existing = Existing::default();
    assert_eq!(existing.with_nodes(&evidence.name(), &all), None);
    let mut metadata = evidence.object().metadata.clone();
    existing.add(metadata.clone());
    assert!(existing.has_verified(&all[0]));
    for reported in [&all[..2], &all[1..2], &all[..]] {
        let Some(more) = existing.with_nodes(&evidence.name(), reported) else {
            continue;
        };
        metadata.annotations.as_mut().unwrap().extend(more);
        existing.add(metadata.clone());
    }
    assert_eq!(existing.with_nodes(&evidence.name(), &all[..2]), None);
    let listed = annotation(&metadata, Annotation::NODES).unwrap();
    assert_eq!(listed.split(',').count(), MAX_NODES);
    let count = annotation(&metadata, Annotation::NODE_COUNT).unwrap();
    assert_eq!(count, (MAX_NODES + 20).to_string());
    assert!(existing.size() > 0);
}

#[test]
fn the_state_of_evidence_is_that_of_its_annotation() {
    let mut existing = Existing::default();
    for (name, verified) in [
        ("a", Some(VERIFIED)),
        ("b", Some(NOT_VERIFIED)),
        ("c", Some(INCOMPLETE)),
        ("d", Some(TRUNCATED)),
        ("e", Some("yes")),
        ("f", None),
    ] {
        let annotation = |value: &str| (Annotation::VERIFIED.to_owned(), value.to_owned());
        existing.add(ObjectMeta {
            name: Some(name.to_owned()),
            annotations: Some(verified.map(annotation).into_iter().collect()),
            ..ObjectMeta::default()
        });
    }
    let expected = [
        ("a", EvidenceState::Verified),
        ("b", EvidenceState::Unverified),
        ("c", EvidenceState::Incomplete),
        ("d", EvidenceState::Incomplete),
        ("e", EvidenceState::Unverified),
        ("f", EvidenceState::Unverified),
    ];
    let expected = expected.map(|(name, state)| (name.to_owned(), state));
    assert_eq!(existing.states(), expected.into_iter().collect());
}

#[test]
fn before_the_limit_is_reached_users_are_warned() {
    let object = with_metadata(reported("n1", "/etc/new"), "n1");
    let evidence = Evidence::of(&object, &of(&object), 0, RETENTION);
    let mut existing = Existing::default();
    assert!(!existing.is_nearly_full());
    assert!(existing.file_integrities().is_empty());
    for (number, (size, is_nearly_full)) in [
        (MAX_TOTAL / 2, false),
        (MAX_TOTAL / 10 * 3 - 20, false),
        (19, false),
        (20, true),
        (MAX_TOTAL, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut metadata = evidence.object().metadata.clone();
        metadata.name = Some(format!("e{number}"));
        let annotations = metadata.annotations.as_mut().unwrap();
        annotations.insert(Annotation::SIZE.to_owned(), size.to_string());
        existing.add(metadata);
        assert_eq!(
            existing.is_nearly_full(),
            is_nearly_full,
            "{}",
            existing.size()
        );
    }
    assert_eq!(
        existing.file_integrities(),
        BTreeSet::from(["fi".to_owned()])
    );
}
