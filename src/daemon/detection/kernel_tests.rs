//! Realtime detection with a real AIDE and the real kernel, as root: after any sequence of changes the known
//! state is that of a scan.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::{XattrFlags, setxattr};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::aide::command::Aide;
use crate::aide::config::{config_hash, prepare};
use crate::aide::database::StateDir;
use crate::aide::report::{ChangeKind, display_path};
use crate::api::RealtimeReason;
use crate::daemon::machine::{BaselineReason, Finished};
use crate::daemon::node_config::Verified;
use crate::daemon::runner::MAX_REPORT;
use crate::daemon::runner::NewBaseline;
use crate::scan::Identity;
use crate::testing::aide_binary::AIDE;
use crate::testing::mount_namespace;

/// All attributes that AIDE compares of files here, except those of inodes and their blocks. The last rule is one
/// that only AIDE 0.19 has, in which the one before leaves out no directory below.
const RULES: &str = "/top/watched p+u+g+n+m+c+s+l+ftype+xattrs+acl+sha256\n\
    !/top/watched/(.*/)?skip$\n-/never$\n";
/// Number of changes that `make test` tries.
const CHANGES: usize = 1000;
/// The variable with another number, for a long run.
const CHANGES_VARIABLE: &str = "FIO_REALTIME_CHANGES";
/// Number of changes in a sequence.
const IN_SEQUENCE: usize = 16;
const DELAY: Duration = Duration::from_millis(20);

/// The names in each of three levels of directories. A rule excludes the last one, but not what is below it.
const NAMES: [&str; 5] = ["a", "b", "c d", "e\u{301}@:", "skip"];

/// A node with a baseline, and the parts of a daemon.
struct Node {
    root: tempfile::TempDir,
    work: tempfile::TempDir,
    runner: Runner,
    detection: Detection,
    notices: mpsc::UnboundedReceiver<Notice>,
    digest: String,
}

/// The differences of a state: paths with kind and attributes.
type Differences = BTreeMap<String, (ChangeKind, Vec<String>)>;

impl Node {
    async fn start(backend: Preference, rules: &str) -> Self {
        let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let top = root.path().join("top/watched");
        for directory in ["a/b", "c d"] {
            fs::create_dir_all(top.join(directory)).unwrap();
        }
        for file in ["b", "a/a", "a/b/a", "c d/e"] {
            fs::write(top.join(file), file).unwrap();
        }
        fs::create_dir_all(root.path().join("etc/kubernetes")).unwrap();
        fs::create_dir_all(root.path().join("outside")).unwrap();
        fs::write(root.path().join("outside/link"), "link").unwrap();
        let host_root = root.path().to_str().unwrap().to_owned();
        let effective = prepare(rules, "/etc/kubernetes", &host_root)
            .unwrap()
            .effective;
        fs::write(work.path().join("aide.conf"), &effective).unwrap();
        let mut runner = Runner {
            aide: Aide::new(&*AIDE),
            aide_version: "0.19.1".to_owned(),
            state: StateDir::choose(root.path(), None, "fi").unwrap().0,
            state_dir_on_node: "/etc/kubernetes".to_owned(),
            work_dir: work.path().to_owned(),
            host_root: host_root.clone(),
            identity: Identity {
                namespace: "ns".to_owned(),
                file_integrity: "fi".to_owned(),
                node: "n1".to_owned(),
                log_prefix: "aide-fi".to_owned(),
            },
            workers: 1,
            max_backups: 1,
            max_report: MAX_REPORT,
            verified: Verified::default(),
            watcher: None,
        };
        let place = Place {
            host_root,
            state_dir: "/etc/kubernetes".to_owned(),
            backend,
            delay: DELAY,
            actors: RealtimeActors::None,
            report_delay: Duration::ZERO,
            interrupted_checks: 0,
        };
        let (sender, notices) = mpsc::unbounded_channel();
        let detection = Detection::start(place, Instant::now(), sender).unwrap();
        runner.watcher = Some(detection.watcher());
        let config = work.path().join("aide.conf");
        let hash = config_hash(&effective);
        let cancel = CancellationToken::new();
        let reason = BaselineReason::First;
        let new = NewBaseline {
            config: &config,
            config_hash: &hash,
            reason: &reason,
            old: None,
            require_acceptance: false,
        };
        let created = runner.initialize(new, &cancel).await;
        let Finished::Initialized(baseline) = created.finished else {
            panic!("no baseline: {created:?}");
        };
        let mut node = Self {
            root,
            work,
            runner,
            detection,
            notices,
            digest: baseline.digest,
        };
        node.scan().await;
        node
    }

