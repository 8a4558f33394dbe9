//! Every transition of the state machine, told as short stories.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::{Condition, ScanResult};

const SETTINGS: Settings = Settings {
    pause: Duration::from_secs(100),
    first_pause: 0.3,
    error_on_loss: false,
    state_dir: None,
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn baseline(config: &str, digest: &str) -> KnownBaseline {
    KnownBaseline {
        config_hash: config.to_owned(),
        digest: digest.to_owned(),
        request: None,
        requested: true,
    }
}

fn observed(config: &str) -> Observed {
    Observed {
        config: Some(config.to_owned()),
        ..Observed::default()
    }
}

fn known(config: &str, digest: &str) -> Observed {
    Observed {
        baseline: Some((digest.to_owned(), config.to_owned())),
        ..observed(config)
    }
}

fn requested(id: &str) -> Observed {
    Observed {
        request: Some(id.to_owned()),
        ..known("c1", "d1")
    }
}

fn scanned(digest: &str) -> Event {
    let at = Time(jiff::Timestamp::UNIX_EPOCH);
    let result = ScanResult::new(Condition::Succeeded, at);
    Event::Finished(Finished::Scanned {
        finding: Finding {
            result,
            changes: None,
        },
        digest: Some(digest.to_owned()),
    })
}

fn initialised(config: &str, digest: &str) -> Event {
    Event::Finished(Finished::Initialised(baseline(config, digest)))
}

fn init_failed() -> Event {
    Event::Finished(Finished::InitFailed(ScanError::new(
        ErrorClass::Io,
        "AIDE error: 18 IO error",
    )))
}

/// The message by which a new baseline is told that took the place of another without a request.
fn replaced_for_a_reason(actions: &[Action]) -> &str {
    match &actions[0] {
        Action::PublishBaseline {
            request: None,
            warning: Some(saying),
        } => {
            let told = (saying.reason, saying.severity);
            assert_eq!(told, (EventReason::BaselineReplaced, Severity::Normal));
            &saying.message
        }
        _ => panic!("{actions:?}"),
    }
}

/// A machine that was given these at the start; returns the actions of the last one.
fn started(disk: Disk, observed: Observed, config: &str) -> (Machine, Vec<Action>) {
    started_with(SETTINGS, disk, observed, config)
}

fn started_with(
    settings: Settings,
    disk: Disk,
    observed: Observed,
    config: &str,
) -> (Machine, Vec<Action>) {
    let mut machine = Machine::new(settings);
    machine.handle(Event::DiskRead(disk), s(0));
    machine.handle(Event::Observed(observed), s(0));
    let actions = machine.handle(Event::ConfigLoaded(config.to_owned()), s(0));
    (machine, actions)
}

/// A machine whose baseline d1 of configuration c1 is known to the disk and the API, and which has
/// done its first scan; the next is due at 30 s.
fn idle() -> Machine {
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
fn the_order_in_which_the_start_is_learned_does_not_matter() {
    let events = [
        Event::DiskRead(Disk::Nothing),
        Event::Observed(observed("c1")),
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
        assert_eq!(rest, [Action::Initialise(Cause::First)], "{order:?}");
    }
}

#[test]
fn first_baseline_first_scan_then_a_pause() {
    let (mut machine, actions) = started(Disk::Nothing, observed("c1"), "c1");
    assert_eq!(actions, [Action::Initialise(Cause::First)]);
    let actions = machine.handle(initialised("c1", "d1"), s(10));
    let published = Action::PublishBaseline {
        request: None,
        warning: None,
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
fn it_waits_for_the_configuration_that_is_wanted() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::ConfigLoaded("old".to_owned()), s(0));
    let actions = machine.handle(Event::Observed(observed("new")), s(0));
    assert_eq!(actions, [Action::LoadConfig("new".to_owned())]);
    assert_eq!(machine.state(), &State::Starting);
    let actions = machine.handle(Event::ConfigLoaded("new".to_owned()), s(1));
    assert_eq!(actions, [Action::Initialise(Cause::First)]);
}

#[test]
fn a_baseline_of_the_same_configuration_is_resumed() {
    let (_, actions) = started(Disk::Baseline(baseline("c1", "d1")), observed("c1"), "c1");
    let adopted = Action::PublishBaseline {
        request: None,
        warning: None,
    };
    assert_eq!(actions, [adopted, Action::Ready, Action::Scan]);
}

#[test]
fn without_the_api_it_scans_with_what_it_has_and_reconciles_later() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    assert_eq!(
        machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0)),
        []
    );
    assert_eq!(machine.handle(Event::ApiAway, s(10)), [Action::Scan]);
    assert_eq!(
        machine.handle(scanned("d1"), s(20)),
        [Action::PublishScan, Action::WakeAt(s(50))]
    );
    let actions = machine.handle(Event::Observed(known("c1", "d1")), s(30));
    assert_eq!(actions, [Action::Ready, Action::WakeAt(s(50))]);
}

