//! Every transition of the state machine.

use super::*;
use crate::api::{AcceptedReason, ErrorClass, EventReason, HoldReason};
use crate::daemon::node_state::ReportedBaseline;
use crate::scan::event::Severity;

pub(super) const SETTINGS: Settings = Settings {
    interval: Duration::from_secs(100),
    first_fraction: 0.3,
    error_on_loss: false,
    state_dir: None,
};

pub(super) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn baseline(config: &str, digest: &str) -> KnownBaseline {
    KnownBaseline {
        config_hash: config.to_owned(),
        digest: digest.to_owned(),
        request: None,
        requested: true,
        acceptance: None,
    }
}

pub(super) fn observed(config: &str) -> ObservedStatus {
    ObservedStatus::default().with_config(config)
}

pub(super) fn known(config: &str, digest: &str) -> ObservedStatus {
    ObservedStatus {
        baseline: Some(ReportedBaseline {
            digest: digest.to_owned(),
            config_hash: config.to_owned(),
            state_dir: None,
            requested: true,
        }),
        ..observed(config)
    }
}

pub(super) fn requested(id: &str) -> ObservedStatus {
    known("c1", "d1").with_request(id)
}

/// Status `known("c1", "d1")` of a baseline in this state directory.
fn known_in(state_dir: Option<&str>) -> ObservedStatus {
    let mut status = known("c1", "d1");
    if let Some(baseline) = &mut status.baseline {
        baseline.state_dir = state_dir.map(str::to_owned);
    }
    status
}

impl ObservedStatus {
    pub(super) fn with_config(mut self, hash: &str) -> Self {
        self.desired.config_hash = Some(hash.to_owned());
        self
    }

    pub(super) fn with_request(mut self, id: &str) -> Self {
        self.desired.reinit_request = Some(id.to_owned());
        self
    }

    pub(super) fn held(mut self) -> Self {
        self.desired.hold = Some(HoldReason::User);
        self
    }
}

pub(super) fn scanned(digest: &str) -> Event {
    Event::Finished(Finished::Scanned {
        digest: Some(digest.to_owned()),
    })
}

pub(super) fn initialized(config: &str, digest: &str) -> Event {
    Event::Finished(Finished::Initialized(baseline(config, digest)))
}

fn init_failed() -> Event {
    Event::Finished(Finished::InitFailed(ScanError::new(
        ErrorClass::Io,
        "AIDE error: 18 IO error",
    )))
}

/// The message of the event of a baseline that has replaced another one without a request.
fn replaced_for_a_reason(actions: &[Action]) -> &str {
    match &actions[0] {
        Action::PublishBaseline {
            request: None,
            event: Some(event),
        } => {
            let reason = (event.reason, event.severity);
            assert_eq!(reason, (EventReason::BaselineReplaced, Severity::Normal));
            &event.message
        }
        _ => panic!("{actions:?}"),
    }
}

/// A machine that has started with these, and its last actions.
pub(super) fn started(
    disk: Disk,
    observed: ObservedStatus,
    config: &str,
) -> (Machine, Vec<Action>) {
    started_with(SETTINGS, disk, observed, config)
}

fn started_with(
    settings: Settings,
    disk: Disk,
    observed: ObservedStatus,
    config: &str,
) -> (Machine, Vec<Action>) {
    let mut machine = Machine::new(settings);
    machine.handle(Event::DiskRead(disk), s(0));
    machine.handle(Event::observed(observed), s(0));
    let actions = machine.handle(Event::ConfigLoaded(config.to_owned()), s(0));
    (machine, actions)
}

/// A machine whose baseline d1 of configuration c1 is on the disk and in the API. It has done its first
/// scan; the next is due at 30 s.
pub(super) fn idle() -> Machine {
    let (mut machine, actions) = started(
        Disk::Baseline(baseline("c1", "d1")),
        known("c1", "d1"),
        "c1",
    );
    assert_eq!(actions, [Action::Ready, Action::Scan]);
    assert_eq!(
        machine.handle(scanned("d1"), s(0)),
        [Action::PublishScan, Action::WakeAt(s(30))]
    );
    machine
}

#[test]
fn the_order_of_the_first_events_does_not_matter() {
    let events = [
        Event::DiskRead(Disk::Nothing),
        Event::observed(observed("c1")),
        Event::ConfigLoaded("c1".to_owned()),
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut machine = Machine::new(SETTINGS);
        let actions: Vec<_> = order
            .iter()
            .flat_map(|&i| machine.handle(events[i].clone(), s(0)))
            .collect();
        let rest: Vec<_> = actions
            .into_iter()
            .filter(|a| !matches!(a, Action::LoadConfig(_)))
            .collect();
        assert_eq!(
            rest,
            [Action::Initialize(BaselineReason::First)],
            "{order:?}"
        );
    }
}

#[test]
fn first_baseline_first_scan_then_a_pause() {
    let (mut machine, actions) = started(Disk::Nothing, observed("c1"), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::First)]);
    let actions = machine.handle(initialized("c1", "d1"), s(10));
    let published = Action::PublishBaseline {
        request: None,
        event: None,
    };
    assert_eq!(actions, [published, Action::Scan]);
    assert_eq!(machine.handle(Event::Published, s(11)), [Action::Ready]);
    let actions = machine.handle(scanned("d1"), s(20));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(50))]);
    assert_eq!(machine.handle(Event::Timer, s(49)), [Action::WakeAt(s(50))]);
    assert_eq!(machine.handle(Event::Timer, s(50)), [Action::Scan]);
    let actions = machine.handle(scanned("d1"), s(60));
    assert_eq!(actions, [Action::PublishScan, Action::WakeAt(s(160))]);
}