    fn is_active(&mut self) {
        let status = self.detection.status().0;
        assert_eq!(status.state, RealtimeState::Active, "{status:?}");
    }

    fn config(&self) -> PathBuf {
        self.work.path().join("aide.conf")
    }

    /// Scans the whole node, as the daemon does.
    async fn scan(&mut self) {
        self.detection.scan_started();
        let completed = self.run_scan().await;
        self.take_scan(completed);
    }

    async fn run_scan(&self) -> Completed {
        let cancel = CancellationToken::new();
        self.runner.scan(&self.config(), &cancel).await
    }

    fn take_scan(&mut self, mut completed: Completed) {
        assert!(completed.finding.is_some(), "{completed:?}");
        self.detection.scan_ended(&mut completed, &self.runner);
    }

    /// Checks until nothing is announced.
    async fn settle(&mut self) {
        loop {
            self.detection.watcher().drain().await;
            while self.notices.try_recv().is_ok() {}
            match self.detection.event() {
                None => return,
                Some(Event::ScanNeeded) => self.scan().await,
                Some(_) => self.check().await,
            }
        }
    }

    async fn check(&mut self) {
        let Some((part, configuration)) = self.detection.begin_check() else {
            tokio::time::sleep(DELAY / 4).await;
            return;
        };
        let cancel = CancellationToken::new();
        let end = self.runner.check_part(&configuration, &part, &cancel).await;
        self.detection.check_ended(end, Some(&self.digest));
    }

    fn known(&self) -> Differences {
        let known = self.detection.known_finding(Trigger::Event, time::now());
        let (finding, report) = known.expect("a complete state");
        assert_ne!(finding.result.condition, Condition::Errored);
        differences(report.as_deref())
    }

    /// What a scan reports that nothing else knows of.
    async fn scanned(&self) -> Differences {
        let runner = Runner {
            watcher: None,
            ..self.runner.clone()
        };
        let completed = runner.scan(&self.config(), &CancellationToken::new()).await;
        let finding = completed.finding.expect("a scan");
        assert_ne!(finding.result.condition, Condition::Errored, "{finding:?}");
        differences(completed.report.as_deref())
    }
}

fn differences(report: Option<&Report>) -> Differences {
    let changes = report.into_iter().flat_map(|report| &report.changes);
    changes
        .map(|change| {
            let value = (change.kind, change.attributes.to_vec());
            (display_path(&change.path), value)
        })
        .collect()
}

/// A path in the watched tree, as indices of names.
type At = Vec<usize>;

#[derive(Clone, Debug)]
enum Change {
    Write(At, u8),
    Append(At, u8),
    Truncate(At, u64),
    Mode(At, u32),
    Owner(At, u32),
    Attribute(At, u8),
    Acl(At, u8),
    Link(At, u8),
    Directories(At),
    Remove(At),
    Rename(At, At),
    /// Moves a file or directory out of the watched tree, or one that was moved out back in.
    MoveOut(At),
    MoveIn(At),
    /// Renames the directory above the watched one, and back.
    RenameAncestor,
    /// A file with this name replaces one, as editors do.
    Replace(At, u8),
    HardLink(At, At),
    /// A hard link to a file outside of the watched tree.
    LinkIn(At),
    /// The same, to a file that has several links already.
    LinkOut(At),
    /// What happens to that file by its name outside.
    Outside(Outside),
}

#[derive(Clone, Copy, Debug)]
enum Outside {
    Append(u8),
    Mode(u32),
    Rename,
    Remove,
}