#[test]
fn without_api_and_baseline_it_waits() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert_eq!(machine.handle(Event::ApiAway, s(10)), []);
    assert_eq!(machine.state(), &State::Starting);
}

#[test]
fn a_request_leads_to_a_new_baseline_once() {
    let mut machine = idle();
    let actions = machine.handle(Event::Observed(requested("r1")), s(5));
    assert_eq!(
        actions,
        [Action::Initialise(Cause::Requested("r1".to_owned()))]
    );
    let actions = machine.handle(initialised("c1", "d2"), s(6));
    let published = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        warning: None,
    };
    assert_eq!(actions, [published, Action::Scan]);
    // The status object still shows the request; it is done.
    machine.handle(scanned("d2"), s(7));
    assert_eq!(
        machine.handle(Event::Observed(requested("r1")), s(8)),
        [Action::WakeAt(s(107))]
    );
}

#[test]
fn a_request_during_a_scan_is_met_after_it() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    assert_eq!(machine.handle(Event::Observed(requested("r1")), s(31)), []);
    let actions = machine.handle(scanned("d1"), s(40));
    assert_eq!(
        actions,
        [
            Action::PublishScan,
            Action::Initialise(Cause::Requested("r1".to_owned()))
        ]
    );
}

#[test]
fn a_request_during_an_initialisation_is_met_by_another_one() {
    let mut machine = idle();
    machine.handle(Event::Observed(requested("r1")), s(5));
    assert_eq!(machine.handle(Event::Observed(requested("r2")), s(6)), []);
    let actions = machine.handle(initialised("c1", "d2"), s(7));
    assert_eq!(
        actions.last(),
        Some(&Action::Initialise(Cause::Requested("r2".to_owned())))
    );
}

#[test]
fn another_configuration_is_loaded_and_gets_a_baseline() {
    let mut machine = idle();
    let wanted = Observed {
        config: Some("c2".to_owned()),
        ..known("c1", "d1")
    };
    let actions = machine.handle(Event::Observed(wanted.clone()), s(5));
    assert_eq!(
        actions,
        [Action::LoadConfig("c2".to_owned()), Action::WakeAt(s(30))]
    );
    assert_eq!(
        machine.handle(Event::Observed(wanted), s(6)),
        [Action::WakeAt(s(30))]
    );
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(7));
    assert_eq!(actions, [Action::Initialise(Cause::Config)]);
}

#[test]
fn a_configuration_that_is_not_wanted_any_more_is_not_used() {
    let mut machine = idle();
    let wanted = |config: &str| Observed {
        config: Some(config.to_owned()),
        ..known("c1", "d1")
    };
    machine.handle(Event::Observed(wanted("c2")), s(5));
    let actions = machine.handle(Event::Observed(wanted("c1")), s(6));
    assert_eq!(actions, [Action::StopLoading, Action::WakeAt(s(30))]);
    // It may have come before it was stopped.
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(7));
    assert_eq!(actions, [Action::WakeAt(s(30))]);
    assert_eq!(machine.config(), Some("c1"));
    // Wanted again, it is got again.
    let actions = machine.handle(Event::Observed(wanted("c2")), s(8));
    assert_eq!(
        actions,
        [Action::LoadConfig("c2".to_owned()), Action::WakeAt(s(30))]
    );
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(9));
    assert_eq!(actions, [Action::Initialise(Cause::Config)]);
    assert_eq!(machine.config(), Some("c2"));
}

