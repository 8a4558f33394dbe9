//! One scan's outcome, and how it is told. Used by the daemon and by the log collector.
//!
//! [`change_set`] is what differs on a node; [`outcome`] says what came of a run of AIDE ([`collected`]: of one that something else made),
//! [`tell`] decides what of that is worth telling, [`event`] and [`kept_log`] build the objects,
//! [`lines`] the lines for log shippers; all of these are pure. [`publish`] does the API requests.

pub mod change_set;
pub mod collected;
pub mod event;
pub mod kept_log;
pub mod lines;
pub mod outcome;
pub mod publish;
pub mod tell;

/// Whose files are scanned, for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The namespace of the FileIntegrity and of all that belongs to it.
    pub namespace: String,
    /// The FileIntegrity's name.
    pub file_integrity: String,
    /// The node's name.
    pub node: String,
    /// What the names of kept logs begin with: the DaemonSet's name.
    pub log_prefix: String,
}

impl Identity {
    /// The name of the object in which this node's results stand.
    pub fn node_status(&self) -> String {
        crate::api::names::node_status(&self.file_integrity, &self.node)
    }

    /// The name of the ConfigMap in which AIDE's report of a failed scan is kept.
    pub fn kept_log(&self) -> String {
        crate::api::names::failure_log(&self.log_prefix, &self.node)
    }
}

/// Whose files tests tell of.
#[cfg(test)]
pub(crate) fn identity() -> Identity {
    Identity {
        namespace: "ns".to_owned(),
        file_integrity: "fi".to_owned(),
        node: "n1".to_owned(),
        log_prefix: "aide-fi".to_owned(),
    }
}
