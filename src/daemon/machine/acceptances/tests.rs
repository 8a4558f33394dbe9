//! When an acceptance is executed, and when it is refused.

use super::super::tests::{
    SETTINGS, baseline, idle, initialized, known, observed, s, scanned, started,
};
use super::super::{Disk, Event, ExecutedAcceptance, Finished, KnownBaseline, NO_DATABASE};
use super::*;
use crate::api::{AcceptanceResult, AcceptanceState, ErrorClass, EventReason, HoldReason, time};
use crate::daemon::node_state::ObservedStatus;
use crate::scan::acceptance;
use crate::scan::event::Severity;
use crate::scan::outcome::ScanError;

fn request(uid: &str, attempt: u32) -> AcceptanceRequest {
    AcceptanceRequest {
        name: format!("acceptance-{uid}"),
        uid: uid.to_owned(),
        attempt,
        change_set: "a".repeat(64),
        config_hash: "c1".to_owned(),
        until: "2030-01-01T00:00:00Z".parse().unwrap(),
        publish_report: false,
    }
}

impl ObservedStatus {
    fn accepting(mut self, request: &AcceptanceRequest) -> Self {
        self.desired.acceptance = Some(request.clone());
        self
    }

    fn answered(mut self, request: &AcceptanceRequest, state: AcceptanceState) -> Self {
        let refusal = Refusal::new(RefusalReason::Unstable, "");
        self.acceptance = Some(AcceptanceResult {
            state,
            ..acceptance::refused(request, &refusal, None, time::now())
        });
        self
    }
}

/// Status `known("c1", "d1")`, with this acceptance.
fn wanted(request: &AcceptanceRequest) -> ObservedStatus {
    known("c1", "d1").accepting(request)
}

/// A machine that executes the acceptance u1 since 5 s. The next scan was due at 30 s.
fn accepting() -> Machine {
    let mut machine = idle();
    let request = request("u1", 1);
    let actions = machine.handle(Event::observed(wanted(&request)), s(5));
    assert_eq!(actions, [Action::Accept(request)]);
    machine
}

/// The baseline of this acceptance.
fn of_acceptance(uid: &str, digest: &str) -> KnownBaseline {
    KnownBaseline {
        request: Some(uid.to_owned()),
        acceptance: Some(ExecutedAcceptance {
            name: format!("acceptance-{uid}"),
            uid: uid.to_owned(),
            old_digest: "d1".to_owned(),
        }),
        ..baseline("c1", digest)
    }
}

fn accepted(uid: &str, digest: &str) -> Event {
    Event::Finished(Finished::Accepted(of_acceptance(uid, digest)))
}

fn refused(reason: RefusalReason, has_scanned: bool) -> Event {
    let refusal = Refusal::new(reason, "why");
    Event::Finished(Finished::Refused {
        refusal,
        has_scanned,
    })
}

/// The only refusal among these actions, and the other actions.
fn split(actions: Vec<Action>) -> (AcceptanceRequest, RefusalReason, Vec<Action>) {
    let (refusals, others): (Vec<_>, Vec<_>) = actions
        .into_iter()
        .partition(|action| matches!(action, Action::PublishRefused { .. }));
    match &refusals[..] {
        [Action::PublishRefused { request, refusal }] => (request.clone(), refusal.reason, others),
        _ => panic!("{refusals:?}, {others:?}"),
    }
}

#[test]
fn an_acceptance_is_executed_at_once_and_is_also_a_scan() {
    let mut machine = accepting();
    assert!(machine.state().runs_aide());
    let actions = machine.handle(accepted("u1", "d2"), s(15));
    let request = request("u1", 1);
    let published = Action::PublishAccepted(request.clone());
    assert_eq!(actions, [published, Action::WakeAt(s(115))]);
    assert_eq!(machine.baseline_digest(), Some("d2"));
    // The status still has the old baseline, and then the new one.
    let reported = wanted(&request).answered(&request, AcceptanceState::Accepted);
    for status in [wanted(&request), reported] {
        let actions = machine.handle(Event::observed(status), s(16));
        assert_eq!(actions, [Action::WakeAt(s(115))]);
    }
    assert_eq!(machine.handle(Event::Timer, s(115)), [Action::Scan]);
    let actions = machine.handle(scanned("d2"), s(120));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(220))]);
}

