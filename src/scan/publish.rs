//! Carries out what [`super::tell`] decided: the kept log, the events, and last the node status.
//! I/O.
//!
//! The order matters. The status comes last, since it is what says "told": a crash before it leads
//! to the same log and the same events (same names) once more, and so to nothing new. Neither a log
//! nor an event that the API refuses holds it back, as nobody knows when that would end.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Identity;
use super::event::{self, EventMessage, Subject};
use super::tell::{self, News, Said};
use crate::api::{FileIntegrityNodeStatus, names, time};
use crate::k8s::decode::Unreadable;
use crate::k8s::{RequestError, raw, request};

/// Why some news could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The node status is not there (yet, or any more), or another one took its place.
    #[error("the node status is not there; the operator makes it")]
    NoStatus,
    /// A request came to nothing.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It was written, or would have been, and cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The status could not be put into JSON.
    #[error("put the node status into JSON")]
    Json(#[from] serde_json::Error),
}

/// Writes a node's news to the API.
#[derive(Clone)]
pub struct Publisher {
    identity: Identity,
    /// Pod or host that reports, for events.
    reporter: String,
    statuses: Api<FileIntegrityNodeStatus>,
    config_maps: Api<ConfigMap>,
    events: Api<Event>,
    said: Said,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher for this node.
    pub fn new(client: &Client, identity: Identity, reporter: String) -> Self {
        let namespace = identity.namespace.as_str();
        Self {
            statuses: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
            events: Api::namespaced(client.clone(), namespace),
            reporter,
            said: Said::default(),
            identity,
        }
    }

    /// Publishes `news` on top of `current`, the status as it was last seen. `log` is the kept log
    /// of the news' finding, if it has one. Returns the status as the API has it afterwards.
    pub async fn publish(
        &mut self,
        current: &FileIntegrityNodeStatus,
        news: &News,
        log: Option<&Value>,
    ) -> Result<FileIntegrityNodeStatus, PublishError> {
        self.said.begin_with(current);
        let mut telling = tell::decide(&self.identity, current, news, &self.said);
        if let (true, Some(log)) = (telling.write_log, log) {
            match self.write_log(log).await {
                Err(PublishError::Request(error)) if error.is_refusal() => {
                    let error = crate::error_chain(&error);
                    tracing::warn!(
                        error,
                        "the kept log cannot be written; the result is told without"
                    );
                    telling.without_log();
                }
                result => result?,
            }
        }
        for saying in &telling.events {
            match self.say(current, saying, &telling.transition).await {
                Err(PublishError::Request(error)) if error.is_refusal() => {
                    let error = crate::error_chain(&error);
                    tracing::warn!(
                        error,
                        event = saying.message,
                        "an event is refused; the result is told without"
                    );
                }
                result => result?,
            }
        }
        let Some(patch) = tell::patch(current, &telling.status)? else {
            self.said = telling.said;
            return Ok(current.clone());
        };
        let name = self.identity.node_status();
        let params = PatchParams::default();
        let patch = Patch::Merge(patch);
        let written = raw::patch(&self.statuses, &name, &params, &patch);
        let status = match request("write the node status", written).await {
            // 404: deleted. 409: the uid in the patch is not that of the object.
            Err(error) if matches!(error.code(), Some(404 | 409)) => {
                return Err(PublishError::NoStatus);
            }
            result => result?,
        };
        self.said = telling.said;
        Ok(status?)
    }

    /// Writes the kept log in one request, whether or not there is one already.
    async fn write_log(&self, log: &Value) -> Result<(), PublishError> {
        let name = self.identity.kept_log();
        let params = PatchParams::apply(names::FIELD_MANAGER_DAEMON).force();
        let patch = Patch::Apply(log);
        let written = raw::patch_metadata(&self.config_maps, &name, &params, &patch);
        let written = request("write the kept log", written).await?;
        let compressed = log["metadata"]["annotations"]
            .get(names::ANNOTATION_COMPRESSED)
            .is_some();
        if !compressed
            && written
                .annotations
                .is_some_and(|all| all.contains_key(names::ANNOTATION_COMPRESSED))
        {
            // Another writer's annotation, from before: applying leaves it, and it would lie.
            let removal =
                json!({"metadata": {"annotations": {names::ANNOTATION_COMPRESSED: null}}});
            let (params, patch) = (PatchParams::default(), Patch::Merge(&removal));
            let mended = raw::patch_metadata(&self.config_maps, &name, &params, &patch);
            request("mend the kept log", mended).await?;
        }
        Ok(())
    }

    async fn say(
        &self,
        current: &FileIntegrityNodeStatus,
        saying: &EventMessage,
        transition: &str,
    ) -> Result<(), PublishError> {
        // Without an owner the FileIntegrity is gone, and nobody is left to tell.
        let Some((_, uid)) = current.owner() else {
            return Ok(());
        };
        let subject = Subject {
            namespace: &self.identity.namespace,
            name: &self.identity.file_integrity,
            uid,
            node: Some(&self.identity.node),
            reporter: &self.reporter,
        };
        Ok(create_event(&self.events, &subject, saying, transition).await?)
    }
}

/// Creates an event. One that already exists is a success: its name says what it reports.
pub async fn create_event(
    events: &Api<Event>,
    subject: &Subject<'_>,
    saying: &EventMessage,
    transition: &str,
) -> Result<(), RequestError> {
    let event = event::build(subject, saying, transition, time::now_micro());
    let params = PostParams::default();
    let created = events.create(&params, &event);
    match request(format!("create an event about {}", subject.name), created).await {
        Err(error) if error.already_exists() => Ok(()),
        result => result.map(|_| ()),
    }
}
