//! Watches the node's own status object, and nothing else: what all daemons watched would be sent
//! to all of them at every change. I/O.
//!
//! A watch from resource version 0 begins with the object as it is, so one request serves for
//! reading and watching, and the daemon needs no right to get or list. The API server may serve that
//! from a cache that is behind, so an object that is older than the known one is read once more.

use std::time::Duration;

use futures::{Stream, TryStreamExt as _};
use kube::Api;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::Request;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::seen::Seen;
use crate::api::FileIntegrityNodeStatus;
use crate::k8s::decode::{self, Unreadable};
use crate::k8s::{RequestError, backoff, raw, request};

/// How long the API server keeps one watch, in seconds; after that it is opened anew.
const WATCH_SECONDS: u32 = 290;
/// How long a watch may last: who drops a connection without a word, as a load balancer or a firewall
/// may, does not end it in time.
const WATCH_DEADLINE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// Longest pause before a watch that failed is opened anew.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

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
    let opened = request("open the watch", open(api, &params)).await?;
    set_away(seen, false);
    let taking_in = take_in(opened, api, name, seen);
    let Ok(result) = tokio::time::timeout(WATCH_DEADLINE, taking_in).await else {
        return Err(RequestError::Timeout {
            action: "watch to the end".to_owned(),
            timeout: WATCH_DEADLINE,
        });
    };
    result
}

/// Keeps `seen` as the watch shows it, until that ends.
async fn take_in(
    events: impl Stream<Item = kube::Result<WatchEvent<Box<RawValue>>>>,
    api: &Api<FileIntegrityNodeStatus>,
    name: &str,
    seen: &watch::Sender<Seen>,
) -> Result<(), RequestError> {
    let failed = |source| RequestError::Failed {
        action: "watch".to_owned(),
        source: Box::new(source),
    };
    let (mut stream, mut is_first) = (std::pin::pin!(events), true);
    while let Some(event) = stream.try_next().await.map_err(failed)? {
        match event {
            WatchEvent::Added(json) | WatchEvent::Modified(json) => {
                let Some(status) = readable(decode::object(json.get()), seen) else {
                    continue;
                };
                let is_odd = is_first && seen.borrow().is_ahead_of(&status);
                is_first = false;
                if is_odd {
                    read_now(api, name, seen).await?;
                } else {
                    seen.send_modify(|seen| seen.keep_newest(status));
                }
            }
            WatchEvent::Deleted(json) => {
                if let Some(status) = readable(decode::object(json.get()), seen) {
                    seen.send_modify(|seen| seen.keep_deleted(&status));
                }
            }
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(failed(kube::Error::Api(status))),
        }
    }
    Ok(())
}

async fn open(
    api: &Api<FileIntegrityNodeStatus>,
    params: &WatchParams,
) -> kube::Result<impl Stream<Item = kube::Result<WatchEvent<Box<RawValue>>>> + use<>> {
    let request = Request::new(api.resource_url()).watch(params, "0");
    let request = request.map_err(kube::Error::BuildRequest)?;
    api.clone().into_client().request_events(request).await
}

/// The object, unless it cannot be read: then nothing is known of it, so nothing is written to it, and
/// scans go on.
fn readable(
    read: Result<FileIntegrityNodeStatus, Unreadable>,
    seen: &watch::Sender<Seen>,
) -> Option<FileIntegrityNodeStatus> {
    let unreadable = match read {
        Ok(status) => return Some(status),
        Err(unreadable) => unreadable,
    };
    tracing::error!(
        error = unreadable.to_string(),
        "the node status cannot be read; results are kept until it can"
    );
    seen.send_modify(|seen| seen.status = None);
    None
}

/// Reads the object as the API server has it, not one of its caches: a new watch has shown one that is
/// older than what is known. Either the cache behind it is behind, or the API server's data are those
/// of a backup. A patch of nothing writes nothing and answers with the object itself.
async fn read_now(
    api: &Api<FileIntegrityNodeStatus>,
    name: &str,
    seen: &watch::Sender<Seen>,
) -> Result<(), RequestError> {
    let (params, nothing) = (PatchParams::default(), Patch::Merge(json!({})));
    loop {
        let writes = seen.borrow().writes();
        let read = raw::patch(api, name, &params, &nothing);
        let read = match request("read the node status", read).await {
            Err(error) if error.code() == Some(404) => None,
            read => readable(read?, seen),
        };
        // A write that was answered meanwhile may be newer than what was read.
        if seen.send_if_modified(|seen| seen.keep_read(read, writes)) {
            return Ok(());
        }
    }
}

