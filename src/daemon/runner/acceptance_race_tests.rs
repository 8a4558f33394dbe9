//! A thousand acceptances while somebody changes the files, with a real AIDE.
//!
//! Each is accepted or refused. If it is accepted, the new database has exactly the files that were reviewed, with their
//! contents and modes, and the next scan finds exactly what was changed since. If it is refused, the old database is the
//! same, byte for byte.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::acceptance_tests::acceptance;
use super::tests::{Node, finding, made};
use super::*;
use crate::api::{ChangeKind, RefusalReason};
use crate::daemon::machine::BaselineReason;

/// Number of acceptances.
const RACES: u64 = 1000;
/// Number of nodes that they are distributed to.
const NODES: u64 = 4;
/// Names of the files of a node. Some exist.
const FILES: u64 = 8;
/// Size of the files that AIDE takes a moment to read.
const LARGE: usize = 256 * 1024;

/// A generator of numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pause(&mut self, limit: u64) {
        std::thread::sleep(Duration::from_micros(self.below(limit)));
    }
}

/// The mode and content of each file, by its path on the node.
type Tree = BTreeMap<String, (u32, Vec<u8>)>;

/// Changes files in random ways.
struct Writer {
    root: PathBuf,
    numbers: Numbers,
}

impl Writer {
    fn path(&mut self) -> PathBuf {
        let number = self.numbers.below(FILES);
        self.root.join(format!("etc/file{number}"))
    }

    fn content(&mut self) -> Vec<u8> {
        let byte = u8::try_from(self.numbers.below(4)).unwrap();
        let length = if self.numbers.below(3) == 0 {
            LARGE
        } else {
            10
        };
        vec![byte; length]
    }

