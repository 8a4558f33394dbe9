pub(crate) mod schemas;

use std::sync::Arc;

use sha2::Digest as _;

use super::*;
use crate::aide::report::{Change, ChangeKind};
use crate::api::{Accepted, Actor, ErrorClass, EventReason, HoldReason};
use crate::scan::accepted;
use crate::scan::event::Severity;
use crate::scan::identity;
use crate::scan::outcome::{Finding, Outcome, ScanError};

const SHA256: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const RMD160: &str = "nBGFpej56dV+4KvIQSW+NJFIRK0=";

fn time() -> Time {
    Time("2026-01-02T03:04:05Z".parse().unwrap())
}

fn output(format: OutputFormat, changes_only: bool) -> Output {
    let settings = Settings {
        format,
        changes_only,
        cluster: Some("prod-1".to_owned()),
    };
    Output::new(settings, &identity())
}

fn change(path: &str, kind: ChangeKind, details: &[(&str, &str, &str)]) -> Change {
    let own = |text: &str| text.to_owned();
    let attributes: Arc<[String]> = match kind {
        ChangeKind::Changed => details.iter().map(|(name, ..)| own(name)).collect(),
        ChangeKind::Added | ChangeKind::Removed => [].into(),
    };
    let new: String = details.iter().map(|(.., new)| *new).collect();
    Change {
        path: path.as_bytes().to_vec(),
        kind,
        attributes,
        new_values: (!new.is_empty()).then(|| <[u8; 32]>::from(sha2::Sha256::digest(new))),
        details: details
            .iter()
            .map(|(name, old, new)| (own(name), own(old), own(new)))
            .collect(),
        actor: None,
    }
}

fn changes() -> Vec<Change> {
    vec![
        change(
            "/etc/added",
            ChangeKind::Added,
            &[
                ("type", "", "File"),
                ("size", "", "20"),
                ("permissions", "", "-rwsr-xr-x"),
                ("owner", "", "0"),
                ("group", "", "7"),
                ("inode", "", "4711"),
                ("mtime", "", "2026-01-02 03:00:00 +0000"),
                ("ctime", "", "2026-01-02 03:00:01 +0000"),
                ("sha256", "", SHA256),
                ("rmd160", "", RMD160),
                ("acl", "", "A: user::rwx, A: group::r-x"),
            ],
        ),
        change(
            "/etc/changed\n",
            ChangeKind::Changed,
            &[("size", "1", "20"), ("sha256", "", SHA256)],
        ),
        change(
            "/etc/link",
            ChangeKind::Changed,
            &[("link", "a", "b"), ("type", "File", "Link")],
        ),
        change(
            "/etc/mode",
            ChangeKind::Changed,
            &[("permissions", "-rw-r--r--", "-rw-rw-rw-")],
        ),
        change(
            "/etc/removed",
            ChangeKind::Removed,
            &[("type", "Directory", ""), ("owner", "0", "")],
        ),
        change("/", ChangeKind::Changed, &[]),
    ]
}

fn outcome(changes: Vec<Change>) -> Outcome {
    if changes.is_empty() {
        return Outcome::Clean { files: 10 };
    }
    let count = |kind| changes.iter().filter(|it| it.kind == kind).count() as u64;
    Outcome::Changed(Box::new(Report {
        total: 10,
        added: count(ChangeKind::Added),
        removed: count(ChangeKind::Removed),
        changed: count(ChangeKind::Changed),
        changes,
        ..Report::default()
    }))
}

fn errored(message: &str) -> Outcome {
    Outcome::Errored(ScanError::new(ErrorClass::Hung, message))
}

/// The lines of a scan with this outcome.
fn scan(output: &mut Output, outcome: &Outcome) -> String {
    scan_after(output, outcome, None)
}

fn scan_after(
    output: &mut Output,
    outcome: &Outcome,
    known: Option<&FileIntegrityNodeStatus>,
) -> String {
    scan_with(output, outcome, known, None, true)
}