/// Who waits for the API to be back is not woken by one more failure.
fn set_away(seen: &watch::Sender<Seen>, away: bool) {
    seen.send_if_modified(|seen| std::mem::replace(&mut seen.away, away) != away);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Request as HttpRequest, Response};
    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};
    use kube::Client;
    use kube::client::Body;
    use serde_json::Value;
    use tokio::time::{Instant, timeout};
    use tower::service_fn;

    use super::*;
    use crate::k8s::REQUEST_TIMEOUT;

    /// After which time an API server is asked again that answers nothing, or `opens` the watch and says
    /// no word in it.
    async fn asked_again_after(opens: bool) -> Duration {
        let asked = Arc::new(AtomicUsize::new(0));
        let (again, mut is_asked_again) = watch::channel(false);
        let server = service_fn(move |_: HttpRequest<Body>| {
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

    fn object(version: u64) -> Value {
        json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
            "metadata": {"name": "fi-node", "uid": "a", "resourceVersion": version.to_string()},
            "nodeName": "node",
        })
    }

    /// What is known in the end where version 100 is known before, the API server has `has`, and a new
    /// watch shows these. With it how often the object was read.
    async fn known_after(shows: &[(&str, u64)], has: Option<u64>) -> (Option<String>, usize) {
        let events = shows.iter().map(|(kind, version)| {
            let object = object(*version);
            format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
        });
        let (events, reads) = (events.collect::<String>(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&reads);
        let server = service_fn(move |request: HttpRequest<Body>| {
            let is_watch = request
                .uri()
                .query()
                .unwrap_or_default()
                .contains("watch=true");
            let (code, body) = if is_watch {
                (200, events.clone())
            } else {
                assert_eq!(request.method(), "PATCH");
                counted.fetch_add(1, Ordering::Relaxed);
                let gone = json!({"kind": "Status", "status": "Failure", "code": 404});
                match has {
                    Some(has) => (200, object(has).to_string()),
                    None => (404, gone.to_string()),
                }
            };
            let response = Response::builder()
                .status(code)
                .body(Body::from(body.into_bytes()));
            async { Ok::<_, Infallible>(response.unwrap()) }
        });
        let api = Api::namespaced(Client::new(server, "ns"), "ns");
        let (seen, _) = watch::channel(Seen::default());
        seen.send_modify(|seen| {
            seen.keep_newest(serde_json::from_value(object(100)).unwrap());
        });
        follow(&api, "fi-node", &seen).await.unwrap();
        let known = seen.borrow().status.clone();
        let version = known.and_then(|known| known.metadata.resource_version);
        (version, reads.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_new_watch_begins_with_what_the_api_server_has() {
        let table = [
            ("as before", vec![("ADDED", 100)], Some(100), Some("100"), 0),
            ("changed", vec![("ADDED", 101)], Some(101), Some("101"), 0),
            (
                "the cache is behind our own write, and comes after it",
                vec![("ADDED", 98), ("MODIFIED", 99), ("MODIFIED", 100)],
                Some(100),
                Some("100"),
                1,
            ),
            (
                "the data are those of a backup",
                vec![("ADDED", 50)],
                Some(50),
                Some("50"),
                1,
            ),
            (
                "and are written again",
                vec![("ADDED", 50), ("MODIFIED", 51), ("MODIFIED", 52)],
                Some(51),
                Some("52"),
                1,
            ),
            (
                "and it is deleted",
                vec![("ADDED", 50), ("DELETED", 51)],
                Some(50),
                None,
                1,
            ),
            ("deleted meanwhile", vec![("ADDED", 50)], None, None, 1),
        ];
        for (what, shows, has, expected, reads) in table {
            let expected = (expected.map(str::to_owned), reads);
            assert_eq!(known_after(&shows, has).await, expected, "{what}");
        }
    }

    #[tokio::test]
    async fn nothing_is_known_of_an_object_that_cannot_be_read() {
        let mut odd = object(101);
        odd["lastResult"] = json!("none");
        let mut late = object(101);
        late["metadata"]["creationTimestamp"] = json!("9999-12-31T23:59:59Z");
        for (object, expected) in [(odd, None), (late, Some("101"))] {
            let (seen, _) = watch::channel(Seen::default());
            let json = serde_json::value::to_raw_value(&object).unwrap();
            let events = futures::stream::iter([Ok(WatchEvent::Modified(json))]);
            let nobody = service_fn(async |_: HttpRequest<Body>| {
                Err::<Response<Body>, _>(std::io::Error::other("nobody"))
            });
            let api = Api::namespaced(Client::new(nobody, "ns"), "ns");
            take_in(events, &api, "fi-node", &seen).await.unwrap();
            let known = seen.borrow().status.clone();
            let version = known.and_then(|known| known.metadata.resource_version);
            assert_eq!(version.as_deref(), expected);
        }
    }
}