#[test]
fn a_status_that_was_removed_gets_its_baseline_back() {
    let mut machine = idle();
    let actions = machine.handle(Event::Observed(observed("c1")), s(5));
    assert_eq!(actions, [Action::PublishAgain, Action::WakeAt(s(30))]);
    assert_eq!(
        machine.handle(Event::Observed(known("c1", "d1")), s(6)),
        [Action::WakeAt(s(30))]
    );
}

#[test]
fn a_request_is_not_done_twice_where_somebody_removed_that_it_is_done() {
    let made = KnownBaseline {
        request: Some("r1".to_owned()),
        ..baseline("c1", "d1")
    };
    let (_, actions) = started(Disk::Baseline(made), requested("r1"), "c1");
    let told = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        warning: None,
    };
    assert_eq!(actions, [told, Action::Ready, Action::Scan]);
}

#[test]
fn a_database_that_aide_cannot_read_is_one_that_was_tampered_with_or_an_error() {
    for (digest, expected) in [
        (Some("d1"), "AIDE error: 18 IO error"),
        (None, "AIDE error: 18 IO error"),
        (Some("d2"), "BaselineTampered: "),
        (Some(NO_DATABASE), "BaselineTampered: "),
    ] {
        let mut machine = idle();
        machine.handle(Event::Timer, s(30));
        let mut result = ScanResult::new(Condition::Errored, Time(jiff::Timestamp::UNIX_EPOCH));
        result.error_message = Some("AIDE error: 18 IO error".to_owned());
        let finding = Finding {
            result,
            changes: None,
        };
        let digest = digest.map(str::to_owned);
        let scanned = Event::Finished(Finished::Scanned { finding, digest });
        let actions = machine.handle(scanned, s(31));
        let told = match &actions[0] {
            Action::PublishError { error, .. } => error.message.clone(),
            Action::PublishScan => "AIDE error: 18 IO error".to_owned(),
            action => panic!("{action:?}"),
        };
        assert!(told.starts_with(expected), "{actions:?}");
    }
}

#[test]
fn without_the_api_no_other_configuration_is_believed() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(Event::ConfigLoaded("other".to_owned()), s(0));
    assert_eq!(machine.handle(Event::ApiAway, s(10)), []);
    let actions = machine.handle(Event::Observed(known("c1", "d1")), s(60));
    assert_eq!(actions, [Action::LoadConfig("c1".to_owned())]);
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(61));
    assert_eq!(actions, [Action::Ready, Action::Scan]);
}

#[test]
fn a_failed_initialisation_is_tried_again_with_growing_pauses() {
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
            [Action::Initialise(Cause::First)]
        );
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
}

#[test]
fn a_failed_initialisation_still_makes_the_pod_ready() {
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
    machine.handle(Event::Observed(observed("c2")), s(1));
    let actions = machine.handle(Event::ConfigLoaded("c2".to_owned()), s(2));
    assert_eq!(actions, [Action::Initialise(Cause::First)]);
}

#[test]
fn a_held_node_does_nothing_and_scans_at_once_afterwards() {
    let mut machine = idle();
    let held = Observed {
        held: true,
        ..known("c1", "d1")
    };
    assert_eq!(
        machine.handle(Event::Observed(held.clone()), s(5)),
        [Action::Sleep]
    );
    assert_eq!(machine.handle(Event::Timer, s(30)), []);
    let asked = Observed {
        request: Some("r1".to_owned()),
        ..held
    };
    assert_eq!(machine.handle(Event::Observed(asked), s(31)), []);
    let actions = machine.handle(Event::Observed(known("c1", "d1")), s(32));
    assert_eq!(actions, [Action::Scan]);
}

#[test]
fn a_scan_that_runs_when_the_hold_begins_is_published() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    assert_eq!(
        machine.handle(
            Event::Observed(Observed {
                held: true,
                ..known("c1", "d1")
            }),
            s(31)
        ),
        []
    );
    assert_eq!(
        machine.handle(scanned("d1"), s(40)),
        [Action::PublishScan, Action::Sleep]
    );
}

#[test]
fn a_daemon_that_starts_held_is_ready() {
    let held = Observed {
        held: true,
        ..observed("c1")
    };
    let (_, actions) = started(Disk::Nothing, held, "c1");
    assert_eq!(actions, [Action::Sleep, Action::Ready]);
}

