use super::*;
use crate::api::time;

fn request() -> AcceptanceRequest {
    AcceptanceRequest {
        name: "openssl".to_owned(),
        uid: "u1".to_owned(),
        attempt: 2,
        change_set: "a".repeat(64),
        config_hash: "c1".to_owned(),
        until: "2026-12-01T00:00:00Z".parse().unwrap(),
        publish_report: false,
    }
}

#[test]
fn the_event_of_a_refusal_names_node_acceptance_and_reason() {
    let refusal = Refusal::new(RefusalReason::ChangesDiffer, "the node has another set");
    let event = refusal.event("n1", &request());
    assert_eq!(
        event.message,
        "node n1: the acceptance openssl was refused, and the node keeps its baseline: ChangesDiffer, the node has \
         another set"
    );
    assert_eq!(event.reason, EventReason::ChangesDiffer);
}

#[test]
fn only_what_nobody_has_caused_on_purpose_is_a_warning() {
    let warnings = RefusalReason::ALL.iter().filter(|reason| {
        let event = Refusal::new(**reason, "").event("n1", &request());
        event.severity == Severity::Warning
    });
    let warnings: Vec<_> = warnings.copied().collect();
    let expected = [
        RefusalReason::ChangesDiffer,
        RefusalReason::Unstable,
        RefusalReason::BaselineUntrusted,
        RefusalReason::Error,
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn texts_of_others_are_bounded_and_escaped() {
    let hostile = AcceptanceRequest {
        name: format!("a\n{}", "b".repeat(5000)),
        ..request()
    };
    let refusal = Refusal::new(RefusalReason::Error, "x".repeat(100_000));
    let message = refusal.event("n1", &hostile).message;
    assert!(message.len() < 1024, "{}", message.len());
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn an_answer_is_that_to_its_request() {
    let refusal = Refusal::new(RefusalReason::Unstable, "why");
    let refused = refused(&request(), &refusal, Some("d1".to_owned()), time::now());
    assert!(request().is_answered_by(&refused));
    assert_eq!(refused.reason.as_deref(), Some("Unstable"));
    assert_eq!(
        (refused.old_digest.as_deref(), refused.new_digest),
        (Some("d1"), None)
    );
}

#[test]
fn progress_keeps_the_last_baseline_of_each_acceptance() {
    let progress = |uid: &str, accepted, digest: Option<&str>| AnnouncedResult {
        name: format!("acceptance-{uid}"),
        uid: uid.to_owned(),
        accepted,
        remaining: 1,
        message: None,
        accepted_at: digest.map(|_| time::now()),
        old_digest: digest.map(|_| "old".to_owned()),
        new_digest: digest.map(str::to_owned),
    };
    let earlier = [
        progress("u1", 1, Some("first")),
        progress("u2", 1, Some("first")),
        progress("over", 1, Some("first")),
    ];
    let new = [
        progress("u1", 2, None),
        progress("u2", 2, Some("second")),
        progress("u3", 0, None),
    ];
    let merged = with_earlier(&new, &earlier);
    let shown: Vec<_> = merged
        .iter()
        .map(|it| (it.uid.as_str(), it.accepted, it.new_digest.as_deref()))
        .collect();
    let expected = [
        ("u1", 2, Some("first")),
        ("u2", 2, Some("second")),
        ("u3", 0, None),
    ];
    assert_eq!(shown, expected);
    assert_eq!(merged[0].accepted_at, earlier[0].accepted_at);
}
