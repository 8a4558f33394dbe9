//! Names, labels, annotations and paths that the operator, the daemons, users and their tools share. Pure.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Keys of the annotations that fio reads and writes.
#[derive(Debug)]
pub enum Annotation {}

impl Annotation {
    /// On a FileIntegrity: re-initialize these nodes. An empty value means all nodes.
    pub const REINIT: &str = "file-integrity.openshift.io/re-init";
    /// On a FileIntegrity: re-initialize the nodes whose last scan found changes.
    pub const REINIT_ON_FAILED: &str = "file-integrity.openshift.io/re-init-on-failed";
    /// On a FileIntegrity: hold off scans of these nodes. An empty value means all nodes. On a node status: scans are held
    /// off, see [`super::DesiredNodeState`].
    pub const HOLDOFF: &str = "file-integrity.openshift.io/holdoff";
    /// On a node status: the holds of the spec that include the node, as JSON, see [`super::TimedHold`].
    pub const HOLDS: &str = "file-integrity.openshift.io/holds";
    /// On a FileIntegrity: the re-initialization that is being sent to the nodes, as JSON. It replaces [`Annotation::REINIT`]
    /// in one write, so that no request is lost or executed twice.
    pub const REINIT_RECORD: &str = "file-integrity.openshift.io/re-init-record";
    /// On a FileIntegrity: scan these nodes once more, now. An empty value means all nodes.
    pub const SCAN: &str = "file-integrity.openshift.io/scan";
    /// On a FileIntegrity: the requested scan that is being sent to the nodes, as JSON, like [`Annotation::REINIT_RECORD`].
    pub const SCAN_RECORD: &str = "file-integrity.openshift.io/scan-record";
    /// On a node status: ID of the additional scan that the daemon should execute.
    pub const SCAN_REQUEST: &str = "file-integrity.openshift.io/scan-request";
    /// On a node status: ID of the re-initialization that the daemon should execute.
    pub const REINIT_REQUEST: &str = "file-integrity.openshift.io/reinit-request";
    /// On a node status: the acceptance that the daemon should execute, as JSON, see [`super::AcceptanceRequest`].
    pub const ACCEPTANCE: &str = "file-integrity.openshift.io/acceptance";
    /// On a node status: the acceptances with lists of changes that the daemon may execute, as JSON, see
    /// [`super::AnnouncedChanges`].
    pub const ANNOUNCED_CHANGES: &str = "file-integrity.openshift.io/announced-changes";
    /// On a node status: nothing but an acceptance may replace the baseline.
    pub const REQUIRE_ACCEPTANCE: &str = "file-integrity.openshift.io/require-acceptance";
    /// On a node status: hash of the configuration of the baseline, see [`super::DesiredNodeState`].
    pub const PREVIOUS_CONFIG: &str = "file-integrity.openshift.io/previous-config";
    /// On a node status: hash of the configuration that the daemon should scan with.
    pub const DESIRED_CONFIG: &str = "file-integrity.openshift.io/desired-config";
    /// On an object that the operator applied: sha256 of the applied content.
    pub const APPLIED_HASH: &str = "file-integrity.openshift.io/applied-hash";
    /// On a failure log: the log is compressed with gzip and encoded in base64.
    pub const COMPRESSED: &str = "file-integrity.openshift.io/compressed";
    /// On a failure log: number of added files.
    pub const FILES_ADDED: &str = "file-integrity.openshift.io/files-added";
    /// On a failure log: number of changed files.
    pub const FILES_CHANGED: &str = "file-integrity.openshift.io/files-changed";
    /// On a failure log: number of removed files.
    pub const FILES_REMOVED: &str = "file-integrity.openshift.io/files-removed";
    /// On the report of a new baseline, and on evidence: the sha256 of the baseline's database.
    pub const BASELINE_DIGEST: &str = "file-integrity.openshift.io/baseline-digest";
    /// On the report of a new baseline, and on evidence: which set of changes it has.
    pub const CHANGE_SET: &str = "file-integrity.openshift.io/change-set";
    /// On evidence: the nodes that have reported it, or the first of them.
    pub const NODES: &str = "file-integrity.openshift.io/nodes";
    /// On evidence: the number of nodes that have reported it.
    pub const NODE_COUNT: &str = "file-integrity.openshift.io/node-count";
    /// On evidence: whether the operator has computed the hash of the changes from the report.
    pub const VERIFIED: &str = "file-integrity.openshift.io/verified";
    /// On evidence: when the operator deletes it.
    pub const RETAIN_UNTIL: &str = "file-integrity.openshift.io/retain-until";
    /// On evidence: bytes of its data.
    pub(crate) const SIZE: &str = "file-integrity.openshift.io/size";
    /// On the admission policy and its binding, if the operator created them: hash of the manifest.
    pub(crate) const MANIFEST_HASH: &str = "file-integrity.openshift.io/manifest-hash";
    /// On a ServiceMonitor or PrometheusRule: hash of the spec that the operator wrote, a dot, hash of the spec with the
    /// API's defaults.
    pub(crate) const WRITTEN_SPEC: &str = "file-integrity.openshift.io/written-spec";
    /// On the Secret with the operator's certificate: when the certificate is renewed.
    pub(crate) const RENEW_AFTER: &str = "file-integrity.openshift.io/renew-after";
    /// On the Secret with the operator's certificate: when the CA is renewed.
    pub(crate) const RENEW_CA_AFTER: &str = "file-integrity.openshift.io/renew-ca-after";
    /// On the Secret with the operator's certificate: the names in the certificate.
    pub(crate) const CERTIFICATE_NAMES: &str = "file-integrity.openshift.io/certificate-names";
}

