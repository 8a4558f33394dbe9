use serde_json::json as value;

use super::json::json;
use super::text::{MAX_SHOWN, text};
use super::*;
use crate::aide::report::{is_printable, parse_json};
use crate::api::ScanResult;
use crate::api::names::HOST_ROOT;
use crate::plugin::fixtures::{HOSTILE, failed, screen, undocumented};
use crate::scan::change_set::ChangeSet;
use crate::scan::failure_log::{FailureLog, Reports, config_map, fit};
use crate::scan::{Identity, identity};
use k8s_openapi::api::core::v1::ConfigMap;

/// The digest of a text, in base64 as in AIDE's report.
fn digest(text: &str) -> String {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}

/// A report of AIDE: changed permissions and content, an added file with a hostile name, a removed link.
fn report() -> String {
    let (old, new) = (digest("old"), digest("new"));
    let hostile = serde_json::to_string(&format!("/hostroot/etc/{HOSTILE}")).unwrap();
    format!(
        r#"{{"aide_version": "0.19.1",
        "number_of_entries": {{"total": 29446, "added": 1, "removed": 1, "changed": 1}},
        "added": {{{hostile}: "f++++"}},
        "removed": {{"/hostroot/etc/link": "l----"}},
        "changed": {{"/hostroot/usr/bin/openssl": "f > p..H"}},
        "details": {{
          "/hostroot/usr/bin/openssl": {{
            "perm": {{"old": "-rwxr-xr-x", "new": "-rwsr-xr-x"}},
            "uid": {{"old": "0", "new": "1000"}},
            "mtime": {{"old": "2026-01-01 00:00:00 +0000", "new": "2026-12-01 00:00:00 +0000"}},
            "acl": {{"old": ["A: user::rw-", "A: group::r--"], "new": "A: user::rw-\u001b[31m"}},
            "sha256": {{"old": "{old}", "new": "{new}"}}}},
          {hostile}: {{"perm": {{"new": "-rw-r--r--"}}, "inode": {{"new": "7"}}, "sha256": {{"new": "{new}"}}}},
          "/hostroot/etc/link": {{"link_name": {{"old": "to"}}}}
        }}}}"#
    )
}

/// The failure log with this JSON report.
fn log_of(
    json: &str,
    make: impl FnOnce(&Identity, &crate::aide::report::Report) -> FailureLog,
) -> ConfigMap {
    let mut report = parse_json(json.as_bytes()).unwrap();
    report.strip_host_root(HOST_ROOT);
    let identity = identity();
    let content = make(&identity, &report);
    serde_json::from_value(config_map(&identity, &report, &content)).unwrap()
}

fn log() -> ConfigMap {
    let json = report();
    log_of(&json, |identity, report| {
        let reports = Reports {
            plain: &b"plain"[..],
            json: json.as_bytes(),
            path_on_node: "/etc/kubernetes/aide.log".to_owned(),
        };
        fit(identity, report, reports).unwrap()
    })
}

/// The changes in the log, as those of these nodes.
fn of_nodes(nodes: &[&str]) -> Changes {
    let listed = of_log(&log()).unwrap();
    let hash = listed.hash.clone().unwrap();
    Changes {
        owner: Owner {
            namespace: "openshift-file-integrity".to_owned(),
            name: "example-fileintegrity".to_owned(),
        },
        set: ChangeSetId::of_result(Some(&hash), Some(&hash[..12])),
        nodes: nodes.iter().copied().map(str::to_owned).collect(),
        source: Source::Log {
            config_map: "aide-fi-n1-failed".to_owned(),
            node: nodes[0].to_owned(),
        },
        counts: listed.counts,
        entries: listed.entries,
        is_complete: listed.is_complete,
        notes: Vec::new(),
    }
}

