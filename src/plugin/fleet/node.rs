//! A node of a FileIntegrity. Pure.

use k8s_openapi::jiff::Timestamp;

use super::Owner;
use crate::api::{
    ChangeSetId, Condition, ErrorClass, FileIntegrityNodeStatus, HoldReason, NodeHold,
    RealtimeReason, RealtimeState, ReportedErrorClass, ScanResult, names,
};
use crate::text::shortened;

/// Maximum bytes of a path or message of a node.
const MAX_TEXT: usize = 256;

/// A node of a FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) owner: Owner,
    pub(crate) name: String,
    pub(crate) scan: Option<Scan>,
    /// Why its scans are held, if they are.
    pub(crate) hold: Option<NodeHoldReason>,
    pub(crate) realtime: Option<(RealtimeState, Option<RealtimeReason>)>,
    pub(crate) last_full_scan: Option<Timestamp>,
    /// ID of the newest request for a new baseline, and of the last one that the node has executed.
    pub(crate) reinit_requested: Option<String>,
    pub(crate) reinit_done: Option<String>,
    /// The same of requests for an additional scan.
    pub(crate) scan_requested: Option<String>,
    pub(crate) scan_done: Option<String>,
    /// Hash of the configuration of its baseline.
    pub(crate) configuration: Option<String>,
    /// When its baseline was created, and whether somebody requested it.
    pub(crate) baseline: Option<(Timestamp, bool)>,
}

/// Why the scans of a node are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeHoldReason {
    Annotation(HoldReason),
    /// Holds of the spec are active, or have ended and the node has not done what follows.
    Spec(SpecHold),
}

/// The holds of the spec that hold a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpecHold {
    pub(crate) names: Vec<String>,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl NodeHoldReason {
    /// In one word.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Annotation(HoldReason::User) => "user",
            Self::Annotation(HoldReason::NodeUpdate) => "node-update",
            Self::Annotation(HoldReason::Unknown(_)) => "unknown",
            Self::Spec(_) => "spec",
        }
    }
}

/// The latest result of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) condition: Condition,
    pub(crate) at: Timestamp,
    pub(crate) counts: Counts,
    /// The set that it belongs to.
    pub(crate) set: Option<ChangeSetId>,
    /// Identifies the paths of the set.
    pub(crate) paths: Option<[u8; 32]>,
    pub(crate) first_path: Option<String>,
    /// The ConfigMap with the failure log.
    pub(crate) log: Option<String>,
    /// Class and message of an error.
    pub(crate) error: Option<(ReportedErrorClass, String)>,
}

/// Number of files that differ from the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) added: i64,
    pub(crate) changed: i64,
    pub(crate) removed: i64,
}

/// The state of a node in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// Nothing differs from the baseline.
    Ok,
    /// Files differ from the baseline.
    Changed,
    /// The last scan ended with an error.
    Errored,
    /// There is no result yet.
    Pending,
}

impl NodeState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::Errored => "errored",
            Self::Pending => "pending",
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            added,
            changed,
            removed,
        } = self;
        write!(f, "a:{added},c:{changed},r:{removed}")
    }
}

impl SpecHold {
    fn of(hold: &NodeHold) -> Self {
        Self {
            names: hold.holds.clone(),
            since: hold.since.0,
            until: hold.until.0,
        }
    }
}

impl Node {
    /// The holds of the spec that hold it.
    pub(crate) fn spec_hold(&self) -> Option<&SpecHold> {
        match &self.hold {
            Some(NodeHoldReason::Spec(hold)) => Some(hold),
            _ => None,
        }
    }

    /// What a node status says. None if it belongs to no FileIntegrity.
    pub(crate) fn of(status: &FileIntegrityNodeStatus) -> Option<Self> {
        let (name, _) = status.owner()?;
        let desired = status.desired();
        let baseline = status.baseline.as_ref();
        Some(Self {
            owner: Owner {
                namespace: status.metadata.namespace.clone().unwrap_or_default(),
                name: name.to_owned(),
            },
            name: status.node_name.clone(),
            scan: status.last_result.as_ref().map(Scan::of),
            hold: (desired.hold.map(NodeHoldReason::Annotation))
                .or_else(|| Some(NodeHoldReason::Spec(SpecHold::of(status.hold.as_ref()?)))),
            reinit_requested: desired.reinit_request,
            reinit_done: status.reinit.as_ref().map(|reinit| reinit.id.clone()),
            scan_requested: desired.scan_request,
            scan_done: status.scan.as_ref().map(|scan| scan.id.clone()),
            realtime: status.realtime.as_ref().map(|it| (it.state, it.reason)),
            last_full_scan: status.last_full_scan.as_ref().map(|time| time.0),
            configuration: baseline.map(|baseline| baseline.config_hash.clone()),
            baseline: baseline.map(|baseline| (baseline.created_at.0, baseline.requested)),
        })
    }

    pub(crate) fn state(&self) -> NodeState {
        match self.scan.as_ref().map(|scan| scan.condition) {
            Some(Condition::Succeeded) => NodeState::Ok,
            Some(Condition::Failed) => NodeState::Changed,
            Some(Condition::Errored) => NodeState::Errored,
            None => NodeState::Pending,
        }
    }

    /// The change set that it shows.
    pub(crate) fn set(&self) -> Option<ChangeSetId> {
        self.scan.as_ref()?.set
    }

    /// Whether it has not executed the newest request for a scan.
    pub(crate) fn owes_scan(&self) -> bool {
        self.scan_requested.is_some() && self.scan_requested != self.scan_done
    }

    /// Whether its database is not the recorded one.
    pub(crate) fn is_tampered(&self) -> bool {
        let error = self.scan.as_ref().and_then(|scan| scan.error.as_ref());
        error.is_some_and(|(class, _)| *class == ReportedErrorClass::Known(ErrorClass::Tampered))
    }
}

impl Scan {
    fn of(result: &ScanResult) -> Self {
        let is_failed = result.condition == Condition::Failed;
        let set =
            ChangeSetId::of_result(result.changes_hash.as_deref(), result.change_set.as_deref());
        let paths = result.paths_hash.as_deref().and_then(names::parse_sha256);
        let error = (result.condition == Condition::Errored).then(|| {
            let class = ReportedErrorClass::parse(result.error_class.as_deref());
            (
                class,
                shortened(
                    result.error_message.as_deref().unwrap_or_default(),
                    MAX_TEXT,
                ),
            )
        });
        Self {
            condition: result.condition,
            at: result.last_probe_time.0,
            counts: Counts {
                added: result.files_added,
                changed: result.files_changed,
                removed: result.files_removed,
            },
            set: set.filter(|_| is_failed),
            paths: paths.filter(|_| is_failed),
            first_path: result
                .changes
                .first()
                .map(|change| shortened(&change.path, MAX_TEXT)),
            log: result.result_config_map_name.clone(),
            error,
        }
    }
}
