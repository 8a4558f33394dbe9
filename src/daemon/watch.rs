//! Watches the node's own status object, and nothing else: what all daemons watched would be sent
//! to all of them at every change. I/O.
//!
//! A watch from resource version 0 begins with the object as it is, so one request serves for
//! reading and watching, and the daemon needs no right to list.

use std::time::Duration;

use futures::{Stream, TryStreamExt as _};
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use tokio::sync::watch;

use crate::api::FileIntegrityNodeStatus;
use crate::k8s::{RequestError, backoff, request, request_within};

/// How long the API server keeps one watch, in seconds; after that it is opened anew.
const WATCH_SECONDS: u32 = 290;
/// How long a watch may last: who drops a connection without a word, as a load balancer or a firewall
/// may, does not end it in time.
const WATCH_DEADLINE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// Longest pause before a watch that failed is opened anew.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// What is known of the status object.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The object, if there is one.
    pub status: Option<FileIntegrityNodeStatus>,
    /// The API cannot be reached, or has not answered yet.
    pub away: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            status: None,
            away: true,
        }
    }
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
) -> Result<(), RequestError> {
    let params = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    let opened = request("open the watch", api.watch(&params, "0")).await?;
    set_away(seen, false);
    request_within(WATCH_DEADLINE, "watch to the end", take_in(opened, seen)).await
}

/// Keeps `seen` as the watch says, until it ends.
async fn take_in(
    events: impl Stream<Item = kube::Result<WatchEvent<FileIntegrityNodeStatus>>>,
    seen: &watch::Sender<Seen>,
) -> kube::Result<()> {
    let mut stream = std::pin::pin!(events);
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
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Request, Response};
    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};
    use kube::Client;
    use kube::client::Body;
    use tokio::time::{Instant, timeout};
    use tower::service_fn;

    use super::*;
    use crate::k8s::REQUEST_TIMEOUT;

    /// After which time an API server is asked again that answers nothing, or `opens` the watch and says
    /// no word in it.
    async fn asked_again_after(opens: bool) -> Duration {
        let asked = Arc::new(AtomicUsize::new(0));
        let (again, mut is_asked_again) = watch::channel(false);
        let server = service_fn(move |_: Request<Body>| {
            if asked.fetch_add(1, Ordering::Relaxed) == 1 {
                again.send_replace(true);
            }
            async move {
                if !opens {
                    std::future::pending::<()>().await;
                }
                let silence = futures::stream::pending::<Result<Frame<Bytes>, Infallible>>();
                Ok::<_, Infallible>(Response::new(StreamBody::new(silence)))
            }
        });
        let api = Api::namespaced(Client::new(server, "ns"), "ns");
        let (seen, _) = watch::channel(Seen::default());
        let start = Instant::now();
        let watching = tokio::spawn(run(api, "fi-node".to_owned(), seen));
        let asked = timeout(Duration::from_secs(3600), is_asked_again.changed()).await;
        watching.abort();
        asked.expect("the watch is opened anew").unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_falls_silent_is_opened_anew() {
        let table = [(false, REQUEST_TIMEOUT), (true, WATCH_DEADLINE)];
        for (opens, deadline) in table {
            let after = asked_again_after(opens).await;
            let pause = after.checked_sub(deadline).expect("it is waited for");
            assert!(pause < Duration::from_secs(10), "{opens}: {after:?}");
        }
    }

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
