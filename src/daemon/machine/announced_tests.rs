//! When a run accepts announced changes, and what follows.

use super::tests::{baseline, idle, known, s, scanned, started};
use super::*;
use crate::api::AnnouncedChanges;

impl ObservedStatus {
    fn announcing(mut self, uids: &[&str]) -> Self {
        let announced = uids.iter().map(|uid| AnnouncedChanges {
            name: format!("acceptance-{uid}"),
            uid: (*uid).to_owned(),
            until: "2030-01-01T00:00:00Z".parse().unwrap(),
            config_hash: "c1".to_owned(),
        });
        self.desired.announced = announced.collect();
        self
    }

    fn failed(mut self) -> Self {
        self.open_failure = Some("a:1,c:0,r:0".to_owned());
        self
    }
}

/// The baseline of acceptances with these UIDs.
fn of_announced(uids: &str, digest: &str) -> KnownBaseline {
    KnownBaseline {
        request: Some(uids.to_owned()),
        ..baseline("c1", digest)
    }
}

fn accepted_part(uids: &str, digest: &str) -> Event {
    Event::Finished(Finished::AcceptedPart(of_announced(uids, digest)))
}

#[test]
fn a_scan_that_accepts_announced_changes_replaces_the_baseline() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    let actions = machine.handle(accepted_part("u1", "d2"), s(40));
    let published = Action::PublishPart { scan: None };
    assert_eq!(actions, [published, Action::WakeAt(s(140))]);
    assert_eq!(machine.baseline_digest(), Some("d2"));
    // The status still has the old baseline.
    let status = known("c1", "d1").announcing(&["u1"]);
    let actions = machine.handle(Event::observed(status), s(41));
    assert_eq!(actions, [Action::WakeAt(s(140))]);
    assert_eq!(machine.handle(Event::Timer, s(140)), [Action::Scan]);
    let actions = machine.handle(scanned("d2"), s(150));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(250))]);
}

#[test]
fn changes_that_may_be_approved_are_accepted_at_once() {
    let mut machine = idle();
    let actions = machine.handle(Event::ApprovalExpected, s(5));
    assert_eq!(actions, [Action::ScanToAccept]);
    assert_eq!(*machine.state(), State::Scanning);
    machine.handle(scanned("d1"), s(10));
    // Only once.
    assert_eq!(machine.handle(Event::Timer, s(110)), [Action::Scan]);
    // While a scan runs, that decides.
    assert_eq!(machine.handle(Event::ApprovalExpected, s(111)), []);
    let actions = machine.handle(scanned("d1"), s(120));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(220))]);
}

#[test]
fn an_open_failure_is_compared_with_what_is_announced_anew() {
    let mut machine = idle();
    let failed = |uids: &[&str]| Event::observed(known("c1", "d1").failed().announcing(uids));
    let wake = [Action::WakeAt(s(30))];
    assert_eq!(machine.handle(failed(&[]), s(1)), wake);
    assert_eq!(
        machine.handle(failed(&["u1"]), s(2)),
        [Action::ScanToAccept]
    );
    machine.handle(scanned("d1"), s(3));
    // The same again, and fewer.
    let wake = [Action::WakeAt(s(103))];
    assert_eq!(machine.handle(failed(&["u1"]), s(4)), wake);
    assert_eq!(machine.handle(failed(&[]), s(5)), wake);
    // Nothing has failed.
    let clean = Event::observed(known("c1", "d1").announcing(&["u2"]));
    assert_eq!(machine.handle(clean, s(6)), wake);
}

#[test]
fn what_is_announced_during_a_scan_is_compared_after_it() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    let announced = known("c1", "d1").announcing(&["u1"]);
    assert_eq!(machine.handle(Event::observed(announced), s(31)), []);
    let actions = machine.handle(scanned("d1"), s(40));
    assert_eq!(actions, [Action::PublishScan, Action::ScanToAccept]);
}

#[test]
fn a_hold_wins() {
    let mut machine = idle();
    machine.handle(Event::observed(known("c1", "d1").held()), s(1));
    let announced = known("c1", "d1").failed().announcing(&["u1"]).held();
    assert_eq!(machine.handle(Event::observed(announced), s(2)), []);
    assert_eq!(machine.handle(Event::ApprovalExpected, s(3)), []);
}

/// After a crash between the replacement and its publication.
#[test]
fn a_baseline_of_announced_changes_is_explained_while_they_are_announced() {
    let disk = Disk::Baseline(of_announced("u1,u2", "d2"));
    for uids in [&["u1"][..], &["u2"], &["other", "u2"]] {
        let observed = known("c1", "d1").announcing(uids);
        let (_, actions) = started(disk.clone(), observed, "c1");
        let adopted = Action::PublishBaseline {
            request: None,
            event: None,
        };
        assert!(actions.contains(&adopted), "{uids:?}: {actions:?}");
    }
    let (machine, _) = started(disk.clone(), known("c1", "d1").announcing(&["u3"]), "c1");
    assert!(matches!(machine.state(), State::Untrusted { .. }));
    let mut accepted = known("c1", "d1").announcing(&["u1", "u2"]);
    accepted.accepted_lists = vec!["u1".to_owned(), "u2".to_owned()];
    let (machine, _) = started(disk, accepted, "c1");
    assert!(matches!(machine.state(), State::Untrusted { .. }));
    // One without a request is not explained by an empty list of UIDs.
    let mut unnamed = known("c1", "d1").announcing(&["u1"]);
    unnamed.desired.announced[0].uid = String::new();
    let (machine, _) = started(Disk::Baseline(baseline("c1", "d2")), unnamed, "c1");
    assert!(matches!(machine.state(), State::Untrusted { .. }));
}
