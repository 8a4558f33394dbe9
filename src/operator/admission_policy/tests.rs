//! Tests of the policy.

use std::collections::BTreeMap;

use super::*;
use crate::api::EventReason;

#[test]
fn the_documents_speak_of_the_namespace() {
    let documents = documents("elsewhere");
    for (document, kind) in documents.iter().zip(["", "Binding"]) {
        assert!(document.contains(&format!("kind: ValidatingAdmissionPolicy{kind}\n")));
        assert!(document.contains("\n  name: file-integrity-daemon.elsewhere\n"));
        assert!(!document.contains(MANIFEST_NAMESPACE));
    }
    assert!(documents[1].contains("policyName: file-integrity-daemon.elsewhere\n"));
    assert!(documents[1].contains("kubernetes.io/metadata.name: elsewhere"));
}

/// An event with another reason would be refused.
#[test]
fn the_policy_allows_exactly_the_reasons_of_the_daemons_events() {
    for reason in EventReason::ALL {
        let is_allowed = MANIFEST.contains(&format!("'{reason}'"));
        assert_eq!(is_allowed, reason.is_of_daemon(), "{reason}");
    }
}

#[test]
fn objects_of_the_operator_have_the_hash_annotation() {
    let [policy, _] = documents("ns");
    let made = with_hash(&policy, "abc");
    let annotated = format!(
        "kind: ValidatingAdmissionPolicy\nmetadata:\n  annotations:\n    {}: \"abc\"\n  \
         name: file-integrity-daemon.ns\n",
        Annotation::MANIFEST_HASH
    );
    assert!(made.contains(&annotated), "{made}");
}

#[test]
fn a_missing_policy_is_created_and_only_the_operators_policy_is_updated() {
    let meta = |hash: Option<&str>| ObjectMeta {
        annotations: hash.map(|h| BTreeMap::from([(Annotation::MANIFEST_HASH.into(), h.into())])),
        ..ObjectMeta::default()
    };
    assert!(needs_update(None, "new"));
    assert!(needs_update(Some(&meta(Some("old"))), "new"));
    assert!(!needs_update(Some(&meta(Some("new"))), "new"));
    assert!(
        !needs_update(Some(&meta(None)), "new"),
        "an administrator's"
    );
}