fn scan_with(
    output: &mut Output,
    outcome: &Outcome,
    known: Option<&FileIntegrityNodeStatus>,
    event: Option<&EventMessage>,
    is_with_baseline: bool,
) -> String {
    let result = result(outcome, time());
    let report = match outcome {
        Outcome::Changed(report) => Some(&**report),
        Outcome::Clean { .. } | Outcome::Errored(_) => None,
    };
    let ended = EndedScan {
        id: "abc",
        result: &result,
        report,
        event,
        is_with_baseline,
    };
    output.scan(ended, known).concat()
}

fn result(outcome: &Outcome, at: Time) -> ScanResult {
    Finding::new(outcome, at, std::time::Duration::from_secs(1)).result
}

/// A node status after these scans, in this order.
fn known(outcomes: &[Outcome]) -> FileIntegrityNodeStatus {
    let mut status = FileIntegrityNodeStatus::default();
    for (second, outcome) in (0..).zip(outcomes) {
        let at = jiff::Timestamp::from_second(second).unwrap();
        let result = result(outcome, Time(at));
        status.results.retain(|r| r.condition != result.condition);
        status.results.push(result.clone());
        status.last_result = Some(result);
    }
    status
}

/// Each kind of line.
fn all_lines(format: OutputFormat) -> String {
    let mut output = output(format, false);
    let mut lines = scan(&mut output, &outcome(changes()));
    lines += &scan(
        &mut output,
        &outcome(vec![
            change("/etc/x", ChangeKind::Removed, &[]);
            MAX_LINES + 7
        ]),
    )
    .lines()
    .last()
    .map(|line| format!("{line}\n"))
    .unwrap();
    lines += &scan(&mut output, &errored("AIDE error: hung"));
    lines += &scan(&mut output, &outcome(Vec::new()));
    lines += &output.hold_started(&HeldBy::Annotation(HoldReason::NodeUpdate), &time());
    let holds = HeldBy::Holds(vec!["kernel".to_owned(), "disk".to_owned()]);
    lines += &output.hold_started(&holds, &time());
    lines += &output.hold_ended(&time());
    let baseline = Baseline {
        created_at: time(),
        config_hash: "c1".to_owned(),
        digest: "d1".to_owned(),
        entries: 10,
        aide_version: "0.19.1".to_owned(),
        state_dir: None,
        requested: true,
        accepted: Some(Accepted {
            reason: "Annotation".to_owned(),
            request: Some("0123456789abcdef-annotation".to_owned()),
            old_digest: Some("d0".to_owned()),
            differences: accepted::unknown("the old database is missing"),
            ..Accepted::default()
        }),
    };
    lines += &output.baseline_created(&baseline);
    lines += &output.changes_accepted(&baseline).unwrap();
    for reason in [
        EventReason::BaselineTampered,
        EventReason::BaselineLost,
        EventReason::UnrequestedReinit,
        EventReason::BaselineReplaced,
    ] {
        let event = EventMessage {
            severity: Severity::Warning,
            reason,
            message: format!("the message of {reason}"),
        };
        lines += &output.event(&event, &time());
    }
    lines
}

fn paths(lines: &str) -> Vec<String> {
    lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let shown = line.get("path").or_else(|| line.get("notice"));
            let omitted = || line["omitted"].to_string();
            shown
                .and_then(Value::as_str)
                .map_or_else(omitted, str::to_owned)
        })
        .collect()
}

#[test]
fn all_lines_in_each_format() {
    insta::assert_snapshot!("fio", all_lines(OutputFormat::Fio));
    insta::assert_snapshot!("ecs", all_lines(OutputFormat::Ecs));
    insta::assert_snapshot!("ocsf", all_lines(OutputFormat::Ocsf));
}

#[test]
fn lines_in_ecs_are_valid() {
    let lines = all_lines(OutputFormat::Ecs);
    assert_eq!(lines.lines().count(), 19);
    lines.lines().for_each(schemas::assert_valid_ecs);
}