#[test]
fn a_signal_of_an_open_request_is_no_request_of_its_own() {
    let mut machine = idle();
    machine.handle(Event::Observed(requested("r1")), s(5));
    machine.handle(Event::Signal("r1\n".to_owned()), s(6));
    let actions = machine.handle(initialised("c1", "d2"), s(7));
    let published = Action::PublishBaseline {
        request: Some("r1".to_owned()),
        warning: None,
    };
    assert_eq!(actions, [published, Action::ClearSignal, Action::Scan]);
}

#[test]
fn a_signal_of_a_request_that_is_done_is_removed() {
    let mut machine = idle();
    machine.handle(Event::Observed(requested("r1")), s(5));
    machine.handle(initialised("c1", "d2"), s(6));
    machine.handle(scanned("d2"), s(7));
    let actions = machine.handle(Event::Signal("r1".to_owned()), s(8));
    assert_eq!(actions, [Action::ClearSignal, Action::WakeAt(s(107))]);
    let actions = machine.handle(Event::Signal("config:c1".to_owned()), s(9));
    assert_eq!(actions, [Action::ClearSignal, Action::WakeAt(s(107))]);
}

#[test]
fn a_signal_that_comes_after_its_request_was_followed_by_another_is_removed() {
    let mut machine = idle();
    for (id, digest, at) in [("r1", "d2", 5), ("r2", "d3", 15)] {
        machine.handle(Event::Observed(requested(id)), s(at));
        machine.handle(initialised("c1", digest), s(at + 1));
        machine.handle(scanned(digest), s(at + 2));
    }
    let actions = machine.handle(Event::Signal("r1".to_owned()), s(20));
    assert_eq!(actions, [Action::ClearSignal, Action::WakeAt(s(117))]);
    let wanted = Observed {
        config: Some("c2".to_owned()),
        ..requested("r2")
    };
    machine.handle(Event::Observed(wanted), s(21));
    machine.handle(Event::ConfigLoaded("c2".to_owned()), s(22));
    machine.handle(initialised("c2", "d4"), s(23));
    machine.handle(scanned("d4"), s(24));
    let actions = machine.handle(Event::Signal("config:c1".to_owned()), s(25));
    assert_eq!(actions, [Action::ClearSignal, Action::WakeAt(s(124))]);
    let actions = machine.handle(Event::Signal("config:c0".to_owned()), s(26));
    assert_eq!(
        actions,
        [Action::Initialise(Cause::Signal)],
        "nothing ever explained this one"
    );
}

#[test]
fn a_signal_that_nothing_explains_is_honoured_and_reported() {
    for text in ["", "r-unknown"] {
        let mut machine = idle();
        let actions = machine.handle(Event::Signal(text.to_owned()), s(5));
        assert_eq!(actions, [Action::Initialise(Cause::Signal)]);
        let actions = machine.handle(initialised("c1", "d2"), s(6));
        let Action::PublishBaseline {
            request: None,
            warning: Some(warning),
        } = &actions[0]
        else {
            panic!("{actions:?}");
        };
        assert_eq!(warning.reason, EventReason::UnrequestedReinit);
        assert!(warning.message.contains("old digest d1, new digest d2"));
        assert_eq!(actions[1..], [Action::ClearSignal, Action::Scan]);
    }
}

#[test]
fn a_lost_baseline_is_made_anew_and_reported() {
    let (mut machine, actions) = started(Disk::Nothing, known("c1", "d1"), "c1");
    assert_eq!(actions, [Action::Initialise(Cause::Lost)]);
    let actions = machine.handle(initialised("c1", "d2"), s(6));
    assert!(matches!(
        &actions[0],
        Action::PublishBaseline {
            warning: Some(_),
            ..
        }
    ));
}

#[test]
fn a_baseline_that_goes_while_the_daemon_runs_is_lost_too() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    let actions = machine.handle(Event::Finished(Finished::BaselineGone), s(31));
    assert_eq!(actions, [Action::Initialise(Cause::Lost)]);
}

