use std::collections::BTreeMap;

use super::*;
use crate::api::EventReason;

#[test]
fn the_documents_speak_of_the_namespace() {
    for policy in Policy::ALL {
        let name = policy.name("elsewhere");
        let documents = policy.documents("elsewhere");
        for document in &documents {
            let text = &document.text;
            assert!(text.contains(&format!("kind: {}\n", document.kind)));
            assert!(text.contains(&format!("\n  name: {name}\n")));
            assert!(!text.contains(MANIFEST_NAMESPACE));
        }
        let binding = &documents[1].text;
        assert!(binding.contains(&format!("policyName: {name}\n")));
        assert!(binding.contains("kubernetes.io/metadata.name: elsewhere"));
    }
}

/// An event with another reason would be refused.
#[test]
fn the_policy_allows_exactly_the_reasons_of_the_daemons_events() {
    for reason in EventReason::ALL {
        let is_allowed = Policy::Daemon.manifest().contains(&format!("'{reason}'"));
        assert_eq!(is_allowed, reason.is_of_daemon(), "{reason}");
    }
}

#[test]
fn objects_of_the_operator_have_the_hash_annotation() {
    let [policy, _] = Policy::Daemon.documents("ns");
    let made = policy.with_hash();
    let annotated = format!(
        "kind: ValidatingAdmissionPolicy\nmetadata:\n  annotations:\n    {}: \"{}\"\n  \
         name: file-integrity-daemon.ns\n",
        Annotation::MANIFEST_HASH,
        policy.hash()
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
