//! The runner with a real AIDE on temporary trees.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::aide::command::Aide;
use crate::aide::config::{config_hash, prepare};
use crate::aide::database::{self, StateDir};
use crate::aide::watchdog::Limits;
use crate::api::{ChangeKind, Condition, ErrorClass, OutputFormat};
use crate::daemon::machine::{BaselineReason, OldBaseline};
use crate::daemon::node_config::Verified;
use crate::scan::Identity;
use crate::scan::output::tests::schemas;
use crate::scan::output::{EndedScan, Output};
use crate::testing::aide_binary::{AIDE, script};
use crate::testing::mount_namespace::{SmallDisk, names_in};

/// A node's root, and a container's own directory.
pub(super) struct Node {
    root: PathBuf,
    own: tempfile::TempDir,
    effective: String,
    limits: Limits,
    /// Removed with the node.
    temporary: Option<tempfile::TempDir>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self::with("/etc p+u+g+ftype+sha256\n")
    }

    pub(super) fn with(configuration: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut node = Self::at(root.path(), configuration);
        node.temporary = Some(root);
        node
    }

    /// A node whose root is there already.
    pub(super) fn at(root: &Path, configuration: &str) -> Self {
        fs::create_dir_all(root.join("etc/kubernetes")).unwrap();
        fs::write(root.join("etc/passwd"), "root").unwrap();
        fs::write(root.join("etc/group"), "root").unwrap();
        let host_root = root.to_str().unwrap();
        let effective = prepare(configuration, "/etc/kubernetes", host_root)
            .unwrap()
            .effective;
        let node = Self {
            root: root.to_owned(),
            own: tempfile::tempdir().unwrap(),
            effective,
            limits: Limits::default(),
            temporary: None,
        };
        fs::write(node.config(), &node.effective).unwrap();
        node
    }

    /// Replaces the configuration, and returns the hash of the new one.
    pub(super) fn configure(&self, configuration: &str) -> String {
        let host_root = self.root.to_str().unwrap();
        let prepared = prepare(configuration, "/etc/kubernetes", host_root).unwrap();
        fs::write(self.config(), &prepared.effective).unwrap();
        config_hash(&prepared.effective)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.own.path().join("aide.conf")
    }

    pub(super) fn etc(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join("etc").join(name)
    }

    /// The file of a path on the node.
    pub(super) fn on_node(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(&path[1..]))
    }

    /// From now on runs of AIDE on it may take so long.
    pub(super) fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(super) fn runner(&self) -> Runner {
        Runner {
            aide: Aide::new(&*AIDE).watched(self.limits, &self.root),
            aide_version: "0.19.1".to_owned(),
            state: StateDir::choose(&self.root, None, "fi").unwrap().0,
            state_dir_on_node: "/etc/kubernetes".to_owned(),
            work_dir: self.own.path().to_owned(),
            host_root: self.root.to_str().unwrap().to_owned(),
            identity: Identity {
                namespace: "ns".to_owned(),
                file_integrity: "fi".to_owned(),
                node: "n1".to_owned(),
                log_prefix: "aide-fi".to_owned(),
            },
            workers: 2,
            max_backups: 5,
            max_report: MAX_REPORT,
            verified: Verified::default(),
            watcher: None,
        }
    }

    pub(super) async fn initialize(&self, reason: BaselineReason) -> Completed {
        self.initialize_by(&self.runner(), reason).await
    }

    /// The same by a runner that differs from the node's own.
    pub(super) async fn initialize_by(&self, runner: &Runner, reason: BaselineReason) -> Completed {
        let old = old_baseline(runner);
        let new = NewBaseline {
            config: &self.config(),
            config_hash: &config_hash(&self.effective),
            reason: &reason,
            old: old.as_ref(),
            require_acceptance: false,
        };
        runner.initialize(new, &CancellationToken::new()).await
    }

    pub(super) async fn scan(&self) -> Completed {
        self.scan_by(&self.runner()).await
    }

    /// The same by a runner that differs from the node's own.
    pub(super) async fn scan_by(&self, runner: &Runner) -> Completed {
        runner.scan(&self.config(), &CancellationToken::new()).await
    }
}

