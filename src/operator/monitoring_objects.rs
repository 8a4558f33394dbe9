//! The objects by which Prometheus finds the metrics and the alerts: a ServiceMonitor and two
//! PrometheusRules. I/O.
//!
//! They are created as soon as the API has these kinds. An object that a user changed is not changed any
//! more: an annotation has a hash of the spec that was written and one of the spec with the API's
//! defaults. So a user's change differs from what an older version of the operator wrote, which is
//! updated. What the original wrote has no annotation: its rule is known by its spec.

mod build;
mod runbooks;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use self::build::{GROUP_VERSION, PROMETHEUS_RULE, SERVICE_MONITOR};
pub(crate) use self::runbooks::Runbooks;
use super::metrics_endpoint::ScrapeTargets;
use crate::api::names::{self, Annotation};
use crate::api::object_name::NamespaceName;
use crate::k8s::{RequestError, request};

/// How often the API is queried for the kinds, and pause after a failure. An API that has just got the
/// kinds may refuse their objects for a moment.
const RETRY: Duration = Duration::from_secs(30);
/// How often the objects are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// What to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Update,
    /// It is as desired, or a user has changed what this version would write as well.
    Leave,
    /// It is not this operator's any more, and lacks what this version would write.
    LeaveOutdated,
}

/// What to do with an existing object. A ServiceMonitor without the annotation is the original's, which
/// overwrote any other at each start. A rule without it may belong to anybody, unless it is exactly the
/// original's.
fn step(existing: Option<&DynamicObject>, desired: &Value) -> Step {
    let Some(existing) = existing else {
        return Step::Create;
    };
    let written = existing.annotations().get(Annotation::WRITTEN_SPEC);
    match written.and_then(|written| written.split_once('.')) {
        None if desired["kind"] == SERVICE_MONITOR => Step::Update,
        None if is_of_the_original(existing, desired) => Step::Update,
        None => Step::LeaveOutdated,
        Some((spec, _)) if spec == hash(&desired["spec"]) => Step::Leave,
        Some((_, defaulted)) if defaulted != hash(&existing.data["spec"]) => Step::LeaveOutdated,
        Some(_) => Step::Update,
    }
}

/// Whether this is the rule of the original, and nobody has edited it.
fn is_of_the_original(existing: &DynamicObject, desired: &Value) -> bool {
    let namespace = desired["metadata"]["namespace"].as_str();
    let original = build::rule_of_the_original(namespace.unwrap_or_default());
    desired["metadata"]["name"] == original["metadata"]["name"]
        && existing.data["spec"] == original["spec"]
}

fn hash(spec: &Value) -> String {
    names::short_hash(spec.to_string())
}

/// Why the objects could not be written.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("encode an object as JSON")]
    Json(#[from] serde_json::Error),
}

