//! Tests with `spec.config.requireAcceptance`: no baseline accepts anything.

use super::tests::{SETTINGS, baseline, idle, initialized, known, observed, s, scanned, started};
use super::*;
use crate::api::{ErrorClass, EventReason, names};

fn required(mut observed: ObservedStatus) -> ObservedStatus {
    observed.desired.require_acceptance = true;
    observed
}

/// A machine as [`idle`], but only an acceptance may replace its baseline.
fn restricted() -> Machine {
    let mut machine = idle();
    let actions = machine.handle(Event::observed(required(known("c1", "d1"))), s(1));
    assert_eq!(actions, [Action::WakeAt(s(30))]);
    machine
}

/// The error that the first action publishes.
fn error(actions: &[Action]) -> (ErrorClass, EventReason, &str) {
    let Some(Action::PublishError {
        error,
        event: Some(event),
    }) = actions.first()
    else {
        panic!("{actions:?}");
    };
    (error.class, event.reason, &error.message)
}

#[test]
fn a_first_baseline_is_created() {
    let (_, actions) = started(Disk::Nothing, required(observed("c1")), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::First)]);
}

#[test]
fn a_request_is_done_only_when_it_is_allowed_again() {
    let mut machine = restricted();
    let open = known("c1", "d1").with_request("r1");
    let actions = machine.handle(Event::observed(required(open.clone())), s(2));
    assert_eq!(actions, [Action::WakeAt(s(30))]);
    let actions = machine.handle(Event::observed(open), s(3));
    let reason = BaselineReason::Requested("r1".to_owned());
    assert_eq!(actions, [Action::Initialize(reason)]);
}

#[test]
fn a_signal_is_removed_and_reported_each_time() {
    let mut machine = restricted();
    for text in ["", "r1", "anything"] {
        let actions = machine.handle(Event::Signal(text.to_owned()), s(2));
        let [
            Action::RemoveSignal,
            Action::PublishEvent(event),
            Action::WakeAt(_),
        ] = actions.as_slice()
        else {
            panic!("{actions:?}");
        };
        assert_eq!(event.reason, EventReason::AcceptanceRequired);
        assert!(event.message.contains("kubectl create"), "{event:?}");
    }
}

#[test]
fn the_signal_of_a_configuration_has_no_effect_of_its_own() {
    let mut machine = restricted();
    let text = format!("{}c2", names::CONFIG_SIGNAL);
    let actions = machine.handle(Event::Signal(text), s(2));
    assert_eq!(actions, [Action::WakeAt(s(30))]);
    let desired = required(known("c1", "d1").with_config("c2"));
    machine.handle(Event::observed(desired), s(3));
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(4));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Config)]);
    let actions = machine.handle(initialized("c2", "d2"), s(5));
    assert!(actions.contains(&Action::RemoveSignal), "{actions:?}");
}

#[test]
fn a_signal_waits_for_the_end_of_a_hold_and_is_refused_then() {
    let mut machine = restricted();
    machine.handle(Event::observed(required(known("c1", "d1").held())), s(2));
    assert_eq!(machine.handle(Event::Signal(String::new()), s(3)), []);
    let actions = machine.handle(Event::observed(required(known("c1", "d1"))), s(4));
    assert_eq!(actions[0], Action::EndHold);
    assert!(actions.contains(&Action::RemoveSignal), "{actions:?}");
    // The scan compares with the old baseline.
    assert_eq!(actions.last(), Some(&Action::Scan));
}

