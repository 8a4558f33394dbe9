//! Holds of the spec: when they hold the node, and what happens at their end. Pure.
//!
//! They start and end by the wall clock, which is an input, so the operator need not run. Each decision is made anew
//! from the clock as it is now: if somebody sets it, a hold starts, ends, or starts again.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::{HoldEnd, NodeHold, TimedHold, names, time};
use crate::daemon::node_state::ObservedStatus;

/// How often the clock is read: it may be set at any time.
const CLOCK_INTERVAL: Duration = Duration::from_secs(30);

/// The holds of the node, and whether they hold it.
#[derive(Clone, Debug, Default)]
pub(super) struct TimedHolds {
    /// The wall clock. None if it was never read.
    clock: Option<Timestamp>,
    desired: Vec<TimedHold>,
    period: Option<Period>,
    /// Whether the node status was observed.
    is_restored: bool,
    /// What the node status in the API shows.
    reported: Option<NodeHold>,
    /// What was published last.
    published: Option<NodeHold>,
}

/// The time since the first of several holds that overlap, or follow each other without a gap.
#[derive(Clone, Debug)]
struct Period {
    since: Timestamp,
    /// The holds that were active in it.
    holds: BTreeSet<String>,
}

/// Whether holds of the spec hold the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// No hold was active, or all that follows from its end is done.
    None,
    Active(NodeHold),
    /// The last hold has ended, and changes are reported.
    Reports,
    /// The last hold has ended, and changes are to be accepted. The API server does not show the hold yet: a baseline
    /// that it cannot explain would look like one that somebody has placed there.
    Unreported(NodeHold),
    /// The last hold has ended, and changes are to be accepted.
    Accepts(EndedHold),
}

/// Holds at whose end a new baseline is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedHold {
    /// Identifies the period on this node.
    pub(crate) id: String,
    /// Identifies the holds: nodes with the same ones have the same id.
    pub(crate) request: String,
    /// Their names.
    pub(crate) holds: Vec<String>,
}

impl TimedHolds {
    pub(super) fn set_clock(&mut self, clock: Timestamp) {
        self.clock = Some(clock);
    }

    pub(super) fn observe(&mut self, observed: &ObservedStatus) {
        self.desired.clone_from(&observed.desired.holds);
        self.reported.clone_from(&observed.hold);
        if std::mem::replace(&mut self.is_restored, true) {
            return;
        }
        self.published.clone_from(&observed.hold);
        // The process before this one has seen it.
        if let Some(hold) = &observed.hold {
            let period = self.period.get_or_insert_with(|| Period {
                since: hold.since.0,
                holds: BTreeSet::new(),
            });
            period.since = hold.since.0;
            period.holds.extend(hold.holds.iter().cloned());
        }
    }

    /// Finds out which holds are active. Returns what is to be published, if it is something else than before.
    pub(super) fn look(&mut self) -> Option<NodeHold> {
        let clock = self.clock?;
        let active = self.desired.iter().filter(|hold| hold.is_active(clock));
        let active: Vec<String> = active.map(|hold| hold.name.clone()).collect();
        if !active.is_empty() {
            let period = self.period.get_or_insert_with(|| Period {
                since: time::whole_seconds(clock).0,
                holds: BTreeSet::new(),
            });
            period.holds.extend(active);
        }
        let shown = self.shown();
        if shown.is_none() || shown == self.published {
            return None;
        }
        self.published.clone_from(&shown);
        shown
    }

    pub(super) fn phase(&self) -> Phase {
        let (Some(clock), Some(shown), Some(period)) = (self.clock, self.shown(), &self.period)
        else {
            return Phase::None;
        };
        if self.is_active() {
            return Phase::Active(shown);
        }
        let of_period: Vec<&TimedHold> = self.of_period(period).collect();
        // A hold that was removed was withdrawn, also what should follow. One that has not ended by the clock was
        // ended by a clock that was set back.
        let accepts = of_period.len() == period.holds.len()
            && (of_period.iter()).all(|it| it.then == HoldEnd::Accept && it.until <= clock);
        if !accepts {
            return Phase::Reports;
        }
        // `until` is only for people.
        let key = |it: &NodeHold| (it.since.clone(), it.then, it.holds.clone());
        let is_reported = |it: &NodeHold| key(it) == key(&shown);
        if !self.reported.as_ref().is_some_and(is_reported) {
            return Phase::Unreported(shown);
        }
        Phase::Accepts(EndedHold {
            id: shown.id(),
            request: request(&of_period),
            holds: shown.holds,
        })
    }

    /// Whether a hold is active now.
    pub(super) fn is_active(&self) -> bool {
        let clock = self.clock;
        let mut desired = self.desired.iter();
        clock.is_some_and(|clock| desired.any(|hold| hold.is_active(clock)))
    }

    /// Whether the baseline of this request is that of the end of these holds.
    pub(super) fn is_of_period(&self, request: Option<&str>) -> bool {
        self.reported
            .as_ref()
            .is_some_and(|hold| Some(&*hold.id()) == request)
    }

    /// All that follows from the end of the holds is done. Returns whether there were any.
    pub(super) fn finish(&mut self) -> bool {
        self.published = None;
        self.period.take().is_some()
    }

    /// When the clock is to be read again.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let clock = self.clock?;
        if self.desired.is_empty() && self.period.is_none() {
            return None;
        }
        let times = self.desired.iter().flat_map(|hold| [hold.from, hold.until]);
        let next = times.filter_map(|at| Duration::try_from(at.duration_since(clock)).ok());
        let next = next.filter(|left| !left.is_zero()).min();
        Some(next.map_or(CLOCK_INTERVAL, |next| next.min(CLOCK_INTERVAL)))
    }

    /// What the node status should show.
    fn shown(&self) -> Option<NodeHold> {
        let period = self.period.as_ref()?;
        let of_period: Vec<&TimedHold> = self.of_period(period).collect();
        let accepts = of_period.len() == period.holds.len()
            && of_period.iter().all(|hold| hold.then == HoldEnd::Accept);
        let until = of_period.iter().map(|hold| hold.until).max();
        let published = self.published.as_ref().map(|it| it.until.0);
        Some(NodeHold {
            since: time::whole_seconds(period.since),
            until: time::whole_seconds(until.or(published).unwrap_or(period.since)),
            then: if accepts {
                HoldEnd::Accept
            } else {
                HoldEnd::Report
            },
            holds: period.holds.iter().cloned().collect(),
        })
    }

    fn of_period<'a>(&'a self, period: &'a Period) -> impl Iterator<Item = &'a TimedHold> {
        let desired = self.desired.iter();
        desired.filter(|hold| period.holds.contains(&hold.name))
    }
}

/// Identifies these holds.
fn request(holds: &[&TimedHold]) -> String {
    let mut holds: Vec<String> = holds
        .iter()
        .map(|hold| format!("{}/{}/{}", hold.name, hold.from, hold.until))
        .collect();
    holds.sort();
    NodeHold::request_id(&names::short_hash(holds.join(" ")))
}

#[cfg(test)]
mod tests;