#[test]
fn an_adopted_baseline_that_goes_is_lost_too() {
    let resumed = observed("c1");
    let after_a_crash = Observed {
        config: Some("c2".to_owned()),
        ..known("c1", "d1")
    };
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
            let actions = machine.handle(Event::Finished(Finished::BaselineGone), s(31));
            if error_on_loss {
                let is_told = matches!(&actions[0], Action::PublishError { error, .. } if error.class == ErrorClass::Lost);
                assert!(is_told, "{actions:?}");
                continue;
            }
            assert_eq!(actions, [Action::Initialise(Cause::Lost)]);
            let actions = machine.handle(initialised(&config, "d3"), s(32));
            let Action::PublishBaseline {
                warning: Some(warning),
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

/// A loss comes to an error where the user wants that, or to a new baseline, with a warning each.
fn is_told_as_lost(machine: &mut Machine, mut actions: Vec<Action>) {
    let reason = if machine.settings.error_on_loss {
        EventReason::BaselineLost
    } else {
        assert_eq!(actions, [Action::Initialise(Cause::Lost)]);
        actions = machine.handle(initialised("c1", "d2"), s(90));
        EventReason::UnrequestedReinit
    };
    let (Action::PublishError {
        warning: Some(warning),
        ..
    }
    | Action::PublishBaseline {
        warning: Some(warning),
        ..
    }) = &actions[0]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(warning.reason, reason);
    if !machine.settings.error_on_loss {
        assert!(warning.message.contains("old digest d1, "), "{warning:?}");
    }
}

#[test]
fn a_baseline_that_goes_while_the_api_is_away_is_lost_whatever_the_api_knew() {
    let whole = || Disk::Baseline(baseline("c1", "d1"));
    let gone = || Disk::Gone(baseline("c1", "d1"));
    for (at_start, error_on_loss) in [
        (whole(), false),
        (whole(), true),
        (gone(), false),
        (gone(), true),
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
            let actions = machine.handle(Event::ApiAway, s(10));
            if at_start == whole() {
                assert_eq!(actions, [Action::Scan]);
                let actions = machine.handle(Event::Finished(Finished::BaselineGone), s(11));
                assert_eq!(actions, []);
            } else {
                assert_eq!(actions, []);
            }
            assert_eq!(machine.state(), &State::Starting);
            let actions = machine.handle(Event::Observed(observed), s(80));
            is_told_as_lost(&mut machine, actions);
        }
    }
}

#[test]
fn what_the_api_recorded_counts_more_than_a_record_without_its_database() {
    let (_, actions) = started(Disk::Gone(baseline("c0", "d0")), known("c1", "d1"), "c1");
    assert_eq!(actions, [Action::Initialise(Cause::Lost)]);
    let (_, actions) = started(Disk::Gone(baseline("c0", "d0")), observed("c1"), "c1");
    assert_eq!(actions, [Action::Initialise(Cause::Config)]);
    let (_, actions) = started(Disk::Nothing, observed("c1"), "c1");
    assert_eq!(actions, [Action::Initialise(Cause::First)]);
}

#[test]
fn another_state_directory_by_the_spec_is_no_loss() {
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
        let observed = Observed {
            state_dir: recorded.map(str::to_owned),
            ..known("c1", "d1")
        };
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
        assert_eq!(actions, [Action::Initialise(Cause::Moved(from.clone()))]);
        let actions = machine.handle(initialised("c1", "d2"), s(1));
        let why = replaced_for_a_reason(&actions);
        assert!(why.contains(&from), "{why}");
    }
}

#[test]
fn what_was_left_in_a_state_directory_is_no_forgery_when_the_spec_returns_to_it() {
    for left in [
        Disk::Baseline(baseline("c1", "d0")),
        Disk::Foreign {
            digest: "d0".to_owned(),
        },
        Disk::Unreadable,
    ] {
        let observed = Observed {
            state_dir: Some("/var/lib/x".to_owned()),
            ..known("c1", "d1")
        };
        let (_, actions) = started(left, observed, "c1");
        let cause = Cause::Moved("/var/lib/x".to_owned());
        assert_eq!(actions, [Action::Initialise(cause)]);
    }
}

#[test]
fn a_lost_baseline_is_an_error_where_the_user_wants_that() {
    let settings = Settings {
        error_on_loss: true,
        ..SETTINGS
    };
    let (mut machine, actions) = started_with(settings, Disk::Nothing, known("c1", "d1"), "c1");
    let Action::PublishError {
        error,
        warning: Some(warning),
    } = &actions[0]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(
        (error.class, warning.reason),
        (ErrorClass::Lost, EventReason::BaselineLost)
    );
    assert_eq!(actions[1], Action::WakeAt(s(100)));
    let actions = machine.handle(Event::Observed(requested("r1")), s(5));
    assert_eq!(
        actions,
        [Action::Initialise(Cause::Requested("r1".to_owned()))]
    );
}

