//! Compares entries of databases with what an acceptance lists. Pure.

use std::collections::BTreeMap;

use super::expected::Expected;
use crate::aide::database_entries::{Entry, FileType, is_digest};
use crate::aide::report::ChangeKind;

/// The label of a file. It has an attribute of its own.
const LABEL: &[u8] = b"security.selinux";
/// Capabilities have an attribute of their own.
const CAPABILITY: &[u8] = b"security.capability";

/// Why a change is not the listed one, if that is so. The message is for users.
pub(super) fn mismatch(
    expected: &Expected,
    kind: ChangeKind,
    entries: (Option<&Entry>, Option<&Entry>),
) -> Option<&'static str> {
    if expected.kind != kind {
        return Some(match kind {
            ChangeKind::Added => "it was added",
            ChangeKind::Removed => "it was removed",
            ChangeKind::Changed => "it was changed",
        });
    }
    match (kind, entries) {
        (ChangeKind::Removed, (Some(_), None)) => None,
        (ChangeKind::Added, (None, Some(new))) => of_added(expected, new),
        (ChangeKind::Changed, (Some(old), Some(new))) => of_changed(expected, old, new),
        _ => Some("the databases do not show this change"),
    }
}

fn of_added(expected: &Expected, new: &Entry) -> Option<&'static str> {
    given(expected, new).or_else(|| match new.file_type() {
        Some(FileType::Regular) if expected.digests.is_empty() => {
            Some("an added file must have a digest")
        }
        Some(FileType::Link) if expected.link_target.is_none() => {
            Some("an added symbolic link must have linkTarget")
        }
        Some(FileType::Device) => Some("a device cannot be accepted by a list of changes"),
        None => Some("the database does not have its type"),
        _ if expected.acl.is_none() && new.has("acl") && has_acl(new) => {
            Some("it has an ACL, which is not listed")
        }
        _ if expected.xattrs.is_none() && new.has("xattrs") && has_xattrs(new) => {
            Some("it has extended attributes, which are not listed")
        }
        _ if is_capable(expected, new) => Some("it has capabilities, which are not listed"),
        _ => None,
    })
}

fn has_acl(new: &Entry) -> bool {
    new.acl().is_none_or(|acl| !acl.is_empty())
}

fn has_xattrs(new: &Entry) -> bool {
    new.xattrs()
        .is_none_or(|xattrs| !without_own_attributes(xattrs, new).is_empty())
}

fn is_capable(expected: &Expected, new: &Entry) -> bool {
    let has_capabilities = new.has("capabilities") && new.value("capabilities") != Some(b"0");
    expected.capabilities.is_none() && has_capabilities
}

fn of_changed(expected: &Expected, old: &Entry, new: &Entry) -> Option<&'static str> {
    if old.file_type().is_none() || old.file_type() != new.file_type() {
        return Some("it has another type than before");
    }
    if !old.is_comparable_with(new) {
        return Some("AIDE could not compare all of its attributes");
    }
    given(expected, new).or_else(|| {
        let is_directory = new.file_type() == Some(FileType::Directory);
        let differs = |column: &str| {
            !is_ignored(column, is_directory)
                && (new.has(column) || column == "capabilities")
                && !is_accounted_for(column, expected, old, new)
        };
        let mut columns = new.values().map(|(column, _)| column);
        columns.find(|column| differs(column)).map(not_listed)
    })
}

/// The first given value that the file does not have. What the rule does not watch is not compared, except that a digest
/// must be: otherwise nothing shows the content.
fn given(expected: &Expected, new: &Entry) -> Option<&'static str> {
    let is_other = |column: &str, differs: bool| new.has(column) && differs;
    let permissions = expected.permissions;
    let is_mode = |mode: u32| new.permissions() != Some(mode);
    if is_other("perm", permissions.is_some_and(is_mode)) {
        return Some("the mode is another one");
    }
    let is_number = |column: &str, value: Option<i64>| {
        is_other(
            column,
            value.is_some_and(|value| new.number(column) != Some(value)),
        )
    };
    if is_number("uid", expected.uid) || is_number("gid", expected.gid) {
        return Some("the owner or the group is another one");
    }
    if is_number("size", expected.size) {
        return Some("the size is another one");
    }
    if let Some(why) = of_content(expected, new) {
        return Some(why);
    }
    let acl = expected.acl.as_ref();
    if acl.is_some() && (!new.has("acl") || acl != new.acl().as_ref()) {
        return Some("the ACL is another one");
    }
    if let Some(xattrs) = &expected.xattrs {
        let found = new.xattrs().filter(|_| new.has("xattrs"));
        let found = found.map(|found| without_own_attributes(found, new));
        if found.as_ref() != Some(&without_own_attributes(xattrs.clone(), new)) {
            return Some("the extended attributes are others");
        }
    }
    if let Some(capabilities) = &expected.capabilities {
        let found = new.capabilities().filter(|_| new.has("capabilities"));
        if found.as_deref().map(str::trim) != Some(capabilities.trim()) {
            return Some("the capabilities are others");
        }
    }
    None
}

