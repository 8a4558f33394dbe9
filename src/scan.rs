//! The result of a scan, and how it is reported. Used by the daemon and by `fio logcollector`.
//!
//! [`outcome`] evaluates a run of AIDE, [`external_run`] one that another program has started.
//! [`change_set`] is what differs from the baseline, [`accepted`] what a new baseline accepts, [`acceptance`] the answer to
//! an acceptance, [`approved_changes`] the changes that an acceptance lists. [`reporting`] decides what to write to the API;
//! [`event`] and [`failure_log`] build the objects, [`output`] the lines for log shippers. All of
//! these are pure. [`publish`] makes the requests, and [`log_collector`] reads reports of other programs.

pub(crate) mod acceptance;
pub(crate) mod accepted;
pub(crate) mod approved_changes;
pub(crate) mod change_set;
pub(crate) mod event;
pub(crate) mod evidence;
pub(crate) mod external_run;
pub(crate) mod failure_log;
pub(crate) mod known_changes;
pub(crate) mod log_collector;
pub(crate) mod outcome;
pub(crate) mod output;
pub(crate) mod publish;
pub(crate) mod reporting;

/// The node whose files are scanned, and the FileIntegrity that selects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Namespace of the FileIntegrity and of all its objects.
    pub namespace: String,
    /// Name of the FileIntegrity.
    pub file_integrity: String,
    /// Name of the node.
    pub node: String,
    /// Prefix of the names of failure logs: the name of the DaemonSet.
    pub log_prefix: String,
}

impl Identity {
    /// Name of the FileIntegrityNodeStatus.
    pub fn node_status(&self) -> String {
        crate::api::names::node_status(&self.file_integrity, &self.node)
    }

    /// Name of the ConfigMap with the report of a new baseline.
    pub(crate) fn accepted_report(&self) -> String {
        crate::api::names::accepted_report(&self.log_prefix, &self.node)
    }

    /// Name of the ConfigMap with AIDE's reports of a failed scan.
    pub fn failure_log(&self) -> String {
        crate::api::names::failure_log(&self.log_prefix, &self.node)
    }
}

#[cfg(test)]
pub(crate) fn identity() -> Identity {
    Identity {
        namespace: "ns".to_owned(),
        file_integrity: "fi".to_owned(),
        node: "n1".to_owned(),
        log_prefix: "aide-fi".to_owned(),
    }
}
