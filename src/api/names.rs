//! Every name, label, annotation and path that the operator, the daemons, users and their tools
//! agree on. Pure; the contract between operator and daemon is here and in [`super::node_status`].

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// On a ConfigMap: it holds an active AIDE configuration.
pub const LABEL_AIDE_CONF: &str = "file-integrity.openshift.io/aide-conf";
/// The FileIntegrity that an object belongs to.
pub const LABEL_OWNER: &str = "file-integrity.openshift.io/owner";
/// The FileIntegrity that a signaller DaemonSet belongs to.
pub const LABEL_REINIT_OWNER: &str = "file-integrity.openshift.io/reinit-owner";
/// The node that an object speaks of.
pub const LABEL_NODE: &str = "file-integrity.openshift.io/node";
/// On pods: they scan a node.
pub const LABEL_POD: &str = "file-integrity.openshift.io/pod";
/// On ConfigMaps: a log that the original's daemon sent to its operator.
pub const LABEL_LOG: &str = "file-integrity.openshift.io/log";
/// On ConfigMaps: a kept log.
pub const LABEL_RESULT_LOG: &str = "file-integrity.openshift.io/result-log";

/// On a FileIntegrity: re-initialise the named nodes (empty: all).
pub const ANNOTATION_REINIT: &str = "file-integrity.openshift.io/re-init";
/// On a FileIntegrity: re-initialise the nodes whose last scan failed.
pub const ANNOTATION_REINIT_ON_FAILED: &str = "file-integrity.openshift.io/re-init-on-failed";
/// On a FileIntegrity: hold the scans of the named nodes (empty: all). On a node status: scans are held,
/// see [`super::DesiredNodeState`].
pub const ANNOTATION_HOLDOFF: &str = "file-integrity.openshift.io/holdoff";
/// On a FileIntegrity: the re-initialisation that is being handed to the nodes, as JSON. It takes
/// the place of [`ANNOTATION_REINIT`] in one write, so that no request is lost or done twice.
pub const ANNOTATION_REINIT_RECORD: &str = "file-integrity.openshift.io/re-init-record";
/// Value of [`ANNOTATION_HOLDOFF`] on the status of a node that is being updated.
pub const HOLDOFF_NODE_UPDATE: &str = "node-update";
/// Value of [`ANNOTATION_HOLDOFF`] on the status of a node whose scans a user holds.
pub const HOLDOFF_BY_USER: &str = "";
/// On a node status: id of the re-initialization that the daemon should do.
pub const ANNOTATION_REQUEST: &str = "file-integrity.openshift.io/reinit-request";
/// On a node status: hash of the configuration that the daemon should scan with.
pub const ANNOTATION_WANTED_CONFIG: &str = "file-integrity.openshift.io/wanted-config";
/// On an object that the operator applied: sha256 of what it applied.
pub const ANNOTATION_APPLIED_HASH: &str = "file-integrity.openshift.io/applied-hash";
/// On a kept log: the log is gzip and base64.
pub const ANNOTATION_COMPRESSED: &str = "file-integrity.openshift.io/compressed";
/// On a kept log: how many files were added.
pub const ANNOTATION_FILES_ADDED: &str = "file-integrity.openshift.io/files-added";
/// On a kept log: how many files changed.
pub const ANNOTATION_FILES_CHANGED: &str = "file-integrity.openshift.io/files-changed";
/// On a kept log: how many files were removed.
pub const ANNOTATION_FILES_REMOVED: &str = "file-integrity.openshift.io/files-removed";

/// Data key of the relocated configuration in the active ConfigMap.
pub const KEY_AIDE_CONF: &str = "aide.conf";
/// Data key of what AIDE gets after migration, in the active ConfigMap.
pub const KEY_EFFECTIVE_CONF: &str = "aide.effective.conf";
/// Data key of AIDE's plain report in a kept log.
pub const KEY_INTEGRITY_LOG: &str = "integritylog";
/// Binary data key of AIDE's JSON report in a kept log.
pub const KEY_JSON_REPORT: &str = "report.json.gz";

/// ServiceAccount of the daemons.
pub const DAEMON_SERVICE_ACCOUNT: &str = "file-integrity-daemon";
/// Deployment, ServiceAccount and label of the operator.
pub const OPERATOR_NAME: &str = "file-integrity-operator";
/// The Service in front of the operator's metrics, and its ServiceMonitor.
pub const METRICS_SERVICE: &str = "metrics";
/// The Secret with the token that Prometheus brings.
pub const METRICS_TOKEN_SECRET: &str = "file-integrity-operator-metrics-token";
/// The Secret with the certificate that somebody else made for the metrics.
pub const SERVING_CERT_SECRET: &str = "file-integrity-operator-serving-cert";
/// The Secret with the certificate that the operator made itself, and with its CA.
pub const OWN_CERT_SECRET: &str = "file-integrity-operator-tls";
/// The Lease that both the original and fio take before they act.
pub const LEASE_NAME: &str = "962a0cf2.openshift.io";
/// Field manager of what the operator applies.
pub const FIELD_MANAGER_OPERATOR: &str = "file-integrity-operator";
/// Field manager of what the daemons write.
pub const FIELD_MANAGER_DAEMON: &str = "file-integrity-daemon";
/// ConfigMaps of the original that nothing uses any more.
pub const LEGACY_CONFIG_MAPS: [&str; 2] = ["aide-reinit", "aide-pause"];