#[test]
fn the_order_of_the_first_events_does_not_matter() {
    let request = request("u1", 1);
    let events = [
        Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))),
        Event::observed(wanted(&request)),
        Event::ConfigLoaded("c1".to_owned()),
        Event::Announced { due: s(0) },
        Event::ScanNeeded,
    ];
    for order in permutations(events.len()) {
        let mut machine = Machine::new(SETTINGS);
        let actions = order
            .iter()
            .flat_map(|&at| machine.handle(events[at].clone(), s(0)));
        let actions: Vec<_> = actions
            .filter(|action| !matches!(action, Action::LoadConfig(_)))
            .collect();
        let expected = [Action::Ready, Action::Accept(request.clone())];
        assert_eq!(actions, expected, "{order:?}");
    }
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    let Some(last) = length.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last).into_iter();
    let insert = |order: Vec<usize>| {
        (0..length).map(move |at| {
            let mut order = order.clone();
            order.insert(at, last);
            order
        })
    };
    shorter.flat_map(insert).collect()
}

#[test]
fn it_waits_for_a_scan_and_for_a_check_of_a_part() {
    let request = request("u1", 1);
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    assert_eq!(machine.handle(Event::observed(wanted(&request)), s(31)), []);
    let actions = machine.handle(scanned("d1"), s(40));
    let accept = Action::Accept(request.clone());
    assert_eq!(actions, [Action::PublishScan, accept.clone()]);

    let mut machine = idle();
    let actions = machine.handle(Event::Announced { due: s(5) }, s(5));
    assert!(actions.contains(&Action::CheckPart), "{actions:?}");
    assert_eq!(machine.handle(Event::observed(wanted(&request)), s(6)), []);
    // Nor does another check start.
    assert_eq!(machine.handle(Event::Announced { due: s(7) }, s(7)), []);
    let digest = Some("d1".to_owned());
    let actions = machine.handle(Event::PartChecked { digest }, s(8));
    assert_eq!(actions, [accept]);
}

/// In a burst, what is announced while the acceptance is executed is checked against the new baseline.
#[test]
fn what_is_announced_meanwhile_is_checked_afterwards() {
    let mut machine = accepting();
    assert_eq!(machine.handle(Event::Announced { due: s(6) }, s(6)), []);
    assert_eq!(machine.handle(Event::ScanNeeded, s(7)), []);
    let actions = machine.handle(accepted("u1", "d2"), s(15));
    let published = Action::PublishAccepted(request("u1", 1));
    assert_eq!(
        actions,
        [published, Action::WakeAt(s(115)), Action::CheckPart]
    );
    // That check has still read the old database.
    let digest = Some("d1".to_owned());
    let actions = machine.handle(Event::PartChecked { digest }, s(16));
    assert_eq!(actions, [Action::Scan]);
}

#[test]
fn an_answered_acceptance_is_not_executed_again() {
    use AcceptanceState::{Accepted, Refused};
    let table = [
        (1, Refused, 1, false),
        (1, Refused, 2, true),
        (2, Refused, 1, false),
        (1, Accepted, 1, false),
        (1, Accepted, 3, false),
    ];
    for (answered, state, attempt, expected) in table {
        let status = wanted(&request("u1", attempt));
        let status = status.answered(&request("u1", answered), state);
        let actions = idle().handle(Event::observed(status), s(5));
        let is_executed = actions.contains(&Action::Accept(request("u1", attempt)));
        assert_eq!(is_executed, expected, "{answered} {state:?} {attempt}");
    }
    let status = wanted(&request("u2", 1)).answered(&request("u1", 1), Accepted);
    let actions = idle().handle(Event::observed(status), s(5));
    assert_eq!(actions, [Action::Accept(request("u2", 1))]);
}