#[test]
fn lines_in_ocsf_are_valid() {
    let lines = all_lines(OutputFormat::Ocsf);
    assert_eq!(lines.lines().count(), 19);
    lines.lines().for_each(schemas::assert_valid_ocsf);
}

#[test]
fn omitted_changes_are_counted() {
    let mut output = output(OutputFormat::Fio, false);
    let many = vec![change("/etc/a", ChangeKind::Removed, &[]); MAX_LINES + 7];
    let lines = scan(&mut output, &outcome(many));
    assert_eq!(lines.lines().count(), MAX_LINES + 1);
    assert!(
        lines.ends_with("\"omitted\":7}\n"),
        "{:?}",
        lines.lines().last()
    );
}

#[test]
fn a_scan_with_the_same_changes_writes_nothing() {
    let mut output = output(OutputFormat::Fio, false);
    assert_eq!(scan(&mut output, &outcome(changes())).lines().count(), 6);
    assert_eq!(scan(&mut output, &outcome(changes())), "");
}

#[test]
fn other_changes_write_all_of_them_or_only_the_new_ones() {
    for (changes_only, expected) in [
        (false, vec!["/etc/a", "/etc/b", "/etc/c"]),
        (true, vec!["/etc/b", "/etc/c"]),
    ] {
        let mut output = output(OutputFormat::Fio, changes_only);
        let size = |path, new| change(path, ChangeKind::Changed, &[("size", "1", new)]);
        let first = vec![size("/etc/a", "2"), size("/etc/b", "2")];
        assert_eq!(
            paths(&scan(&mut output, &outcome(first))),
            ["/etc/a", "/etc/b"]
        );
        let second = vec![
            size("/etc/a", "2"),
            size("/etc/b", "3"),
            size("/etc/c", "2"),
        ];
        let lines = scan(&mut output, &outcome(second));
        assert_eq!(paths(&lines), expected, "{changes_only}");
    }
}

#[test]
fn a_change_that_was_reverted_and_made_again_is_written_again() {
    let mut output = output(OutputFormat::Fio, true);
    let of = |paths: &[&str]| {
        outcome(
            paths
                .iter()
                .map(|path| change(path, ChangeKind::Added, &[]))
                .collect(),
        )
    };
    scan(&mut output, &of(&["/a", "/b"]));
    assert_eq!(scan(&mut output, &of(&["/a"])), "");
    assert_eq!(paths(&scan(&mut output, &of(&["/a", "/b"]))), ["/b"]);
}

/// So many added files.
fn numbered(count: usize) -> Outcome {
    let added = |n| change(&format!("/etc/{n:05}"), ChangeKind::Added, &[]);
    outcome((0..count).map(added).collect())
}

#[test]
fn omitted_changes_are_written_with_the_next_new_ones() {
    let mut output = output(OutputFormat::Fio, true);
    let first = scan(&mut output, &numbered(MAX_LINES + 2));
    assert_eq!(paths(&first).last().unwrap(), "2");
    assert_eq!(scan(&mut output, &numbered(MAX_LINES + 2)), "");
    let second = scan(&mut output, &numbered(MAX_LINES + 3));
    let others = ["/etc/01000", "/etc/01001", "/etc/01002"];
    assert_eq!(paths(&second), others);
    let third = scan(&mut output, &numbered(2 * MAX_LINES + 5));
    assert_eq!(paths(&third).len(), MAX_LINES + 1);
    assert_eq!(paths(&third).last().unwrap(), "2");
}

#[test]
fn written_changes_are_known_after_an_errored_scan() {
    let mut output = output(OutputFormat::Fio, true);
    scan(&mut output, &numbered(2));
    scan(&mut output, &errored("a"));
    assert_eq!(paths(&scan(&mut output, &numbered(2))), ["ErrorEnded"]);
    assert_eq!(paths(&scan(&mut output, &numbered(3))), ["/etc/00002"]);
}

