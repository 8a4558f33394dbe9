//! Applies and deletes objects. I/O.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::build;
use super::super::observed::Observed;
use super::super::ownership::{foreign_owner, is_applied, is_leftover};
use super::super::plan::{DesiredObject, ObsoleteObject};
use super::comparison::{foreign_annotations_removal, is_up_to_date};
use super::error::ApplyError;
use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegrity, FileIntegrityAcceptance, FileIntegrityNodeStatus, names};
use crate::k8s::{raw, request};
use crate::operator::cache::node_status::CachedNodeStatus;

/// An object that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    /// Another object with the name was deleted first.
    pub(crate) replaced: bool,
}

/// Writes the objects of one namespace.
#[derive(Clone)]
pub(crate) struct Applier {
    pub(super) file_integrities: Api<FileIntegrity>,
    pub(super) acceptances: Api<FileIntegrityAcceptance>,
    statuses: Api<FileIntegrityNodeStatus>,
    config_maps: Api<ConfigMap>,
    daemon_sets: Api<DaemonSet>,
    pub(super) events: Api<Event>,
    /// The reporting instance of events.
    pub(super) reporter: String,
    pub(super) namespace: String,
}

impl Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier")
            .field("reporter", &self.reporter)
            .finish_non_exhaustive()
    }
}

impl Applier {
    /// `reporter` is the reporting instance of events.
    pub(crate) fn new(client: &Client, namespace: &NamespaceName, reporter: &str) -> Self {
        let name = namespace.as_str();
        Self {
            file_integrities: Api::namespaced(client.clone(), name),
            acceptances: Api::namespaced(client.clone(), name),
            statuses: Api::namespaced(client.clone(), name),
            config_maps: Api::namespaced(client.clone(), name),
            daemon_sets: Api::namespaced(client.clone(), name),
            events: Api::namespaced(client.clone(), name),
            reporter: reporter.to_owned(),
            namespace: name.to_owned(),
        }
    }

    /// Applies an object, unless it is up to date. Returns what was written, if anything was.
    pub(crate) async fn apply(
        &self,
        observed: &Observed,
        desired: &DesiredObject,
    ) -> Result<Option<Applied>, ApplyError> {
        let fi = &observed.file_integrity;
        match desired {
            DesiredObject::ConfigMap(object) => {
                let existing = observed.active.as_deref();
                self.apply_one("ConfigMap", &self.config_maps, existing, fi, object)
                    .await
            }
            DesiredObject::NodeStatus(status) => {
                let kind = "FileIntegrityNodeStatus";
                let existing = status.existing.as_deref();
                let existing = existing.map(CachedNodeStatus::to_applied_object);
                let object = build::node_status(fi, &status.node, &status.desired);
                self.apply_one(kind, &self.statuses, existing.as_ref(), fi, &object)
                    .await
            }
            DesiredObject::DaemonSet(object) => {
                let name = object["metadata"]["name"].as_str();
                let existing = observed
                    .daemon_sets
                    .iter()
                    .find(|existing| existing.metadata.name.as_deref() == name);
                let existing = existing.map(AsRef::as_ref);
                self.apply_one("DaemonSet", &self.daemon_sets, existing, fi, object)
                    .await
            }
        }
    }

