//! The baseline on a node: where it lies, how it is read, swapped in whole, backed up, locked. I/O.
//!
//! Files in the state directory, all named `aide.*`:
//!
//! | file | what |
//! |---|---|
//! | `aide.db.gz` | the baseline, AIDE's database |
//! | `aide.db.gz.new` | one that is being made |
//! | `aide.baseline.json` | [`Record`]: how the baseline came about |
//! | `aide.baseline.json.new` | the record of the one that is being swapped in |
//! | `aide.log`, `aide.log.new` | the newest plain report, and the one being written |
//! | `*.backup-YYYYMMDDThh_mm_ss` | earlier ones |
//! | `aide.backup.new` | one that is being copied, where the file system has no links |
//! | `aide.lock` | held by the one daemon that may write here |
//!
//! A swap is two renames, so a crash between them leaves the new database beside the old record.
//! [`load`] tells by the database's digest which record is its own, and finishes the swap.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::civil::DateTime;
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rustix::fs::{Access, FlockOperation, OFlags};
use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::state_place::{self, Identity, UnfitError};
use crate::api::file_integrity::DEFAULT_STATE_DIR;
use crate::api::names;
use crate::api::state_dir::{self, DEFAULT_DIRS};

const DATABASE: &str = "aide.db.gz";
const LOG: &str = "aide.log";
const RECORD: &str = "aide.baseline.json";
const LOCK: &str = "aide.lock";
const NEW: &str = ".new";
const BACKUP: &str = ".backup-";
/// The time behind it.
const STAMP: &str = "%Y%m%dT%H_%M_%S";
/// What a backup that is being copied is called, before [`NEW`].
const HALF_COPY: &str = "aide.backup";
/// A legacy signal file in the state directory; removed, never a trigger.
const LEGACY_SIGNAL: &str = "aide.reinit";
/// Only root may read a database: it tells what lies where and which files are writable.
const FILE_MODE: u32 = 0o600;
/// As many bytes of a plain report stay on the node. The lists of paths come first in it: they fit
/// for some 600,000 files.
const MAX_LOG: u64 = 64 * 1024 * 1024;
/// Bytes of these for the words that say that it was cut.
const CUT_NOTICE: u64 = 128;
/// Bytes read at a time while a digest is computed.
const CHUNK: usize = 64 * 1024;

/// What went wrong with a file of the state directory.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file operation failed.
    #[error("{action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another daemon holds the lock.
    #[error(
        "{} is locked by another fio daemon on this node, or by an AIDE that one left behind; two \
         FileIntegrities may not select the same node",
        path.display()
    )]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// A directory stands where a file belongs, and is not ours to remove.
    #[error(
        "{} is a directory, and a file of fio's belongs in its place; move it elsewhere, or remove it",
        path.display()
    )]
    InTheWay {
        /// The directory.
        path: PathBuf,
        /// Why it stays.
        source: io::Error,
    },
    /// Another directory, or a link to one, stands where the state directory was.
    #[error(
        "the state directory {} is not the one that the daemon has locked: {found} is in its place; put it \
         back, or restart the daemon's pod, so that it looks at what is there anew",
        path.display()
    )]
    Replaced {
        /// The state directory.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// No directory can hold the baseline.
    #[error(
        "{reason}; set spec.config.stateDir to a directory that is on a disk and writable by root alone, such \
         as /var/lib/file-integrity, or leave it unset"
    )]
    StateDir {
        /// What was tried, and why it will not do.
        reason: String,
    },
    /// The directory that holds the baseline cannot be used now.
    #[error(
        "the state directory {dir} holds the baseline, and {reason}; correct that, or set \
         spec.config.stateDir to another directory, which gets a new baseline"
    )]
    Unusable {
        /// Its path on the node.
        dir: String,
        /// Why not.
        reason: String,
    },
    /// Somebody else than root may write to the state directory, since it was opened.
    #[error("the state directory {} {reason}", path.display())]
    Unsafe {
        /// The state directory.
        path: PathBuf,
        /// Which directory, and what is to be done.
        reason: String,
    },
}

/// How a baseline came about. Kept beside it, so that a FileIntegrity which is deleted and made
/// again goes on with it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The FileIntegrity that it was made for.
    pub owner: String,
    /// sha256 of the configuration that it was made with.
    pub config_hash: String,
    /// sha256 of the uncompressed database, hex.
    pub digest: String,
    /// How many files it holds.
    pub entries: i64,
    /// When it was made.
    pub created_at: Time,
    /// The AIDE that made it.
    pub aide_version: String,
    /// Whether somebody asked for it.
    pub requested: bool,
    /// The request that it answers, if one did.
    pub request: Option<String>,
    /// What AIDE said of files whose content is missing in it, as they were written meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What lies in the state directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// No database, or an empty one.
    Nothing {
        /// How the one that was there came about, where that is left.
        record: Option<Record>,
    },
    /// A database of this digest, with its record if that is there and says the same digest.
    Database {
        /// sha256 of the uncompressed database, hex.
        digest: String,
        /// How it came about.
        record: Option<Record>,
    },
    /// A file that is no gzip stream, or ends early.
    Unreadable {
        /// What gzip said.
        reason: String,
    },
}

/// The state directory of a node, seen from the daemon.
#[derive(Clone, Debug)]
pub struct StateDir {
    dir: PathBuf,
    host_root: PathBuf,
    on_node: String,
    identity: Identity,
}

