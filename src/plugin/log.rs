//! A failure log, unpacked from any of its forms. Pure.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::ConfigMap;

use super::safe;
use crate::api::names;

/// Maximum bytes of an unpacked log: a small compressed one may be far larger.
const MAX_LOG: u64 = 64 * 1024 * 1024;

/// The text of AIDE's report, safe for a terminal.
pub(crate) fn text(object: &ConfigMap) -> Result<String, String> {
    let data = object.data.as_ref();
    let stored = data.and_then(|data| data.get(names::KEY_INTEGRITY_LOG));
    let stored = stored.ok_or_else(|| format!("it has no {}", names::KEY_INTEGRITY_LOG))?;
    let annotations = object.metadata.annotations.as_ref();
    let is_compressed =
        annotations.is_some_and(|all| all.contains_key(names::Annotation::COMPRESSED));
    let mut text = String::new();
    if is_compressed {
        safe::lines(&unpacked(stored)?, &mut text);
    } else {
        safe::lines(stored, &mut text);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Bytes that are not UTF-8 are the names of files; they are replaced.
fn unpacked(stored: &str) -> Result<String, String> {
    // The original's logs have line feeds.
    let packed: String = stored.split_whitespace().collect();
    let packed = BASE64.decode(packed);
    let packed = packed.map_err(|error| format!("it is not encoded as base64: {error}"))?;
    let mut bytes = Vec::new();
    let mut log = GzDecoder::new(&packed[..]).take(MAX_LOG + 1);
    log.read_to_end(&mut bytes)
        .map_err(|error| format!("it is not compressed with gzip: {error}"))?;
    let most = usize::try_from(MAX_LOG).unwrap_or(usize::MAX);
    let is_cut = bytes.len() > most;
    bytes.truncate(most);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if is_cut {
        text.push_str("\n... the log is longer; the whole one is on the node\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
