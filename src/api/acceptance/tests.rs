use super::*;
use crate::api::time;

fn request() -> AcceptanceRequest {
    AcceptanceRequest {
        name: "openssl".to_owned(),
        uid: "0d9d5a1e-6f0e-4a4e-9b60-6f2f1d1d8f3b".to_owned(),
        attempt: 2,
        change_set: "a".repeat(64),
        config_hash: "b".repeat(64),
        until: "2026-12-01T00:00:00Z".parse().unwrap(),
        publish_report: true,
    }
}

fn result(attempt: u32, state: AcceptanceState) -> AcceptanceResult {
    let AcceptanceRequest { name, uid, .. } = request();
    AcceptanceResult {
        name,
        uid,
        attempt,
        state,
        reason: None,
        message: None,
        finished_at: time::now(),
        old_digest: None,
        new_digest: None,
    }
}

#[test]
fn a_request_survives_its_annotation() {
    let request = request();
    assert_eq!(AcceptanceRequest::decode(&request.encode()), Some(request));
}

#[test]
fn text_of_others_is_no_request() {
    for text in ["", "{}", "null", "[]", "openssl", "{\"name\":\"a\"}"] {
        assert_eq!(AcceptanceRequest::decode(text), None, "{text}");
    }
}

#[test]
fn a_new_baseline_answers_all_attempts_and_a_refusal_only_its_own() {
    let request = request();
    assert!(request.is_answered_by(&result(2, AcceptanceState::Refused)));
    assert!(!request.is_answered_by(&result(1, AcceptanceState::Refused)));
    assert!(request.is_answered_by(&result(1, AcceptanceState::Accepted)));
    let other = AcceptanceResult {
        uid: "another".to_owned(),
        ..result(2, AcceptanceState::Accepted)
    };
    assert!(!request.is_answered_by(&other));
}
