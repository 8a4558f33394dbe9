//! An acceptance that has not ended. Pure.

use k8s_openapi::jiff::Timestamp;

use super::Owner;
use crate::api::{AcceptanceCounts, FileIntegrityAcceptance};

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
        if object.is_finished() {
            return None;
        }
        let spec = &object.spec;
        let counts = object.status.as_ref().and_then(|status| status.counts);
        Some(Self {
            owner: Owner {
                namespace: object.metadata.namespace.clone().unwrap_or_default(),
                name: spec.file_integrity.clone(),
            },
            name: object.metadata.name.clone().unwrap_or_default(),
            set: spec.change_set.clone(),
            counts: counts.unwrap_or_default(),
            until: spec.until.as_ref().map(|until| until.0),
            approved_by: spec.approved_by.username.clone(),
            reason: spec.reason.clone(),
        })
    }
}