#[test]
fn it_waits_for_the_desired_configuration() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::ConfigLoaded("old".to_owned()), s(0));
    let actions = machine.handle(Event::observed(observed("new")), s(0));
    assert_eq!(actions, [Action::LoadConfig("new".to_owned())]);
    assert_eq!(machine.state(), &State::Starting);
    let actions = machine.handle(Event::ConfigLoaded("new".to_owned()), s(1));
    assert_eq!(actions, [Action::Initialize(BaselineReason::First)]);
}

#[test]
fn a_baseline_of_the_same_configuration_is_resumed() {
    let (_, actions) = started(Disk::Baseline(baseline("c1", "d1")), observed("c1"), "c1");
    let adopted = Action::PublishBaseline {
        request: None,
        event: None,
    };
    assert_eq!(actions, [adopted, Action::Ready, Action::Scan]);
}

#[test]
fn without_the_api_it_scans_and_compares_later() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    assert_eq!(
        machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0)),
        []
    );
    assert_eq!(machine.handle(Event::ApiUnreachable, s(10)), [Action::Scan]);
    assert_eq!(
        machine.handle(scanned("d1"), s(20)),
        [Action::PublishScan, Action::WakeAt(s(50))]
    );
    let actions = machine.handle(Event::observed(known("c1", "d1")), s(30));
    assert_eq!(actions, [Action::Ready, Action::WakeAt(s(50))]);
}

#[test]
fn without_api_and_baseline_it_waits() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert_eq!(machine.handle(Event::ApiUnreachable, s(10)), []);
    assert_eq!(machine.state(), &State::Starting);
}

#[test]
fn a_request_leads_to_a_new_baseline_once() {
    let mut machine = idle();
    let actions = machine.handle(Event::observed(requested("r1")), s(5));
    assert_eq!(
        actions,
        [Action::Initialize(BaselineReason::Requested(
            "r1".to_owned()
        ))]
    );
    let actions = machine.handle(initialized("c1", "d2"), s(6));
    let published = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        event: None,
    };
    assert_eq!(actions, [published, Action::Scan]);
    // The status object still shows the request; it is done.
    machine.handle(scanned("d2"), s(7));
    assert_eq!(
        machine.handle(Event::observed(requested("r1")), s(8)),
        [Action::WakeAt(s(107))]
    );
}

#[test]
fn a_request_during_a_scan_is_done_after_it() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    assert_eq!(machine.handle(Event::observed(requested("r1")), s(31)), []);
    let actions = machine.handle(scanned("d1"), s(40));
    assert_eq!(
        actions,
        [
            Action::PublishScan,
            Action::Initialize(BaselineReason::Requested("r1".to_owned()))
        ]
    );
}

#[test]
fn a_request_during_an_initialization_leads_to_another_one() {
    let mut machine = idle();
    machine.handle(Event::observed(requested("r1")), s(5));
    assert_eq!(machine.handle(Event::observed(requested("r2")), s(6)), []);
    let actions = machine.handle(initialized("c1", "d2"), s(7));
    assert_eq!(
        actions.last(),
        Some(&Action::Initialize(BaselineReason::Requested(
            "r2".to_owned()
        )))
    );
}

#[test]
fn another_configuration_is_loaded_and_gets_a_baseline() {
    let mut machine = idle();
    let wanted = known("c1", "d1").with_config("c2");
    let actions = machine.handle(Event::observed(wanted.clone()), s(5));
    assert_eq!(
        actions,
        [Action::LoadConfig("c2".to_owned()), Action::WakeAt(s(30))]
    );
    assert_eq!(
        machine.handle(Event::observed(wanted), s(6)),
        [Action::WakeAt(s(30))]
    );
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(7));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Config)]);
}

#[test]
fn a_configuration_that_is_no_longer_desired_is_not_used() {
    let mut machine = idle();
    let wanted = |config: &str| known("c1", "d1").with_config(config);
    machine.handle(Event::observed(wanted("c2")), s(5));
    let actions = machine.handle(Event::observed(wanted("c1")), s(6));
    assert_eq!(actions, [Action::StopLoading, Action::WakeAt(s(30))]);
    // It may have come before it was stopped.
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(7));
    assert_eq!(actions, [Action::WakeAt(s(30))]);
    assert_eq!(machine.config(), Some("c1"));
    // Wanted again, it is got again.
    let actions = machine.handle(Event::observed(wanted("c2")), s(8));
    assert_eq!(
        actions,
        [Action::LoadConfig("c2".to_owned()), Action::WakeAt(s(30))]
    );
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(9));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Config)]);
    assert_eq!(machine.config(), Some("c2"));
}

#[test]
fn a_baseline_removed_from_the_status_is_published_again() {
    let mut machine = idle();
    let actions = machine.handle(Event::observed(observed("c1")), s(5));
    assert_eq!(actions, [Action::RepublishStatus, Action::WakeAt(s(30))]);
    assert_eq!(
        machine.handle(Event::observed(known("c1", "d1")), s(6)),
        [Action::WakeAt(s(30))]
    );
}