#[test]
fn a_baseline_that_nothing_explains_blocks_until_a_request() {
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
            warning: Some(warning),
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
            Action::PublishError { warning: None, .. }
        ));
        assert_eq!(actions[1], Action::WakeAt(s(200)));
        let actions = machine.handle(Event::Observed(requested("r1")), s(150));
        assert_eq!(
            actions,
            [Action::Initialise(Cause::Requested("r1".to_owned()))]
        );
        machine.handle(initialised("c1", "d2"), s(160));
        assert_eq!(machine.state(), &State::Scanning);
    }
}

#[test]
fn a_database_replaced_under_a_running_daemon_is_found_by_the_next_scan() {
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
        warning: None,
    };
    assert_eq!(actions, [published, Action::Ready, Action::Scan]);
}

#[test]
fn a_crash_after_the_swap_is_explained_by_the_new_configuration() {
    let observed = Observed {
        config: Some("c2".to_owned()),
        ..known("c1", "d1")
    };
    let (_, actions) = started(Disk::Baseline(baseline("c2", "d2")), observed, "c2");
    let published = Action::PublishBaseline {
        request: None,
        warning: None,
    };
    assert_eq!(actions, [published, Action::Ready, Action::Scan]);
}

#[test]
fn an_old_request_explains_nothing() {
    let made = KnownBaseline {
        request: Some("r1".to_owned()),
        ..baseline("c1", "forged")
    };
    let done = Observed {
        done: Some("r1".to_owned()),
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
        matches!(&actions[0], Action::PublishBaseline { warning: Some(w), .. } if w.reason == EventReason::UnrequestedReinit)
    );
}