/// Where a node's root is seen in the daemon's container.
pub const HOST_ROOT: &str = "/hostroot";
/// Where the active ConfigMap is mounted in the daemon's container.
pub const CONFIG_DIR: &str = "/config";
/// Where the signal file lies on a node, without the host root.
pub const RUN_DIR: &str = "/run";
/// The signal file on a node, without the host root.
pub const SIGNAL_FILE: &str = "/run/aide.reinit";

/// What the text of a signal begins with that announces a configuration; its hash follows. Other
/// texts are ids of requests.
pub const CONFIG_SIGNAL: &str = "config:";

/// First name component of the daemon's DaemonSet.
const DAEMON_SET_PREFIX: &str = "aide";
/// First name component of the signaller's DaemonSet.
const SIGNALLER_PREFIX: &str = "aide-ini";
/// First name component of the original's earlier DaemonSets.
const LEGACY_DAEMON_SET_PREFIX: &str = "aide-ds";
/// Names at least this long are hashed, as the original did for DNS labels.
const HASHED_FROM: usize = 64;
/// Longest value of a label, see the Kubernetes documentation on labels.
const MAX_LABEL_VALUE: usize = 63;
/// Longest name of most objects (a DNS subdomain, RFC 1123).
const MAX_OBJECT_NAME: usize = 253;
/// Hex digits of a sha256 that stand for a whole text.
const HASH_DIGITS: usize = 16;

/// Name of the DaemonSet that scans for this FileIntegrity.
pub fn daemon_set(file_integrity: &str) -> String {
    hashed_if_long(
        DAEMON_SET_PREFIX,
        &format!("{DAEMON_SET_PREFIX}-{file_integrity}"),
    )
}

/// Name of the DaemonSet that signals a re-initialisation, to all nodes or to one.
pub fn signaller(file_integrity: &str, node: Option<&str>) -> String {
    let full = match node {
        None => format!("{SIGNALLER_PREFIX}-{file_integrity}"),
        Some(node) => format!("{SIGNALLER_PREFIX}-{file_integrity}-{node}"),
    };
    hashed_if_long(SIGNALLER_PREFIX, &full)
}

/// Name of the DaemonSet that early versions of the original left behind.
pub fn legacy_daemon_set(file_integrity: &str) -> String {
    format!("{LEGACY_DAEMON_SET_PREFIX}-{file_integrity}")
}

/// Name of the status object of one node.
pub fn node_status(file_integrity: &str, node: &str) -> String {
    shortened(&format!("{file_integrity}-{node}"), MAX_OBJECT_NAME)
}

/// Name of the ConfigMap with a node's kept log; `prefix` is the DaemonSet's name.
pub fn kept_log(prefix: &str, node: &str) -> String {
    shortened(&format!("{prefix}-{node}-failed"), MAX_OBJECT_NAME)
}

/// A value that fits a label: the value itself up to 63 characters, otherwise its first 46, a
/// dash and 16 hex digits of its sha256. The whole belongs in an annotation of the same key.
pub fn label_value(value: &str) -> String {
    shortened(value, MAX_LABEL_VALUE)
}

/// Whether [`label_value`] had to shorten.
pub fn label_is_shortened(value: &str) -> bool {
    value.len() > MAX_LABEL_VALUE
}

/// Lower-case hex of a sha256.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes.as_ref()))
}

/// The first 16 digits of [`sha256_hex`]: enough to tell one text from another, not to prove anything.
pub fn short_hash(bytes: impl AsRef<[u8]>) -> String {
    let mut hash = sha256_hex(bytes);
    hash.truncate(HASH_DIGITS);
    hash
}

/// Lower-case hex of any bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        })
}

fn hashed_if_long(prefix: &str, full: &str) -> String {
    if full.len() < HASHED_FROM {
        full.to_owned()
    } else {
        format!("{prefix}{}", hex(&Sha1::digest(full.as_bytes())))
    }
}

/// Names and label values are ASCII by the API's rules, so cutting at a byte is cutting at a
/// character; should one not be, its whole hash stands in.
fn shortened(value: &str, limit: usize) -> String {
    if value.len() <= limit {
        return value.to_owned();
    }
    let hash = sha256_hex(value);
    let kept = limit - HASH_DIGITS - 1;
    match value.get(..kept) {
        Some(start) => format!("{start}-{}", &hash[..HASH_DIGITS]),
        None => hash[..limit.min(hash.len())].to_owned(),
    }
}

#[cfg(test)]
mod tests;