/// Changed files with these digests, on a node.
pub(crate) fn changes(node: &str, files: &[(&str, &str)]) -> Changes {
    let entries = files.iter().map(|(path, content)| Entry {
        path: safe(path),
        kind: ChangeKind::Changed,
        attributes: vec![Attribute {
            name: "sha256".to_owned(),
            old: Some(crate::api::names::sha256_hex("old")),
            new: Some(crate::api::names::sha256_hex(content)),
        }],
        actor: None,
        approval: Err("a test"),
    });
    Changes {
        set: None,
        entries: entries.collect(),
        ..of_nodes(&[node])
    }
}

#[test]
fn changes_are_accepted_alone_if_all_their_values_are_known() {
    let mut changes = of_nodes(&["n1"]);
    let paths: Vec<String> = changes.entries.iter().map(|it| it.path.clone()).collect();
    let [hostile, link, program] = &paths[..] else {
        panic!("{paths:?}");
    };
    let (chosen, listed) = changes.at(&[link.clone(), link.clone()]).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].path, listed[0].kind),
        (link, ChangeKind::Removed)
    );
    assert_eq!(chosen.counts.to_string(), "a:0,c:0,r:1");
    assert_eq!(chosen.notes, ["not accepted: 2 other changes of the set"]);
    assert_eq!(chosen.entries.len(), 1);
    // The ACL of the program is as its permissions are. The rule of the added file has no owner.
    let (_, listed) = changes.at(std::slice::from_ref(program)).unwrap();
    assert_eq!(
        (listed[0].mode.as_deref(), listed[0].uid),
        (Some("4755"), Some(1000))
    );
    let error = changes.at(&[link.clone(), hostile.clone()]).unwrap_err();
    assert!(error.contains(hostile.as_str()), "{error}");
    assert!(error.contains("mode, owner and group"), "{error}");
    let unknown = ["/etc/li", "/etc", "-x", HOSTILE].map(str::to_owned);
    let error = changes
        .at(&[&unknown[..], std::slice::from_ref(link)].concat())
        .unwrap_err();
    let expected = "not among the changes: /etc/li, /etc, -x, \\033[31m";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.chars().all(is_printable_or_escape), "{error:?}");
    // A report without all changes.
    changes.is_complete = false;
    let error = changes.at(&unknown[..1]).unwrap_err();
    assert_eq!(
        error,
        "the report does not have all changes, only 3, so none of them can be accepted alone"
    );
    changes.is_complete = true;
    changes.entries[0] = Entry::without_values("/etc/cut", ChangeKind::Added, &[]);
    let error = changes.at(&["/etc/cut".to_owned()]).unwrap_err();
    assert!(
        error.contains("/etc/cut") && error.contains("truncated"),
        "{error}"
    );
}

fn is_printable_or_escape(c: char) -> bool {
    is_printable(c) || c == '\\'
}

#[test]
fn the_log_has_the_set_that_the_daemon_computes() {
    let mut report = parse_json(report().as_bytes()).unwrap();
    report.strip_host_root(HOST_ROOT);
    let listed = of_log(&log()).unwrap();
    assert_eq!(listed.hash.as_deref(), Some(ChangeSet::new(&report).hash()));
    assert!(listed.is_complete);
    let hash = listed.hash.clone().unwrap();
    let set = ChangeSetId::of_result(Some(&hash), Some(&hash[..12])).unwrap();
    assert!(is_set(&listed, set));
    let other = Listed {
        hash: None,
        ..listed
    };
    assert!(!is_set(&other, set));
}

#[test]
fn a_log_that_was_too_large_has_the_first_paths() {
    let json = format!("{}{}", report(), " ".repeat(10));
    let log = log_of(&json, |identity, report| {
        let whole = crate::aide::report::Report {
            truncated: true,
            ..report.clone()
        };
        let reports = Reports {
            plain: &b"plain"[..],
            json: json.as_bytes(),
            path_on_node: "/etc/kubernetes/aide.log".to_owned(),
        };
        fit(identity, &whole, reports).unwrap()
    });
    let listed = of_log(&log).unwrap();
    assert_eq!((listed.is_complete, listed.hash), (false, None));
    assert_eq!(listed.counts.to_string(), "a:1,c:1,r:1");
    let paths: Vec<&str> = listed.entries.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths.len(), 3);
    assert!(
        paths
            .iter()
            .all(|path| path.chars().all(|c| is_printable(c) || c == '\\'))
    );
}

