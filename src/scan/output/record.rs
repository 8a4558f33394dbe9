//! What a line reports, whatever its format. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest as _, Sha256};

use super::notice::Notice;
use crate::aide::report::{Change, ChangeKind, display_path, part};
use crate::api::names;

/// Number of bytes of a [`LineId`].
const ID_LENGTH: usize = 16;

/// Where all lines of a daemon come from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub cluster: Option<String>,
    pub namespace: String,
    pub node: String,
    pub file_integrity: String,
}

/// What a line reports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Change(&'a Change),
    /// The number of changes of a scan that are not written.
    Omitted(u64),
    Notice(&'a Notice),
}

/// A line before it is encoded.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub origin: &'a Origin,
    pub time: &'a Time,
    /// The id of the scan, if the line is about one.
    pub scan: Option<&'a str>,
    /// That of a change is the same in each scan that finds it.
    pub id: String,
    pub content: Content<'a>,
}

impl Content<'_> {
    /// The id of the line, written at this time.
    pub(super) fn id(self, origin: &Origin, time: &Time) -> LineId {
        let at = time.0.to_string();
        match self {
            Self::Change(change) => LineId::of_change(origin, change),
            Self::Omitted(number) => {
                LineId::new(origin, &[b"omitted", at.as_bytes(), &number.to_be_bytes()])
            }
            Self::Notice(notice) => {
                let kind = notice.kind.as_str().as_bytes();
                LineId::new(origin, &[kind, at.as_bytes(), notice.message.as_bytes()])
            }
        }
    }
}

/// The kind of a change as users see it.
pub(super) const fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
    }
}

/// A path and its parts. The parts of the root are the root.
#[derive(Debug)]
pub(super) struct DisplayedPath {
    pub path: String,
    pub directory: String,
    pub name: String,
}

impl DisplayedPath {
    pub(super) fn of(change: &Change) -> Self {
        let path = display_path(&change.path);
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let or_root = |part: &str| if part.is_empty() { "/" } else { part }.to_owned();
        Self {
            directory: or_root(directory),
            name: or_root(name),
            path,
        }
    }
}

/// What a line reports, as one sentence.
pub(super) fn summary(record: &Record<'_>) -> String {
    let node = &record.origin.node;
    match record.content {
        Content::Change(change) => {
            let path = display_path(&change.path);
            format!("{path} was {} on {node}", kind_name(change.kind))
        }
        Content::Omitted(number) => {
            format!("{number} more changes on {node} are in the failure log")
        }
        Content::Notice(notice) => notice.message.clone(),
    }
}

/// Identifies what a line reports. A change is identified by the cluster, the FileIntegrity, the node, the
/// path, the kind of change and the new values; other lines by their time and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LineId([u8; ID_LENGTH]);

impl LineId {
    fn of_change(origin: &Origin, change: &Change) -> Self {
        let values = change.new_values.as_ref().map_or(&[][..], |values| values);
        Self::new(origin, &[&change.path, &[change.kind as u8], values])
    }

    fn new(origin: &Origin, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        let cluster = origin.cluster.as_deref().unwrap_or_default();
        for text in [
            cluster,
            &origin.namespace,
            &origin.file_integrity,
            &origin.node,
        ] {
            part(&mut hash, text.as_bytes());
        }
        for bytes in parts {
            part(&mut hash, bytes);
        }
        let digest = hash.finalize();
        let mut id = [0; ID_LENGTH];
        id.copy_from_slice(&digest[..ID_LENGTH]);
        Self(id)
    }
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&names::hex(&self.0))
    }
}
