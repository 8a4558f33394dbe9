//! The part of a node's status object that the operator writes. Pure.

use serde_json::{Value, json};

use super::object::{metadata, name, with_hash};
use crate::api::{DesiredNodeState, FILE_INTEGRITY_KIND, FileIntegrity, GROUP, VERSION, names};
use crate::operator::cache::node_status::{CachedNodeStatus, Owner};

/// The status object of a node.
pub fn node_status(fi: &FileIntegrity, node: &str, desired: &DesiredNodeState) -> Value {
    let fi_name = name(fi);
    let labels = json!({
        names::Label::OWNER: names::label_value(&fi_name),
        names::Label::NODE: names::label_value(node),
    });
    let mut metadata = metadata(fi, &names::node_status(&fi_name, node), &labels);
    for (key, value) in desired.to_annotations() {
        metadata["annotations"][key] = json!(value);
    }
    with_hash(json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "FileIntegrityNodeStatus",
        "metadata": metadata,
        "nodeName": node,
    }))
}

/// Whether a status object already has everything that [`node_status`] builds, without building it.
/// What others wrote is ignored.
pub(crate) fn is_node_status(
    status: &CachedNodeStatus,
    fi: &FileIntegrity,
    node: &str,
    desired: &DesiredNodeState,
) -> bool {
    let fi_name = name(fi);
    let whole_owner = names::label_is_shortened(&fi_name).then_some(fi_name.as_str());
    *status.node_name == *node
        && status.owners().iter().any(|owner| is_owner(owner, fi))
        && status.label(names::Label::OWNER) == Some(&*names::label_value(&fi_name))
        && status.label(names::Label::NODE) == Some(&*names::label_value(node))
        && *status.desired == *desired
        && (whole_owner.is_none() || status.whole_owner() == whole_owner)
        && status.is_applied()
}

fn is_owner(owner: &Owner, fi: &FileIntegrity) -> bool {
    Some(&owner.uid) == fi.metadata.uid.as_ref()
        && Some(&*owner.name) == fi.metadata.name.as_deref()
        && owner.kind == FILE_INTEGRITY_KIND
        && owner.api_version == format!("{GROUP}/{VERSION}")
        && owner.controller == Some(true)
        && owner.block_owner_deletion == Some(true)
}
