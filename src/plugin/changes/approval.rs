//! A change in a report as an acceptance lists it. Pure.
//!
//! The daemon decides by the databases of its node, so a value that a report does not have exactly is never accepted by
//! mistake: the node refuses the change. What cannot be listed at all is an error here, before the acceptance exists.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::aide::database_entries::{extended_acl, is_digest};
use crate::aide::report::{Change, ChangeKind as Kind, display_path, exact_path, is_incidental};
use crate::api::{ApprovedChange, ChangeKind, DIGESTS};
use crate::scan::output::file_values::{hex_digest, octal_mode};

/// The label of a file, which is not a part of the list.
const LABEL: &str = "security.selinux";
/// The change as an acceptance lists it, or why none can.
pub(crate) fn approval(change: &Change) -> Result<ApprovedChange, &'static str> {
    let kind = match change.kind {
        Kind::Added => ChangeKind::Added,
        Kind::Changed => ChangeKind::Changed,
        Kind::Removed => ChangeKind::Removed,
    };
    let mut listed = ApprovedChange::new(display_path(&change.path), kind);
    if change.kind == Kind::Removed {
        return Ok(listed);
    }
    let has_values = |name: &String| change.details.iter().any(|(known, ..)| known == name);
    if change.details.is_empty() && (change.kind == Kind::Added || change.new_values.is_some())
        || !change
            .attributes
            .iter()
            .all(|name| is_incidental(name) || has_values(name))
    {
        return Err("its new values are not known, because the report was too long");
    }
    let mut is_content_changed = false;
    for (name, old, new) in &change.details {
        is_content_changed |= is_digest(&column(name));
        list(&mut listed, name, old, new)?;
    }
    if is_content_changed && listed.digests.is_empty() {
        return Err("its content has changed, and the rule has no digest that can be listed");
    }
    if change.kind == Kind::Added {
        check_added(change, &listed)?;
    }
    Ok(listed)
}

/// An added file must have everything that it can have.
fn check_added(change: &Change, listed: &ApprovedChange) -> Result<(), &'static str> {
    let mut details = change.details.iter();
    let file_type = details.find(|(name, ..)| name == "type");
    let file_type = file_type.map(|(.., new)| new.as_str());
    if listed.mode.is_none() || listed.uid.is_none() || listed.gid.is_none() {
        return Err("the rule does not have its mode, owner and group");
    }
    match file_type {
        Some("Character device" | "Block device") => Err("it is a device"),
        Some("Link") if listed.link_target.is_none() => {
            Err("the rule does not have the target of the link")
        }
        Some("File") if listed.digests.is_empty() => {
            Err("the rule has no digest that can be listed")
        }
        _ => Ok(()),
    }
}

/// Adds a new value to the list.
fn list(listed: &mut ApprovedChange, name: &str, old: &str, new: &str) -> Result<(), &'static str> {
    let is_added = listed.kind == ChangeKind::Added;
    let column = column(name);
    if is_incidental(name) {
        return Ok(());
    }
    if is_digest(&column) {
        if DIGESTS.iter().any(|(known, _)| **known == column) {
            let digest = hex_digest(name, new).ok_or("a digest in the report is not one")?;
            listed.digests.insert(column, digest);
        }
        return Ok(());
    }
    let number = || {
        let number: Option<i64> = new.parse().ok();
        number.ok_or("its owner or group is not a number")
    };
    match name {
        "permissions" => {
            let mode = octal_mode(new).ok_or("its mode cannot be read")?;
            listed.mode = Some(format!("{mode:04o}"));
        }
        "owner" => listed.uid = Some(number()?),
        "group" => listed.gid = Some(number()?),
        "link" => {
            if new.is_empty() || exact_path(new).is_none() {
                return Err("the target of the link cannot be listed");
            }
            listed.link_target = Some(new.to_owned());
        }
        "acl" => listed.acl = acl(is_added, old, new)?,
        "xattrs" => listed.xattrs = xattrs(is_added, old, new)?,
        "capabilities" if new.is_empty() && !is_added => {
            return Err("it has lost its capabilities, which cannot be listed");
        }
        "capabilities" => {
            listed.capabilities = Some(new.to_owned()).filter(|text| !text.is_empty());
        }
        // A digest, or the target, determines the size. That of a directory does not count.
        "size" => {}
        _ if is_added => {}
        "type" => return Err("it has another type than before"),
        "selinux" => return Err("its SELinux label has changed, which cannot be listed"),
        _ => return Err("an attribute has changed that cannot be listed"),
    }
    Ok(())
}

