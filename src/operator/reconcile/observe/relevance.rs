//! What reconciles use of each kind of object, and whom it affects. Pure.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::core::ObjectMeta;

use super::changes::Relevance;
use super::triggers::Target;
use crate::api::object_name::ObjectName;
use crate::api::{FILE_INTEGRITY_KIND, FileIntegrity, FileIntegrityAcceptance, names};
use crate::operator::cache::fingerprint::fingerprint;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;

/// Everything except the status, which the operator writes. Of the status: whether others have written
/// it. All FileIntegrities are affected, because two that select the same nodes report each other.
pub(super) fn of_file_integrity(fi: &FileIntegrity) -> Relevance {
    let meta = &fi.metadata;
    let writes = meta.managed_fields.iter().flatten();
    let writes: Vec<(&Option<String>, Option<i64>)> = writes
        .map(|entry| {
            let at = entry.time.as_ref().map(|at| at.0.as_second());
            (&entry.manager, at)
        })
        .collect();
    let used = (
        &meta.uid,
        meta.generation,
        &meta.annotations,
        is_being_deleted(meta),
    );
    Relevance {
        target: Some(Target::All),
        fingerprint: fingerprint(&(used, writes)),
    }
}

/// Everything except what a scan without new results changes.
pub(super) fn of_node_status(status: &CachedNodeStatus) -> Relevance {
    Relevance {
        target: status.file_integrity().map(Target::One),
        fingerprint: status.fingerprint(),
    }
}

/// Everything except the status.
pub(super) fn of_daemon_set(daemon_set: &DaemonSet) -> Relevance {
    let meta = &daemon_set.metadata;
    let owners = daemon_set.owner_references().iter();
    let mut owners = owners.filter(|owner| owner.kind == FILE_INTEGRITY_KIND);
    let used = (
        meta.generation,
        &meta.labels,
        &meta.annotations,
        is_being_deleted(meta),
    );
    Relevance {
        target: owners.next().map(|owner| one(&owner.name)),
        fingerprint: fingerprint(&used),
    }
}

/// The ConfigMap with an active configuration has the name of its FileIntegrity.
pub(super) fn of_config_map(config_map: &ConfigMap) -> Relevance {
    let meta = &config_map.metadata;
    Relevance {
        target: Some(one(&config_map.name_any())),
        fingerprint: fingerprint(&(
            &meta.labels,
            &meta.annotations,
            &config_map.data,
            config_map.immutable,
        )),
    }
}

/// The spec, which has the image.
pub(super) fn of_deployment(deployment: &Deployment) -> Relevance {
    Relevance {
        target: Some(Target::All),
        fingerprint: fingerprint(&deployment.metadata.generation),
    }
}

pub(super) fn of_node(node: &CachedNode) -> Relevance {
    Relevance {
        target: Some(Target::All),
        fingerprint: fingerprint(node),
    }
}

/// Every change. The operator itself writes the status at most every five seconds.
pub(super) fn of_acceptance(acceptance: &FileIntegrityAcceptance) -> Relevance {
    let meta = &acceptance.metadata;
    let name = ObjectName::parse(&acceptance.spec.file_integrity);
    Relevance {
        target: name.ok().map(|name| one(name.as_str())),
        fingerprint: fingerprint(&(&meta.uid, &meta.resource_version)),
    }
}

/// Whether a DaemonSet belongs to this FileIntegrity, or has a name that it needs.
pub(super) fn is_daemon_set_of(daemon_set: &DaemonSet, file_integrity: &str) -> bool {
    let labels = daemon_set.labels();
    let value = names::label_value(file_integrity);
    [names::Label::OWNER, names::Label::REINIT_OWNER]
        .iter()
        .any(|key| labels.get(*key) == Some(&value))
        || daemon_set.name_any() == names::daemon_set(file_integrity)
}

fn one(name: &str) -> Target {
    Target::One(name.into())
}

fn is_being_deleted(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}