/// The baseline on the disk, as the state machine knows it.
pub(super) fn old_baseline(runner: &Runner) -> Option<OldBaseline> {
    match runner.read_disk().unwrap() {
        Disk::Baseline(known) => Some(OldBaseline {
            config_hash: known.config_hash,
            digest: known.digest,
        }),
        _ => None,
    }
}

pub(super) fn finding(completed: &Completed) -> &Finding {
    let Some(finding) = &completed.finding else {
        panic!("no scan: {completed:?}");
    };
    finding
}

pub(super) fn made(completed: &Completed) -> &KnownBaseline {
    match &completed.finished {
        Finished::Initialized(baseline) | Finished::ExclusionsChanged(baseline) => baseline,
        other => panic!("no baseline: {other:?}"),
    }
}

#[tokio::test]
async fn a_baseline_is_found_again_and_a_scan_of_it_is_clean() {
    let node = Node::new();
    let completed = node.initialize(BaselineReason::First).await;
    let baseline = made(&completed).clone();
    assert_eq!(completed.baseline.as_ref().unwrap().digest, baseline.digest);
    assert_eq!(
        node.runner().read_disk().unwrap(),
        Disk::Baseline(baseline.clone())
    );
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
    let Finished::Scanned { digest, .. } = &completed.finished else {
        panic!()
    };
    assert_eq!(
        digest.as_ref(),
        Some(&baseline.digest),
        "AIDE names the database it read"
    );
    assert!(completed.log.is_none());
    assert_eq!(node.runner().interruptions(), 0);
}

#[tokio::test]
async fn every_kind_of_change_is_reported_with_its_name() {
    let node = Node::new();
    symlink("passwd", node.etc("link")).unwrap();
    fs::write(node.etc("mode"), "").unwrap();
    node.initialize(BaselineReason::First).await;
    fs::write(node.etc("new\nline"), "").unwrap();
    fs::write(
        node.etc("").join(std::ffi::OsStr::from_bytes(b"b\xffyte")),
        "",
    )
    .unwrap();
    fs::write(node.etc("passwd"), "toor").unwrap();
    fs::remove_file(node.etc("group")).unwrap();
    fs::set_permissions(node.etc("mode"), fs::Permissions::from_mode(0o777)).unwrap();
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    let seen: Vec<_> = result
        .changes
        .iter()
        .map(|c| (c.path.as_str(), c.kind))
        .collect();
    let expected = [
        ("/etc/b\\377yte", ChangeKind::Added),
        ("/etc/group", ChangeKind::Removed),
        ("/etc/mode", ChangeKind::Changed),
        ("/etc/new\\012line", ChangeKind::Added),
        ("/etc/passwd", ChangeKind::Changed),
    ];
    let mut sorted = seen.clone();
    sorted.sort_unstable_by_key(|(path, _)| *path);
    assert_eq!(sorted, expected);
    let log = completed.log.as_ref().unwrap();
    let text = log["data"]["integritylog"].as_str().unwrap();
    let root = node.root.to_str().unwrap();
    assert!(
        text.contains(&format!("{root}/etc/passwd")),
        "paths have the host root: {text}"
    );
    assert!(text.contains("b\\377yte"), "{text}");
    assert_eq!(
        log["metadata"]["annotations"]["file-integrity.openshift.io/files-added"],
        "2"
    );
}

