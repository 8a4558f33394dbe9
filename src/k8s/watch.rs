//! Lists and watches the objects of one kind, for ever. I/O.
//!
//! In place of kube's own watcher, which gives up a whole list for one object that it cannot read,
//! and takes the elements of a list for what was requested, whatever the list says that they are.

use std::marker::PhantomData;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::{ListMeta, Request};
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::decode::{self, Unreadable};
use crate::api::object_name::{NamespaceName, ObjectName};

/// As many objects are requested in one page of a list, unless a watch sets another number.
const PAGE: u32 = 500;

/// What is watched.
pub struct Source<W> {
    client: Client,
    path: String,
    fields: Option<String>,
    labels: Option<&'static str>,
    page: u32,
    kind: PhantomData<fn() -> W>,
}

impl<W> Clone for Source<W> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            path: self.path.clone(),
            fields: self.fields.clone(),
            labels: self.labels,
            page: self.page,
            kind: PhantomData,
        }
    }
}

impl<W> std::fmt::Debug for Source<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .field("fields", &self.fields)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// An object as it was read, or which one could not be.
pub type Read<W> = Result<W, Unreadable>;

impl<W: Resource<DynamicType = ()>> Source<W> {
    /// All objects of the kind.
    pub fn all(client: &Client) -> Self {
        Self::at(client, W::url_path(&(), None))
    }

    /// Those of a namespace.
    pub fn namespaced(client: &Client, namespace: &NamespaceName) -> Self {
        Self::at(client, W::url_path(&(), Some(namespace.as_str())))
    }

    fn at(client: &Client, path: String) -> Self {
        Self {
            client: client.clone(),
            path,
            fields: None,
            labels: None,
            page: PAGE,
            kind: PhantomData,
        }
    }

    /// Only the one with this name.
    #[must_use]
    pub fn named(mut self, name: &ObjectName) -> Self {
        self.fields = Some(format!("metadata.name={name}"));
        self
    }

    /// Only those with this label.
    #[must_use]
    pub fn labelled(mut self, label: &'static str) -> Self {
        self.labels = Some(label);
        self
    }

    /// In pages of this size.
    #[must_use]
    pub fn paged(mut self, page: u32) -> Self {
        self.page = page;
        self
    }

    fn list_params(&self, after: Option<&str>) -> ListParams {
        ListParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.map(str::to_owned),
            limit: Some(self.page),
            continue_token: after.map(str::to_owned),
            ..ListParams::default()
        }
    }

    fn watch_params(&self) -> WatchParams {
        WatchParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.map(str::to_owned),
            ..WatchParams::default()
        }
    }
}

/// What a watch shows: the events of kube's watcher. After an error it goes on as soon as it is asked
/// for more.
pub fn watch<W>(source: Source<W>) -> impl Stream<Item = watcher::Result<Event<Read<W>>>> + Send
where
    W: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    stream::unfold((source, State::Start), |(source, state)| async move {
        let (shown, state) = step(&source, state).await;
        Some((stream::iter(shown), (source, state)))
    })
    .flatten()
}

/// All objects as they are now, and not as a watch has shown them, but for those that cannot be read.
pub async fn list_now<W>(source: &Source<W>) -> kube::Result<Vec<W>>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (metadata, objects) = request_page(source, after.as_deref()).await?;
        all.extend(objects.into_iter().flatten());
        after = metadata.continue_.filter(|after| !after.is_empty());
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// Whether there may be objects of this kind, and they may be listed: as the API server answers a
/// request for one of them, whatever that is.
pub async fn probe<W>(source: &Source<W>) -> kube::Result<()>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    request_page(&source.clone().paged(1), None)
        .await
        .map(|_| ())
}

/// What a watch of a single object shows: the object, or that there is none.
pub fn watch_one<W>(
    source: Source<W>,
    name: &ObjectName,
) -> impl Stream<Item = watcher::Result<Option<Read<W>>>> + Send
where
    W: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    let events = watch(source.named(name)).scan(false, |is_there, event| {
        let shown = match event {
            Ok(Event::Init) => {
                *is_there = false;
                None
            }
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                *is_there = true;
                Some(Ok(Some(object)))
            }
            Ok(Event::InitDone) if *is_there => None,
            Ok(Event::Delete(_) | Event::InitDone) => Some(Ok(None)),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(Some(shown))
    });
    events.filter_map(std::future::ready)
}

type Shown<W> = Vec<watcher::Result<Event<Read<W>>>>;
type RawEvents = BoxStream<'static, kube::Result<WatchEvent<Box<RawValue>>>>;

enum State {
    /// Everything is to be listed.
    Start,
    /// The list goes on after this.
    Listing(String),
    /// All is known as of this resource version.
    Listed(String),
    /// All was known as of this resource version when a watch ended.
    Ended(String),
    /// What changes after that comes from here.
    Watching(String, RawEvents),
}

/// A page of a list, with its elements as they were sent.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

async fn step<W>(source: &Source<W>, state: State) -> (Shown<W>, State)
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

