//! Whole reports, of all versions.

use std::sync::Arc;

use proptest::prelude::*;

use super::json::MAX_DETAILS;
use super::*;

const CHANGED_0_15: &str = "\
AIDE 0.15.1 found differences between database and filesystem!!
Start timestamp: 2020-06-18 02:00:38

Summary:
  Total number of files:\t29447
  Added files:\t\t\t1
  Removed files:\t\t0
  Changed files:\t\t1


---------------------------------------------------
Added files:
---------------------------------------------------

added: /hostroot/root/.bash_history

---------------------------------------------------
Changed files:
---------------------------------------------------

changed: /hostroot/etc/resolv.conf

--------------------------------------------------
Detailed information about changes:
---------------------------------------------------


File: /hostroot/etc/resolv.conf
  SHA512   : Xl2pzxjmRPtW8bl6Kj49SkKOSBVJgsCI , tebxD8QZd/5/SqsVkExCwVqVO22zxmcq

";

const CHANGED_0_16: &str = "\
Start timestamp: 2021-03-04 10:11:12 +0000 (AIDE 0.16)
AIDE found differences between database and filesystem!!

Summary:
  Total number of entries:\t34512
  Added entries:\t\t1
  Removed entries:\t\t1
  Changed entries:\t\t2

---------------------------------------------------
Added entries:
---------------------------------------------------

f++++++++++++++++: /hostroot/etc/new\\012: /x

---------------------------------------------------
Removed entries:
---------------------------------------------------

f----------------: /hostroot/etc/gone

---------------------------------------------------
Changed entries:
---------------------------------------------------

d   ...    n ::..: /hostroot/etc
f   p..    .C..  : /hostroot/etc/hosts

---------------------------------------------------
Detailed information about changes:
---------------------------------------------------

Directory: /hostroot/etc
  Linkcount: 10                               | 11

File: /hostroot/etc/hosts
  Perm     : -rw-r--r--                       | -rwxrwxrwx
  Mtime    : 2021-03-04 10:11:12 +0000        | 2021-03-04 10:11:13 +0000
  ACL      : A: user::rw-                     | A: user::rw-
             A: group::r--                    | A: group::rw-
  SHA512   : cjjH/pBTKQ7qhQS6HJcqgwXxE8XBOpL3 | VUv9pM1nBHAvmhIZbG6bLJm5Zl7SnVuF
             aRUhWbIEoHPiYn1HK7xqvgcP4HYq4Zmp | ZxXUdw3xkTUBXbXYSAfdsjCTZYi4sjVB
             JxKSTMoZK0Ew0aVpHpJmWw==         | 4RaXLDnXEpYYQ8PtFpnb8w==

---------------------------------------------------
The attributes of the (uncompressed) database(s):
---------------------------------------------------

/hostroot/etc/kubernetes/aide.db.gz
  MD5      : 6Bm3UaYDvQDPDLC3rqQD8A==
  SHA256   : 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NM
             pJWZG3hSuFU=
  SHA512   : z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXc
             g/SpIdNs6c5H0NE8XYXysP+DGNKHfuwv
             Y7kxvUdBeoGlODJ6+SfaPg==


End timestamp: 2021-03-04 10:13:15 +0000 (run time: 2m 3s)
";

const UNGROUPED_0_18: &str = "\
Start timestamp: 2024-03-04 10:11:12 +0000 (AIDE 0.18.6)
AIDE found differences between database and filesystem!!

Summary:
  Total number of entries:\t12
  Added entries:\t\t1
  Removed entries:\t\t1
  Changed entries:\t\t1

---------------------------------------------------
Added, removed and changed entries:
---------------------------------------------------

f++++++++++++++++++: /etc/a
f = ...    .H..    : /etc/b
f------------------: /etc/c


End timestamp: 2024-03-04 10:11:13 +0000 (run time: 0m 1s)
";

