//! A changed path. Pure.

use super::approval::approval;
use crate::aide::report::{Change, ChangeKind as Kind, display_path, is_incidental};
use crate::api::{Actor, ApprovedChange, ChangeKind};
use crate::plugin::safe::safe;
use crate::scan::output::file_values::{hex_digest, octal_mode};

/// A changed path. All texts are safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) kind: ChangeKind,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) actor: Option<Actor>,
    /// As an acceptance lists it, or why none can.
    pub(crate) approval: Result<ApprovedChange, &'static str>,
}

/// An attribute that differs, or a value of an added or removed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

impl Entry {
    /// What a report says about a path.
    pub(crate) fn of(change: &Change) -> Self {
        let mut attributes: Vec<Attribute> = change
            .details
            .iter()
            // Times and inode of a new file tell nothing.
            .filter(|(name, ..)| change.kind == Kind::Changed || !is_incidental(name))
            .map(|(name, old, new)| Attribute {
                name: safe(name),
                old: value(name, old),
                new: value(name, new),
            })
            .collect();
        for name in change.attributes.iter() {
            let name = safe(name);
            if attributes.iter().all(|known| known.name != name) {
                attributes.push(Attribute {
                    name,
                    old: None,
                    new: None,
                });
            }
        }
        Self {
            path: display_path(&change.path),
            kind: match change.kind {
                Kind::Added => ChangeKind::Added,
                Kind::Changed => ChangeKind::Changed,
                Kind::Removed => ChangeKind::Removed,
            },
            attributes,
            actor: change.actor.as_deref().cloned(),
            approval: approval(change),
        }
    }

    /// A path whose values are not known.
    pub(crate) fn without_values(path: &str, kind: ChangeKind, attributes: &[String]) -> Self {
        let names = attributes.iter().map(|name| Attribute {
            name: safe(name),
            old: None,
            new: None,
        });
        Self {
            path: safe(path),
            kind,
            attributes: names.collect(),
            actor: None,
            approval: Err("its new values are not known, because the report was truncated"),
        }
    }
}

/// A value as administrators write it: digests in hexadecimal digits, permissions in octal ones. None if it is empty.
fn value(name: &str, text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if name == "permissions"
        && let Some(mode) = octal_mode(text)
    {
        return Some(format!("{mode:04o}"));
    }
    let shown = hex_digest(name, text).unwrap_or_else(|| text.to_owned());
    // Access control lists have a line for each entry.
    let lines: Vec<String> = shown.lines().map(safe).collect();
    Some(lines.join("; "))
}