/// A task of the leader: creates and updates the objects.
pub(crate) async fn keep(
    client: Client,
    namespace: NamespaceName,
    runbooks: Runbooks,
    targets: impl Fn() -> ScrapeTargets,
) {
    let mut setup = Setup {
        client,
        namespace,
        runbooks,
        reported: BTreeSet::new(),
    };
    let mut was_available = true;
    loop {
        let pause = match setup.run(targets()).await {
            Ok(is_available) => {
                if !is_available && was_available {
                    tracing::info!(
                        "the API has no {SERVICE_MONITOR} and {PROMETHEUS_RULE} ({GROUP_VERSION}); \
                         they are created as soon as it has them"
                    );
                }
                was_available = is_available;
                if is_available { CHECK_INTERVAL } else { RETRY }
            }
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "failed to set up monitoring"
                );
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// The complete alerts of an operator in this namespace, for tests of their texts.
#[cfg(any(test, feature = "testing"))]
pub fn alerts(namespace: &str) -> Result<Vec<Value>, serde_json::Error> {
    let rules = build::rules(namespace, &Runbooks::new(None))?;
    let groups = rules
        .iter()
        .filter_map(|rule| rule["spec"]["groups"].as_array());
    let alerts = groups.flatten();
    let alerts = alerts.filter_map(|group| group["rules"].as_array());
    Ok(alerts.flatten().cloned().collect())
}

struct Setup {
    client: Client,
    namespace: NamespaceName,
    runbooks: Runbooks,
    /// Objects that were reported as outdated.
    reported: BTreeSet<String>,
}

impl Setup {
    /// Returns whether the API has the kinds.
    async fn run(&mut self, targets: ScrapeTargets) -> Result<bool, SetupError> {
        let kinds = self.kinds().await?;
        if kinds.is_empty() {
            return Ok(false);
        }
        let has = |kind: &str| kinds.iter().any(|known| known == kind);
        let uid = self.service_uid().await?;
        let owned = |object| build::owned_by_service(object, uid.as_deref());
        if has(SERVICE_MONITOR) {
            let monitor = owned(build::service_monitor(self.namespace.as_str(), targets));
            self.write_one(SERVICE_MONITOR, &monitor).await?;
        }
        if has(PROMETHEUS_RULE) {
            for rule in build::rules(self.namespace.as_str(), &self.runbooks)? {
                self.write_one(PROMETHEUS_RULE, &owned(rule)).await?;
            }
        }
        Ok(has(SERVICE_MONITOR) && has(PROMETHEUS_RULE))
    }

    async fn kinds(&self) -> Result<Vec<String>, RequestError> {
        let resources = self.client.list_api_group_resources(GROUP_VERSION);
        match request("list the kinds for monitoring", resources).await {
            Ok(list) => Ok(list.resources.into_iter().map(|r| r.kind).collect()),
            Err(error) if error.code() == Some(404) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn service_uid(&self) -> Result<Option<String>, RequestError> {
        let services = Api::<Service>::namespaced(self.client.clone(), self.namespace.as_str());
        let service = services.get_metadata_opt(names::METRICS_SERVICE);
        let service = request("read the Service metrics", service).await?;
        Ok(service.and_then(|service| service.metadata.uid))
    }

    async fn write_one(&mut self, kind: &str, desired: &Value) -> Result<(), SetupError> {
        let kind_of = GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind);
        let resource = ApiResource::from_gvk(&kind_of);
        let namespace = self.namespace.as_str();
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource);
        let new: DynamicObject = serde_json::from_value(desired.clone())?;
        let name = new.name_any();
        let existing = request(format!("read the {kind} {name}"), api.get_opt(&name)).await?;
        let mut object = match (step(existing.as_ref(), desired), existing) {
            (Step::Leave, _) => return Ok(()),
            (Step::LeaveOutdated, _) => {
                if self.reported.insert(format!("{kind}/{name}")) {
                    tracing::info!(
                        kind,
                        name,
                        "the object for monitoring was changed and is left alone; it lacks changes \
                         of this version"
                    );
                }
                return Ok(());
            }
            (Step::Update, Some(mut existing)) => {
                existing.data["spec"] = desired["spec"].clone();
                existing
            }
            _ => new,
        };
        // The answer of a dry run has the defaults of the API.
        let defaulted = write(&api, &object, true).await?;
        let written = format!(
            "{}.{}",
            hash(&desired["spec"]),
            hash(&defaulted.data["spec"])
        );
        let annotations = object.annotations_mut();
        annotations.insert(Annotation::WRITTEN_SPEC.to_owned(), written);
        write(&api, &object, false).await?;
        tracing::info!(kind, name, "created or updated for monitoring");
        Ok(())
    }
}

async fn write(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    dry_run: bool,
) -> Result<DynamicObject, RequestError> {
    let name = object.name_any();
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    if object.resource_version().is_some() {
        request(
            format!("update {name}"),
            api.replace(&name, &params, object),
        )
        .await
    } else {
        request(format!("create {name}"), api.create(&params, object)).await
    }
}

#[cfg(test)]
mod tests;
