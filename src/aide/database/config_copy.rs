//! The configuration of the baseline, kept beside it: after a change of the configuration, the node is compared with
//! the old one for the last time. I/O.
//!
//! The hash of the configuration is in the record of the baseline and in the API, so the copy needs no other
//! protection: a text with another hash is not used.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::Path;

use super::error::DatabaseError;
use super::safe_fs::{open_no_follow, remove_empty_dir, remove_if_exists, rename, write_synced};
use super::state_dir::{CONFIG, StateDir};
use crate::aide::config::config_hash;

/// Maximum bytes of a configuration: it comes from a ConfigMap, and the conversion adds lines.
const MAX_CONFIG: u64 = 8 * 1024 * 1024;

impl StateDir {
    /// The configuration with this hash, if it is that of the baseline.
    pub(crate) fn config_of_baseline(&self, hash: &str) -> Option<String> {
        // After a crash during a replacement it may have its temporary name.
        let mut places = [self.config(), self.new_of(CONFIG)].into_iter();
        places.find_map(|path| read(&path).filter(|text| config_hash(text) == hash))
    }

    /// Writes the configuration of the baseline that is being installed. Without it the baseline can be used,
    /// so a failure is only logged.
    pub(super) fn stage_config(&self, text: &str) {
        let staged = self.new_of(CONFIG);
        let written = remove_empty_dir(&staged)
            .and_then(|()| Ok(remove_if_exists(&staged)?))
            .and_then(|()| Ok(write_synced(&staged, text.as_bytes())?));
        log_failure(written);
    }

    /// Makes the staged configuration that of the baseline, if there is one.
    pub(super) fn install_config(&self) {
        let staged = self.new_of(CONFIG);
        if std::fs::symlink_metadata(&staged).is_ok() {
            let installed = remove_empty_dir(&self.config())
                .and_then(|()| Ok(rename(&staged, &self.config())?));
            log_failure(installed);
        }
    }
}

fn read(path: &Path) -> Option<String> {
    let file = open_no_follow(path, OpenOptions::new().read(true)).ok()?;
    // A pipe would block.
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_CONFIG).read_to_string(&mut text).ok()?;
    Some(text)
}

fn log_failure(result: Result<(), DatabaseError>) {
    if let Err(error) = result {
        let error = crate::error_chain(&error);
        tracing::warn!(error, "failed to keep the configuration of the baseline");
    }
}
