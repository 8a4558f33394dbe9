//! The steps of a watch: list, open, receive events, reopen. I/O.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::Resource;
use kube::api::WatchEvent;
use kube::core::{ListMeta, Request};
use kube::runtime::watcher::{self, Event};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::page::{Read, request_page};
use super::source::Source;
use crate::k8s::decode;

pub(super) type Events<W> = Vec<watcher::Result<Event<Read<W>>>>;
type RawEvents = BoxStream<'static, kube::Result<WatchEvent<Box<RawValue>>>>;

pub(super) enum State {
    /// The next step lists all objects.
    Start,
    /// The next step requests the page after this continue token.
    Listing(String),
    /// The list is complete at this resource version. The next step opens a watch.
    Listed(String),
    /// A watch ended at this resource version. The next step reopens it.
    Ended(String),
    /// A watch is open. Events up to this resource version have been received.
    Watching(String, RawEvents),
}

/// Runs the next step, and returns its events and the next state.
pub(super) async fn step<W>(source: &Source<W>, state: State) -> (Events<W>, State)
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    match state {
        State::Start => list(source, None).await,
        State::Listing(after) => list(source, Some(after)).await,
        State::Listed(version) => open(source, version).await,
        State::Ended(version) => reopen(source, version).await,
        State::Watching(version, events) => follow(version, events).await,
    }
}

/// Requests the next page. If that fails, the list starts again.
async fn list<W>(source: &Source<W>, after: Option<String>) -> (Events<W>, State)
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut events = Vec::new();
    if after.is_none() {
        events.push(Ok(Event::Init));
    }
    let state = match request_page(source, after.as_deref()).await {
        Ok((metadata, objects)) => {
            events.extend(
                objects
                    .into_iter()
                    .map(|object| Ok(Event::InitApply(object))),
            );
            match metadata {
                ListMeta {
                    continue_: Some(after),
                    ..
                } if !after.is_empty() => State::Listing(after),
                ListMeta {
                    resource_version: Some(version),
                    ..
                } => {
                    events.push(Ok(Event::InitDone));
                    State::Listed(version)
                }
                ListMeta { .. } => {
                    events.push(Err(watcher::Error::NoResourceVersion));
                    State::Start
                }
            }
        }
        Err(error) => {
            events.push(Err(watcher::Error::InitialListFailed(error)));
            State::Start
        }
    };
    (events, state)
}

/// Reopens a watch that ended. If the API server has a lower resource version than the watch, etcd was restored from a
/// backup: a watch from the higher version would miss all events until then, so all objects are listed
/// again.
async fn reopen<W>(source: &Source<W>, version: String) -> (Events<W>, State)
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    match request_page(&source.clone().paged(1), None).await {
        Ok((now, _)) if is_lower(now.resource_version.as_deref(), &version) => {
            (Vec::new(), State::Start)
        }
        Ok(_) => open(source, version).await,
        Err(error) => {
            let error = watcher::Error::WatchStartFailed(error);
            (vec![Err(error)], State::Ended(version))
        }
    }
}

/// Whether a resource version is lower than another one. They are numbers in all existing API servers; other values
/// are not compared.
pub(super) fn is_lower(version: Option<&str>, known: &str) -> bool {
    let number = |version: &str| version.parse::<u128>().ok();
    let (version, known) = (version.and_then(number), number(known));
    matches!((version, known), (Some(version), Some(known)) if version < known)
}

async fn open<W>(source: &Source<W>, version: String) -> (Events<W>, State)
where
    W: Resource<DynamicType = ()>,
{
    let request = Request::new(&source.path).watch(&source.watch_params(), &version);
    let opened = async {
        let request = request.map_err(kube::Error::BuildRequest)?;
        source.client.request_events(request).await
    };
    match opened.await {
        Ok(events) => (Vec::new(), State::Watching(version, events.boxed())),
        Err(error) => {
            let state = if is_expired(&error) {
                State::Start
            } else {
                State::Ended(version)
            };
            (vec![Err(watcher::Error::WatchStartFailed(error))], state)
        }
    }
}

/// Receives the next event of a watch.
async fn follow<W>(version: String, mut events: RawEvents) -> (Events<W>, State)
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let event = match events.next().await {
        Some(Ok(event)) => event,
        Some(Err(error)) => {
            let error = watcher::Error::WatchFailed(error);
            return (vec![Err(error)], State::Ended(version));
        }
        None => return (Vec::new(), State::Ended(version)),
    };
    let (received, version) = match event {
        WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
            let version = version_of(&raw).unwrap_or(version);
            (Event::Apply(decode::object(raw.get())), version)
        }
        WatchEvent::Deleted(raw) => {
            let version = version_of(&raw).unwrap_or(version);
            let object = decode::object(raw.get());
            if object.is_err() {
                // A store cannot remove the earlier version of an object that cannot be decoded. A new
                // list does.
                return (vec![Ok(Event::Delete(object))], State::Start);
            }
            (Event::Delete(object), version)
        }
        WatchEvent::Bookmark(bookmark) => {
            let version = bookmark.metadata.resource_version;
            return (Vec::new(), State::Watching(version, events));
        }
        WatchEvent::Error(status) => {
            let state = if status.code == 410 {
                State::Start
            } else {
                State::Ended(version)
            };
            return (vec![Err(watcher::Error::WatchError(status))], state);
        }
    };
    (vec![Ok(received)], State::Watching(version, events))
}

fn is_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

/// The resource version, also of objects that cannot be decoded.
fn version_of(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
    }
    let object: Object = serde_json::from_str(raw.get()).ok()?;
    Some(object.metadata.resource_version)
}
