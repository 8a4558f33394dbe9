//! Carries a plan out: server-side apply, deletions, events, status. I/O.
//!
//! An object that is as it should be is not written again, so a cluster at rest costs no writes.
//! Whether it is, is asked of the object itself: does it have all that is wanted, and is the hash
//! of what is wanted the one it was made with?

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::build;
use super::plan::{Observed, Unwanted, Wanted};
use super::statuses::WatchedStatus;
use crate::api::{
    DesiredNodeState, EventReason, FILE_INTEGRITY_KIND, FileIntegrity, FileIntegrityNodeStatus,
    FileIntegrityStatus, GROUP, names, time,
};
use crate::k8s::decode::Unreadable;
use crate::k8s::{RequestError, raw, request};
use crate::scan::event::{EventMessage, Severity, Subject};
use crate::scan::publish;

/// Reason of what is reported of a FileIntegrity that cannot be read.
const UNREADABLE: EventReason = EventReason::ObjectUnreadable;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A request came to nothing.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// An object of this name belongs to somebody else.
    #[error("{kind} {name} belongs to {owner} and is left alone; rename or remove one of the two")]
    NameCollision {
        /// The object's kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Its owner.
        owner: String,
    },
    /// This FileIntegrity is not the one that the API has now.
    #[error("FileIntegrity {0} was deleted, or created again, meanwhile")]
    Outdated(String),
    /// An object could not be put into JSON.
    #[error("put an object into JSON")]
    Json(#[from] serde_json::Error),
}

impl ApplyError {
    /// Whether the API server will not do it until somebody changes something: no permission, or an
    /// object that it, or an admission webhook, does not take.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_refusal())
    }
}

/// An object that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its uid.
    pub uid: String,
    /// Its generation afterwards.
    pub generation: i64,
    /// Another object of that name was removed first.
    pub replaced: bool,
}

/// Writes to the objects of one namespace.
#[derive(Clone)]
pub struct Applier {
    /// FileIntegrities.
    pub file_integrities: Api<FileIntegrity>,
    statuses: Api<FileIntegrityNodeStatus>,
    config_maps: Api<ConfigMap>,
    daemon_sets: Api<DaemonSet>,
    events: Api<Event>,
    reporter: String,
    namespace: String,
}

impl Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier")
            .field("reporter", &self.reporter)
            .finish_non_exhaustive()
    }
}

