//! Watches objects, keeps them in stores, and triggers reconciles. I/O.

use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::Resource;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::changes::{Changes, Relevance};
use super::triggers::{Target, Triggers};
use crate::k8s::unread::UnreadableObjects;
use crate::k8s::watch::{self, Read, Source};
use crate::operator::cache::interner::TextInterner;
use crate::operator::fleet_metrics::FleetMetrics;

type OnEvent<K> = Box<dyn Fn(&Event<K>) + Send>;

/// Describes a watch: what is watched, what is kept of each object, and what its changes affect.
pub(super) struct WatchSpec<W, K> {
    source: Source<W>,
    convert: Box<dyn Fn(W) -> K + Send>,
    relevance: fn(&K) -> Relevance,
    before_store: OnEvent<K>,
    after_store: OnEvent<K>,
}

impl<W, K> WatchSpec<W, K> {
    /// Watches the objects of `source` and keeps what `convert` returns.
    pub(super) fn new(
        source: Source<W>,
        convert: impl Fn(W) -> K + Send + 'static,
        relevance: fn(&K) -> Relevance,
    ) -> Self {
        Self {
            source,
            convert: Box::new(convert),
            relevance,
            before_store: Box::new(|_| {}),
            after_store: Box::new(|_| {}),
        }
    }

    /// Calls `act` with each event before the store has its object.
    pub(super) fn before_store(mut self, act: impl Fn(&Event<K>) + Send + 'static) -> Self {
        self.before_store = Box::new(act);
        self
    }

    /// Calls `act` with each event after the store has its object.
    pub(super) fn after_store(mut self, act: impl Fn(&Event<K>) + Send + 'static) -> Self {
        self.after_store = Box::new(act);
        self
    }
}

/// What all watches of an observer use.
pub(super) struct Watches<'a> {
    /// The tasks. The watches end when it is dropped.
    pub(super) tasks: &'a mut JoinSet<()>,
    pub(super) triggers: Triggers,
    pub(super) texts: Arc<TextInterner>,
    pub(super) unread: Arc<UnreadableObjects>,
    pub(super) metrics: Arc<FleetMetrics>,
}

impl Watches<'_> {
    /// Starts a watch. Returns the store with the objects.
    pub(super) fn start<W, K>(&mut self, spec: WatchSpec<W, K>) -> Store<K>
    where
        W: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
        K: Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        let (store, writer) = reflector::store();
        self.start_with(spec, writer);
        store
    }

    /// Starts a watch that keeps the objects in the store of `writer`.
    pub(super) fn start_with<W, K>(&mut self, spec: WatchSpec<W, K>, writer: Writer<K>)
    where
        W: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
        K: Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        let WatchSpec {
            source,
            convert,
            relevance,
            before_store,
            after_store,
        } = spec;
        let stream = watch::watch(source)
            .map_ok(self.without_unreadable())
            .try_filter_map(|event| std::future::ready(Ok(event)))
            .map_ok(move |event| convert_event(event, &convert))
            .inspect_ok(before_store);
        let stream = reflector::reflector(writer, stream)
            .default_backoff()
            .inspect_ok(after_store);
        let changes = Changes::new(relevance, Arc::clone(&self.texts));
        let triggers = self.triggers.clone();
        self.tasks.spawn(follow(stream, changes, triggers));
    }

    /// Removes the objects that cannot be decoded. They are remembered and counted, and a change of
    /// them affects all FileIntegrities.
    fn without_unreadable<W>(&self) -> impl Fn(Event<Read<W>>) -> Option<Event<W>> + Send + use<W>
    where
        W: Resource<DynamicType = ()>,
    {
        let (unread, metrics) = (Arc::clone(&self.unread), Arc::clone(&self.metrics));
        let triggers = self.triggers.clone();
        move |event| {
            let (event, is_new) = unread.take(event);
            if is_new {
                metrics.record_unreadable(W::kind(&()).into_owned(), unread.of::<W>().len());
                triggers.send(&Target::All);
            }
            event
        }
    }
}

async fn follow<K>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    mut changes: Changes<K>,
    triggers: Triggers,
) where
    K: Lookup<DynamicType = ()>,
{
    let mut stream = std::pin::pin!(stream);
    while let Some(item) = stream.next().await {
        match item {
            Ok(event) => {
                for target in changes.record(&event) {
                    triggers.send(&target);
                }
            }
            Err(error) => tracing::warn!(
                kind = %K::kind(&()),
                error = crate::error_chain(&error),
                "a watch failed; it is started again"
            ),
        }
    }
}

fn convert_event<W, K>(event: Event<W>, convert: impl Fn(W) -> K) -> Event<K> {
    match event {
        Event::Apply(object) => Event::Apply(convert(object)),
        Event::Delete(object) => Event::Delete(convert(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(convert(object)),
        Event::InitDone => Event::InitDone,
    }
}