/// Keys of the labels of all objects that fio creates.
#[derive(Debug)]
pub enum Label {}

impl Label {
    /// On a ConfigMap with an active AIDE configuration.
    pub const AIDE_CONF: &str = "file-integrity.openshift.io/aide-conf";
    /// The name of the FileIntegrity of an object.
    pub const OWNER: &str = "file-integrity.openshift.io/owner";
    /// The name of the FileIntegrity of a re-init DaemonSet.
    pub const REINIT_OWNER: &str = "file-integrity.openshift.io/reinit-owner";
    /// The name of the node that an object is about.
    pub const NODE: &str = "file-integrity.openshift.io/node";
    /// On pods of the daemons.
    pub const POD: &str = "file-integrity.openshift.io/pod";
    /// On ConfigMaps with a log from a daemon of the original operator.
    pub const LOG: &str = "file-integrity.openshift.io/log";
    /// On ConfigMaps with the report of a new baseline, from a daemon.
    pub const ACCEPTED: &str = "file-integrity.openshift.io/accepted";
    /// On ConfigMaps with evidence of accepted changes, from the operator.
    pub const EVIDENCE: &str = "file-integrity.openshift.io/evidence";
    /// On ConfigMaps with a failure log.
    pub const RESULT_LOG: &str = "file-integrity.openshift.io/result-log";
}

/// Value of [`Annotation::HOLDOFF`] on the status of a node that is being updated.
pub const HOLDOFF_NODE_UPDATE: &str = "node-update";
/// Value of [`Annotation::HOLDOFF`] on the status of a node whose scans a user holds off.
pub(crate) const HOLDOFF_BY_USER: &str = "";

/// Data key of the configuration with paths below the host root in the active ConfigMap.
pub const KEY_AIDE_CONF: &str = "aide.conf";
/// Data key of the configuration for AIDE 0.19 in the active ConfigMap.
pub const KEY_EFFECTIVE_CONF: &str = "aide.effective.conf";
/// Data key of AIDE's plain report in a failure log.
pub const KEY_INTEGRITY_LOG: &str = "integritylog";
/// Binary data key of AIDE's JSON report in a failure log.
pub(crate) const KEY_JSON_REPORT: &str = "report.json.gz";

/// Data key of what a new baseline accepted, and why.
pub(crate) const KEY_RECORD: &str = "record.json";

pub const DAEMON_SERVICE_ACCOUNT: &str = "file-integrity-daemon";
/// The Deployment, ServiceAccount and label of the operator.
pub const OPERATOR_NAME: &str = "file-integrity-operator";
/// The Service and the ServiceMonitor of the operator's metrics.
pub(crate) const METRICS_SERVICE: &str = "metrics";
/// The Secret with the token that Prometheus uses.
pub const METRICS_TOKEN_SECRET: &str = "file-integrity-operator-metrics-token";
/// The Secret with a certificate for the metrics from another issuer.
pub(crate) const SERVING_CERT_SECRET: &str = "file-integrity-operator-serving-cert";
/// The Secret with the operator's own certificate and CA for the metrics.
pub const OWN_CERT_SECRET: &str = "file-integrity-operator-tls";
/// The Lease for leader election, also used by the original operator.
pub const LEASE_NAME: &str = "962a0cf2.openshift.io";
pub const FIELD_MANAGER_OPERATOR: &str = "file-integrity-operator";
pub const FIELD_MANAGER_DAEMON: &str = "file-integrity-daemon";
/// Unused ConfigMaps of the original operator.
pub const LEGACY_CONFIG_MAPS: [&str; 2] = ["aide-reinit", "aide-pause"];

