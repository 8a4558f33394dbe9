//! Tests of requested scans.

use super::super::tests::{baseline, idle, initialized, known, observed, s, scanned, started};
use super::super::{Action, BaselineReason, Disk, Event, Finished, Machine, State};
use crate::api::{ErrorClass, HoldReason};
use crate::daemon::node_state::ObservedStatus;
use crate::scan::outcome::ScanError;

fn with_scan(mut status: ObservedStatus, id: &str) -> ObservedStatus {
    status.desired.scan_request = Some(id.to_owned());
    status
}

fn requests(id: &str) -> Event {
    Event::observed(with_scan(known("c1", "d1"), id))
}

fn done(id: &str) -> Action {
    Action::PublishRequestedScan(id.to_owned())
}

fn starts_with(actions: &[Action], first: &Action) {
    assert_eq!(actions.first(), Some(first), "{actions:?}");
}

fn failed_scan() -> Event {
    Event::Finished(Finished::Scanned { digest: None })
}

#[test]
fn a_requested_scan_starts_at_once_and_once() {
    let mut machine = idle();
    assert_eq!(machine.handle(requests("s1"), s(5)), [Action::Scan]);
    // A second request arrives while the scan runs: it does not count for that.
    assert_eq!(machine.handle(requests("s2"), s(6)), []);
    assert_eq!(
        machine.handle(scanned("d1"), s(9)),
        [done("s1"), Action::Scan]
    );
    let actions = machine.handle(scanned("d1"), s(12));
    // The next scan is one interval after this one.
    assert_eq!(actions, [done("s2"), Action::WakeAt(s(112))]);
    let mut status = with_scan(known("c1", "d1"), "s2");
    for reported in [None, Some("s1"), Some("s2")] {
        status.scan_done = reported.map(str::to_owned);
        let actions = machine.handle(Event::observed(status.clone()), s(13));
        assert_eq!(actions, [Action::WakeAt(s(112))], "{reported:?}");
    }
}

#[test]
fn a_requested_scan_that_accepts_announced_changes_is_done() {
    let mut machine = idle();
    machine.handle(requests("s1"), s(5));
    let accepted = Event::Finished(Finished::AcceptedPart(baseline("c1", "d2")));
    let scan = Some("s1".to_owned());
    let actions = machine.handle(accepted, s(9));
    assert_eq!(
        actions,
        [Action::PublishPart { scan }, Action::WakeAt(s(109))]
    );
}

#[test]
fn a_scan_that_runs_already_is_not_the_requested_one() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    assert_eq!(machine.state(), &State::Scanning);
    assert_eq!(machine.handle(requests("s1"), s(31)), []);
    let actions = machine.handle(scanned("d1"), s(32));
    assert_eq!(actions, [Action::PublishScan, Action::Scan]);
    starts_with(&machine.handle(scanned("d1"), s(33)), &done("s1"));
}

#[test]
fn a_daemon_that_starts_does_an_open_request_once() {
    let disk = || Disk::Baseline(baseline("c1", "d1"));
    let status = with_scan(known("c1", "d1"), "s1");
    let (mut machine, actions) = started(disk(), status.clone(), "c1");
    assert_eq!(actions, [Action::Ready, Action::Scan]);
    assert_eq!(
        machine.handle(scanned("d1"), s(1)),
        [done("s1"), Action::WakeAt(s(31))]
    );
    // The next process finds the request done.
    let reported = ObservedStatus {
        scan_done: Some("s1".to_owned()),
        ..status
    };
    let (mut machine, actions) = started(disk(), reported, "c1");
    assert_eq!(actions, [Action::Ready, Action::Scan]);
    let actions = machine.handle(scanned("d1"), s(1));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(31))]);
}

#[test]
fn the_first_scan_with_a_new_baseline_is_the_requested_one() {
    let (mut machine, actions) = started(Disk::Nothing, with_scan(observed("c1"), "s1"), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::First)]);
    let actions = machine.handle(initialized("c1", "d1"), s(9));
    assert_eq!(actions.last(), Some(&Action::Scan));
    starts_with(&machine.handle(scanned("d1"), s(12)), &done("s1"));
}

#[test]
fn a_scan_that_ends_with_an_error_is_done() {
    let mut machine = idle();
    machine.handle(requests("s1"), s(5));
    let actions = machine.handle(failed_scan(), s(6));
    assert_eq!(actions, [done("s1"), Action::WakeAt(s(106))]);
}

#[test]
fn a_held_node_is_scanned_when_the_hold_ends() {
    let mut machine = idle();
    let mut held = with_scan(known("c1", "d1"), "s1");
    held.desired.hold = Some(HoldReason::User);
    let actions = machine.handle(Event::observed(held), s(5));
    assert_eq!(actions, [Action::Hold(HoldReason::User)]);
    let actions = machine.handle(requests("s1"), s(50));
    assert_eq!(actions, [Action::EndHold, Action::Scan]);
    starts_with(&machine.handle(scanned("d1"), s(51)), &done("s1"));
}

#[test]
fn after_a_kill_the_requested_scan_waits() {
    let mut machine = Machine::new(super::super::tests::SETTINGS);
    machine.handle(Event::Interrupted(1), s(0));
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(requests("s1"), s(0));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert_eq!(actions.last(), Some(&Action::WakeAt(s(10))), "{actions:?}");
    assert_eq!(machine.handle(Event::Timer, s(10)), [Action::Scan]);
    starts_with(&machine.handle(scanned("d1"), s(11)), &done("s1"));
}

#[test]
fn a_request_waits_for_a_baseline_that_can_be_trusted() {
    let mut machine = idle();
    machine.handle(requests("s1"), s(5));
    let actions = machine.handle(scanned("other"), s(6));
    assert!(
        matches!(actions[0], Action::PublishError { .. }),
        "{actions:?}"
    );
    assert_eq!(
        machine.handle(requests("s1"), s(7)),
        [Action::WakeAt(s(106))]
    );
    let request = with_scan(known("c1", "d1").with_request("r1"), "s1");
    let actions = machine.handle(Event::observed(request), s(8));
    let reason = BaselineReason::Requested("r1".to_owned());
    assert_eq!(actions, [Action::Initialize(reason)]);
    machine.handle(initialized("c1", "d2"), s(9));
    starts_with(&machine.handle(scanned("d2"), s(10)), &done("s1"));
}

#[test]
fn a_stuck_scan_is_not_done() {
    let mut machine = idle();
    machine.handle(requests("s1"), s(5));
    let stuck = ScanError::new(ErrorClass::Io, "stuck");
    machine.handle(Event::Finished(Finished::Stuck(stuck)), s(6));
    assert_eq!(machine.handle(Event::AideExited, s(7)), [Action::Scan]);
    starts_with(&machine.handle(scanned("d1"), s(8)), &done("s1"));
}