#[test]
fn a_refusal_is_answered_once_and_another_attempt_is_executed() {
    let mut machine = accepting();
    let actions = machine.handle(refused(RefusalReason::ChangesDiffer, true), s(15));
    let (answered, reason, others) = split(actions);
    assert_eq!(
        (answered, reason),
        (request("u1", 1), RefusalReason::ChangesDiffer)
    );
    assert_eq!(others, [Action::WakeAt(s(115))], "its run was a scan");
    assert_eq!(machine.baseline_digest(), Some("d1"));
    let status = wanted(&request("u1", 1));
    let actions = machine.handle(Event::observed(status), s(16));
    assert_eq!(actions, [Action::WakeAt(s(115))]);
    let again = request("u1", 2);
    let actions = machine.handle(Event::observed(wanted(&again)), s(17));
    assert_eq!(actions, [Action::Accept(again)]);
}

#[test]
fn after_a_refusal_scans_go_on() {
    let table = [
        (RefusalReason::ChangesDiffer, true, Some(115)),
        (RefusalReason::Revoked, true, Some(115)),
        (RefusalReason::Revoked, false, Some(30)),
        (RefusalReason::Unstable, false, Some(30)),
        (RefusalReason::Error, false, Some(30)),
        // A scan decides about the database.
        (RefusalReason::BaselineUntrusted, false, None),
    ];
    for (reason, has_scanned, due) in table {
        let mut machine = accepting();
        let (_, _, others) = split(machine.handle(refused(reason, has_scanned), s(15)));
        let next = due.map_or(Action::Scan, |due| Action::WakeAt(s(due)));
        assert_eq!(others, [next], "{reason}");
    }
}

#[test]
fn a_withdrawn_acceptance_is_not_executed() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    machine.handle(Event::observed(wanted(&request("u1", 1))), s(31));
    machine.handle(Event::observed(known("c1", "d1")), s(32));
    let actions = machine.handle(scanned("d1"), s(40));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(140))]);
    // The runner finds out when it is withdrawn meanwhile.
    let mut machine = accepting();
    assert_eq!(machine.handle(Event::observed(known("c1", "d1")), s(6)), []);
    let (_, reason, _) = split(machine.handle(refused(RefusalReason::Revoked, true), s(15)));
    assert_eq!(reason, RefusalReason::Revoked);
}

#[test]
fn an_acceptance_during_another_one_is_executed_after_it() {
    let mut machine = accepting();
    let other = request("u2", 1);
    assert_eq!(machine.handle(Event::observed(wanted(&other)), s(6)), []);
    let actions = machine.handle(accepted("u1", "d2"), s(15));
    let published = Action::PublishAccepted(request("u1", 1));
    assert_eq!(actions, [published, Action::Accept(other)]);
}

#[test]
fn a_hold_wins_and_the_acceptance_follows() {
    let request = request("u1", 1);
    let mut machine = idle();
    let held = wanted(&request).held();
    let actions = machine.handle(Event::observed(held), s(5));
    assert_eq!(actions, [Action::Hold(HoldReason::User)]);
    assert_eq!(machine.handle(Event::Timer, s(30)), []);
    let actions = machine.handle(Event::observed(wanted(&request)), s(31));
    assert_eq!(actions, [Action::EndHold, Action::Accept(request)]);
}

#[test]
fn a_hold_during_an_acceptance_begins_after_it() {
    let mut machine = accepting();
    let held = wanted(&request("u1", 1)).held();
    assert_eq!(machine.handle(Event::observed(held), s(6)), []);
    let actions = machine.handle(accepted("u1", "d2"), s(15));
    let published = Action::PublishAccepted(request("u1", 1));
    assert_eq!(actions, [published, Action::Hold(HoldReason::User)]);
}

#[test]
fn a_re_initialization_wins_and_the_acceptance_is_executed_with_its_baseline() {
    let request = request("u1", 1);
    let mut machine = idle();
    let both = wanted(&request).with_request("r1");
    let actions = machine.handle(Event::observed(both), s(5));
    let reason = BaselineReason::Requested("r1".to_owned());
    assert_eq!(actions, [Action::Initialize(reason)]);
    let actions = machine.handle(initialized("c1", "d2"), s(6));
    // It shows that the set does not exist any more.
    assert_eq!(actions.last(), Some(&Action::Accept(request)));
}

