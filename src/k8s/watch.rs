//! Lists and watches the objects of one kind continuously. I/O.
//!
//! kube-rs' own watcher fails for the whole list if it cannot decode one object. It also assumes that a list
//! contains the requested kind, whatever kind the response has.

mod page;
mod source;
mod steps;

#[cfg(test)]
mod tests;

use futures::{Stream, StreamExt as _, stream};
use kube::Resource;
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;

pub(crate) use self::page::Read;
use self::page::request_page;
pub(crate) use self::source::Source;
use self::steps::{State, step};
use crate::api::object_name::ObjectName;

/// The events of a watch, as those of kube-rs' watcher. After an error, the stream continues when it is polled again.
pub(crate) fn watch<W>(
    source: Source<W>,
) -> impl Stream<Item = watcher::Result<Event<Read<W>>>> + Send
where
    W: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    stream::unfold((source, State::Start), |(source, state)| async move {
        let (events, state) = step(&source, state).await;
        Some((stream::iter(events), (source, state)))
    })
    .flatten()
}

/// Lists all objects that can be decoded.
pub(crate) async fn list_now<W>(source: &Source<W>) -> kube::Result<Vec<W>>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (objects, next) = list_page(source, after.as_deref()).await?;
        all.extend(objects.into_iter().flatten());
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// A page of a list, after the continue token `after` or the first one, and the token of the next page.
pub(crate) async fn list_page<W>(
    source: &Source<W>,
    after: Option<&str>,
) -> kube::Result<(Vec<Read<W>>, Option<String>)>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let (metadata, objects) = request_page(source, after).await?;
    Ok((objects, metadata.continue_.filter(|next| !next.is_empty())))
}

/// Checks that the kind exists and that the client may list it.
pub(crate) async fn probe<W>(source: &Source<W>) -> kube::Result<()>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    request_page(&source.clone().paged(1), None)
        .await
        .map(|_| ())
}

/// Watches a single object. `None` means that it does not exist.
pub(crate) fn watch_one<W>(
    source: Source<W>,
    name: &ObjectName,
) -> impl Stream<Item = watcher::Result<Option<Read<W>>>> + Send
where
    W: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    let events = watch(source.named(name)).scan(false, |exists, event| {
        let update = match event {
            Ok(Event::Init) => {
                *exists = false;
                None
            }
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                *exists = true;
                Some(Ok(Some(object)))
            }
            Ok(Event::InitDone) if *exists => None,
            Ok(Event::Delete(_) | Event::InitDone) => Some(Ok(None)),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(Some(update))
    });
    events.filter_map(std::future::ready)
}
