//! Whether an existing object belongs to a FileIntegrity. Pure.

use kube::Resource;
use kube::core::ObjectMeta;

use crate::api::{FILE_INTEGRITY_KIND, GROUP, names};

/// Whether the object is controlled by a FileIntegrity with the name of this one and another uid. Names
/// are unique, so that one was deleted.
pub(super) fn is_leftover(existing: &ObjectMeta, fi: &ObjectMeta) -> bool {
    let owners = existing.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    controller.is_some_and(|owner| {
        owner.kind == FILE_INTEGRITY_KIND
            && owner.api_version.split('/').next() == Some(GROUP)
            && Some(&owner.name) == fi.name.as_ref()
            && Some(&owner.uid) != fi.uid.as_ref()
    })
}

/// Who else the object belongs to, if it is not the FileIntegrity's. An object without a controller
/// belongs to the FileIntegrity if it has its label: the original created such objects.
pub(super) fn foreign_owner(existing: &ObjectMeta, fi: &ObjectMeta) -> Option<String> {
    let owners = existing.owner_references.as_deref().unwrap_or_default();
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        Some(owner) if Some(&owner.uid) == fi.uid.as_ref() => None,
        Some(owner) => Some(format!("{} {}", owner.kind, owner.name)),
        None if has_owner_label(existing, fi.name.as_deref().unwrap_or_default()) => None,
        None => Some("somebody else".to_owned()),
    }
}

/// Whether one of the labels for the owner has this name.
pub(super) fn has_owner_label(metadata: &ObjectMeta, file_integrity: &str) -> bool {
    [names::Label::OWNER, names::Label::REINIT_OWNER]
        .iter()
        .any(|key| has_label(metadata, key, file_integrity))
}

/// Whether the label has the name of this object.
pub(super) fn has_label(metadata: &ObjectMeta, key: &str, object: &str) -> bool {
    let labels = metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(key)) == Some(&names::label_value(object))
}

/// Whether the operator has applied the object before.
pub(super) fn is_applied<K: Resource>(existing: &K) -> bool {
    let fields = existing
        .meta()
        .managed_fields
        .as_deref()
        .unwrap_or_default();
    fields.iter().any(|entry| {
        entry.manager.as_deref() == Some(names::FIELD_MANAGER_OPERATOR)
            && entry.operation.as_deref() == Some("Apply")
    })
}

#[cfg(test)]
mod tests;
