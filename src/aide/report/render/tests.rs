use super::*;
use crate::aide::report::{parse_json, parse_plain};

const HEAD: Head<'static> = Head {
    time: "2026-11-30 12:00:00 +0000",
    origin: "All known differences.",
    aide_version: "0.19.1",
    host_root: "/hostroot",
};

fn change(path: &[u8], kind: ChangeKind, details: &[(&str, &str, &str)]) -> Change {
    let names = details.iter().filter(|_| kind == ChangeKind::Changed);
    Change {
        path: path.to_vec(),
        kind,
        attributes: names.map(|(name, ..)| (*name).to_owned()).collect(),
        new_values: None,
        details: details
            .iter()
            .map(|(name, old, new)| ((*name).to_owned(), (*old).to_owned(), (*new).to_owned()))
            .collect(),
        actor: None,
    }
}

fn report() -> Report {
    Report {
        aide_version: "0.19.1".to_owned(),
        total: 30,
        added: 1,
        removed: 1,
        changed: 1,
        differs: true,
        changes: vec![
            change(
                b"/etc/a\nb \"c\" \\ \xff",
                ChangeKind::Added,
                &[("permissions", "", "-rw-r--r--")],
            ),
            change(b"/etc/gone", ChangeKind::Removed, &[]),
            change(
                "/etc/hösts".as_bytes(),
                ChangeKind::Changed,
                &[
                    ("permissions", "-rw-r--r--", "-rwxrwxrwx"),
                    ("sha512-256", "abc", "def"),
                    ("links", "1", "2"),
                ],
            ),
        ],
        ..Report::default()
    }
}

/// Path, kind, and names of attributes.
type Content = (Vec<u8>, ChangeKind, Vec<String>);

/// What both formats have.
fn content(mut report: Report) -> (Report, Vec<Content>) {
    report.strip_host_root("/hostroot");
    let changes = std::mem::take(&mut report.changes);
    let changes = changes
        .into_iter()
        .map(|it| (it.path, it.kind, it.attributes.to_vec()))
        .collect();
    (report, changes)
}

#[test]
fn both_formats_are_read_as_the_report() {
    let expected = content(report());
    assert_eq!(
        content(parse_plain(&plain(&report(), HEAD)).unwrap()),
        expected
    );
    let parsed = parse_json(json(&report(), HEAD).as_slice()).unwrap();
    let changed = parsed.changes.last().unwrap();
    assert_eq!(changed.details, report().changes[2].details);
    assert_eq!(content(parsed), expected);
}

#[test]
fn the_plain_report_is_for_people() {
    insta::assert_snapshot!(String::from_utf8_lossy(&plain(&report(), HEAD)));
}

#[test]
fn a_report_without_changes_has_no_lists() {
    let none = Report {
        total: 30,
        ..Report::default()
    };
    assert!(!String::from_utf8_lossy(&plain(&none, HEAD)).contains("entries:\n-"));
    assert_eq!(
        parse_json(json(&none, HEAD).as_slice()).unwrap().changes,
        []
    );
}

#[test]
fn the_report_for_people_has_the_processes() {
    let mut report = report();
    report.changes[2].actor = Some(std::sync::Arc::new(Actor {
        exe: "/usr/bin/touch".to_owned(),
        comm: Some("touch".to_owned()),
        pid: 77,
        login_uid: None,
        unit: Some("sshd.service".to_owned()),
        pod_uid: None,
        container_id: None,
    }));
    let text = String::from_utf8_lossy(&plain(&report, HEAD)).into_owned();
    let expected = "\nFile: /hostroot/etc/hösts\n Program   : /usr/bin/touch\n Name      : touch (claimed)\n \
                    Pid       : 77\n Unit      : sshd.service\n\n";
    assert!(text.ends_with(expected), "{text}");
    // It stays a report of AIDE for programs.
    assert_eq!(parse_plain(text.as_bytes()).unwrap().changed, 1);
}
