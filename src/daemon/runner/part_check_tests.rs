//! Checks of a part of the node, with a real AIDE.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::time::SystemTime;

use super::tests::{Node, finding, made};
use super::*;
use crate::aide::command::Aide;
use crate::aide::coverage::{Coverage, Extent};
use crate::api::ErrorClass;
use crate::daemon::machine::BaselineReason;
use crate::scan::known_changes::ComparedPart;
use crate::scan::outcome::ScanError;
use crate::testing::aide_binary::script;

fn part(paths: &[&[u8]]) -> Coverage {
    let mut part = Coverage::default();
    for path in paths {
        part.add(path, Extent::Own);
    }
    part
}

async fn check_by(node: &Node, runner: &Runner, part: &Coverage) -> PartEnd {
    let config = fs::read_to_string(node.config()).unwrap();
    let cancel = CancellationToken::new();
    runner.check_part(&config, part, &cancel).await
}

async fn compared(node: &Node, part: &Coverage) -> ComparedPart {
    match check_by(node, &node.runner(), part).await {
        PartEnd::Compared(compared) => compared,
        other => panic!("not compared: {other:?}"),
    }
}

async fn failed(node: &Node, runner: &Runner) -> ScanError {
    match check_by(node, runner, &part(&[b"/etc/passwd"])).await {
        PartEnd::Failed(error) => error,
        other => panic!("no error: {other:?}"),
    }
}

fn paths(compared: &ComparedPart) -> Vec<&[u8]> {
    let changes = compared.report.changes.iter();
    changes.map(|change| change.path.as_slice()).collect()
}

/// The files of the state directory, each with the time of its last change.
fn state_files(node: &Node) -> BTreeMap<String, SystemTime> {
    let entries = fs::read_dir(node.etc("kubernetes")).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let changed = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name().into_string().unwrap(), changed)
        })
        .collect()
}

#[tokio::test]
async fn only_the_part_is_compared_and_nothing_is_written_to_the_state_directory() {
    let node = Node::new();
    let created = node.initialize(BaselineReason::First).await;
    fs::write(node.etc("passwd"), "changed").unwrap();
    fs::write(node.etc("group"), "changed").unwrap();
    fs::write(node.etc("new"), "new").unwrap();
    let before = state_files(&node);
    let compared = compared(&node, &part(&[b"/etc/passwd", b"/etc/new", b"/etc/none"])).await;
    assert_eq!(paths(&compared), [&b"/etc/new"[..], b"/etc/passwd"]);
    assert!(compared.is_complete);
    let digest = compared.report.database_digest.as_deref();
    assert_eq!(digest, Some(made(&created).digest.as_str()));
    assert_eq!(state_files(&node), before);
    assert_eq!(node.runner().interrupted_checks(), 0);
}

#[tokio::test]
async fn a_part_without_files_is_clean() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let compared = compared(&node, &part(&[b"/etc/none"])).await;
    assert_eq!(paths(&compared), [] as [&[u8]; 0]);
    assert!(compared.is_complete);
}

#[tokio::test]
async fn names_that_are_not_text_select_no_other_files() {
    let node = Node::new();
    let name = OsStr::from_bytes(b"\xff@:");
    fs::write(node.etc(name), "old").unwrap();
    node.initialize(BaselineReason::First).await;
    for file in [name, OsStr::new("passwd")] {
        fs::write(node.etc(file), "changed").unwrap();
    }
    let compared = compared(&node, &part(&[b"/etc/\xff@:"])).await;
    assert_eq!(paths(&compared), [b"/etc/\xff@:"]);
}

#[tokio::test]
async fn a_check_runs_beside_a_scan() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    fs::write(node.etc("passwd"), "changed").unwrap();
    let passwd = part(&[b"/etc/passwd"]);
    let (scan, part) = tokio::join!(node.scan(), compared(&node, &passwd));
    assert_eq!(finding(&scan).result.files_changed, 1);
    assert_eq!(paths(&part), [b"/etc/passwd"]);
}

#[tokio::test]
async fn without_a_database_a_check_fails_at_once() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let database = node.etc("kubernetes/aide.db.gz");
    for replace in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, "").unwrap(),
        |path: &Path| {
            fs::remove_file(path).unwrap();
            let made = Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        },
    ] {
        replace(&database);
        let error = failed(&node, &node.runner()).await;
        assert_eq!(error.class, ErrorClass::Database, "{error:?}");
    }
}

/// A runner with this script in the place of AIDE. `$report` is the path of the JSON report.
fn runner_with(node: &Node, dir: &Path, text: &str) -> Runner {
    let report = node.runner().work_dir.join("check/aide.report.json");
    let text = format!("report={}\n{text}", report.display());
    Runner {
        aide: script(dir, &text),
        ..node.runner()
    }
}

#[tokio::test]
async fn a_killed_or_failing_aide_is_an_error() {
    let (node, dir) = (Node::new(), tempfile::tempdir().unwrap());
    node.initialize(BaselineReason::First).await;
    for (text, class) in [
        ("kill -9 $$", ErrorClass::Memory),
        ("exit 18", ErrorClass::Io),
        ("exit 0", ErrorClass::File),
        ("echo '{' > $report; exit 0", ErrorClass::Report),
        (
            r#"echo '{"number_of_entries": {"total": 1, "added": 1}}' > $report; exit 0"#,
            ErrorClass::Contradiction,
        ),
    ] {
        let error = failed(&node, &runner_with(&node, dir.path(), text)).await;
        assert_eq!(error.class, class, "{text}: {error:?}");
    }
    assert_eq!(node.runner().interrupted_checks(), 0);
}

#[tokio::test]
async fn a_file_that_exists_is_not_removed() {
    let (node, dir) = (Node::new(), tempfile::tempdir().unwrap());
    node.initialize(BaselineReason::First).await;
    let root = node.runner().host_root;
    let report = format!(
        r#"{{"number_of_entries": {{"total": 1, "removed": 1}}, "removed": {{"{root}/etc/passwd": "f---"}}}}"#
    );
    let text = format!("echo '{report}' > $report; exit 2");
    let error = failed(&node, &runner_with(&node, dir.path(), &text)).await;
    assert_eq!(error.class, ErrorClass::Contradiction);
    assert!(error.message.contains("/etc/passwd"), "{error:?}");
}

#[tokio::test]
async fn a_check_ends_with_the_daemon() {
    let (node, dir) = (Node::new(), tempfile::tempdir().unwrap());
    node.initialize(BaselineReason::First).await;
    let runner = Runner {
        aide: Aide::clone(&runner_with(&node, dir.path(), "exec sleep 60").aide),
        ..node.runner()
    };
    let cancel = CancellationToken::new();
    let config = fs::read_to_string(node.config()).unwrap();
    let passwd = part(&[b"/etc/passwd"]);
    let check = runner.check_part(&config, &passwd, &cancel);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(runner.interrupted_checks(), 1, "while it runs");
        cancel.cancel();
    };
    let (end, ()) = tokio::join!(check, stop);
    assert!(matches!(end, PartEnd::Stopped), "{end:?}");
    assert_eq!(runner.interrupted_checks(), 0);
}
