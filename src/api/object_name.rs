//! Validated names of API objects. Pure.
//!
//! kube-rs inserts names and namespaces into the path of a request without escaping them. A name such as
//! `ns/secrets?x=` would turn a request for ConfigMaps into one for Secrets, with the permissions of
//! the operator. So these types can only be created by parsing, and requests with names from users
//! require them.

use std::fmt;

/// Maximum length of the name of an object (a DNS subdomain, RFC 1123) and of a key of a ConfigMap.
const MAX_NAME: usize = 253;
/// Maximum length of the name of a namespace (a DNS label, RFC 1123).
const MAX_NAMESPACE: usize = 63;
/// Maximum number of characters that an error quotes.
const MAX_QUOTED: usize = 64;

/// A text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{quoted} is not {what}: {allowed}")]
pub struct InvalidName {
    /// The beginning of the text, in quotes and without control characters.
    quoted: String,
    what: &'static str,
    allowed: &'static str,
}

impl InvalidName {
    fn new(text: &str, what: &'static str, allowed: &'static str) -> Self {
        Self {
            quoted: format!("\"{}\"", visible(text)),
            what,
            allowed,
        }
    }
}

/// The start of an untrusted text for a message, with escaped control characters.
pub(crate) fn visible(text: &str) -> String {
    let start: String = text.chars().take(MAX_QUOTED).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{}{more}", start.escape_debug())
}

/// Name of an object: a DNS subdomain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName(String);

/// Name of a namespace: a DNS label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceName(String);

/// Key in the data of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey(String);

impl ObjectName {
    /// Parses the name of an object.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.len() <= MAX_NAME && text.split('.').all(is_label) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName::new(
            text,
            "the name of an object",
            "a name has at most 253 lower-case letters, digits, '-' and '.', and each part between dots \
             begins and ends with a letter or digit",
        ))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NamespaceName {
    /// Parses the name of a namespace.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.len() <= MAX_NAMESPACE && is_label(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName::new(
            text,
            "the name of a namespace",
            "a name has at most 63 lower-case letters, digits and '-', and begins and ends with a letter or \
             digit",
        ))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DataKey {
    /// Parses a key of a ConfigMap.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_path = matches!(text, "." | "..");
        if !text.is_empty() && text.len() <= MAX_NAME && !is_path && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName::new(
            text,
            "a key of a ConfigMap",
            "a key has at most 253 letters, digits, '-', '_' and '.'",
        ))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is a DNS label.
fn is_label(text: &str) -> bool {
    let is_edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let edges = [bytes.first(), bytes.last()];
    edges
        .into_iter()
        .all(|edge| edge.is_some_and(|b| is_edge(*b)))
        && bytes.iter().all(|b| is_edge(*b) || *b == b'-')
}

#[cfg(test)]
mod tests;
