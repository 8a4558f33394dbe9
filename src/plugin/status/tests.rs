use serde_json::json;

use super::json::json;
use super::text::{Detail, text};
use super::*;
use crate::aide::report::is_printable;
use crate::plugin::fixtures::{
    HOSTILE, integrity, node, patched, screen, succeeded, troubled, undocumented, well,
};
use crate::plugin::screen::Screen;

const NARROW: Detail = Detail {
    namespaces: false,
    wide: false,
};
const WIDE: Detail = Detail {
    namespaces: true,
    wide: true,
};

#[test]
fn text_of_many_nodes_with_the_same_changes() {
    let fleet = patched();
    let status = Status::of(&fleet);
    for width in [80, 200] {
        let plain = text(&status, NARROW, &screen(Some(width), false));
        insta::assert_snapshot!(format!("patched_{width}"), plain);
        let colored = text(&status, NARROW, &screen(Some(width), true));
        insta::assert_snapshot!(format!("patched_{width}_color"), colored);
        assert_eq!(without_colors(&colored), plain);
    }
    insta::assert_snapshot!("patched_wide", text(&status, WIDE, &screen(None, false)));
    assert_eq!(status.exit_status(), 1);
}

#[test]
fn text_of_everything_that_can_be_wrong() {
    let fleet = troubled();
    let status = Status::of(&fleet);
    for width in [80, 200] {
        let plain = text(&status, NARROW, &screen(Some(width), false));
        insta::assert_snapshot!(format!("troubled_{width}"), plain);
        let colored = text(&status, NARROW, &screen(Some(width), true));
        insta::assert_snapshot!(format!("troubled_{width}_color"), colored);
        assert_eq!(without_colors(&colored), plain);
    }
    insta::assert_snapshot!("troubled_wide", text(&status, WIDE, &screen(None, false)));
    assert_eq!(status.exit_status(), 2);
}

#[test]
fn the_next_commands_have_the_options_of_this_one() {
    let fleet = patched();
    let status = Status::of(&fleet);
    let screen = Screen {
        cluster: Some("--context c".to_owned()),
        namespace: Some("ns".to_owned()),
        ..screen(None, false)
    };
    let of_one = text(&status, NARROW, &screen);
    assert!(
        of_one.contains("changes 41ffca929b95 --context c -n ns "),
        "{of_one}"
    );
    let of_all = text(&status, WIDE, &screen);
    let expected = "changes 41ffca929b95 --context c -n openshift-file-integrity ";
    assert!(of_all.contains(expected), "{of_all}");
    let fleet = troubled();
    let text = text(&Status::of(&fleet), NARROW, &screen);
    assert!(text.contains("explain tampered  "), "{text}");
}

#[test]
fn headers_can_be_omitted() {
    let fleet = patched();
    let screen = Screen {
        headers: false,
        ..screen(None, false)
    };
    let text = text(&Status::of(&fleet), NARROW, &screen);
    assert!(
        !text.contains("FILEINTEGRITY") && !text.contains("SET "),
        "{text}"
    );
    assert!(
        text.starts_with("example-fileintegrity  Active  generic"),
        "{text}"
    );
}

#[test]
fn the_page_has_all_fields_of_the_json() {
    for fleet in [patched(), troubled()] {
        assert_eq!(
            undocumented(&json(&Status::of(&fleet))),
            Vec::<String>::new()
        );
    }
}

#[test]
fn names_of_nodes_attack_no_terminal() {
    let fleet = troubled();
    let status = Status::of(&fleet);
    for detail in [NARROW, WIDE] {
        let text = text(&status, detail, &screen(Some(80), false));
        let is_harmless = |c| is_printable(c) || matches!(c, '\n' | '\\');
        assert!(text.chars().all(is_harmless), "{text:?}");
    }
    insta::assert_snapshot!("names", names(&status));
}

