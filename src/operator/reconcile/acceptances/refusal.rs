//! Why an acceptance has no effect, or none on further nodes. Pure.

use jiff::SignedDuration;
use k8s_openapi::jiff::Timestamp;

use super::included_nodes::InvalidSelector;
use crate::api::object_name::visible;
use crate::api::{AcceptanceReason, FileIntegrityAcceptance};
use crate::operator::admission_policy::PolicyState;

/// Longest time between the creation of an acceptance and `until`.
const MAX_UNTIL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why an acceptance is Failed. The messages state what is valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "no included node shows this change set; status.changeSets of the FileIntegrity has the IDs of all sets of at \
         least one node, and lastResult.changesHash of a node status that of its set"
    )]
    UnknownChangeSet,
    #[error(
        "no included node shows this change set any more, and none has accepted it for this acceptance"
    )]
    ChangeSetVanished,
    #[error("spec.changeSet is not the whole ID of a change set, 64 lower-case hexadecimal digits")]
    InvalidChangeSet,
    #[error(
        "the admission policy {0} or its binding does not exist, so nobody has checked who created this acceptance; \
         apply manifests/policy, and create another acceptance"
    )]
    PolicyAbsent(String),
    #[error(
        "the admission policy {0} or its binding is not at least 5 seconds older than this acceptance, so nobody has checked who created \
         it; create another acceptance"
    )]
    PolicyTooNew(String),
    #[error(
        "the admission policy {policy} is not the one of this version, so nobody has checked who created this acceptance: \
         {what}; apply manifests/policy, and create another acceptance"
    )]
    PolicyAltered { policy: String, what: String },
    #[error("the FileIntegrity {0} does not exist; create another acceptance when it does")]
    FileIntegrityNotFound(String),
    #[error(
        "the FileIntegrity was deleted, and another one with the same name was created; create another acceptance for it"
    )]
    FileIntegrityReplaced,
    #[error(transparent)]
    InvalidSelector(#[from] InvalidSelector),
    #[error(
        "spec.until must be after the creation of this object, and at most 30 days later; create another acceptance"
    )]
    InvalidUntil,
    #[error("{0}; create another acceptance")]
    InvalidChanges(String),
    #[error(
        "the older acceptance {other} lists other values for {path}; revoke it, or create another acceptance when it is over"
    )]
    Contradictory { path: String, other: String },
    #[error(
        "{0} node(s) accepted the set, but their reports were not published in time or do not have its changes; the \
         evidence whose annotation verified is not true has what they reported, and the other nodes keep their baselines"
    )]
    EvidenceNotVerified(i64),
}

impl Refusal {
    /// The FileIntegrity that this acceptance names does not exist.
    pub(crate) fn not_found(acceptance: &FileIntegrityAcceptance) -> Self {
        Self::FileIntegrityNotFound(visible(&acceptance.spec.file_integrity))
    }

    pub(crate) fn reason(&self) -> AcceptanceReason {
        match self {
            Self::UnknownChangeSet | Self::ChangeSetVanished | Self::InvalidChangeSet => {
                AcceptanceReason::UnknownChangeSet
            }
            Self::PolicyAbsent(_) | Self::PolicyTooNew(_) | Self::PolicyAltered { .. } => {
                AcceptanceReason::NoAdmissionPolicy
            }
            Self::FileIntegrityNotFound(_) => AcceptanceReason::FileIntegrityNotFound,
            Self::FileIntegrityReplaced => AcceptanceReason::FileIntegrityReplaced,
            Self::InvalidSelector(_) => AcceptanceReason::InvalidSelector,
            Self::InvalidUntil => AcceptanceReason::InvalidUntil,
            Self::InvalidChanges(_) => AcceptanceReason::InvalidChanges,
            Self::Contradictory { .. } => AcceptanceReason::Contradictory,
            Self::EvidenceNotVerified(_) => AcceptanceReason::EvidenceNotVerified,
        }
    }
}

/// API servers enforce a policy some time after its creation, and their clocks differ a little.
const ENFORCED_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Whether `until` is allowed. The admission policy checks it as well.
pub(crate) fn check_until(created: Timestamp, until: Option<Timestamp>) -> Result<(), Refusal> {
    let is_valid = |until: Timestamp| until > created && until.duration_since(created) <= MAX_UNTIL;
    if until.is_none_or(is_valid) {
        Ok(())
    } else {
        Err(Refusal::InvalidUntil)
    }
}

/// Whether the admission policy has checked the acceptance that was created at this time. A change of the policy while
/// an acceptance is executed only interrupts it: that happens when fio is updated.
pub(crate) fn check_policy(
    policy: &PolicyState,
    name: &str,
    created: Timestamp,
    is_started: bool,
) -> Result<(), Refusal> {
    match policy {
        PolicyState::InForce { since } if created.duration_since(since.0) > ENFORCED_AFTER => {
            Ok(())
        }
        PolicyState::InForce { .. } => Err(Refusal::PolicyTooNew(name.to_owned())),
        PolicyState::Absent => Err(Refusal::PolicyAbsent(name.to_owned())),
        PolicyState::Altered { .. } if is_started => Ok(()),
        PolicyState::Altered { what } => Err(Refusal::PolicyAltered {
            policy: name.to_owned(),
            what: what.clone(),
        }),
    }
}
