//! The values of a changed file that other formats have fields for. Pure.
//!
//! AIDE writes them as text: see [`Change::details`]. A value that cannot be converted is left out; the
//! lines have AIDE's text of all values besides.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::aide::report::{self, Change, ChangeKind};

/// How AIDE writes times.
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S %z";

/// A type of file, as AIDE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileType {
    Regular,
    Directory,
    Link,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Socket,
}

/// The current values of a file, or the last ones of a removed file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileValues<'a> {
    change: &'a Change,
}

impl<'a> FileValues<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        Self { change }
    }

    /// AIDE's text of an attribute.
    pub(super) fn text(self, attribute: &str) -> Option<&'a str> {
        let details = &self.change.details;
        let (_, old, new) = details.iter().find(|(name, ..)| name == attribute)?;
        let text = match self.change.kind {
            ChangeKind::Removed => old,
            ChangeKind::Added | ChangeKind::Changed => new,
        };
        Some(text.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn file_type(self) -> Option<FileType> {
        match self.text("type")? {
            "File" => Some(FileType::Regular),
            "Directory" => Some(FileType::Directory),
            "Link" => Some(FileType::Link),
            "Character device" => Some(FileType::CharacterDevice),
            "Block device" => Some(FileType::BlockDevice),
            "FIFO" => Some(FileType::Fifo),
            "Socket" => Some(FileType::Socket),
            _ => None,
        }
    }

    pub(super) fn size(self) -> Option<u64> {
        self.text("size")?.parse().ok()
    }

    /// The permissions in octal digits, such as `0644`.
    pub(super) fn mode(self) -> Option<String> {
        octal_mode(self.text("permissions")?).map(|mode| format!("{mode:04o}"))
    }

    pub(super) fn time(self, attribute: &str) -> Option<Timestamp> {
        let text = self.text(attribute)?;
        jiff::fmt::strtime::parse(TIME_FORMAT, text)
            .and_then(|parsed| parsed.to_timestamp())
            .ok()
    }

    /// A digest in lower-case hexadecimal digits.
    pub(super) fn digest(self, attribute: &str) -> Option<String> {
        hex_digest(attribute, self.text(attribute)?)
    }

    /// All digests in lower-case hexadecimal digits, by the names of their attributes.
    pub(super) fn digests(self) -> impl Iterator<Item = (&'a str, String)> {
        let names = self.change.details.iter().map(|(name, ..)| name.as_str());
        names.filter_map(move |name| Some((name, self.digest(name)?)))
    }

    /// Old and new value of each attribute, with digests in hexadecimal digits.
    pub(super) fn attributes(self) -> Value {
        let named = self.change.attributes.iter();
        let mut all: Map<String, Value> = named
            .map(|name| (name.clone(), json!({"old": null, "new": null})))
            .collect();
        for (name, old, new) in &self.change.details {
            let shown = |text: &str| {
                let shown = hex_digest(name, text).unwrap_or_else(|| text.to_owned());
                Some(shown).filter(|shown| !shown.is_empty())
            };
            all.insert(name.clone(), json!({"old": shown(old), "new": shown(new)}));
        }
        Value::Object(all)
    }
}

/// Whether another value of this attribute means other content of the file.
pub(super) fn is_of_content(attribute: &str) -> bool {
    matches!(attribute, "type" | "link" | "size") || digest_length(attribute).is_some()
}

/// A digest in lower-case hexadecimal digits; none if the attribute is no digest.
pub(crate) fn hex_digest(attribute: &str, text: &str) -> Option<String> {
    report::hex_digest(text, digest_length(attribute)?)
}

/// Number of bytes of a digest, by the name of its attribute.
fn digest_length(attribute: &str) -> Option<usize> {
    match attribute {
        "crc32" | "crc32b" => Some(4),
        "md5" => Some(16),
        "sha1" | "rmd160" => Some(20),
        "tiger" => Some(24),
        "sha256" | "sha512-256" | "sha3-256" | "gost" | "stribog256" | "haval" => Some(32),
        "sha512" | "sha3-512" | "whirlpool" | "stribog512" => Some(64),
        _ => None,
    }
}

/// The mode of permissions as `ls` writes them, such as `-rwsr-xr-x`.
pub(crate) fn octal_mode(text: &str) -> Option<u32> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let mut mode = 0;
    for (index, special) in [(1, b's'), (4, b's'), (7, b't')] {
        let [read, write, execute] = bytes[index..index + 3] else {
            return None;
        };
        let (execute, special) = match execute {
            b'-' => (0, 0),
            b'x' => (1, 0),
            byte if byte == special => (1, 1),
            byte if byte == special.to_ascii_uppercase() => (0, 1),
            _ => return None,
        };
        let bit = |byte, name, value| match byte {
            b'-' => Some(0),
            byte if byte == name => Some(value),
            _ => None,
        };
        let shift = 7 - index;
        mode |= (bit(read, b'r', 4)? | bit(write, b'w', 2)? | execute) << shift;
        mode |= special << (9 + shift / 3);
    }
    Some(mode)
}

#[cfg(test)]
mod tests;