#[test]
fn another_configuration_is_a_refusal() {
    let request = request("u1", 1);
    // The operator wants another one, which is not loaded yet.
    let mut machine = idle();
    let status = wanted(&request).with_config("c2");
    let (_, reason, others) = split(machine.handle(Event::observed(status), s(5)));
    assert_eq!(reason, RefusalReason::ConfigurationDiffers);
    let load = Action::LoadConfig("c2".to_owned());
    assert_eq!(others, [load, Action::WakeAt(s(30))]);
    // The changes were reviewed with another one.
    let other = AcceptanceRequest {
        config_hash: "c0".to_owned(),
        ..request.clone()
    };
    let (_, reason, others) = split(idle().handle(Event::observed(wanted(&other)), s(5)));
    assert_eq!(reason, RefusalReason::ConfigurationDiffers);
    assert_eq!(others, [Action::WakeAt(s(30))]);
    // The baseline is of an earlier one.
    let disk = Disk::Baseline(baseline("c0", "d1"));
    let status = known("c0", "d1").with_config("c1").accepting(&request);
    let (_, reason, others) = split(started(disk, status, "c1").1);
    assert_eq!(reason, RefusalReason::ConfigurationDiffers);
    assert!(
        others.contains(&Action::Initialize(BaselineReason::Config)),
        "{others:?}"
    );
}

#[test]
fn everything_at_once_is_done_one_after_the_other() {
    let request = request("u1", 1);
    let mut machine = idle();
    let all = wanted(&request).with_config("c2").with_request("r1");
    let actions = machine.handle(Event::observed(all.clone().held()), s(5));
    let hold = Action::Hold(HoldReason::User);
    assert_eq!(actions, [Action::LoadConfig("c2".to_owned()), hold]);
    machine.handle(Event::ConfigLoaded("c2".to_owned()), s(6));
    let (_, reason, others) = split(machine.handle(Event::observed(all), s(7)));
    assert_eq!(reason, RefusalReason::ConfigurationDiffers);
    let reinit = BaselineReason::Requested("r1".to_owned());
    assert_eq!(others, [Action::EndHold, Action::Initialize(reinit)]);
    let actions = machine.handle(initialized("c2", "d2"), s(8));
    assert_eq!(actions.last(), Some(&Action::Scan));
}

#[test]
fn without_a_trusted_baseline_it_is_refused_before_anything_else_happens() {
    let request = request("u1", 1);
    let lost = Action::Initialize(BaselineReason::Lost);
    let first = Action::Initialize(BaselineReason::First);
    let table = [
        (Disk::Nothing, wanted(&request), Some(lost)),
        (
            Disk::Nothing,
            observed("c1").accepting(&request),
            Some(first),
        ),
        (Disk::Baseline(baseline("c1", "d9")), wanted(&request), None),
        (Disk::Unreadable, wanted(&request), None),
    ];
    for (disk, status, next) in table {
        let (_, actions) = started(disk.clone(), status, "c1");
        let (_, reason, others) = split(actions);
        assert_eq!(reason, RefusalReason::BaselineUntrusted, "{disk:?}");
        match next {
            Some(next) => assert!(others.contains(&next), "{others:?}"),
            None => assert!(
                others
                    .iter()
                    .any(|action| matches!(action, Action::PublishError { .. })),
                "{others:?}"
            ),
        }
    }
    // A scan finds it.
    for digest in ["d9", NO_DATABASE] {
        let mut machine = idle();
        machine.handle(Event::Timer, s(30));
        machine.handle(Event::observed(wanted(&request)), s(31));
        let (_, reason, _) = split(machine.handle(scanned(digest), s(40)));
        assert_eq!(reason, RefusalReason::BaselineUntrusted);
    }
}

/// A machine that starts after this many runs were killed.
fn restarted(kills: u32) -> (Machine, Vec<Action>) {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::Interrupted(kills), s(0));
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(Event::observed(wanted(&request("u1", 1))), s(0));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    (machine, actions)
}

#[test]
fn a_killed_run_is_repeated_once() {
    let is_error = |action: &&Action| matches!(action, Action::PublishError { .. });
    let (_, actions) = restarted(1);
    assert_eq!(actions.last(), Some(&Action::Accept(request("u1", 1))));
    assert_eq!(actions.iter().filter(is_error).count(), 1);
    let (mut machine, actions) = restarted(2);
    let (_, reason, others) = split(actions);
    assert_eq!(reason, RefusalReason::Error);
    assert_eq!(
        others.last(),
        Some(&Action::WakeAt(s(20))),
        "the pause after two kills"
    );
    assert_eq!(machine.handle(Event::Timer, s(20)), [Action::Scan]);
    // After a scan that was not killed, another attempt is executed.
    machine.handle(scanned("d1"), s(30));
    let again = request("u1", 2);
    let actions = machine.handle(Event::observed(wanted(&again)), s(31));
    assert_eq!(actions, [Action::Accept(again)]);
}