impl Change {
    /// Whether changes by new names of files may be missed until the names are known.
    fn makes_names(&self) -> bool {
        matches!(
            self,
            Self::HardLink(..)
                | Self::LinkIn(_)
                | Self::LinkOut(_)
                | Self::MoveOut(_)
                | Self::MoveIn(_)
                | Self::RenameAncestor
        )
    }
}

fn at() -> impl Strategy<Value = At> {
    prop::collection::vec(0..NAMES.len(), 1..4)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, n)| Change::Write(at, n)),
        2 => (at(), any::<u8>()).prop_map(|(at, n)| Change::Append(at, n)),
        1 => (at(), 0..4_u64).prop_map(|(at, n)| Change::Truncate(at, n)),
        2 => (at(), 0..8_u32).prop_map(|(at, n)| Change::Mode(at, n)),
        1 => (at(), 0..3_u32).prop_map(|(at, n)| Change::Owner(at, n)),
        1 => (at(), any::<u8>()).prop_map(|(at, n)| Change::Attribute(at, n)),
        1 => (at(), 0..8_u8).prop_map(|(at, n)| Change::Acl(at, n)),
        1 => (at(), any::<u8>()).prop_map(|(at, n)| Change::Link(at, n)),
        3 => at().prop_map(Change::Directories),
        3 => at().prop_map(Change::Remove),
        3 => (at(), at()).prop_map(|(from, to)| Change::Rename(from, to)),
        1 => at().prop_map(Change::MoveOut),
        1 => at().prop_map(Change::MoveIn),
        1 => Just(Change::RenameAncestor),
        2 => (at(), any::<u8>()).prop_map(|(at, n)| Change::Replace(at, n)),
        4 => (at(), at()).prop_map(|(from, to)| Change::HardLink(from, to)),
        2 => at().prop_map(Change::LinkIn),
        2 => at().prop_map(Change::LinkOut),
        4 => outside().prop_map(Change::Outside),
    ]
}

fn outside() -> impl Strategy<Value = Outside> {
    prop_oneof![
        any::<u8>().prop_map(Outside::Append),
        (0..8_u32).prop_map(Outside::Mode),
        Just(Outside::Rename),
        Just(Outside::Remove),
    ]
}

/// Changes the tree. Most changes are not possible in most states, which is fine.
fn apply(root: &Path, change: &Change) {
    let top = root.join("top/watched");
    let path = |at: &At| {
        at.iter()
            .fold(top.clone(), |path, name| path.join(NAMES[*name]))
    };
    let (outside, aside) = (root.join("outside/moved"), root.join("outside/new"));
    let link = root.join("outside/link");
    drop(match change {
        Change::Write(at, n) => fs::write(path(at), [*n; 3]),
        Change::Append(at, n) => append(&path(at), *n),
        Change::Truncate(at, n) => {
            let file = fs::File::options().write(true).open(path(at));
            file.and_then(|file| file.set_len(*n))
        }
        Change::Mode(at, n) => fs::set_permissions(path(at), fs::Permissions::from_mode(0o700 | n)),
        Change::Owner(at, n) => chown(path(at), Some(*n), Some(*n)),
        Change::Attribute(at, n) => {
            let set = setxattr(path(at), "user.test", &[b'a' + n % 26], XattrFlags::empty());
            set.map_err(Into::into)
        }
        Change::Acl(at, n) => {
            let set = setxattr(
                path(at),
                "system.posix_acl_access",
                &acl(*n),
                XattrFlags::empty(),
            );
            set.map_err(Into::into)
        }
        Change::Link(at, n) => symlink(n.to_string(), path(at)),
        Change::Directories(at) => fs::create_dir_all(path(at)),
        Change::Remove(at) => fs::remove_file(path(at)).or_else(|_| fs::remove_dir_all(path(at))),
        Change::Rename(from, to) => fs::rename(path(from), path(to)),
        Change::MoveOut(at) => fs::rename(path(at), outside),
        Change::MoveIn(at) => fs::rename(outside, path(at)),
        Change::RenameAncestor => {
            let renamed = fs::rename(root.join("top"), root.join("renamed"));
            renamed.or_else(|_| fs::rename(root.join("renamed"), root.join("top")))
        }
        Change::Replace(at, n) => {
            let written = fs::write(&aside, [*n; 2]);
            written.and_then(|()| fs::rename(&aside, path(at)))
        }
        Change::HardLink(from, to) => fs::hard_link(path(from), path(to)),
        Change::LinkIn(at) => fs::hard_link(link, path(at)),
        Change::LinkOut(at) => match fs::symlink_metadata(path(at)) {
            Ok(file) if file.nlink() > 1 && !file.is_dir() => {
                drop(fs::remove_file(&link));
                fs::hard_link(path(at), link)
            }
            _ => Ok(()),
        },
        Change::Outside(Outside::Append(n)) => {
            let file = fs::File::options().append(true).create(true).open(&link);
            file.and_then(|_| append(&link, *n))
        }
        Change::Outside(Outside::Mode(n)) => {
            fs::set_permissions(link, fs::Permissions::from_mode(0o700 | n))
        }
        Change::Outside(Outside::Rename) => {
            let renamed = fs::rename(&link, &aside);
            renamed.and_then(|()| fs::rename(&aside, &link))
        }
        Change::Outside(Outside::Remove) => fs::remove_file(link),
    });
}

