//! Creates and updates the admission policies of manifests/policy. I/O.
//!
//! Without the first, a token of one node could overwrite the results of all. Without the second, acceptances have no
//! effect. So the operator creates a policy that is missing (OLM installs none), and updates one that an older operator
//! created. A policy that an administrator created or changed is left alone.

mod comparison;
mod manifest;
mod state;

use std::time::Duration;

use axum::http::{Request, header};
use kube::core::dynamic::DynamicObject;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Client, ResourceExt as _};

pub use self::manifest::Policy;
use self::manifest::needs_update;
pub use self::state::{PolicyState, acceptance_policy};
use crate::api::names;
use crate::k8s::{RequestError, request};

/// The media type for metadata only.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How often the objects are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(300);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(60);

/// A task of the leader: creates and updates the policies and their bindings.
pub(crate) async fn keep(client: Client, namespace: String) {
    let mut logged = Policy::ALL.map(|_| None);
    let mut state = None;
    loop {
        let mut pause = CHECK_INTERVAL;
        for (policy, logged) in Policy::ALL.into_iter().zip(&mut logged) {
            let applied = apply_outdated(&client, &namespace, policy).await;
            let code = applied.as_ref().err().and_then(RequestError::code);
            if let Err(error) = &applied {
                pause = RETRY;
                // The same error is logged once.
                if code.is_none() || code != *logged {
                    log_failure(error, policy, &policy.name(&namespace));
                }
            }
            *logged = code;
        }
        // An error was logged above.
        if let Ok(now) = acceptance_policy(&client, &namespace).await
            && state.as_ref() != Some(&now)
        {
            log_state(&now);
            state = Some(now);
        }
        tokio::time::sleep(pause).await;
    }
}

fn log_failure(error: &RequestError, policy: Policy, name: &str) {
    match error.code() {
        Some(403) => tracing::warn!(
            name,
            without_it = policy.without_it(),
            "the admission policy is not managed, because this account is not allowed to: an administrator must \
             apply it (manifests/policy)"
        ),
        Some(409) => tracing::info!(name, "the admission policy was changed and is left alone"),
        _ => tracing::warn!(
            name,
            error = crate::error_chain(error),
            "failed to apply the admission policy"
        ),
    }
}

fn log_state(state: &PolicyState) {
    match state {
        PolicyState::InForce { since } => {
            tracing::info!(since = %since.0, "the admission policy for acceptances is in force");
        }
        PolicyState::Absent => tracing::warn!(
            "the admission policy for acceptances does not exist, so acceptances have no effect"
        ),
        PolicyState::Altered { what } => tracing::warn!(
            what,
            "the admission policy for acceptances is not the one of this version, so acceptances have no effect"
        ),
    }
}

async fn apply_outdated(
    client: &Client,
    namespace: &str,
    policy: Policy,
) -> Result<(), RequestError> {
    let name = policy.name(namespace);
    for document in policy.documents(namespace) {
        let path = format!("{}/{name}", document.path);
        let existing = request(
            format!("read the admission policy {name}"),
            metadata(client, &path),
        );
        if needs_update(existing.await?.as_ref(), &document.hash()) {
            let apply = apply(client, &path, document.with_hash());
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