#[test]
fn a_request_is_not_done_again_if_somebody_removes_it_from_the_status() {
    let made = KnownBaseline {
        request: Some("r1".to_owned()),
        ..baseline("c1", "d1")
    };
    let (_, actions) = started(Disk::Baseline(made), requested("r1"), "c1");
    let published = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        event: None,
    };
    assert_eq!(actions, [published, Action::Ready, Action::Scan]);
}

#[test]
fn an_unreadable_database_is_tampered_or_an_error() {
    for (digest, expected) in [
        (Some("d1"), "AIDE error: 18 IO error"),
        (None, "AIDE error: 18 IO error"),
        (Some("d2"), "BaselineTampered: "),
        (Some(NO_DATABASE), "BaselineTampered: "),
    ] {
        let mut machine = idle();
        machine.handle(Event::Timer, s(30));
        let digest = digest.map(str::to_owned);
        let scanned = Event::Finished(Finished::Scanned { digest });
        let actions = machine.handle(scanned, s(31));
        let message = match &actions[0] {
            Action::PublishError { error, .. } => error.message.clone(),
            Action::PublishScan => "AIDE error: 18 IO error".to_owned(),
            action => panic!("{action:?}"),
        };
        assert!(message.starts_with(expected), "{actions:?}");
    }
}

#[test]
fn without_the_api_another_mounted_configuration_is_not_used() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(Event::ConfigLoaded("other".to_owned()), s(0));
    assert_eq!(machine.handle(Event::ApiUnreachable, s(10)), []);
    let actions = machine.handle(Event::observed(known("c1", "d1")), s(60));
    assert_eq!(actions, [Action::LoadConfig("c1".to_owned())]);
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(61));
    assert_eq!(actions, [Action::Ready, Action::Scan]);
}

#[test]
fn a_failed_initialization_is_retried_with_growing_pauses() {
    let (mut machine, _) = started(Disk::Nothing, observed("c1"), "c1");
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let actions = machine.handle(init_failed(), s(0));
        assert!(matches!(actions[0], Action::PublishError { .. }));
        let Some(Action::WakeAt(due)) = actions.last() else {
            panic!("{actions:?}")
        };
        pauses.push(due.as_secs());
        assert_eq!(
            machine.handle(Event::Timer, *due),
            [Action::Initialize(BaselineReason::First)]
        );
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
}

#[test]
fn a_failed_initialization_still_makes_the_pod_ready() {
    let (mut machine, _) = started(Disk::Nothing, observed("c1"), "c1");
    machine.handle(init_failed(), s(0));
    assert_eq!(
        machine.handle(Event::Published, s(1)),
        [Action::Ready, Action::WakeAt(s(10))]
    );
}

#[test]
fn a_new_configuration_ends_the_wait_after_a_failure() {
    let (mut machine, _) = started(Disk::Nothing, observed("c1"), "c1");
    machine.handle(init_failed(), s(0));
    machine.handle(Event::observed(observed("c2")), s(1));
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(2));
    assert_eq!(actions, [Action::Initialize(BaselineReason::First)]);
}

#[test]
fn a_held_node_does_nothing_and_scans_at_once_afterwards() {
    let mut machine = idle();
    let held = known("c1", "d1").held();
    assert_eq!(
        machine.handle(Event::observed(held.clone()), s(5)),
        [Action::Hold(HoldReason::User)]
    );
    assert_eq!(machine.handle(Event::Timer, s(30)), []);
    let asked = held.with_request("r1");
    assert_eq!(machine.handle(Event::observed(asked), s(31)), []);
    let actions = machine.handle(Event::observed(known("c1", "d1")), s(32));
    assert_eq!(actions, [Action::EndHold, Action::Scan]);
}

#[test]
fn a_scan_that_runs_when_the_hold_begins_is_published() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    assert_eq!(
        machine.handle(Event::observed(known("c1", "d1").held()), s(31)),
        []
    );
    assert_eq!(
        machine.handle(scanned("d1"), s(40)),
        [Action::PublishScan, Action::Hold(HoldReason::User)]
    );
}

#[test]
fn a_daemon_that_starts_held_is_ready() {
    let held = observed("c1").held();
    let (_, actions) = started(Disk::Nothing, held, "c1");
    assert_eq!(actions, [Action::Hold(HoldReason::User), Action::Ready]);
}

#[test]
fn a_signal_for_a_pending_request_is_no_other_request() {
    let mut machine = idle();
    machine.handle(Event::observed(requested("r1")), s(5));
    machine.handle(Event::Signal("r1\n".to_owned()), s(6));
    let actions = machine.handle(initialized("c1", "d2"), s(7));
    let published = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        event: None,
    };
    assert_eq!(actions, [published, Action::RemoveSignal, Action::Scan]);
}

#[test]
fn a_signal_of_a_request_that_is_done_is_removed() {
    let mut machine = idle();
    machine.handle(Event::observed(requested("r1")), s(5));
    machine.handle(initialized("c1", "d2"), s(6));
    machine.handle(scanned("d2"), s(7));
    let actions = machine.handle(Event::Signal("r1".to_owned()), s(8));
    assert_eq!(actions, [Action::RemoveSignal, Action::WakeAt(s(107))]);
    let actions = machine.handle(Event::Signal("config:c1".to_owned()), s(9));
    assert_eq!(actions, [Action::RemoveSignal, Action::WakeAt(s(107))]);
}

