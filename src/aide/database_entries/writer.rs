//! Writes a database. I/O.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::error::EntriesError;
use crate::aide::database::safe_fs::{open_no_follow, remove_if_exists};
use crate::api::names;
use crate::file_error::FileError;

/// A database that was written and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The sha256 of the uncompressed database, hex.
    pub(crate) digest: String,
    /// Number of its entries.
    pub(crate) entries: u64,
}

/// A database that is being written. Its file is removed if it is not finished.
pub(super) struct Writer {
    path: PathBuf,
    /// None when it is finished.
    gzip: Option<GzEncoder<BufWriter<File>>>,
    hash: Sha256,
    entries: u64,
}

impl Writer {
    /// Replaces a file at this path.
    pub(super) fn create(path: &Path, head: &[u8]) -> Result<Self, EntriesError> {
        remove_if_exists(path)?;
        let mut options = OpenOptions::new();
        let file = open_no_follow(path, options.write(true).create_new(true));
        let file = BufWriter::new(file.map_err(FileError::on("create", path))?);
        let mut writer = Self {
            path: path.to_owned(),
            gzip: Some(GzEncoder::new(file, Compression::default())),
            hash: Sha256::new(),
            entries: 0,
        };
        writer.write(head)?;
        Ok(writer)
    }

    /// Adds an entry: a line of a database with the same header.
    pub(super) fn add(&mut self, line: &[u8]) -> Result<(), EntriesError> {
        self.entries += 1;
        self.write(line)
    }

    pub(super) fn finish(mut self) -> Result<Written, EntriesError> {
        self.write(b"@@end_db\n")?;
        let synced = self.gzip.take().map_or(Ok(()), sync);
        if let Err(error) = synced {
            remove_if_exists(&self.path).ok();
            return Err(FileError::on("write", &self.path)(error).into());
        }
        Ok(Written {
            digest: names::hex(&std::mem::take(&mut self.hash).finalize()),
            entries: self.entries,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), EntriesError> {
        self.hash.update(bytes);
        if let Some(gzip) = &mut self.gzip {
            gzip.write_all(bytes)
                .map_err(FileError::on("write", &self.path))?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.gzip.take().is_some() {
            remove_if_exists(&self.path).ok();
        }
    }
}

fn sync(gzip: GzEncoder<BufWriter<File>>) -> io::Result<()> {
    let file = gzip.finish()?.into_inner()?;
    file.sync_all()
}
