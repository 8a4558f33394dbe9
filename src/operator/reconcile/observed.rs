//! What a reconcile of a FileIntegrity has observed. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::build::{ActiveConfig, Environment};
use crate::api::condition::ConditionReason;
use crate::api::{FileIntegrity, FileIntegrityAcceptance};
use crate::operator::admission_policy::PolicyState;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;
use crate::operator::evidence::index::EvidenceStates;

/// Whether the configuration that a FileIntegrity references can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigVerdict {
    /// It can be used.
    Good {
        config: ActiveConfig,
        warnings: Vec<String>,
    },
    /// It cannot be read.
    Unavailable {
        reason: ConditionReason,
        /// Includes what to do about it.
        message: String,
    },
    /// AIDE or fio does not accept it.
    Refused { message: String },
    /// AIDE gave no answer about it.
    Unchecked {
        /// The message about how AIDE ended.
        message: String,
    },
    /// It has not been read yet.
    Unknown,
}

/// Everything that a reconcile of a FileIntegrity uses.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) file_integrity: Arc<FileIntegrity>,
    pub(crate) verdict: ConfigVerdict,
    /// The last good configuration that this operator has seen.
    pub(crate) last_good: Option<Arc<ActiveConfig>>,
    /// The ConfigMap with the name of the active configuration.
    pub(crate) active: Option<Arc<ConfigMap>>,
    /// The DaemonSets that belong to the FileIntegrity, or have a name that it needs.
    pub(crate) daemon_sets: Vec<Arc<DaemonSet>>,
    /// All nodes of the cluster.
    pub(crate) nodes: Vec<Arc<CachedNode>>,
    /// The status objects of the FileIntegrity.
    pub(crate) statuses: Vec<Arc<CachedNodeStatus>>,
    /// The time since the last change of each status, by the node's name.
    pub(crate) silence: HashMap<Arc<str>, Duration>,
    /// The nodes whose status objects could not be created by the last reconcile, because an object
    /// with the name belongs to somebody else.
    pub(crate) name_collisions: HashSet<Arc<str>>,
    /// The nodes whose last scan is Failed, if a re-initialization of these is requested.
    pub(crate) failed_nodes: Vec<String>,
    /// A sentence for each object of the FileIntegrity that cannot be decoded.
    pub(crate) unreadable: Vec<String>,
    /// The names of the nodes that cannot be decoded.
    pub(crate) unreadable_nodes: HashSet<String>,
    /// The other FileIntegrities of the namespace.
    pub(crate) others: Vec<Arc<FileIntegrity>>,
    /// The acceptances that name the FileIntegrity. Unset until they have been listed.
    pub(crate) acceptances: Option<Vec<Arc<FileIntegrityAcceptance>>>,
    /// The admission policy for acceptances. Unset if none is open, or if it cannot be read.
    pub(crate) policy: Option<PolicyState>,
    /// The existing evidence. Unset until it has been listed.
    pub(crate) evidence: Option<Arc<EvidenceStates>>,
    pub(crate) environment: Environment,
    pub(crate) now: Time,
}
