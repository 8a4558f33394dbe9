//! Carries out the two things that AIDE does here: making a baseline and comparing with it. I/O.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::configuration::ConfigurationError;
use super::machine::{Cause, Disk, Finished, KnownBaseline, NO_DATABASE};
use super::node_config::{self, Asked, NodeConfig, NodeConfigError, Verified};
use crate::aide::command::{self, Aide, Around, Mode, Remains, RunError};
use crate::aide::config::RunOptions;
use crate::aide::database::{self, DatabaseError, Found, Record, StateDir};
use crate::aide::exit::{self, AideError, Verdict};
use crate::aide::report::{self, Report};
use crate::aide::stderr::Stderr;
use crate::api::{Baseline, ErrorClass, UnwatchedRule, time};
use crate::scan::Identity;
use crate::scan::change_log;
use crate::scan::failure_log::{self, Reports};
use crate::scan::outcome::{
    Finding, Outcome, ScanError, evaluate, evaluate_truncated, require_complete_baseline,
};

/// Name of the file that stands while AIDE runs, in the container's own directory.
const MARKER: &str = "aide.running";
/// Name of AIDE's JSON report there.
const JSON_REPORT: &str = "aide.report.json";

/// Bytes below which a disk counts as full when AIDE could not write: a small node's database.
const MIN_ROOM: u64 = 1024 * 1024;

/// Most bytes that each of AIDE's two reports of a scan may have: enough for a million entries.
pub const MAX_REPORT: u64 = 1024 * 1024 * 1024;
/// Each may have this part of the room that there is, so that half of it stays free.
const PART_OF_ROOM: u64 = 4;

/// So often AIDE is run when it leaves something out.
const MAX_RUNS: u32 = 4;

/// Everything that a run of AIDE needs.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The program.
    pub aide: Aide,
    /// Its version.
    pub aide_version: String,
    /// Where the baseline lies.
    pub state: StateDir,
    /// The state directory as the node's own processes see it.
    pub state_dir_on_node: String,
    /// A directory of the container's own, which lives as long as the pod.
    pub work_dir: PathBuf,
    /// Where the node's root is mounted.
    pub host_root: String,
    /// Whose files are scanned, for whom.
    pub identity: Identity,
    /// AIDE's worker threads.
    pub workers: u32,
    /// Backups to keep.
    pub max_backups: usize,
    /// Most bytes of a report, where there is room for it.
    pub max_report: u64,
    /// What is known of the newest configuration for this node.
    pub verified: Verified,
}

/// What a run of AIDE left besides the bare fact that it is over.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub finished: Finished,
    /// The new baseline, as it is published.
    pub baseline: Option<Baseline>,
    /// The kept log of a failed scan.
    pub log: Option<Value>,
    /// The scan's id.
    pub scan: String,
    /// The lines for log shippers about what a failed scan found.
    pub lines: Option<String>,
    /// When the run began.
    pub started_at: Time,
    /// An AIDE that could not be ended.
    pub remains: Option<Remains>,
}

impl Done {
    fn new(finished: Finished, started_at: Time) -> Self {
        Self {
            finished,
            baseline: None,
            log: None,
            scan: String::new(),
            lines: None,
            started_at,
            remains: None,
        }
    }

    /// No baseline was made: its configuration cannot be had.
    pub fn not_initialised(error: &ConfigurationError) -> Self {
        let error = ScanError::new(ErrorClass::Configuration, crate::error_chain(error));
        Self::new(Finished::InitFailed(error), time::now())
    }

    /// No scan was made: its configuration cannot be had.
    pub fn not_scanned(error: &ConfigurationError) -> Self {
        let error = ScanError::new(ErrorClass::Configuration, crate::error_chain(error));
        let finding = Finding::new(&Outcome::Errored(error), time::now(), Duration::ZERO);
        let digest = None;
        Self::new(Finished::Scanned { finding, digest }, time::now())
    }

