//! What a plan is derived from: the observed objects, and what follows directly from them. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::super::build::ActiveConfig;
use super::super::effective_config::EffectiveConfig;
use super::super::nodes::selection::Selection;
use super::super::observed::{ConfigVerdict, Observed};
use super::super::ownership::{has_label, is_leftover};
use super::super::request_record::RequestRecord;
use crate::api::{FileIntegrity, names};
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;

pub(super) struct Inputs<'a> {
    pub(super) observed: &'a Observed,
    pub(super) fi: &'a FileIntegrity,
    /// The name of the FileIntegrity.
    pub(super) name: String,
    pub(super) selection: Selection<'a>,
    /// The status objects by the names of their nodes.
    pub(super) statuses: HashMap<&'a str, &'a Arc<CachedNodeStatus>>,
    pub(super) effective: EffectiveConfig,
    /// A re-initialization that is being written to the nodes.
    pub(super) record: Option<RequestRecord>,
    /// An additional scan that is being written to the nodes.
    pub(super) scan_record: Option<RequestRecord>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(observed: &'a Observed) -> Self {
        let fi = observed.file_integrity.as_ref();
        let statuses: HashMap<_, _> = observed
            .statuses
            .iter()
            .rev()
            .map(|status| (&*status.node_name, status))
            .collect();
        let has_reported =
            |node: &str| statuses.get(node).is_some_and(|status| status.has_report());
        Self {
            observed,
            fi,
            name: fi.metadata.name.clone().unwrap_or_default(),
            selection: Selection::new(&fi.spec, &observed.nodes, has_reported),
            statuses,
            effective: effective_config(observed),
            record: RequestRecord::from_annotation(fi, names::Annotation::REINIT_RECORD),
            scan_record: RequestRecord::from_annotation(fi, names::Annotation::SCAN_RECORD),
        }
    }

    pub(super) fn status_of(&self, node: &CachedNode) -> Option<&'a CachedNodeStatus> {
        self.statuses.get(&*node.name).map(|status| &***status)
    }

    /// The DaemonSet of the daemons, if it exists.
    pub(super) fn daemon_set(&self) -> Option<&'a Arc<DaemonSet>> {
        let name = names::daemon_set(&self.name);
        self.observed
            .daemon_sets
            .iter()
            .filter(|ds| !is_leftover(&ds.metadata, &self.fi.metadata))
            .find(|ds| ds.metadata.name.as_ref() == Some(&name))
    }
}

fn effective_config(observed: &Observed) -> EffectiveConfig {
    if let ConfigVerdict::Good { config, .. } = &observed.verdict {
        return EffectiveConfig::new(config.clone());
    }
    let owner = observed.file_integrity.metadata.name.as_deref();
    let owner = owner.unwrap_or_default();
    let active = observed.active.as_deref();
    let active = active.filter(|active| has_label(&active.metadata, names::Label::OWNER, owner));
    let statuses = observed.statuses.iter();
    let desired = statuses.filter_map(|status| status.desired.config_hash.as_deref());
    EffectiveConfig::keep(
        observed.last_good.as_deref(),
        active.and_then(ActiveConfig::from_config_map),
        &desired.collect(),
    )
}
