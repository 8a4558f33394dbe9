use super::*;
use crate::scan::identity;

fn change(path: &str, kind: ChangeKind) -> Change {
    Change {
        path: path.as_bytes().to_vec(),
        kind,
        attributes: [].into(),
        new_values: None,
        details: Vec::new(),
    }
}

fn lines_of(changes: Vec<Change>) -> String {
    let report = Report {
        changes,
        ..Report::default()
    };
    let time = Time("2026-01-02T03:04:05Z".parse().unwrap());
    lines(&identity(), "abc", &time, &report).unwrap()
}

#[test]
fn a_line_for_each_change() {
    let own = |text: &str| text.to_owned();
    let mut changed = change("/etc/b\n", ChangeKind::Changed);
    changed.attributes = [own("size"), own("acl")].into();
    changed.details = vec![(own("size"), own("1"), own("20"))];
    let text = lines_of(vec![change("/etc/a", ChangeKind::Added), changed]);
    let start = r#"{"time":"2026-01-02T03:04:05Z","node":"n1","fileIntegrity":"fi","scan":"abc","#;
    let expected = [
        r#""path":"/etc/a","change":"added","attributes":{}}"#,
        r#""path":"/etc/b\\012","change":"changed","attributes":{"acl":{"old":null,"new":null},"size":{"old":"1","new":"20"}}}"#,
    ]
    .map(|rest| format!("{start}{rest}\n"));
    assert_eq!(text, expected.concat());
}

#[test]
fn omitted_changes_are_counted() {
    let changes = vec![change("/etc/a", ChangeKind::Removed); MAX_LINES + 7];
    let text = lines_of(changes);
    assert_eq!(text.lines().count(), MAX_LINES + 1);
    assert!(
        text.ends_with("\"omitted\":7}\n"),
        "{:?}",
        text.lines().last()
    );
}

#[test]
fn scans_have_different_ids() {
    let id = |second: i64| {
        let at = jiff::Timestamp::from_second(second).unwrap();
        scan_id(&identity(), &at)
    };
    assert_eq!(id(1).len(), 16);
    assert_ne!(id(1), id(2));
}
