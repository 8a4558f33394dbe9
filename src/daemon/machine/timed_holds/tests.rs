//! Tests of holds with an end, with all kinds of clocks.

use k8s_openapi::jiff::SignedDuration;

use super::super::tests::{SETTINGS, baseline, initialized, known, s, scanned};
use super::super::{Action, BaselineReason, Disk, Event, Finished, KnownBaseline, Machine, State};
use super::*;
use crate::api::{AcceptedReason, ErrorClass, HoldReason};
use crate::scan::outcome::ScanError;
use crate::scan::reporting::HoldUpdate;

/// Minutes after midnight by the wall clock.
fn at(minutes: i64) -> Timestamp {
    let midnight: Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
    midnight + SignedDuration::from_mins(minutes)
}

fn hold(name: &str, from: i64, until: i64, then: HoldEnd) -> TimedHold {
    TimedHold {
        name: name.to_owned(),
        from: at(from),
        until: at(until),
        then,
    }
}

fn reports(name: &str, from: i64, until: i64) -> TimedHold {
    hold(name, from, until, HoldEnd::Report)
}

fn accepts(name: &str, from: i64, until: i64) -> TimedHold {
    hold(name, from, until, HoldEnd::Accept)
}

/// A daemon, the clocks of its node, and the node status.
struct Node {
    machine: Machine,
    /// Since the start of the daemon.
    elapsed: Duration,
    /// The wall clock.
    wall: Timestamp,
    status: ObservedStatus,
    /// Whether what the daemon publishes reaches the API server.
    api_is_reachable: bool,
    /// What the next update of the node status will have.
    hold: Option<HoldUpdate>,
    /// Actions other than those about holds, and timers.
    actions: Vec<Action>,
    wake: Option<Duration>,
    known: KnownBaseline,
}

impl Node {
    /// A node with these holds, after its first scan.
    fn new(holds: &[TimedHold], minutes: i64) -> Self {
        let mut node = Self::with_status(known("c1", "d1"), baseline("c1", "d1"), minutes);
        node.status.desired.holds = holds.to_vec();
        node.start();
        node
    }

    fn with_status(status: ObservedStatus, known: KnownBaseline, minutes: i64) -> Self {
        Self {
            machine: Machine::new(SETTINGS),
            elapsed: s(0),
            wall: at(minutes),
            status,
            api_is_reachable: true,
            hold: None,
            actions: Vec::new(),
            wake: None,
            known,
        }
    }

    /// The daemon starts, and scans if it is not held.
    fn start(&mut self) {
        self.machine = Machine::new(SETTINGS);
        (self.hold, self.elapsed) = (None, s(0));
        self.event(Event::DiskRead(Disk::Baseline(self.known.clone())));
        self.observe();
        self.event(Event::ConfigLoaded("c1".to_owned()));
        let is_of_start = |action: &Action| matches!(action, Action::Ready | Action::LoadConfig(_));
        self.actions.retain(|action| !is_of_start(action));
        self.scan_if_running();
    }

    fn scan_if_running(&mut self) {
        if self.machine.state() == &State::Scanning {
            let digest = self.known.digest.clone();
            self.event(scanned(&digest));
        }
    }

    fn observe(&mut self) {
        self.event(Event::observed(self.status.clone()));
    }

    fn event(&mut self, event: Event) {
        self.wake = None;
        self.machine.set_clock(self.wall);
        for action in self.machine.handle(event, self.elapsed) {
            match action {
                Action::WakeAt(due) => self.wake = self.wake.into_iter().chain([due]).min(),
                Action::SetHold(hold) => self.hold = Some(hold.into()),
                Action::PublishHold(hold) => {
                    self.hold = Some(hold.into());
                    self.publish();
                }
                Action::PublishScan => self.publish(),
                Action::PublishBaseline { .. } => {
                    self.publish();
                    self.actions.push(action);
                }
                action => self.actions.push(action),
            }
        }
    }

    /// The node status gets what the daemon has published. The daemon observes that with the next event.
    fn publish(&mut self) {
        match (self.api_is_reachable, &self.hold) {
            (true, Some(HoldUpdate::Over)) => self.status.hold = None,
            (true, Some(HoldUpdate::Shown(hold))) => self.status.hold = Some(hold.clone()),
            _ => {}
        }
    }

