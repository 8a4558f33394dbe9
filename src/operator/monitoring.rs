//! The objects by which Prometheus finds the metrics and knows the alerts: a ServiceMonitor and two
//! PrometheusRules. The builders and the decision are pure; [`keep`] does I/O.
//!
//! They are made where the API has these kinds, as soon as it has. What a user changed in one is left
//! alone from then on: with each goes a hash of what we wanted and one of what the API made of it
//! (defaults come in), so that an edit is told apart from an older version of ours.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::certificate::{CA_CERTIFICATE, server_names};
use crate::api::names;
use crate::k8s::{RequestError, request};
use crate::metrics_server::FLEET_PATH;

const GROUP_VERSION: &str = "monitoring.coreos.com/v1";
const SERVICE_MONITOR: &str = "ServiceMonitor";
const PROMETHEUS_RULE: &str = "PrometheusRule";
/// The rule that compliance profiles look for.
const FAILURE_RULE: &str = "file-integrity";
/// The rule with our further alerts.
const FURTHER_RULE: &str = "file-integrity-operator";
/// Hash of what was wanted, a dot, hash of what the API made of it.
const ANNOTATION_WRITTEN: &str = "file-integrity.openshift.io/written";
/// Where OpenShift's Prometheus has the CA of certificates that the cluster made.
const SERVICE_CA: &str = "/etc/prometheus/configmaps/serving-certs-ca-bundle/service-ca.crt";

/// How often it is looked whether the API has the kinds by now, and tried again after a failure: an
/// API that has just been given the kinds may refuse their objects for a moment.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked whether the objects are there.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// Who vouches for the certificate of the fleet's metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The cluster's own CA for services, as on OpenShift.
    ServiceCa,
    /// Whoever made the mounted certificate: its Secret has the CA.
    Mounted,
    /// The operator's own CA.
    Own,
}

/// What Prometheus can scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// The process' metrics.
    pub own: bool,
    /// The fleet's.
    pub fleet: bool,
    /// Who vouches for the latter.
    pub authority: Authority,
}

/// The ServiceMonitor.
pub fn service_monitor(namespace: &str, targets: Targets) -> Value {
    let labels = json!({"name": names::OPERATOR_NAME});
    let mut endpoints = Vec::new();
    if targets.own {
        endpoints.push(json!({"port": "metrics"}));
    }
    if targets.fleet {
        let mut endpoint = fleet_endpoint(namespace, targets.authority);
        if targets.own {
            // One operator tells about the fleet. Were its series named after its pod, there would
            // be two of each when another one takes over, which the alert cannot join.
            let labels = "pod|instance|container|endpoint";
            endpoint["metricRelabelings"] = json!([{"action": "labeldrop", "regex": labels}]);
        }
        endpoints.push(endpoint);
    }
    json!({
        "apiVersion": GROUP_VERSION,
        "kind": SERVICE_MONITOR,
        "metadata": {
            "name": names::METRICS_SERVICE, "namespace": namespace, "labels": labels,
        },
        "spec": {"selector": {"matchLabels": labels}, "endpoints": endpoints},
    })
}

/// They go with the Service, so that nothing is left that alerts on an operator which was removed.
fn owned_by_service(mut object: Value, uid: Option<&str>) -> Value {
    if let Some(uid) = uid {
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "Service", "name": names::METRICS_SERVICE, "uid": uid,
            "controller": true,
        }]);
    }
    object
}

fn fleet_endpoint(namespace: &str, authority: Authority) -> Value {
    let [server_name, _] = server_names(namespace);
    let mut tls = json!({"serverName": server_name});
    let secret = |name: &str| json!({"secret": {"name": name, "key": CA_CERTIFICATE}});
    match authority {
        Authority::ServiceCa => tls["caFile"] = json!(SERVICE_CA),
        Authority::Mounted => tls["ca"] = secret(names::SERVING_CERT_SECRET),
        Authority::Own => tls["ca"] = secret(names::OWN_CERT_SECRET),
    }
    json!({
        "port": "metrics-fio",
        "path": FLEET_PATH,
        "scheme": "https",
        "authorization": {
            "type": "Bearer",
            "credentials": {"name": names::METRICS_TOKEN_SECRET, "key": "token"},
        },
        "tlsConfig": tls,
    })
}