fn of_content(expected: &Expected, new: &Entry) -> Option<&'static str> {
    let file_type = new.file_type();
    if let Some(target) = &expected.link_target {
        if file_type != Some(FileType::Link) {
            return Some("it is no symbolic link");
        }
        if !new.has("lname") {
            return Some("the rule does not have the target of the link");
        }
        return (new.link_target().as_ref() != Some(target)).then_some("the target is another one");
    }
    if expected.digests.is_empty() {
        return None;
    }
    if file_type != Some(FileType::Regular) {
        return Some("it is no regular file");
    }
    let mut compared = expected.digests.iter().filter(|(name, _)| new.has(name));
    let Some(first) = compared.next() else {
        return Some(
            "the rule has none of the listed digests, or the file was written while AIDE read it",
        );
    };
    let mut all = std::iter::once(first).chain(compared);
    all.any(|(name, digest)| new.digest(name).as_ref() != Some(digest))
        .then_some("the content is another one")
}

/// Whether a new value is given, follows from what is given, or is as before.
fn is_accounted_for(column: &str, expected: &Expected, old: &Entry, new: &Entry) -> bool {
    let is_given = match column {
        "perm" => expected.permissions.is_some(),
        "uid" => expected.uid.is_some(),
        "gid" => expected.gid.is_some(),
        "lname" => expected.link_target.is_some(),
        "acl" => expected.acl.is_some() || is_same_acl(old, new),
        "xattrs" => {
            expected.xattrs.is_some() && label(old) == label(new)
                || expected.capabilities.is_some() && is_same_but_capabilities(old, new)
        }
        "capabilities" => expected.capabilities.is_some(),
        // A digest or the target was compared.
        "size" => !expected.digests.is_empty() || expected.link_target.is_some(),
        column => is_digest(column) && !expected.digests.is_empty(),
    };
    is_given || old.value(column) == new.value(column)
}

/// Whether both ACLs are the same apart from the permissions, which are compared.
fn is_same_acl(old: &Entry, new: &Entry) -> bool {
    new.has("perm") && old.acl().is_some() && old.acl() == new.acl()
}

fn is_same_but_capabilities(old: &Entry, new: &Entry) -> bool {
    let without = |entry: &Entry| {
        entry.xattrs().map(|mut xattrs| {
            xattrs.remove(CAPABILITY);
            xattrs
        })
    };
    new.has("capabilities") && without(old).is_some() && without(old) == without(new)
}

fn label(entry: &Entry) -> Option<Vec<u8>> {
    entry.xattrs()?.remove(LABEL)
}

/// The extended attributes without the label, and without the capabilities if they are compared on their own.
fn without_own_attributes(
    mut xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    entry: &Entry,
) -> BTreeMap<Vec<u8>, Vec<u8>> {
    xattrs.remove(LABEL);
    if entry.has("capabilities") {
        xattrs.remove(CAPABILITY);
    }
    xattrs
}

/// Columns that do not count.
fn is_ignored(column: &str, is_directory: bool) -> bool {
    matches!(
        column,
        "name" | "attr" | "atime" | "ctime" | "mtime" | "inode" | "lcount" | "bcount"
    ) || is_directory && column == "size"
}

/// The message about an attribute that differs from before, and that is not listed.
fn not_listed(column: &str) -> &'static str {
    match column {
        "perm" => "the mode has changed, and is not listed",
        "uid" => "the owner has changed, and is not listed",
        "gid" => "the group has changed, and is not listed",
        "size" => "the size has changed, and no digest is listed",
        "lname" => "the target of the link has changed, and is not listed",
        "acl" => "the ACL has changed, and is not listed",
        "xattrs" => "extended attributes have changed, and are not listed",
        "capabilities" => "the capabilities have changed, and are not listed",
        "selinux" => "the SELinux label has changed",
        column if is_digest(column) => "the content has changed, and no digest is listed",
        _ => "an attribute has changed that cannot be listed",
    }
}

/// Whether only times, sizes, link counts and the like of a directory differ.
pub(super) fn is_incidental(old: &Entry, new: &Entry) -> bool {
    let is_directory = |entry: &Entry| entry.file_type() == Some(FileType::Directory);
    let mut columns = new.values().map(|(column, _)| column);
    is_directory(old)
        && is_directory(new)
        && columns.all(|column| {
            column == "attr" || is_ignored(column, true) || old.value(column) == new.value(column)
        })
        && old.is_comparable_with(new)
}

/// Whether a baseline with this entry of the path has the listed change.
pub(super) fn is_fulfilled(expected: &Expected, entry: Option<&Entry>) -> bool {
    match (expected.kind, entry) {
        (ChangeKind::Removed, entry) => entry.is_none(),
        (ChangeKind::Added, Some(entry)) => of_added(expected, entry).is_none(),
        (ChangeKind::Changed, Some(entry)) => given(expected, entry).is_none(),
        (_, None) => false,
    }
}
