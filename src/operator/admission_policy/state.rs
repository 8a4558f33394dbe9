//! Whether the policy for acceptances is in force. I/O.

use axum::http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::core::ObjectMeta;
use serde_json::Value;

use super::comparison::difference;
use super::manifest::{Document, Policy};
use crate::k8s::{RequestError, request};

/// Whether the policy for acceptances is in force. Without it, anybody who can create an acceptance could name another
/// approver.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyState {
    /// The policy and its binding are exactly as in the manifest.
    InForce {
        /// When the later one was created. What was created before was not checked.
        since: Time,
    },
    /// One of them does not exist.
    Absent,
    /// One of them is not as in the manifest, or cannot be read.
    Altered {
        /// Which object, and what differs.
        what: String,
    },
}

/// Reads the policy for acceptances and its binding, and compares them with the manifest.
pub async fn acceptance_policy(
    client: &Client,
    namespace: &str,
) -> Result<PolicyState, RequestError> {
    let policy = Policy::Acceptance;
    let name = policy.name(namespace);
    let mut since: Option<Time> = None;
    for document in policy.documents(namespace) {
        let kind = document.kind;
        let read = request(
            format!("read the {kind} {name}"),
            read(client, &document, &name),
        );
        let stored = match read.await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(PolicyState::Absent),
            Err(error) if error.code() == Some(403) => {
                let what = format!("the operator has no permission to get the {kind} {name}");
                return Ok(PolicyState::Altered { what });
            }
            Err(error) => return Err(error),
        };
        // The unit tests read all manifests.
        let expected: Value = serde_saphyr::from_str(&document.text).unwrap_or_default();
        if let Some(field) = difference(&expected, &stored) {
            let what = format!("{field} of the {kind} {name} is not as in the manifest");
            return Ok(PolicyState::Altered { what });
        }
        let created = serde_json::from_value::<ObjectMeta>(stored["metadata"].clone());
        let created = created
            .ok()
            .and_then(|metadata| metadata.creation_timestamp);
        since = since.max(created);
    }
    Ok(since.map_or(PolicyState::Absent, |since| PolicyState::InForce { since }))
}

/// The object, if it exists.
async fn read(client: &Client, document: &Document, name: &str) -> kube::Result<Option<Value>> {
    let get = Request::get(format!("{}/{name}", document.path))
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    match client.request::<Value>(get).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