/// File systems that forget everything at the next start of the node (statfs(2)).
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

impl StateDir {
    /// Chooses the state directory on the node whose root is at `host_root`: the one that was asked
    /// for, or one of the default ones. Of these it is the one that holds the newest baseline of the
    /// FileIntegrity `owner`, or of any, whether or not it can be used now: a baseline does not move
    /// because a directory appears, or cannot be written for a while. Where there is no baseline it
    /// is the first that is on a disk and writable. Returns its path on the node as well.
    pub fn choose(
        host_root: &Path,
        asked: Option<&str>,
        owner: &str,
    ) -> Result<(Self, String), DatabaseError> {
        if let Some(asked) = asked {
            let dir = state_dir::normalized(asked);
            return match Self::open(host_root, &dir, true) {
                Ok(state) => Ok((state, dir)),
                Err(reason) => Err(DatabaseError::StateDir {
                    reason: format!("the state directory {dir} {reason}"),
                }),
            };
        }
        if let Some(dir) = holder(host_root, owner) {
            return match Self::open(host_root, dir, false) {
                Ok(state) => Ok((state, dir.to_owned())),
                Err(reason) => Err(DatabaseError::Unusable {
                    dir: dir.to_owned(),
                    reason,
                }),
            };
        }
        let mut reasons = Vec::new();
        for dir in DEFAULT_DIRS {
            match Self::open(host_root, dir, dir != DEFAULT_STATE_DIR) {
                Ok(state) => return Ok((state, dir.to_owned())),
                Err(reason) => reasons.push(format!("the state directory {dir} {reason}")),
            }
        }
        Err(DatabaseError::StateDir {
            reason: reasons.join(", "),
        })
    }

    /// Opens a [normalized](state_dir::normalized) directory of the node.
    fn open(host_root: &Path, on_node: &str, may_make: bool) -> Result<Self, String> {
        if let Some(refusal) = state_dir::refusal(on_node) {
            return Err(refusal);
        }
        let checked = state_place::check(host_root, on_node, may_make);
        let identity = checked.map_err(|unfit| match unfit {
            UnfitError::Link(link) => format!("{link}; name the directory itself"),
            other => crate::error_chain(&other),
        })?;
        let dir = host_root.join(on_node.trim_start_matches('/'));
        if !DEFAULT_DIRS.contains(&on_node) {
            state_place::check_content(&dir).map_err(|unfit| crate::error_chain(&unfit))?;
        }
        rustix::fs::access(&dir, Access::WRITE_OK)
            .map_err(|error| format!("cannot be written ({error})"))?;
        let kind = rustix::fs::statfs(&dir)
            .map_err(|error| format!("cannot be looked at ({error})"))?
            .f_type;
        // The kernel's numbers have 32 bits, whatever the field's type.
        if IN_MEMORY
            .iter()
            .any(|memory| i64::from(*memory) == kind & 0xffff_ffff)
        {
            return Err("is in memory".to_owned());
        }
        Ok(Self {
            dir,
            host_root: host_root.to_owned(),
            on_node: on_node.to_owned(),
            identity,
        })
    }

