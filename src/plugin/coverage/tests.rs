use super::json::json;
use super::text::text;
use super::*;
use crate::plugin::fixtures::{HOSTILE, patched, screen, undocumented};

const EFFECTIVE: &str = "P=p+u+g\n/hostroot/etc P+sha256\n!/hostroot/etc/mtab\n";

fn answer(watched: bool, line: Option<usize>) -> Answer {
    Answer {
        watched,
        kind: line.map(|_| "selective rule".to_owned()),
        line,
        attributes: watched.then(|| "p+u+g+sha256".to_owned()),
    }
}

/// Two of 50 nodes have the configuration of before.
fn coverage(paths: &[(&str, Answer)]) -> Coverage {
    let mut fleet = patched();
    for (index, node) in fleet.nodes.iter_mut().enumerate() {
        let hash = if index < 48 { "new" } else { "old" };
        node.configuration = Some(hash.to_owned());
    }
    let mut coverage = Coverage::of(&fleet, &fleet.integrities[0], Some("new".to_owned()));
    for (path, answer) in paths {
        coverage.add(path, answer.clone(), EFFECTIVE, "/hostroot");
    }
    coverage
}

#[test]
fn each_path_has_a_row() {
    let hostile = format!("/etc/{HOSTILE}");
    let own = Answer {
        line: None,
        ..answer(false, Some(1))
    };
    let first = coverage(&[
        ("/etc/passwd", answer(true, Some(2))),
        ("/etc/mtab", answer(false, Some(3))),
        ("/opt", answer(false, None)),
        ("/run/aide", own),
        (&hostile, answer(true, Some(2))),
    ]);
    let mut second = coverage(&[]);
    second.owner.name = HOSTILE.to_owned();
    second.hash = None;
    let all = [first, second];
    for width in [80, 200] {
        for (color, suffix) in [(false, ""), (true, "_color")] {
            let text = text(&all, &screen(Some(width), color));
            insta::assert_snapshot!(format!("coverage_{width}{suffix}"), text);
        }
    }
    assert_eq!(undocumented(&json(&all)), Vec::<String>::new());
    insta::assert_json_snapshot!("coverage_json", json(&all));
}

#[test]
fn a_path_is_covered_if_all_nodes_watch_it() {
    let watched = [("/etc/passwd", answer(true, Some(2)))];
    let some = coverage(&watched);
    assert_eq!((some.nodes, some.current), (50, 48));
    assert_eq!(exit_status(std::slice::from_ref(&some)), 1, "48 of 50");
    let all = Coverage {
        current: 50,
        ..some.clone()
    };
    assert_eq!(exit_status(&[some.clone(), all.clone()]), 0);
    let none = Coverage {
        paths: coverage(&[("/etc/passwd", answer(false, None))]).paths,
        ..all.clone()
    };
    assert_eq!(exit_status(std::slice::from_ref(&none)), 1);
    assert_eq!(exit_status(&[none, all]), 0, "one of them watches it");
    assert_eq!(exit_status(&[]), 2);
    let unknown = Coverage { hash: None, ..some };
    assert_eq!(exit_status(&[unknown]), 2);
}
