//! The files that fio itself writes to the state directory. Their changes cause no checks. Pure.

use crate::aide::config::is_own_file;

/// The state directory, as a path of the node.
#[derive(Clone, Debug)]
pub(crate) struct OwnFiles {
    directory: Vec<u8>,
}

impl OwnFiles {
    /// The files in this state directory.
    pub(crate) fn in_dir(directory: &str) -> Self {
        Self {
            directory: directory.trim_end_matches('/').as_bytes().to_vec(),
        }
    }

    /// Whether fio writes a file with this name in a directory of the node.
    pub(crate) fn contains(&self, directory: &[u8], name: &[u8]) -> bool {
        directory == self.directory && is_own_file(name)
    }
}