impl Applier {
    /// An applier for this namespace; `reporter` is who says what it says.
    pub fn new(client: &Client, namespace: &str, reporter: &str) -> Self {
        Self {
            file_integrities: Api::namespaced(client.clone(), namespace),
            statuses: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
            daemon_sets: Api::namespaced(client.clone(), namespace),
            events: Api::namespaced(client.clone(), namespace),
            reporter: reporter.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// Makes one object what it should be. Returns what was written, if that took a write.
    pub async fn apply(
        &self,
        observed: &Observed,
        wanted: &Wanted,
    ) -> Result<Option<Applied>, ApplyError> {
        match wanted {
            Wanted::ConfigMap(object) => {
                let existing = observed.active.as_deref();
                self.apply_one("ConfigMap", &self.config_maps, existing, observed, object)
                    .await
            }
            Wanted::NodeStatus(status) => {
                let kind = "FileIntegrityNodeStatus";
                let there = status.there.as_deref().map(WatchedStatus::as_applied);
                let fi = &observed.file_integrity;
                let object = build::node_status(fi, &status.node, &status.desired);
                self.apply_one(kind, &self.statuses, there.as_ref(), observed, &object)
                    .await
            }
            Wanted::DaemonSet(object) => {
                let existing = find(&observed.daemon_sets, object);
                self.apply_one("DaemonSet", &self.daemon_sets, existing, observed, object)
                    .await
            }
        }
    }

    async fn apply_one<K>(
        &self,
        kind: &'static str,
        api: &Api<K>,
        existing: Option<&K>,
        observed: &Observed,
        object: &Value,
    ) -> Result<Option<Applied>, ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut replaced = false;
        let existing = match existing {
            Some(existing) if is_leftover(existing.meta(), observed) => {
                self.remove_leftover(api, &name, observed).await?;
                None
            }
            existing => existing,
        };
        if let Some(existing) = existing {
            refuse_foreign(kind, existing.meta(), observed)?;
            let seen = serde_json::to_value(existing)?;
            // A ConfigMap that is can be written no more.
            let is_immutable = seen["immutable"] == json!(true);
            let has_no_foreign_annotations =
                foreign_annotations_removal(existing.annotations(), object).is_none();
            if !is_immutable && has_no_foreign_annotations && is_as_wanted(&seen, object) {
                return Ok(None);
            }
            if is_immutable || (kind == "DaemonSet" && !is_ours(existing)) {
                self.remove_whole(api, existing, &name).await?;
                replaced = true;
            }
        } else if let Some(unseen) =
            request(format!("look for {name}"), raw::metadata_opt(api, &name)).await?
        {
            if is_leftover(&unseen, observed) {
                self.remove_leftover(api, &name, observed).await?;
            } else {
                // The caches hold what has our labels; applying would take over what has not.
                refuse_foreign(kind, &unseen, observed)?;
            }
        }
        let params = PatchParams::apply(names::FIELD_MANAGER_OPERATOR).force();
        let patch = Patch::Apply(object);
        let written = raw::patch_metadata(api, &name, &params, &patch);
        let written = request(format!("apply {name}"), written).await?;
        let annotations = written.annotations.as_ref();
        if let Some(removal) = annotations.and_then(|all| foreign_annotations_removal(all, object))
        {
            // Applying does not remove annotations that somebody else has set.
            let (params, patch) = (PatchParams::default(), Patch::Merge(&removal));
            let removed = raw::patch_metadata(api, &name, &params, &patch);
            request(format!("remove annotations of {name}"), removed).await?;
        }
        Ok(Some(Applied {
            uid: written.uid.unwrap_or_default(),
            generation: written.generation.unwrap_or_default(),
            replaced,
        }))
    }

    /// Removes what a deleted FileIntegrity of the same name has left, before the garbage collector comes
    /// to it. Whether that FileIntegrity is deleted is known when the API has ours under its name: what the
    /// watch showed may be older.
    async fn remove_leftover<K>(
        &self,
        api: &Api<K>,
        name: &str,
        observed: &Observed,
    ) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let fi = observed.file_integrity.as_ref();
        let fi_name = fi.name_any();
        let params = ListParams::default().fields(&format!("metadata.name={fi_name}"));
        let now = self.file_integrities.list_metadata(&params);
        let now = request(format!("look for {fi_name}"), now).await?;
        if now
            .items
            .iter()
            .all(|now| now.metadata.uid != fi.metadata.uid)
        {
            return Err(ApplyError::Outdated(fi_name));
        }
        let found = request(format!("look for {name}"), raw::metadata_opt(api, name)).await?;
        let Some(found) = found.filter(|found| is_leftover(found, observed)) else {
            return Ok(());
        };
        // Not what somebody has put in its place or adopted since.
        let params = only(found.uid, found.resource_version);
        removed("remove the old", name, api.delete(name, &params)).await?;
        Ok(())
    }

    /// Removes an object that somebody else's program made: applying over it would leave fields of
    /// theirs in it. Its pods go with it. Also one that somebody has made immutable.
    async fn remove_whole<K>(
        &self,
        api: &Api<K>,
        existing: &K,
        name: &str,
    ) -> Result<(), ApplyError>
    where
        K: Resource + Clone + Debug + DeserializeOwned,
    {
        let params = only(existing.meta().uid.clone(), None);
        removed("replace", name, api.delete(name, &params)).await?;
        Ok(())
    }

    /// Removes one object. Returns whether it was there.
    pub async fn remove(&self, unwanted: &Unwanted) -> Result<bool, ApplyError> {
        let params = DeleteParams::background();
        match unwanted {
            Unwanted::DaemonSet(name) => {
                removed("delete", name, self.daemon_sets.delete(name, &params)).await
            }
            Unwanted::NodeStatus(name) => {
                removed("delete", name, self.statuses.delete(name, &params)).await
            }
        }
    }

