//! Which attributes a group stands for.
//!
//! Pure. Names from aide.conf(5) of 0.19, "ATTRIBUTES" and "Default groups". Only digests matter
//! here: whether a file's content is still looked at once unsupported digests are gone.

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

/// Attributes, digests and groups that came with 0.19 (NEWS, 0.19).
const SINCE_0_19: [&str; 4] = ["sha512_256", "sha3_256", "sha3_512", "fstype"];

/// Every other attribute.
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

/// Is it a digest that 0.19 no longer computes?
pub(super) fn is_removed(name: &str) -> bool {
    REMOVED.contains(&name)
}

/// Does a file that uses this name need AIDE 0.19?
pub(super) fn is_new(name: &str) -> bool {
    SINCE_0_19.contains(&name)
}

/// Does AIDE know the name without a definition?
pub(super) fn is_builtin(name: &str) -> bool {
    SUPPORTED.contains(&name)
        || REMOVED.contains(&name)
        || SINCE_0_19.contains(&name)
        || OTHERS.contains(&name)
        || matches!(name, "R" | "L" | ">" | "H" | "X" | "E")
}

/// The supported digests that each group holds, as far as the file has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    digests: BTreeMap<String, u16>,
}

impl Groups {
    /// Takes a definition into account.
    pub(super) fn define(&mut self, name: &str, text: &str, expression: &Span) {
        let digests = self.digests(text, expression);
        self.digests.insert(name.to_owned(), digests);
    }

    /// Is any supported digest in the expression at `span` of `text`?
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