    async fn apply_one<K>(
        &self,
        kind: &'static str,
        api: &Api<K>,
        existing: Option<&K>,
        fi: &FileIntegrity,
        object: &Value,
    ) -> Result<Option<Applied>, ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let mut replaced = false;
        match existing {
            Some(existing) if is_leftover(existing.meta(), &fi.metadata) => {
                self.delete_leftover(api, name, fi).await?;
                self.prepare_unknown(kind, api, name, fi).await?;
            }
            Some(existing) => {
                refuse_foreign(kind, existing.meta(), fi)?;
                let current = serde_json::to_value(existing)?;
                // An immutable ConfigMap can be deleted, but not changed.
                let is_immutable = current["immutable"] == json!(true);
                let removal = foreign_annotations_removal(existing.annotations(), object);
                if !is_immutable && removal.is_none() && is_up_to_date(&current, object) {
                    return Ok(None);
                }
                if is_immutable || (kind == "DaemonSet" && !is_applied(existing)) {
                    delete_object(api, existing, name).await?;
                    replaced = true;
                }
            }
            None => self.prepare_unknown(kind, api, name, fi).await?,
        }
        let written = write(api, name, object).await?;
        Ok(Some(Applied {
            uid: written.uid.unwrap_or_default(),
            generation: written.generation.unwrap_or_default(),
            replaced,
        }))
    }

    /// The stores have only objects with the operator's labels. Applying would take over one without.
    async fn prepare_unknown<K>(
        &self,
        kind: &'static str,
        api: &Api<K>,
        name: &str,
        fi: &FileIntegrity,
    ) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let found = request(format!("get {name}"), raw::metadata_opt(api, name)).await?;
        match found {
            Some(found) if is_leftover(&found, &fi.metadata) => {
                self.delete_leftover(api, name, fi).await
            }
            Some(found) => refuse_foreign(kind, &found, fi),
            None => Ok(()),
        }
    }

    /// Deletes an object of a deleted FileIntegrity with the same name, before the garbage collector does.
    /// The watch may be behind, so it is checked first that the API has this FileIntegrity.
    async fn delete_leftover<K>(
        &self,
        api: &Api<K>,
        name: &str,
        fi: &FileIntegrity,
    ) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let fi_name = fi.name_any();
        // Only the metadata of this one object: no other object that cannot be decoded prevents it.
        let params = ListParams::default().fields(&format!("metadata.name={fi_name}"));
        let current = self.file_integrities.list_metadata(&params);
        let current = request(format!("get {fi_name}"), current).await?;
        if current
            .items
            .iter()
            .all(|now| now.metadata.uid != fi.metadata.uid)
        {
            return Err(ApplyError::Outdated(fi_name));
        }
        let found = request(format!("get {name}"), raw::metadata_opt(api, name)).await?;
        let Some(found) = found.filter(|found| is_leftover(found, &fi.metadata)) else {
            return Ok(());
        };
        // Somebody may have replaced or adopted it since.
        let params = only(found.uid, found.resource_version);
        delete("remove the old", name, api.delete(name, &params)).await?;
        Ok(())
    }

    /// Deletes an object. Returns whether it existed.
    pub(crate) async fn delete(&self, obsolete: &ObsoleteObject) -> Result<bool, ApplyError> {
        let params = DeleteParams::background();
        match obsolete {
            ObsoleteObject::DaemonSet(name) => {
                delete("delete", name, self.daemon_sets.delete(name, &params)).await
            }
            ObsoleteObject::NodeStatus(name) => {
                delete("delete", name, self.statuses.delete(name, &params)).await
            }
        }
    }

    /// Deletes what the original left: ConfigMaps with scripts that nothing mounts any more, and logs
    /// that its daemons sent to its operator.
    pub(crate) async fn delete_legacy(&self) -> Result<(), ApplyError> {
        let params = DeleteParams::default();
        for name in names::LEGACY_CONFIG_MAPS {
            delete("delete", name, self.config_maps.delete(name, &params)).await?;
        }
        let logs = ListParams::default().labels(&format!(
            "{},!{}",
            names::Label::LOG,
            names::Label::RESULT_LOG
        ));
        let deletion = self.config_maps.delete_collection(&params, &logs);
        request("delete logs of the original's daemons", deletion).await?;
        Ok(())
    }
}

fn refuse_foreign(
    kind: &'static str,
    existing: &ObjectMeta,
    fi: &FileIntegrity,
) -> Result<(), ApplyError> {
    match foreign_owner(existing, &fi.metadata) {
        Some(owner) => Err(ApplyError::NameCollision {
            kind,
            name: existing.name.clone().unwrap_or_default(),
            owner,
        }),
        None => Ok(()),
    }
}

/// Applies the object, and removes annotations that a daemon would take for the operator's.
async fn write<K>(api: &Api<K>, name: &str, object: &Value) -> Result<ObjectMeta, ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let params = PatchParams::apply(names::FIELD_MANAGER_OPERATOR).force();
    let patch = Patch::Apply(object);
    let written = raw::patch_metadata(api, name, &params, &patch);
    let written = request(format!("apply {name}"), written).await?;
    let annotations = written.annotations.as_ref();
    if let Some(removal) = annotations.and_then(|all| foreign_annotations_removal(all, object)) {
        // Applying does not remove annotations that somebody else has set.
        let (params, patch) = (PatchParams::default(), Patch::Merge(&removal));
        let removed = raw::patch_metadata(api, name, &params, &patch);
        request(format!("remove annotations of {name}"), removed).await?;
    }
    Ok(written)
}

/// Deletes an object of another program, whose fields applying would leave in place, or an immutable one.
/// Its pods are deleted with it.
async fn delete_object<K>(api: &Api<K>, existing: &K, name: &str) -> Result<(), ApplyError>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let params = only(existing.meta().uid.clone(), None);
    delete("replace", name, api.delete(name, &params)).await?;
    Ok(())
}

/// Deletes only the object with this uid and, if given, in this version.
fn only(uid: Option<String>, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid,
            resource_version,
        }),
        ..DeleteParams::background()
    }
}

/// Sends a deletion. Returns whether the object existed.
async fn delete<T>(
    action: &str,
    name: &str,
    deletion: impl Future<Output = kube::Result<T>>,
) -> Result<bool, ApplyError> {
    match request(format!("{action} {name}"), deletion).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
