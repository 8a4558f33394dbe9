//! Attributes and groups. Pure.
//!
//! The names are from aide.conf(5) of 0.19, "ATTRIBUTES" and "Default groups". Only digests are tracked, to determine
//! whether the content of a file is still checked without unsupported digests.

use std::collections::BTreeMap;

use super::expression::terms;
use super::line::Span;

/// Digests of AIDE 0.19 as Debian builds it (`aide --version`, "Available hashsum attributes").
const SUPPORTED: [&str; 11] = [
    "md5",
    "sha1",
    "sha256",
    "sha512",
    "rmd160",
    "gost",
    "stribog256",
    "stribog512",
    "sha512_256",
    "sha3_256",
    "sha3_512",
];

/// Digests that AIDE 0.19 no longer computes (NEWS, 0.19).
const REMOVED: [&str; 5] = ["tiger", "haval", "crc32", "crc32b", "whirlpool"];

/// Attributes, digests and groups since 0.19 (NEWS, 0.19).
const SINCE_0_19: [&str; 4] = ["sha512_256", "sha3_256", "sha3_512", "fstype"];

const OTHERS: [&str; 23] = [
    "ftype",
    "p",
    "i",
    "l",
    "n",
    "u",
    "g",
    "s",
    "b",
    "m",
    "a",
    "c",
    "acl",
    "selinux",
    "xattrs",
    "e2fsattrs",
    "caps",
    "S",
    "I",
    "ANF",
    "ARF",
    "growing",
    "compressed",
];

/// Whether 0.19 does not compute the digest any more.
pub(super) fn is_removed(name: &str) -> bool {
    REMOVED.contains(&name)
}

/// Whether the name requires AIDE 0.19.
pub(super) fn is_new(name: &str) -> bool {
    SINCE_0_19.contains(&name)
}

/// Whether AIDE has a built-in definition of the name.
pub(super) fn is_builtin(name: &str) -> bool {
    SUPPORTED.contains(&name)
        || REMOVED.contains(&name)
        || SINCE_0_19.contains(&name)
        || OTHERS.contains(&name)
        || matches!(name, "R" | "L" | ">" | "H" | "X" | "E")
}

/// The supported digests of each group that has been defined so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    digests: BTreeMap<String, u16>,
}

impl Groups {
    pub(super) fn define(&mut self, name: &str, text: &str, expression: &Span) {
        let digests = self.digests(text, expression);
        self.digests.insert(name.to_owned(), digests);
    }

    /// Whether the expression at `span` of `text` contains a supported digest.
    pub(super) fn has_digest(&self, text: &str, span: &Span) -> bool {
        self.digests(text, span) != 0
    }

    fn digests(&self, text: &str, span: &Span) -> u16 {
        terms(text, span).into_iter().fold(0, |digests, term| {
            let named = self.digests_of(&text[term.span]);
            if term.minus {
                digests & !named
            } else {
                digests | named
            }
        })
    }

    fn digests_of(&self, name: &str) -> u16 {
        let defined = self.digests.get(name).copied();
        defined.unwrap_or_else(|| match name {
            "H" => u16::MAX >> 5,
            "R" => digest("sha3_256"),
            _ => digest(name),
        })
    }
}

fn digest(name: &str) -> u16 {
    SUPPORTED
        .iter()
        .position(|&digest| digest == name)
        .map_or(0, |at| 1 << at)
}