#[test]
fn plain_reports_of_old_versions() {
    let read = |text: &str| {
        let mut report = parse_plain(text.as_bytes()).unwrap();
        report.strip_host_root("/hostroot");
        report
    };
    insta::assert_debug_snapshot!("plain-0.15", read(CHANGED_0_15));
    insta::assert_debug_snapshot!("plain-0.16", read(CHANGED_0_16));
    insta::assert_debug_snapshot!("plain-0.18-ungrouped", read(UNGROUPED_0_18));
    // Line endings do not matter. A report that lists less than it counts is incomplete.
    let windows = CHANGED_0_16.replace('\n', "\r\n");
    assert_eq!(read(&windows), read(CHANGED_0_16));
    let cut = CHANGED_0_16.find("Changed entries:\n").unwrap();
    assert!(read(&CHANGED_0_16[..cut]).truncated);
}

#[test]
fn plain_reports_distinguish_new_values() {
    let digest = |text: &str, path: &str| {
        let report = parse_plain(text.as_bytes()).unwrap();
        let mut changes = report.changes.iter();
        changes
            .find(|change| change.path == path.as_bytes())
            .unwrap()
            .new_values
    };
    let added = "\nFile: /a\n Perm      :                                    -rw-------\n \
                 ACL       :                                    A: user::rw-\n\
                 \x20                                               A: group::r--\n\
                 \x20Mtime     :                                    2026-11-29 04:02:19 +0000\n\n\
                 \x20---------------------------------------------------\nThe attributes";
    let level = UNGROUPED_0_18.replace("/etc/a\n", "/a\n").replace(
        "\n\n\nEnd",
        &format!(
            "\n\n---\nDetailed information about changes:\n---\n{added} of the \
             (uncompressed) database(s):\n---\n\nEnd"
        ),
    );
    let hosts = "/hostroot/etc/hosts";
    let old = "/hostroot/etc/resolv.conf";
    for (text, path, from, to, is_other) in [
        (CHANGED_0_16, hosts, "-rwxrwxrwx", "-rwsr-xr-x", true),
        (CHANGED_0_16, hosts, "A: group::rw-", "A: group::rwx", true),
        (
            CHANGED_0_16,
            hosts,
            "4RaXLDnXEpYYQ8PtFpnb8w",
            "5RaXLDnXEpYYQ8PtFpnb8w",
            true,
        ),
        (CHANGED_0_16, hosts, "10:11:13", "10:11:14", false),
        (CHANGED_0_16, hosts, "-rw-r--r-- ", "-rw------- ", false),
        (CHANGED_0_16, "/hostroot/etc", "| 11", "| 12", false),
        (CHANGED_0_15, old, "tebxD8QZd", "uebxD8QZd", true),
        (CHANGED_0_15, old, "Xl2pzxjmRP", "Yl2pzxjmRP", false),
        (&level, "/a", "-rw-------", "-rwsr-xr-x", true),
        (&level, "/a", "A: group::r--", "A: group::rwx", true),
        (&level, "/a", "04:02:19", "04:02:20", false),
    ] {
        assert!(text.contains(from), "{from}");
        let other = digest(&text.replace(from, to), path);
        assert_eq!(other != digest(text, path), is_other, "{from} {to}");
    }
    assert!(digest(&level, "/a").is_some());
}