/// Everything that AIDE reports is valid in the schemas: types of files, times, digests, modes.
#[tokio::test]
async fn the_lines_of_a_real_report_are_valid_in_each_format() {
    let node = Node::with(
        "/etc p+ftype+i+l+n+u+g+s+b+m+a+c+acl+xattrs+md5+sha1+sha256+sha512+rmd160+\
         sha512_256+sha3_256+sha3_512+stribog512\n",
    );
    for name in ["mode", "type", "content", "removed"] {
        fs::write(node.etc(name), "one").unwrap();
    }
    node.initialize(BaselineReason::First).await;
    fs::write(node.etc("content"), "another").unwrap();
    fs::set_permissions(node.etc("mode"), fs::Permissions::from_mode(0o7511)).unwrap();
    fs::remove_file(node.etc("removed")).unwrap();
    fs::remove_file(node.etc("type")).unwrap();
    symlink("content", node.etc("type")).unwrap();
    fs::create_dir(node.etc("directory")).unwrap();
    std::os::unix::net::UnixListener::bind(node.etc("socket")).unwrap();
    fs::write(node.etc("new\nline"), "").unwrap();

    let completed = node.scan().await;
    let scan = EndedScan {
        id: &completed.scan,
        result: &finding(&completed).result,
        report: completed.report.as_deref(),
        event: None,
        is_with_baseline: true,
    };
    let lines = |format| {
        let settings = output::Settings {
            format,
            ..output::Settings::default()
        };
        Output::new(settings, &node.runner().identity).scan(scan, None)
    };
    let (ecs, ocsf) = (lines(OutputFormat::Ecs), lines(OutputFormat::Ocsf));
    for line in &ecs {
        schemas::assert_valid_ecs(line);
    }
    for line in &ocsf {
        schemas::assert_valid_ocsf(line);
    }
    let of = |lines: &[String], name: &str| -> Value {
        let end = format!("/etc/{name}");
        let mut lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        lines
            .find(|line: &Value| line["file"]["path"] == end.as_str())
            .unwrap_or_else(|| panic!("no line of {end}"))
    };
    let content = of(&ecs, "content");
    let sha256 = "ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5";
    assert_eq!(content["file"]["hash"]["sha256"], sha256, "{content}");
    assert_eq!(content["file"]["size"], 7, "{content}");
    assert_eq!(of(&ecs, "mode")["file"]["mode"], "7511");
    assert_eq!(of(&ecs, "type")["file"]["target_path"], "content");
    assert_eq!(of(&ecs, "socket")["file"]["type"], "socket");
    assert_eq!(of(&ocsf, "directory")["file"]["type_id"], 2);
    assert_eq!(of(&ocsf, "removed")["file"]["is_deleted"], true);
    let hashes = of(&ocsf, "new\\012line")["file"]["hashes"].clone();
    assert_eq!(hashes.as_array().map(Vec::len), Some(9), "{hashes}");
}

#[tokio::test]
async fn new_content_in_a_reported_file_has_another_hash() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let mut hashes = Vec::new();
    for content in ["a", "a", "b"] {
        fs::write(node.etc("passwd"), content).unwrap();
        fs::write(node.etc("added"), content).unwrap();
        hashes.push(
            finding(&node.scan().await)
                .result
                .changes_hash
                .clone()
                .unwrap(),
        );
    }
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[1], hashes[2]);
}

#[tokio::test]
async fn a_missing_database_is_not_an_error_of_aide() {
    let node = Node::new();
    assert_eq!(node.scan().await.finished, Finished::BaselineMissing);
}

#[tokio::test]
async fn a_database_deleted_after_the_start_of_aide_is_missing() {
    let (node, dir) = (Node::new(), tempfile::tempdir().unwrap());
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    let mut runner = node.runner();
    let database = runner.state.database();
    let remove = format!("rm {}\nexec {} \"$@\"", database.display(), AIDE.display());
    runner.aide = script(dir.path(), &remove);
    let completed = node.scan_by(&runner).await;
    assert_eq!(completed.finished, Finished::BaselineMissing);
    assert_eq!(runner.read_disk().unwrap(), Disk::Missing(old));
}

#[tokio::test]
async fn a_configuration_that_watches_nothing_makes_no_baseline() {
    let node = Node::with("/nowhere p\n");
    let completed = node.initialize(BaselineReason::First).await;
    let Finished::InitFailed(error) = &completed.finished else {
        panic!("{completed:?}")
    };
    assert_eq!(error.class, ErrorClass::Empty);
    assert!(
        error
            .message
            .starts_with("Error initializing the AIDE DB: "),
        "{}",
        error.message
    );
    assert_eq!(node.runner().read_disk().unwrap(), Disk::Nothing);
}

