//! The values of an entry's attributes. Pure.
//!
//! The value in the column `attr` is the set of the attributes that the rule of the file has; AIDE removes those that it
//! could not read. In the columns of other attributes are zeros. The numbers of the bits are part of the format of the
//! database (`attributes.h` of AIDE 0.19).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::entry::Entry;
use super::name::decode;

/// The columns with their bits in `attr`.
const BITS: [(&str, u32); 34] = [
    ("lname", 1),
    ("perm", 2),
    ("uid", 3),
    ("gid", 4),
    ("size", 5),
    ("atime", 6),
    ("ctime", 7),
    ("mtime", 8),
    ("inode", 9),
    ("bcount", 10),
    ("lcount", 11),
    ("md5", 12),
    ("sha1", 13),
    ("rmd160", 14),
    ("tiger", 15),
    ("crc32", 16),
    ("haval", 17),
    ("gost", 18),
    ("crc32b", 19),
    ("acl", 21),
    ("sha256", 30),
    ("sha512", 31),
    ("selinux", 32),
    ("xattrs", 33),
    ("whirlpool", 34),
    ("e2fsattrs", 36),
    ("capabilities", 37),
    ("stribog256", 38),
    ("stribog512", 39),
    ("sha512_256", 42),
    ("sha3_256", 43),
    ("sha3_512", 44),
    ("fs_type", 45),
    ("blake3", 46),
];

/// The columns with digests of the content.
const DIGESTS: [&str; 17] = [
    "md5",
    "sha1",
    "rmd160",
    "tiger",
    "crc32",
    "crc32b",
    "haval",
    "gost",
    "sha256",
    "sha512",
    "whirlpool",
    "stribog256",
    "stribog512",
    "sha512_256",
    "sha3_256",
    "sha3_512",
    "blake3",
];

/// The type of a file, in the column `perm` (stat(2)).
const TYPE: u32 = 0o170_000;
const PERMISSIONS: u32 = 0o7777;

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileType {
    Regular,
    Directory,
    Link,
    /// The database has no numbers of devices.
    Device,
    /// A pipe or a socket.
    Other,
}

/// Whether a column has a digest of the content.
pub(crate) fn is_digest(column: &str) -> bool {
    DIGESTS.contains(&column)
}

impl Entry {
    /// The attributes that the rule has, without those that AIDE could not read.
    pub(crate) fn attributes(&self) -> Option<u64> {
        self.text("attr")?.parse().ok()
    }

    /// Whether the column has a value of the file. Unknown columns count.
    pub(crate) fn has(&self, column: &str) -> bool {
        let known = BITS.iter().find(|(name, _)| *name == column);
        let is_set = known.is_none_or(|(_, bit)| {
            self.attributes()
                .is_some_and(|attributes| attributes >> bit & 1 == 1)
        });
        is_set && self.value(column).is_some()
    }

    fn text(&self, column: &str) -> Option<&str> {
        std::str::from_utf8(self.value(column)?).ok()
    }

    pub(crate) fn file_type(&self) -> Option<FileType> {
        let mode = u32::from_str_radix(self.text("perm")?, 8).ok()?;
        Some(match mode & TYPE {
            0o100_000 => FileType::Regular,
            0o040_000 => FileType::Directory,
            0o120_000 => FileType::Link,
            0o020_000 | 0o060_000 => FileType::Device,
            0o010_000 | 0o140_000 => FileType::Other,
            _ => return None,
        })
    }

    pub(crate) fn permissions(&self) -> Option<u32> {
        let mode = u32::from_str_radix(self.text("perm")?, 8).ok()?;
        Some(mode & PERMISSIONS)
    }

    /// The value of a column with a number: `uid`, `gid` and `size`.
    pub(crate) fn number(&self, column: &str) -> Option<i64> {
        self.text(column)?.parse().ok()
    }

    /// A digest of the content.
    pub(crate) fn digest(&self, column: &str) -> Option<Vec<u8>> {
        self.base64(column)
    }

    pub(crate) fn capabilities(&self) -> Option<String> {
        String::from_utf8(self.base64("capabilities")?).ok()
    }

    fn base64(&self, column: &str) -> Option<Vec<u8>> {
        decode_base64(self.value(column)?)
    }

    /// The target of a symbolic link. AIDE writes a `0` in front of one that begins with `0`, and `0-` for an empty one.
    pub(crate) fn link_target(&self) -> Option<Vec<u8>> {
        match self.value("lname")? {
            b"0" => None,
            b"0-" => Some(Vec::new()),
            [b'0', target @ ..] | target => decode(target),
        }
    }

    /// The entries of the ACL that the permissions do not determine. Those of the default ACL begin with `default:`.
    pub(crate) fn acl(&self) -> Option<BTreeSet<String>> {
        let value = self.text("acl")?;
        if value == "0" {
            return Some(BTreeSet::new());
        }
        let mut parts = value.strip_prefix("POSIX,")?.split(',');
        let (access, default) = (acl_text(parts.next()?)?, acl_text(parts.next()?)?);
        let default = acl_lines(&default).map(|line| format!("default:{line}"));
        Some(extended_acl(
            acl_lines(&access).map(str::to_owned).chain(default),
        ))
    }

    /// All extended attributes.
    pub(crate) fn xattrs(&self) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut parts = self.value("xattrs")?.split(|byte| *byte == b',');
        let count: usize = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let mut xattrs = BTreeMap::new();
        while let Some(name) = parts.next() {
            let value = match parts.next()? {
                b"0" => Vec::new(),
                value => decode_base64(value)?,
            };
            xattrs.insert(decode(name)?, value);
        }
        (xattrs.len() == count).then_some(xattrs)
    }
}

/// The entries of an ACL that the permissions do not determine. An ACL with a mask, or with named users or groups, also
/// has an entry for the owning group that the permissions do not show.
pub(crate) fn extended_acl(entries: impl Iterator<Item = String>) -> BTreeSet<String> {
    let all: BTreeSet<String> = entries.collect();
    let determined = ["user::", "other::", "mask::"];
    let is_determined = |entry: &str| determined.iter().any(|prefix| entry.starts_with(prefix));
    let is_minimal = |entry: &str| is_determined(entry) || entry.starts_with("group::");
    let has_mask = all.iter().any(|entry| entry.starts_with("mask::"));
    let is_extended = has_mask
        || all
            .iter()
            .any(|entry| !is_minimal(entry) && !entry.starts_with("default:"));
    all.into_iter()
        .filter(|entry| !is_determined(entry) && (is_extended || !is_minimal(entry)))
        .collect()
}

fn acl_text(part: &str) -> Option<String> {
    match part {
        "0" => Some(String::new()),
        part => String::from_utf8(decode_base64(part.as_bytes())?).ok(),
    }
}

/// The entries of an ACL, without comments such as the effective permissions.
fn acl_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

fn decode_base64(value: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(value).ok()
}
