//! A change as an acceptance lists it, decoded. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::aide::database_entries::extended_acl;
use crate::aide::report::{ChangeKind, exact_path};
use crate::api::object_name::visible;
use crate::api::{self, ApprovedChange};

/// Maximum bytes of a path (`PATH_MAX` of the kernel).
const MAX_PATH: usize = 4096;

/// A listed change is not as the definition requires it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the change of {path} is invalid: {problem}")]
pub(crate) struct InvalidChange {
    path: String,
    problem: &'static str,
}

/// The new values of a path. Those that are not given must be as before, or, for an added path, absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(super) kind: ChangeKind,
    /// By column of the database.
    pub(super) digests: BTreeMap<String, Vec<u8>>,
    pub(super) permissions: Option<u32>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) size: Option<i64>,
    pub(super) link_target: Option<Vec<u8>>,
    /// Without what the permissions determine.
    pub(super) acl: Option<BTreeSet<String>>,
    pub(super) xattrs: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(super) capabilities: Option<String>,
}

impl Expected {
    /// The path, and its new values.
    pub(super) fn parse(change: &ApprovedChange) -> Result<(Vec<u8>, Self), InvalidChange> {
        let invalid = |problem| InvalidChange {
            path: visible(&change.path),
            problem,
        };
        let path = path(&change.path).map_err(invalid)?;
        Ok((path, Self::of(change).map_err(invalid)?))
    }

    fn of(change: &ApprovedChange) -> Result<Self, &'static str> {
        let expected = Self {
            kind: match change.kind {
                api::ChangeKind::Added => ChangeKind::Added,
                api::ChangeKind::Changed => ChangeKind::Changed,
                api::ChangeKind::Removed => ChangeKind::Removed,
            },
            digests: digests(change)?,
            permissions: change.mode.as_deref().map(permissions).transpose()?,
            uid: change.uid,
            gid: change.gid,
            size: change.size,
            link_target: match &change.link_target {
                Some(text) => {
                    Some(exact_path(text).ok_or("linkTarget is not written as in results")?)
                }
                None => None,
            },
            acl: change
                .acl
                .as_ref()
                .map(|entries| extended_acl(entries.iter().cloned())),
            xattrs: change.xattrs.as_ref().map(xattrs).transpose()?,
            capabilities: change.capabilities.clone(),
        };
        expected.check()?;
        Ok(expected)
    }

    /// What the definition checks as well.
    fn check(&self) -> Result<(), &'static str> {
        let has_owner = self.uid.is_some() && self.gid.is_some();
        match self.kind {
            ChangeKind::Added if self.permissions.is_none() || !has_owner => {
                Err("an added path must have mode, uid and gid")
            }
            ChangeKind::Removed if self.has_values() => Err("a removed path has no new values"),
            _ if !self.digests.is_empty() && self.link_target.is_some() => {
                Err("only a regular file has digests, and only a symbolic link has linkTarget")
            }
            _ => Ok(()),
        }
    }

    fn has_values(&self) -> bool {
        let none = Self {
            kind: self.kind,
            ..Self::without_values()
        };
        *self != none
    }

    fn without_values() -> Self {
        Self {
            kind: ChangeKind::Removed,
            digests: BTreeMap::new(),
            permissions: None,
            uid: None,
            gid: None,
            size: None,
            link_target: None,
            acl: None,
            xattrs: None,
            capabilities: None,
        }
    }

    /// Whether no file can be as both list it. Kinds of change do not contradict each other, unless one removes the file.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        let is_removed = |it: &Self| it.kind == ChangeKind::Removed;
        let mut digests = self.digests.iter();
        is_removed(self) != is_removed(other)
            || digests.any(|(name, digest)| differ(Some(digest), other.digests.get(name)))
            || differ(self.permissions.as_ref(), other.permissions.as_ref())
            || differ(self.uid.as_ref(), other.uid.as_ref())
            || differ(self.gid.as_ref(), other.gid.as_ref())
            || differ(self.size.as_ref(), other.size.as_ref())
            || differ(self.link_target.as_ref(), other.link_target.as_ref())
            || differ(self.acl.as_ref(), other.acl.as_ref())
            || differ(self.xattrs.as_ref(), other.xattrs.as_ref())
            || differ(self.capabilities.as_ref(), other.capabilities.as_ref())
    }
}

fn path(text: &str) -> Result<Vec<u8>, &'static str> {
    let path = exact_path(text).ok_or("the path is not written as in results")?;
    let Some(names) = path.strip_prefix(b"/") else {
        return Err("the path is not absolute");
    };
    let mut names = names.split(|byte| *byte == b'/');
    if names.any(|name| matches!(name, b"" | b"." | b"..")) {
        return Err("the path has empty segments, or the segments . or ..");
    }
    if path.len() > MAX_PATH || path.contains(&0) {
        return Err("no file can have this path");
    }
    Ok(path)
}

fn digests(change: &ApprovedChange) -> Result<BTreeMap<String, Vec<u8>>, &'static str> {
    let decoded = change.digests.iter().map(|(name, digits)| {
        let mut known = api::DIGESTS.iter();
        let (_, length) = known
            .find(|(known, _)| known == name)
            .ok_or("a digest has an unknown algorithm")?;
        let bytes = hex(digits).filter(|bytes| bytes.len() * 2 == *length);
        let bytes = bytes.ok_or("a digest does not have the digits of its algorithm")?;
        Ok((name.clone(), bytes))
    });
    decoded.collect()
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn permissions(digits: &str) -> Result<u32, &'static str> {
    let is_octal = digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let is_valid = is_octal && (3..=4).contains(&digits.len());
    let mode = u32::from_str_radix(digits, 8).ok().filter(|_| is_valid);
    mode.ok_or("the mode does not have 3 or 4 octal digits")
}

fn xattrs(xattrs: &BTreeMap<String, String>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, &'static str> {
    let decoded = xattrs.iter().map(|(name, value)| {
        let value = STANDARD.decode(value);
        let value = value.map_err(|_| "an extended attribute is not in base64")?;
        let name = exact_path(name);
        let name = name.ok_or("the name of an extended attribute is not written as a path")?;
        Ok((name, value))
    });
    decoded.collect()
}