#[tokio::test]
async fn a_failed_initialization_leaves_the_old_baseline() {
    let node = Node::new();
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    fs::write(node.config(), "this is no configuration\n").unwrap();
    let completed = node
        .initialize(BaselineReason::Requested("r1".to_owned()))
        .await;
    let Finished::InitFailed(error) = &completed.finished else {
        panic!("{completed:?}")
    };
    assert_eq!(error.class, ErrorClass::Configuration);
    assert!(
        error
            .message
            .contains("AIDE error: 17 Invalid configureline error"),
        "{}",
        error.message
    );
    assert_eq!(node.runner().read_disk().unwrap(), Disk::Baseline(old));
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_baseline_and_recovers() {
    let test = "daemon::runner::tests::a_full_disk_leaves_the_old_baseline_and_recovers";
    let Some(disk) = SmallDisk::of_test(test) else {
        return;
    };
    let node = Node::new();
    // Names that gzip can do little about, so that a database takes more than a block.
    for n in 0..2000_u32 {
        let name = crate::api::names::sha256_hex(n.to_be_bytes());
        fs::write(node.etc(&name[..16]), "").unwrap();
    }
    let mut runner = node.runner();
    runner.state = StateDir::at(&disk.path());
    let initialize = async |reason| node.initialize_by(&runner, reason).await;
    let old = made(&initialize(BaselineReason::First).await).clone();
    let before = disk.names();
    // Full before AIDE's first byte, in the midst of its database, and after it.
    let database = fs::metadata(runner.state.database()).unwrap().len();
    for free in [0, database / 2, database + 4096] {
        let ballast = disk.fill(free);
        let completed = initialize(BaselineReason::Requested("r1".to_owned())).await;
        let Finished::InitFailed(error) = &completed.finished else {
            panic!("with room for {free} bytes: {completed:?}")
        };
        let message = &error.message;
        assert!(
            message.starts_with("Error initializing the AIDE DB: "),
            "{message}"
        );
        let expected = [
            "No space left on device",
            "there is no room left in /etc/kubernetes",
        ];
        assert!(
            expected.iter().any(|reason| message.contains(reason)),
            "{free}: {message}"
        );
        fs::remove_file(ballast).unwrap();
        assert_eq!(
            runner.read_disk().unwrap(),
            Disk::Baseline(old.clone()),
            "{free}"
        );
        assert_eq!(disk.names(), before, "nothing is left behind: {free}");
    }
    let healed = initialize(BaselineReason::Requested("r1".to_owned())).await;
    assert_eq!(made(&healed).request.as_deref(), Some("r1"));
}

pub(super) fn write_gzip(path: &Path, text: &str) {
    let file = File::create(path).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap();
}

/// Puts a database in place that AIDE 0.19 gives up on, as the one that `made_by` made.
fn put_unreadable_database(runner: &Runner, made_by: &str) {
    let text = "@@begin_db\n@@db_spec name attr\n/etc 0\n";
    write_gzip(&runner.state.new_database(), text);
    let record = Record {
        owner: runner.identity.file_integrity.clone(),
        config_hash: "c".to_owned(),
        digest: crate::api::names::sha256_hex(text),
        entries: 1,
        created_at: time::now(),
        aide_version: made_by.to_owned(),
        requested: true,
        request: None,
        unread: None,
        excluded: None,
        accepted: None,
    };
    runner.state.commit(&record, "", time::now().0, 5).unwrap();
}

#[tokio::test]
async fn a_database_that_only_an_older_aide_can_read_is_outdated() {
    let node = Node::new();
    put_unreadable_database(&node.runner(), "0.16.2");
    let made_by = "0.16.2".to_owned();
    let completed = node.scan().await;
    let Finished::BaselineOutdated { made_by: maker, .. } = &completed.finished else {
        panic!("{:?}", completed.finished)
    };
    assert_eq!(*maker, made_by);
    // Where this AIDE made it, somebody has damaged it.
    put_unreadable_database(&node.runner(), "0.19.1");
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.condition, Condition::Errored);
    assert_eq!(
        finding(&completed).result.error_class.as_deref(),
        Some("database")
    );
}

