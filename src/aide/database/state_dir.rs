//! An opened state directory: the paths of its files, and whether it is still safe to use. I/O.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::DatabaseError;
use super::safe_fs::{remove_best_effort, remove_empty_dir, remove_if_exists};
use super::trusted_path::{self, Identity, UntrustedError};
use crate::api::state_dir::{self, DEFAULT_DIRS};

/// The baseline, AIDE's database.
pub(super) const DATABASE: &str = "aide.db.gz";
/// The latest plain report.
pub(super) const LOG: &str = "aide.log";
pub(super) const RECORD: &str = "aide.baseline.json";
/// The configuration of the baseline.
pub(super) const CONFIG: &str = "aide.baseline.conf";
/// The report of a new baseline.
pub(super) const ACCEPTED: &str = "aide.accepted.json";
/// Name of that of a check with the old configuration, while its baseline is being installed.
pub(super) const ACCEPTED_WITH_OLD_CONFIG: &str = "aide.accepted.json.old";
/// Suffix of files that are being written.
const NEW: &str = ".new";
/// The suffix of a database that consists of entries of others.
const MERGED: &str = ".merged";
/// A backup that is being copied, without [`NEW`].
pub(super) const PARTIAL_BACKUP: &str = "aide.backup";

/// The magic numbers of ramfs and tmpfs (statfs(2)). Their content is lost when the node restarts.
const IN_MEMORY: [u32; 2] = [0x8584_58f6, 0x0102_1994];

/// A node's state directory, as the daemon sees it.
#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    dir: PathBuf,
    host_root: PathBuf,
    path_on_node: String,
    identity: Identity,
}

impl StateDir {
    /// Opens a [normalized](state_dir::normalized) directory of the node. Fails with the rest of a sentence
    /// that begins with the directory's name.
    pub(super) fn open(
        host_root: &Path,
        path_on_node: &str,
        may_create: bool,
    ) -> Result<Self, String> {
        if let Some(refusal) = state_dir::refusal(path_on_node) {
            return Err(refusal);
        }
        let checked = trusted_path::check(host_root, path_on_node, may_create);
        let identity = checked.map_err(|untrusted| match untrusted {
            UntrustedError::Link(link) => format!("{link}; specify the real directory"),
            other => crate::error_chain(&other),
        })?;
        let dir = host_root.join(path_on_node.trim_start_matches('/'));
        if !DEFAULT_DIRS.contains(&path_on_node) {
            trusted_path::check_content(&dir).map_err(|error| crate::error_chain(&error))?;
        }
        rustix::fs::access(&dir, Access::WRITE_OK)
            .map_err(|error| format!("is not writable ({error})"))?;
        if is_in_memory(&dir)? {
            return Err("is in memory".to_owned());
        }
        Ok(Self {
            dir,
            host_root: host_root.to_owned(),
            path_on_node: path_on_node.to_owned(),
            identity,
        })
    }

    /// Checks that the path still leads to the opened directory, and that only root can write there.
    /// Otherwise a link could redirect what AIDE and fio write as root.
    pub(crate) fn verify(&self) -> Result<(), DatabaseError> {
        let replaced = |reason: String| DatabaseError::Replaced {
            path: self.dir.clone(),
            reason,
        };
        match trusted_path::check(&self.host_root, &self.path_on_node, false) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => Err(replaced("is another directory".to_owned())),
            Err(UntrustedError::Writable(reason)) => Err(DatabaseError::Unsafe {
                path: self.dir.clone(),
                reason,
            }),
            Err(error) => Err(replaced(error.to_string())),
        }
    }

    /// Removes the files of an interrupted run, and links in their places, which AIDE would follow.
    /// Fails if the directory was replaced.
    pub(crate) fn clear_unfinished(&self) -> Result<(), DatabaseError> {
        self.verify()?;
        let partial_backup = self.new_of(PARTIAL_BACKUP);
        let databases = [
            self.new_database(),
            self.merged_database(),
            self.new_excluded_entries(),
            self.newly_excluded_entries(),
        ];
        let others = [partial_backup, self.new_log()];
        for unfinished in databases.into_iter().chain(others) {
            remove_empty_dir(&unfinished)?;
            remove_if_exists(&unfinished)?;
        }
        // After a crash during a replacement, `load` has installed them.
        remove_best_effort(&[self.new_of(CONFIG)]);
        self.remove_staged_reports();
        Ok(())
    }

    /// Opens any directory: small file systems for tests are in memory.
    #[cfg(test)]
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            host_root: dir.to_owned(),
            path_on_node: "/".to_owned(),
            identity: trusted_path::identity_of(dir).unwrap(),
        }
    }

    /// The directory, as the daemon sees it.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The database of the baseline.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    /// The database that AIDE writes.
    pub(crate) fn new_database(&self) -> PathBuf {
        self.new_of(DATABASE)
    }

    /// A database that consists of entries of the baseline and of the one that AIDE writes.
    pub(crate) fn merged_database(&self) -> PathBuf {
        self.dir.join(format!("{DATABASE}{MERGED}"))
    }

    /// The latest plain report.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// The plain report that AIDE writes.
    pub(crate) fn new_log(&self) -> PathBuf {
        self.new_of(LOG)
    }

    pub(super) fn record(&self) -> PathBuf {
        self.dir.join(RECORD)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join(CONFIG)
    }

    pub(super) fn new_of(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{NEW}"))
    }
}

fn is_in_memory(dir: &Path) -> Result<bool, String> {
    let kind = rustix::fs::statfs(dir)
        .map_err(|error| format!("cannot be checked ({error})"))?
        .f_type;
    // The kernel's numbers have 32 bits, whatever the type of the field is.
    let is_kind = |magic: &u32| i64::from(*magic) == kind & 0xffff_ffff;
    Ok(IN_MEMORY.iter().any(is_kind))
}
