//! Which directory of a node is the state directory. I/O.

use std::fs;
use std::path::Path;

use super::error::DatabaseError;
use super::record::Record;
use super::state_dir::{DATABASE, RECORD, StateDir};
use super::trusted_path;
use crate::api::state_dir::{self, DEFAULT_DIRS, DEFAULT_STATE_DIR};

impl StateDir {
    /// Chooses the state directory of the node whose root is mounted at `host_root`, and returns it with
    /// its path on the node. The first of these applies:
    ///
    /// 1. `requested`, the directory in the FileIntegrity's spec
    /// 2. the default directory with the latest baseline of the FileIntegrity `owner`, or of another
    ///    one, even if it cannot be used now: a baseline does not move because another directory
    ///    appears, or because its own is not writable for a while
    /// 3. the first default directory that is writable and on a disk
    pub(crate) fn choose(
        host_root: &Path,
        requested: Option<&str>,
        owner: &str,
    ) -> Result<(Self, String), DatabaseError> {
        if let Some(requested) = requested {
            let dir = state_dir::normalized(requested);
            return match Self::open(host_root, &dir, true) {
                Ok(state) => Ok((state, dir)),
                Err(reason) => Err(DatabaseError::NoStateDir {
                    reason: format!("the state directory {dir} {reason}"),
                }),
            };
        }
        if let Some(dir) = dir_with_baseline(host_root, owner) {
            return match Self::open(host_root, dir, false) {
                Ok(state) => Ok((state, dir.to_owned())),
                Err(reason) => Err(DatabaseError::Unusable {
                    dir: dir.to_owned(),
                    reason,
                }),
            };
        }
        Self::open_default(host_root)
    }

    fn open_default(host_root: &Path) -> Result<(Self, String), DatabaseError> {
        let mut reasons = Vec::new();
        for dir in DEFAULT_DIRS {
            match Self::open(host_root, dir, dir != DEFAULT_STATE_DIR) {
                Ok(state) => return Ok((state, dir.to_owned())),
                Err(reason) => reasons.push(format!("the state directory {dir} {reason}")),
            }
        }
        Err(DatabaseError::NoStateDir {
            reason: reasons.join(", "),
        })
    }
}

/// The default directory with the latest baseline of this FileIntegrity; otherwise that of another one, so
/// that both use one lock; otherwise a directory with a database without a record.
fn dir_with_baseline(host_root: &Path, owner: &str) -> Option<&'static str> {
    let found = DEFAULT_DIRS.into_iter().rev().filter_map(|path_on_node| {
        // Files below a link or in a directory of another user are not fio's.
        trusted_path::check(host_root, path_on_node, false).ok()?;
        let dir = host_root.join(path_on_node.trim_start_matches('/'));
        let has_database =
            fs::symlink_metadata(dir.join(DATABASE)).is_ok_and(|meta| meta.is_file());
        let rank = match Record::read(&dir.join(RECORD)) {
            Some(record) => (
                2 + u8::from(record.owner == owner),
                Some(record.created_at.0),
            ),
            None if has_database => (1, None),
            None => return None,
        };
        Some((rank, path_on_node))
    });
    // `max_by_key` returns the last of equal ones, here the first of the default directories.
    found.max_by_key(|(rank, _)| *rank).map(|(_, dir)| dir)
}
