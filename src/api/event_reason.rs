//! Reasons of the events that operator and daemons create on a FileIntegrity. Pure.

use super::named_enum::named_enum;

named_enum! {
    list: cfg(test);
    /// The reason of an event. Users select events by it.
    pub(crate) enum EventReason {
        /// An acceptance is complete.
        AcceptanceComplete = "AcceptanceComplete",
        /// An acceptance has no effect, or none on further nodes.
        AcceptanceFailed = "AcceptanceFailed",
        /// A new baseline was requested or is needed, and `requireAcceptance` does not allow it.
        AcceptanceRequired = "AcceptanceRequired",
        /// The baseline was deleted, and `onBaselineLoss` is `error`.
        BaselineLost = "BaselineLost",
        /// A database that fio did not create, or that this AIDE cannot read, was replaced.
        BaselineReplaced = "BaselineReplaced",
        /// The database on a node is not the recorded one.
        BaselineTampered = "BaselineTampered",
        /// A new baseline accepted changes.
        ChangesAccepted = "ChangesAccepted",
        /// A node kept its baseline although its changes were to be accepted.
        ChangesDiffer = "ChangesDiffer",
        /// The configuration is invalid or forbidden.
        ConfigRefused = "ConfigRefused",
        /// The configuration is used, but parts of it have no effect.
        ConfigWarnings = "ConfigWarnings",
        /// The evidence of accepted changes takes nearly as much space as it may.
        EvidenceNearLimit = "EvidenceNearLimit",
        /// The FileIntegrity has a new phase.
        FileIntegrityStatus = "FileIntegrityStatus",
        /// `re-init-on-failed` selects no node.
        NoNodesFailed = "NoNodesFailed",
        /// The result of a node's scan changed.
        NodeIntegrityStatus = "NodeIntegrityStatus",
        /// The operator cannot decode an object.
        ObjectUnreadable = "ObjectUnreadable",
        /// The PriorityClass of the spec does not exist.
        PriorityClass = "PriorityClass",
        /// An annotation names nodes that are not selected.
        UnknownNodes = "UnknownNodes",
        /// A baseline was created without a request.
        UnrequestedReinit = "UnrequestedReinit",
    }
}

impl EventReason {
    /// Whether daemons create events with this reason. The admission policy allows them no others.
    pub(crate) const fn is_of_daemon(self) -> bool {
        match self {
            Self::AcceptanceRequired
            | Self::BaselineLost
            | Self::BaselineReplaced
            | Self::BaselineTampered
            | Self::ChangesAccepted
            | Self::ChangesDiffer
            | Self::NodeIntegrityStatus
            | Self::UnrequestedReinit => true,
            Self::AcceptanceComplete
            | Self::AcceptanceFailed
            | Self::ConfigRefused
            | Self::ConfigWarnings
            | Self::EvidenceNearLimit
            | Self::FileIntegrityStatus
            | Self::NoNodesFailed
            | Self::ObjectUnreadable
            | Self::PriorityClass
            | Self::UnknownNodes => false,
        }
    }
}