/// The original's daemon leaves a database without a record. This one is as AIDE 0.16 wrote it.
#[tokio::test]
async fn a_database_of_an_earlier_program_is_replaced_and_kept_as_a_backup() {
    let node = Node::new();
    let text = "@@begin_db\n# This file was generated by Aide, version 0.16.2\n\
                @@db_spec name lname attr perm tiger \n/hostroot/etc 0 9 40755 0\n@@end_db\n";
    let runner = node.runner();
    write_gzip(&runner.state.database(), text);
    let digest = crate::api::names::sha256_hex(text);
    assert_eq!(
        runner.read_disk().unwrap(),
        Disk::Foreign {
            digest: digest.clone()
        }
    );
    made(
        &node
            .initialize(BaselineReason::Foreign { open_failure: None })
            .await,
    );
    assert_eq!(
        finding(&node.scan().await).result.condition,
        Condition::Succeeded
    );
    let names = names_in(runner.state.path());
    let backup = names
        .iter()
        .find(|name| name.starts_with("aide.db.gz.backup-"));
    let backup = runner.state.path().join(backup.unwrap());
    assert_eq!(database::digest_of_gzip(&backup).unwrap(), digest);
}

#[tokio::test]
async fn a_request_is_recorded_and_backups_are_kept() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let completed = node
        .initialize(BaselineReason::Requested("r1".to_owned()))
        .await;
    assert_eq!(made(&completed).request.as_deref(), Some("r1"));
    let mut names = names_in(&node.etc("kubernetes"));
    names.retain(|name| name.starts_with("aide.db.gz.backup-"));
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn directories_in_place_of_logs_and_backups_prevent_no_baseline() {
    let node = Node::new();
    let runner = node.runner();
    let names = [
        "aide.log",
        "aide.reinit",
        "aide.db.gz.backup-20200101T00_00_00",
        "aide.log.backup-20200101T00_00_00",
    ];
    for name in names {
        fs::create_dir_all(runner.state.path().join(name).join("precious")).unwrap();
    }
    let completed = node.initialize(BaselineReason::First).await;
    let Disk::Baseline(baseline) = runner.read_disk().unwrap() else {
        panic!("no baseline");
    };
    assert_eq!(&baseline, made(&completed));
    assert!(
        names
            .iter()
            .all(|name| runner.state.path().join(name).join("precious").is_dir())
    );
}

#[tokio::test]
async fn a_directory_in_place_of_the_log_is_reported_until_it_is_empty() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let log = node.etc("kubernetes/aide.log");
    fs::remove_file(&log).unwrap();
    fs::create_dir_all(log.join("precious")).unwrap();
    let result = finding(&node.scan().await).result.clone();
    let reported = (result.condition, result.error_class.as_deref());
    assert_eq!(reported, (Condition::Errored, Some("file")));
    let message = result.error_message.unwrap();
    let expected = format!(
        "{} is a directory, but fio needs a file there; move or remove the directory: Directory not empty",
        log.display()
    );
    assert!(message.starts_with(&expected), "{message}");
    fs::remove_dir(log.join("precious")).unwrap();
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
    assert!(log.is_file());
}

#[tokio::test]
async fn an_unrequested_baseline_is_recorded_as_such() {
    let node = Node::new();
    let completed = node.initialize(BaselineReason::Lost).await;
    assert!(!made(&completed).requested);
    assert!(!completed.baseline.unwrap().requested);
}

#[tokio::test]
async fn another_file_integritys_baseline_is_foreign() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let mut runner = node.runner();
    runner.identity.file_integrity = "other".to_owned();
    assert!(matches!(runner.read_disk().unwrap(), Disk::Foreign { .. }));
    // Nor is it missed, should it go.
    fs::remove_file(runner.state.database()).unwrap();
    assert_eq!(runner.read_disk().unwrap(), Disk::Nothing);
}

