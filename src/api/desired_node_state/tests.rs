//! Tests of the annotations.

use super::*;

#[test]
fn annotations_round_trip() {
    let full = |hold| DesiredNodeState {
        config_hash: Some("c".to_owned()),
        reinit_request: Some("r".to_owned()),
        hold: Some(hold),
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
        hold: Some(HoldReason::User),
    };
    let encoded = state.to_annotations();
    let encoded: Vec<&str> = encoded.keys().map(String::as_str).collect();
    let mut listed = DesiredNodeState::ANNOTATIONS;
    listed.sort_unstable();
    assert_eq!(encoded, listed);
}