    /// Lets both clocks run, with all timers of the daemon.
    fn run(&mut self, minutes: i64) {
        let end = self.elapsed + s(60 * u64::try_from(minutes).unwrap());
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            let passed = wake.saturating_sub(self.elapsed);
            self.elapsed = wake;
            self.wall += SignedDuration::try_from(passed).unwrap();
            self.event(Event::Timer);
            self.observe();
            self.scan_if_running();
        }
        let passed = end.saturating_sub(self.elapsed);
        self.elapsed = end;
        self.wall += SignedDuration::try_from(passed).unwrap();
    }

    /// Somebody sets the wall clock. Half a minute passes.
    fn set_wall(&mut self, minutes: i64) {
        self.wall = at(minutes);
        let due = self.wake.expect("a timer");
        assert!(due <= self.elapsed + s(30), "{due:?} {:?}", self.elapsed);
        self.elapsed = due;
        self.event(Event::Timer);
        self.observe();
        self.scan_if_running();
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn is_held(&self) -> bool {
        *self.machine.state() == State::Held
    }

    /// The new baseline that is being created, if it is that of the end of holds.
    fn accepting(&self) -> Option<EndedHold> {
        match self.machine.state() {
            State::Initializing(BaselineReason::HoldEnded(ended)) => Some(ended.clone()),
            _ => None,
        }
    }

    /// AIDE has created the baseline of the end of these holds.
    fn accept(&mut self, digest: &str) {
        let ended = self.accepting().expect("a new baseline");
        self.known = KnownBaseline {
            request: Some(ended.id),
            ..baseline("c1", digest)
        };
        self.event(Event::Finished(Finished::Initialized(self.known.clone())));
        self.scan_if_running();
    }
}

impl Node {
    /// Whether the next process reports that nothing explains the baseline.
    fn is_tampered(&mut self) -> bool {
        self.take();
        self.start();
        // What the API server does not show of a hold is published first.
        self.run(1);
        let actions = self.take();
        let is_error = |action: &Action| matches!(action, Action::PublishError { .. });
        let is_adopted = |action: &Action| matches!(action, Action::PublishBaseline { .. });
        actions.iter().any(is_error) && !actions.iter().any(is_adopted)
    }
}

fn held_by(name: &str) -> Action {
    Action::HoldByName(vec![name.to_owned()])
}

#[test]
fn a_hold_starts_and_ends_on_time_and_changes_are_reported() {
    let mut node = Node::new(&[reports("a", 10, 20)], 0);
    node.take();
    node.run(9);
    assert!(!node.is_held() && node.status.hold.is_none());
    node.take();
    node.run(1);
    assert_eq!(node.take().last(), Some(&held_by("a")));
    let shown = node.status.hold.clone().unwrap();
    assert_eq!((shown.since.0, shown.until.0), (at(10), at(20)));
    assert_eq!(
        (shown.then, shown.holds),
        (HoldEnd::Report, vec!["a".to_owned()])
    );
    node.run(9);
    assert!(node.is_held() && node.take().is_empty());
    node.run(1);
    // The comparison with the old baseline.
    assert_eq!(node.take(), [Action::EndHold, Action::Scan]);
    assert_eq!(node.status.hold, None);
    node.run(60);
    assert!(node.take().iter().all(|action| *action == Action::Scan));
}

#[test]
fn changes_are_accepted_once_when_a_hold_says_so() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(19);
    assert!(node.is_held());
    node.take();
    node.run(1);
    let ended = node.accepting().unwrap();
    assert_eq!(ended.holds, ["a"]);
    let reason = BaselineReason::HoldEnded(ended);
    assert_eq!(reason.accepts(), Some(AcceptedReason::HoldEnded));
    assert_eq!(node.take(), [Action::EndHold, Action::Initialize(reason)]);
    // Until the baseline is there, the node status shows the hold: the next process continues.
    assert_eq!(
        node.status.hold.as_ref().map(|hold| hold.then),
        Some(HoldEnd::Accept)
    );
    node.accept("d2");
    let published = Action::PublishBaseline {
        request: None,
        event: None,
    };
    assert_eq!(node.take(), [published, Action::Scan]);
    assert_eq!(node.status.hold, None);
    node.run(60);
    assert!(node.take().iter().all(|action| *action == Action::Scan));
}

#[test]
fn a_hold_ends_while_nothing_of_the_api_server_arrives() {
    for (then, is_accepted) in [(HoldEnd::Report, false), (HoldEnd::Accept, true)] {
        let mut node = Node::new(&[hold("a", 10, 20, then)], 0);
        node.run(12);
        node.api_is_reachable = false;
        node.take();
        node.run(8);
        assert!(!node.is_held());
        assert_eq!(node.accepting().is_some(), is_accepted);
    }
}