    /// Whether it is still the directory that was chosen, and still root's alone. What AIDE and fio
    /// write there as root must not be led elsewhere by a link that somebody put in its place, or in
    /// it.
    pub fn verify(&self) -> Result<(), DatabaseError> {
        let replaced = |found: String| DatabaseError::Replaced {
            path: self.dir.clone(),
            found,
        };
        match state_place::check(&self.host_root, &self.on_node, false) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => Err(replaced("another directory".to_owned())),
            Err(UnfitError::Link(link)) => Err(replaced(format!("one that {link}"))),
            Err(UnfitError::Writable(reason)) => Err(DatabaseError::Unsafe {
                path: self.dir.clone(),
                reason,
            }),
            Err(error) => Err(replaced(format!("nothing that can be looked at ({error})"))),
        }
    }

    /// This directory, whatever it is on: a test's small disk is in memory.
    #[cfg(test)]
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            host_root: dir.to_owned(),
            on_node: "/".to_owned(),
            identity: identity(dir).unwrap(),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The baseline.
    pub fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    /// Where AIDE writes a new one.
    pub fn new_database(&self) -> PathBuf {
        self.new_of(DATABASE)
    }

    /// The newest plain report.
    pub fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Where AIDE writes the next one.
    pub fn new_log(&self) -> PathBuf {
        self.new_of(LOG)
    }

    fn new_of(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{NEW}"))
    }

    fn record(&self) -> PathBuf {
        self.dir.join(RECORD)
    }

    /// Takes the lock; it is held as long as the returned file is open, here or in a program that was
    /// started meanwhile: an AIDE that outlives its daemon keeps the next one off its database.
    pub fn lock(&self) -> Result<File, DatabaseError> {
        let path = self.dir.join(LOCK);
        make_way(&path)?;
        let file = open_no_follow(&path, OpenOptions::new().write(true).create(true))
            .map_err(failed("open the lock", &path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                rustix::io::fcntl_setfd(&file, FdFlags::empty())
                    .map_err(|errno| failed("share the lock", &path)(errno.into()))?;
                Ok(file)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DatabaseError::Locked { path }),
            Err(errno) => Err(failed("lock", &path)(errno.into())),
        }
    }

    /// Reads what is there, and finishes a swap that a crash cut in two. Decompresses the whole
    /// database, which takes about a second per 100,000 files.
    pub fn load(&self) -> Result<Found, DatabaseError> {
        let path = self.database();
        let size = match fs::symlink_metadata(&path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(failed("look at", &path)(e)),
        };
        if size == 0 {
            let record = read_record(&self.record());
            return Ok(Found::Nothing { record });
        }
        let digest = match digest_of_gzip(&path) {
            Ok(digest) => digest,
            Err(e) => {
                return Ok(Found::Unreadable {
                    reason: e.to_string(),
                });
            }
        };
        let record = self.matching_record(&digest);
        Ok(Found::Database { digest, record })
    }

    /// What is missing in the database of this digest, by its record.
    pub fn unread(&self, digest: &str) -> Option<String> {
        self.matching_record(digest)?.unread
    }

    fn matching_record(&self, digest: &str) -> Option<Record> {
        if let Some(record) = read_record(&self.record()).filter(|r| r.digest == digest) {
            return Some(record);
        }
        let staged = self.new_of(RECORD);
        let record = read_record(&staged).filter(|r| r.digest == digest)?;
        let finished = make_way(&self.record())
            .and_then(|()| rename(&staged, &self.record()))
            .and_then(|()| self.sync_dir());
        if let Err(error) = finished {
            // It is the right one where it lies, too.
            let error = crate::error_chain(&error);
            tracing::warn!(error, "the swap of a baseline cannot be finished");
        }
        Some(record)
    }

    /// Puts the new database and its record in the place of the old ones, which stay as backups,
    /// at most `max_backups` of each. What cannot be removed afterwards stays: the new baseline is in
    /// place by then.
    pub fn commit(
        &self,
        record: &Record,
        now: Timestamp,
        max_backups: usize,
    ) -> Result<(), DatabaseError> {
        // Before anything is swapped: a swap cannot end halfway for them.
        for place in [self.database(), self.record(), self.new_of(RECORD)] {
            make_way(&place)?;
        }
        let new = self.new_database();
        let file =
            open_no_follow(&new, OpenOptions::new().read(true)).map_err(failed("open", &new))?;
        restrict(&file, &new)?;
        file.sync_all().map_err(failed("sync", &new))?;
        write_synced(&self.new_of(RECORD), &record_json(record))?;
        self.back_up(now)?;
        rename(&new, &self.database())?;
        rename(&self.new_of(RECORD), &self.record())?;
        self.sync_dir()?;
        self.prune_backups(max_backups);
        remove_what_can_be(&[self.dir.join(LEGACY_SIGNAL)]);
        Ok(())
    }

    /// Takes over a report that AIDE has finished writing as the newest log.
    pub fn take_log(&self) -> Result<(), DatabaseError> {
        make_way(&self.log())?;
        let new = self.new_log();
        match fs::rename(&new, self.log()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("rename", &new)(e)),
            _ => Ok(()),
        }
    }

    /// Cuts the newest log where it is too long to be kept, and to be backed up many times. One that
    /// is not whole, as AIDE was ended while it wrote it, says so as well.
    pub fn bound_log(&self, is_whole: bool) -> Result<(), DatabaseError> {
        let path = self.log();
        let file = open_no_follow(&path, OpenOptions::new().append(true));
        let cut = file.and_then(|mut file| {
            let size = file.metadata()?.len();
            if is_whole && size <= MAX_LOG {
                return Ok(());
            }
            let kept = size.min(MAX_LOG - CUT_NOTICE);
            file.set_len(kept)?;
            let more = if is_whole { "" } else { "more than " };
            writeln!(
                file,
                "\n[cut: the report had {more}{size} bytes, the first {kept} are kept]"
            )
        });
        match cut {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cut", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what an interrupted run left behind, and links that were put in the way: AIDE would
    /// follow them. Fails where another directory stands in this one's place.
    pub fn clear_unfinished(&self) -> Result<(), DatabaseError> {
        self.verify()?;
        for unfinished in [self.new_of(HALF_COPY), self.new_database(), self.new_log()] {
            make_way(&unfinished)?;
            remove_if_there(&unfinished)?;
        }
        Ok(())
    }

    fn back_up(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let stamp = self.free_stamp(self.not_before_others(now)?);
        for name in [DATABASE, LOG] {
            let from = self.dir.join(name);
            let is_file = fs::symlink_metadata(&from).is_ok_and(|meta| meta.is_file());
            if is_file && !self.is_backed_up(name)? {
                let to = self.dir.join(format!("{name}{BACKUP}{stamp}"));
                if fs::hard_link(&from, &to).is_err() {
                    self.copy_whole(&from, &to)?;
                }
            }
        }
        Ok(())
    }

    /// The newest backup is this very file: a swap was cut off after it was made. A second one would
    /// push an older one out.
    fn is_backed_up(&self, name: &str) -> Result<bool, DatabaseError> {
        let newest = self.backups_of(name)?.into_iter().max();
        let (Some(newest), Ok(current)) = (newest, identity(&self.dir.join(name))) else {
            return Ok(false);
        };
        Ok(identity(&newest).is_ok_and(|backup| backup == current))
    }

    /// For file systems without links. Half a copy would be counted as a backup, and push a whole one
    /// out; so it gets its name when it is whole.
    fn copy_whole(&self, from: &Path, to: &Path) -> Result<(), DatabaseError> {
        let half = self.new_of(HALF_COPY);
        remove_if_there(&half)?;
        let copied = fs::copy(from, &half).and_then(|_| fs::rename(&half, to));
        copied.map_err(|error| {
            fs::remove_file(&half).ok();
            failed("back up", from)(error)
        })
    }

    /// Backups are kept by their names: where the clock was set back, the newest would look like the
    /// oldest, and go first.
    fn not_before_others(&self, now: Timestamp) -> Result<Timestamp, DatabaseError> {
        // A name at the end of time is nobody's clock, and leaves none for the next.
        let is_usable = |at: &Timestamp| *at < Timestamp::MAX - SignedDuration::from_hours(24);
        let mut newest = now;
        for name in [DATABASE, LOG] {
            let backups = self.backups_of(name)?;
            let times = backups.iter().filter_map(|path| stamped_at(path));
            newest = newest.max(times.filter(is_usable).max().unwrap_or(now));
        }
        Ok(newest)
    }

    /// The time as it stands in a backup's name; where two baselines are made in one second, the
    /// second one's backup gets the next second that none has yet.
    fn free_stamp(&self, now: Timestamp) -> String {
        let mut at = now;
        loop {
            let stamp = at.strftime(STAMP).to_string();
            let is_taken = |name: &&str| {
                // What is there without being a file is in the way, too.
                fs::symlink_metadata(self.dir.join(format!("{name}{BACKUP}{stamp}"))).is_ok()
            };
            if ![DATABASE, LOG].iter().any(is_taken) {
                return stamp;
            }
            at += SignedDuration::from_secs(1);
        }
    }

    /// Removes all but the newest `keep` backups of the database and of the log, each. One that cannot
    /// be removed, as it is immutable, stays, and keeps neither the others nor the daemon.
    pub fn prune_backups(&self, keep: usize) {
        for name in [DATABASE, LOG] {
            let mut backups = self.backups_of(name).unwrap_or_else(|error| {
                let error = crate::error_chain(&error);
                tracing::warn!(error, "backups cannot be looked at");
                Vec::new()
            });
            backups.sort();
            let surplus = backups.len().saturating_sub(keep);
            remove_what_can_be(&backups[..surplus]);
        }
    }

    /// Directories that are called so are nobody's backups.
    fn backups_of(&self, name: &str) -> Result<Vec<PathBuf>, DatabaseError> {
        let prefix = format!("{name}{BACKUP}");
        let entries = fs::read_dir(&self.dir).map_err(failed("list", &self.dir))?;
        Ok(entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect())
    }

    fn sync_dir(&self) -> Result<(), DatabaseError> {
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed("sync", &self.dir))
    }
}