/// Mount point of the node's root in the daemon container.
pub(crate) const HOST_ROOT: &str = "/hostroot";
/// Mount point of the active ConfigMap in the daemon container.
pub(crate) const CONFIG_DIR: &str = "/config";
/// The directory of the signal file on a node.
pub(crate) const RUN_DIR: &str = "/run";
/// The signal file on a node.
pub const SIGNAL_FILE: &str = "/run/aide.reinit";

/// Prefix of a signal text with the hash of a new configuration. Other texts are IDs of requests.
pub(crate) const CONFIG_SIGNAL: &str = "config:";

/// Prefix of the name of daemon DaemonSets.
const DAEMON_SET_PREFIX: &str = "aide";
/// Prefix of the name of re-init DaemonSets.
const REINIT_DAEMON_SET_PREFIX: &str = "aide-ini";
/// Prefix of the name of DaemonSets of early versions of the original operator.
const LEGACY_DAEMON_SET_PREFIX: &str = "aide-ds";
/// Names of at least this length are hashed, as in the original operator.
const HASHED_FROM: usize = 64;
/// Maximum length of a label value, see the Kubernetes documentation on labels.
const MAX_LABEL_VALUE: usize = 63;
/// Maximum length of the name of most objects (a DNS subdomain, RFC 1123).
const MAX_OBJECT_NAME: usize = 253;
/// Number of hex digits of a shortened sha256.
const HASH_DIGITS: usize = 16;

/// Name of the daemon DaemonSet.
pub fn daemon_set(file_integrity: &str) -> String {
    hashed_if_long(
        DAEMON_SET_PREFIX,
        &format!("{DAEMON_SET_PREFIX}-{file_integrity}"),
    )
}

/// Name of the DaemonSet that signals a re-initialization, to all nodes or to one.
pub fn reinit_daemon_set(file_integrity: &str, node: Option<&str>) -> String {
    let full = match node {
        None => format!("{REINIT_DAEMON_SET_PREFIX}-{file_integrity}"),
        Some(node) => format!("{REINIT_DAEMON_SET_PREFIX}-{file_integrity}-{node}"),
    };
    hashed_if_long(REINIT_DAEMON_SET_PREFIX, &full)
}

/// Name of the DaemonSet of early versions of the original operator.
pub(crate) fn legacy_daemon_set(file_integrity: &str) -> String {
    format!("{LEGACY_DAEMON_SET_PREFIX}-{file_integrity}")
}

/// Name of the FileIntegrityNodeStatus of a node.
pub fn node_status(file_integrity: &str, node: &str) -> String {
    shortened(&format!("{file_integrity}-{node}"), MAX_OBJECT_NAME)
}

/// Name of the ConfigMap with the failure log of a node. `prefix` is the name of the DaemonSet.
pub fn failure_log(prefix: &str, node: &str) -> String {
    shortened(&format!("{prefix}-{node}-failed"), MAX_OBJECT_NAME)
}

/// Name of the ConfigMap with the report of a new baseline of a node. `prefix` is the name of the DaemonSet.
pub(crate) fn accepted_report(prefix: &str, node: &str) -> String {
    shortened(&format!("{prefix}-{node}-accepted"), MAX_OBJECT_NAME)
}

/// Name of the ConfigMap with evidence of a set of changes. `prefix` is the name of the DaemonSet.
pub(crate) fn evidence(prefix: &str, set: &str) -> String {
    format!("{prefix}-set-{set}")
}

/// A valid label value: the value itself up to 63 characters, otherwise its first 46 characters, a dash and 16 hex digits
/// of its sha256. The complete value belongs in an annotation with the same key.
pub fn label_value(value: &str) -> String {
    shortened(value, MAX_LABEL_VALUE)
}

/// Whether [`label_value`] shortens this value.
pub(crate) fn label_is_shortened(value: &str) -> bool {
    value.len() > MAX_LABEL_VALUE
}

/// The sha256 as lower-case hex.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes.as_ref()))
}

/// The first 16 digits of [`sha256_hex`]. They distinguish texts, but are not secure.
pub(crate) fn short_hash(bytes: impl AsRef<[u8]>) -> String {
    let mut hash = sha256_hex(bytes);
    hash.truncate(HASH_DIGITS);
    hash
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        })
}

/// The inverse of [`sha256_hex`].
pub(crate) fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn hashed_if_long(prefix: &str, full: &str) -> String {
    if full.len() < HASHED_FROM {
        full.to_owned()
    } else {
        format!("{prefix}{}", hex(&Sha1::digest(full.as_bytes())))
    }
}

/// Valid names and label values are ASCII. A value that is not is replaced with its hash if it cannot be cut at this byte.
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
