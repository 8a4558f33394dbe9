//! The admission policy of manifests/policy, which restricts each daemon to the objects of its own node.
//! I/O.
//!
//! Without it, a token of one node could overwrite the results of all. So the operator creates the policy
//! if it is missing (OLM installs no policies), and updates one that an older operator created. A policy
//! that an administrator created or changed is left alone.

use std::time::Duration;

use axum::http::{Request, header};
use kube::core::dynamic::DynamicObject;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Client, ResourceExt as _};

use crate::api::names::{self, Annotation};
use crate::k8s::{RequestError, request};

/// The policy and its binding, for the namespace [`MANIFEST_NAMESPACE`].
const MANIFEST: &str = include_str!("../../manifests/policy/daemon.yaml");
/// The namespace in the manifest.
const MANIFEST_NAMESPACE: &str = "openshift-file-integrity";
/// The API paths of both kinds.
const PATHS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
];
/// The media type for metadata only.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How often the objects are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(300);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(60);

/// The name of the policy and its binding.
pub fn name(namespace: &str) -> String {
    format!("file-integrity-daemon.{namespace}")
}

/// The policy and its binding for this namespace, as YAML.
fn documents(namespace: &str) -> [String; 2] {
    let text = MANIFEST.replace(MANIFEST_NAMESPACE, namespace);
    let (policy, binding) = text.split_once("\n---\n").unwrap_or((&text, ""));
    [policy.to_owned(), binding.to_owned()]
}

/// Adds the annotation with the hash.
fn with_hash(document: &str, hash: &str) -> String {
    let key = Annotation::MANIFEST_HASH;
    let annotations = format!("metadata:\n  annotations:\n    {key}: \"{hash}\"\n");
    document.replacen("metadata:\n", &annotations, 1)
}

fn hash(document: &str) -> String {
    names::short_hash(document)
}

/// Whether an object should be written. `existing` is the metadata of the existing one.
fn needs_update(existing: Option<&ObjectMeta>, hash: &str) -> bool {
    let Some(existing) = existing else {
        return true;
    };
    let annotations = existing.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(Annotation::MANIFEST_HASH))
        .is_some_and(|existing| existing != hash)
}

/// A task of the leader: creates and updates the policy and its binding.
pub(crate) async fn keep(client: Client, namespace: String) {
    let mut logged = None;
    loop {
        let applied = apply_outdated(&client, &namespace).await;
        let code = applied.as_ref().err().and_then(RequestError::code);
        if let Err(error) = &applied
            // The same error is logged once.
            && (code.is_none() || code != logged)
        {
            log_failure(error, &name(&namespace));
        }
        logged = code;
        let pause = if applied.is_ok() {
            CHECK_INTERVAL
        } else {
            RETRY
        };
        tokio::time::sleep(pause).await;
    }
}

fn log_failure(error: &RequestError, name: &str) {
    match error.code() {
        Some(403) => tracing::warn!(
            name,
            "the admission policy is not managed, because this account is not allowed to: unless it \
             was applied with the manifests (manifests/policy), a node's token can write the results of \
             other nodes"
        ),
        Some(409) => tracing::info!(name, "the admission policy was changed and is left alone"),
        _ => tracing::warn!(
            name,
            error = crate::error_chain(error),
            "failed to apply the admission policy"
        ),
    }
}

async fn apply_outdated(client: &Client, namespace: &str) -> Result<(), RequestError> {
    let name = name(namespace);
    for (path, document) in PATHS.iter().zip(documents(namespace)) {
        let hash = hash(&document);
        let path = format!("{path}/{name}");
        let existing = request(
            format!("read the admission policy {name}"),
            metadata(client, &path),
        );
        if needs_update(existing.await?.as_ref(), &hash) {
            let apply = apply(client, &path, with_hash(&document, &hash));
            request(format!("apply the admission policy {name}"), apply).await?;
            tracing::info!(name, path, "the admission policy was applied");
        }
    }
    Ok(())
}

/// The metadata of the object at `path`, if it exists.
async fn metadata(client: &Client, path: &str) -> kube::Result<Option<ObjectMeta>> {
    let get = Request::get(path)
        .header(header::ACCEPT, METADATA)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    match client
        .request::<PartialObjectMeta<DynamicObject>>(get)
        .await
    {
        Ok(object) => Ok(Some(object.metadata)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Server-side apply, which accepts YAML. Without force, a field that somebody else changed is a conflict.
async fn apply(client: &Client, path: &str, document: String) -> kube::Result<String> {
    let manager = names::FIELD_MANAGER_OPERATOR;
    let apply = Request::patch(format!("{path}?fieldManager={manager}"))
        .header(header::CONTENT_TYPE, "application/apply-patch+yaml")
        .body(document.into_bytes())
        .map_err(kube::Error::HttpError)?;
    let applied = client
        .request::<PartialObjectMeta<DynamicObject>>(apply)
        .await?;
    Ok(applied.name_any())
}

#[cfg(test)]
mod tests;