#[test]
fn a_hold_that_the_api_server_does_not_show_accepts_nothing_yet() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.api_is_reachable = false;
    node.run(30);
    // A process after a crash could not explain the new baseline.
    assert!(node.is_held() && node.accepting().is_none());
    node.api_is_reachable = true;
    node.run(1);
    assert!(node.accepting().is_some());
}

#[test]
fn overlapping_holds_are_one() {
    for (thens, is_accepted) in [
        ([HoldEnd::Accept, HoldEnd::Accept], true),
        ([HoldEnd::Accept, HoldEnd::Report], false),
        ([HoldEnd::Report, HoldEnd::Accept], false),
    ] {
        // They overlap, follow each other, and one contains the other.
        for [first, second] in [
            [(10, 20), (15, 30)],
            [(10, 20), (20, 30)],
            [(10, 30), (15, 20)],
        ] {
            let holds = [
                hold("a", first.0, first.1, thens[0]),
                hold("b", second.0, second.1, thens[1]),
            ];
            let mut node = Node::new(&holds, 0);
            node.run(12);
            node.take();
            node.run(17);
            assert!(node.is_held(), "{holds:?}");
            assert_eq!(node.take(), [], "{holds:?}");
            let shown = node.status.hold.clone().unwrap();
            assert_eq!(
                (shown.since.0, shown.until.0),
                (at(10), at(30)),
                "{holds:?}"
            );
            assert_eq!(shown.holds, ["a", "b"]);
            node.run(1);
            assert_eq!(node.accepting().is_some(), is_accepted, "{holds:?}");
            assert!(!node.is_held());
        }
    }
    // Between these, changes are reported.
    let mut node = Node::new(&[reports("a", 10, 20), accepts("b", 21, 30)], 0);
    node.run(20);
    assert!(!node.is_held() && node.status.hold.is_none());
    node.run(2);
    assert_eq!(node.status.hold.clone().unwrap().holds, ["b"]);
    node.run(8);
    assert!(node.accepting().is_some());
}

#[test]
fn a_hold_can_be_changed_while_it_is_active() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(15);
    node.status.desired.holds = vec![reports("a", 10, 40)];
    node.observe();
    node.run(20);
    assert!(node.is_held());
    let shown = node.status.hold.clone().unwrap();
    assert_eq!((shown.until.0, shown.then), (at(40), HoldEnd::Report));
    // To end it now, and accept.
    node.status.desired.holds = vec![accepts("a", 10, 34)];
    node.observe();
    node.run(1);
    assert!(node.accepting().is_some());
}

#[test]
fn a_hold_that_is_removed_accepts_nothing() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(15);
    node.take();
    node.status.desired.holds.clear();
    node.observe();
    assert_eq!(node.take(), [Action::EndHold, Action::Scan]);
    assert_eq!(node.status.hold, None);
}

#[test]
fn a_hold_that_ends_before_it_starts_never_holds() {
    let mut node = Node::new(&[accepts("a", 20, 10), accepts("b", 10, 10)], 0);
    node.run(60);
    assert!(node.status.hold.is_none());
    assert!(node.take().iter().all(|action| *action == Action::Scan));
}

#[test]
fn a_clock_that_is_set_forward_starts_and_ends_holds() {
    let mut node = Node::new(&[reports("a", 10, 20), accepts("b", 100, 110)], 0);
    node.set_wall(12);
    assert!(node.is_held());
    node.set_wall(50);
    assert!(!node.is_held() && node.status.hold.is_none());
    // A hold that the clock jumps over was never active, so nothing is accepted.
    node.set_wall(200);
    assert!(!node.is_held() && node.accepting().is_none());
    assert_eq!(node.status.hold, None);
}

#[test]
fn a_clock_that_is_set_back_before_the_hold_ends_it_and_accepts_nothing() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(12);
    assert!(node.is_held());
    node.take();
    node.set_wall(5);
    assert!(!node.is_held() && node.accepting().is_none());
    assert_eq!(node.take(), [Action::EndHold, Action::Scan]);
    // By the clock, the hold starts again.
    node.run(6);
    assert!(node.is_held());
    node.run(10);
    assert!(node.accepting().is_some());
}

#[test]
fn a_clock_that_is_set_back_into_the_hold_starts_it_again() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(20);
    node.accept("d2");
    let first = node.known.request.clone();
    node.set_wall(15);
    assert!(node.is_held());
    node.run(5);
    node.accept("d3");
    assert_ne!(node.known.request, first);
    assert_eq!(node.status.hold, None);
}

