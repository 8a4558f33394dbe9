//! Texts that JSON and plain reports have in common. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::changes::ChangeKind;
use crate::api::names::hex;

/// Converts a SHA-256 to lower-case hexadecimal.
pub(super) fn sha256(text: &str) -> Option<String> {
    hex_digest(text, 32)
}

/// Converts a digest of this number of bytes in base64, or hexadecimal (`report_base16`), to lower-case
/// hexadecimal.
pub(crate) fn hex_digest(text: &str, bytes: usize) -> Option<String> {
    if text.len() == 2 * bytes && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let digest = STANDARD.decode(text).ok()?;
    (digest.len() == bytes).then(|| hex(&digest))
}

/// The meaning of flags such as `f++++`, or of the words without `report_summarize_changes`.
pub(super) fn kind_of(flags: &str) -> ChangeKind {
    let all = |sign: char| flags.len() > 1 && flags.chars().skip(1).all(|c| c == sign);
    if flags == "added" || all('+') {
        ChangeKind::Added
    } else if flags == "removed" || all('-') {
        ChangeKind::Removed
    } else {
        ChangeKind::Changed
    }
}