    /// Removes what the original left: ConfigMaps with scripts, which nothing mounts any more once
    /// the DaemonSets are ours, and logs on their way from its daemons to its operator.
    pub async fn remove_legacy(&self) -> Result<(), ApplyError> {
        let params = DeleteParams::default();
        for name in names::LEGACY_CONFIG_MAPS {
            removed("delete", name, self.config_maps.delete(name, &params)).await?;
        }
        let logs = ListParams::default().labels(&format!(
            "{},!{}",
            names::LABEL_LOG,
            names::LABEL_RESULT_LOG
        ));
        let unread = self.config_maps.delete_collection(&params, &logs);
        request("delete logs that the original's daemons left", unread).await?;
        Ok(())
    }

    /// Changes the FileIntegrity's own annotations. Returns its metadata afterwards.
    pub async fn patch_metadata(
        &self,
        fi: &FileIntegrity,
        patch: &Value,
    ) -> Result<ObjectMeta, ApplyError> {
        let name = fi.name_any();
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let written = raw::patch_metadata(&self.file_integrities, &name, &params, &patch);
        Ok(request(format!("annotate {name}"), written).await?)
    }

    /// Writes the status. Returns the object as it is afterwards.
    pub async fn write_status(
        &self,
        fi: &FileIntegrity,
        status: &FileIntegrityStatus,
    ) -> Result<FileIntegrity, ApplyError> {
        let name = fi.name_any();
        let patch = json!({
            "metadata": {"uid": fi.metadata.uid},
            "status": status,
        });
        // The watch tells by this name what others write.
        let params = status_params();
        let patch = Patch::Merge(&patch);
        let written = raw::patch_status(&self.file_integrities, &name, &params, &patch);
        let written = request(format!("write the status of {name}"), written).await?;
        // It was readable before, and whatever has changed since, this was written.
        Ok(written.unwrap_or_else(|_| FileIntegrity {
            status: Some(status.clone()),
            ..fi.clone()
        }))
    }

    /// Reports of a FileIntegrity that it cannot be read. What else its status has is not known.
    pub async fn report_unreadable(&self, fi: &Unreadable) -> Result<(), ApplyError> {
        let message = format!("{fi}; nothing is changed for it until it can");
        let subject = Subject {
            namespace: &self.namespace,
            name: &fi.name,
            uid: &fi.uid,
            node: None,
            reporter: &self.reporter,
        };
        let saying = EventMessage {
            severity: Severity::Warning,
            reason: UNREADABLE,
            message: message.clone(),
        };
        publish::create_event(&self.events, &subject, &saying, "").await?;
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": UNREADABLE.as_str(), "message": message,
                "lastTransitionTime": time::now(),
            })
        };
        let patch = json!({
            "metadata": {"uid": fi.uid},
            "status": {"conditions": [condition("Degraded", "True"), condition("Ready", "Unknown")]},
        });
        let params = status_params();
        let (api, patch) = (&self.file_integrities, Patch::Merge(&patch));
        let written = raw::patch_status(api, &fi.name, &params, &patch);
        let written = request(format!("write the status of {}", fi.name), written).await;
        // Whether what came back can be read is not the question: it cannot.
        written.map(|_| ()).map_err(Into::into)
    }

    /// Says something about a FileIntegrity; a second time of the same transition is no second
    /// event.
    pub async fn say(
        &self,
        fi: &FileIntegrity,
        saying: &EventMessage,
        transition: &str,
    ) -> Result<(), ApplyError> {
        let (name, namespace) = (fi.name_any(), fi.namespace().unwrap_or_default());
        let subject = Subject {
            namespace: &namespace,
            name: &name,
            uid: fi.metadata.uid.as_deref().unwrap_or_default(),
            node: None,
            reporter: &self.reporter,
        };
        Ok(publish::create_event(&self.events, &subject, saying, transition).await?)
    }
}

fn find<'a, K: Resource>(existing: &'a [std::sync::Arc<K>], object: &Value) -> Option<&'a K> {
    let name = object["metadata"]["name"].as_str();
    existing
        .iter()
        .find(|e| e.meta().name.as_deref() == name)
        .map(AsRef::as_ref)
}

/// Deletes just the object of this uid, and in this version where one is named.
fn only(uid: Option<String>, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid,
            resource_version,
        }),
        ..DeleteParams::background()
    }
}

/// Writes a status as the operator.
fn status_params() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER_OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}

