//! What the operator requests of a node. Pure.
//!
//! The operator writes it as annotations of the node's FileIntegrityNodeStatus, and the node's daemon
//! reads them. This is the only place that encodes and decodes these annotations.

use std::collections::BTreeMap;

use super::{AcceptanceRequest, TimedHold, names};

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
    /// Why scans are held, if they are.
    pub hold: Option<HoldReason>,
    /// The holds of the spec that include the node.
    pub holds: Vec<TimedHold>,
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
    pub const ANNOTATIONS: [&str; 6] = [
        names::Annotation::HOLDOFF,
        names::Annotation::HOLDS,
        names::Annotation::REINIT_REQUEST,
        names::Annotation::SCAN_REQUEST,
        names::Annotation::ACCEPTANCE,
        names::Annotation::DESIRED_CONFIG,
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
            hold: get(names::Annotation::HOLDOFF).map(HoldReason::from),
            holds: get(names::Annotation::HOLDS)
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
        }
    }

    /// Encodes it as annotations of a node status.
    pub fn to_annotations(&self) -> BTreeMap<String, String> {
        let hold = self.hold.as_ref().map(HoldReason::as_str);
        let acceptance = self.acceptance.as_ref().map(AcceptanceRequest::encode);
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
            (names::Annotation::HOLDOFF, hold),
            (
                names::Annotation::HOLDS,
                Some(&*holds).filter(|_| !self.holds.is_empty()),
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
