use super::*;

fn status(uid: &str, version: &str) -> FileIntegrityNodeStatus {
    let mut status = FileIntegrityNodeStatus::default();
    status.metadata.uid = Some(uid.to_owned());
    status.metadata.resource_version = Some(version.to_owned());
    status
}

fn seen(status: Option<FileIntegrityNodeStatus>) -> KnownStatus {
    KnownStatus {
        status,
        ..KnownStatus::default()
    }
}

fn version(seen: KnownStatus) -> Option<String> {
    seen.status?.metadata.resource_version
}

#[test]
fn a_late_event_does_not_replace_a_newer_write() {
    let table = [
        (["a", "10"], ["a", "9"], "10"),
        (["a", "10"], ["a", "11"], "11"),
        // The one before, as a watch that is behind shows it.
        (["b", "10"], ["a", "9"], "10"),
        (["a", "10"], ["b", "11"], "11"),
        (["a", "10"], ["a", "odd"], "odd"),
    ];
    for (known, arrived, expected) in table {
        let mut seen = seen(Some(status(known[0], known[1])));
        seen.keep_newest(status(arrived[0], arrived[1]));
        assert_eq!(version(seen).as_deref(), Some(expected));
    }
}

#[test]
fn the_deletion_of_an_earlier_object_is_ignored() {
    for (deleted, expected) in [("11", None), ("9", Some("10")), ("odd", None)] {
        let mut seen = seen(Some(status("a", "10")));
        seen.keep_deleted(&status("a", deleted));
        assert_eq!(version(seen).as_deref(), expected, "{deleted}");
    }
}

#[test]
fn a_deleted_object_is_not_restored_by_its_last_write() {
    let table = [
        (None, status("a", "10"), None),
        (Some(status("b", "9")), status("a", "10"), Some("9")),
        (Some(status("a", "9")), status("a", "10"), Some("10")),
    ];
    for (known, written, expected) in table {
        let mut seen = seen(known);
        seen.keep_written(written);
        assert_eq!(version(seen).as_deref(), expected);
    }
}

#[test]
fn a_read_replaces_any_version_unless_a_write_was_answered_meanwhile() {
    let mut seen = seen(Some(status("a", "100")));
    assert!(seen.keep_read(Some(status("a", "50")), seen.writes()));
    let writes = seen.writes();
    seen.keep_written(status("a", "51"));
    assert!(!seen.keep_read(Some(status("a", "50")), writes));
    assert_eq!(version(seen).as_deref(), Some("51"));
}