fn append(path: &Path, n: u8) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::options().append(true).open(path)?;
    file.write_all(&[n])
}

/// The bytes of an ACL with one more user (`acl(5)`, `linux/posix_acl_xattr.h`).
fn acl(permissions: u8) -> Vec<u8> {
    let entry = |tag: u16, permissions: u8, id: u32| {
        let head = [tag.to_le_bytes(), u16::from(permissions).to_le_bytes()].concat();
        [head, id.to_le_bytes().to_vec()].concat()
    };
    let (user_obj, user, group_obj, mask, other) = (1, 2, 4, 16, 32);
    [
        2_u32.to_le_bytes().to_vec(),
        entry(user_obj, 6, u32::MAX),
        entry(user, permissions, 7),
        entry(group_obj, 4, u32::MAX),
        entry(mask, 7, u32::MAX),
        entry(other, 4, u32::MAX),
    ]
    .concat()
}

/// What happens in a sequence.
#[derive(Clone, Debug)]
enum Step {
    Change(Change),
    /// A scan of all files runs during these changes.
    Scan(Vec<Change>),
    /// What is announced is checked, if it is due.
    Check,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => change().prop_map(Step::Change),
        1 => prop::collection::vec(change(), 1..4).prop_map(Step::Scan),
        2 => Just(Step::Check),
    ]
}

async fn run(node: &mut Node, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Change(change) => {
                apply(node.root.path(), change);
                if change.makes_names() {
                    node.detection.watcher().drain().await;
                }
            }
            Step::Check => {
                tokio::time::sleep(DELAY).await;
                if let Some(Event::Announced { .. }) = node.detection.event() {
                    node.check().await;
                }
            }
            Step::Scan(changes) => {
                node.detection.scan_started();
                let (root, changes) = (node.root.path().to_owned(), changes.clone());
                let (watcher, runtime) = (node.detection.watcher(), Handle::current());
                let changing = tokio::task::spawn_blocking(move || {
                    for change in &changes {
                        std::thread::sleep(Duration::from_millis(5));
                        apply(&root, change);
                        if change.makes_names() {
                            runtime.block_on(watcher.drain());
                        }
                    }
                });
                let completed = node.run_scan().await;
                changing.await.unwrap();
                node.take_scan(completed);
            }
        }
    }
    node.settle().await;
}

