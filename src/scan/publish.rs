//! Writes what [`super::reporting`] has planned: the failure log, the events, and last the node status.
//! I/O.
//!
//! The status is written last, since it records what was reported. A crash before it leads to the same
//! log and the same events (of the same names) again, which changes nothing. A log or an event that the
//! API server refuses does not delay the status, as nobody knows when that would end.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Identity;
use super::event::{self, EventMessage, Subject};
use super::reporting::{self, LastReported, NodeUpdate, PlannedReport};
use crate::api::{FileIntegrityNodeStatus, names, time};
use crate::k8s::decode::Unreadable;
use crate::k8s::{RequestError, raw, request};

/// Why an update could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The node status does not exist, or another object of the same name has replaced it.
    #[error("the FileIntegrityNodeStatus does not exist; the operator creates it")]
    NoStatus,
    /// A request to the API server failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The node status was written, but the answer cannot be decoded.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The node status could not be encoded.
    #[error("encode the node status")]
    Json(#[from] serde_json::Error),
}

/// Publishes the updates of a node.
#[derive(Clone)]
pub struct Publisher {
    identity: Identity,
    /// The pod or host that reports, for events.
    reporter: String,
    statuses: Api<FileIntegrityNodeStatus>,
    config_maps: Api<ConfigMap>,
    events: Api<Event>,
    reported: LastReported,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher that has published nothing yet.
    pub fn new(client: &Client, identity: Identity, reporter: String) -> Self {
        let namespace = identity.namespace.as_str();
        Self {
            statuses: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
            events: Api::namespaced(client.clone(), namespace),
            reporter,
            reported: LastReported::default(),
            identity,
        }
    }

    /// Publishes `update` on top of `current`, the newest known status. `log` is the failure log of a
    /// failed scan. Returns the status that the API server has afterwards.
    pub async fn publish(
        &mut self,
        current: &FileIntegrityNodeStatus,
        update: &NodeUpdate,
        log: Option<&Value>,
    ) -> Result<FileIntegrityNodeStatus, PublishError> {
        self.reported.begin_with(current);
        let mut report = reporting::plan(&self.identity, current, update, &self.reported);
        match (report.write_log, log) {
            (true, Some(log)) => self.write_log_unless_refused(log, &mut report).await?,
            (true, None) => report.log_later(),
            (false, _) => {}
        }
        for event in &report.events {
            self.create_event_unless_refused(current, event, &report.transition)
                .await?;
        }
        let status = self.write_status(current, &report.status).await?;
        self.reported = report.reported;
        Ok(status?)
    }

    /// The inner error: the status was written, but what the API server returned cannot be decoded.
    async fn write_status(
        &self,
        current: &FileIntegrityNodeStatus,
        planned: &FileIntegrityNodeStatus,
    ) -> Result<Result<FileIntegrityNodeStatus, Unreadable>, PublishError> {
        let Some(patch) = reporting::status_patch(current, planned)? else {
            return Ok(Ok(current.clone()));
        };
        let name = self.identity.node_status();
        let params = PatchParams::default();
        let patch = Patch::Merge(patch);
        let written = raw::patch(&self.statuses, &name, &params, &patch);
        match request("write the node status", written).await {
            // 404: the object was deleted. 409: the uid in the patch is that of another object.
            Err(error) if matches!(error.code(), Some(404 | 409)) => Err(PublishError::NoStatus),
            result => Ok(result?),
        }
    }

    async fn write_log_unless_refused(
        &self,
        log: &Value,
        report: &mut PlannedReport,
    ) -> Result<(), PublishError> {
        match self.write_log(log).await {
            Err(PublishError::Request(error)) if error.is_refusal() => {
                let error = crate::error_chain(&error);
                tracing::warn!(
                    error,
                    "failed to write the failure log; reporting without it"
                );
                report.without_log();
                Ok(())
            }
            result => result,
        }
    }

    /// Writes the failure log in one request, whether or not it exists.
    async fn write_log(&self, log: &Value) -> Result<(), PublishError> {
        let name = self.identity.failure_log();
        let params = PatchParams::apply(names::FIELD_MANAGER_DAEMON).force();
        let patch = Patch::Apply(log);
        let written = raw::patch_metadata(&self.config_maps, &name, &params, &patch);
        let written = request("write the failure log", written).await?;
        let compressed = log["metadata"]["annotations"]
            .get(names::Annotation::COMPRESSED)
            .is_some();
        if !compressed
            && written
                .annotations
                .is_some_and(|all| all.contains_key(names::Annotation::COMPRESSED))
        {
            // Another field manager has set the annotation, so server-side apply does not remove it.
            let removal =
                json!({"metadata": {"annotations": {names::Annotation::COMPRESSED: null}}});
            let (params, patch) = (PatchParams::default(), Patch::Merge(&removal));
            let fixed = raw::patch_metadata(&self.config_maps, &name, &params, &patch);
            request("fix the failure log", fixed).await?;
        }
        Ok(())
    }

    async fn create_event_unless_refused(
        &self,
        current: &FileIntegrityNodeStatus,
        event: &EventMessage,
        transition: &str,
    ) -> Result<(), PublishError> {
        // Without an owner the FileIntegrity was deleted, and the event would refer to nothing.
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
        match create_event(&self.events, &subject, event, transition).await {
            Err(error) if error.is_refusal() => {
                let error = crate::error_chain(&error);
                let event = &event.message;
                tracing::warn!(
                    error,
                    event,
                    "failed to create an event; reporting without it"
                );
                Ok(())
            }
            result => Ok(result?),
        }
    }
}

/// Creates an event. One that exists already is a success: its name identifies what it reports.
pub(crate) async fn create_event(
    events: &Api<Event>,
    subject: &Subject<'_>,
    message: &EventMessage,
    transition: &str,
) -> Result<(), RequestError> {
    let event = event::build(subject, message, transition, time::now_micro());
    let params = PostParams::default();
    let created = events.create(&params, &event);
    match request(format!("create an event about {}", subject.name), created).await {
        Err(error) if error.already_exists() => Ok(()),
        result => result.map(|_| ()),
    }
}