#[test]
fn a_restarted_daemon_continues_the_hold() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(12);
    let shown = node.status.hold.clone();
    node.wall = at(15);
    node.start();
    assert!(node.is_held());
    assert_eq!(node.status.hold, shown);
    node.run(5);
    assert!(node.accepting().is_some());
}

#[test]
fn a_hold_that_ended_while_the_node_was_off_ends_at_the_start() {
    for (then, is_accepted) in [(HoldEnd::Report, false), (HoldEnd::Accept, true)] {
        let mut node = Node::new(&[hold("a", 10, 20, then)], 0);
        node.run(12);
        node.wall = at(500);
        node.take();
        node.start();
        assert_eq!(node.accepting().is_some(), is_accepted);
        if is_accepted {
            node.accept("d2");
        }
        assert_eq!(node.status.hold, None);
        assert!(!node.take().contains(&held_by("a")));
    }
    // Of a hold that started and ended while the node was off, nothing is known: changes are reported.
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.wall = at(500);
    node.start();
    assert!(node.accepting().is_none() && !node.is_held());
}

#[test]
fn after_a_crash_the_new_baseline_is_explained_and_not_created_again() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(20);
    node.api_is_reachable = false;
    node.accept("d2");
    assert!(node.status.hold.is_some());
    node.api_is_reachable = true;
    node.take();
    node.start();
    let published = Action::PublishBaseline {
        request: None,
        event: None,
    };
    assert_eq!(node.take(), [published, Action::Scan]);
    assert_eq!(node.status.hold, None);
}

#[test]
fn a_baseline_of_another_period_is_not_explained() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(20);
    node.known.request = Some(NodeHold::request_id("0123456789abcdef"));
    node.known.digest = "d2".to_owned();
    node.take();
    node.start();
    let actions = node.take();
    assert!(
        matches!(actions[0], Action::PublishError { .. }),
        "{actions:?}"
    );
}

#[test]
fn a_baseline_that_the_spec_does_not_accept_is_not_explained() {
    // Whoever can replace the baseline can write the node status and the record, but not the spec.
    for (holds, shown) in [
        (vec![reports("a", 10, 20)], HoldEnd::Report),
        (vec![reports("a", 10, 20)], HoldEnd::Accept),
        (vec![accepts("a", 10, 20)], HoldEnd::Report),
        (vec![accepts("b", 10, 20)], HoldEnd::Accept),
        (Vec::new(), HoldEnd::Accept),
    ] {
        let mut node = Node::new(&[accepts("a", 10, 20)], 0);
        node.run(20);
        node.known = KnownBaseline {
            request: node.status.hold.as_ref().map(NodeHold::id),
            ..baseline("c1", "d2")
        };
        node.status.desired.holds = holds;
        if let Some(hold) = &mut node.status.hold {
            hold.then = shown;
        }
        assert!(node.is_tampered());
    }
    // Holds without names are none.
    let mut node = Node::new(&[], 0);
    let hold = NodeHold {
        since: time::whole_seconds(at(10)),
        until: time::whole_seconds(at(20)),
        then: HoldEnd::Accept,
        holds: Vec::new(),
    };
    node.known = KnownBaseline {
        request: Some(hold.id()),
        ..baseline("c1", "d2")
    };
    node.status.hold = Some(hold);
    assert!(node.is_tampered());
}

#[test]
fn a_hold_is_shown_as_accepting_before_it_accepts() {
    let mut node = Node::new(&[reports("a", 10, 20)], 0);
    node.run(15);
    node.api_is_reachable = false;
    node.status.desired.holds = vec![accepts("a", 10, 20)];
    node.observe();
    node.run(10);
    // The API server shows a hold that reports.
    assert!(node.is_held() && node.accepting().is_none());
    node.api_is_reachable = true;
    node.run(1);
    assert!(node.accepting().is_some());
}

#[test]
fn a_change_of_exclusions_during_the_hold_accepts_nothing() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(15);
    node.status = node.status.clone().with_config("c2");
    node.observe();
    node.event(Event::ConfigLoaded("c2".to_owned()));
    assert!(node.is_held());
    node.run(5);
    let state = State::Initializing(BaselineReason::Config);
    assert_eq!(node.machine.state(), &state);
    node.known = baseline("c2", "d2");
    let changed = Finished::ExclusionsChanged(node.known.clone());
    node.event(Event::Finished(changed));
    let ended = node.accepting().map(|ended| ended.holds);
    assert_eq!(ended, Some(vec!["a".to_owned()]));
}