/// Reads the next page. A list that fails begins anew.
async fn list<W>(source: &Source<W>, after: Option<String>) -> (Shown<W>, State)
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut shown = Vec::new();
    if after.is_none() {
        shown.push(Ok(Event::Init));
    }
    let state = match request_page(source, after.as_deref()).await {
        Ok((metadata, objects)) => {
            shown.extend(
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
                    shown.push(Ok(Event::InitDone));
                    State::Listed(version)
                }
                ListMeta { .. } => {
                    shown.push(Err(watcher::Error::NoResourceVersion));
                    State::Start
                }
            }
        }
        Err(error) => {
            shown.push(Err(watcher::Error::InitialListFailed(error)));
            State::Start
        }
    };
    (shown, state)
}

async fn request_page<W>(
    source: &Source<W>,
    after: Option<&str>,
) -> kube::Result<(ListMeta, Vec<Read<W>>)>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let request = Request::new(&source.path).list(&source.list_params(after));
    let request = request.map_err(kube::Error::BuildRequest)?;
    page(&source.client.request_text(request).await?)
}

fn page<W>(text: &str) -> kube::Result<(ListMeta, Vec<Read<W>>)>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let kind = format!("{}List", W::kind(&()));
    decode::verify_types::<W>(text, &kind).map_err(|error| kube::Error::Service(error.into()))?;
    let page: Page<'_> = serde_json::from_str(text).map_err(kube::Error::SerdeError)?;
    let items = page.items.iter().flatten();
    let objects = items.map(|item| decode::object(item.get())).collect();
    Ok((page.metadata, objects))
}

/// Opens a watch in place of one that ended, unless the API server has less than was known: then etcd
/// was restored from a backup, and a watch as of a version that is still to come would show nothing of
/// what happens until then.
async fn reopen<W>(source: &Source<W>, version: String) -> (Shown<W>, State)
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

/// Whether the resource version is lower than another one of the same kind. They are numbers in the
/// API servers that there are; any others are not compared.
fn is_lower(version: Option<&str>, known: &str) -> bool {
    let number = |version: &str| version.parse::<u128>().ok();
    let (version, known) = (version.and_then(number), number(known));
    matches!((version, known), (Some(version), Some(known)) if version < known)
}

async fn open<W>(source: &Source<W>, version: String) -> (Shown<W>, State)
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

/// Takes the next event of a watch.
async fn follow<W>(version: String, mut events: RawEvents) -> (Shown<W>, State)
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
    let (shown, version) = match event {
        WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
            let version = version_of(&raw).unwrap_or(version);
            (Event::Apply(decode::object(raw.get())), version)
        }
        WatchEvent::Deleted(raw) => {
            let version = version_of(&raw).unwrap_or(version);
            let object = decode::object(raw.get());
            if object.is_err() {
                // Who has kept it as it was before can only drop it after a new list.
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
    (vec![Ok(shown)], State::Watching(version, events))
}

fn is_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

/// The resource version, which is there whatever else cannot be read.
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// The events of a watch whose lists have these resource versions, and which requests that takes.
    /// Each watch ends as soon as it is opened.
    async fn watched(versions: &[&str]) -> (usize, Vec<&'static str>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut left = versions
            .iter()
            .map(|&version| version.to_owned())
            .collect::<Vec<_>>()
            .into_iter();
        let left = Arc::new(Mutex::new(move || left.next()));
        let service = tower::service_fn(move |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let (seen, left) = (Arc::clone(&seen), Arc::clone(&left));
            async move {
                let what = match &query {
                    query if query.contains("watch=true") => "watch",
                    query if query.contains("limit=1&") || query.ends_with("limit=1") => "look",
                    _ => "list",
                };
                if what == "watch" {
                    seen.lock().unwrap().push(what);
                    return Ok::<_, std::convert::Infallible>(Response::new(Body::empty()));
                }
                let next = (*left.lock().unwrap())();
                let Some(version) = next else {
                    std::future::pending().await
                };
                seen.lock().unwrap().push(what);
                let list = json!({
                    "apiVersion": "v1", "kind": "ConfigMapList",
                    "metadata": {"resourceVersion": version}, "items": [],
                });
                Ok(Response::new(Body::from(list.to_string().into_bytes())))
            }
        });
        let source = Source::<ConfigMap>::all(&Client::new(service, "ns"));
        let mut events = std::pin::pin!(watch(source));
        let mut lists = 0;
        let limit = std::time::Duration::from_secs(5);
        while let Ok(Some(event)) = tokio::time::timeout(limit, events.next()).await {
            lists += usize::from(matches!(event, Ok(Event::InitDone)));
        }
        let requests = requests.lock().unwrap().clone();
        (lists, requests)
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_ends_is_opened_again() {
        let (lists, requests) = watched(&["700", "700", "701"]).await;
        let expected = ["list", "watch", "look", "watch", "look", "watch"];
        assert_eq!((lists, requests.as_slice()), (1, expected.as_slice()));
    }

    #[tokio::test(start_paused = true)]
    async fn all_is_listed_after_a_restore_of_etcd() {
        // "99" is the larger text.
        let (lists, requests) = watched(&["700", "99", "99"]).await;
        let expected = ["list", "watch", "look", "list", "watch"];
        assert_eq!((lists, requests.as_slice()), (2, expected.as_slice()));
    }
}