#[test]
fn the_last_one_of_several_reports_is_parsed() {
    let clean_0_16 = "AIDE 0.16 found NO differences between database and filesystem. Looks okay!!\n\
                      Start timestamp: 2021-03-04 10:11:12 +0000\n\nNumber of entries:\t42\n\n\
                      End timestamp: 2021-03-04 10:11:13 +0000 (run time: 0m 1s)\n";
    let all = [CHANGED_0_15, CHANGED_0_16, UNGROUPED_0_18, clean_0_16];
    for last in all {
        for first in all {
            let appended = [first, last].concat();
            let expected = parse_plain(last.as_bytes()).unwrap();
            assert_eq!(parse_plain(appended.as_bytes()).unwrap(), expected);
            assert_eq!(last_plain(appended.as_bytes()), last.as_bytes());
        }
    }
    let json = [JSON, br#"{"number_of_entries": {"total": 7}}"#].concat();
    let last = parse_last_json(&json[..]).unwrap();
    assert_eq!((last.total, last.changes.len()), (7, 0));
    assert!(parse_json(&json[..]).is_err(), "the daemon's has one");
    let cut = [JSON, &JSON[..100]].concat();
    assert!(parse_last_json(&cut[..]).unwrap().truncated);
    assert!(parse_last_json(&b"{}x"[..]).is_err());
}

#[test]
fn reports_without_lists_are_complete() {
    let listed = UNGROUPED_0_18.find("-----").unwrap();
    let end = UNGROUPED_0_18.find("End timestamp").unwrap();
    let summary = [&UNGROUPED_0_18[..listed], &UNGROUPED_0_18[end..]].concat();
    let report = parse_plain(summary.as_bytes()).unwrap();
    assert_eq!(
        (report.truncated, report.counted(), report.listed()),
        (false, 3, 0)
    );
    assert!(
        parse_plain(&UNGROUPED_0_18.as_bytes()[..listed])
            .unwrap()
            .truncated
    );
    let lacking = UNGROUPED_0_18.replace("f = ...    .H..    : /etc/b\n", "");
    assert!(parse_plain(lacking.as_bytes()).unwrap().truncated);
}

#[test]
fn plain_reports_without_changes() {
    let table = [
        (
            "AIDE, version 0.15.1\n\n### All files match AIDE database. Looks okay!\n",
            "0.15.1",
            0,
        ),
        (
            "AIDE 0.16 found NO differences between database and filesystem. Looks okay!!\n\
             Start timestamp: 2021-03-04 10:11:12 +0000\n\nNumber of entries:\t42\n",
            "0.16",
            42,
        ),
        (
            "Start timestamp: 2025-03-04 10:11:12 +0000 (AIDE 0.19.1)\n\
             AIDE found NO differences between database and filesystem. Looks okay!!\n\n\
             Number of entries:\t42\n",
            "0.19.1",
            42,
        ),
        (
            "Start timestamp: 2025-03-04 10:11:12 +0000 (AIDE 0.19.1)\n\
             AIDE successfully initialized database.\nNew AIDE database written to /x\n\n\
             Number of entries:\t42\n",
            "0.19.1",
            42,
        ),
    ];
    for (text, version, total) in table {
        let expected = Report {
            aide_version: version.to_owned(),
            total,
            ..Report::default()
        };
        assert_eq!(parse_plain(text.as_bytes()).unwrap(), expected);
    }
}

#[test]
fn other_texts_are_not_reports() {
    assert!(matches!(parse_plain(b""), Err(ReportError::Empty)));
    assert!(matches!(parse_json(&b""[..]), Err(ReportError::Empty)));
    for text in ["hello", "Added entries: 3", "{}", "\u{0}"] {
        assert!(
            matches!(parse_plain(text.as_bytes()), Err(ReportError::Plain)),
            "{text}"
        );
    }
    for text in [
        "hello",
        "[]",
        "{\"aide_version\": 1}",
        "{}x",
        "{\"details\": {\"/a\": 1}}",
    ] {
        assert!(
            matches!(parse_json(text.as_bytes()), Err(ReportError::Json(_))),
            "{text}"
        );
    }
}

const JSON: &[u8] = b"{
  \"start_time\": \"2025-11-24 06:30:00 +0000\",
  \"aide_version\": \"0.19.1\",
  \"outline\": \"AIDE found differences between database and filesystem!!\",
  \"report_level\": \"added_removed_entries\",
  \"number_of_entries\": {
    \"total\": 5,
    \"added\": 1,
    \"removed\": 1,
    \"changed\": 2
  },
  \"added\": {
    \"/hostroot/new\xff\\n\\u001b\x1f\xc3\xa4\": \"f++++++++++++++++++\"
  },
  \"removed\": {
    \"/hostroot/gone\": \"l------------------\"
  },
  \"changed\": {
    \"/hostroot\": \"d   ...    n       \",
    \"/hostroot/a\\\\b\\\"c\": \"f > p..    .H..A   \"
  },
  \"details\": {
    \"/hostroot/new\xff\\n\\u001b\x1f\xc3\xa4\": {
      \"perm\": {
        \"new\": \"-rw-r--r--\"
      },
      \"sha256\": {
        \"new\": \"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"
      }
    },
    \"/hostroot/gone\": {
      \"link_name\": {
        \"old\": \"to\xff\"
      }
    },
    \"/hostroot\": {
      \"link_count\": {
        \"old\": 2,
        \"new\": 3
      }
    },
    \"/hostroot/a\\\\b\\\"c\": {
      \"size\": {
        \"old\": 1,
        \"new\": 2
      },
      \"sha512-256\": {
        \"old\": \"b2xk\",
        \"new\": \"bmV3\"
      },
      \"acl\": {
        \"old\": [
          \"A: user::rw-\",
          \"A: group::r--\"
        ],
        \"new\": \"A: user::rw-\"
      },
      \"attributes_to_come\": {
      }
    }
  },
  \"databases\": {
    \"/hostroot/etc/kubernetes/aide.db.gz\": {
      \"sha256\": \"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"
    },
    \"/other\": {
      \"sha256\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"
    }
  },
  \"end_time\": \"2025-11-24 06:30:03 +0000\",
  \"run_time_seconds\": 3
}
";