#[test]
fn a_baseline_that_cannot_be_created_is_tried_again() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(20);
    let ended = node.accepting().unwrap();
    let error = ScanError::new(ErrorClass::Io, "AIDE error: 18 IO error");
    node.event(Event::Finished(Finished::InitFailed(error)));
    assert!(node.accepting().is_none() && node.status.hold.is_some());
    node.run(1);
    assert_eq!(node.accepting(), Some(ended));
}

#[test]
fn any_new_baseline_after_the_hold_ends_it() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(15);
    node.status = node.status.clone().with_request("r1");
    node.observe();
    assert!(node.is_held());
    node.run(5);
    let requested = State::Initializing(BaselineReason::Requested("r1".to_owned()));
    assert_eq!(node.machine.state(), &requested);
    node.event(initialized("c1", "d2"));
    assert_eq!(node.status.hold, None);
    assert_eq!(node.machine.state(), &State::Scanning);
}

#[test]
fn the_annotation_decides_if_it_holds_longer() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(15);
    node.status = node.status.clone().held();
    node.observe();
    node.take();
    node.run(10);
    assert!(node.is_held() && node.status.hold.is_none());
    node.status.desired.hold = None;
    node.observe();
    assert_eq!(node.take(), [Action::EndHold, Action::Scan]);
    // It does not change what a hold does that ends later.
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.status.desired.hold = Some(HoldReason::User);
    node.observe();
    node.run(15);
    node.status.desired.hold = None;
    node.observe();
    assert!(node.is_held());
    node.run(5);
    assert!(node.accepting().is_some());
}

#[test]
fn a_scan_that_runs_at_the_start_of_the_hold_is_completed() {
    let mut node = Node::new(&[reports("a", 10, 20)], 0);
    node.run(9);
    node.wall = at(11);
    node.event(Event::ScanNeeded);
    let status = node.status.clone();
    assert!(node.is_held() && status.hold.is_some());
    // The same while AIDE runs.
    let mut node = Node::with_status(known("c1", "d1"), baseline("c1", "d1"), 0);
    node.status.desired.holds = vec![reports("a", 10, 20)];
    node.event(Event::DiskRead(Disk::Baseline(node.known.clone())));
    node.observe();
    node.event(Event::ConfigLoaded("c1".to_owned()));
    assert_eq!(node.machine.state(), &State::Scanning);
    node.wall = at(10);
    node.event(Event::Timer);
    assert_eq!(node.machine.state(), &State::Scanning);
    assert!(node.status.hold.is_some());
    node.event(scanned("d1"));
    assert!(node.is_held());
}

#[test]
fn a_hold_that_passes_while_aide_runs_still_does_what_follows() {
    for then in [HoldEnd::Report, HoldEnd::Accept] {
        let mut node = Node::with_status(known("c1", "d1"), baseline("c1", "d1"), 0);
        node.status.desired.holds = vec![hold("a", 10, 20, then)];
        node.event(Event::DiskRead(Disk::Baseline(node.known.clone())));
        node.observe();
        node.event(Event::ConfigLoaded("c1".to_owned()));
        for minutes in [10, 20] {
            node.wall = at(minutes);
            node.event(Event::Timer);
            node.observe();
            assert_eq!(node.machine.state(), &State::Scanning);
            assert!(node.status.hold.is_some());
        }
        node.take();
        node.event(scanned("d1"));
        // The scan has not compared what changed behind it.
        let is_accepting = node.accepting().is_some();
        assert_eq!(is_accepting, then == HoldEnd::Accept);
        assert!(is_accepting || node.take() == [Action::Scan]);
    }
}

#[test]
fn a_baseline_that_is_not_trusted_accepts_nothing() {
    let mut node = Node::new(&[accepts("a", 10, 20)], 0);
    node.run(15);
    node.known.digest = "forged".to_owned();
    node.wall = at(30);
    node.take();
    node.start();
    assert!(node.accepting().is_none());
    let actions = node.take();
    assert!(
        matches!(actions[0], Action::PublishError { .. }),
        "{actions:?}"
    );
}

#[test]
fn without_holds_there_is_no_timer_for_the_clock() {
    let mut node = Node::new(&[], 0);
    assert_eq!(node.wake, Some(s(30)));
    node.run(1);
    assert!(node.wake.unwrap() > node.elapsed + s(30));
    let holds = TimedHolds {
        clock: Some(at(0)),
        desired: vec![reports("a", 10, 20)],
        ..TimedHolds::default()
    };
    assert_eq!(holds.next_look(), Some(CLOCK_INTERVAL));
    let mut holds = holds;
    holds.set_clock(at(20) - SignedDuration::from_millis(1500));
    assert_eq!(holds.next_look(), Some(Duration::from_millis(1500)));
}