#[test]
fn no_baseline_replaces_one_that_is_lost_or_cannot_be_used() {
    let moved = || {
        let mut status = known("c1", "d1");
        if let Some(baseline) = &mut status.baseline {
            baseline.state_dir = Some("/var/lib/x".to_owned());
        }
        status
    };
    let foreign = || Disk::Foreign {
        digest: "d0".to_owned(),
    };
    let lost = (ErrorClass::Lost, EventReason::BaselineLost);
    let unaccepted = (ErrorClass::Unaccepted, EventReason::AcceptanceRequired);
    let tampered = (ErrorClass::Tampered, EventReason::BaselineTampered);
    let table = [
        (Disk::Nothing, known("c1", "d1"), lost),
        (Disk::Missing(baseline("c1", "d1")), observed("c1"), lost),
        // Another configuration creates no baseline without a comparison, either.
        (Disk::Nothing, known("c0", "d1").with_config("c1"), lost),
        (Disk::Missing(baseline("c0", "d1")), observed("c1"), lost),
        (foreign(), observed("c1"), unaccepted),
        (Disk::Unreadable, observed("c1"), unaccepted),
        (Disk::Nothing, moved(), unaccepted),
        (foreign(), known("c1", "d1"), tampered),
        (foreign(), known("c0", "d1").with_config("c1"), tampered),
        (
            Disk::Unreadable,
            known("c0", "d1").with_config("c1"),
            tampered,
        ),
        (
            Disk::Baseline(baseline("c1", "d9")),
            known("c1", "d1"),
            tampered,
        ),
        (
            Disk::Baseline(baseline("c0", "d9")),
            known("c0", "d1").with_config("c1"),
            tampered,
        ),
    ];
    for (disk, status, expected) in table {
        let case = format!("{disk:?} {status:?}");
        let (mut machine, actions) = started(disk, required(status.clone()), "c1");
        let (class, reason, message) = error(&actions);
        assert_eq!((class, reason), expected, "{case}");
        if expected != tampered {
            let expected =
                "spec.config.requireAcceptance is true; investigate the node, then set it to false";
            assert!(message.contains(expected), "{message}");
        }
        assert!(!actions.iter().any(|it| matches!(it, Action::Initialize(_))));
        // Whoever may accept allows it again, and requests it.
        let actions = machine.handle(Event::observed(status.with_request("r1")), s(5));
        let reason = BaselineReason::Requested("r1".to_owned());
        assert_eq!(actions, [Action::Initialize(reason)], "{case}");
    }
}

#[test]
fn a_baseline_that_is_deleted_or_outdated_later_is_an_error() {
    let outdated = Finished::BaselineOutdated {
        made_by: "0.16".to_owned(),
        digest: "d1".to_owned(),
    };
    for (finished, class) in [
        (Finished::BaselineMissing, ErrorClass::Lost),
        (outdated, ErrorClass::Unaccepted),
    ] {
        let mut machine = restricted();
        assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
        let actions = machine.handle(Event::Finished(finished), s(31));
        assert_eq!(error(&actions).0, class);
    }
}

#[test]
fn a_signaled_baseline_of_a_daemon_without_the_api_is_not_adopted() {
    for (requires_acceptance, adopts) in [(false, true), (true, false)] {
        let mut machine = Machine::new(SETTINGS);
        let mut signaled = baseline("c1", "d2");
        signaled.requested = false;
        machine.handle(Event::DiskRead(Disk::Baseline(signaled)), s(0));
        machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
        let mut status = known("c1", "d1");
        status.desired.require_acceptance = requires_acceptance;
        let actions = machine.handle(Event::observed(status), s(1));
        let is_adopted = matches!(actions[0], Action::PublishBaseline { .. });
        assert_eq!(is_adopted, adopts, "{actions:?}");
        if !adopts {
            assert_eq!(error(&actions).0, ErrorClass::Tampered);
        }
    }
}

#[test]
fn a_new_configuration_waits_until_the_changes_are_accepted() {
    let mut machine = restricted();
    let desired = required(known("c1", "d1").with_config("c2"));
    machine.handle(Event::observed(desired), s(2));
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(3));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Config)]);
    let unaccepted = |digest: &str| {
        Event::Finished(Finished::Unaccepted {
            digest: Some(digest.to_owned()),
        })
    };
    let mut tampered = machine.clone();
    let actions = machine.handle(unaccepted("d1"), s(10));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(110))]);
    // The operator requests the old configuration, which is the one of the baseline.
    machine.handle(Event::observed(required(known("c1", "d1"))), s(11));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(12));
    assert_eq!(actions, [Action::Scan]);
    // If it does not, the node is scanned again.
    let mut again = tampered.clone();
    again.handle(unaccepted("d1"), s(10));
    let actions = again.handle(Event::Timer, s(110));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Config)]);
    let actions = tampered.handle(unaccepted("d9"), s(10));
    assert_eq!(error(&actions).0, ErrorClass::Tampered);
}

#[test]
fn it_is_not_known_before_the_node_status_is() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    machine.handle(Event::ApiUnreachable, s(10));
    machine.handle(scanned("d1"), s(20));
    let actions = machine.handle(Event::Signal(String::new()), s(21));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Signal)]);
    assert!(!machine.requires_acceptance());
}