#[test]
fn the_end_of_changes_and_of_errors_is_written_once() {
    let mut output = output(OutputFormat::Fio, false);
    let steps = [
        (outcome(changes()), 6, None),
        (errored("a"), 1, Some("ScanErrored")),
        (errored("a"), 0, None),
        (errored("b"), 1, Some("ScanErrored")),
        (outcome(changes()), 1, Some("ErrorEnded")),
        (outcome(Vec::new()), 1, Some("ChangesEnded")),
        (outcome(Vec::new()), 0, None),
        (errored("b"), 1, Some("ScanErrored")),
    ];
    for (index, (outcome, count, last)) in steps.iter().enumerate() {
        let shown = paths(&scan(&mut output, outcome));
        assert_eq!(shown.len(), *count, "{index}: {shown:?}");
        if let Some(last) = last {
            assert_eq!(shown.last().unwrap(), last, "{index}");
        }
    }
}

#[test]
fn the_first_scan_of_a_process_is_compared_with_the_node_status() {
    let clean = || outcome(Vec::new());
    let failed = || outcome(changes());
    for (before, now, expected) in [
        (vec![], clean(), vec![]),
        (vec![failed()], failed(), vec![]),
        (vec![failed()], clean(), vec!["ChangesEnded"]),
        (vec![failed(), clean()], clean(), vec![]),
        (vec![errored("a")], errored("a"), vec![]),
        (vec![errored("a")], errored("b"), vec!["ScanErrored"]),
        (vec![errored("a")], clean(), vec!["ErrorEnded"]),
        (vec![failed(), errored("a")], failed(), vec!["ErrorEnded"]),
        (
            vec![failed(), errored("a")],
            clean(),
            vec!["ErrorEnded", "ChangesEnded"],
        ),
        (
            vec![failed(), clean(), errored("a")],
            clean(),
            vec!["ErrorEnded"],
        ),
        (vec![errored("a"), clean()], clean(), vec![]),
    ] {
        let mut output = output(OutputFormat::Fio, true);
        let lines = scan_after(&mut output, &now, Some(&known(&before)));
        assert_eq!(paths(&lines), expected, "{before:?}, {now:?}");
    }
    let mut output = output(OutputFormat::Fio, true);
    let lines = scan_after(&mut output, &failed(), Some(&known(&[clean()])));
    assert_eq!(paths(&lines).len(), 6);
}

#[test]
fn without_a_node_status_the_end_of_changes_is_written_to_be_sure() {
    let mut output = output(OutputFormat::Fio, false);
    let clean = outcome(Vec::new());
    assert_eq!(paths(&scan(&mut output, &clean)), ["ChangesEnded"]);
    assert_eq!(scan(&mut output, &clean), "");
}

#[test]
fn a_success_with_another_database_ends_nothing() {
    let mut output = output(OutputFormat::Fio, false);
    let clean = outcome(Vec::new());
    scan(&mut output, &outcome(changes()));
    scan(&mut output, &errored("a"));
    let lines = scan_with(&mut output, &clean, None, None, false);
    assert_eq!(lines, "");
    assert_eq!(
        paths(&scan(&mut output, &clean)),
        ["ErrorEnded", "ChangesEnded"]
    );
}

#[test]
fn the_event_of_an_error_is_written_with_it() {
    let event = EventMessage {
        severity: Severity::Warning,
        reason: EventReason::BaselineTampered,
        message: "the database is another one".to_owned(),
    };
    let tampered = errored("tampered");
    let untrusted = |output: &mut Output, known: Option<&FileIntegrityNodeStatus>| {
        paths(&scan_with(output, &tampered, known, Some(&event), false))
    };
    let mut first = output(OutputFormat::Fio, false);
    let both = ["BaselineTampered", "ScanErrored"];
    assert_eq!(untrusted(&mut first, None), both);
    assert_eq!(untrusted(&mut first, None), [""; 0]);
    // A daemon that was restarted.
    let known = known(std::slice::from_ref(&tampered));
    let mut second = output(OutputFormat::Fio, false);
    assert_eq!(untrusted(&mut second, Some(&known)), [""; 0]);
}