#[tokio::test]
async fn a_record_without_database_shows_the_missing_baseline() {
    let node = Node::new();
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    fs::remove_file(node.runner().state.database()).unwrap();
    assert_eq!(node.scan().await.finished, Finished::BaselineMissing);
    assert_eq!(node.runner().read_disk().unwrap(), Disk::Missing(old));
}

#[tokio::test]
async fn a_stopped_run_leaves_the_baseline_and_no_marker() {
    let node = Node::new();
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    // AIDE is not completed before it is stopped.
    let endless = File::create(node.etc("endless")).unwrap();
    endless.set_len(1 << 42).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let runner = node.runner();
    let known = old_baseline(&runner);
    let new = NewBaseline {
        config: &node.config(),
        config_hash: &config_hash(&node.effective),
        reason: &BaselineReason::Config,
        old: known.as_ref(),
        require_acceptance: false,
    };
    let completed = runner.initialize(new, &cancel).await;
    assert_eq!(completed.finished, Finished::Stopped);
    assert_eq!(runner.read_disk().unwrap(), Disk::Baseline(old));
    assert_eq!(runner.interruptions(), 0);
}

#[tokio::test]
async fn a_run_killed_with_the_container_is_detected_at_the_next_start() {
    let node = Node::new();
    let runner = node.runner();
    runner.marker().create().unwrap();
    assert_eq!(node.runner().interruptions(), 1);
    runner.marker().create().unwrap();
    assert_eq!(node.runner().interruptions(), 2);
    node.initialize(BaselineReason::First).await;
    assert_eq!(node.runner().interruptions(), 0);
}

/// A node laid out as Fedora `CoreOS` is.
fn node_with_links(configuration: &str) -> Node {
    let node = Node::with(configuration);
    for directory in ["var/roothome/.ssh", "usr/sbin"] {
        fs::create_dir_all(node.root.join(directory)).unwrap();
    }
    symlink("var/roothome", node.root.join("root")).unwrap();
    symlink("usr/sbin", node.root.join("sbin")).unwrap();
    fs::write(node.root.join("var/roothome/.ssh/authorized_keys"), "a").unwrap();
    fs::write(node.root.join("usr/sbin/auditctl"), "a").unwrap();
    node
}

fn paths(completed: &Completed) -> Vec<&str> {
    let changes = finding(completed).result.changes.iter();
    changes.map(|change| change.path.as_str()).collect()
}

#[tokio::test]
async fn rules_behind_links_watch_the_real_places() {
    let node =
        node_with_links("/etc p\n/root p+sha256\n!/root/\\.cache\n/sbin/auditctl p+sha256\n");
    fs::create_dir(node.root.join("var/roothome2")).unwrap();
    made(&node.initialize(BaselineReason::First).await);
    let root = node.root.join("var/roothome");
    fs::write(root.join(".ssh/authorized_keys"), "b").unwrap();
    fs::write(root.join("new"), "").unwrap();
    fs::write(root.join(".cache"), "").unwrap();
    fs::write(node.root.join("var/roothome2/new"), "").unwrap();
    fs::write(node.root.join("usr/sbin/auditctl"), "b").unwrap();
    fs::write(node.root.join("usr/sbin/other"), "b").unwrap();
    let completed = node.scan().await;
    assert_eq!(
        paths(&completed),
        [
            "/usr/sbin/auditctl",
            "/var/roothome/.ssh/authorized_keys",
            "/var/roothome/new",
        ]
    );
    assert_eq!(finding(&completed).result.unwatched_rules, []);
}

#[tokio::test]
async fn a_link_with_another_target_is_a_change() {
    let node = node_with_links("/etc p\n/root/\\.ssh p+sha256\n");
    made(&node.initialize(BaselineReason::First).await);
    fs::create_dir_all(node.root.join("tmp/.ssh")).unwrap();
    fs::remove_file(node.root.join("root")).unwrap();
    symlink("/tmp", node.root.join("root")).unwrap();
    let completed = node.scan().await;
    assert_eq!(
        paths(&completed),
        [
            "/tmp/.ssh",
            "/var/roothome/.ssh",
            "/var/roothome/.ssh/authorized_keys",
        ]
    );
}