/// The two rules.
pub fn rules(namespace: &str) -> Result<[Value; 2], serde_json::Error> {
    let rule = |name: &str, text: &str| {
        let mut spec: Value = serde_json::from_str(text)?;
        for group in spec["groups"].as_array_mut().into_iter().flatten() {
            for rule in group["rules"].as_array_mut().into_iter().flatten() {
                rule["labels"]["namespace"] = json!(namespace);
            }
        }
        Ok(json!({
            "apiVersion": GROUP_VERSION,
            "kind": PROMETHEUS_RULE,
            "metadata": {
                "name": name, "namespace": namespace, "labels": {"name": names::OPERATOR_NAME},
            },
            "spec": spec,
        }))
    };
    Ok([
        rule(FAILURE_RULE, include_str!("monitoring/failure.json"))?,
        rule(FURTHER_RULE, include_str!("monitoring/further.json"))?,
    ])
}

/// What to do about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Update,
    Leave,
}

/// What is to be done, given what is there. A ServiceMonitor without our mark is the original's,
/// which wrote its own over any other at each start; a rule may be anybody's.
fn step(existing: Option<&DynamicObject>, wanted: &Value) -> Step {
    let Some(existing) = existing else {
        return Step::Create;
    };
    let written = existing.annotations().get(ANNOTATION_WRITTEN);
    match written.and_then(|written| written.split_once('.')) {
        None if wanted["kind"] == SERVICE_MONITOR => Step::Update,
        None => Step::Leave,
        Some((_, made)) if made != hash(&existing.data["spec"]) => Step::Leave,
        Some((wish, _)) if wish == hash(&wanted["spec"]) => Step::Leave,
        Some(_) => Step::Update,
    }
}

fn hash(spec: &Value) -> String {
    names::short_hash(spec.to_string())
}

/// Why the objects could not be kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("put an object into JSON")]
    Json(#[from] serde_json::Error),
}

