//! Compares the baseline on the disk with the reported one. Pure.

use super::baseline::{Disk, ExecutedAcceptance, KnownBaseline, NO_DATABASE};
use super::messages;
use crate::api::{AcceptanceRequest, HoldEnd};
use crate::daemon::node_state::{ObservedStatus, ReportedBaseline};
use crate::scan::event::EventMessage;
use crate::scan::outcome::ScanError;

/// What disk and API together show of the baseline.
#[derive(Debug, PartialEq)]
pub(super) enum Comparison {
    /// Both have the same baseline.
    Same,
    /// The disk has a baseline that must be reported.
    Adopt {
        request: Option<String>,
        event: Option<EventMessage>,
    },
    /// The disk has the baseline of this acceptance, which must be reported.
    AdoptAccepted(AcceptanceRequest),
    /// The same of an acceptance that is not requested any more.
    AdoptWithdrawn {
        executed: ExecutedAcceptance,
        event: EventMessage,
    },
    /// Both have the same baseline, but its record on the disk was lost. It is restored from the API.
    Restored(KnownBaseline),
    /// The disk has a baseline that nothing explains.
    Tampered(ScanError),
    /// The disk has no baseline that could be used.
    NoBaseline,
}

/// A baseline that was not reported is explained by a crash before it was published: its record has a
/// request, an acceptance or a configuration that is still desired, or states that it was created without a request, which
/// is possible unless only an acceptance may replace a baseline. So does that of an acceptance that was withdrawn meanwhile,
/// if it has replaced the reported baseline. Nothing but the record proves that, and whoever can replace the baseline can
/// write the record: it counts as unrequested. Any other baseline was placed there by somebody.
pub(super) fn compare(disk: &Disk, observed: &ObservedStatus) -> Comparison {
    if let Some(request) = executed_acceptance(disk, observed) {
        return Comparison::AdoptAccepted(request);
    }
    match (disk, &observed.baseline) {
        (Disk::Nothing | Disk::Missing(_), _) | (Disk::Foreign { .. } | Disk::Unreadable, None) => {
            Comparison::NoBaseline
        }
        (Disk::Unreadable, Some(reported)) => {
            Comparison::Tampered(messages::tampered(&reported.digest, NO_DATABASE))
        }
        (Disk::Foreign { digest }, Some(reported)) if *digest != reported.digest => {
            Comparison::Tampered(messages::tampered(&reported.digest, digest))
        }
        (Disk::Foreign { digest }, Some(reported)) => Comparison::Restored(KnownBaseline {
            config_hash: reported.config_hash.clone(),
            digest: digest.clone(),
            request: observed.reinit_done.clone(),
            requested: reported.requested,
            acceptance: None,
        }),
        (Disk::Baseline(known), None) => unreported(known, observed),
        (Disk::Baseline(known), Some(reported)) if known.digest == reported.digest => {
            match open_request(known, observed) {
                // Somebody removed the completed request from the status. It is reported again, not executed
                // again.
                request @ Some(_) => Comparison::Adopt {
                    request,
                    event: None,
                },
                None => Comparison::Same,
            }
        }
        (Disk::Baseline(known), Some(reported)) => another(known, reported, observed),
    }
}

/// The API has no baseline.
fn unreported(known: &KnownBaseline, observed: &ObservedStatus) -> Comparison {
    let failure = observed.open_failure.as_deref();
    let request = known.request.clone();
    Comparison::Adopt {
        request: request.filter(|id| observed.desired.reinit_request.as_ref() == Some(id)),
        event: (!known.requested).then(|| messages::unrequested(None, &known.digest, failure)),
    }
}

/// The API has another baseline than the disk.
fn another(
    known: &KnownBaseline,
    reported: &ReportedBaseline,
    observed: &ObservedStatus,
) -> Comparison {
    let request = open_request(known, observed);
    let is_of_new_config = known.config_hash != reported.config_hash
        && observed.desired.config_hash.as_ref() == Some(&known.config_hash);
    let is_desired = request.is_some() || is_of_new_config || is_of_hold(known, observed);
    if is_desired || is_announced(known, observed) {
        Comparison::Adopt {
            request,
            event: None,
        }
    } else if let Some(executed) = executed_on(known, reported) {
        Comparison::AdoptWithdrawn {
            event: messages::withdrawn(executed, &known.digest),
            executed: executed.clone(),
        }
    } else if !known.requested && !observed.desired.require_acceptance {
        let failure = observed.open_failure.as_deref();
        let event = messages::unrequested(Some(&reported.digest), &known.digest, failure);
        Comparison::Adopt {
            request: None,
            event: Some(event),
        }
    } else {
        Comparison::Tampered(messages::tampered(&reported.digest, &known.digest))
    }
}

/// The acceptance that has replaced the reported baseline by this one.
fn executed_on<'a>(
    known: &'a KnownBaseline,
    reported: &ReportedBaseline,
) -> Option<&'a ExecutedAcceptance> {
    let executed = known.acceptance.as_ref()?;
    (executed.old_digest == reported.digest).then_some(executed)
}

/// The request that this baseline was created for, if it is not reported as done.
fn open_request(known: &KnownBaseline, observed: &ObservedStatus) -> Option<String> {
    let request = known.request.clone();
    request.filter(|id| {
        observed.desired.reinit_request.as_ref() == Some(id)
            && observed.reinit_done.as_ref() != Some(id)
    })
}

/// Whether the baseline accepts the changes at the end of holds that are not reported as over. Whoever can replace the
/// baseline knows the id of any hold, so the spec must still request that these holds accept changes.
fn is_of_hold(known: &KnownBaseline, observed: &ObservedStatus) -> bool {
    let Some(hold) = &observed.hold else {
        return false;
    };
    let accepts = |name: &String| {
        let mut desired = observed.desired.holds.iter();
        desired.any(|hold| hold.name == *name && hold.then == HoldEnd::Accept)
    };
    hold.then == HoldEnd::Accept
        && !hold.holds.is_empty()
        && hold.holds.iter().all(accepts)
        && known.request == Some(hold.id())
}

/// Whether the baseline accepts announced changes. Its request has the UIDs of all acceptances. An acceptance of which
/// all changes were accepted explains no further baseline.
fn is_announced(known: &KnownBaseline, observed: &ObservedStatus) -> bool {
    let uids = known.request.as_deref().map(|request| request.split(','));
    let announced = &observed.desired.announced;
    uids.into_iter()
        .flatten()
        .filter(|uid| !observed.accepted_lists.iter().any(|done| done == uid))
        .any(|uid| announced.iter().any(|announced| announced.uid == uid))
}

/// The acceptance that this baseline was created for, if it is not reported as accepted. It is never executed again.
fn executed_acceptance(disk: &Disk, observed: &ObservedStatus) -> Option<AcceptanceRequest> {
    let Disk::Baseline(known) = disk else {
        return None;
    };
    let request = observed.desired.acceptance.clone()?;
    let answer = observed.acceptance.as_ref();
    let is_reported = answer.is_some_and(|answer| request.is_answered_by(answer));
    (known.request.as_ref() == Some(&request.uid) && !is_reported).then_some(request)
}