#[tokio::test]
async fn rules_that_watch_nothing_because_of_links_are_listed() {
    let node = node_with_links("/etc p\n\n/root p\n/sbin/auditctl p\n!/v[a]r\n/odd p\n");
    symlink("/", node.root.join("odd")).unwrap();
    made(&node.initialize(BaselineReason::First).await);
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    assert_eq!(result.condition, Condition::Succeeded);
    let rules = result.unwatched_rules.iter();
    let rules: Vec<(i64, &str, &str)> = rules
        .map(|rule| (rule.line, rule.link.as_str(), rule.reason.as_str()))
        .collect();
    assert_eq!(
        rules,
        [
            (
                3,
                "/root",
                "leads to /var/roothome, which the rule in line 5 leaves out"
            ),
            (6, "/odd", "leads to /, which is not watched"),
        ]
    );
}

#[tokio::test]
async fn a_target_excluded_by_its_real_path_is_watched_by_the_link() {
    let node = node_with_links("/etc p\n/root p+sha256\n!/var\n");
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.root.join("var/roothome/new"), "").unwrap();
    fs::write(node.root.join("var/new"), "").unwrap();
    let completed = node.scan().await;
    assert_eq!(paths(&completed), ["/var/roothome/new"]);
    assert_eq!(finding(&completed).result.unwatched_rules, []);
}

#[tokio::test]
async fn a_rule_behind_a_link_takes_nothing_from_one_for_the_real_place() {
    let node =
        node_with_links("/etc p\n/usr/ p+sha256\n/sbin/ p\n/root/ p\n/var/roothome/ p+sha256\n");
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.root.join("usr/sbin/auditctl"), "b").unwrap();
    fs::write(node.root.join("var/roothome/.ssh/authorized_keys"), "b").unwrap();
    let completed = node.scan().await;
    assert_eq!(
        paths(&completed),
        ["/usr/sbin/auditctl", "/var/roothome/.ssh/authorized_keys"]
    );
    assert_eq!(finding(&completed).result.unwatched_rules, []);
}

#[tokio::test]
async fn attributes_that_the_applying_rule_does_not_compare_are_listed() {
    let node = node_with_links(
        "/etc p\n/usr/ p\nALL = p+sha256\n/sbin/ ALL\n=/root/ p\n/var/[a-z]*/x p\n",
    );
    made(&node.initialize(BaselineReason::First).await);
    let completed = node.scan().await;
    let rules = finding(&completed).result.unwatched_rules.iter();
    let rules: Vec<(i64, &str)> = rules
        .map(|rule| (rule.line, rule.reason.as_str()))
        .collect();
    assert_eq!(
        rules,
        [
            (
                4,
                "leads to /usr/sbin/, where the rule in line 2 counts, without sha256"
            ),
            (
                5,
                "leads to /var/roothome/, where other rules select something as well; write the real path"
            ),
        ]
    );
}

/// As on the nodes of the original's users: their own text, for the AIDE of that time.
#[tokio::test]
async fn the_originals_configuration_watches_root_on_an_ostree_node() {
    let text = include_str!("../../aide/testdata/original-0.16.conf");
    let node = node_with_links(&text.replace("/hostroot", ""));
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.root.join("var/roothome/new"), "").unwrap();
    let completed = node.scan().await;
    assert_eq!(paths(&completed), ["/var/roothome/new"]);
    assert_eq!(finding(&completed).result.unwatched_rules, []);
}

/// The lines that are added do not count in AIDE's messages about a configuration.
#[tokio::test]
async fn an_error_behind_a_followed_link_has_the_line_of_the_users_text() {
    let node = node_with_links("/etc p\n/root p\n/usr NONE\n");
    let completed = node.initialize(BaselineReason::First).await;
    let Finished::InitFailed(error) = &completed.finished else {
        panic!("{completed:?}");
    };
    assert!(error.message.contains("line 3: "), "{}", error.message);
}
