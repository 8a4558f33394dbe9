//! What the operator requests of a node. Pure.
//!
//! The operator writes it as annotations of the node's FileIntegrityNodeStatus, and the node's daemon
//! reads them. This is the only place that encodes and decodes these annotations.

use std::collections::BTreeMap;

use super::{AcceptanceRequest, AnnouncedChanges, TimedHold, names};

/// The value of the annotation. Any other value counts as well: nothing but its removal allows other new baselines.
const REQUIRED: &str = "true";

/// What the operator requests of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DesiredNodeState {
    /// Hash of the configuration to scan with.
    pub config_hash: Option<String>,
    /// Id of the newest re-initialization to do.
    pub reinit_request: Option<String>,
    /// Id of the newest additional scan to do.
    pub scan_request: Option<String>,
    /// The newest acceptance to execute.
    pub acceptance: Option<AcceptanceRequest>,
    /// The acceptances with lists of changes that the node may show, the oldest first.
    pub announced: Vec<AnnouncedChanges>,
    /// Why scans are held, if they are.
    pub hold: Option<HoldReason>,
    /// The holds of the spec that include the node.
    pub holds: Vec<TimedHold>,
    /// Only an acceptance may replace a baseline: `spec.config.requireAcceptance`.
    pub require_acceptance: bool,
    /// Hash of the configuration of the baseline, while another one is desired and only an acceptance may replace a
    /// baseline. The operator requests it again if the node turns out to be Failed. The daemon does not use it.
    pub previous_config: Option<String>,
}

/// Why the scans of a node are held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HoldReason {
    /// A user requested it.
    User,
    /// The node is being updated. When the update is over, the node is re-initialized.
    NodeUpdate,
    /// A value that fio does not write.
    Unknown(String),
}

impl DesiredNodeState {
    /// The annotations that it is encoded in.
    pub const ANNOTATIONS: [&str; 9] = [
        names::Annotation::HOLDOFF,
        names::Annotation::HOLDS,
        names::Annotation::REINIT_REQUEST,
        names::Annotation::SCAN_REQUEST,
        names::Annotation::ACCEPTANCE,
        names::Annotation::ANNOUNCED_CHANGES,
        names::Annotation::DESIRED_CONFIG,
        names::Annotation::REQUIRE_ACCEPTANCE,
        names::Annotation::PREVIOUS_CONFIG,
    ];

    /// Decodes the annotations of a node status. Other annotations are ignored.
    pub fn from_annotations(annotations: &BTreeMap<String, String>) -> Self {
        let get = |key| annotations.get(key).cloned();
        Self {
            config_hash: get(names::Annotation::DESIRED_CONFIG),
            reinit_request: get(names::Annotation::REINIT_REQUEST),
            scan_request: get(names::Annotation::SCAN_REQUEST),
            acceptance: get(names::Annotation::ACCEPTANCE)
                .and_then(|text| AcceptanceRequest::decode(&text)),
            announced: get(names::Annotation::ANNOUNCED_CHANGES)
                .map(|text| AnnouncedChanges::decode(&text))
                .unwrap_or_default(),
            hold: get(names::Annotation::HOLDOFF).map(HoldReason::from),
            holds: get(names::Annotation::HOLDS)
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
            require_acceptance: annotations.contains_key(names::Annotation::REQUIRE_ACCEPTANCE),
            previous_config: get(names::Annotation::PREVIOUS_CONFIG),
        }
    }

    /// Encodes it as annotations of a node status.
    pub fn to_annotations(&self) -> BTreeMap<String, String> {
        let hold = self.hold.as_ref().map(HoldReason::as_str);
        let acceptance = self.acceptance.as_ref().map(AcceptanceRequest::encode);
        let announced = AnnouncedChanges::encode(&self.announced);
        let require_acceptance = self.require_acceptance.then_some(REQUIRED);
        // Names and times always have a JSON form.
        let holds = serde_json::to_string(&self.holds).unwrap_or_default();
        let annotations = [
            (
                names::Annotation::DESIRED_CONFIG,
                self.config_hash.as_deref(),
            ),
            (
                names::Annotation::REINIT_REQUEST,
                self.reinit_request.as_deref(),
            ),
            (
                names::Annotation::SCAN_REQUEST,
                self.scan_request.as_deref(),
            ),
            (names::Annotation::ACCEPTANCE, acceptance.as_deref()),
            (names::Annotation::ANNOUNCED_CHANGES, announced.as_deref()),
            (names::Annotation::HOLDOFF, hold),
            (
                names::Annotation::HOLDS,
                Some(&*holds).filter(|_| !self.holds.is_empty()),
            ),
            (names::Annotation::REQUIRE_ACCEPTANCE, require_acceptance),
            (
                names::Annotation::PREVIOUS_CONFIG,
                self.previous_config.as_deref(),
            ),
        ];
        annotations
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
            .collect()
    }
}

impl HoldReason {
    fn as_str(&self) -> &str {
        match self {
            Self::User => names::HOLDOFF_BY_USER,
            Self::NodeUpdate => names::HOLDOFF_NODE_UPDATE,
            Self::Unknown(value) => value,
        }
    }
}

impl From<String> for HoldReason {
    fn from(value: String) -> Self {
        match value.as_str() {
            names::HOLDOFF_BY_USER => Self::User,
            names::HOLDOFF_NODE_UPDATE => Self::NodeUpdate,
            _ => Self::Unknown(value),
        }
    }
}

#[cfg(test)]
mod tests;
