//! The argument of AIDE's `--limit` for a targeted check. Pure.
//!
//! AIDE matches the regular expression against paths from their start (PCRE2). It compares the entries that
//! match, and walks into the directories that may lead to one. Facts that shape the expression, each seen
//! with AIDE 0.19.1:
//!
//! - Entries of the database are matched by their percent-encoded names (issue 228 of AIDE), and files of
//!   the node by their raw names. So each encoded character is written in both ways.
//! - A flat list of 200 paths takes six times the time of a tree of their components, and AIDE refuses
//!   expressions that take more than 64 KiB compiled.
//! - Names that are not UTF-8 match no expression, except in a character class that excludes others.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::coverage::{Coverage, Extent};

/// Maximum bytes of an expression: AIDE refused one of 36 KB, and took one of 33 KB.
const MAX_LENGTH: usize = 24 * 1024;
/// Characters that AIDE writes percent-encoded into the database, besides those that are not printable
/// ASCII characters.
const ENCODED: &str = " <>\"#%{}|\\^~[]`@:'";
/// Matches any name, also one that is not UTF-8.
const ANY_NAME: &str = "[^/]*";

/// An expression that selects the covered entries of the node whose root is at `host_root`. It selects more
/// where a name is not UTF-8. `None` if it would be too long for AIDE.
pub(crate) fn expression(coverage: &Coverage, host_root: &str) -> Option<String> {
    let mut tree = Node::default();
    for (path, extent) in coverage.iter() {
        tree.insert(path, extent);
    }
    let mut text = names(host_root.as_bytes()).fold(String::new(), |mut text, name| {
        text.push('/');
        text.push_str(&expression_of_name(name));
        text
    });
    text.push_str(&tree.expression());
    (text.len() <= MAX_LENGTH).then_some(text)
}

/// A directory, or a covered path, in the tree of all covered paths.
#[derive(Debug, Default)]
struct Node {
    extent: Option<Extent>,
    children: BTreeMap<String, Self>,
}

impl Node {
    fn insert(&mut self, path: &[u8], extent: Extent) {
        let node = names(path).fold(self, |node, name| {
            node.children.entry(expression_of_name(name)).or_default()
        });
        node.extent = node.extent.max(Some(extent));
    }

    /// What may follow the name of this node.
    fn expression(&self) -> String {
        let own = match self.extent {
            Some(Extent::Subtree) => return r"(?:/|\z)".to_owned(),
            Some(Extent::Entries) => Some(format!(r"(?:/{ANY_NAME})?\z")),
            Some(Extent::Own) => Some(r"\z".to_owned()),
            None => None,
        };
        let children: Vec<String> = self
            .children
            .iter()
            .map(|(name, node)| format!("{name}{}", node.expression()))
            .collect();
        let below = (!children.is_empty()).then(|| format!("/{}", any_of(&children)));
        let all: Vec<String> = own.into_iter().chain(below).collect();
        any_of(&all)
    }
}

fn any_of(expressions: &[String]) -> String {
    match expressions {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = path.split(|byte| *byte == b'/');
    names.filter(|name| !name.is_empty())
}

fn expression_of_name(name: &[u8]) -> String {
    let Ok(name) = std::str::from_utf8(name) else {
        return ANY_NAME.to_owned();
    };
    let mut text = String::new();
    for char in name.chars() {
        push_char(&mut text, char);
    }
    text
}

fn push_char(text: &mut String, char: char) {
    let is_encoded = !(char.is_ascii_graphic() || char == ' ') || ENCODED.contains(char);
    if !is_encoded {
        push_literal(text, char);
        return;
    }
    text.push_str("(?:");
    push_literal(text, char);
    text.push('|');
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        // Writing to a String does not fail.
        write!(text, "%{byte:02X}").ok();
    }
    text.push(')');
}

fn push_literal(text: &mut String, char: char) {
    if char.is_control() {
        write!(text, r"\x{{{:02x}}}", u32::from(char)).ok();
        return;
    }
    if r"\.^$*+?()[]{}|".contains(char) {
        text.push('\\');
    }
    text.push(char);
}

#[cfg(test)]
mod tests;
