//! The state of realtime detection in the node status. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::watch_state::WatchState;
use crate::api::{RealtimeReason, RealtimeState, RealtimeStatus, time};
use crate::text::shorten_middle;

/// Maximum bytes of a message.
const MAX_MESSAGE: usize = 512;

/// What the state depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Scans of all files since the directories are watched.
    pub(crate) scans: Scans,
    /// The kernel has dropped events, and no scan of all files has ended since.
    pub(crate) has_overflowed: bool,
    /// Why the last check failed, if no scan of all files has ended since.
    pub(crate) check_error: Option<String>,
    /// A path that is announced all the time.
    pub(crate) busy_path: Option<String>,
    pub(crate) checks: u64,
    pub(crate) missed: u64,
}

/// Whether a scan of all files has ended since the directories are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scans {
    #[default]
    NotEnded,
    /// The complete state of the node is known.
    Compared,
    /// The last scan has not compared all files, or there are too many differences.
    NotCompared,
}

/// A state with its reason and message.
type Condition = (RealtimeState, Option<(RealtimeReason, String)>);

/// The status now. `before` is the last one, which has the time of the last transition.
pub(crate) fn status(
    watch: &WatchState,
    facts: &Facts,
    before: Option<&RealtimeStatus>,
    now: &Time,
) -> RealtimeStatus {
    let (state, cause) = condition(watch, facts);
    let (reason, message) = cause.unzip();
    let is_same = |before: &&RealtimeStatus| before.state == state && before.reason == reason;
    let since = before.filter(is_same).map(|before| before.since.clone());
    RealtimeStatus {
        state,
        reason,
        message: message.map(|mut message| {
            shorten_middle(&mut message, MAX_MESSAGE);
            message
        }),
        since: since.unwrap_or_else(|| now.clone()),
        backend: watch.backend,
        directories: number(watch.directories),
        overflows: number(watch.overflows),
        missed: number(facts.missed),
        checks: number(facts.checks),
    }
}

/// The status if the spec disables the detection.
pub(crate) fn off() -> RealtimeStatus {
    without_detection(RealtimeState::Off, None, None)
}

/// The status if the detection could not be started.
pub(crate) fn not_started(error: String) -> RealtimeStatus {
    let reason = RealtimeReason::NotPermitted;
    without_detection(RealtimeState::Unsupported, Some(reason), Some(error))
}

fn without_detection(
    state: RealtimeState,
    reason: Option<RealtimeReason>,
    message: Option<String>,
) -> RealtimeStatus {
    RealtimeStatus {
        state,
        reason,
        message,
        since: time::now(),
        backend: None,
        directories: 0,
        overflows: 0,
        missed: 0,
        checks: 0,
    }
}

/// Whether a status has to be written at once, and not with the next result.
pub(crate) fn is_transition(before: &RealtimeStatus, now: &RealtimeStatus) -> bool {
    (before.state, before.reason) != (now.state, now.reason)
}

fn condition(watch: &WatchState, facts: &Facts) -> Condition {
    if let Some(error) = &watch.error {
        let cause = (error.reason, error.message.clone());
        return (RealtimeState::Unsupported, Some(cause));
    }
    if watch.backend.is_none() || facts.scans == Scans::NotEnded {
        return (RealtimeState::Starting, None);
    }
    match degraded(watch, facts) {
        Some(cause) => (RealtimeState::Degraded, Some(cause)),
        None => (RealtimeState::Active, None),
    }
}

/// The most important reason why some changes are only reported by scans.
fn degraded(watch: &WatchState, facts: &Facts) -> Option<(RealtimeReason, String)> {
    let unmarked = watch.not_covered();
    if facts.has_overflowed {
        let message = "the kernel dropped events; a scan of all files follows";
        return Some((RealtimeReason::Overflow, message.to_owned()));
    }
    if let Some(error) = &facts.check_error {
        let message = format!("a check failed, and a scan of all files follows: {error}");
        return Some((RealtimeReason::CheckFailed, message));
    }
    if facts.scans == Scans::NotCompared {
        let message = "the last scan has not compared all files, or there are more than 50,000 \
                       differences; only scans report changes";
        return Some((RealtimeReason::CheckFailed, message.to_owned()));
    }
    let beyond_limit = unmarked.beyond_limit + unmarked.beyond_kernel_limit;
    if beyond_limit > 0 {
        let limit = if unmarked.beyond_limit > 0 {
            "fio watches no more"
        } else {
            "the kernel allows no more, see fs.inotify.max_user_watches"
        };
        let message = format!(
            "{} directories are watched, and {limit}; at least {beyond_limit} are not watched, such as {}",
            watch.directories,
            unmarked.first_beyond_limit.as_deref().unwrap_or("unknown"),
        );
        return Some((RealtimeReason::WatchLimit, message));
    }
    if let Some(first) = &unmarked.first_refused {
        let message = format!(
            "{} directories cannot be watched: {first}",
            unmarked.refused
        );
        return Some((RealtimeReason::PartlyWatched, message));
    }
    if let Some(first) = &watch.remote.first {
        let message = format!(
            "the kernel does not report what other machines change on {} file systems: {first}; only scans \
             report these changes",
            watch.remote.count
        );
        return Some((RealtimeReason::PartlyWatched, message));
    }
    facts.busy_path.as_ref().map(|path| {
        let message = format!(
            "{path} has changed all the time for a minute; exclude it in the configuration, or reports of \
             other changes may take some seconds"
        );
        (RealtimeReason::Busy, message)
    })
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
