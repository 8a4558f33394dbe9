//! `diff`: what two nodes or sets have in common, and what not. Pure.

pub(crate) mod json;
pub(crate) mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::changes::{Attribute, Changes, Entry, Filter};
use super::failure::{DIFFERENCES, PROBLEMS, WELL};

/// The differences between the changes of two nodes or sets.
#[derive(Debug)]
pub(crate) struct Diff<'a> {
    pub(crate) a: &'a Changes,
    pub(crate) b: &'a Changes,
    pub(crate) only_a: Vec<&'a Entry>,
    pub(crate) only_b: Vec<&'a Entry>,
    /// Paths that both have, with other kinds of change or other new values.
    pub(crate) other: Vec<Other<'a>>,
    /// Number of paths that are the same in both.
    pub(crate) same: usize,
}

/// A path that both have, and the attributes whose new values differ.
#[derive(Debug)]
pub(crate) struct Other<'a> {
    pub(crate) a: &'a Entry,
    pub(crate) b: &'a Entry,
    /// Name, value in A, value in B.
    pub(crate) values: Vec<(&'a str, Option<&'a str>, Option<&'a str>)>,
}

impl<'a> Diff<'a> {
    pub(crate) fn new(a: &'a Changes, b: &'a Changes, filter: &Filter) -> Self {
        let by_path = |changes: &'a Changes| -> BTreeMap<&str, &Entry> {
            let shown = changes.entries.iter().filter(|entry| filter.shows(entry));
            shown.map(|entry| (entry.path.as_str(), entry)).collect()
        };
        let (of_a, mut of_b) = (by_path(a), by_path(b));
        let (mut only_a, mut other, mut same) = (Vec::new(), Vec::new(), 0);
        for (path, in_a) in of_a {
            let Some(in_b) = of_b.remove(path) else {
                only_a.push(in_a);
                continue;
            };
            let values = differing(in_a, in_b);
            if in_a.kind == in_b.kind && values.is_empty() {
                same += 1;
            } else {
                other.push(Other {
                    a: in_a,
                    b: in_b,
                    values,
                });
            }
        }
        Self {
            a,
            b,
            only_a,
            only_b: of_b.into_values().collect(),
            other,
            same,
        }
    }

    /// The exit status. That nothing differs is only certain if all changes are known.
    pub(crate) fn exit_status(&self) -> u8 {
        let is_same = self.only_a.is_empty() && self.only_b.is_empty() && self.other.is_empty();
        let is_complete = self.a.is_complete && self.b.is_complete;
        match (is_same, is_complete) {
            (false, _) => DIFFERENCES,
            (true, true) => WELL,
            (true, false) => PROBLEMS,
        }
    }
}

/// The attributes whose new values differ. Old values differ if the baselines do, which is no change of the files.
fn differing<'a>(a: &'a Entry, b: &'a Entry) -> Vec<(&'a str, Option<&'a str>, Option<&'a str>)> {
    let of_b = |name: &str| b.attributes.iter().find(|it| it.name == name);
    let mut values = Vec::new();
    for Attribute { name, new, .. } in &a.attributes {
        let in_b = of_b(name).map(|it| it.new.as_deref());
        if in_b != Some(new.as_deref()) && !is_incidental(name) {
            values.push((name.as_str(), new.as_deref(), in_b.flatten()));
        }
    }
    for Attribute { name, new, .. } in &b.attributes {
        let is_in_a = a.attributes.iter().any(|it| it.name == *name);
        if !is_in_a && !is_incidental(name) {
            values.push((name.as_str(), None, new.as_deref()));
        }
    }
    values
}

/// Attributes whose values differ from node to node.
fn is_incidental(name: &str) -> bool {
    crate::aide::report::is_incidental(name)
}