fn json() -> Report {
    let mut report = parse_json(JSON).unwrap();
    report.strip_host_root("/hostroot/");
    report
}

#[test]
fn json_report() {
    let report = json();
    assert_eq!(report.changes[3].path, b"/new\xff\n\x1b\x1f\xc3\xa4");
    assert_eq!(
        report.database_digest.as_deref(),
        Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    insta::assert_debug_snapshot!("json", report);
}

#[test]
fn json_reports_with_other_options() {
    // report_summarize_changes=no; report_grouped=no; report_level=minimal
    let lists = br#"{"added": ["/a"], "removed": ["/b"], "changed": ["/c"]}"#;
    let words = br#"{"entries": {"/a": "added", "/b": "removed", "/c": "changed"}}"#;
    let flags = br#"{"entries": {"/a": "f+++", "/b": "f---", "/c": "f = ."}}"#;
    for text in [&lists[..], words, flags] {
        let kinds: Vec<ChangeKind> = parse_json(text)
            .unwrap()
            .changes
            .iter()
            .map(|change| change.kind)
            .collect();
        assert_eq!(
            kinds,
            [ChangeKind::Added, ChangeKind::Removed, ChangeKind::Changed]
        );
    }
    let back = parse_json(&br#"{"run_time_seconds": -3600}"#[..]).unwrap();
    assert_eq!(back, Report::default());
    let minimal = parse_json(&br#"{"outline": "AIDE found NO differences"}"#[..]).unwrap();
    assert_eq!(minimal, Report::default());
}

#[test]
fn details_are_only_kept_for_the_first_changes() {
    use std::fmt::Write as _;
    let mut text = "{\"details\": {".to_owned();
    for n in 0..DETAILED_CHANGES + 5 {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}\"/{n:08}\": {{\"sha256\": {{\"old\": \"a\", \"new\": \"b\"}}}}"
        );
    }
    text += "}}";
    let report = parse_json(text.as_bytes()).unwrap();
    let detailed = report
        .changes
        .iter()
        .filter(|change| !change.details.is_empty())
        .count();
    assert_eq!(
        (report.changes.len(), detailed),
        (DETAILED_CHANGES + 5, DETAILED_CHANGES)
    );
    assert!(
        report
            .changes
            .iter()
            .all(|change| change.new_values.is_some() && change.attributes.len() == 1)
    );
}

#[test]
fn only_the_complete_host_root_is_removed() {
    let change = |path: &[u8]| Change {
        path: path.to_vec(),
        kind: ChangeKind::Added,
        attributes: Arc::default(),
        new_values: None,
        details: Vec::new(),
        actor: None,
    };
    let paths: [&[u8]; 4] = [b"/hostroot", b"/hostroot/etc", b"/hostroots", b"/etc"];
    let mut report = Report {
        changes: paths.map(change).to_vec(),
        ..Report::default()
    };
    report.strip_host_root("/hostroot");
    let stripped: Vec<&[u8]> = report
        .changes
        .iter()
        .map(|change| &change.path[..])
        .collect();
    assert_eq!(stripped, [&b"/"[..], b"/etc", b"/hostroots", b"/etc"]);
}

/// Maximum size of the entries of a kind.
const MOST: usize = 128 * 1024;

/// A report with more added entries than are kept, and one changed entry.
fn endless(last_path: &str, last_digest: &str) -> Report {
    let directory = "d".repeat(4000);
    let entries = MOST / directory.len();
    let added: Vec<String> = (0..entries)
        .map(|n| format!("\"/{directory}/{n}\": \"f++\","))
        .collect();
    let report = format!(
        "{{\"number_of_entries\": {{\"total\": 9, \"added\": {}, \"removed\": 0, \"changed\": 1}},
         \"added\": {{{} \"/{last_path}\": \"f++\"}},
         \"changed\": {{\"/etc/passwd\": \"f  .H\"}},
         \"details\": {{
           \"/{last_path}\": {{\"sha256\": {{\"new\": \"{last_digest}\"}}}},
           \"/etc/passwd\": {{\"sha256\": {{\"old\": \"a\", \"new\": \"b\"}}}}}}}}",
        entries + 1,
        added.concat()
    );
    json::parse(report.as_bytes(), MOST).unwrap()
}

#[test]
fn entries_beyond_the_limit_are_counted_and_hashed() {
    let report = endless("new", "x");
    assert_eq!(report.listed(), report.added + report.changed);
    let kept: usize = report.changes.iter().map(|change| change.path.len()).sum();
    assert!(kept < MOST, "{kept}");
    let changed: Vec<_> = report
        .changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Changed)
        .collect();
    assert_eq!(changed.len(), 1, "what was added pushes nothing out");
    assert_eq!(changed[0].attributes[..], ["sha256"]);
    assert_eq!(endless("new", "x"), report);
    let (path, digest) = (endless("old", "x"), endless("new", "y"));
    let listed = |report: &Report| report.omitted.unwrap().listed;
    let detailed = |report: &Report| report.omitted.unwrap().detailed;
    assert_ne!(listed(&path), listed(&report));
    assert_eq!(listed(&digest), listed(&report));
    assert_ne!(detailed(&digest), detailed(&report));
}