#[test]
fn an_acceptance_that_was_not_reported_before_a_crash_is_reported_and_not_executed_again() {
    let request = request("u1", 1);
    let second = super::super::tests::requested("r0").accepting(&request);
    let table = [
        wanted(&request),
        // The second attempt was accepted.
        wanted(&AcceptanceRequest {
            attempt: 2,
            ..request.clone()
        })
        .answered(&request, AcceptanceState::Refused),
        // The node status was created again.
        observed("c1").accepting(&request),
        // Somebody has removed the answer.
        known("c1", "d2").accepting(&request),
        ObservedStatus {
            reinit_done: Some("r0".to_owned()),
            ..second
        },
    ];
    for status in table {
        let disk = Disk::Baseline(of_acceptance("u1", "d2"));
        let (mut machine, actions) = started(disk, status.clone(), "c1");
        let desired = status.desired.acceptance.clone().unwrap();
        let published = Action::PublishAccepted(desired);
        assert_eq!(
            actions,
            [published, Action::Ready, Action::Scan],
            "{status:?}"
        );
        machine.handle(scanned("d2"), s(10));
        let actions = machine.handle(Event::observed(status), s(11));
        assert_eq!(actions, [Action::WakeAt(s(40))]);
    }
}

/// Its record explains the database. But whoever can replace the database can write the record, too.
#[test]
fn a_baseline_of_an_acceptance_that_was_withdrawn_before_it_was_reported_is_unrequested() {
    let again = KnownBaseline {
        requested: false,
        ..of_acceptance("u1", "d2")
    };
    for (disk, status) in [
        (of_acceptance("u1", "d2"), known("c1", "d1")),
        (of_acceptance("u1", "d2"), wanted(&request("u2", 1))),
        // The daemon was killed before it had published it.
        (again, known("c1", "d1")),
    ] {
        let (mut machine, actions) = started(Disk::Baseline(disk), status.clone(), "c1");
        let Some(Action::PublishWithdrawn { executed, event }) = actions.first() else {
            panic!("{actions:?}");
        };
        assert_eq!(executed.uid, "u1");
        assert_eq!(event.severity, Severity::Warning);
        assert_eq!(event.reason, EventReason::UnrequestedReinit);
        for part in ["acceptance-u1 (u1)", "old digest d1", "new digest d2"] {
            assert!(event.message.contains(part), "{event:?}");
        }
        let known = machine.baseline.known().unwrap();
        assert!(!known.requested);
        let published = |action: &&Action| !matches!(action, Action::Ready | Action::WakeAt(_));
        let next = match status.desired.acceptance {
            Some(request) => Action::Accept(request),
            None => Action::Scan,
        };
        let actions: Vec<&Action> = actions.iter().skip(1).filter(published).collect();
        assert_eq!(actions, [&next]);
        machine.handle(Event::Published, s(1));
    }
}

#[test]
fn a_record_of_an_acceptance_explains_only_the_baseline_that_it_has_replaced() {
    let without = KnownBaseline {
        acceptance: None,
        ..of_acceptance("u1", "d2")
    };
    for (disk, reported) in [(of_acceptance("u1", "d2"), "d0"), (without, "d1")] {
        let (_, actions) = started(Disk::Baseline(disk), known("c1", reported), "c1");
        let is_tampered = |action: &Action| matches!(action, Action::PublishError { error, .. } if error.class == ErrorClass::Tampered);
        assert!(actions.iter().any(is_tampered), "{actions:?}");
    }
}

#[test]
fn an_aide_that_cannot_be_terminated_is_a_refusal() {
    let mut machine = accepting();
    let error = ScanError::new(ErrorClass::Hung, "stuck");
    let actions = machine.handle(Event::Finished(Finished::Stuck(error)), s(15));
    let (_, reason, others) = split(actions);
    assert_eq!(reason, RefusalReason::Error);
    assert!(
        others
            .iter()
            .any(|action| matches!(action, Action::PublishError { .. }))
    );
    assert_eq!(machine.handle(Event::AideExited, s(20)), [Action::Scan]);
}

