//! Reads whether the admission policy for acceptances is in force. I/O.

use axum::http::{Request, header};
use kube::Client;
use kube::core::dynamic::DynamicObject;
use kube::core::{ObjectMeta, PartialObjectMeta};

use super::super::observed::PolicyState;
use crate::api::object_name::NamespaceName;
use crate::k8s::{RequestError, request};

/// The API paths of both kinds.
const PATHS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
];
/// The media type for metadata only.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// The name of the policy and its binding.
pub(crate) fn acceptance_policy_name(namespace: &str) -> String {
    format!("file-integrity-acceptance.{namespace}")
}

/// The state of the policy and its binding.
pub(super) async fn policy(
    client: &Client,
    namespace: &NamespaceName,
) -> Result<PolicyState, RequestError> {
    let name = acceptance_policy_name(namespace.as_str());
    let mut since = None;
    for path in PATHS {
        let found = metadata(client, format!("{path}/{name}"));
        let found = request(format!("read the admission policy {name}"), found).await?;
        let Some(created) = found.and_then(|found| found.creation_timestamp) else {
            return Ok(PolicyState::Absent);
        };
        since = since.max(Some(created));
    }
    Ok(since.map_or(PolicyState::Absent, |since| PolicyState::InForce { since }))
}

/// The metadata of the object at `path`, if it exists.
async fn metadata(client: &Client, path: String) -> kube::Result<Option<ObjectMeta>> {
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
