//! Watches the node's own status object, and nothing else: what all daemons watched would be sent
//! to all of them at every change. I/O.
//!
//! A watch from resource version 0 begins with the object as it is, so one request serves for
//! reading and watching, and the daemon needs no right to list.

use std::time::Duration;

use futures::TryStreamExt as _;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use tokio::sync::watch;

use crate::api::FileIntegrityNodeStatus;
use crate::k8s::backoff;

/// How long the API server keeps one watch, in seconds; after that it is opened anew.
const WATCH_SECONDS: u32 = 290;
/// Longest pause before a watch that failed is opened anew.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// What is known of the status object.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The object, if there is one.
    pub status: Option<FileIntegrityNodeStatus>,
    /// The API cannot be reached.
    pub away: bool,
}

/// Watches the object called `name` for ever, and keeps `seen` as it is.
pub async fn run(api: Api<FileIntegrityNodeStatus>, name: String, seen: watch::Sender<Seen>) {
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        match follow(&api, &name, &seen).await {
            // The client paces watches that end as soon as they begin.
            Ok(()) => pauses = backoff(MAX_BACKOFF),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "the node status cannot be watched; scans go on"
                );
                set_away(&seen, true);
                tokio::time::sleep(pauses.next().unwrap_or(MAX_BACKOFF)).await;
            }
        }
    }
}

/// Follows one watch to its end.
async fn follow(
    api: &Api<FileIntegrityNodeStatus>,
    name: &str,
    seen: &watch::Sender<Seen>,
) -> kube::Result<()> {
    let params = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    let stream = api.watch(&params, "0").await?;
    let mut stream = std::pin::pin!(stream);
    set_away(seen, false);
    while let Some(event) = stream.try_next().await? {
        match event {
            WatchEvent::Added(status) | WatchEvent::Modified(status) => {
                seen.send_modify(|seen| keep_newest(&mut seen.status, status));
            }
            WatchEvent::Deleted(_) => seen.send_modify(|seen| seen.status = None),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        }
    }
    Ok(())
}

/// Who waits for the API to be back is not woken by one more failure.
fn set_away(seen: &watch::Sender<Seen>, away: bool) {
    seen.send_if_modified(|seen| std::mem::replace(&mut seen.away, away) != away);
}

/// A watch may be behind what a write has already returned. Resource versions of one object can be
/// compared as numbers (Kubernetes documentation, API concepts); where they are none, the later
/// arrival counts.
pub fn keep_newest(known: &mut Option<FileIntegrityNodeStatus>, arrived: FileIntegrityNodeStatus) {
    let version = |status: &FileIntegrityNodeStatus| {
        status
            .metadata
            .resource_version
            .as_deref()
            .and_then(|v| v.parse::<u128>().ok())
    };
    let is_older = known.as_ref().is_some_and(|known| {
        known.metadata.uid == arrived.metadata.uid
            && matches!((version(known), version(&arrived)), (Some(k), Some(a)) if a < k)
    });
    if !is_older {
        *known = Some(arrived);
    }
}

/// Takes in what a write has returned. The object may be gone by now, and another one be known in its
/// place: to put it back would mean to write to it from then on.
pub fn keep_written(known: &mut Option<FileIntegrityNodeStatus>, written: FileIntegrityNodeStatus) {
    let is_known = |known: &FileIntegrityNodeStatus| known.metadata.uid == written.metadata.uid;
    if known.as_ref().is_some_and(is_known) {
        keep_newest(known, written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uid: &str, version: &str) -> FileIntegrityNodeStatus {
        let mut status = FileIntegrityNodeStatus::default();
        status.metadata.uid = Some(uid.to_owned());
        status.metadata.resource_version = Some(version.to_owned());
        status
    }

    #[test]
    fn a_late_event_does_not_undo_what_a_write_returned() {
        let table = [
            (status("a", "10"), status("a", "9"), "10"),
            (status("a", "10"), status("a", "11"), "11"),
            (status("a", "10"), status("b", "9"), "9"),
            (status("a", "10"), status("a", "odd"), "odd"),
        ];
        for (known, arrived, expected) in table {
            let mut known = Some(known);
            keep_newest(&mut known, arrived);
            assert_eq!(
                known.unwrap().metadata.resource_version.as_deref(),
                Some(expected)
            );
        }
    }
    #[test]
    fn an_object_that_was_deleted_meanwhile_does_not_come_back_by_its_last_write() {
        let version = |known: Option<FileIntegrityNodeStatus>, written| {
            let mut known = known;
            keep_written(&mut known, written);
            known.and_then(|known| known.metadata.resource_version)
        };
        assert_eq!(version(None, status("a", "10")), None);
        let newer = version(Some(status("b", "9")), status("a", "10"));
        assert_eq!(newer.as_deref(), Some("9"));
        let same = version(Some(status("a", "9")), status("a", "10"));
        assert_eq!(same.as_deref(), Some("10"));
    }
}
