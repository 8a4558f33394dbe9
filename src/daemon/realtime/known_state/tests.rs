use super::*;
use crate::aide::coverage::Extent;
use crate::aide::report::{Change, ChangeKind};
use crate::api::{ErrorClass, time};
use crate::scan::outcome::ScanError;

fn report(paths: &[&str]) -> Report {
    let changes: Vec<Change> = paths
        .iter()
        .map(|path| Change {
            path: path.as_bytes().to_vec(),
            kind: ChangeKind::Added,
            attributes: [].into(),
            new_values: Some([1; 32]),
            details: Vec::new(),
            actor: None,
        })
        .collect();
    Report {
        total: 100,
        added: changes.len() as u64,
        differs: !changes.is_empty(),
        changes,
        ..Report::default()
    }
}

fn part(paths: &[&str]) -> Coverage {
    let mut part = Coverage::default();
    for path in paths {
        part.add(path.as_bytes(), Extent::Own);
    }
    part
}

fn compared(paths: &[&str]) -> ComparedPart {
    ComparedPart {
        report: report(paths),
        is_complete: true,
    }
}

fn outcome_of(report: &Report) -> Finding {
    let outcome = if report.differs {
        Outcome::Changed(Box::new(report.clone()))
    } else {
        Outcome::Clean {
            files: report.total,
        }
    };
    Finding::new(&outcome, time::now(), Duration::from_secs(7))
}

fn scan(state: &mut KnownState, paths: &[&str], announced: &[&str]) -> ScanComparison {
    let report = report(paths);
    let announced = Scope::Part(part(announced));
    state.scan_ended(&outcome_of(&report), Some(&report), announced)
}

fn errored(state: &mut KnownState, report: Option<&Report>) {
    let error = ScanError::new(ErrorClass::Incomplete, "a file lacks its content");
    let finding = Finding::not_scanned(error, time::now());
    state.scan_ended(&finding, report, Scope::default());
}

/// Condition, number of added files, and trigger of the known state.
fn shown(state: &KnownState) -> (Condition, i64) {
    let (finding, report) = state.finding(Trigger::Event, time::now()).unwrap();
    let has_report = finding.result.condition == Condition::Failed;
    assert_eq!(report.is_some(), has_report);
    (finding.result.condition, finding.result.files_added)
}

#[test]
fn nothing_is_known_before_the_first_scan() {
    let mut state = KnownState::default();
    assert!(!state.checked(&part(&["/a"]), compared(&["/a"])));
    assert!(!state.is_complete());
    assert!(state.finding(Trigger::Event, time::now()).is_none());
}

#[test]
fn checks_change_the_result_of_the_last_scan() {
    let mut state = KnownState::default();
    scan(&mut state, &["/a"], &[]);
    assert!(state.checked(&part(&["/b"]), compared(&["/b"])));
    assert!(!state.checked(&part(&["/b"]), compared(&["/b"])));
    assert_eq!(shown(&state), (Condition::Failed, 2));
    assert!(state.checked(&part(&["/a", "/b"]), compared(&[])));
    assert_eq!(shown(&state), (Condition::Succeeded, 0));
    let (finding, _) = state.finding(Trigger::Event, time::now()).unwrap();
    let result = finding.result;
    assert_eq!(
        (
            result.files_scanned,
            result.duration_milliseconds,
            result.trigger
        ),
        (Some(100), Some(7000), Some(Trigger::Event))
    );
}

#[test]
fn rules_that_watch_nothing_are_those_of_the_last_scan() {
    let mut state = KnownState::default();
    let rule = UnwatchedRule {
        line: 7,
        link: "/etc/link".to_owned(),
        reason: "leads nowhere".to_owned(),
    };
    let report = report(&[]);
    let mut finding = outcome_of(&report);
    finding.result.unwatched_rules = vec![rule.clone()];
    state.scan_ended(&finding, Some(&report), Scope::default());
    for paths in [&["/a"][..], &[]] {
        state.checked(&part(&["/a"]), compared(paths));
        let (finding, _) = state.finding(Trigger::Event, time::now()).unwrap();
        let rules = finding.result.unwatched_rules;
        assert_eq!(rules.as_slice(), std::slice::from_ref(&rule));
    }
}

#[test]
fn a_check_that_could_not_read_all_only_adds() {
    let mut state = KnownState::default();
    scan(&mut state, &["/a"], &[]);
    let incomplete = |paths| ComparedPart {
        is_complete: false,
        ..compared(paths)
    };
    assert!(!state.checked(&part(&["/a"]), incomplete(&[])));
    assert!(state.checked(&part(&["/b"]), incomplete(&["/b"])));
    assert_eq!(shown(&state), (Condition::Failed, 2));
}

#[test]
fn an_older_report_does_not_replace_a_newer_check() {
    let mut state = KnownState::default();
    scan(&mut state, &[], &[]);
    state.scan_started();
    state.checked(&part(&["/a"]), compared(&["/a"]));
    let comparison = scan(&mut state, &[], &[]);
    assert!(comparison.is_merged && comparison.missed.is_empty());
    assert_eq!(shown(&state), (Condition::Failed, 1));
}

#[test]
fn only_what_nothing_has_announced_is_missed() {
    let mut state = KnownState::default();
    assert_eq!(scan(&mut state, &["/old"], &[]), ScanComparison::default());
    state.scan_started();
    let comparison = scan(
        &mut state,
        &["/old", "/announced", "/silent"],
        &["/announced"],
    );
    assert_eq!(comparison.missed, [b"/silent".to_vec()]);
}

#[test]
fn without_differences_an_error_of_the_last_scan_stays() {
    let mut state = KnownState::default();
    errored(&mut state, Some(&report(&[])));
    assert_eq!(shown(&state), (Condition::Errored, 0));
    state.checked(&part(&["/a"]), compared(&["/a"]));
    assert_eq!(shown(&state), (Condition::Failed, 1));
    state.checked(&part(&["/a"]), compared(&[]));
    assert_eq!(shown(&state), (Condition::Errored, 0));
}

#[test]
fn a_scan_without_a_report_keeps_what_is_known() {
    let mut state = KnownState::default();
    scan(&mut state, &["/a"], &[]);
    errored(&mut state, None);
    assert_eq!(shown(&state), (Condition::Failed, 1));
}

#[test]
fn reports_that_are_not_complete_end_the_tracking_until_the_next_scan() {
    let mut state = KnownState::default();
    let truncated = Report {
        truncated: true,
        ..report(&["/a"])
    };
    scan(&mut state, &["/a"], &[]);
    state.scan_ended(&outcome_of(&truncated), Some(&truncated), Scope::default());
    assert!(!state.is_complete());
    let paths: Vec<String> = (0..=MAX_TRACKED).map(|n| format!("/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    scan(&mut state, &paths, &[]);
    assert!(!state.is_complete());
    scan(&mut state, &["/a"], &[]);
    assert!(state.is_complete());
}

#[test]
fn after_an_overflow_only_newer_checks_count_against_the_report() {
    let mut state = KnownState::default();
    scan(&mut state, &["/old"], &[]);
    state.scan_started();
    state.checked(&part(&["/checked"]), compared(&["/checked"]));
    let full = report(&["/new"]);
    state.scan_ended(&outcome_of(&full), Some(&full), Scope::Everything);
    let (_, known) = state.finding(Trigger::Scan, time::now()).unwrap();
    let known = known.unwrap();
    let paths: Vec<_> = known.changes.iter().map(|it| it.path.as_slice()).collect();
    assert_eq!(paths, [&b"/checked"[..], b"/new"]);
}
