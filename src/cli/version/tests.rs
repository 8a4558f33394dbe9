use super::*;

#[test]
fn the_version_has_the_commit_if_it_is_known() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text(Some("0123abc")).starts_with(&format!("fio {version} (0123abc) linux/")));
    assert!(text(Some("")).starts_with(&format!("fio {version} linux/")));
    let value: serde_json::Value = serde_json::from_str(&json(None)).unwrap();
    assert_eq!(value["version"], version);
    assert_eq!(value["commit"], serde_json::Value::Null);
    assert_eq!(value["architecture"], std::env::consts::ARCH);
}
