//! The failure log: the ConfigMap with AIDE's reports of a failed scan. Pure but for reading the
//! reports. They may be far larger than memory and are read as streams.
//!
//! A ConfigMap has at most 1,048,576 bytes of data (the API server's limit). Above 1,000,000 bytes the
//! plain report is compressed. If that is not enough, the JSON report is truncated to its first
//! changes. If the plain report is still too large, a sentence names its location on the node.

mod gzip;
pub(crate) mod rendered;

use std::io::{self, Read, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use self::gzip::{Gzipped, gzip, gzip_within};
use super::Identity;
use crate::aide::report::{self, Report};
use crate::api::names;

/// Maximum bytes of data in the ConfigMap. The rest of the API server's limit is left for keys and
/// metadata.
const MAX_DATA: usize = 1_000_000;
/// Maximum number of changes in a truncated JSON report.
const MAX_TRUNCATED_CHANGES: usize = 500;
/// Maximum bytes of their paths.
const MAX_TRUNCATED_PATHS: usize = 250_000;

/// AIDE's two reports of one scan.
#[derive(Debug)]
pub struct Reports<P, J> {
    /// The plain report, for people.
    pub plain: P,
    /// The JSON report, for programs.
    pub json: J,
    /// Path of the plain report on the node.
    pub path_on_node: String,
}

/// The content of the ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureLog {
    /// Value of the key integritylog.
    pub log: String,
    /// Whether `log` is compressed with gzip and encoded in base64.
    pub compressed: bool,
    /// Value of the key report.json.gz.
    pub json_gz: Vec<u8>,
}

/// Reads both reports, and compresses or truncates them to fit into a ConfigMap.
pub fn fit<P: Read, J: Read>(
    identity: &Identity,
    report: &Report,
    reports: Reports<P, J>,
) -> io::Result<FailureLog> {
    let complete = if report.truncated {
        None
    } else {
        gzip_within(reports.json, MAX_DATA)?
    };
    let json_gz = match complete {
        Some(bytes) => bytes,
        None => truncated_report(identity, report, &reports.path_on_node)?,
    };
    let mut plain = reports.plain;
    let mut start = Vec::new();
    (&mut plain)
        .take(MAX_DATA as u64 + 1)
        .read_to_end(&mut start)?;
    if let Some(log) = text_within(&start, MAX_DATA.saturating_sub(json_gz.len())) {
        return Ok(FailureLog {
            log,
            compressed: false,
            json_gz,
        });
    }
    compress(
        identity,
        report,
        start.chain(plain),
        json_gz,
        &reports.path_on_node,
    )
}

/// The bytes as text, which a ConfigMap needs. Bytes that are not UTF-8 are written as \ooo, as AIDE
/// writes control characters. None if that is too long.
fn text_within(bytes: &[u8], room: usize) -> Option<String> {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        let length = chunk.valid().len() + 4 * chunk.invalid().len();
        if text.len() + length > room {
            return None;
        }
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\{byte:03o}")));
    }
    Some(text)
}

fn compress(
    identity: &Identity,
    report: &Report,
    plain: impl Read,
    json_gz: Vec<u8>,
    path: &str,
) -> io::Result<FailureLog> {
    let log = match gzip(plain, MAX_DATA / 4 * 3)? {
        Gzipped::Whole { bytes } => BASE64.encode(bytes),
        Gzipped::TooLarge { size } => {
            let log = too_large(size, path, &identity.node);
            return Ok(FailureLog {
                log,
                compressed: false,
                json_gz,
            });
        }
    };
    let json_gz = if log.len() + json_gz.len() > MAX_DATA {
        truncated_report(identity, report, path)?
    } else {
        json_gz
    };
    if log.len() + json_gz.len() > MAX_DATA {
        let log = too_large(log.len() as u64, path, &identity.node);
        return Ok(FailureLog {
            log,
            compressed: false,
            json_gz,
        });
    }
    Ok(FailureLog {
        log,
        compressed: true,
        json_gz,
    })
}

/// The message of the original operator, which people search for.
fn too_large(size: u64, path: &str, node: &str) -> String {
    format!(
        "compressed AIDE log is too large for a configMap ({size}) - fetch it from {path} on node {node}"
    )
}

/// A JSON report with all counts and the first changes, which is marked as truncated.
fn truncated_report(identity: &Identity, report: &Report, path: &str) -> io::Result<Vec<u8>> {
    let mut room = MAX_TRUNCATED_PATHS;
    let changes: Vec<Value> = report
        .changes
        .iter()
        .take(MAX_TRUNCATED_CHANGES)
        .map_while(|change| {
            let path = report::display_path(&change.path);
            room = room.checked_sub(path.len())?;
            Some(json!({
                "path": path,
                "kind": format!("{:?}", change.kind).to_lowercase(),
                "attributes": change.attributes[..],
            }))
        })
        .collect();
    let value = json!({
        "truncated": format!(
            "the first {} of {} changes; the whole report is {path} on node {}",
            changes.len(), report.differing(), identity.node
        ),
        "aide_version": report.aide_version,
        "number_of_entries": {
            "total": report.total,
            "added": report.added,
            "removed": report.removed,
            "changed": report.changed,
        },
        "changes": changes,
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(value.to_string().as_bytes())?;
    encoder.finish()
}

/// The ConfigMap for server-side apply.
pub fn config_map(identity: &Identity, report: &Report, content: &FailureLog) -> Value {
    let mut annotations = json!({
        names::Annotation::FILES_ADDED: report.added.to_string(),
        names::Annotation::FILES_CHANGED: report.changed.to_string(),
        names::Annotation::FILES_REMOVED: report.removed.to_string(),
    });
    if content.compressed {
        annotations[names::Annotation::COMPRESSED] = json!("");
    }
    for (key, value) in [
        (names::Label::OWNER, &identity.file_integrity),
        (names::Label::NODE, &identity.node),
    ] {
        if names::label_is_shortened(value) {
            annotations[key] = json!(value);
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": identity.failure_log(),
            "namespace": identity.namespace,
            "labels": {
                names::Label::OWNER: names::label_value(&identity.file_integrity),
                names::Label::NODE: names::label_value(&identity.node),
                names::Label::RESULT_LOG: "",
            },
            "annotations": annotations,
        },
        "data": { names::KEY_INTEGRITY_LOG: content.log },
        "binaryData": { names::KEY_JSON_REPORT: BASE64.encode(&content.json_gz) },
    })
}

#[cfg(test)]
mod tests;
