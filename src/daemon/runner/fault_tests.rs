//! The runner with a real AIDE on nodes that are odd, or fail.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use rustix::mount::MountFlags;

use super::tests::{Node, finding, made};
use super::*;
use crate::aide::database::StateDir;
use crate::aide::report;
use crate::aide::watchdog::Limits;
use crate::api::{Condition, ErrorClass};
use crate::daemon::machine::BaselineReason;
use crate::testing::chaos::{Row, lost_and_duplicated};
use crate::testing::mount_namespace::{self, SmallDisk};

/// Longest time that AIDE is given to come to what it cannot get over.
const MOST_PATIENCE: Duration = Duration::from_secs(128);

/// Scans that are given up after a second, after two, four, until AIDE has come so far that `is_so`: at
/// its priority a busy machine has little time for it.
async fn scan_until(
    node: &mut Node,
    limits: fn(Duration) -> Limits,
    is_so: impl Fn(&Completed) -> bool,
) -> Completed {
    let mut patience = Duration::from_secs(1);
    loop {
        node.limit(limits(patience));
        let completed = node.scan().await;
        patience *= 2;
        if is_so(&completed) || patience > MOST_PATIENCE {
            node.limit(Limits::default());
            return completed;
        }
    }
}

/// So long without progress is a hang.
fn without_progress(stall: Duration) -> Limits {
    Limits {
        stall,
        ..Limits::default()
    }
}

/// The error message of a scan that could not be completed.
fn error_message(completed: &Completed) -> &str {
    let finding = completed.finding.as_ref();
    let message = finding.and_then(|finding| finding.result.error_message.as_deref());
    message.unwrap_or_default()
}

fn sh(script: &str, path: &Path) {
    let status = Command::new("sh")
        .args(["-euc", script, "sh"])
        .arg(path)
        .status();
    assert!(status.unwrap().success(), "{script}");
}

/// After the fault: a change is found, that one and no other. Prints the fault's row.
async fn well_after(fault: &str, tried: usize, node: &Node, runner: &Runner) {
    let start = Instant::now();
    let clean = node.scan_by(runner).await;
    assert_eq!(
        finding(&clean).result.condition,
        Condition::Succeeded,
        "{clean:?}"
    );
    let recovery = start.elapsed();
    fs::write(node.etc("passwd"), "toor").unwrap();
    let completed = node.scan_by(runner).await;
    let result = &finding(&completed).result;
    assert_eq!(result.condition, Condition::Failed, "{completed:?}");
    let found: Vec<_> = result
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    let (lost, duplicated) = lost_and_duplicated(&["/etc/passwd"], &found);
    let row = Row {
        fault: fault.to_owned(),
        tried,
        lost,
        duplicated,
        recovery_seconds: Some(recovery.as_secs_f64()),
    };
    row.print().unwrap();
}

/// A node with odd things is watched like any other.
async fn is_no_obstacle(fault: &str, tried: usize, node: &Node) {
    made(&node.initialize(BaselineReason::First).await);
    well_after(fault, tried, node, &node.runner()).await;
}