/// The time in a backup's name.
fn stamped_at(path: &Path) -> Option<Timestamp> {
    let (_, stamp) = path.to_str()?.rsplit_once(BACKUP)?;
    let at = DateTime::strptime(STAMP, stamp).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Lower-case hex of the sha256 of what the gzip file unpacks to.
pub fn digest_of_gzip(path: &Path) -> io::Result<String> {
    let mut stream =
        flate2::read::MultiGzDecoder::new(open_no_follow(path, OpenOptions::new().read(true))?);
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(names::hex(&hasher.finalize())),
            n => hasher.update(&chunk[..n]),
        }
    }
}

/// The default directory that holds the newest baseline of this FileIntegrity, or else of another
/// one, so that the two meet at one lock, or else a database that nothing is known of.
fn holder(host_root: &Path, owner: &str) -> Option<&'static str> {
    let found = DEFAULT_DIRS.into_iter().rev().filter_map(|on_node| {
        // What lies behind a link, or in a directory of somebody else's, is not fio's.
        let safe = state_place::check(host_root, on_node, false);
        safe.ok()?;
        let dir = host_root.join(on_node.trim_start_matches('/'));
        let record = read_record(&dir.join(RECORD));
        let has_database =
            fs::symlink_metadata(dir.join(DATABASE)).is_ok_and(|meta| meta.is_file());
        let rank = match record {
            Some(record) => (
                2 + u8::from(record.owner == owner),
                Some(record.created_at.0),
            ),
            None if has_database => (1, None),
            None => return None,
        };
        Some((rank, on_node))
    });
    // Of two that are alike the last one counts, which is the first of the defaults.
    found.max_by_key(|(rank, _)| *rank).map(|(_, dir)| dir)
}

fn identity(path: &Path) -> io::Result<Identity> {
    Ok(state_place::identity(&fs::symlink_metadata(path)?))
}

fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> DatabaseError + use<'a> {
    move |source| DatabaseError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Root opens these files in a directory that others might be able to write to: a link put there
/// must not lead it elsewhere.
fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "the flag is a small positive number"
    )]
    let no_follow = OFlags::NOFOLLOW.bits() as i32;
    options.mode(FILE_MODE).custom_flags(no_follow).open(path)
}

fn restrict(file: &File, path: &Path) -> Result<(), DatabaseError> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))
        .map_err(failed("set the mode of", path))
}