/// Whether a FileIntegrity of the same name controls this, and it is another one: names are unique, so
/// that one was deleted.
pub(super) fn is_leftover(existing: &ObjectMeta, observed: &Observed) -> bool {
    let fi = &observed.file_integrity.metadata;
    let owners = existing.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    controller.is_some_and(|owner| {
        owner.kind == FILE_INTEGRITY_KIND
            && owner.api_version.split('/').next() == Some(GROUP)
            && Some(&owner.name) == fi.name.as_ref()
            && Some(&owner.uid) != fi.uid.as_ref()
    })
}

/// Only what this FileIntegrity controls is its to write, and what nobody controls but has its
/// label: the original made such.
fn refuse_foreign(
    kind: &'static str,
    existing: &ObjectMeta,
    observed: &Observed,
) -> Result<(), ApplyError> {
    let fi = observed.file_integrity.as_ref();
    let owners = existing.owner_references.as_deref().unwrap_or_default();
    let owner = match owners.iter().find(|o| o.controller == Some(true)) {
        Some(owner) if Some(&owner.uid) == fi.metadata.uid.as_ref() => return Ok(()),
        Some(owner) => format!("{} {}", owner.kind, owner.name),
        None if has_owner_label(existing, &fi.name_any()) => return Ok(()),
        None => "somebody else".to_owned(),
    };
    Err(ApplyError::NameCollision {
        kind,
        name: existing.name.clone().unwrap_or_default(),
        owner,
    })
}

fn has_owner_label(existing: &ObjectMeta, file_integrity: &str) -> bool {
    let labels = existing.labels.iter().flatten();
    let wanted = names::label_value(file_integrity);
    labels.into_iter().any(|(key, value)| {
        [names::LABEL_OWNER, names::LABEL_REINIT_OWNER].contains(&key.as_str()) && *value == wanted
    })
}

/// We have applied it before.
fn is_ours<K: Resource>(existing: &K) -> bool {
    let fields = existing
        .meta()
        .managed_fields
        .as_deref()
        .unwrap_or_default();
    fields.iter().any(|f| {
        f.manager.as_deref() == Some(names::FIELD_MANAGER_OPERATOR)
            && f.operation.as_deref() == Some("Apply")
    })
}

/// Whether the object that is there has to be removed before this one is applied.
pub(super) fn is_replaced(observed: &Observed, daemon_set: &Value) -> bool {
    find(&observed.daemon_sets, daemon_set).is_some_and(|existing| !is_ours(existing))
}

fn is_as_wanted(existing: &Value, wanted: &Value) -> bool {
    fn hash(object: &Value) -> &Value {
        &object["metadata"]["annotations"][names::ANNOTATION_APPLIED_HASH]
    }
    hash(existing) == hash(wanted) && contains(existing, wanted)
}

/// The patch that removes annotations which a daemon would take for the operator's.
fn foreign_annotations_removal(
    annotations: &BTreeMap<String, String>,
    wanted: &Value,
) -> Option<Value> {
    let wanted = &wanted["metadata"]["annotations"];
    let removals: Map<String, Value> = DesiredNodeState::ANNOTATIONS
        .into_iter()
        .filter(|key| annotations.contains_key(*key) && wanted.get(key).is_none())
        .map(|key| (key.to_owned(), Value::Null))
        .collect();
    (!removals.is_empty()).then(|| json!({"metadata": {"annotations": removals}}))
}

/// Whether `object` has everything that `wanted` has; the API adds defaults to maps, never to
/// lists. Kind and version are not part of what the caches hold.
fn contains(object: &Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(object), Value::Object(wanted)) => wanted
            .iter()
            .filter(|(key, _)| {
                !matches!(key.as_str(), "apiVersion" | "kind") || object.contains_key(*key)
            })
            .all(|(key, value)| match object.get(key) {
                Some(found) => contains(found, value),
                None => is_empty(value),
            }),
        (Value::Array(object), Value::Array(wanted)) => {
            object.len() == wanted.len() && object.iter().zip(wanted).all(|(o, w)| contains(o, w))
        }
        _ => object == wanted,
    }
}