#[test]
fn a_signal_for_a_superseded_request_is_removed() {
    let mut machine = idle();
    for (id, digest, at) in [("r1", "d2", 5), ("r2", "d3", 15)] {
        machine.handle(Event::observed(requested(id)), s(at));
        machine.handle(initialized("c1", digest), s(at + 1));
        machine.handle(scanned(digest), s(at + 2));
    }
    let actions = machine.handle(Event::Signal("r1".to_owned()), s(20));
    assert_eq!(actions, [Action::RemoveSignal, Action::WakeAt(s(117))]);
    let wanted = requested("r2").with_config("c2");
    machine.handle(Event::observed(wanted), s(21));
    machine.handle(Event::ConfigLoaded("c2".to_owned()), s(22));
    machine.handle(initialized("c2", "d4"), s(23));
    machine.handle(scanned("d4"), s(24));
    let actions = machine.handle(Event::Signal("config:c1".to_owned()), s(25));
    assert_eq!(actions, [Action::RemoveSignal, Action::WakeAt(s(124))]);
    let actions = machine.handle(Event::Signal("config:c0".to_owned()), s(26));
    assert_eq!(
        actions,
        [Action::Initialize(BaselineReason::Signal)],
        "nothing ever explained this one"
    );
}

#[test]
fn an_unexplained_signal_leads_to_a_baseline_and_is_reported() {
    for text in ["", "r-unknown"] {
        let mut machine = idle();
        let actions = machine.handle(Event::Signal(text.to_owned()), s(5));
        assert_eq!(actions, [Action::Initialize(BaselineReason::Signal)]);
        let actions = machine.handle(initialized("c1", "d2"), s(6));
        let Action::PublishBaseline {
            request: None,
            event: Some(warning),
        } = &actions[0]
        else {
            panic!("{actions:?}");
        };
        assert_eq!(warning.reason, EventReason::UnrequestedReinit);
        assert!(warning.message.contains("old digest d1, new digest d2"));
        assert_eq!(actions[1..], [Action::RemoveSignal, Action::Scan]);
    }
}

#[test]
fn a_lost_baseline_is_made_again_and_reported() {
    let (mut machine, actions) = started(Disk::Nothing, known("c1", "d1"), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::Lost)]);
    let actions = machine.handle(initialized("c1", "d2"), s(6));
    assert!(matches!(
        &actions[0],
        Action::PublishBaseline { event: Some(_), .. }
    ));
}

#[test]
fn a_baseline_deleted_while_the_daemon_runs_is_lost() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    let actions = machine.handle(Event::Finished(Finished::BaselineMissing), s(31));
    assert_eq!(actions, [Action::Initialize(BaselineReason::Lost)]);
}

#[test]
fn an_adopted_baseline_that_is_deleted_is_lost() {
    let resumed = observed("c1");
    let after_a_crash = known("c1", "d1").with_config("c2");
    let table = [
        (baseline("c1", "d1"), resumed, "old digest d1, "),
        (baseline("c2", "d2"), after_a_crash, "old digest d2, "),
    ];
    for (on_disk, observed, expected) in table {
        for error_on_loss in [false, true] {
            let settings = Settings {
                error_on_loss,
                ..SETTINGS
            };
            let (config, digest) = (on_disk.config_hash.clone(), on_disk.digest.clone());
            let disk = Disk::Baseline(on_disk.clone());
            let (mut machine, actions) = started_with(settings, disk, observed.clone(), &config);
            assert!(
                matches!(&actions[0], Action::PublishBaseline { .. }),
                "{actions:?}"
            );
            machine.handle(scanned(&digest), s(0));
            machine.handle(Event::Timer, s(30));
            let actions = machine.handle(Event::Finished(Finished::BaselineMissing), s(31));
            if error_on_loss {
                let is_reported = matches!(&actions[0], Action::PublishError { error, .. } if error.class == ErrorClass::Lost);
                assert!(is_reported, "{actions:?}");
                continue;
            }
            assert_eq!(actions, [Action::Initialize(BaselineReason::Lost)]);
            let actions = machine.handle(initialized(&config, "d3"), s(32));
            let Action::PublishBaseline {
                event: Some(warning),
                ..
            } = &actions[0]
            else {
                panic!("{actions:?}");
            };
            assert_eq!(warning.reason, EventReason::UnrequestedReinit);
            assert!(warning.message.contains(expected), "{warning:?}");
        }
    }
}

/// A loss leads to an error or to a new baseline, by `onBaselineLoss`, each with a warning.
fn is_reported_as_lost(machine: &mut Machine, mut actions: Vec<Action>) {
    let reason = if machine.baseline.error_on_loss {
        EventReason::BaselineLost
    } else {
        assert_eq!(actions, [Action::Initialize(BaselineReason::Lost)]);
        actions = machine.handle(initialized("c1", "d2"), s(90));
        EventReason::UnrequestedReinit
    };
    let (Action::PublishError {
        event: Some(warning),
        ..
    }
    | Action::PublishBaseline {
        event: Some(warning),
        ..
    }) = &actions[0]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(warning.reason, reason);
    if !machine.baseline.error_on_loss {
        assert!(warning.message.contains("old digest d1, "), "{warning:?}");
    }
}

