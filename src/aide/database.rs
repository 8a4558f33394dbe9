//! The state directory on a node: the baseline database, its record, reports, backups and the lock.
//!
//! All file names start with `aide.`:
//!
//! | file | content |
//! |---|---|
//! | `aide.db.gz` | the baseline, AIDE's database |
//! | `aide.db.gz.new` | a baseline that AIDE is writing |
//! | `aide.db.gz.merged` | a baseline that accepts a part of the changes, while it is verified |
//! | `aide.db.gz.excluded.DIGEST` | the entries of excluded paths from before their exclusion |
//! | `aide.db.gz.excluded.new`, `aide.db.gz.excluded.part` | the same, while they are written |
//! | `aide.baseline.json` | [`Record`]: how the baseline was created, and what it accepted |
//! | `aide.baseline.json.new` | the record of the baseline that is being installed |
//! | `aide.baseline.conf`, `aide.baseline.conf.new` | the configuration of the baseline, and that of the one being installed |
//! | `aide.accepted.json.DIGEST`, `aide.accepted.json.new`, `aide.accepted.json.old.new` | reports of new baselines that are not published yet, and those of the one being installed |
//! | `aide.log`, `aide.log.new` | the latest plain report, and the one being written |
//! | `*.backup-YYYYMMDDThh_mm_ss` | backups of database and report |
//! | `aide.backup.new` | a backup that is being copied, on file systems without hard links |
//! | `aide.lock` | locked by the daemon that uses the directory |
//!
//! [`StateDir`] has the operations, [`Found`] is the content of the directory.

mod accepted_reports;
mod backups;
mod baseline;
mod config_copy;
mod error;
mod excluded_entries;
mod lock;
mod plain_log;
mod record;
pub(super) mod safe_fs;
mod selection;
mod state_dir;
mod trusted_path;

#[cfg(test)]
mod tests;

pub(crate) use self::accepted_reports::AcceptedReport;
pub(crate) use self::baseline::Found;
pub use self::baseline::digest_of_gzip;
pub(crate) use self::error::DatabaseError;
pub(crate) use self::record::{ExcludedEntries, Record};
pub(crate) use self::state_dir::StateDir;