#[test]
fn the_id_of_a_change_depends_on_what_identifies_it() {
    let id = |output: &Output, change: &Change| Content::Change(change).id(&output.origin, &time());
    let one = output(OutputFormat::Fio, false);
    let size = |path, kind, new| change(path, kind, &[("size", "1", new)]);
    let of_change = id(&one, &size("/a", ChangeKind::Changed, "2"));
    assert_eq!(of_change, id(&one, &size("/a", ChangeKind::Changed, "2")));
    for other in [
        size("/b", ChangeKind::Changed, "2"),
        size("/a", ChangeKind::Changed, "3"),
        size("/a", ChangeKind::Added, "2"),
    ] {
        assert_ne!(of_change, id(&one, &other), "{other:?}");
    }
    let mut elsewhere = one.clone();
    elsewhere.origin.cluster = Some("prod-2".to_owned());
    assert_ne!(
        of_change,
        id(&elsewhere, &size("/a", ChangeKind::Changed, "2"))
    );
    let mut elsewhere = one;
    elsewhere.origin.node = "n2".to_owned();
    assert_ne!(
        of_change,
        id(&elsewhere, &size("/a", ChangeKind::Changed, "2"))
    );
}

#[test]
fn lines_have_the_process_that_made_the_change() {
    let line = |format, actor: &Actor| -> Value {
        let mut changed = change("/etc/a", ChangeKind::Changed, &[("size", "1", "2")]);
        changed.actor = Some(Arc::new(actor.clone()));
        let line = scan(&mut output(format, false), &outcome(vec![changed]));
        match format {
            OutputFormat::Fio => {}
            OutputFormat::Ecs => schemas::assert_valid_ecs(&line),
            OutputFormat::Ocsf => schemas::assert_valid_ocsf(&line),
        }
        serde_json::from_str(&line).unwrap()
    };
    let in_pod = Actor {
        exe: "/usr/bin/touch".to_owned(),
        comm: Some("touch".to_owned()),
        pid: 77,
        login_uid: Some(1000),
        unit: None,
        pod_uid: Some("p1".to_owned()),
        container_id: Some("c1".to_owned()),
    };
    let in_unit = Actor {
        comm: None,
        login_uid: None,
        unit: Some("sshd.service".to_owned()),
        pod_uid: None,
        container_id: None,
        ..in_pod.clone()
    };
    let fio = line(OutputFormat::Fio, &in_pod);
    assert_eq!(
        fio["actor"],
        serde_json::json!({
            "exe": "/usr/bin/touch", "comm": "touch", "pid": 77, "loginUid": 1000, "podUid": "p1", "containerId": "c1",
        })
    );
    let ecs = line(OutputFormat::Ecs, &in_pod);
    assert_eq!(
        [&ecs["process"], &ecs["container"], &ecs["fio"]["actor"]],
        [
            &serde_json::json!({"executable": "/usr/bin/touch", "name": "touch", "pid": 77}),
            &serde_json::json!({"id": "c1"}),
            &serde_json::json!({"loginUid": 1000, "podUid": "p1"}),
        ]
    );
    let ecs = line(OutputFormat::Ecs, &in_unit);
    assert_eq!(
        ecs["fio"]["actor"],
        serde_json::json!({"unit": "sshd.service"})
    );
    let ocsf = line(OutputFormat::Ocsf, &in_pod);
    assert_eq!(
        [&ocsf["actor"], &ocsf["unmapped"]["actor"]],
        [
            &serde_json::json!({
                "process": {"pid": 77, "name": "touch", "path": "/usr/bin/touch"},
                "user": {"uid": "1000"},
            }),
            &serde_json::json!({"pod_uid": "p1", "container_id": "c1"}),
        ]
    );
    let ocsf = line(OutputFormat::Ocsf, &in_unit);
    assert_eq!(
        ocsf["unmapped"]["actor"],
        serde_json::json!({"unit": "sshd.service"})
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