    /// Changes a file, or restores it as it is in `reviewed`.
    fn change(&mut self, reviewed: &Tree) {
        let path = self.path();
        let beside = self.root.join("beside");
        let existing = OpenOptions::new().write(true).open(&path);
        match (self.numbers.below(8), existing) {
            (0, Ok(mut file)) => {
                file.seek(std::io::SeekFrom::End(0)).unwrap();
                file.write_all(b"appended").unwrap();
            }
            // The same size, and the same time.
            (1 | 2, Ok(mut file)) => {
                let before = file.metadata().unwrap();
                let at = self.numbers.below(before.len().max(1));
                file.seek(std::io::SeekFrom::Start(at)).unwrap();
                let byte = b'a' + u8::try_from(self.numbers.below(4)).unwrap();
                if before.len() > 0 {
                    file.write_all(&[byte]).unwrap();
                }
                file.set_modified(before.modified().unwrap()).unwrap();
            }
            (3, Ok(_)) => {
                let mode = [0o600, 0o644, 0o755][usize::try_from(self.numbers.below(3)).unwrap()];
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            (4, Ok(_)) => fs::remove_file(&path).unwrap(),
            (5 | 6, _) => {
                let name = format!("/etc/{}", path.file_name().unwrap().to_str().unwrap());
                if let Some((mode, content)) = reviewed.get(&name) {
                    fs::write(&beside, content).unwrap();
                    fs::set_permissions(&beside, fs::Permissions::from_mode(*mode)).unwrap();
                    fs::rename(&beside, &path).unwrap();
                } else {
                    fs::remove_file(&path).ok();
                }
            }
            (7, _) => {
                fs::write(&beside, self.content()).unwrap();
                fs::rename(&beside, &path).unwrap();
            }
            _ => fs::write(&path, self.content()).unwrap(),
        }
    }

    /// Writes to a large file all the time.
    fn write_until(&mut self, is_over: &AtomicBool) {
        let path = self.path();
        fs::write(&path, vec![0; 4 * LARGE]).unwrap();
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        while !is_over.load(Ordering::SeqCst) {
            file.write_all(b"x").unwrap();
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn tree(&self) -> Tree {
        let names = (0..FILES).map(|number| format!("/etc/file{number}"));
        let read = |name: String| {
            let path = self.root.join(&name[1..]);
            let content = fs::read(&path).ok()?;
            let mode = fs::metadata(&path).ok()?.permissions().mode();
            Some((name, (mode & 0o7777, content)))
        };
        names.filter_map(read).collect()
    }
}

/// What differs, by path.
fn differences(old: &Tree, new: &Tree) -> BTreeMap<String, ChangeKind> {
    let added = new.keys().filter(|path| !old.contains_key(*path));
    let added = added.map(|path| (path.clone(), ChangeKind::Added));
    let others = old.iter().filter_map(|(path, was)| match new.get(path) {
        None => Some((path.clone(), ChangeKind::Removed)),
        Some(is) => (is != was).then(|| (path.clone(), ChangeKind::Changed)),
    });
    others.chain(added).collect()
}

fn found(completed: &Completed) -> BTreeMap<String, ChangeKind> {
    let changes = &finding(completed).result.changes;
    changes
        .iter()
        .map(|it| (it.path.clone(), it.kind))
        .collect()
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let mut gzip = flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap());
    gzip.read_to_string(&mut text).unwrap();
    text
}

/// Checks that a database has exactly these files. `host_root` is the beginning of its paths.
fn assert_database(text: &str, host_root: &str, tree: &Tree) {
    let columns = text
        .lines()
        .find_map(|line| line.strip_prefix("@@db_spec "));
    let columns: Vec<&str> = columns.unwrap().split_whitespace().collect();
    let column = |name: &str| columns.iter().position(|it| *it == name).unwrap();
    let (name, perm, digest) = (column("name"), column("perm"), column("sha256"));
    let mut files = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('/')) {
        let values: Vec<&str> = line.split_whitespace().collect();
        let path = values[name].strip_prefix(host_root).unwrap();
        if path.starts_with("/etc/file") {
            let mode = u32::from_str_radix(values[perm], 8).unwrap() & 0o7777;
            files.insert(path.to_owned(), (mode, values[digest].to_owned()));
        }
    }
    let expected = tree.iter().map(|(path, (mode, content))| {
        let digest = STANDARD.encode(Sha256::digest(content));
        (path.clone(), (*mode, digest))
    });
    assert_eq!(files, expected.collect());
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    differing: u64,
    unstable: u64,
    /// Accepted, and changed while AIDE ran or afterwards.
    accepted_and_changed: u64,
}

/// Races on one node.
async fn races(seed: u64) -> Counts {
    let node = Node::with("/etc p+ftype+sha256\n");
    let runner = node.runner();
    let host_root = runner.host_root.clone();
    let mut writer = Writer {
        root: PathBuf::from(&host_root),
        numbers: Numbers(seed),
    };
    for _ in 0..FILES {
        let (path, content) = (writer.path(), writer.content());
        fs::write(path, content).unwrap();
    }
    made(&node.initialize(BaselineReason::First).await);
    let mut baseline = writer.tree();
    let mut counts = Counts::default();
    for race in 0..RACES / NODES {
        let reviewed = loop {
            writer.change(&baseline);
            let tree = writer.tree();
            if tree != baseline {
                break tree;
            }
        };
        let scan = node.scan_by(&runner).await;
        // Also what the writer has changed after the last new baseline.
        assert_eq!(
            found(&scan),
            differences(&baseline, &reviewed),
            "{seed}/{race}"
        );
        let set = finding(&scan).result.changes_hash.clone().unwrap();
        let before = fs::read(runner.state.database()).unwrap();

        let is_over = Arc::new(AtomicBool::new(false));
        let (over, known) = (Arc::clone(&is_over), reviewed.clone());
        let writing = std::thread::spawn(move || {
            if writer.numbers.below(20) == 0 {
                writer.write_until(&over);
                return writer;
            }
            let changes = writer.numbers.below(4);
            writer.numbers.pause(60_000);
            for _ in 0..changes {
                writer.change(&known);
                writer.numbers.pause(4000);
            }
            writer
        });
        let acceptance = acceptance(&runner, &set);
        let cancel = CancellationToken::new();
        let completed = runner.accept(&node.config(), acceptance, &cancel).await;
        is_over.store(true, Ordering::SeqCst);
        writer = writing.join().unwrap();

        match &completed.finished {
            Finished::Accepted(_) => {
                counts.accepted += 1;
                counts.accepted_and_changed += u64::from(writer.tree() != reviewed);
                let database = unpacked(&runner.state.database());
                assert_database(&database, &host_root, &reviewed);
                baseline = reviewed;
            }
            Finished::Refused { refusal, .. } => {
                match refusal.reason {
                    RefusalReason::ChangesDiffer => counts.differing += 1,
                    RefusalReason::Unstable => counts.unstable += 1,
                    _ => panic!("{seed}/{race}: {refusal:?}"),
                }
                let after = fs::read(runner.state.database()).unwrap();
                assert!(after == before, "{seed}/{race}: another database");
            }
            other => panic!("{seed}/{race}: {other:?}"),
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acceptance_is_exact_or_refused_whatever_happens_meanwhile() {
    let tasks: Vec<_> = (0..NODES)
        .map(|seed| tokio::spawn(races(seed + 1)))
        .collect();
    let mut all = Counts::default();
    for task in tasks {
        let counts = task.await.unwrap();
        all.accepted += counts.accepted;
        all.differing += counts.differing;
        all.unstable += counts.unstable;
        all.accepted_and_changed += counts.accepted_and_changed;
    }
    eprintln!("{RACES} acceptances: {all:?}");
    assert_eq!(all.accepted + all.differing + all.unstable, RACES);
    assert!(all.accepted > 0 && all.accepted_and_changed > 0, "{all:?}");
    assert!(all.differing > 0 && all.unstable > 0, "{all:?}");
}
