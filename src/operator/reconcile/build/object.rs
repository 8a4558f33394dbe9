//! What all objects of a FileIntegrity have in common. Pure.

use serde_json::{Value, json};

use crate::api::{FILE_INTEGRITY_KIND, FileIntegrity, GROUP, VERSION, names};

pub(super) fn name(fi: &FileIntegrity) -> String {
    fi.metadata.name.clone().unwrap_or_default()
}

/// Name, namespace, labels and the controlling owner. The whole value of a shortened label goes into
/// an annotation.
pub(super) fn metadata(fi: &FileIntegrity, object: &str, labels: &Value) -> Value {
    let mut annotations = json!({});
    let fi_name = name(fi);
    if names::label_is_shortened(&fi_name) {
        for key in [names::Label::OWNER, names::Label::REINIT_OWNER] {
            if labels.get(key).is_some() {
                annotations[key] = json!(fi_name);
            }
        }
    }
    json!({
        "name": object,
        "namespace": fi.metadata.namespace,
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [{
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": FILE_INTEGRITY_KIND,
            "name": fi_name,
            "uid": fi.metadata.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    })
}

/// Adds the hash of the object. The hash shows that a field was removed from the desired object: the existing
/// object still contains all other fields.
pub(super) fn with_hash(mut object: Value) -> Value {
    let hash = names::sha256_hex(object.to_string());
    object["metadata"]["annotations"][names::Annotation::APPLIED_HASH] = json!(hash);
    object
}