#[test]
fn text_of_a_set() {
    let mut changes = of_nodes(&[
        "node01", "node02", "node03", "node04", "node05", "node06", "node07",
    ]);
    let mut result = failed("x", "x", "/usr/bin/openssl");
    result["changes"][0]["actor"] = value!({
        "exe": format!("/tmp/{HOSTILE}"), "comm": HOSTILE, "pid": 4711, "loginUid": 1000, "unit": "session-3.scope",
    });
    let result: ScanResult = serde_json::from_value(result).unwrap();
    with_actors(&mut changes.entries, &result);
    changes
        .notes
        .push(format!("node08 has other changes meanwhile {HOSTILE}"));
    let filter = Filter::default();
    for width in [80, 200] {
        for (color, suffix) in [(false, ""), (true, "_color")] {
            let text = text(&changes, &filter, MAX_SHOWN, &screen(Some(width), color));
            insta::assert_snapshot!(format!("set_{width}{suffix}"), text);
            let is_harmless = |c| is_printable(c) || matches!(c, '\n' | '\\');
            assert!(color || text.chars().all(is_harmless), "{text:?}");
        }
    }
    let answer = json(&changes, &filter);
    assert_eq!(undocumented(&answer), Vec::<String>::new());
    insta::assert_json_snapshot!("set_json", answer);
    assert_eq!(changes.exit_status(), 1);
}

#[test]
fn long_lists_end_with_the_number_of_the_others() {
    let files: Vec<String> = (0..60).map(|number| format!("/opt/{number:02}")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), "x")).collect();
    let changes = changes("node01", &files);
    let filter = Filter::new(&["/opt/0*".to_owned()], Vec::new(), Vec::new()).unwrap();
    let every = Filter::default();
    let shown = |filter, all| {
        let most = if all { usize::MAX } else { MAX_SHOWN };
        text(&changes, filter, most, &screen(None, false))
    };
    let short = shown(&every, false);
    assert!(
        short.ends_with("... 10 more; --all shows them\n"),
        "{short}"
    );
    let all = shown(&every, true);
    assert!(all.contains("/opt/59") && !all.contains("..."), "{all}");
    let some = shown(&filter, false);
    assert!(some.ends_with("... 50 changes not selected\n"), "{some}");
    let json = json(&changes, &filter);
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(10));
}

#[test]
fn a_node_without_changes_and_one_with_an_error() {
    let mut changes = changes("node01", &[]);
    changes.counts = Counts::default();
    changes.source = Source::Nothing;
    assert_eq!(changes.exit_status(), 0);
    insta::assert_snapshot!(
        "nothing",
        text(
            &changes,
            &Filter::default(),
            MAX_SHOWN,
            &screen(None, false)
        )
    );
    changes.source = Source::Error(format!("AIDE error: 18 {HOSTILE}"));
    assert_eq!(changes.exit_status(), 2);
    insta::assert_snapshot!(
        "error",
        text(
            &changes,
            &Filter::default(),
            MAX_SHOWN,
            &screen(None, false)
        )
    );
}

#[test]
fn a_status_has_paths_without_values() {
    let mut result = failed("x", "x", &format!("/etc/{HOSTILE}"));
    result["changes"][0]["attributes"] = value!(["sha256", "size"]);
    let listed = of_status(&serde_json::from_value(result).unwrap());
    assert_eq!((listed.is_complete, listed.hash), (false, None));
    let names: Vec<&str> = listed.entries[0]
        .attributes
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["sha256", "size"]);
    assert!(!listed.entries[0].path.contains('\u{1b}'));
    assert_eq!(
        of_log(&serde_json::from_value(value!({"data": {"integritylog": "x"}})).unwrap()),
        None
    );
}