#[test]
fn the_size_of_values_is_limited() {
    let value = "x".repeat(MAX_DETAILS / 10);
    let details: Vec<String> = (0..20)
        .map(|n| format!("\"/{n:02}\": {{\"xattrs\": {{\"old\": \"\", \"new\": \"{value}\"}}}}"))
        .collect();
    let report = format!("{{\"details\": {{{}}}}}", details.join(","));
    let report = parse_json(report.as_bytes()).unwrap();
    let with = report.changes.iter().filter(|c| !c.details.is_empty());
    assert_eq!((report.changes.len(), with.count()), (20, 10));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_parsed(bytes: Vec<u8>, at: prop::sample::Index, cut: prop::sample::Index) {
        drop(parse_json(&bytes[..]));
        drop(parse_plain(&bytes));
        for report in [JSON, CHANGED_0_15.as_bytes(), CHANGED_0_16.as_bytes()] {
            let mut odd = report[..cut.index(report.len())].to_vec();
            let at = at.index(odd.len() + 1);
            odd.splice(at..at, bytes.iter().copied());
            drop(parse_json(&odd[..]));
            drop(parse_plain(&odd));
        }
    }

    /// Paths as AIDE writes them: what `_escape_json_string` of 0.19.2 does, byte by byte.
    #[test]
    fn paths_are_unescaped_to_the_same_bytes(name in proptest::collection::vec(1_u8.., 1..20)) {
        let mut text = b"{\"added\": {\"/".to_vec();
        for &byte in &name {
            match byte {
                b'\n' => text.extend(b"\\n"),
                b'\t' => text.extend(b"\\t"),
                8 => text.extend(b"\\b"),
                12 => text.extend(b"\\f"),
                b'\r' => text.extend(b"\\r"),
                b'"' | b'\\' => text.extend([b'\\', byte]),
                0..0x1f | 0x7f => text.extend(format!("\\u{byte:04x}").bytes()),
                _ => text.push(byte),
            }
        }
        text.extend(b"\": \"f+\"}}");
        let report = parse_json(&text[..]).unwrap();
        prop_assert_eq!(&report.changes[0].path, &[b"/", &name[..]].concat());
    }
}