#[test]
fn a_lost_record_is_taken_from_the_api() {
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
fn an_earlier_programs_database_is_replaced_and_that_is_said() {
    for disk in [
        Disk::Foreign {
            digest: "x".to_owned(),
        },
        Disk::Unreadable,
    ] {
        let (mut machine, actions) = started(disk, observed("c1"), "c1");
        assert_eq!(
            actions,
            [Action::Initialise(Cause::Foreign { open_failure: None })]
        );
        let actions = machine.handle(initialised("c1", "d1"), s(1));
        replaced_for_a_reason(&actions);
    }
}

#[test]
fn an_upgrade_does_not_accept_an_open_failure_as_if_that_was_requested() {
    let failure = "a:0,c:3,r:0 log:ns/aide-fi-n1-failed";
    let with_failure = |observed: Observed| Observed {
        open_failure: Some(failure.to_owned()),
        ..observed
    };
    let foreign = Disk::Foreign {
        digest: "x".to_owned(),
    };
    let baseline_event = |actions: &[Action]| match &actions[0] {
        Action::PublishBaseline {
            warning: Some(event),
            ..
        } => (event.severity, event.reason, event.message.clone()),
        _ => panic!("{actions:?}"),
    };
    for (disk, reason) in [
        (foreign, EventReason::BaselineReplaced),
        (Disk::Unreadable, EventReason::BaselineReplaced),
        (Disk::Nothing, EventReason::UnrequestedReinit),
    ] {
        let (mut machine, actions) = started(disk, with_failure(observed("c1")), "c1");
        let [Action::Initialise(cause)] = actions.as_slice() else {
            panic!("{actions:?}");
        };
        assert!(!cause.requested(), "{cause:?}");
        let event = baseline_event(&machine.handle(initialised("c1", "d1"), s(1)));
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
    let [Action::Initialise(cause)] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert!(!cause.requested(), "{cause:?}");
    let event = baseline_event(&machine.handle(initialised("c1", "d2"), s(2)));
    assert!(event.2.contains("AIDE 0.16.2"), "{event:?}");
    assert!(event.2.ends_with(&format!("Failed {failure}")), "{event:?}");
    // A request accepts it, and a crash before the event was written does not lose the record.
    let asked = Observed {
        request: Some("r1".to_owned()),
        ..with_failure(observed("c1"))
    };
    let (_, actions) = started(Disk::Unreadable, asked, "c1");
    assert_eq!(
        actions,
        [Action::Initialise(Cause::Requested("r1".to_owned()))]
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
fn a_database_that_calls_itself_outdated_is_compared_with_the_known_one() {
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
fn a_baseline_that_this_aide_cannot_read_is_replaced_and_that_is_said() {
    let mut machine = idle();
    assert_eq!(machine.handle(Event::Timer, s(30)), [Action::Scan]);
    let outdated = Finished::BaselineOutdated {
        made_by: "0.16.2".to_owned(),
        digest: "d1".to_owned(),
    };
    assert_eq!(
        machine.handle(Event::Finished(outdated), s(31)),
        [Action::Initialise(Cause::Outdated {
            made_by: "0.16.2".to_owned(),
            open_failure: None
        })]
    );
    let actions = machine.handle(initialised("c1", "d2"), s(32));
    let why = replaced_for_a_reason(&actions);
    assert!(why.contains("AIDE 0.16.2"), "{why}");
    assert_eq!(actions[1..], [Action::Scan], "and that is all");
    assert_eq!(
        machine.handle(scanned("d2"), s(33)),
        [Action::PublishScan, Action::WakeAt(s(133))]
    );
}

#[test]
fn a_scan_cut_off_with_the_container_is_reported_and_delayed() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::Interrupted(3), s(0));
    machine.handle(Event::DiskRead(Disk::Baseline(baseline("c1", "d1"))), s(0));
    machine.handle(Event::Observed(known("c1", "d1")), s(0));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert_eq!(actions[0], Action::Ready);
    assert!(
        matches!(&actions[1], Action::PublishError { error, .. } if error.class == ErrorClass::Interrupted)
    );
    assert_eq!(actions[2], Action::WakeAt(s(40)));
    assert_eq!(machine.handle(Event::Timer, s(40)), [Action::Scan]);
}

#[test]
fn an_initialisation_cut_off_with_the_container_is_delayed_too() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::Interrupted(1), s(0));
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::Observed(observed("c1")), s(0));
    let actions = machine.handle(Event::ConfigLoaded("c1".to_owned()), s(0));
    assert!(matches!(&actions[0], Action::PublishError { .. }));
    assert_eq!(actions[1], Action::WakeAt(s(10)));
    assert_eq!(
        machine.handle(Event::Timer, s(10)),
        [Action::Initialise(Cause::First)]
    );
}

#[test]
fn an_aide_that_cannot_be_ended_is_reported_again_and_again_and_no_second_one_starts() {
    let stuck = || {
        Event::Finished(Finished::Stuck(ScanError::new(
            ErrorClass::Hung,
            "no progress",
        )))
    };
    let is_told = |action: &Action| matches!(action, Action::PublishError { error, .. } if error.class == ErrorClass::Hung);
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    let actions = machine.handle(stuck(), s(31));
    assert!(is_told(&actions[0]), "{actions:?}");
    assert_eq!(actions[1..], [Action::WakeAt(s(131))]);
    // Nothing that happens starts another one, not even a request.
    let wished = machine.handle(Event::Observed(requested("r1")), s(40));
    assert_eq!(wished, [Action::WakeAt(s(131))]);
    let actions = machine.handle(Event::Timer, s(131));
    assert!(is_told(&actions[0]), "{actions:?}");
    assert_eq!(actions[1..], [Action::WakeAt(s(231))]);
    assert_eq!(
        machine.handle(Event::Freed, s(140)),
        [Action::Initialise(Cause::Requested("r1".to_owned()))]
    );
}

#[test]
fn a_daemon_does_not_wait_for_an_aide_that_cannot_be_ended() {
    let mut machine = Machine::new(SETTINGS);
    machine.handle(Event::DiskRead(Disk::Nothing), s(0));
    machine.handle(Event::Observed(observed("c1")), s(0));
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
fn a_result_that_came_before_the_stop_is_published() {
    let mut machine = idle();
    machine.handle(Event::Timer, s(30));
    machine.handle(Event::Shutdown, s(31));
    assert_eq!(
        machine.handle(scanned("d1"), s(32)),
        [Action::PublishScan, Action::Exit]
    );
}