#[test]
fn a_baseline_deleted_while_the_api_is_unreachable_is_lost() {
    let whole = || Disk::Baseline(baseline("c1", "d1"));
    let missing = || Disk::Missing(baseline("c1", "d1"));
    for (at_start, error_on_loss) in [
        (whole(), false),
        (whole(), true),
        (missing(), false),
        (missing(), true),
    ] {
        // The second one is of a FileIntegrity that was made again, or of a baseline that a daemon
        // could not publish any more.
        for observed in [known("c1", "d1"), observed("c1")] {
            let mut machine = Machine::new(Settings {
                error_on_loss,
                ..SETTINGS
            });
            machine.handle(Event::DiskRead(at_start.clone()), s(0));
            machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
            let actions = machine.handle(Event::ApiUnreachable, s(10));
            if at_start == whole() {
                assert_eq!(actions, [Action::Scan]);
                let actions = machine.handle(Event::Finished(Finished::BaselineMissing), s(11));
                assert_eq!(actions, []);
            } else {
                assert_eq!(actions, []);
            }
            assert_eq!(machine.state(), &State::Starting);
            let actions = machine.handle(Event::observed(observed), s(80));
            is_reported_as_lost(&mut machine, actions);
        }
    }
}

#[test]
fn the_reported_baseline_overrides_a_record_without_database() {
    let (_, actions) = started(Disk::Missing(baseline("c0", "d0")), known("c1", "d1"), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::Lost)]);
    let (_, actions) = started(Disk::Missing(baseline("c0", "d0")), observed("c1"), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::Config)]);
    let (_, actions) = started(Disk::Nothing, observed("c1"), "c1");
    assert_eq!(actions, [Action::Initialize(BaselineReason::First)]);
}

#[test]
fn another_state_directory_in_the_spec_is_no_loss() {
    let table = [
        (Some("/var/lib/x"), None, false),
        (Some("/var/lib/x"), Some("/var/lib/x"), false),
        (Some("/var/lib/x"), Some("/etc/kubernetes"), true),
        (None, Some("/var/lib/x"), true),
        // From one default directory to the other: no change of the spec.
        (None, Some("/var/lib/file-integrity"), false),
    ];
    for (asked, recorded, is_moved) in table {
        let settings = Settings {
            error_on_loss: true,
            state_dir: asked.map(str::to_owned),
            ..SETTINGS
        };
        let observed = known_in(recorded);
        let (mut machine, actions) = started_with(settings, Disk::Nothing, observed, "c1");
        if !is_moved {
            let lost = |a: &Action| matches!(a, Action::PublishError { error, .. } if error.class == ErrorClass::Lost);
            assert!(
                actions.iter().any(lost),
                "{asked:?} {recorded:?}: {actions:?}"
            );
            continue;
        }
        let from = recorded.unwrap().to_owned();
        assert_eq!(
            actions,
            [Action::Initialize(BaselineReason::Moved(from.clone()))]
        );
        let actions = machine.handle(initialized("c1", "d2"), s(1));
        let why = replaced_for_a_reason(&actions);
        assert!(why.contains(&from), "{why}");
    }
}

#[test]
fn an_old_database_in_a_former_state_directory_is_not_tampered() {
    for left in [
        Disk::Baseline(baseline("c1", "d0")),
        Disk::Foreign {
            digest: "d0".to_owned(),
        },
        Disk::Unreadable,
    ] {
        let observed = known_in(Some("/var/lib/x"));
        let (_, actions) = started(left, observed, "c1");
        let cause = BaselineReason::Moved("/var/lib/x".to_owned());
        assert_eq!(actions, [Action::Initialize(cause)]);
    }
}

#[test]
fn a_lost_baseline_is_an_error_if_the_spec_requests_it() {
    let settings = Settings {
        error_on_loss: true,
        ..SETTINGS
    };
    let (mut machine, actions) = started_with(settings, Disk::Nothing, known("c1", "d1"), "c1");
    let Action::PublishError {
        error,
        event: Some(warning),
    } = &actions[0]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(
        (error.class, warning.reason),
        (ErrorClass::Lost, EventReason::BaselineLost)
    );
    assert_eq!(actions[1], Action::WakeAt(s(100)));
    let actions = machine.handle(Event::observed(requested("r1")), s(5));
    assert_eq!(
        actions,
        [Action::Initialize(BaselineReason::Requested(
            "r1".to_owned()
        ))]
    );
}

#[test]
fn an_unexplained_baseline_is_untrusted_until_a_request() {
    let disks = [
        Disk::Baseline(baseline("c1", "forged")),
        Disk::Foreign {
            digest: "forged".to_owned(),
        },
        Disk::Unreadable,
    ];
    for disk in disks {
        let (mut machine, actions) = started(disk, known("c1", "d1"), "c1");
        let Action::PublishError {
            error,
            event: Some(warning),
        } = &actions[0]
        else {
            panic!("{actions:?}");
        };
        assert_eq!(
            (error.class, warning.reason),
            (ErrorClass::Tampered, EventReason::BaselineTampered)
        );
        // Reported again, without the warning, after each pause.
        let actions = machine.handle(Event::Timer, s(100));
        assert!(matches!(
            &actions[0],
            Action::PublishError { event: None, .. }
        ));
        assert_eq!(actions[1], Action::WakeAt(s(200)));
        let actions = machine.handle(Event::observed(requested("r1")), s(150));
        assert_eq!(
            actions,
            [Action::Initialize(BaselineReason::Requested(
                "r1".to_owned()
            ))]
        );
        machine.handle(initialized("c1", "d2"), s(160));
        assert_eq!(machine.state(), &State::Scanning);
    }
}

