//! Watches the status object of this node. It is the only object that a daemon watches: every change of
//! an object that all daemons watch would be sent to all of them. I/O.
//!
//! A watch from resource version 0 begins with the current object, so one request is enough to read and
//! watch it, and the daemon needs no permission to get or list. The API server may answer from a stale
//! cache, so an object that is older than the known one is read again.

use std::time::Duration;

use futures::{Stream, TryStreamExt as _};
use kube::Api;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::Request;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::known_status::KnownStatus;
use crate::api::FileIntegrityNodeStatus;
use crate::k8s::decode::{self, Unreadable};
use crate::k8s::{RequestError, backoff, raw, request};

/// How long the API server keeps a watch, in seconds; after that a new one is opened.
const WATCH_SECONDS: u32 = 290;
/// Maximum duration of a watch: if a load balancer or a firewall drops the connection silently, the watch
/// does not end by itself.
const WATCH_DEADLINE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// Maximum pause before a failed watch is opened again.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Watches the object called `name` forever, and keeps `known` up to date.
pub async fn run(
    api: Api<FileIntegrityNodeStatus>,
    name: String,
    known: watch::Sender<KnownStatus>,
) {
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        match follow(&api, &name, &known).await {
            // The client throttles watches that end immediately.
            Ok(()) => pauses = backoff(MAX_BACKOFF),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "failed to watch the node status; scans continue"
                );
                set_unreachable(&known, true);
                tokio::time::sleep(pauses.next().unwrap_or(MAX_BACKOFF)).await;
            }
        }
    }
}

/// Follows one watch until it ends.
async fn follow(
    api: &Api<FileIntegrityNodeStatus>,
    name: &str,
    known: &watch::Sender<KnownStatus>,
) -> Result<(), RequestError> {
    let params = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    let opened = request("open the watch", open(api, &params)).await?;
    set_unreachable(known, false);
    let events = take_events(opened, api, name, known);
    let Ok(result) = tokio::time::timeout(WATCH_DEADLINE, events).await else {
        return Err(RequestError::Timeout {
            action: "watch to the end".to_owned(),
            timeout: WATCH_DEADLINE,
        });
    };
    result
}

/// Takes all events of a watch.
async fn take_events(
    opened: impl Stream<Item = kube::Result<WatchEvent<Box<RawValue>>>>,
    api: &Api<FileIntegrityNodeStatus>,
    name: &str,
    known: &watch::Sender<KnownStatus>,
) -> Result<(), RequestError> {
    let failed = |source| RequestError::Failed {
        action: "watch".to_owned(),
        source: Box::new(source),
    };
    let (mut stream, mut is_first) = (std::pin::pin!(opened), true);
    while let Some(event) = stream.try_next().await.map_err(failed)? {
        match event {
            WatchEvent::Added(json) | WatchEvent::Modified(json) => {
                let Some(status) = readable(decode::object(json.get()), known) else {
                    continue;
                };
                let is_stale = is_first && known.borrow().is_ahead_of(&status);
                is_first = false;
                if is_stale {
                    read_now(api, name, known).await?;
                } else {
                    known.send_modify(|known| known.keep_newest(status));
                }
            }
            WatchEvent::Deleted(json) => {
                if let Some(status) = readable(decode::object(json.get()), known) {
                    known.send_modify(|known| known.keep_deleted(&status));
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

/// The object, if it can be decoded. If not, it is not known: nothing is written, and scans continue.
fn readable(
    read: Result<FileIntegrityNodeStatus, Unreadable>,
    known: &watch::Sender<KnownStatus>,
) -> Option<FileIntegrityNodeStatus> {
    let unreadable = match read {
        Ok(status) => return Some(status),
        Err(unreadable) => unreadable,
    };
    tracing::error!(
        error = unreadable.to_string(),
        "failed to decode the node status; results are published later"
    );
    known.send_modify(|known| known.status = None);
    None
}

/// Reads the object from etcd, not from a cache of the API server: a new watch has an older object than
/// the known one. Either the cache is stale, or etcd was restored from a backup. An empty patch writes
/// nothing, and the answer is the object.
async fn read_now(
    api: &Api<FileIntegrityNodeStatus>,
    name: &str,
    known: &watch::Sender<KnownStatus>,
) -> Result<(), RequestError> {
    let (params, nothing) = (PatchParams::default(), Patch::Merge(json!({})));
    loop {
        let writes = known.borrow().writes();
        let read = raw::patch(api, name, &params, &nothing);
        let read = match request("read the node status", read).await {
            Err(error) if error.code() == Some(404) => None,
            read => readable(read?, known),
        };
        // A write that was answered meanwhile may have returned a newer object.
        if known.send_if_modified(|known| known.keep_read(read, writes)) {
            return Ok(());
        }
    }
}

/// Tasks that wait until the API server is reachable are not woken by further failures.
fn set_unreachable(known: &watch::Sender<KnownStatus>, is_unreachable: bool) {
    known.send_if_modified(|known| {
        std::mem::replace(&mut known.is_unreachable, is_unreachable) != is_unreachable
    });
}

#[cfg(test)]
mod tests;
