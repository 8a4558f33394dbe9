//! What a line reports, whatever its format. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest as _, Sha256};

use super::notice::Notice;
use crate::aide::report::{Change, ChangeKind, display_path, part};
use crate::api::names;

/// Number of bytes of a [`ChangeId`].
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

impl<'a> Record<'a> {
    pub(super) fn new(
        origin: &'a Origin,
        scan: Option<&'a str>,
        time: &'a Time,
        content: Content<'a>,
    ) -> Self {
        let at = time.0.to_string();
        let id = match content {
            Content::Change(change) => ChangeId::new(origin, change),
            Content::Omitted(number) => {
                ChangeId::of_parts(origin, &[b"omitted", at.as_bytes(), &number.to_be_bytes()])
            }
            Content::Notice(notice) => {
                let kind = notice.kind.as_str().as_bytes();
                ChangeId::of_parts(origin, &[kind, at.as_bytes(), notice.message.as_bytes()])
            }
        };
        Self {
            origin,
            time,
            scan,
            id: names::hex(&id.0),
            content,
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

/// Identifies a change: the cluster, the FileIntegrity, the node, the path, the kind of change and the new
/// values. It identifies other lines by their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChangeId([u8; ID_LENGTH]);

impl ChangeId {
    pub(super) fn new(origin: &Origin, change: &Change) -> Self {
        let values = change.new_values.as_ref().map_or(&[][..], |values| values);
        Self::of_parts(origin, &[&change.path, &[change.kind as u8], values])
    }

    fn of_parts(origin: &Origin, parts: &[&[u8]]) -> Self {
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