#[test]
fn a_database_replaced_while_the_daemon_runs_is_detected_by_the_next_scan() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    let actions = machine.handle(scanned("forged"), s(31));
    assert!(
        matches!(&actions[0], Action::PublishError { error, .. } if error.class == ErrorClass::Tampered)
    );
    assert!(
        !actions.contains(&Action::PublishScan),
        "what it found is not to be believed"
    );
}

#[test]
fn a_crash_after_the_swap_is_explained_by_the_open_request() {
    let made = KnownBaseline {
        request: Some("r1".to_owned()),
        ..baseline("c1", "d2")
    };
    let (_, actions) = started(Disk::Baseline(made), requested("r1"), "c1");
    let published = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        event: None,
    };
    assert_eq!(actions, [published, Action::Ready, Action::Scan]);
}

#[test]
fn a_crash_after_the_swap_is_explained_by_the_new_configuration() {
    let observed = known("c1", "d1").with_config("c2");
    let (_, actions) = started(Disk::Baseline(baseline("c2", "d2")), observed, "c2");
    let published = Action::PublishBaseline {
        request: None,
        event: None,
    };
    assert_eq!(actions, [published, Action::Ready, Action::Scan]);
}

#[test]
fn an_old_request_explains_nothing() {
    let made = KnownBaseline {
        request: Some("r1".to_owned()),
        ..baseline("c1", "forged")
    };
    let done = ObservedStatus {
        reinit_done: Some("r1".to_owned()),
        ..requested("r1")
    };
    let (_, actions) = started(Disk::Baseline(made), done, "c1");
    assert!(
        matches!(&actions[0], Action::PublishError { error, .. } if error.class == ErrorClass::Tampered)
    );
}

#[test]
fn a_crash_after_an_unrequested_baseline_still_reports_it() {
    let made = KnownBaseline {
        requested: false,
        ..baseline("c1", "d2")
    };
    let (_, actions) = started(Disk::Baseline(made), known("c1", "d1"), "c1");
    assert!(
        matches!(&actions[0], Action::PublishBaseline { event: Some(w), .. } if w.reason == EventReason::UnrequestedReinit)
    );
}

#[test]
fn a_lost_record_is_restored_from_the_api() {
    let (mut machine, actions) = started(
        Disk::Foreign {
            digest: "d1".to_owned(),
        },
        known("c1", "d1"),
        "c1",
    );
    assert_eq!(actions, [Action::Ready, Action::Scan]);
    assert_eq!(machine.handle(scanned("d1"), s(1))[0], Action::PublishScan);
}

#[test]
fn the_database_of_another_program_is_replaced_and_reported() {
    for disk in [
        Disk::Foreign {
            digest: "x".to_owned(),
        },
        Disk::Unreadable,
    ] {
        let (mut machine, actions) = started(disk, observed("c1"), "c1");
        assert_eq!(
            actions,
            [Action::Initialize(BaselineReason::Foreign {
                open_failure: None
            })]
        );
        let actions = machine.handle(initialized("c1", "d1"), s(1));
        replaced_for_a_reason(&actions);
    }
}

#[test]
fn after_an_upgrade_an_open_failure_is_not_accepted_as_requested() {
    let failure = "a:0,c:3,r:0 log:ns/aide-fi-n1-failed";
    let with_failure = |observed: ObservedStatus| ObservedStatus {
        open_failure: Some(failure.to_owned()),
        ..observed
    };
    let foreign = Disk::Foreign {
        digest: "x".to_owned(),
    };
    let baseline_event = |actions: &[Action]| match &actions[0] {
        Action::PublishBaseline {
            event: Some(event), ..
        } => (event.severity, event.reason, event.message.clone()),
        _ => panic!("{actions:?}"),
    };
    for (disk, reason) in [
        (foreign, EventReason::BaselineReplaced),
        (Disk::Unreadable, EventReason::BaselineReplaced),
        (Disk::Nothing, EventReason::UnrequestedReinit),
    ] {
        let (mut machine, actions) = started(disk, with_failure(observed("c1")), "c1");
        let [Action::Initialize(cause)] = actions.as_slice() else {
            panic!("{actions:?}");
        };
        assert!(!cause.requested(), "{cause:?}");
        let event = baseline_event(&machine.handle(initialized("c1", "d1"), s(1)));
        assert_eq!((event.0, event.1), (Severity::Warning, reason));
        assert!(event.2.ends_with(&format!("Failed {failure}")), "{event:?}");
    }
    // The same for a database of an older AIDE.
    let (mut machine, _) = started(
        Disk::Baseline(baseline("c1", "d1")),
        with_failure(known("c1", "d1")),
        "c1",
    );
    let outdated = Finished::BaselineOutdated {
        made_by: "0.16.2".to_owned(),
        digest: "d1".to_owned(),
    };
    let actions = machine.handle(Event::Finished(outdated), s(1));
    let [Action::Initialize(cause)] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert!(!cause.requested(), "{cause:?}");
    let event = baseline_event(&machine.handle(initialized("c1", "d2"), s(2)));
    assert!(event.2.contains("AIDE 0.16.2"), "{event:?}");
    assert!(event.2.ends_with(&format!("Failed {failure}")), "{event:?}");
    // A request accepts it, and a crash before the event was written does not lose the record.
    let asked = with_failure(observed("c1")).with_request("r1");
    let (_, actions) = started(Disk::Unreadable, asked, "c1");
    assert_eq!(
        actions,
        [Action::Initialize(BaselineReason::Requested(
            "r1".to_owned()
        ))]
    );
    let made = KnownBaseline {
        requested: false,
        ..baseline("c1", "d1")
    };
    let (_, actions) = started(Disk::Baseline(made), with_failure(observed("c1")), "c1");
    let event = baseline_event(&actions);
    assert!(event.2.ends_with(&format!("Failed {failure}")), "{event:?}");
}

