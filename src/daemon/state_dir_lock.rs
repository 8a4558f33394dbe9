//! Chooses the state directory of a starting daemon and takes its lock. I/O.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::outbox::Item;
use crate::aide::database::{DatabaseError, StateDir};
use crate::api::{ErrorClass, time};
use crate::scan::outcome::{Finding, ScanError};
use crate::scan::reporting::NodeUpdate;
use crate::telemetry::health::Readiness;

/// Pause between attempts to use a state directory.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// How long the daemon of a terminating pod may hold the lock: its terminationGracePeriodSeconds, and
/// as long again for the API server and the kubelet.
const LOCK_TIMEOUT: Duration = Duration::from_secs(40);
/// Pause between attempts to take that lock.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Where the state directory is searched.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) host_root: &'a Path,
    /// The directory in the spec, if there is one.
    pub(super) in_spec: Option<&'a str>,
    /// Name of the FileIntegrity.
    pub(super) owner: &'a str,
}

/// A state directory that no other daemon can use.
#[derive(Debug)]
pub(super) struct LockedStateDir {
    pub(super) state: StateDir,
    /// Path of the directory on the node.
    pub(super) dir_on_node: String,
    _lock: File,
}

/// Chooses a state directory and takes its lock. Until that succeeds the node is Errored, and the pod is
/// ready: to wait for it would not help. A terminating pod may hold the lock, for example if the
/// FileIntegrity was created again; that is reported only if it lasts. None: stopped.
pub(super) async fn acquire(
    place: &Place<'_>,
    items: &mpsc::UnboundedSender<Item>,
    lines: &mut Lines,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Option<LockedStateDir> {
    let mut last = String::new();
    let mut locked_since = None;
    loop {
        let error = match try_acquire(place) {
            Ok(locked) => return Some(locked),
            Err(error) => error,
        };
        let is_patient = is_patient(&error, &mut locked_since);
        let error = crate::error_chain(&error);
        if !is_patient && error != last {
            tracing::error!(error, "the node cannot be scanned");
            let finding =
                Finding::not_scanned(ScanError::new(ErrorClass::State, &*error), time::now());
            lines.not_scanned(&finding, None);
            items.send(item(finding)).ok();
            readiness.set(true);
            last = error;
        }
        let pause = if is_patient {
            LOCK_RETRY_INTERVAL
        } else {
            RETRY_INTERVAL
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return None,
        }
    }
}

fn try_acquire(place: &Place<'_>) -> Result<LockedStateDir, DatabaseError> {
    let (state, dir_on_node) = StateDir::choose(place.host_root, place.in_spec, place.owner)?;
    Ok(LockedStateDir {
        _lock: state.lock()?,
        state,
        dir_on_node,
    })
}

/// Whether the error is a lock that may soon be released.
fn is_patient(error: &DatabaseError, locked_since: &mut Option<Instant>) -> bool {
    if !matches!(error, DatabaseError::Locked { .. }) {
        return false;
    }
    let since = *locked_since.get_or_insert_with(|| {
        let error = crate::error_chain(error);
        let seconds = LOCK_TIMEOUT.as_secs();
        tracing::info!(
            error,
            seconds,
            "waiting for a terminating pod to release the lock"
        );
        Instant::now()
    });
    since.elapsed() < LOCK_TIMEOUT
}

fn item(finding: Finding) -> Item {
    Item {
        update: NodeUpdate {
            finding: Some(finding),
            ..NodeUpdate::default()
        },
        log: None,
    }
}

#[cfg(test)]
mod tests;
