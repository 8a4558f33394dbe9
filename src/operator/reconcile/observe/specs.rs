//! What is watched, and what is kept of it.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::runtime::watcher::Event;

use super::relevance;
use super::user_config::UserConfigs;
use super::watches::WatchSpec;
use crate::api::object_name::{InvalidName, NamespaceName, ObjectName};
use crate::api::{FileIntegrity, FileIntegrityAcceptance, names};
use crate::k8s::watch::Source;
use crate::operator::cache::freshness::Freshness;
use crate::operator::cache::interner::TextInterner;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node::wire::ReceivedNode;
use crate::operator::cache::node_status::CachedNodeStatus;
use crate::operator::cache::node_status::wire::{NodeStatusConverter, ReceivedNodeStatus};
use crate::operator::fleet_metrics::FleetMetrics;

/// Page size when Nodes are listed. A large Node is 20 kB, and the memory of the operator does not
/// shrink after a list.
const NODES_PAGE: u32 = 100;
/// Page size when node statuses are listed. The status of a failed node is some 8 kB.
pub(super) const STATUSES_PAGE: u32 = 250;
/// Page size when acceptances are listed. One with 500 nodes is some 200 kB.
const ACCEPTANCES_PAGE: u32 = 20;

pub(super) fn file_integrities(
    client: &Client,
    namespace: &NamespaceName,
    metrics: &Arc<FleetMetrics>,
    user_configs: &Arc<UserConfigs>,
) -> WatchSpec<FileIntegrity, FileIntegrity> {
    let (metrics, user_configs) = (Arc::clone(metrics), Arc::clone(user_configs));
    WatchSpec::new(
        Source::namespaced(client, namespace),
        with_foreign_status_writers,
        relevance::of_file_integrity,
    )
    .after_store(move |event| {
        metrics.record_file_integrity(event);
        if let Event::Delete(_) | Event::InitDone = event {
            user_configs.forget_deleted();
        }
    })
}

pub(super) fn node_statuses(
    client: &Client,
    namespace: &NamespaceName,
    metrics: &Arc<FleetMetrics>,
    texts: &Arc<TextInterner>,
    freshness: &Arc<Freshness>,
) -> WatchSpec<ReceivedNodeStatus, CachedNodeStatus> {
    let (metrics, freshness) = (Arc::clone(metrics), Arc::clone(freshness));
    let converter = NodeStatusConverter::new(Arc::clone(texts));
    WatchSpec::new(
        Source::namespaced(client, namespace).paged(STATUSES_PAGE),
        move |status| converter.convert(status),
        relevance::of_node_status,
    )
    .before_store(move |event| {
        freshness.record(event);
        metrics.record_node_status(event);
    })
}

pub(super) fn daemon_sets(
    client: &Client,
    namespace: &NamespaceName,
) -> WatchSpec<DaemonSet, DaemonSet> {
    let source = Source::namespaced(client, namespace);
    WatchSpec::new(source, |daemon_set| daemon_set, relevance::of_daemon_set)
}

/// The ConfigMaps with active configurations.
pub(super) fn config_maps(
    client: &Client,
    namespace: &NamespaceName,
) -> WatchSpec<ConfigMap, ConfigMap> {
    let source = Source::namespaced(client, namespace).labelled(names::Label::AIDE_CONF);
    WatchSpec::new(source, without_managed_fields, relevance::of_config_map)
}

/// The Deployment of the operator.
pub(super) fn own_deployment(
    client: &Client,
    namespace: &NamespaceName,
) -> Result<WatchSpec<Deployment, Deployment>, InvalidName> {
    let name = ObjectName::parse(names::OPERATOR_NAME)?;
    let source = Source::namespaced(client, namespace).named(&name);
    let relevance = relevance::of_deployment;
    Ok(WatchSpec::new(source, without_managed_fields, relevance))
}

pub(super) fn nodes(
    client: &Client,
    texts: &Arc<TextInterner>,
) -> WatchSpec<ReceivedNode, CachedNode> {
    let texts = Arc::clone(texts);
    WatchSpec::new(
        Source::all(client).paged(NODES_PAGE),
        move |node: ReceivedNode| node.into_cached(&texts),
        relevance::of_node,
    )
}

pub(super) fn acceptances(
    client: &Client,
    namespace: &NamespaceName,
    metrics: &Arc<FleetMetrics>,
) -> WatchSpec<FileIntegrityAcceptance, FileIntegrityAcceptance> {
    let metrics = Arc::clone(metrics);
    WatchSpec::new(
        Source::namespaced(client, namespace).paged(ACCEPTANCES_PAGE),
        without_finished_lists,
        relevance::of_acceptance,
    )
    .after_store(move |event| metrics.record_acceptance(event))
}

/// Keeps nothing that only users read. Finished acceptances exist for more than a year.
fn without_finished_lists(acceptance: FileIntegrityAcceptance) -> FileIntegrityAcceptance {
    let mut acceptance = without_managed_fields(acceptance);
    acceptance.metadata.annotations = None;
    if acceptance.is_finished() {
        if let Some(status) = &mut acceptance.status {
            status.nodes = Vec::new();
        }
        if let Some(changes) = &mut acceptance.spec.changes {
            *changes = Vec::new();
        }
    }
    acceptance
}

/// Keeps of the managed fields only who else has written the status.
fn with_foreign_status_writers(mut fi: FileIntegrity) -> FileIntegrity {
    if let Some(managers) = &mut fi.metadata.managed_fields {
        managers.retain(|entry| {
            entry.subresource.as_deref() == Some("status")
                && entry.manager.as_deref() != Some(names::FIELD_MANAGER_OPERATOR)
        });
    }
    fi
}

fn without_managed_fields<K: kube::Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}