#[test]
fn an_outdated_database_is_compared_with_the_known_one() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    let forged = Finished::BaselineOutdated {
        made_by: "0.16.2".to_owned(),
        digest: "forged".to_owned(),
    };
    let actions = machine.handle(Event::Finished(forged), s(31));
    assert!(
        matches!(&actions[0], Action::PublishError { error, .. } if error.class == ErrorClass::Tampered),
        "{actions:?}"
    );
}

#[test]
fn an_outdated_baseline_is_replaced_and_reported() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    let outdated = Finished::BaselineOutdated {
        made_by: "0.16.2".to_owned(),
        digest: "d1".to_owned(),
    };
    assert_eq!(
        machine.handle(Event::Finished(outdated), s(31)),
        [Action::Initialize(BaselineReason::Outdated {
            made_by: "0.16.2".to_owned(),
            open_failure: None
        })]
    );
    let actions = machine.handle(initialized("c1", "d2"), s(32));
    let why = replaced_for_a_reason(&actions);
    assert!(why.contains("AIDE 0.16.2"), "{why}");
    assert_eq!(actions[1..], [Action::Scan], "and that is all");
    assert_eq!(
        machine.handle(scanned("d2"), s(33)),
        [Action::PublishScan, Action::WakeAt(s(133))]
    );
}

#[test]
fn a_scan_killed_with_the_container_is_reported_and_delayed() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::Interrupted(3), s(0));
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(Event::observed(known("c1", "d1")), s(0));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert_eq!(actions[0], Action::Ready);
    assert!(
        matches!(&actions[1], Action::PublishError { error, .. } if error.class == ErrorClass::Interrupted)
    );
    assert_eq!(actions[2], Action::WakeAt(s(40)));
    assert_eq!(machine.handle(Event::Timer, s(40)), [Action::Scan]);
}

#[test]
fn an_initialization_killed_with_the_container_is_delayed() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::Interrupted(1), s(0));
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::observed(observed("c1")), s(0));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert!(matches!(&actions[0], Action::PublishError { .. }));
    assert_eq!(actions[1], Action::WakeAt(s(10)));
    assert_eq!(
        machine.handle(Event::Timer, s(10)),
        [Action::Initialize(BaselineReason::First)]
    );
}

#[test]
fn a_stuck_aide_is_reported_repeatedly_and_no_other_one_starts() {
    let stuck = || {
        Event::Finished(Finished::Stuck(ScanError::new(
            ErrorClass::Hung,
            "no progress",
        )))
    };
    let is_reported = |action: &Action| matches!(action, Action::PublishError { error, .. } if error.class == ErrorClass::Hung);
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    let actions = machine.handle(stuck(), s(31));
    assert!(is_reported(&actions[0]), "{actions:?}");
    assert_eq!(actions[1..], [Action::WakeAt(s(131))]);
    // Nothing that happens starts another one, not even a request.
    let actions = machine.handle(Event::observed(requested("r1")), s(40));
    assert_eq!(actions, [Action::WakeAt(s(131))]);
    let actions = machine.handle(Event::Timer, s(131));
    assert!(is_reported(&actions[0]), "{actions:?}");
    assert_eq!(actions[1..], [Action::WakeAt(s(231))]);
    assert_eq!(
        machine.handle(Event::AideExited, s(140)),
        [Action::Initialize(BaselineReason::Requested(
            "r1".to_owned()
        ))]
    );
}

#[test]
fn a_stopping_daemon_does_not_wait_for_a_stuck_aide() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::observed(observed("c1")), s(0));
    machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    let stuck = Finished::Stuck(ScanError::new(ErrorClass::Hung, "no progress"));
    machine.handle(Event::Finished(stuck), s(31));
    assert_eq!(
        machine.handle(Event::Published, s(32)),
        [Action::Ready, Action::WakeAt(s(131))]
    );
    assert_eq!(machine.handle(Event::Shutdown, s(33)), [Action::Exit]);
}

#[test]
fn stopping_ends_aide_first() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    assert_eq!(machine.handle(Event::Shutdown, s(31)), [Action::StopAide]);
    assert_eq!(
        machine.handle(Event::Finished(Finished::Stopped), s(32)),
        [Action::Exit]
    );
    assert_eq!(idle().handle(Event::Shutdown, s(1)), [Action::Exit]);
}