    /// AIDE was ended as the daemon stops, or could not be ended.
    fn unfinished(error: RunnerError, started_at: Time) -> Result<Self, RunnerError> {
        match error {
            RunnerError::Run(RunError::Cancelled)
            | RunnerError::NodeConfig(NodeConfigError::Run(RunError::Cancelled)) => {
                Ok(Self::new(Finished::Stopped, started_at))
            }
            RunnerError::Run(error @ RunError::Stuck { .. }) => {
                let said = ScanError::new(ErrorClass::Hung, error.to_string());
                let mut done = Self::new(Finished::Stuck(said), started_at);
                if let RunError::Stuck { remains, .. } = error {
                    done.remains = Some(remains);
                }
                Ok(done)
            }
            error => Err(error),
        }
    }
}

/// Why a run failed, in the words that are published.
#[derive(Debug, thiserror::Error)]
enum RunnerError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("{action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    NodeConfig(#[from] NodeConfigError),
    #[error("read AIDE's report")]
    Report(#[from] report::ReportError),
    #[error("put a change into JSON")]
    Json(#[from] serde_json::Error),
    #[error("wait for a file operation")]
    Join(#[from] tokio::task::JoinError),
    #[error("{}", .0.message)]
    Scan(ScanError),
}

impl Runner {
    /// What lies in the state directory. Takes a second per 100,000 files.
    pub fn read_disk(&self) -> Result<Disk, DatabaseError> {
        let is_ours = |record: &Record| record.owner == self.identity.file_integrity;
        Ok(match self.state.load()? {
            Found::Nothing { record } => record
                .filter(is_ours)
                .map_or(Disk::Nothing, |record| Disk::Gone(known(record))),
            Found::Unreadable { reason } => {
                tracing::warn!(reason, "the database cannot be read");
                Disk::Unreadable
            }
            // Its record says the digest that was found.
            Found::Database {
                record: Some(record),
                ..
            } if is_ours(&record) => Disk::Baseline(known(record)),
            Found::Database { digest, .. } => Disk::Foreign { digest },
        })
    }

    /// The baseline on the disk, as it is published.
    pub fn baseline_on_disk(&self) -> Result<Option<Baseline>, DatabaseError> {
        Ok(match self.state.load()? {
            Found::Database {
                record: Some(record),
                ..
            } => Some(self.published(&record)),
            _ => None,
        })
    }

    /// How many runs in a row were cut off together with the container; 0 if the last one was not.
    pub fn interruptions(&self) -> u32 {
        fs::read_to_string(self.marker())
            .ok()
            .map_or(0, |text| text.trim().parse().unwrap_or(1))
    }

    /// Makes a new baseline with the configuration in `config` and puts it in place. A failure
    /// leaves the old one as it was.
    pub async fn initialise(
        &self,
        config: &Path,
        config_hash: &str,
        cause: &Cause,
        cancel: &CancellationToken,
    ) -> Done {
        let started_at = time::now();
        let result = self
            .try_initialise(config, config_hash, cause, cancel)
            .await;
        self.clear_marker();
        let error = match result {
            Ok(record) => {
                let baseline = self.published(&record);
                let mut done = Done::new(Finished::Initialised(known(record)), started_at);
                done.baseline = Some(baseline);
                return done;
            }
            Err(error) => error,
        };
        self.give_room_back();
        Done::unfinished(error, started_at.clone())
            .unwrap_or_else(|error| Done::new(Finished::InitFailed(init_error(&error)), started_at))
    }

    async fn try_initialise(
        &self,
        config: &Path,
        config_hash: &str,
        cause: &Cause,
        cancel: &CancellationToken,
    ) -> Result<Record, RunnerError> {
        self.state.clear_unfinished()?;
        self.set_marker()?;
        let (config, _) = self.configure(config, cancel).await?;
        let (ended, detail) = self.run(&self.aide, Mode::Init, &config, cancel).await?;
        exit::decode_plain(ended.code, ended.signal)
            .map_err(|error| RunnerError::Scan(self.not_written(error, &detail)))?;
        let report = self.read_json_report()?;
        if report.total == 0 {
            let message = "the configuration watches no file on this node";
            return Err(RunnerError::Scan(ScanError::new(
                ErrorClass::Empty,
                message,
            )));
        }
        let runner = self.clone();
        let (config_hash, cause) = (config_hash.to_owned(), cause.clone());
        let unread = ended.stderr.in_motion.summary();
        tokio::task::spawn_blocking(move || runner.commit(&report, config_hash, &cause, unread))
            .await?
    }

    /// AIDE does not say that a disk is full, only that it could not write.
    fn not_written(&self, error: AideError, detail: &str) -> ScanError {
        let mut said = with_detail(error, detail);
        if matches!(error, AideError::Io | AideError::Write) && self.is_nearly_full() {
            let dir = &self.state_dir_on_node;
            said.message = format!("{}; there is no room left in {dir}", said.message);
        }
        said
    }

    /// Is there too little room for a second database beside the one that is there?
    fn is_nearly_full(&self) -> bool {
        let database = fs::metadata(self.state.database()).map_or(0, |meta| meta.len());
        room(self.state.path()).is_some_and(|room| room < MIN_ROOM.max(database.saturating_mul(2)))
    }

    /// Most bytes that a report may have now: an endless one must not fill the node's disk.
    fn report_bound(&self) -> u64 {
        let room = [self.state.path(), &self.work_dir]
            .into_iter()
            .filter_map(room)
            .min();
        let part = room.map_or(u64::MAX, |room| room / PART_OF_ROOM);
        part.max(MIN_ROOM).min(self.max_report)
    }

    fn commit(
        &self,
        report: &Report,
        config_hash: String,
        cause: &Cause,
        unread: Option<String>,
    ) -> Result<Record, RunnerError> {
        let new = self.state.new_database();
        let digest = database::digest_of_gzip(&new).map_err(|source| RunnerError::File {
            action: "read",
            path: new,
            source,
        })?;
        let now = time::now();
        let record = Record {
            owner: self.identity.file_integrity.clone(),
            config_hash,
            digest,
            entries: i64::try_from(report.total).unwrap_or(i64::MAX),
            created_at: now.clone(),
            aide_version: self.aide_version.clone(),
            requested: cause.requested(),
            request: cause.request().map(str::to_owned),
            unread,
        };
        self.state.commit(&record, now.0, self.max_backups)?;
        if let Err(error) = self.state.take_log() {
            // The baseline is in place, and is one without its log.
            let error = crate::error_chain(&error);
            tracing::warn!(error, "the log of the new baseline cannot be kept");
        }
        Ok(record)
    }

    /// Compares the node with the baseline.
    pub async fn scan(&self, config: &Path, cancel: &CancellationToken) -> Done {
        let started_at = time::now();
        let start = Instant::now();
        if let Err(error) = self.state.verify() {
            // Before the baseline is looked for: that of another directory is none of ours.
            let finished = self.not_scanned(&error.into(), start.elapsed());
            return Done::new(finished, started_at);
        }
        if fs::metadata(self.state.database()).map_or(true, |meta| meta.len() == 0) {
            tracing::warn!("there is no database to compare with");
            return Done::new(Finished::BaselineGone, started_at);
        }
        let scan = change_log::scan_id(&self.identity, &jiff::Timestamp::now());
        let result = self.try_scan(config, &scan, cancel).await;
        self.clear_marker();
        if matches!(&result, Err(RunnerError::Run(RunError::Cancelled))) {
            self.give_room_back();
        }
        let mut done = match result {
            Ok(scanned) => scanned.done(start.elapsed(), started_at),
            Err(error) => Done::unfinished(error, started_at.clone()).unwrap_or_else(|error| {
                Done::new(self.not_scanned(&error, start.elapsed()), started_at)
            }),
        };
        done.scan = scan;
        done
    }

    async fn try_scan(
        &self,
        config: &Path,
        scan: &str,
        cancel: &CancellationToken,
    ) -> Result<Scanned, RunnerError> {
        self.state.clear_unfinished()?;
        self.set_marker()?;
        let most = self.report_bound();
        let aide = self.aide.clone().writing_at_most(most);
        let (config, unwatched) = self.configure(config, cancel).await?;
        let (ended, detail) = self.run(&aide, Mode::Check, &config, cancel).await?;
        let verdict = exit::decode(ended.code, ended.signal);
        let is_cut_off = verdict == Verdict::Error(AideError::Signal(exit::SIGXFSZ));
        if let Verdict::Error(error) = verdict
            && !is_cut_off
        {
            return Err(RunnerError::Scan(with_detail(error, &detail)));
        }
        let (runner, scan) = (self.clone(), scan.to_owned());
        tokio::task::spawn_blocking(move || {
            let (digest, outcome) = if is_cut_off {
                let outcome = evaluate_truncated(runner.read_json_report().ok(), most);
                (runner.digest_on_disk(), outcome)
            } else {
                let report = runner.read_json_report()?;
                let digest = report.database_digest.clone();
                let digest = digest.or_else(|| runner.digest_on_disk());
                let unread = digest.as_deref().and_then(|it| runner.state.unread(it));
                (
                    digest,
                    require_complete_baseline(evaluate(verdict, report), unread),
                )
            };
            runner.state.take_log()?;
            runner.state.bound_log(!is_cut_off)?;
            let (log, lines) = match &outcome {
                Outcome::Changed(report) => {
                    let lines = change_log::lines(&runner.identity, &scan, &time::now(), report);
                    (Some(runner.failure_log(report)?), Some(lines?))
                }
                _ => (None, None),
            };
            runner.remove_json_report()?;
            Ok(Scanned {
                outcome,
                unwatched,
                digest,
                log,
                lines,
            })
        })
        .await?
    }

    /// Of a scan whose report ends before it names the database that was read.
    fn digest_on_disk(&self) -> Option<String> {
        match self.state.load().ok()? {
            Found::Database { digest, .. } => Some(digest),
            Found::Unreadable { .. } => Some(NO_DATABASE.to_owned()),
            Found::Nothing { .. } => None,
        }
    }

    fn not_scanned(&self, error: &RunnerError, duration: Duration) -> Finished {
        let digest = match self.database_in_doubt(error) {
            // It went after it was looked for.
            Some(Found::Nothing { .. }) => return Finished::BaselineGone,
            Some(Found::Unreadable { .. }) => Some(NO_DATABASE.to_owned()),
            Some(Found::Database { digest, record }) => match self.outdated_by(error, record) {
                Some(made_by) => return Finished::BaselineOutdated { made_by, digest },
                None => Some(digest),
            },
            None => None,
        };
        let outcome = Outcome::Errored(scan_error(error));
        Finished::Scanned {
            finding: Finding::new(&outcome, time::now(), duration),
            digest,
        }
    }

    /// Where AIDE fails, the database may be the reason: somebody has removed it, cut it off, or put
    /// another file there.
    fn database_in_doubt(&self, error: &RunnerError) -> Option<Found> {
        match error {
            RunnerError::Scan(_) => self.state.load().ok(),
            _ => None,
        }
    }

    /// Where the error is that AIDE cannot read the database, and its record says that another AIDE
    /// made it: which one.
    fn outdated_by(&self, error: &RunnerError, record: Option<Record>) -> Option<String> {
        match error {
            RunnerError::Scan(error) if error.class == AideError::Database.class() => {}
            _ => return None,
        }
        let made_by = record?.aide_version;
        (made_by != self.aide_version).then_some(made_by)
    }

    /// What an unfinished run has written is of no use, and takes room that the node may be
    /// short of.
    fn give_room_back(&self) {
        if let Err(error) = self.state.clear_unfinished() {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "an unfinished run of AIDE leaves files behind");
        }
    }

    /// Runs AIDE until it has seen everything. What changes under its hands makes it leave whole
    /// directories or a file's content out, so such a run is done again; if it does not help, the run
    /// has failed. A file that is written without end does not stand in the way of a baseline: its
    /// scans are no success.
    async fn run(
        &self,
        aide: &Aide,
        mode: Mode,
        config: &NodeConfig,
        cancel: &CancellationToken,
    ) -> Result<(command::Finished, String), RunnerError> {
        let mut unread = String::new();
        for run in 1..=MAX_RUNS {
            let finished = self.run_once(aide, mode, &config.path, cancel).await?;
            let Stderr {
                error,
                left_out,
                in_motion,
                others,
            } = &finished.stderr;
            if let Some(warnings) = others.summary() {
                tracing::debug!(warnings, "AIDE warns");
            }
            let mut what = left_out.summary();
            if what.is_none() && !stands_in_motion(mode, &finished, run) {
                what = in_motion.summary();
            }
            let Some(what) = what else {
                tell_motion(in_motion.summary());
                let error = error.as_deref().unwrap_or_default();
                let detail = config.aide_error(error);
                return Ok((finished, detail));
            };
            unread = what;
            tracing::info!(unread, "AIDE left something out; it runs again");
        }
        Err(RunnerError::Scan(ScanError::new(
            ErrorClass::Incomplete,
            format!("AIDE error: it could not read everything: {unread}"),
        )))
    }

    async fn run_once(
        &self,
        aide: &Aide,
        mode: Mode,
        config: &Path,
        cancel: &CancellationToken,
    ) -> Result<command::Finished, RunnerError> {
        self.remove_json_report()?;
        Ok(aide.run(mode, config, &self.around(), cancel).await?)
    }

    fn around(&self) -> Around {
        let options = RunOptions::new(self.state.path(), &self.json_report(), self.workers);
        Around::of(&options)
    }

    /// The configuration for this node, and the rules that watch nothing because of symbolic links.
    async fn configure(
        &self,
        config: &Path,
        cancel: &CancellationToken,
    ) -> Result<(NodeConfig, Vec<UnwatchedRule>), RunnerError> {
        let around = self.around();
        let asked = Asked {
            aide: &self.aide,
            around: &around,
            host_root: &self.host_root,
            cancel,
        };
        let limit = self.aide.stall_limit().unwrap_or(node_config::LIMIT);
        let limit = limit.min(node_config::LIMIT);
        let mut made = NodeConfig::make(config, &self.work_dir, &self.host_root, limit).await?;
        let unwatched = made.verify(config, &self.verified, asked).await?;
        Ok((made, node_config::listed(&unwatched)))
    }

    fn published(&self, record: &Record) -> Baseline {
        Baseline {
            created_at: record.created_at.clone(),
            config_hash: record.config_hash.clone(),
            digest: record.digest.clone(),
            entries: record.entries,
            aide_version: record.aide_version.clone(),
            state_dir: Some(self.state_dir_on_node.clone()),
            requested: record.requested,
        }
    }

    fn failure_log(&self, report: &Report) -> Result<Value, RunnerError> {
        let open = |path: PathBuf| {
            File::open(&path).map_err(|source| RunnerError::File {
                action: "open",
                path,
                source,
            })
        };
        let reports = Reports {
            plain: open(self.state.log())?,
            json: open(self.json_report())?,
            path_on_node: format!("{}/aide.log", self.state_dir_on_node.trim_end_matches('/')),
        };
        let kept = failure_log::fit(&self.identity, report, reports).map_err(|source| {
            RunnerError::File {
                action: "read",
                path: self.state.log(),
                source,
            }
        })?;
        Ok(failure_log::config_map(&self.identity, report, &kept))
    }

    fn read_json_report(&self) -> Result<Report, RunnerError> {
        let path = self.json_report();
        let file = File::open(&path).map_err(|source| RunnerError::File {
            action: "open",
            path,
            source,
        })?;
        let mut report = report::parse_json(file)?;
        report.strip_host_root(&self.host_root);
        Ok(report)
    }

    /// A report left from an earlier run must not be taken for that of this one.
    fn remove_json_report(&self) -> Result<(), RunnerError> {
        let path = self.json_report();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(RunnerError::File {
                action: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }

    fn json_report(&self) -> PathBuf {
        self.work_dir.join(JSON_REPORT)
    }

    fn marker(&self) -> PathBuf {
        self.work_dir.join(MARKER)
    }

    /// Where memory runs out the whole container is ended; its next start finds this.
    fn set_marker(&self) -> Result<(), RunnerError> {
        let path = self.marker();
        let count = self.interruptions() + 1;
        // What somebody put there is not followed elsewhere.
        self.clear_marker();
        File::create_new(&path)
            .and_then(|mut file| {
                write!(file, "{count}")?;
                file.sync_all()
            })
            .map_err(|source| RunnerError::File {
                action: "write",
                path,
                source,
            })
    }

    fn clear_marker(&self) {
        if let Err(error) = fs::remove_file(self.marker())
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the marker of a running scan cannot be removed");
        }
    }
}

struct Scanned {
    outcome: Outcome,
    unwatched: Vec<UnwatchedRule>,
    digest: Option<String>,
    log: Option<Value>,
    lines: Option<String>,
}

impl Scanned {
    fn done(self, duration: Duration, started_at: Time) -> Done {
        let mut finding = Finding::new(&self.outcome, time::now(), duration);
        finding.result.unwatched_rules = self.unwatched;
        let finished = Finished::Scanned {
            finding,
            digest: self.digest,
        };
        Done {
            log: self.log,
            lines: self.lines,
            ..Done::new(finished, started_at)
        }
    }
}

fn known(record: Record) -> KnownBaseline {
    KnownBaseline {
        config_hash: record.config_hash,
        digest: record.digest,
        request: record.request,
        requested: record.requested,
    }
}

/// Bytes that may still be written to the file system of this directory.
fn room(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether the outcome of the so-manieth run counts although files were written while it read them.
fn stands_in_motion(mode: Mode, finished: &command::Finished, run: u32) -> bool {
    match exit::decode(finished.code, finished.signal) {
        Verdict::Clean => mode == Mode::Init && run == MAX_RUNS,
        Verdict::Changes { .. } | Verdict::Error(_) => true,
    }
}

fn tell_motion(files: Option<String>) {
    if let Some(files) = files {
        tracing::warn!(
            files,
            "files were written while AIDE read them; their content is not compared"
        );
    }
}

fn with_detail(error: AideError, detail: &str) -> ScanError {
    let message = if detail.is_empty() {
        error.message()
    } else {
        format!("{}: {detail}", error.message())
    };
    ScanError::new(error.class(), message)
}

fn init_error(error: &RunnerError) -> ScanError {
    let inner = scan_error(error);
    ScanError::new(
        inner.class,
        format!("Error initializing the AIDE DB: {}", inner.message),
    )
}

fn scan_error(error: &RunnerError) -> ScanError {
    let class = match error {
        RunnerError::Scan(error) => return error.clone(),
        RunnerError::Run(RunError::Hung(_) | RunError::Stuck { .. })
        | RunnerError::NodeConfig(NodeConfigError::Hung(_)) => ErrorClass::Hung,
        RunnerError::Run(_) | RunnerError::NodeConfig(NodeConfigError::Run(_)) => ErrorClass::Start,
        RunnerError::Database(DatabaseError::Replaced { .. } | DatabaseError::Unsafe { .. }) => {
            ErrorClass::State
        }
        RunnerError::Database(_)
        | RunnerError::File { .. }
        | RunnerError::NodeConfig(NodeConfigError::File { .. }) => ErrorClass::File,
        RunnerError::Report(_) => ErrorClass::Report,
        RunnerError::Json(_) | RunnerError::Join(_) => ErrorClass::Internal,
    };
    ScanError::new(class, crate::error_chain(error))
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "runner_fault_tests.rs"]
mod fault_tests;