/// The name of a digest in databases and in acceptances.
fn column(name: &str) -> String {
    name.replace('-', "_")
}

/// All entries of an ACL, unless the permissions determine it as before.
fn acl(is_added: bool, old: &str, new: &str) -> Result<Option<Vec<String>>, &'static str> {
    let new = acl_entries(new)?;
    let extended = |entries: &[String]| extended_acl(entries.iter().cloned());
    let is_as_before = if is_added {
        extended(&new).is_empty()
    } else {
        extended(&acl_entries(old)?) == extended(&new)
    };
    if !is_as_before && new.is_empty() {
        return Err("it has lost its ACL, which cannot be listed");
    }
    Ok((!is_as_before).then_some(new))
}

/// AIDE writes the entries with `A:` before each of the ACL, and with `D:` before each of the default ACL.
fn acl_entries(text: &str) -> Result<Vec<String>, &'static str> {
    let parts = text.split(", ").map(|part| {
        // The effective permissions are a comment after a tab.
        let part = part.split('#').next().unwrap_or_default();
        let part = part.trim_end_matches("\\011").trim();
        match part.split_once(": ") {
            Some(("A", entry)) => Ok(entry.to_owned()),
            Some(("D", entry)) => Ok(format!("default:{entry}")),
            _ if part.is_empty() || part == "A:" || part == "D:" => Ok(String::new()),
            _ => Err("its ACL cannot be read"),
        }
    });
    let entries: Vec<String> = parts.collect::<Result<_, _>>()?;
    Ok(entries
        .into_iter()
        .filter(|entry| !entry.is_empty())
        .collect())
}

/// All extended attributes without the label, unless there are none as before.
fn xattrs(
    is_added: bool,
    old: &str,
    new: &str,
) -> Result<Option<BTreeMap<String, String>>, &'static str> {
    const UNREADABLE: &str = "its extended attributes cannot be read";
    let parsed = parse_xattrs(new).ok_or(UNREADABLE)?;
    let is_as_before = if is_added {
        parsed.is_empty()
    } else {
        parse_xattrs(old).ok_or(UNREADABLE)? == parsed
    };
    if is_as_before && !is_added {
        return Err("its SELinux label has changed, which cannot be listed");
    }
    if !is_as_before && parsed.is_empty() {
        return Err("it has lost its extended attributes, which cannot be listed");
    }
    Ok((!is_as_before).then_some(parsed))
}

/// AIDE writes their number, and then each with its position: `num=2, [1] NAME = TEXT, [2] NAME <=> BASE64`. A text may
/// look like the next one. Then they are not known.
fn parse_xattrs(text: &str) -> Option<BTreeMap<String, String>> {
    if text.is_empty() {
        return Some(BTreeMap::new());
    }
    let rest = text.strip_prefix("num=")?;
    let (number, mut rest) = rest.split_once(", ").unwrap_or((rest, ""));
    let number: usize = number.parse().ok()?;
    let mut all = BTreeMap::new();
    for position in 1..=number {
        let item = rest.strip_prefix(&format!("[{position}] "))?;
        let next = format!(", [{}] ", position + 1);
        let (item, after) = match item.matches(&next).count() {
            0 => (item, ""),
            1 if position < number => {
                let at = item.find(&next)?;
                (&item[..at], &item[at + 2..])
            }
            _ => return None,
        };
        rest = after;
        let (name, value) = match (item.split_once(" = "), item.split_once(" <=> ")) {
            (Some((name, value)), None) => (name, STANDARD.encode(exact_path(value)?)),
            (None, Some((name, value))) => (name, value.to_owned()),
            _ => return None,
        };
        if name != LABEL {
            all.insert(name.to_owned(), value);
        }
    }
    rest.is_empty().then_some(all)
}

#[cfg(test)]
mod tests;