#[test]
fn a_result_before_the_stop_is_published() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    machine.handle(Event::Shutdown, s(31));
    assert_eq!(
        machine.handle(scanned("d1"), s(32)),
        [Action::PublishScan, Action::Exit]
    );
}

fn announced(seconds: u64) -> Event {
    Event::Announced { due: s(seconds) }
}

fn checked(digest: &str) -> Event {
    Event::PartChecked {
        digest: Some(digest.to_owned()),
    }
}

#[test]
fn announced_paths_are_checked_when_they_are_due_also_during_a_scan() {
    let mut machine = idle();
    let waits = [Action::WakeAt(s(30)), Action::WakeAt(s(12))];
    assert_eq!(machine.handle(announced(12), s(10)), waits);
    let checks = [Action::WakeAt(s(30)), Action::CheckPart];
    assert_eq!(machine.handle(Event::Timer, s(12)), checks);
    // The next one waits for the end of the first.
    assert_eq!(
        machine.handle(announced(13), s(13)),
        [Action::WakeAt(s(30))]
    );
    assert_eq!(machine.handle(checked("d1"), s(14)), checks);
    machine.handle(checked("d1"), s(15));
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    assert_eq!(machine.handle(announced(31), s(31)), [Action::CheckPart]);
    assert_eq!(machine.state(), &State::Scanning);
}

#[test]
fn an_initialization_waits_for_the_check_and_forgets_what_was_announced() {
    let mut machine = idle();
    machine.handle(announced(10), s(10));
    let waits = machine.handle(Event::observed(requested("r1")), s(11));
    assert_eq!(waits, []);
    machine.handle(announced(12), s(12));
    let reason = BaselineReason::Requested("r1".to_owned());
    let begins = machine.handle(checked("d1"), s(13));
    assert_eq!(begins, [Action::Initialize(reason)]);
    assert_eq!(machine.handle(announced(14), s(15)), []);
}

#[test]
fn nothing_is_checked_while_scans_are_held() {
    let mut machine = idle();
    let held = known("c1", "d1").held();
    assert_eq!(
        machine.handle(Event::observed(held), s(10)),
        [Action::Hold(HoldReason::User)]
    );
    assert_eq!(machine.handle(announced(11), s(12)), []);
}

#[test]
fn a_scan_decides_about_another_database_that_a_check_finds() {
    let mut machine = idle();
    machine.handle(announced(10), s(10));
    assert_eq!(machine.handle(checked("d2"), s(11)), [Action::Scan]);
    let actions = machine.handle(scanned("d2"), s(12));
    assert!(
        matches!(&actions[..], [Action::PublishError { error, event: Some(_) }, _]
            if error.class == ErrorClass::Tampered),
        "{actions:?}"
    );
    assert_eq!(
        machine.handle(announced(12), s(13)),
        [Action::WakeAt(s(112))]
    );
}

#[test]
fn a_needed_scan_starts_after_a_pause_of_four_times_the_last_one() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    machine.handle(scanned("d1"), s(40));
    assert_eq!(
        machine.handle(Event::ScanNeeded, s(41)),
        [Action::WakeAt(s(80))]
    );
    assert_eq!(machine.handle(Event::Timer, s(80)), [Action::Scan]);
    machine.handle(scanned("d1"), s(81));
    assert_eq!(machine.handle(Event::ScanNeeded, s(90)), [Action::Scan]);
}

#[test]
fn a_daemon_that_stops_waits_for_the_check() {
    let mut machine = idle();
    machine.handle(announced(10), s(10));
    assert_eq!(machine.handle(Event::Shutdown, s(11)), [Action::StopAide]);
    let ended = Event::PartChecked { digest: None };
    assert_eq!(machine.handle(ended, s(12)), [Action::Exit]);
}

#[test]
fn the_record_of_a_new_baseline_has_its_reason() {
    let requested = |id: &str| BaselineReason::Requested(id.to_owned());
    let open_failure = None;
    let table = [
        (BaselineReason::First, None),
        (BaselineReason::Lost, None),
        (BaselineReason::Moved("/var/lib/fio".to_owned()), None),
        (BaselineReason::Config, Some("Configuration")),
        (BaselineReason::Signal, Some("Signal")),
        (BaselineReason::Foreign { open_failure }, Some("Foreign")),
        (requested("0a-annotation"), Some("Annotation")),
        (requested("0a-on-failed"), Some("OnFailed")),
        (requested("0a-node-update"), Some("NodeUpdate")),
        (requested("0a"), Some("Request")),
    ];
    for (reason, expected) in table {
        let found = reason.accepts().map(AcceptedReason::as_str);
        assert_eq!(found, expected, "{reason:?}");
    }
}

#[test]
fn the_baseline_in_the_api_is_the_one_that_is_replaced() {
    let old = |machine: &Machine| machine.old_baseline().map(|old| old.digest);
    assert_eq!(old(&Machine::new(SETTINGS)), None);
    assert_eq!(old(&idle()).as_deref(), Some("d1"));
    // Both database and record were replaced on the node.
    let forged = Disk::Baseline(baseline("c1", "forged"));
    let (mut machine, _) = started(forged, known("c1", "d1"), "c1");
    machine.handle(Event::observed(requested("r1")), s(1));
    assert_eq!(old(&machine).as_deref(), Some("d1"));
    machine.handle(initialized("c1", "d2"), s(2));
    assert_eq!(old(&machine).as_deref(), Some("d2"));
}
