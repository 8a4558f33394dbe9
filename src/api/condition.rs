//! The conditions in the status of a FileIntegrity: their types, statuses and reasons. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::named_enum::named_enum;

named_enum! {
    list: cfg(test);
    pub(crate) enum ConditionType {
        /// All reachable nodes are being scanned.
        Ready = "Ready",
        /// The configuration can be used.
        ConfigValid = "ConfigValid",
        /// There is a problem.
        Degraded = "Degraded",
        /// Nodes that match the nodeSelector are not watched because of their taints.
        NodesExcluded = "NodesExcluded",
        /// Changes are reported within about a second, in addition to the periodic scans.
        Realtime = "Realtime",
    }
}

named_enum! {
    list: cfg(any());
    pub(crate) enum ConditionStatus {
        /// The condition holds, for example the configuration is valid.
        True = "True",
        /// The condition does not hold.
        False = "False",
        /// It is not known whether it is true.
        Unknown = "Unknown",
    }
}

named_enum! {
    list: cfg(test);
    pub(crate) enum ConditionReason {
        /// `Ready`: all reachable nodes are being scanned. `Realtime`: all of them report changes at once.
        Active = "Active",
        /// `Ready`: baselines are missing.
        Initializing = "Initializing",
        /// `Ready`: no node is selected.
        NoNodes = "NoNodes",
        /// `Ready`: the daemons are not deployed yet.
        Pending = "Pending",
        /// `Ready`: the configuration is refused, or was refused when it was last read.
        ConfigRefused = "ConfigRefused",
        /// `Ready`: scans ended with an error.
        Error = "Error",

        /// `ConfigValid`: the configuration is in effect.
        Valid = "Valid",
        /// `ConfigValid`: the configuration is in effect, with warnings.
        ValidWithWarnings = "ValidWithWarnings",
        /// `ConfigValid`: the configuration is in effect, except on nodes whose changes must be accepted first.
        WaitingForAcceptance = "WaitingForAcceptance",
        /// `ConfigValid`: AIDE or fio does not accept the configuration.
        Refused = "Refused",
        /// `ConfigValid`: AIDE gave no answer about the configuration.
        Unchecked = "Unchecked",
        /// `ConfigValid`: the configuration has not been read yet.
        Reading = "Reading",
        /// `ConfigValid`: spec.config does not name a ConfigMap that can exist.
        InvalidReference = "InvalidReference",
        /// `ConfigValid`: the ConfigMap does not exist.
        ConfigMapMissing = "ConfigMapMissing",
        /// `ConfigValid`: the ConfigMap cannot be read.
        ConfigMapUnreadable = "ConfigMapUnreadable",
        /// `ConfigValid`: the ConfigMap does not have the key.
        KeyMissing = "KeyMissing",
        /// `ConfigValid`: the key of the ConfigMap is empty.
        ConfigEmpty = "ConfigEmpty",

        /// `Degraded`: there is no problem.
        AsExpected = "AsExpected",
        /// `Degraded`: nodes are not ready.
        NodesNotReady = "NodesNotReady",
        /// `Degraded`: nodes have not reported for too long.
        NodesSilent = "NodesSilent",
        /// `Degraded`: nodes have not reported for too long, and a taint keeps the daemon's pod out.
        NodesShutOut = "NodesShutOut",
        /// `Degraded`: rules watch nothing because of symbolic links.
        RulesUnwatched = "RulesUnwatched",
        /// `Degraded`: the PriorityClass does not exist.
        PriorityClass = "PriorityClass",
        /// `Degraded` and `Ready`: an object cannot be decoded.
        ObjectUnreadable = "ObjectUnreadable",
        /// `Degraded`: the state directory is not allowed.
        StateDirRefused = "StateDirRefused",
        /// `Degraded`: the active configuration was edited or deleted.
        ConfigurationLost = "ConfigurationLost",
        /// `Degraded`: another FileIntegrity selects the same nodes.
        Overlap = "Overlap",
        /// `Degraded`: an object with the name of one of the operator's belongs to somebody else.
        NameCollision = "NameCollision",
        /// `Degraded`: the API server refuses a request.
        ApiRefused = "ApiRefused",
        /// `Degraded`: requests to the API server keep failing.
        ApiFailing = "ApiFailing",
        /// `Degraded`: the image of the pods is not known.
        NoImage = "NoImage",
        /// `Degraded`: the configuration could not be checked.
        CheckFailing = "CheckFailing",

        /// `NodesExcluded`: no node is excluded.
        NoneExcluded = "NoneExcluded",
        /// `NodesExcluded`: nodes have taints that are not tolerated.
        UntoleratedTaints = "UntoleratedTaints",

        /// `Realtime`: the spec disables it.
        Off = "Off",
        /// `Realtime`: nodes report some changes only by periodic scans.
        Degraded = "Degraded",
        /// `Realtime`: nodes report all changes only by periodic scans.
        Unsupported = "Unsupported",
        /// `Realtime`: it is starting on nodes, or no node has reported a state.
        Starting = "Starting",
    }
}

impl ConditionType {
    /// The condition of this type.
    pub(crate) fn find(self, conditions: &[Condition]) -> Option<&Condition> {
        conditions
            .iter()
            .find(|condition| condition.type_ == self.as_str())
    }

    /// The condition of this type, to be changed.
    pub(crate) fn find_mut(self, conditions: &mut [Condition]) -> Option<&mut Condition> {
        conditions
            .iter_mut()
            .find(|condition| condition.type_ == self.as_str())
    }
}

#[cfg(test)]
mod tests;