#[test]
fn rows_fit_the_terminal() {
    for fleet in [patched(), troubled()] {
        let text = text(&Status::of(&fleet), NARROW, &screen(Some(80), false));
        // The terminal wraps sentences, and commands stay whole.
        let is_row = |line: &&str| !line.contains(": ") && !line.starts_with("  ");
        let rows = text.lines().filter(is_row);
        let long: Vec<&str> = rows.filter(|line| line.chars().count() > 80).collect();
        assert_eq!(long, Vec::<&str>::new());
    }
}

#[test]
fn json_has_a_schema() {
    let fleet = troubled();
    insta::assert_json_snapshot!("troubled_json", json(&Status::of(&fleet)));
}

#[test]
fn the_exit_status_is_that_of_the_worst_state() {
    let exit_status = |fleet: &Fleet| Status::of(fleet).exit_status();
    let mut fleet = Fleet::default();
    assert_eq!(exit_status(&fleet), 2, "nothing is watched");
    fleet.integrities = vec![integrity("fi", &well())];
    assert_eq!(exit_status(&fleet), 2, "no node is watched");
    fleet.nodes = vec![node("fi", "n1", &succeeded())];
    assert_eq!(exit_status(&fleet), 0);
    fleet.unread = vec!["x".to_owned()];
    assert_eq!(exit_status(&fleet), 2);
    fleet.unread.clear();
    let mut stale = well();
    stale["nodes"] =
        json!({"selected": 1, "initialized": 1, "failed": 0, "errored": 0, "held": 0, "stale": 1});
    fleet.integrities = vec![integrity("fi", &stale)];
    assert_eq!(exit_status(&fleet), 2);
    let mut initializing = well();
    initializing["conditions"][0]["status"] = json!("False");
    initializing["conditions"][0]["reason"] = json!("Initializing");
    fleet.integrities = vec![integrity("fi", &initializing)];
    assert_eq!(exit_status(&fleet), 0, "another node waits");
    fleet.nodes.push(node("fi", "n2", &serde_json::Value::Null));
    assert_eq!(exit_status(&fleet), 2);
}

#[test]
fn the_holds_of_the_spec_are_named_with_their_ends() {
    let mut fleet = troubled();
    let hold = |name: &str, until: &str| {
        let status = json!({"hold": {"since": "2026-12-01T00:00:00Z", "until": until, "then": "Report",
            "holds": ["weekend", name]}});
        let mut whole = json!({"metadata": {"name": "x", "ownerReferences": [{"kind": "FileIntegrity",
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "name": "x", "uid": "u", "controller": true}]}});
        whole["hold"] = status["hold"].clone();
        Node::of(&serde_json::from_value(whole).unwrap())
            .unwrap()
            .hold
    };
    fleet.nodes[1].hold = hold("kernel", "2026-12-02T06:00:00Z");
    fleet.nodes[2].hold = hold("kernel", "2026-12-02T06:00:00Z");
    fleet.nodes[4].hold = hold(&format!("x{HOSTILE}"), "2026-12-01T11:59:00Z");
    let status = Status::of(&fleet);
    for width in [80, 200] {
        for (color, suffix) in [(false, ""), (true, "_color")] {
            let text = text(&status, NARROW, &screen(Some(width), color));
            let lines: Vec<&str> = text.lines().filter(|line| line.contains("held")).collect();
            insta::assert_snapshot!(format!("holds_{width}{suffix}"), lines.join("\n"));
        }
    }
    let json = json(&status);
    assert_eq!(undocumented(&json), Vec::<String>::new());
    let node = &json["fileIntegrities"][0]["nodes"][1];
    assert_eq!(node["held"], "spec");
    assert_eq!(
        node["holds"],
        json!({"names": ["weekend", "kernel"], "since": "2026-12-01T00:00:00Z", "until": "2026-12-02T06:00:00Z"})
    );
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('m').expect("a color");
        plain.push_str(rest);
    }
    plain
}