#[tokio::test]
async fn pipes_sockets_and_sparse_files_are_no_obstacle() {
    let node = Node::new();
    sh("mkfifo \"$1\"", &node.etc("pipe"));
    let _socket = UnixListener::bind(node.etc("socket")).unwrap();
    File::create(node.etc("sparse"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    is_no_obstacle("a pipe, a socket, a sparse file of 1 GiB", 3, &node).await;
}

#[tokio::test]
async fn device_nodes_are_not_read() {
    let node = Node::new();
    // A device that never ends, and one that never begins.
    let made = Command::new("sh")
        .args([
            "-euc",
            "mknod \"$1/zero\" c 1 5; mknod \"$1/console\" c 5 1",
            "sh",
        ])
        .arg(node.etc(""))
        .status()
        .unwrap();
    if !made.success() {
        eprintln!("skipped: device nodes can only be made as root");
        return;
    }
    is_no_obstacle("device nodes", 2, &node).await;
}

#[tokio::test]
async fn names_may_contain_every_byte_and_be_long() {
    let node = Node::new();
    let mut bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    bytes.insert(0, b'a');
    assert_eq!(bytes.len(), 255);
    let name = OsStr::from_bytes(&bytes);
    fs::write(node.etc(name), "old").unwrap();
    made(&node.initialize(BaselineReason::First).await);
    assert_eq!(
        finding(&node.scan().await).result.condition,
        Condition::Succeeded
    );
    fs::write(node.etc(name), "new").unwrap();
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    assert_eq!(
        (
            result.files_changed,
            result.files_added,
            result.files_removed
        ),
        (1, 0, 0)
    );
    let expected = report::display_path(&[b"/etc/".as_slice(), &bytes].concat());
    assert_eq!(result.changes[0].path, expected);
    fs::write(node.etc(name), "old").unwrap();
    well_after("a name with 255 different bytes", 1, &node, &node.runner()).await;
}

#[tokio::test]
async fn all_files_of_a_large_directory_are_read() {
    let node = Node::new();
    fs::create_dir(node.etc("many")).unwrap();
    for n in 0..200_000 {
        File::create(node.etc(format!("many/{n}"))).unwrap();
    }
    let completed = node.initialize(BaselineReason::First).await;
    assert!(completed.baseline.as_ref().unwrap().entries > 200_000);
    fs::remove_file(node.etc("many/777")).unwrap();
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.changes[0].path, "/etc/many/777");
    assert_eq!(finding(&completed).result.files_removed, 1);
    File::create(node.etc("many/777")).unwrap();
    well_after("200,000 files in a directory", 1, &node, &node.runner()).await;
}

/// The result has the number of changes and the first paths, although the end of the report is missing.
#[tokio::test]
async fn a_report_over_the_limit_is_cut_off_and_its_counts_are_reported() {
    const FILES: u32 = 3000;
    let node = Node::new();
    made(&node.initialize(BaselineReason::First).await);
    let new = |n: u32| node.etc(format!("{n:0200}"));
    for n in 0..FILES {
        File::create(new(n)).unwrap();
    }
    let mut runner = node.runner();
    runner.max_report = 100_000;
    for _ in 0..2 {
        let completed = node.scan_by(&runner).await;
        let result = &finding(&completed).result;
        assert_eq!(result.condition, Condition::Failed, "{completed:?}");
        assert_eq!(result.files_added, i64::from(FILES));
        assert!(
            result.changes[0].path.starts_with("/etc/0000"),
            "{result:?}"
        );
        assert!(completed.log.is_some());
        let log = fs::read_to_string(node.etc("kubernetes/aide.log")).unwrap();
        assert!(log.len() < 101_000 && log.contains("[truncated: the report had more than"));
        let report = completed.report.as_ref().unwrap();
        assert!(
            report.differing() > report.changes.len() as u64,
            "{report:?}"
        );
        assert!(!ReportFiles::of(&runner).json().exists());
    }
    // Not even the counts.
    runner.max_report = 10;
    let completed = node.scan_by(&runner).await;
    let result = &finding(&completed).result;
    assert_eq!(
        result.error_class.as_deref(),
        Some("report"),
        "{completed:?}"
    );
    let message = result.error_message.as_deref().unwrap();
    assert!(message.contains("longer than 10 bytes"), "{message}");
    for n in 0..FILES {
        fs::remove_file(new(n)).unwrap();
    }
    well_after("a report that exceeds the limit", 3, &node, &node.runner()).await;
}

/// AIDE cannot open paths that are too long for the kernel's calls; the result reports this.
#[tokio::test]
async fn paths_that_are_too_long_for_the_kernel_are_reported() {
    let node = Node::new();
    fs::create_dir(node.etc("deep")).unwrap();
    // Step by step: no call takes the whole path.
    let script = "cd \"$1\"; name=$(printf %0200d 0); \
                  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do \
                  mkdir $name; cd -P $name; done; : > file";
    sh(script, &node.etc("deep"));
    let completed = node.initialize(BaselineReason::First).await;
    let Finished::InitFailed(error) = &completed.finished else {
        panic!("it was passed over: {completed:?}")
    };
    assert_eq!(error.class, ErrorClass::Incomplete);
    assert!(error.message.contains("/etc/deep/000"), "{}", error.message);
    let reason = "': File name too long (skipping) (1 in all)";
    assert!(error.message.ends_with(reason), "{}", error.message);
    sh("cd \"$1\" && rm -rf deep", &node.etc(""));
    is_no_obstacle(
        "a path of more than 4,096 bytes: Errored, with the path",
        1,
        &node,
    )
    .await;
}

/// As many warnings as fill more than a pipe and a buffer do not hide the one that matters.
#[tokio::test]
async fn many_warnings_do_not_hide_an_unread_directory() {
    let node = Node::with("warn_dead_symlinks=yes\n/etc l+p+sha256\n");
    let script = "cd \"$1\"; for n in $(seq 1200); do ln -s /none/$(printf %060d 0) dead$n; done; \
                  mkdir z; cd z; name=$(printf %0200d 0); \
                  for _ in $(seq 25); do mkdir $name; cd -P $name; done";
    sh(script, &node.etc(""));
    let completed = node.initialize(BaselineReason::First).await;
    let Finished::InitFailed(error) = &completed.finished else {
        panic!("it was passed over: {completed:?}")
    };
    assert!(
        error.message.contains("/etc/z/000") && error.message.ends_with("(1 in all)"),
        "{}",
        error.message
    );
    sh("cd \"$1\" && rm -rf z", &node.etc(""));
}

/// A scan is an error that names this file.
async fn is_incomplete(node: &Node, path: &str) {
    let completed = node.scan().await;
    let class = finding(&completed).result.error_class.as_deref();
    assert_eq!(class, Some("incomplete"), "{completed:?}");
    assert!(error_message(&completed).contains(path), "{completed:?}");
}

/// A scan finds one change.
async fn has_one_change(node: &Node) {
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    assert_eq!(result.condition, Condition::Failed, "{completed:?}");
    assert_eq!(result.files_changed, 1, "{result:?}");
}

/// Holds a write lease on a file until its input is closed: opening the file without waiting fails
/// (fcntl(2), `F_SETLEASE`, which is 1024). The kernel revokes a lease 45 s after another process opens the file,
/// and a busy machine may run AIDE later than that, so the lease is renewed every few seconds.
const LEASE: &str = "use Fcntl; $SIG{IO} = 'IGNORE'; open(my $file, '+<', $ARGV[0]) or die; \
                     fcntl($file, 1024, F_WRLCK) or die; syswrite(STDOUT, 'held'); \
                     while (1) { \
                       my $input = ''; vec($input, fileno(STDIN), 1) = 1; \
                       last if select($input, undef, undef, 5); \
                       fcntl($file, 1024, F_UNLCK); fcntl($file, 1024, F_WRLCK) or die; \
                     }";

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_not_reported_as_unchanged() {
    let node = Node::new();
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let mut holder = Command::new("perl")
        .args(["-e", LEASE])
        .arg(node.etc("passwd"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 4];
    let output = holder.stdout.as_mut().unwrap();
    output.read_exact(&mut held).unwrap();
    is_incomplete(&node, "/etc/passwd").await;

    drop(holder.stdin.take());
    holder.wait().unwrap();
    has_one_change(&node).await;
}

/// Writes to a file until it is dropped, so that it is another one whenever it is read.
pub(super) struct Restless(CancellationToken, Option<std::thread::JoinHandle<()>>);

impl Restless {
    pub(super) fn file(path: PathBuf) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // Large, so that reading it takes longer than the pause between two writes.
        fs::write(&path, vec![0; 8 << 20]).unwrap();
        let mut file = File::options().append(true).open(path).unwrap();
        let thread = std::thread::spawn(move || {
            while !stopped.is_cancelled() {
                file.write_all(b"x").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.cancel();
        if let Some(thread) = self.1.take() {
            thread.join().unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_that_is_written_continuously_is_not_reported_as_unchanged() {
    let node = Node::new();
    let restless = Restless::file(node.etc("restless"));
    made(&node.initialize(BaselineReason::First).await);
    is_incomplete(&node, "/etc/restless").await;
    // What else is found is true nevertheless.
    fs::write(node.etc("passwd"), "toor").unwrap();
    has_one_change(&node).await;
    drop(restless);
    // Nor is it unchanged when the writes stop: its earlier content is unknown.
    fs::write(node.etc("passwd"), "root").unwrap();
    is_incomplete(&node, "/etc/restless").await;
    made(&node.initialize(BaselineReason::Config).await);
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
    fs::write(node.etc("restless"), "other").unwrap();
    has_one_change(&node).await;
}

/// A new baseline lacks the content of a file that is written while AIDE reads it, however often it reads it. Its
/// record has that.
#[tokio::test]
async fn a_file_that_is_written_during_an_update_is_recorded_as_unread() {
    let node = Node::new();
    fs::write(node.etc("restless"), "").unwrap();
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let restless = Restless::file(node.etc("restless"));
    let completed = node
        .initialize(BaselineReason::Requested("r1".to_owned()))
        .await;
    made(&completed);
    let accepted = completed.baseline.unwrap().accepted.unwrap();
    let unread = &accepted.differences.unread;
    assert!(
        unread.len() == 1 && unread[0].starts_with("the new baseline lacks content: "),
        "{accepted:?}"
    );
    assert!(unread[0].contains("/etc/restless"), "{unread:?}");
    let paths = accepted.differences.changes.iter();
    assert!(paths.clone().any(|change| change.path == "/etc/passwd"));
    drop(restless);
    // The next one is complete, but its content was not compared with the earlier one.
    let completed = node
        .initialize(BaselineReason::Requested("r2".to_owned()))
        .await;
    let accepted = completed.baseline.unwrap().accepted.unwrap();
    let unread = &accepted.differences.unread;
    assert!(
        unread.len() == 1 && unread[0].starts_with("the old baseline lacks content: "),
        "{accepted:?}"
    );
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
}

#[tokio::test]
async fn a_file_that_may_grow_is_compared_while_it_is_written() {
    let node = Node::with("/etc p+u+g+ftype+sha256+growing\n");
    let restless = Restless::file(node.etc("restless"));
    made(&node.initialize(BaselineReason::First).await);
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
    drop(restless);
    fs::write(node.etc("restless"), vec![1; 9 << 20]).unwrap();
    has_one_change(&node).await;
}

#[tokio::test]
async fn files_created_and_deleted_during_a_scan_hide_no_changes() {
    let node = Node::new();
    for n in 0..200 {
        fs::write(node.etc(format!("{n}")), "x").unwrap();
    }
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let busy = CancellationToken::new();
    let (stop, etc) = (busy.clone(), node.etc(""));
    let restless = tokio::task::spawn_blocking(move || {
        while !stop.is_cancelled() {
            for n in 0..200 {
                fs::remove_file(etc.join(format!("{n}"))).unwrap();
                fs::write(etc.join(format!("{n}")), "x").unwrap();
            }
        }
    });
    for _ in 0..5 {
        let completed = node.scan().await;
        let result = &finding(&completed).result;
        match result.condition {
            Condition::Succeeded => panic!("a change was passed over"),
            Condition::Failed => assert!(result.files_changed >= 1, "{result:?}"),
            Condition::Errored => assert_eq!(result.error_class.as_deref(), Some("incomplete")),
        }
    }
    busy.cancel();
    restless.await.unwrap();
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    assert_eq!(
        (
            result.files_changed,
            result.files_added,
            result.files_removed
        ),
        (1, 0, 0)
    );
    fs::write(node.etc("passwd"), "root").unwrap();
    well_after(
        "200 files are created and deleted while AIDE reads them",
        5,
        &node,
        &node.runner(),
    )
    .await;
}

#[tokio::test]
async fn a_file_without_end_times_out_and_is_reported() {
    let mut node = Node::new();
    made(&node.initialize(BaselineReason::First).await);
    File::create(node.etc("endless"))
        .unwrap()
        .set_len(1 << 42)
        .unwrap();
    let in_all = |total| Limits {
        total,
        ..Limits::default()
    };
    let named = " seconds at /etc/endless;";
    let completed = scan_until(&mut node, in_all, |completed| {
        error_message(completed).contains(named)
    })
    .await;
    let result = &finding(&completed).result;
    assert_eq!(result.error_class.as_deref(), Some("hung"));
    let message = error_message(&completed);
    assert!(
        message.starts_with("AIDE error: not finished after ") && message.contains(named),
        "{message}"
    );
    assert_eq!(node.runner().interruptions(), 0);
    fs::remove_file(node.etc("endless")).unwrap();
    well_after(
        "a file of 4 TiB: the scan is terminated and reports the file",
        1,
        &node,
        &node.runner(),
    )
    .await;
}

#[tokio::test]
async fn a_disk_without_room_for_another_file_leaves_the_old_baseline() {
    let test =
        "daemon::runner::fault_tests::a_disk_without_room_for_another_file_leaves_the_old_baseline";
    let Some(disk) = SmallDisk::with(test, "size=4m,nr_inodes=24") else {
        return;
    };
    let node = Node::new();
    let mut runner = node.runner();
    runner.state = StateDir::at(&disk.path());
    let initialize = async |reason| node.initialize_by(&runner, reason).await;
    let old = made(&initialize(BaselineReason::First).await).clone();
    let filler = |n: u32| disk.path().join(format!("filler{n}"));
    let fillers = (0..1000)
        .take_while(|&n| File::create(filler(n)).is_ok())
        .count();
    let before = disk.names();
    let completed = initialize(BaselineReason::Requested("r1".to_owned())).await;
    assert!(
        matches!(completed.finished, Finished::InitFailed(_)),
        "{completed:?}"
    );
    assert_eq!(runner.read_disk().unwrap(), Disk::Baseline(old));
    assert_eq!(disk.names(), before);
    // A scan cannot write its files, either; the result reports this.
    let scan = node.scan_by(&runner).await;
    assert_eq!(
        finding(&scan).result.condition,
        Condition::Errored,
        "{scan:?}"
    );
    for n in 0..u32::try_from(fillers).unwrap() {
        fs::remove_file(filler(n)).unwrap();
    }
    let healed = initialize(BaselineReason::Requested("r1".to_owned())).await;
    assert_eq!(made(&healed).request.as_deref(), Some("r1"));
    well_after(
        "no free inode: a re-initialization and a scan",
        2,
        &node,
        &runner,
    )
    .await;
}

#[tokio::test]
async fn a_read_only_state_directory_is_reported_until_it_is_writable_again() {
    let test = "daemon::runner::fault_tests::a_read_only_state_directory_is_reported_until_it_is_writable_again";
    let Some(disk) = SmallDisk::of_test(test) else {
        return;
    };
    let node = Node::new();
    let mut runner = node.runner();
    runner.state = StateDir::at(&disk.path());
    let completed = node.initialize_by(&runner, BaselineReason::First).await;
    let old = made(&completed).clone();
    disk.make_read_only();
    let scan = node.scan_by(&runner).await;
    let result = &finding(&scan).result;
    assert_eq!(result.condition, Condition::Errored, "{result:?}");
    let reason = BaselineReason::Requested("r1".to_owned());
    let completed = node.initialize_by(&runner, reason).await;
    let Finished::InitFailed(error) = &completed.finished else {
        panic!("{completed:?}")
    };
    assert!(
        error.message.contains("Read-only file system"),
        "{}",
        error.message
    );
    assert_eq!(runner.read_disk().unwrap(), Disk::Baseline(old));
    disk.make_writable();
    well_after(
        "a read-only state directory: a scan and a re-initialization",
        2,
        &node,
        &runner,
    )
    .await;
}

#[tokio::test]
async fn file_systems_without_attributes_and_loops_of_mounts_are_no_obstacle() {
    let test = "daemon::runner::fault_tests::file_systems_without_attributes_and_loops_of_mounts_are_no_obstacle";
    let script = "mkdir -p \"$1/etc/plain\" \"$1/etc/loop\" \"$1/etc/recursive\"; \
                  mount -t ramfs plain \"$1/etc/plain\"; \
                  mount --bind \"$1\" \"$1/etc/loop\"; mount --rbind \"$1\" \"$1/etc/recursive\"";
    let Some(root) = mount_namespace::of_test(test, script) else {
        return;
    };
    let node = Node::at(
        &root,
        "/etc p+u+g+ftype+sha256+acl+xattrs+selinux\n!/etc/(loop|recursive)/.*/(passwd|kubernetes/.*)$\n",
    );
    fs::write(node.etc("plain/file"), "x").unwrap();
    is_no_obstacle(
        "a file system without attributes, the root mounted in itself",
        3,
        &node,
    )
    .await;
}

#[tokio::test]
async fn links_in_place_of_the_files_that_aide_writes_are_not_followed() {
    let node = Node::new();
    let victim = node.etc("shadow");
    fs::write(&victim, "secret").unwrap();
    let put_links = |names: &[&str]| {
        for name in names {
            symlink("../shadow", node.etc("kubernetes").join(name)).unwrap();
        }
    };
    put_links(&["aide.db.gz.new", "aide.log.new", "aide.log"]);
    made(&node.initialize(BaselineReason::First).await);
    put_links(&["aide.db.gz.new", "aide.log.new"]);
    let completed = node.scan().await;
    assert_eq!(
        finding(&completed).result.condition,
        Condition::Succeeded,
        "{completed:?}"
    );
    // The link is not backed up as if it were a log, nor what it leads to.
    fs::remove_file(node.etc("kubernetes/aide.log")).unwrap();
    put_links(&["aide.log"]);
    made(
        &node
            .initialize(BaselineReason::Requested("r1".to_owned()))
            .await,
    );
    assert_eq!(fs::read_to_string(&victim).unwrap(), "secret");
    let names = mount_namespace::names_in(&node.etc("kubernetes"));
    assert!(
        !names.iter().any(|name| name.starts_with("aide.log.backup")),
        "{names:?}"
    );
    well_after(
        "links in place of the files that AIDE writes",
        6,
        &node,
        &node.runner(),
    )
    .await;
}

#[tokio::test]
async fn nothing_is_written_through_a_link_in_place_of_the_state_directory() {
    let node = Node::new();
    let runner = node.runner();
    made(&node.initialize_by(&runner, BaselineReason::First).await);
    // The whole of it, database and all, behind a link.
    let outside = node.etc("outside");
    fs::rename(node.etc("kubernetes"), &outside).unwrap();
    symlink("outside", node.etc("kubernetes")).unwrap();
    fs::write(outside.join("aide.log.new"), "mine").unwrap();
    let before = mount_namespace::names_in(&outside);
    let completed = node.scan_by(&runner).await;
    let result = &finding(&completed).result;
    assert_eq!(result.error_class.as_deref(), Some("state"));
    let message = result.error_message.as_deref().unwrap();
    assert!(
        message.contains("it is a symbolic link to outside; restore"),
        "{message}"
    );
    let reason = BaselineReason::Requested("r1".to_owned());
    let completed = node.initialize_by(&runner, reason).await;
    assert!(
        matches!(&completed.finished, Finished::InitFailed(error) if error.class == ErrorClass::State),
        "{completed:?}"
    );
    assert_eq!(mount_namespace::names_in(&outside), before);
    fs::remove_file(node.etc("kubernetes")).unwrap();
    fs::rename(&outside, node.etc("kubernetes")).unwrap();
    well_after("a link in place of the state directory", 2, &node, &runner).await;
}

/// A file system whose server takes requests and answers none but the first.
struct HangingMount {
    device: File,
}

impl HangingMount {
    fn new(at: &Path) -> Self {
        use std::os::fd::AsRawFd as _;
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .unwrap();
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0\0",
            device.as_raw_fd()
        );
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).unwrap();
        rustix::mount::mount("server:/export", at, "fuse", MountFlags::empty(), options).unwrap();
        Self { device }
    }

    /// Answers `FUSE_INIT`, so that what follows is given to this server: from then on whoever waits
    /// for an answer cannot be ended (fuse(4), `struct fuse_init_out` of linux/fuse.h).
    fn begin(&mut self) {
        let mut request = vec![0; 64 * 1024];
        let length = self.device.read(&mut request).unwrap();
        assert!(length >= 40);
        let mut answer = vec![0; 80];
        answer[..4].copy_from_slice(&80_u32.to_ne_bytes());
        answer[8..16].copy_from_slice(&request[8..16]);
        answer[16..20].copy_from_slice(&7_u32.to_ne_bytes());
        answer[20..24].copy_from_slice(&31_u32.to_ne_bytes());
        answer[36..40].copy_from_slice(&4096_u32.to_ne_bytes());
        self.device.write_all(&answer).unwrap();
    }

    /// Takes the next request, and never answers.
    fn swallow(&mut self) {
        let mut request = vec![0; 64 * 1024];
        assert!(self.device.read(&mut request).unwrap() > 0);
    }
}

/// The root of a node that may have such a mount; none where this kernel has no FUSE.
fn root_for_hanging_mount(test: &str) -> Option<PathBuf> {
    if File::options()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .is_err()
    {
        eprintln!("skipped: /dev/fuse cannot be opened here");
        return None;
    }
    mount_namespace::of_test(test, "mkdir \"$1/etc/remote\"")
}

#[tokio::test]
async fn a_hanging_mount_is_reported_and_aide_is_terminated() {
    let test = "daemon::runner::fault_tests::a_hanging_mount_is_reported_and_aide_is_terminated";
    let Some(root) = root_for_hanging_mount(test) else {
        return;
    };
    let mut node = Node::at(&root, "/etc p+sha256\n");
    made(&node.initialize(BaselineReason::First).await);
    let mount = HangingMount::new(&node.etc("remote"));
    let named = " at /etc/remote (fuse server:/export on /etc/remote); AIDE was terminated.";
    let is_named = |completed: &Completed| error_message(completed).contains(named);
    let completed = scan_until(&mut node, without_progress, is_named).await;
    assert!(
        completed.stuck_process.is_none(),
        "it waits for the first answer, and can be ended"
    );
    let result = &finding(&completed).result;
    assert_eq!(result.error_class.as_deref(), Some("hung"));
    let message = error_message(&completed);
    assert!(
        message.starts_with("AIDE error: no progress for ") && message.contains(named),
        "{message}"
    );
    drop(mount);
    unmount(&node.etc("remote"));
    well_after(
        "a mount that hangs: AIDE is terminated",
        1,
        &node,
        &node.runner(),
    )
    .await;
}

#[tokio::test]
async fn a_rule_with_a_hanging_mount_does_not_delay_scans() {
    let test = "daemon::runner::fault_tests::a_rule_with_a_hanging_mount_does_not_delay_scans";
    let Some(root) = root_for_hanging_mount(test) else {
        return;
    };
    let mut node = Node::at(&root, "/etc p+sha256\n/etc/remote/ p\n");
    made(&node.initialize(BaselineReason::First).await);
    let mount = HangingMount::new(&node.etc("remote"));
    node.limit(Limits::of_total(Duration::from_secs(2)));
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    assert_eq!(result.error_class.as_deref(), Some("hung"));
    assert!(
        error_message(&completed).contains(": no answer at /etc/remote; "),
        "{}",
        error_message(&completed)
    );
    drop(mount);
    unmount(&node.etc("remote"));
    node.limit(Limits::default());
    let fault = "a mount that hangs, named by a rule";
    well_after(fault, 1, &node, &node.runner()).await;
}

fn unmount(at: &Path) {
    rustix::mount::unmount(at, rustix::mount::UnmountFlags::DETACH).unwrap();
}

#[tokio::test]
async fn no_run_starts_until_an_aide_that_cannot_be_terminated_exits() {
    let test =
        "daemon::runner::fault_tests::no_run_starts_until_an_aide_that_cannot_be_terminated_exits";
    let Some(root) = root_for_hanging_mount(test) else {
        return;
    };
    let mut node = Node::at(&root, "/etc p+sha256\n");
    made(&node.initialize(BaselineReason::First).await);
    let mut mount = HangingMount::new(&node.etc("remote"));
    mount.begin();
    // No task of the runtime's, which would wait for its end where the test fails before.
    let server = std::thread::spawn(move || {
        mount.swallow();
        mount
    });
    let is_stuck = |completed: &Completed| matches!(completed.finished, Finished::Stuck(_));
    let mut completed = scan_until(&mut node, without_progress, is_stuck).await;
    let Finished::Stuck(error) = &completed.finished else {
        panic!("it was ended: {completed:?}")
    };
    assert_eq!(error.class, ErrorClass::Hung);
    let expected = "cannot be terminated. No other run starts until it exits.";
    assert!(
        error.message.contains(" at /etc/remote (fuse ") && error.message.contains(expected),
        "{}",
        error.message
    );
    let mut exited = Box::pin(completed.stuck_process.take().unwrap().exited());
    let still = tokio::time::timeout(Duration::from_millis(300), &mut exited).await;
    assert!(still.is_err(), "it is still there");
    drop(server.join().unwrap());
    exited.await;
    unmount(&node.etc("remote"));
    well_after(
        "a mount that hangs: AIDE cannot be terminated",
        1,
        &node,
        &node.runner(),
    )
    .await;
}
