//! A file that exists while AIDE runs. If the container is killed, as it runs out of memory, the next
//! start finds the file. I/O.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::file_error::FileError;

/// Name of the file in the container's own directory.
const NAME: &str = "aide.running";

/// The file that exists while AIDE runs. It has the number of runs in a row that were killed.
#[derive(Debug)]
pub(super) struct Marker {
    path: PathBuf,
}

impl Marker {
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self {
            path: dir.join(NAME),
        }
    }

    /// Number of runs in a row that were killed; 0 if the last one was not.
    pub(super) fn interruptions(&self) -> u32 {
        fs::read_to_string(&self.path)
            .ok()
            .map_or(0, |text| text.trim().parse().unwrap_or(1))
    }

    /// Creates the file before a run.
    pub(super) fn create(&self) -> Result<(), FileError> {
        let count = self.interruptions() + 1;
        // A link in the place of the file must not be followed.
        self.remove();
        File::create_new(&self.path)
            .and_then(|mut file| {
                write!(file, "{count}")?;
                file.sync_all()
            })
            .map_err(FileError::on("write", &self.path))
    }

    /// Removes the file after a run.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "failed to remove the marker of a running AIDE");
        }
    }
}