/// Writes the whole file, or leaves none.
fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DatabaseError> {
    open_no_follow(
        path,
        OpenOptions::new().write(true).create(true).truncate(true),
    )
    .and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
    .map_err(|error| {
        fs::remove_file(path).ok();
        failed("write", path)(error)
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), DatabaseError> {
    fs::rename(from, to).map_err(failed("rename", from))
}

/// Removes an empty directory that stands where a file belongs. What has something in it is
/// somebody's, and stays; a link is no directory, and not followed.
fn make_way(path: &Path) -> Result<(), DatabaseError> {
    if !fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        return Ok(());
    }
    match fs::remove_dir(path) {
        Ok(()) => tracing::warn!(
            path = %path.display(),
            "an empty directory stood in the place of a file, and was removed"
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            let path = path.to_owned();
            return Err(DatabaseError::InTheWay { path, source });
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), DatabaseError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes what there is of these, and warns of each that stays.
fn remove_what_can_be(paths: &[PathBuf]) {
    for path in paths {
        if let Err(error) = remove_if_there(path) {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "a file in the state directory stays");
        }
    }
}

fn record_json(record: &Record) -> Vec<u8> {
    // A struct of strings, numbers and a time always has a JSON form.
    serde_json::to_vec(record).unwrap_or_default()
}

fn read_record(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_mounts::SmallDisk;

    fn gzip(text: &str) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    }

    fn record(text: &str) -> Record {
        Record {
            owner: "fi".to_owned(),
            config_hash: "c".to_owned(),
            digest: names::sha256_hex(text),
            entries: 3,
            created_at: Time(at(0)),
            aide_version: "0.19.1".to_owned(),
            requested: true,
            request: None,
            unread: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let root = tempfile::tempdir().unwrap();
        let (state, _) = StateDir::choose(root.path(), Some("/etc/kubernetes"), "fi").unwrap();
        (root, state)
    }

    fn commit(state: &StateDir, text: &str, second: i64, keep: usize) {
        fs::write(state.new_database(), gzip(text)).unwrap();
        state.commit(&record(text), at(second), keep).unwrap();
    }

    #[test]
    fn the_state_directory_is_the_first_that_will_do() {
        let root = tempfile::tempdir().unwrap();
        let chosen = || {
            StateDir::choose(root.path(), None, "fi")
                .map(|(_, dir)| dir)
                .unwrap()
        };
        assert_eq!(chosen(), "/var/lib/file-integrity");
        fs::create_dir_all(root.path().join("etc/kubernetes")).unwrap();
        assert_eq!(chosen(), "/etc/kubernetes");
    }

    #[test]
    fn a_default_state_directory_in_memory_or_read_only_makes_way_for_the_other() {
        let test = "aide::database::tests::a_default_state_directory_in_memory_or_read_only_makes_way_for_the_other";
        let Some(disk) = SmallDisk::of_test(test) else {
            return;
        };
        let chosen = |asked| StateDir::choose(&disk.root, asked, "fi").map(|(_, dir)| dir);
        assert_eq!(chosen(None).unwrap(), DEFAULT_DIRS[1]);
        let told = |asked| chosen(asked).unwrap_err().to_string();
        let asked = Some(DEFAULT_DIRS[0]);
        assert!(told(asked).starts_with("the state directory /etc/kubernetes is in memory; "));
        disk.make_read_only();
        assert_eq!(chosen(None).unwrap(), DEFAULT_DIRS[1]);
        let read_only =
            "the state directory /etc/kubernetes cannot be written (Read-only file system";
        assert!(told(asked).starts_with(read_only), "{}", told(asked));
        // Neither will do.
        fs::remove_dir(disk.root.join("var/lib/file-integrity")).unwrap();
        fs::remove_dir(disk.root.join("var/lib")).unwrap();
        fs::write(disk.root.join("var/lib"), "").unwrap();
        let error = told(None);
        for dir in DEFAULT_DIRS {
            assert!(
                error.contains(&format!("the state directory {dir} cannot be ")),
                "{error}"
            );
        }
        assert!(
            error.ends_with(
                "set spec.config.stateDir to a directory that is on a disk and writable by root alone, such as \
                 /var/lib/file-integrity, or leave it unset"
            )
        );
    }

    #[test]
    fn a_state_directory_behind_a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let there = |path: &str| root.path().join(path);
        fs::create_dir_all(there("var/opt/fio")).unwrap();
        std::os::unix::fs::symlink("var/opt", there("opt")).unwrap();
        std::os::unix::fs::symlink("/var/opt/fio", there("state")).unwrap();
        let told = |dir| {
            StateDir::choose(root.path(), Some(dir), "fi")
                .unwrap_err()
                .to_string()
        };
        assert!(
            told("/opt/fio").starts_with(
                "the state directory /opt/fio lies behind the symbolic link /opt to var/opt; \
                 name the directory itself"
            ),
            "{}",
            told("/opt/fio")
        );
        assert!(told("/state").starts_with("the state directory /state is a symbolic link to "));
        assert!(StateDir::choose(root.path(), Some("/var/opt/fio"), "fi").is_ok());
    }

    #[test]
    fn a_state_directory_that_was_replaced_is_noticed() {
        let (root, state) = state();
        let (dir, aside) = (state.path().to_owned(), root.path().join("etc/aside"));
        state.verify().unwrap();
        let told = || state.verify().unwrap_err().to_string();
        fs::rename(&dir, &aside).unwrap();
        assert!(
            told().contains("nothing that can be looked at"),
            "{}",
            told()
        );
        std::os::unix::fs::symlink("aside", &dir).unwrap();
        assert!(
            told().contains("one that is a symbolic link to aside is in its place"),
            "{}",
            told()
        );
        fs::remove_file(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        assert!(
            told().contains("another directory is in its place"),
            "{}",
            told()
        );
        fs::remove_dir(&dir).unwrap();
        fs::rename(&aside, &dir).unwrap();
        state.verify().unwrap();
    }

    #[test]
    fn a_baseline_stays_where_it_is_when_the_other_default_directory_appears() {
        let root = tempfile::tempdir().unwrap();
        let chosen = |owner| StateDir::choose(root.path(), None, owner).unwrap();
        let (state, dir) = chosen("fi");
        assert_eq!(dir, DEFAULT_DIRS[1]);
        commit(&state, "one", 0, 5);
        let other = root.path().join("etc/kubernetes");
        fs::create_dir_all(&other).unwrap();
        assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
        assert_eq!(
            chosen("another").1,
            DEFAULT_DIRS[1],
            "they meet at one lock"
        );
        fs::write(other.join(DATABASE), gzip("the original's")).unwrap();
        assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
        // A record of before the move to the directory that is used now.
        let mut older = record("older");
        older.created_at = Time(at(-1));
        fs::write(other.join(RECORD), record_json(&older)).unwrap();
        assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
        older.created_at = Time(at(1));
        fs::write(other.join(RECORD), record_json(&older)).unwrap();
        assert_eq!(chosen("fi").1, DEFAULT_DIRS[0]);
        older.owner = "another".to_owned();
        fs::write(other.join(RECORD), record_json(&older)).unwrap();
        assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
    }

    #[test]
    fn a_baseline_does_not_move_while_its_directory_is_read_only() {
        let test =
            "aide::database::tests::a_baseline_does_not_move_while_its_directory_is_read_only";
        let Some(disk) = SmallDisk::of_test(test) else {
            return;
        };
        let chosen = || StateDir::choose(&disk.root, None, "fi").map(|(_, dir)| dir);
        fs::write(disk.path().join(RECORD), record_json(&record("one"))).unwrap();
        let in_memory = chosen().unwrap_err().to_string();
        assert!(
            in_memory.contains("holds the baseline, and is in memory"),
            "{in_memory}"
        );
        disk.make_read_only();
        assert_eq!(
            chosen().unwrap_err().to_string(),
            "the state directory /etc/kubernetes holds the baseline, and cannot be written (Read-only file \
             system (os error 30)); correct that, or set spec.config.stateDir to another directory, which \
             gets a new baseline"
        );
        disk.make_writable();
        fs::remove_file(disk.path().join(RECORD)).unwrap();
        disk.make_read_only();
        assert_eq!(chosen().unwrap(), DEFAULT_DIRS[1]);
    }

    #[test]
    fn a_state_directory_that_others_may_write_is_refused_also_later() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let volume = root.path().join("srv/volume");
        fs::create_dir_all(&volume).unwrap();
        let set = |mode| fs::set_permissions(&volume, fs::Permissions::from_mode(mode)).unwrap();
        let open = || StateDir::choose(root.path(), Some("/srv/volume/fio"), "fi");
        set(0o777);
        assert_eq!(
            open().unwrap_err().to_string(),
            "the state directory /srv/volume/fio is not safe: others than root may write to /srv/volume (mode \
             0777); only root may (`chmod go-w /srv/volume`); set spec.config.stateDir to a directory that is \
             on a disk and writable by root alone, such as /var/lib/file-integrity, or leave it unset"
        );
        assert!(!volume.join("fio").exists());
        set(0o755);
        let (state, _) = open().unwrap();
        state.verify().unwrap();
        set(0o775);
        let error = state.verify().unwrap_err();
        assert!(matches!(error, DatabaseError::Unsafe { .. }), "{error}");
        assert!(state.clear_unfinished().is_err());
    }

    #[test]
    fn directories_of_the_system_and_those_of_others_are_refused() {
        let root = tempfile::tempdir().unwrap();
        for (dir, file, expected) in [
            (
                "etc/cron.d",
                "job",
                "is inside /etc, a directory of the system",
            ),
            (
                "etc/cron.d",
                "aide.lock",
                "is inside /etc, a directory of the system",
            ),
            (
                "srv/app",
                "conf",
                "is neither empty nor fio's own: conf is in it",
            ),
        ] {
            let there = root.path().join(dir);
            fs::create_dir_all(&there).unwrap();
            fs::write(there.join(file), "").unwrap();
            let dir = format!("/{dir}/.");
            let error = StateDir::choose(root.path(), Some(&dir), "fi").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        fs::create_dir_all(root.path().join("srv/empty")).unwrap();
        let taken = |dir| StateDir::choose(root.path(), Some(dir), "fi").map(|(_, dir)| dir);
        assert_eq!(taken("/srv//empty/").unwrap(), "/srv/empty");
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = StateDir::choose(root.path(), Some("/file/dir"), "fi").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the state directory /file/dir cannot be made (")
        );
    }

    #[test]
    fn an_empty_directory_holds_nothing() {
        let (_root, state) = state();
        let nothing = |record| Found::Nothing { record };
        assert_eq!(state.load().unwrap(), nothing(None));
        fs::write(state.database(), "").unwrap();
        assert_eq!(state.load().unwrap(), nothing(None));
        commit(&state, "one", 0, 5);
        fs::write(state.database(), "").unwrap();
        assert_eq!(state.load().unwrap(), nothing(Some(record("one"))));
        fs::remove_file(state.database()).unwrap();
        assert_eq!(state.load().unwrap(), nothing(Some(record("one"))));
    }

    #[test]
    fn a_committed_database_is_found_with_its_record() {
        let (_root, state) = state();
        commit(&state, "one", 0, 5);
        let expected = record("one");
        assert_eq!(
            state.load().unwrap(),
            Found::Database {
                digest: expected.digest.clone(),
                record: Some(expected)
            }
        );
    }

    #[test]
    fn a_crash_between_the_renames_is_mended_at_the_next_start() {
        let (_root, state) = state();
        commit(&state, "one", 0, 5);
        // The state after the first rename of a second commit.
        fs::write(state.database(), gzip("two")).unwrap();
        write_synced(&state.new_of(RECORD), &record_json(&record("two"))).unwrap();
        let Found::Database { record: found, .. } = state.load().unwrap() else {
            panic!("the database is there");
        };
        assert_eq!(found, Some(record("two")));
        assert_eq!(read_record(&state.record()), Some(record("two")));
        assert!(!state.new_of(RECORD).exists());
    }

    #[test]
    fn a_database_from_elsewhere_has_no_record() {
        let (_root, state) = state();
        commit(&state, "one", 0, 5);
        fs::write(state.database(), gzip("forged")).unwrap();
        assert_eq!(
            state.load().unwrap(),
            Found::Database {
                digest: names::sha256_hex("forged"),
                record: None
            }
        );
    }

    #[test]
    fn a_truncated_database_is_unreadable_not_absent() {
        let (_root, state) = state();
        let whole = gzip("some text that is long enough to be cut");
        fs::write(state.database(), &whole[..whole.len() - 9]).unwrap();
        assert!(matches!(state.load().unwrap(), Found::Unreadable { .. }));
    }

    #[test]
    fn baselines_made_in_one_second_are_all_backed_up() {
        let (_root, state) = state();
        for text in ["a", "b", "c", "d"] {
            commit(&state, text, 0, 5);
        }
        let mut backups = state.backups_of(DATABASE).unwrap();
        backups.sort();
        let digests: Vec<_> = backups.iter().map(|b| digest_of_gzip(b).unwrap()).collect();
        assert_eq!(digests, ["a", "b", "c"].map(names::sha256_hex));
    }

    #[test]
    fn a_swap_that_was_cut_off_after_its_backup_makes_no_second_one() {
        let (_root, state) = state();
        commit(&state, "a", 0, 5);
        fs::write(state.log(), "report").unwrap();
        state.back_up(at(1)).unwrap();
        commit(&state, "b", 2, 5);
        for name in [DATABASE, LOG] {
            assert_eq!(state.backups_of(name).unwrap().len(), 1, "{name}");
        }
        let backups = state.backups_of(DATABASE).unwrap();
        assert_eq!(digest_of_gzip(&backups[0]).unwrap(), names::sha256_hex("a"));
    }

    #[test]
    fn a_backup_that_is_copied_gets_its_name_when_it_is_whole() {
        let (_root, state) = state();
        let (from, to) = (state.log(), state.dir.join("aide.log.backup-x"));
        assert!(state.copy_whole(&from, &to).is_err());
        fs::write(&from, "report").unwrap();
        fs::write(state.new_of(HALF_COPY), "of a daemon that was killed").unwrap();
        state.copy_whole(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "report");
        assert!(!state.new_of(HALF_COPY).exists());
        fs::write(state.new_of(HALF_COPY), "of a daemon that was killed").unwrap();
        state.clear_unfinished().unwrap();
        assert!(!state.new_of(HALF_COPY).exists());
    }

    #[test]
    fn a_clock_set_back_does_not_cost_the_newest_backup() {
        let (_root, state) = state();
        fs::write(state.path().join("aide.db.gz.backup-99991230T21_00_00"), "").unwrap();
        for (text, second) in [("1", 200_000), ("2", 200_001), ("3", 0), ("4", 1)] {
            commit(&state, text, second, 3);
        }
        let mut backups = state.backups_of(DATABASE).unwrap();
        backups.sort();
        let digests = backups.iter().map(|path| digest_of_gzip(path).ok());
        let expected = ["2", "3"].map(|text| Some(names::sha256_hex(text)));
        assert_eq!(digests.take(2).collect::<Vec<_>>(), expected);
    }

    /// The backups of the database, the oldest first, which are those of these texts and no others.
    fn backups_with(state: &StateDir, texts: [&str; 2]) -> Vec<PathBuf> {
        let mut backups = state.backups_of(DATABASE).unwrap();
        backups.sort();
        let digests: Vec<_> = backups.iter().map(|b| digest_of_gzip(b).unwrap()).collect();
        assert_eq!(digests, texts.map(names::sha256_hex));
        backups
    }

    #[test]
    fn backups_are_pruned_to_the_newest() {
        let (_root, state) = state();
        for (second, text) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
            commit(&state, text, second, 2);
        }
        let backups = backups_with(&state, ["b", "c"]);
        let name = backups[0]
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        assert_eq!(name, "aide.db.gz.backup-20231114T22_13_22");
    }

    #[test]
    fn what_cannot_be_removed_keeps_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|name| dir.path().join(name));
        fs::create_dir(&paths[0]).unwrap();
        fs::write(&paths[1], "").unwrap();
        fs::write(&paths[2], "").unwrap();
        remove_what_can_be(&paths);
        assert_eq!(paths.map(|path| path.exists()), [true, false, false]);
    }

    #[test]
    fn directories_that_are_called_like_backups_are_in_nobodys_way() {
        let (_root, state) = state();
        let directories = [
            "20200101T00_00_00",
            "20231114T22_13_22",
            "20300101T00_00_00",
        ]
        .map(|stamp| state.path().join(format!("{DATABASE}{BACKUP}{stamp}")));
        for directory in &directories {
            fs::create_dir(directory).unwrap();
        }
        fs::create_dir(state.path().join(LEGACY_SIGNAL)).unwrap();
        for (second, text) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
            commit(&state, text, second, 2);
        }
        let backups = backups_with(&state, ["b", "c"]);
        assert!(directories.iter().all(|directory| directory.is_dir()));
        state.prune_backups(1);
        assert_eq!(state.backups_of(DATABASE).unwrap(), &backups[1..]);
    }

    #[test]
    fn no_backups_are_kept_when_none_are_wanted() {
        let (_root, state) = state();
        commit(&state, "a", 0, 0);
        commit(&state, "b", 1, 0);
        assert_eq!(state.backups_of(DATABASE).unwrap(), Vec::<PathBuf>::new());
        assert!(matches!(state.load().unwrap(), Found::Database { .. }));
    }

    #[test]
    fn a_log_beyond_the_bound_is_cut_and_says_so() {
        let (_root, state) = state();
        fs::write(state.new_log(), "short").unwrap();
        state.take_log().unwrap();
        state.bound_log(true).unwrap();
        assert_eq!(fs::read_to_string(state.log()).unwrap(), "short");
        let file = File::create(state.log()).unwrap();
        file.set_len(MAX_LOG + 7).unwrap();
        state.bound_log(true).unwrap();
        state.bound_log(true).unwrap();
        let log = fs::read(state.log()).unwrap();
        assert!(log.len() as u64 <= MAX_LOG);
        let said = "\n[cut: the report had 67108871 bytes, the first 67108736 are kept]\n";
        assert!(log.ends_with(said.as_bytes()));
        fs::write(state.log(), "half").unwrap();
        state.bound_log(false).unwrap();
        let said = "half\n[cut: the report had more than 4 bytes, the first 4 are kept]\n";
        assert_eq!(fs::read_to_string(state.log()).unwrap(), said);
    }

    #[test]
    fn the_lock_is_held_once() {
        let (_root, state) = state();
        let held = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(DatabaseError::Locked { .. })));
        drop(held);
        // Programs that other tests have started since may have it, too.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while state.lock().is_err() {
            assert!(
                std::time::Instant::now() < deadline,
                "it is never given back"
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    #[test]
    fn a_program_that_was_started_meanwhile_holds_the_lock_as_well() {
        let (_root, state) = state();
        let held = state.lock().unwrap();
        let mut program = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        drop(held);
        assert!(matches!(state.lock(), Err(DatabaseError::Locked { .. })));
        program.kill().unwrap();
        program.wait().unwrap();
    }

    #[test]
    fn an_empty_directory_makes_way_for_a_file_and_another_one_is_named() {
        type Step = fn(&StateDir) -> Result<(), DatabaseError>;
        let swap: Step = |state| {
            fs::write(state.new_database(), gzip("two")).unwrap();
            state.commit(&record("two"), at(1), 5)
        };
        let report: Step = |state| {
            fs::write(state.new_log(), "report").unwrap();
            state.take_log()
        };
        let table: [(&str, Step); 8] = [
            ("aide.lock", |state| state.lock().map(drop)),
            ("aide.log", report),
            ("aide.log.new", StateDir::clear_unfinished),
            ("aide.db.gz.new", StateDir::clear_unfinished),
            ("aide.backup.new", StateDir::clear_unfinished),
            ("aide.db.gz", swap),
            ("aide.baseline.json", swap),
            ("aide.baseline.json.new", swap),
        ];
        for (name, step) in table {
            let (_root, state) = state();
            let place = state.path().join(name);
            let precious = place.join("precious");
            fs::create_dir(&place).unwrap();
            fs::write(&precious, "").unwrap();
            let error = step(&state).unwrap_err().to_string();
            let expected = format!("{} is a directory, and a file of fio's", place.display());
            assert!(error.starts_with(&expected), "{error}");
            assert!(precious.exists(), "{name}");
            fs::remove_file(precious).unwrap();
            step(&state).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!place.is_dir(), "{name}");
        }
    }

    #[test]
    fn a_directory_in_place_of_the_record_cuts_no_swap_in_two_and_hides_no_record() {
        let (_root, state) = state();
        commit(&state, "one", 0, 5);
        fs::remove_file(state.record()).unwrap();
        fs::create_dir_all(state.record().join("precious")).unwrap();
        fs::write(state.new_database(), gzip("two")).unwrap();
        state.commit(&record("two"), at(1), 5).unwrap_err();
        let found = |text: &str, record| Found::Database {
            digest: names::sha256_hex(text),
            record,
        };
        assert_eq!(state.load().unwrap(), found("one", None));
        // A swap that was cut off before the directory was there.
        write_synced(&state.new_of(RECORD), &record_json(&record("one"))).unwrap();
        for _ in 0..2 {
            assert_eq!(state.load().unwrap(), found("one", Some(record("one"))));
        }
    }

    #[test]
    fn a_link_in_place_of_a_file_is_not_followed() {
        let (root, state) = state();
        let outside = root.path().join("outside");
        std::os::unix::fs::symlink(&outside, state.new_of(RECORD)).unwrap();
        fs::write(state.new_database(), gzip("x")).unwrap();
        assert!(state.commit(&record("x"), at(0), 5).is_err());
        assert!(!outside.exists());
    }
}
