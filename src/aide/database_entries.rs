//! Entries of AIDE's databases: finding them, and writing databases that consist of entries of others. I/O.
//!
//! Databases are read and written as streams: one entry is in memory at a time, however many there are. Entries are
//! copied byte by byte, so AIDE finds no difference between an entry and its copy. Paths are the bytes of the file's
//! name, with the host root as AIDE has written them.
//!
//! AIDE skips lines that it does not understand, with a warning. Here they are errors: an entry that is skipped would
//! be missing in a baseline. Two entries with the same path are not detected, because that would take a list of all
//! paths. AIDE warns about them, so a new database must be compared with AIDE before it becomes a baseline.

mod attributes;
mod entry;
mod error;
mod name;
mod reader;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use self::attributes::{FileType, extended_acl, is_digest};
pub(crate) use self::entry::Entry;
pub(crate) use self::error::EntriesError;
use self::reader::Reader;
use self::writer::Writer;
pub(crate) use self::writer::Written;

/// Maximum bytes of all entries that [`find`] returns. 16,000 usual entries take 8 MiB.
const MAX_FOUND: usize = 64 * 1024 * 1024;

/// The entries of a database that are selected by their paths.
pub(crate) fn find(
    database: &Path,
    is_selected: &dyn Fn(&[u8]) -> bool,
) -> Result<BTreeMap<Vec<u8>, Entry>, EntriesError> {
    let mut reader = Reader::open(database)?;
    let (mut found, mut bytes) = (BTreeMap::new(), 0);
    while reader.advance()? {
        if !is_selected(reader.path()) {
            continue;
        }
        bytes += reader.path().len() + reader.line().len();
        if bytes > MAX_FOUND {
            return Err(EntriesError::TooManyFound {
                path: database.to_owned(),
                limit: MAX_FOUND,
            });
        }
        found.insert(reader.path().to_vec(), reader.entry());
    }
    Ok(found)
}

/// What [`merge`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) database: Written,
    /// Number of entries of the old database that were left out.
    pub(crate) left_out: u64,
    /// Number of entries of the new database that were taken.
    pub(crate) taken: u64,
}

/// Writes a database to `into`: the entries of `old` with `keeps`, and those of `new` with `takes`. Its header is that
/// of `old`. Both databases must have the same attributes. The file is synced, but not its directory.
pub(crate) fn merge(
    old: &Path,
    new: &Path,
    into: &Path,
    keeps: &dyn Fn(&[u8]) -> bool,
    takes: &dyn Fn(&[u8]) -> bool,
) -> Result<Merged, EntriesError> {
    let (mut from_old, mut from_new) = (Reader::open(old)?, Reader::open(new)?);
    if from_old.columns() != from_new.columns() {
        return Err(EntriesError::Columns {
            old: from_old.columns().join(" "),
            new: from_new.columns().join(" "),
        });
    }
    let mut writer = Writer::create(into, from_old.head())?;
    let (mut left_out, mut taken) = (0, 0);
    while from_old.advance()? {
        if keeps(from_old.path()) {
            writer.add(from_old.line())?;
        } else {
            left_out += 1;
        }
    }
    while from_new.advance()? {
        if takes(from_new.path()) {
            writer.add(from_new.line())?;
            taken += 1;
        }
    }
    Ok(Merged {
        database: writer.finish()?,
        left_out,
        taken,
    })
}

/// A database in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Divided {
    pub(crate) rest: Written,
    pub(crate) removed: Written,
}

/// Writes the entries of `database` to two others: those with `is_removed` to `removed`, all others to `rest`. Both are
/// complete databases with the same header. The files are synced, but not their directories.
pub(crate) fn without(
    database: &Path,
    rest: &Path,
    removed: &Path,
    is_removed: &dyn Fn(&[u8]) -> bool,
) -> Result<Divided, EntriesError> {
    let mut reader = Reader::open(database)?;
    let mut to_rest = Writer::create(rest, reader.head())?;
    let mut to_removed = Writer::create(removed, reader.head())?;
    while reader.advance()? {
        let writer = if is_removed(reader.path()) {
            &mut to_removed
        } else {
            &mut to_rest
        };
        writer.add(reader.line())?;
    }
    Ok(Divided {
        rest: to_rest.finish()?,
        removed: to_removed.finish()?,
    })
}

#[cfg(test)]
mod aide_tests;
#[cfg(test)]
mod tests;
