//! An acceptance that has not ended. Pure.

use k8s_openapi::jiff::Timestamp;

use super::Owner;
use crate::api::condition::ConditionStatus;
use crate::api::{AcceptanceConditionType, AcceptanceCounts, FileIntegrityAcceptance};

/// An acceptance whose nodes do not all have an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenAcceptance {
    pub(crate) owner: Owner,
    pub(crate) name: String,
    /// The whole ID of the set. None if it lists its changes.
    pub(crate) set: Option<String>,
    pub(crate) counts: AcceptanceCounts,
    pub(crate) until: Option<Timestamp>,
    pub(crate) approved_by: String,
    pub(crate) reason: String,
}

impl OpenAcceptance {
    /// None if it has ended.
    pub(crate) fn of(object: &FileIntegrityAcceptance) -> Option<Self> {
        let status = object.status.clone().unwrap_or_default();
        let ends = [
            AcceptanceConditionType::Complete,
            AcceptanceConditionType::Failed,
        ];
        let is_end = |kind: &str| ends.iter().any(|end| end.as_str() == kind);
        let mut conditions = status.conditions.iter();
        if conditions.any(|it| is_end(&it.type_) && it.status == ConditionStatus::True.as_str()) {
            return None;
        }
        let spec = &object.spec;
        Some(Self {
            owner: Owner {
                namespace: object.metadata.namespace.clone().unwrap_or_default(),
                name: spec.file_integrity.clone(),
            },
            name: object.metadata.name.clone().unwrap_or_default(),
            set: spec.change_set.clone(),
            counts: status.counts.unwrap_or_default(),
            until: spec.until.as_ref().map(|until| until.0),
            approved_by: spec.approved_by.username.clone(),
            reason: spec.reason.clone(),
        })
    }
}