#[test]
fn a_daemon_that_exits_terminates_the_run() {
    let mut machine = accepting();
    assert_eq!(machine.handle(Event::Shutdown, s(6)), [Action::StopAide]);
    let actions = machine.handle(Event::Finished(Finished::Stopped), s(7));
    assert_eq!(actions, [Action::Exit]);
}

/// A generator of numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Whatever happens in whatever order: an acceptance starts only if it is desired and not answered, and nothing else runs
/// or wins.
#[test]
fn only_a_desired_acceptance_without_an_answer_is_executed_in_any_order_of_events() {
    let mut executed = 0;
    for seed in 0..4000 {
        let mut numbers = Numbers(seed);
        let mut machine = idle();
        let mut status = known("c1", "d1");
        let (mut digest, mut checks, mut runs) = (1, false, None);
        for step in 0..60 {
            let now = s(100 + step * 7);
            let event = match (numbers.below(12), runs.clone()) {
                (0..=4, Some(Action::Accept(request))) => {
                    runs = None;
                    match numbers.below(3) {
                        0 => {
                            digest += 1;
                            Event::Finished(Finished::Accepted(of_acceptance(
                                &request.uid,
                                &format!("d{digest}"),
                            )))
                        }
                        1 => refused(RefusalReason::ChangesDiffer, true),
                        _ => refused(RefusalReason::Error, false),
                    }
                }
                (0..=4, Some(Action::Initialize(_))) => {
                    runs = None;
                    digest += 1;
                    let config = machine.config().unwrap().to_owned();
                    initialized(&config, &format!("d{digest}"))
                }
                (0..=4, Some(_)) => {
                    runs = None;
                    scanned(&format!("d{digest}"))
                }
                (0 | 1, None) => Event::Timer,
                (2, None) => Event::ScanNeeded,
                (3, _) => Event::Announced { due: now },
                (4 | 5, _) if checks => {
                    checks = false;
                    let digest = Some(format!("d{digest}"));
                    Event::PartChecked { digest }
                }
                (6, _) => {
                    let is_held = status.desired.hold.is_some();
                    status.desired.hold = (!is_held).then_some(HoldReason::User);
                    Event::observed(status.clone())
                }
                (7, _) => {
                    status.desired.reinit_request = Some(format!("r{}", numbers.below(3)));
                    Event::observed(status.clone())
                }
                (8..=10, _) => {
                    let uid = format!("u{}", numbers.below(3));
                    let attempt = 1 + u32::try_from(numbers.below(2)).unwrap();
                    let next = request(&uid, attempt);
                    status.desired.acceptance = (numbers.below(4) > 0).then_some(next);
                    Event::observed(status.clone())
                }
                _ => Event::Published,
            };
            for action in machine.handle(event, now) {
                match action {
                    Action::Accept(request) => {
                        assert!(runs.is_none() && !checks, "{seed}/{step}");
                        assert_eq!(status.desired.hold, None, "{seed}/{step}");
                        assert_eq!(status.desired.acceptance.as_ref(), Some(&request));
                        let answer = status.acceptance.as_ref();
                        let is_answered = answer.is_some_and(|it| request.is_answered_by(it));
                        assert!(!is_answered, "{seed}/{step}");
                        runs = Some(Action::Accept(request));
                        executed += 1;
                    }
                    Action::Scan | Action::Initialize(_) => {
                        assert!(runs.is_none(), "{seed}/{step}");
                        runs = Some(action);
                    }
                    Action::CheckPart => {
                        assert!(!matches!(runs, Some(Action::Accept(_))), "{seed}/{step}");
                        checks = true;
                    }
                    Action::PublishAccepted(request) => {
                        status = status.answered(&request, AcceptanceState::Accepted);
                    }
                    Action::PublishRefused { request, .. } => {
                        status = status.answered(&request, AcceptanceState::Refused);
                    }
                    Action::PublishBaseline { request, .. } => {
                        status.reinit_done = request.or(status.reinit_done);
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(executed > 1000, "{executed}");
}
