//! The task that publishes the reports of new baselines, however long the API server is unreachable. I/O.
//!
//! A report is a ConfigMap that the daemon creates and never overwrites: the operator promotes it to evidence, and deletes
//! it. Until then, and until it is created, the reports of later baselines wait on the node.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::Notify;

use crate::aide::database::{DatabaseError, StateDir};
use crate::api::names::{self, Annotation};
use crate::k8s::{RequestError, backoff, raw, request};

/// Maximum pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// Why a report could not be published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    File(#[from] DatabaseError),
    #[error("the ConfigMap {0} has an earlier report, which the operator has not processed yet")]
    Occupied(String),
    #[error("wait for a file operation")]
    AwaitFileOperation(#[from] tokio::task::JoinError),
}

/// Publishes the reports of this FileIntegrity in the state directory, and those that come. `arrived` announces new ones.
pub(super) async fn publish(
    state: StateDir,
    api: Api<ConfigMap>,
    file_integrity: String,
    arrived: Arc<Notify>,
) {
    let owner = names::label_value(&file_integrity);
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        match publish_oldest(&state, &api, &owner).await {
            Ok(true) => pauses = backoff(MAX_BACKOFF),
            Ok(false) => arrived.notified().await,
            Err(error) => {
                let pause = pauses.next().unwrap_or(MAX_BACKOFF);
                tracing::warn!(
                    error = crate::error_chain(&error),
                    retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "failed to publish the report of a new baseline; retrying"
                );
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Publishes the oldest report. Returns whether there was one.
async fn publish_oldest(
    state: &StateDir,
    api: &Api<ConfigMap>,
    owner: &str,
) -> Result<bool, PublishError> {
    for path in state.accepted_reports() {
        let file = path.clone();
        let read = move || StateDir::read_accepted_report(&file);
        let bytes = tokio::task::spawn_blocking(read).await??;
        let object: Option<ConfigMap> = serde_json::from_slice(&bytes).ok();
        match object {
            Some(object) if is_of(&object, owner) => {
                create(api, &object).await?;
                StateDir::remove_accepted_report(&path)?;
                return Ok(true);
            }
            // Another FileIntegrity has used the directory before.
            Some(_) => {}
            None => remove_damaged(&path)?,
        }
    }
    Ok(false)
}

fn is_of(object: &ConfigMap, owner: &str) -> bool {
    let labels = object.metadata.labels.as_ref();
    let found = labels.and_then(|labels| labels.get(names::Label::OWNER));
    found.is_some_and(|found| found == owner)
}

fn remove_damaged(path: &Path) -> Result<(), DatabaseError> {
    let path_text = path.display();
    tracing::warn!(path = %path_text, "removing a damaged report of a new baseline");
    StateDir::remove_accepted_report(path)
}

/// Creates the ConfigMap. It is published as well if it exists already: the daemon was killed after it had created it.
async fn create(api: &Api<ConfigMap>, object: &ConfigMap) -> Result<(), PublishError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let params = PostParams::default();
    let created = request(
        format!("create the ConfigMap {name}"),
        api.create(&params, object),
    );
    match created.await {
        Err(error) if error.already_exists() => {}
        created => return Ok(created.map(drop)?),
    }
    let existing = raw::metadata_opt(api, &name);
    let existing = request(format!("read the ConfigMap {name}"), existing).await?;
    // A baseline has two reports if the configuration has changed.
    let report = |metadata: &kube::core::ObjectMeta| {
        let annotations = metadata.annotations.as_ref();
        [Annotation::BASELINE_DIGEST, Annotation::CHANGE_SET]
            .map(|key| annotations.and_then(|all| all.get(key).cloned()))
    };
    let is_same = existing.is_some_and(|it| report(&it) == report(&object.metadata));
    if is_same {
        Ok(())
    } else {
        Err(PublishError::Occupied(name))
    }
}