/// The API drops empty maps and lists.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Removes an object; returns whether it was there.
async fn removed<T>(
    action: &str,
    name: &str,
    removal: impl Future<Output = kube::Result<T>>,
) -> Result<bool, ApplyError> {
    match request(format!("{action} {name}"), removal).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::HoldReason;
    use crate::operator::build::node_status;
    use crate::operator::statuses;

    #[test]
    fn leftovers_are_those_of_another_file_integrity_of_the_same_name() {
        let owner = |api_version: &str, kind: &str, name: &str, uid: &str, controller: bool| {
            let owner = json!({
                "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
                "controller": controller,
            });
            let meta = json!({"name": "aide-fi", "ownerReferences": [owner]});
            serde_json::from_value::<ObjectMeta>(meta).unwrap()
        };
        let version = "fileintegrity.openshift.io/v1alpha1";
        let observed = crate::operator::plan::tests::at_rest();
        for (meta, expected) in [
            (owner(version, "FileIntegrity", "fi", "old", true), true),
            (owner(version, "FileIntegrity", "fi", "u", true), false),
            (owner(version, "FileIntegrity", "fi", "old", false), false),
            (owner(version, "FileIntegrity", "other", "old", true), false),
            (owner("v1", "FileIntegrity", "fi", "old", true), false),
            (owner(version, "Other", "fi", "old", true), false),
            (ObjectMeta::default(), false),
        ] {
            assert_eq!(is_leftover(&meta, &observed), expected, "{meta:?}");
        }
    }

    #[test]
    fn what_the_api_adds_does_not_count_and_what_others_change_does() {
        let wanted =
            json!({"apiVersion": "v1", "spec": {"a": [{"name": "x", "args": ["1"]}], "none": {}}});
        let table = [
            (
                json!({"spec": {"a": [{"name": "x", "args": ["1"], "default": true}], "b": 1}}),
                true,
            ),
            (
                json!({"spec": {"a": [{"name": "x", "args": ["2"]}]}}),
                false,
            ),
            (
                json!({"spec": {"a": [{"name": "x", "args": ["1", "2"]}]}}),
                false,
            ),
            (json!({"spec": {"a": []}}), false),
            (json!({}), false),
        ];
        for (object, expected) in table {
            assert_eq!(contains(&object, &wanted), expected, "{object}");
        }
    }

    #[test]
    fn a_wish_that_is_nobodys_is_removed() {
        let wanted = json!({"metadata": {"annotations": {names::ANNOTATION_REQUEST: "r"}}});
        let removed = |keys: &[&str]| {
            let annotations = keys.iter().map(|key| ((*key).to_owned(), String::new()));
            foreign_annotations_removal(&annotations.collect(), &wanted)
        };
        assert_eq!(
            removed(&[names::ANNOTATION_REQUEST, "somebody/else's"]),
            None
        );
        let hold = json!({"metadata": {"annotations": {names::ANNOTATION_HOLDOFF: null}}});
        assert_eq!(removed(&[names::ANNOTATION_HOLDOFF]), Some(hold));
    }

    #[test]
    fn a_node_status_is_kept_with_all_that_was_applied_but_its_hash() {
        let fi = json!({"metadata": {"name": "f".repeat(70), "namespace": "ns", "uid": "u"}, "spec": {"config": {}}});
        let desired = DesiredNodeState {
            config_hash: Some("c".to_owned()),
            reinit_request: Some("r".to_owned()),
            hold: Some(HoldReason::User),
        };
        let fi = serde_json::from_value(fi).unwrap();
        let mut object = node_status(&fi, "n1", &desired);
        let existing = statuses::kept(object.clone()).as_applied();
        let seen = serde_json::to_value(&existing).unwrap();
        assert!(!is_as_wanted(&seen, &object));
        let nothing = node_status(&fi, "n1", &DesiredNodeState::default());
        let removal = foreign_annotations_removal(existing.annotations(), &nothing).unwrap();
        let removed = removal["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(removed.len(), DesiredNodeState::ANNOTATIONS.len());
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        assert!(annotations.remove(names::ANNOTATION_APPLIED_HASH).is_some());
        assert!(contains(&seen, &object));
    }

    #[test]
    fn an_object_made_from_another_wish_is_not_as_wanted() {
        let wanted = |hash: &str| json!({"metadata": {"name": "x", "annotations": {names::ANNOTATION_APPLIED_HASH: hash}}, "data": {"k": "v"}});
        assert!(is_as_wanted(&wanted("1"), &wanted("1")));
        assert!(!is_as_wanted(&wanted("1"), &wanted("2")));
    }
}