/// Keeps the objects, for as long as it is polled.
pub async fn keep(client: Client, namespace: String, targets: impl Fn() -> Targets) {
    let keeper = Keeper { client, namespace };
    let mut was_there = true;
    loop {
        let pause = match keeper.keep(targets()).await {
            Ok(is_there) => {
                if !is_there && was_there {
                    tracing::info!(
                        "the API has no {SERVICE_MONITOR} and {PROMETHEUS_RULE} ({GROUP_VERSION}); \
                         they are made as soon as it has"
                    );
                }
                was_there = is_there;
                if is_there { KEEP_EVERY } else { LOOK_EVERY }
            }
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "monitoring is not set up"
                );
                LOOK_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

struct Keeper {
    client: Client,
    namespace: String,
}

impl Keeper {
    /// Returns whether the API has the kinds.
    async fn keep(&self, targets: Targets) -> Result<bool, KeepError> {
        let kinds = self.kinds().await?;
        if kinds.is_empty() {
            return Ok(false);
        }
        let has = |kind: &str| kinds.iter().any(|known| known == kind);
        let uid = self.service_uid().await?;
        let owned = |object| owned_by_service(object, uid.as_deref());
        if has(SERVICE_MONITOR) {
            let monitor = owned(service_monitor(&self.namespace, targets));
            self.keep_one(SERVICE_MONITOR, &monitor).await?;
        }
        if has(PROMETHEUS_RULE) {
            for rule in rules(&self.namespace)? {
                self.keep_one(PROMETHEUS_RULE, &owned(rule)).await?;
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
        let services = Api::<Service>::namespaced(self.client.clone(), &self.namespace);
        let service = services.get_metadata_opt(names::METRICS_SERVICE);
        let service = request("read the Service metrics", service).await?;
        Ok(service.and_then(|service| service.metadata.uid))
    }

    async fn keep_one(&self, kind: &str, wanted: &Value) -> Result<(), KeepError> {
        let kind_of = GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind);
        let resource = ApiResource::from_gvk(&kind_of);
        let api =
            Api::<DynamicObject>::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let wanted_object: DynamicObject = serde_json::from_value(wanted.clone())?;
        let name = wanted_object.name_any();
        let existing = request(format!("read the {kind} {name}"), api.get_opt(&name)).await?;
        let mut object = match (step(existing.as_ref(), wanted), existing) {
            (Step::Leave, _) => return Ok(()),
            (Step::Update, Some(mut existing)) => {
                existing.data["spec"] = wanted["spec"].clone();
                existing
            }
            _ => wanted_object,
        };
        // Asked first without being done: the answer has the defaults that will come in.
        let made = write(&api, &object, true).await?;
        let written = format!("{}.{}", hash(&wanted["spec"]), hash(&made.data["spec"]));
        let annotations = object.annotations_mut();
        annotations.insert(ANNOTATION_WRITTEN.to_owned(), written);
        write(&api, &object, false).await?;
        tracing::info!(kind, name, "made for monitoring");
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
mod tests {
    use super::*;

    fn targets(authority: Authority) -> Targets {
        Targets {
            own: true,
            fleet: true,
            authority,
        }
    }

    #[test]
    fn the_whole_service_monitor() {
        let monitor = service_monitor("ns", targets(Authority::Own));
        insta::assert_yaml_snapshot!(owned_by_service(monitor, Some("u")));
    }

    #[test]
    fn certificates_are_verified_by_whom_made_them() {
        let tls = |authority| {
            service_monitor("ns", targets(authority))["spec"]["endpoints"][1]["tlsConfig"].take()
        };
        assert_eq!(
            tls(Authority::ServiceCa),
            json!({"serverName": "metrics.ns.svc", "caFile": SERVICE_CA})
        );
        assert_eq!(
            tls(Authority::Mounted)["ca"]["secret"]["name"],
            "file-integrity-operator-serving-cert"
        );
    }

    #[test]
    fn the_rules_name_the_namespace() {
        insta::assert_yaml_snapshot!(rules("ns").unwrap());
    }

    #[test]
    fn what_a_user_changed_is_left_alone() {
        let [wanted, _] = rules("ns").unwrap();
        let mut newer = wanted.clone();
        newer["spec"]["groups"][0]["name"] = json!("newer");
        let made = |spec: &Value, written: Option<String>| {
            let mut object = wanted.clone();
            object["spec"] = spec.clone();
            if let Some(written) = written {
                object["metadata"]["annotations"] = json!({ANNOTATION_WRITTEN: written});
            }
            serde_json::from_value::<DynamicObject>(object).unwrap()
        };
        let mut defaulted = wanted["spec"].clone();
        defaulted["groups"][0]["interval"] = json!("30s");
        let mark = |spec: &Value| Some(format!("{}.{}", hash(&wanted["spec"]), hash(spec)));

        assert_eq!(step(None, &wanted), Step::Create);
        let ours = made(&defaulted, mark(&defaulted));
        assert_eq!(step(Some(&ours), &wanted), Step::Leave);
        assert_eq!(step(Some(&ours), &newer), Step::Update);
        let edited = made(&json!({"groups": []}), mark(&defaulted));
        assert_eq!(step(Some(&edited), &newer), Step::Leave);
        let foreign = made(&wanted["spec"], None);
        assert_eq!(step(Some(&foreign), &newer), Step::Leave);
        let mut monitor = service_monitor("ns", targets(Authority::Own));
        monitor["metadata"]["resourceVersion"] = json!("1");
        let originals = serde_json::from_value(monitor.clone()).unwrap();
        assert_eq!(step(Some(&originals), &monitor), Step::Update);
    }
}
