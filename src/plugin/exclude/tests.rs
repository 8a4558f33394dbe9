use serde_json::json;

use super::text::{Preview, preview, question};
use super::*;
use crate::plugin::fixtures::{HOSTILE, screen};
use crate::plugin::fleet::Owner;

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().copied().map(str::to_owned).collect()
}

fn excluded(until: Option<&str>) -> Wanted {
    Wanted::Excluded {
        reason: "the agent's index".to_owned(),
        until: until.map(|until| until.parse().unwrap()),
    }
}

#[test]
fn paths_are_excluded_and_watched_again() {
    let old = json!({"path": "/etc/motd", "reason": "each login", "until": "2026-12-01T00:00:00.5Z", "to": "come"});
    let current = [old.clone()];
    let new = changed(&current, &paths(&["/a", "/b"]), &excluded(None)).unwrap();
    let of = |path: &str| json!({"path": path, "reason": "the agent's index"});
    assert_eq!(
        new,
        [old.clone(), of("/a"), of("/b")],
        "others stay as they are"
    );
    let until = "2026-12-31T00:00:00Z";
    let mut replaced = of("/etc/motd");
    replaced["until"] = json!(until);
    let new = changed(&new, &paths(&["/etc/motd"]), &excluded(Some(until))).unwrap();
    assert_eq!(new, [replaced, of("/a"), of("/b")]);
    let left = changed(&new, &paths(&["/b", "/etc/motd"]), &Wanted::Ended).unwrap();
    assert_eq!(left, [of("/a")]);
    let unknown = paths(&["/a", "/etc", &format!("/{HOSTILE}")]);
    let error = changed(&new, &unknown, &Wanted::Ended).unwrap_err();
    let expected = "spec.exclude does not have: /etc, /\\033[31m";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn paths_are_written_as_in_results() {
    assert_eq!(check(&paths(&["/etc/a b", "/etc/\\012x", "/-x"])), Ok(()));
    let hostile = format!("/etc/{HOSTILE}");
    for path in [
        "",
        "etc",
        "/",
        "/etc/",
        "/etc/../x",
        "-x",
        &hostile,
        "/etc/\\",
    ] {
        let error = check(&paths(&[path])).unwrap_err();
        assert!(error.contains("is not valid"), "{error}");
        assert!(!error.contains(['\u{1b}', '\n']), "{error:?}");
    }
    let twice = check(&paths(&["/a", "/a"])).unwrap_err();
    assert!(twice.contains("twice"), "{twice}");
    let current = [json!({"path": "/etc"}), json!({"path": "/et"})];
    assert_eq!(above(&current, "/etc/x"), Some("/etc"));
    assert_eq!(above(&current, "/etc"), None);
    assert_eq!(above(&current, "/etcetera"), None);
}

fn status(condition: &str, changes: &[&str], more: i64) -> FileIntegrityNodeStatus {
    let entries = changes
        .iter()
        .map(|path| json!({"path": path, "kind": "changed"}));
    let entries: Vec<Value> = entries.collect();
    let number = i64::try_from(entries.len()).unwrap() + more;
    serde_json::from_value(json!({
        "metadata": {"name": "fi-n1", "namespace": "ns", "ownerReferences": [{
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity", "name": "fi",
            "uid": "u", "controller": true}]},
        "nodeName": "n1",
        "lastResult": {"condition": condition, "lastProbeTime": "2026-12-01T11:50:00Z",
            "filesChanged": number, "changes": entries},
    }))
    .unwrap()
}

#[test]
fn known_changes_are_those_of_the_latest_result() {
    let changes = ["/etc/a", "/etc/a/b", "/etc/ab", "/usr/x"];
    let wanted = paths(&["/etc/a", "/usr", "/var"]);
    let known = Known::of(&status("Failed", &changes, 0), &wanted).unwrap();
    assert_eq!((known.changes, known.is_complete), (vec![2, 1, 0], true));
    let known = Known::of(&status("Failed", &changes, 1), &wanted).unwrap();
    assert!(!known.is_complete);
    assert_eq!(Known::of(&status("Succeeded", &changes, 0), &wanted), None);
}

#[test]
fn the_preview_has_what_is_known_and_how_to_undo_it() {
    let owner = Owner {
        namespace: "openshift-file-integrity".to_owned(),
        name: "example-fileintegrity".to_owned(),
    };
    let paths = paths(&["/etc/agent/cache", "/opt/x/a'b\\012", "/etc/motd"]);
    let known: Vec<Known> = (0..3)
        .map(|number| Known {
            file_integrity: owner.name.clone(),
            namespace: owner.namespace.clone(),
            node: format!("node{number}"),
            changes: vec![number, 0, 7],
            is_complete: number > 0,
        })
        .collect();
    let current = [
        json!({"path": "/etc/motd", "reason": format!("it's new{HOSTILE}"), "until": "2026-12-02T00:00:00Z"}),
        json!({"path": "/opt/x", "reason": "x"}),
    ];
    let add = excluded(Some("2026-12-31T00:00:00Z"));
    for (name, wanted, paths) in [
        ("add", &add, &paths[..]),
        ("end", &Wanted::Ended, &paths[2..]),
    ] {
        let all = Preview {
            owner: &owner,
            nodes: 50,
            paths,
            wanted,
            current: &current,
            known: &known,
        };
        for width in [80, 200] {
            for (color, suffix) in [(false, ""), (true, "_color")] {
                let text = preview(&all, &screen(Some(width), color));
                insta::assert_snapshot!(format!("{name}_{width}{suffix}"), text);
            }
        }
        let question = question(&all);
        match name {
            "add" => assert_eq!(question, "Exclude 3 paths on 50 nodes?"),
            _ => assert_eq!(question, "End the exclusion of /etc/motd on 50 nodes?"),
        }
    }
}
