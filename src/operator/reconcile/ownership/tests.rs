//! A table of objects, and whether a deleted FileIntegrity left them.

use serde_json::json;

use super::*;

#[test]
fn leftovers_belong_to_a_deleted_file_integrity_of_the_same_name() {
    let owner = |api_version: &str, kind: &str, name: &str, uid: &str, controller: bool| {
        let owner = json!({
            "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
            "controller": controller,
        });
        let meta = json!({"name": "aide-fi", "ownerReferences": [owner]});
        serde_json::from_value::<ObjectMeta>(meta).unwrap()
    };
    let version = "fileintegrity.openshift.io/v1alpha1";
    let fi: ObjectMeta = serde_json::from_value(json!({"name": "fi", "uid": "u"})).unwrap();
    for (meta, expected) in [
        (owner(version, "FileIntegrity", "fi", "old", true), true),
        (owner(version, "FileIntegrity", "fi", "u", true), false),
        (owner(version, "FileIntegrity", "fi", "old", false), false),
        (owner(version, "FileIntegrity", "other", "old", true), false),
        (owner("v1", "FileIntegrity", "fi", "old", true), false),
        (owner(version, "Other", "fi", "old", true), false),
        (ObjectMeta::default(), false),
    ] {
        assert_eq!(is_leftover(&meta, &fi), expected, "{meta:?}");
    }
}
