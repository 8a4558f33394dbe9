//! What a status is derived from. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::super::nodes::excluded::Excluded;
use super::config_valid::ConfigState;
use crate::api::condition::ConditionReason;
use crate::api::{Condition, RealtimeMode, RealtimeState};
use crate::operator::cache::node_status::ReportedChangeSet;
use crate::operator::change_sets::ChangeSets;

/// What is known of a selected node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are independent of each other"
)]
pub(crate) struct NodeSummary {
    pub(crate) name: Arc<str>,
    /// The node is Ready.
    pub(crate) reachable: bool,
    /// It has a baseline of the current configuration, and no open request.
    pub(crate) initialized: bool,
    /// Its scans are held.
    pub(crate) held: bool,
    /// It keeps its configuration until its changes are accepted or reverted.
    pub(crate) waits_for_acceptance: bool,
    /// How much longer it may go without a report, if there is a limit.
    pub(crate) silence_left: Option<Duration>,
    /// A taint keeps a new pod of the daemon out.
    pub(crate) shut_out: bool,
    /// The condition of its last result.
    pub(crate) condition: Option<Condition>,
    /// Its first rule that watches nothing, as shown to users.
    pub(crate) unwatched_rule: Option<Arc<str>>,
    pub(crate) realtime: Option<NodeRealtime>,
    pub(crate) change_set: Option<Arc<ReportedChangeSet>>,
}

/// Realtime detection of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRealtime {
    pub(crate) state: RealtimeState,
    /// Reason and message of the state, as shown to users.
    pub(crate) explanation: Option<Arc<str>>,
}

impl NodeSummary {
    /// It has not reported for too long.
    pub(crate) fn is_silent(&self) -> bool {
        self.silence_left.is_some_and(|left| left.is_zero())
    }

    /// Not ready or silent.
    pub(crate) fn is_stale(&self) -> bool {
        !self.reachable || self.is_silent()
    }

    /// It probably has no daemon, and will not get one.
    pub(super) fn has_no_daemon(&self) -> bool {
        self.shut_out && self.is_silent()
    }

    /// It should have a baseline soon.
    pub(super) fn is_initializing(&self) -> bool {
        self.reachable && !self.held && !self.initialized && !self.has_no_daemon()
    }
}

/// A problem for the condition Degraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: ConditionReason,
    pub(crate) message: String,
}

/// Everything that a status is derived from.
#[derive(Clone, Debug)]
pub(crate) struct StatusInputs<'a> {
    /// The DaemonSet of the daemons exists.
    pub(crate) deployed: bool,
    /// A re-initialization is requested that not all nodes have yet.
    pub(crate) reinit_requested: bool,
    pub(crate) nodes: &'a [NodeSummary],
    /// The change sets of these nodes.
    pub(crate) change_sets: &'a ChangeSets,
    /// The nodes that are not selected because of their taints.
    pub(crate) excluded: &'a Excluded,
    pub(crate) config: &'a ConfigState,
    /// The mode of realtime detection that the spec requests.
    pub(crate) realtime: RealtimeMode,
    /// The problems that do not follow from the nodes.
    pub(crate) problems: &'a [Problem],
    pub(crate) generation: Option<i64>,
}