fn number_of_changes() -> usize {
    match std::env::var(CHANGES_VARIABLE) {
        Ok(text) => text.parse().expect("a number of changes"),
        Err(_) => CHANGES,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn no_change_is_missed_or_false(backend: Preference, changes: usize) {
    let runtime = runtime();
    let mut node = runtime.block_on(Node::start(backend, RULES));
    node.is_active();
    let node = std::cell::RefCell::new(node);
    let cases = u32::try_from(changes / IN_SEQUENCE).unwrap();
    let config = Config {
        cases,
        // A sequence depends on those before it, so a shorter one shows nothing.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(step(), IN_SEQUENCE);
    let tested = TestRunner::new(config).run(&sequences, |steps| {
        let node = &mut *node.borrow_mut();
        runtime.block_on(run(node, &steps));
        prop_assert_eq!(node.known(), runtime.block_on(node.scanned()));
        let status = node.detection.status().0;
        prop_assert_eq!(status.missed, 0, "{:?}", status);
        Ok(())
    });
    tested.unwrap();
}

#[test]
fn with_fanotify_no_change_is_missed_or_false() {
    no_change_is_missed_or_false(Preference::Auto, number_of_changes());
}

#[test]
fn with_inotify_no_change_is_missed_or_false() {
    no_change_is_missed_or_false(Preference::Inotify, number_of_changes());
}

#[tokio::test]
async fn what_rules_exclude_is_neither_watched_nor_checked() {
    for backend in [Preference::Auto, Preference::Inotify] {
        let rules = format!("{RULES}-/top/watched/a/b$ 0\n!/top/watched/b$ 0\n");
        let mut node = Node::start(backend, &rules).await;
        let watched = node.detection.status().0.directories;
        let top = node.root.path().join("top/watched");
        fs::create_dir(top.join("a/b/new")).unwrap();
        for path in ["a/b/new/file", "a/b/a", "b"] {
            fs::write(top.join(path), "new").unwrap();
        }
        node.settle().await;
        let status = node.detection.status().0;
        assert_eq!(
            (status.directories, status.checks),
            (watched, 0),
            "{backend:?}"
        );
        fs::write(top.join("a/a"), "new").unwrap();
        node.settle().await;
        assert_eq!(node.detection.status().0.checks, 1, "{backend:?}");
        let known = node.known();
        assert_eq!(known.keys().collect::<Vec<_>>(), ["/top/watched/a/a"]);
        assert_eq!(known, node.scanned().await, "{backend:?}");
    }
}

/// The limit of inotify in a user namespace, as `fs.inotify.max_user_watches` is that of a node.
const MAX_WATCHES: &str = "/proc/sys/user/max_inotify_watches";

#[test]
fn beyond_the_limit_of_inotify_scans_report_changes() {
    let test = "daemon::detection::kernel_tests::beyond_the_limit_of_inotify_scans_report_changes";
    // The root, and two directories to the watched one.
    let script = format!("echo 3 >{MAX_WATCHES}");
    if mount_namespace::of_test(test, &script).is_none() {
        return;
    }
    runtime().block_on(async {
        let mut node = Node::start(Preference::Inotify, RULES).await;
        let status = node.detection.status().0;
        let cause = (status.state, status.reason);
        let expected = (RealtimeState::Degraded, Some(RealtimeReason::WatchLimit));
        assert_eq!(cause, expected, "{status:?}");
        let message = status.message.unwrap();
        let covered = "3 directories are watched, and the kernel allows no more, see \
                       fs.inotify.max_user_watches; at least 2 are not watched, such as /top/watched/";
        assert!(message.starts_with(covered), "{message}");

        let top = node.root.path().join("top/watched");
        for file in ["b", "a/a"] {
            fs::write(top.join(file), "changed").unwrap();
        }
        node.settle().await;
        let known: Vec<_> = node.known().into_keys().collect();
        assert_eq!(known, ["/top/watched/b"]);
        node.scan().await;
        let known: Vec<_> = node.known().into_keys().collect();
        assert_eq!(known, ["/top/watched/a/a", "/top/watched/b"]);

        fs::write(top.join("a/b/a"), "changed").unwrap();
        fs::write(MAX_WATCHES, "100").unwrap();
        node.detection.scan_started();
        let completed = node.run_scan().await;
        let status = node.detection.status().0;
        assert_eq!((status.state, status.reason), expected, "{status:?}");
        node.take_scan(completed);
        node.is_active();
        fs::write(top.join("c d/e"), "changed").unwrap();
        node.settle().await;
        assert_eq!(node.known(), node.scanned().await);
        assert_eq!(node.known().len(), 4);
        assert_eq!(node.detection.status().0.missed, 0);
    });
}
