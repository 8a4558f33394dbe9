//! Reads what the pods need besides the FileIntegrity: image, pull secrets, PriorityClass, and whether
//! the cluster is OpenShift. I/O.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::{Api, Client};

use super::super::build::Environment;
use super::error::ObserveError;
use crate::api::FileIntegritySpec;
use crate::api::object_name::ObjectName;
use crate::k8s::{RequestError, backoff, raw, request};

/// Maximum pause before the API groups are listed again.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A cluster with this API group is OpenShift.
const MACHINE_CONFIG_GROUP: &str = "machineconfiguration.openshift.io";

/// Whether the cluster is OpenShift. Waits until the API server answers, because a new leader should not
/// end when the API server has problems.
pub(super) async fn is_openshift(client: &Client) -> bool {
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        match request("list the API groups", client.list_api_groups()).await {
            Ok(all) => return all.groups.iter().any(|g| g.name == MACHINE_CONFIG_GROUP),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "waiting for the API server"
                );
                tokio::time::sleep(pauses.next().unwrap_or(MAX_BACKOFF)).await;
            }
        }
    }
}

/// The environment of the pods, without the PriorityClass. The operator's Deployment has it;
/// `fallback_image` is used if there is no Deployment.
pub(super) fn from_deployment(
    deployment: Option<&Deployment>,
    fallback_image: Option<&String>,
    openshift: bool,
) -> Result<Environment, ObserveError> {
    let pod = deployment
        .and_then(|deployment| deployment.spec.as_ref())
        .and_then(|spec| spec.template.spec.as_ref());
    let container = pod.and_then(|pod| pod.containers.first());
    let image = container.and_then(|container| container.image.as_ref());
    let image = image.or(fallback_image).ok_or(ObserveError::NoImage)?;
    let secrets = pod.and_then(|pod| pod.image_pull_secrets.as_deref());
    let secrets = secrets.unwrap_or_default().iter();
    let pull_policy = container.and_then(|container| container.image_pull_policy.clone());
    Ok(Environment {
        image: image.clone(),
        pull_secrets: secrets.map(|secret| secret.name.clone()).collect(),
        pull_policy: pull_policy.unwrap_or_default(),
        openshift,
        priority_class_exists: false,
    })
}

/// Whether the PriorityClass of the spec exists.
pub(super) async fn priority_class_exists(
    client: &Client,
    spec: &FileIntegritySpec,
) -> Result<bool, RequestError> {
    // An invalid name cannot be part of a request.
    let Some(Ok(name)) = spec.priority_class().map(ObjectName::parse) else {
        return Ok(false);
    };
    let api = Api::<PriorityClass>::all(client.clone());
    let found = raw::metadata_opt(&api, name.as_str());
    let found = request(format!("read the PriorityClass {name}"), found).await?;
    Ok(found.is_some())
}
