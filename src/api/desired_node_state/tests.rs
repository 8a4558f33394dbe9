//! Tests of the annotations.

use super::*;
use crate::api::HoldEnd;

fn acceptance() -> AcceptanceRequest {
    AcceptanceRequest {
        name: "openssl".to_owned(),
        uid: "u".to_owned(),
        attempt: 1,
        change_set: "s".to_owned(),
        config_hash: "c".to_owned(),
        until: "2026-12-01T00:00:00Z".parse().unwrap(),
        publish_report: false,
    }
}

fn announced() -> AnnouncedChanges {
    AnnouncedChanges {
        name: "deploy".to_owned(),
        uid: "v".to_owned(),
        until: "2026-12-01T00:00:00Z".parse().unwrap(),
        config_hash: "c".to_owned(),
    }
}

fn timed_hold() -> TimedHold {
    TimedHold {
        name: "kernel".to_owned(),
        from: "2026-12-01T00:00:00.5Z".parse().unwrap(),
        until: "2026-12-02T00:00:00Z".parse().unwrap(),
        then: HoldEnd::Accept,
    }
}

#[test]
fn holds_that_cannot_be_read_hold_nothing() {
    for text in ["", "{}", "[{}]", r#"[{"name":"a","from":"b","until":"c"}]"#] {
        let annotations = [(names::Annotation::HOLDS.to_owned(), text.to_owned())];
        let state = DesiredNodeState::from_annotations(&annotations.into());
        assert_eq!(state, DesiredNodeState::default(), "{text}");
    }
}

#[test]
fn annotations_round_trip() {
    let full = |hold| DesiredNodeState {
        config_hash: Some("c".to_owned()),
        reinit_request: Some("r".to_owned()),
        scan_request: Some("s".to_owned()),
        acceptance: Some(acceptance()),
        announced: vec![announced()],
        hold: Some(hold),
        holds: vec![timed_hold()],
        require_acceptance: true,
        previous_config: Some("p".to_owned()),
    };
    let table = [
        (DesiredNodeState::default(), None),
        (full(HoldReason::User), Some("")),
        (full(HoldReason::NodeUpdate), Some("node-update")),
        (full(HoldReason::Unknown("x".to_owned())), Some("x")),
    ];
    for (state, holdoff) in table {
        let mut annotations = state.to_annotations();
        let encoded = annotations.get("file-integrity.openshift.io/holdoff");
        assert_eq!(encoded.map(String::as_str), holdoff);
        annotations.insert("example.com/other".to_owned(), "o".to_owned());
        assert_eq!(DesiredNodeState::from_annotations(&annotations), state);
    }
}

#[test]
fn all_annotations_are_listed() {
    let state = DesiredNodeState {
        config_hash: Some("c".to_owned()),
        reinit_request: Some("r".to_owned()),
        scan_request: Some("s".to_owned()),
        acceptance: Some(acceptance()),
        announced: vec![announced()],
        hold: Some(HoldReason::User),
        holds: vec![timed_hold()],
        require_acceptance: true,
        previous_config: Some("p".to_owned()),
    };
    let encoded = state.to_annotations();
    let encoded: Vec<&str> = encoded.keys().map(String::as_str).collect();
    let mut listed = DesiredNodeState::ANNOTATIONS;
    listed.sort_unstable();
    assert_eq!(encoded, listed);
}
