//! The conditions in the status of a FileIntegrityAcceptance: their types and reasons. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::spec::FileIntegrityAcceptance;
use crate::api::condition::ConditionStatus;
use crate::api::named_enum::named_enum;

named_enum! {
    list: cfg(any());
    pub(crate) enum AcceptanceConditionType {
        /// No other node gets a new baseline.
        Complete = "Complete",
        /// The acceptance has no effect, or none on further nodes.
        Failed = "Failed",
    }
}

named_enum! {
    list: cfg(test);
    /// The reason of both conditions. `Complete` has the reason of `Failed` when that is True, so that one printer
    /// column shows it.
    pub(crate) enum AcceptanceReason {
        /// No node that is included shows the set yet, or the acceptance cannot be executed yet.
        Pending = "Pending",
        /// One node has the request, and its report is not verified yet.
        WaitingForEvidence = "WaitingForEvidence",
        /// The report is verified. The nodes get the request, a limited number at a time.
        Requesting = "Requesting",
        /// All nodes have the request. Some have not answered yet, or may show the set later.
        WaitingForNodes = "WaitingForNodes",

        /// All nodes that showed the set have a new baseline.
        Accepted = "Accepted",
        /// Some nodes have a new baseline, and some kept theirs.
        PartlyRefused = "PartlyRefused",
        /// No node has a new baseline.
        Refused = "Refused",
        /// The time is over, and nodes have not answered, or no node showed the set.
        Expired = "Expired",
        /// Somebody withdrew the acceptance.
        Revoked = "Revoked",

        /// No included node shows the set.
        UnknownChangeSet = "UnknownChangeSet",
        /// The admission policy is missing, changed, or not older than the acceptance.
        NoAdmissionPolicy = "NoAdmissionPolicy",
        /// The FileIntegrity does not exist.
        FileIntegrityNotFound = "FileIntegrityNotFound",
        /// The FileIntegrity was deleted, and another one with the same name was created.
        FileIntegrityReplaced = "FileIntegrityReplaced",
        /// The selector of the nodes is invalid.
        InvalidSelector = "InvalidSelector",
        /// `until` is not after the creation of the acceptance, or too late.
        InvalidUntil = "InvalidUntil",
        /// A listed change is not as the definition requires it.
        InvalidChanges = "InvalidChanges",
        /// An older acceptance lists another change of the same path.
        Contradictory = "Contradictory",
        /// The reports of the nodes do not have the accepted changes.
        EvidenceNotVerified = "EvidenceNotVerified",

        /// `Failed` is False.
        AsExpected = "AsExpected",
    }
}

impl AcceptanceConditionType {
    /// The condition of this type.
    pub(crate) fn find(self, conditions: &[Condition]) -> Option<&Condition> {
        conditions
            .iter()
            .find(|condition| condition.type_ == self.as_str())
    }
}

impl FileIntegrityAcceptance {
    /// The condition with which it has ended, so that no node gets a request for it any more.
    pub(crate) fn end(&self) -> Option<&Condition> {
        let conditions = &self.status.as_ref()?.conditions;
        let types = [
            AcceptanceConditionType::Failed,
            AcceptanceConditionType::Complete,
        ];
        let mut found = types.into_iter().filter_map(|it| it.find(conditions));
        found.find(|condition| condition.status == ConditionStatus::True.as_str())
    }

    /// Whether it is Complete or Failed.
    pub(crate) fn is_finished(&self) -> bool {
        self.end().is_some()
    }
}
