//! Acceptances with a real AIDE.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;

use super::fault_tests::Restless;
use super::tests::{Node, finding, made, old_baseline, write_gzip};
use super::*;
use crate::aide::database::StateDir;
use crate::aide::watchdog::Limits;
use crate::api::{AcceptanceRequest, ChangeKind, Condition, RefusalReason};
use crate::daemon::machine::BaselineReason;
use crate::scan::evidence;
use crate::testing::aide_binary::{AIDE, script};
use crate::testing::mount_namespace::{SmallDisk, names_in};

/// Number of times that something is tried for which a busy machine may be too slow.
const MAX_TRIES: u32 = 20;

/// The acceptance of the set of this hash.
pub(super) fn acceptance(runner: &Runner, change_set: &str) -> Acceptance {
    let old = old_baseline(runner).unwrap();
    Acceptance {
        request: AcceptanceRequest {
            name: "openssl".to_owned(),
            uid: "u1".to_owned(),
            attempt: 1,
            change_set: change_set.to_owned(),
            config_hash: old.config_hash.clone(),
            until: "2100-01-01T00:00:00Z".parse().unwrap(),
            publish_report: false,
        },
        config_hash: old.config_hash.clone(),
        old: Some(old),
        is_desired: Arc::new(|| true),
    }
}

/// The set that the node shows.
async fn set(node: &Node) -> String {
    let completed = node.scan().await;
    finding(&completed).result.changes_hash.clone().unwrap()
}

/// A node with a baseline and one change, and the acceptance of that.
async fn changed() -> (Node, Acceptance) {
    let node = Node::new();
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let acceptance = acceptance(&node.runner(), &set(&node).await);
    (node, acceptance)
}

async fn accept_by(node: &Node, runner: &Runner, acceptance: &Acceptance) -> Completed {
    let cancel = CancellationToken::new();
    let completed = runner
        .accept(&node.config(), acceptance.clone(), &cancel)
        .await;
    assert_eq!(runner.interruptions(), 0);
    completed
}

/// The baseline of an acceptance, with its record on the disk.
fn accepted(runner: &Runner, completed: &Completed) -> Accepted {
    let Finished::Accepted(known) = &completed.finished else {
        panic!("not accepted: {:?}", completed.finished);
    };
    assert_eq!(runner.read_disk().unwrap(), Disk::Baseline(known.clone()));
    let published = completed.baseline.as_ref().unwrap();
    assert_eq!(published.digest, known.digest);
    let Found::Database { record, .. } = runner.state.load().unwrap() else {
        panic!("no database");
    };
    assert_eq!(record.unwrap().accepted, published.accepted);
    published.accepted.clone().unwrap()
}

/// The files that make up the baseline.
fn baseline_files(runner: &Runner) -> Vec<Vec<u8>> {
    let names = ["aide.db.gz", "aide.baseline.json", "aide.baseline.conf"];
    names
        .iter()
        .map(|name| fs::read(runner.state.path().join(name)).unwrap_or_default())
        .collect()
}

/// The names of files that no run may leave.
fn unfinished(runner: &Runner) -> Vec<String> {
    let names = names_in(runner.state.path());
    names
        .into_iter()
        .filter(|name| name.rsplit('.').next() == Some("new"))
        .collect()
}

/// Executes an acceptance that must be refused for this reason, and leave the baseline as it is.
async fn refused_by(
    node: &Node,
    runner: &Runner,
    acceptance: &Acceptance,
    reason: RefusalReason,
) -> (Completed, String) {
    let before = baseline_files(runner);
    let completed = accept_by(node, runner, acceptance).await;
    let Finished::Refused { refusal, .. } = &completed.finished else {
        panic!("not refused: {:?}", completed.finished);
    };
    assert_eq!(refusal.reason, reason, "{}", refusal.message);
    assert!(
        baseline_files(runner) == before,
        "another baseline: {reason}"
    );
    assert_eq!(unfinished(runner), [""; 0]);
    let message = refusal.message.clone();
    (completed, message)
}

async fn refused(node: &Node, acceptance: &Acceptance, reason: RefusalReason) -> String {
    refused_by(node, &node.runner(), acceptance, reason).await.1
}

#[tokio::test]
async fn exactly_the_reviewed_changes_are_accepted_with_odd_names() {
    let node = Node::new();
    let names: [&[u8]; 8] = [
        b"a space",
        b"new\nline",
        b"b\xffyte",
        b"at@",
        b"colon:",
        b"100%25",
        b"back\\slash\\012",
        b"\x01",
    ];
    let path = |name: &[u8]| node.etc(OsStr::from_bytes(name));
    for name in &names[..4] {
        fs::write(path(name), "old").unwrap();
    }
    symlink("passwd", node.etc("link")).unwrap();
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    for name in names {
        fs::write(path(name), "new").unwrap();
    }
    fs::remove_file(node.etc("group")).unwrap();
    fs::set_permissions(node.etc("passwd"), fs::Permissions::from_mode(0o600)).unwrap();
    let runner = node.runner();
    let set = set(&node).await;
    let completed = accept_by(&node, &runner, &acceptance(&runner, &set)).await;
    let accepted = accepted(&runner, &completed);
    assert_eq!(
        (accepted.reason.as_str(), accepted.request.as_deref()),
        ("Acceptance", Some("u1"))
    );
    assert_eq!(accepted.acceptance.as_deref(), Some("openssl"));
    assert_eq!(accepted.old_digest, Some(old.digest));
    assert_eq!(accepted.differences.changes_hash, Some(set));
    assert_eq!(accepted.differences.incomplete, None);
    // The run is also a scan.
    let result = &finding(&completed).result;
    assert_eq!(result.condition, Condition::Succeeded);
    let entries = completed.baseline.as_ref().unwrap().entries;
    assert_eq!(result.files_scanned, Some(entries));
    assert!(result.duration_milliseconds.is_some() && !completed.scan.is_empty());
    assert!(completed.node_config.is_some());
    assert!(completed.report.is_some_and(|report| !report.differs));
    // Nothing is left, and nothing is published.
    assert_eq!(unfinished(&runner), [""; 0]);
    assert!(!ReportFiles::of(&runner).json().exists());
    assert_eq!(
        runner.state.accepted_reports(),
        [""; 0].map(std::path::PathBuf::from)
    );

    let clean = node.scan().await;
    assert_eq!(
        finding(&clean).result.condition,
        Condition::Succeeded,
        "{clean:?}"
    );
    for name in names {
        fs::write(path(name), "again").unwrap();
    }
    let completed = node.scan().await;
    assert_eq!(finding(&completed).result.files_changed, 8);
}

#[tokio::test]
async fn a_published_report_proves_the_set() {
    let (node, mut acceptance) = changed().await;
    acceptance.request.publish_report = true;
    let runner = node.runner();
    let completed = accept_by(&node, &runner, &acceptance).await;
    let accepted = accepted(&runner, &completed);
    let reports = runner.state.accepted_reports();
    let [report] = &reports[..] else {
        panic!("{reports:?}");
    };
    let report: ConfigMap = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let record = evidence::record_of(&report).unwrap();
    assert_eq!(record.baseline.accepted, Some(accepted));
    assert!(evidence::is_verified(&report, &record));
}

#[tokio::test]
async fn another_change_is_a_refusal_and_is_reported() {
    let (node, acceptance) = changed().await;
    fs::write(node.etc("new"), "").unwrap();
    let (completed, message) = refused_by(
        &node,
        &node.runner(),
        &acceptance,
        RefusalReason::ChangesDiffer,
    )
    .await;
    let result = &finding(&completed).result;
    assert_eq!(result.condition, Condition::Failed);
    assert_eq!((result.files_added, result.files_changed), (1, 1));
    let hash = result.changes_hash.clone().unwrap();
    assert_eq!(
        message,
        format!(
            "the node has the changes {hash} (a:1,c:1,r:0), not {}",
            acceptance.request.change_set
        )
    );
    let log = completed.log.as_ref().unwrap()["data"]["integritylog"].to_string();
    assert!(log.contains("etc/new"), "{log}");
    // Without the other change it is accepted.
    fs::remove_file(node.etc("new")).unwrap();
    let completed = accept_by(&node, &node.runner(), &acceptance).await;
    accepted(&node.runner(), &completed);
}

#[tokio::test]
async fn reverted_changes_and_other_content_are_a_refusal() {
    let (node, acceptance) = changed().await;
    for (content, condition) in [("other", Condition::Failed), ("root", Condition::Succeeded)] {
        fs::write(node.etc("passwd"), content).unwrap();
        let reason = RefusalReason::ChangesDiffer;
        let (completed, _) = refused_by(&node, &node.runner(), &acceptance, reason).await;
        assert_eq!(finding(&completed).result.condition, condition);
    }
}

/// Its content would be missing in the new baseline, so that no change of it would ever be found.
#[tokio::test]
async fn a_file_that_is_written_meanwhile_is_a_refusal() {
    let node = Node::new();
    fs::write(node.etc("restless"), "").unwrap();
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let restless = Restless::file(node.etc("restless"));
    let acceptance = acceptance(&node.runner(), &set(&node).await);
    let runner = node.runner();
    // On a busy machine the writer may pause while AIDE reads the file. Then its content is another one.
    let (mut reason, mut message) = (RefusalReason::ChangesDiffer, String::new());
    for _ in 0..MAX_TRIES {
        let completed = accept_by(&node, &runner, &acceptance).await;
        let Finished::Refused { refusal, .. } = completed.finished else {
            panic!("not refused: {:?}", completed.finished);
        };
        (reason, message) = (refusal.reason, refusal.message);
        if reason != RefusalReason::ChangesDiffer {
            break;
        }
    }
    assert_eq!(reason, RefusalReason::Unstable);
    assert!(message.contains("/etc/restless"), "{message}");
    drop(restless);
}

#[tokio::test]
async fn a_baseline_without_the_content_of_a_file_is_a_refusal() {
    let node = Node::new();
    let restless = Restless::file(node.etc("restless"));
    for _ in 0..MAX_TRIES {
        let digest = made(&node.initialize(BaselineReason::First).await)
            .digest
            .clone();
        // On a busy machine the writer may pause while AIDE reads the file.
        if node.runner().state.unread(&digest).is_some() {
            break;
        }
    }
    drop(restless);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let mut acceptance = acceptance(&node.runner(), &set(&node).await);
    let reason = RefusalReason::BaselineUntrusted;
    let message = refused(&node, &acceptance, reason).await;
    assert!(
        message.starts_with("the old baseline lacks content: "),
        "{message}"
    );
    assert!(message.contains("/etc/restless"), "{message}");
    // Also if the record does not show it, but AIDE does.
    let mut record: Record = serde_json::from_slice(&baseline_files(&node.runner())[1]).unwrap();
    record.unread = None;
    let path = node.etc("kubernetes/aide.baseline.json");
    fs::write(path, serde_json::to_vec(&record).unwrap()).unwrap();
    let message = refused(&node, &acceptance, reason).await;
    assert!(message.contains("different attributes"), "{message}");
    assert!(message.ends_with("/etc/restless (1 in all)"), "{message}");
    acceptance.old = None;
    refused(&node, &acceptance, RefusalReason::BaselineUntrusted).await;
}

#[tokio::test]
async fn another_configuration_is_a_refusal() {
    let (node, acceptance) = changed().await;
    let mut reviewed = acceptance.clone();
    reviewed.request.config_hash = "other".to_owned();
    refused(&node, &reviewed, RefusalReason::ConfigurationDiffers).await;
    let mut loaded = acceptance.clone();
    loaded.config_hash = "other".to_owned();
    refused(&node, &loaded, RefusalReason::ConfigurationDiffers).await;
    let mut baseline = acceptance;
    baseline.old.as_mut().unwrap().config_hash = "other".to_owned();
    refused(&node, &baseline, RefusalReason::ConfigurationDiffers).await;
}

#[tokio::test]
async fn another_database_than_the_recorded_one_is_a_refusal() {
    let (node, acceptance) = changed().await;
    let runner = node.runner();
    // Somebody has replaced the database by one that shows the same set, and hides another change.
    fs::write(node.etc("group"), "hidden").unwrap();
    fs::write(node.etc("passwd"), "root").unwrap();
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let message = refused(&node, &acceptance, RefusalReason::BaselineUntrusted).await;
    let recorded = &acceptance.old.as_ref().unwrap().digest;
    assert!(
        message.contains(&format!("(recorded {recorded}, found ")),
        "{message}"
    );
    // What AIDE cannot read.
    let unreadable = "@@begin_db\n@@db_spec name attr\n/etc 0\n";
    write_gzip(&runner.state.database(), unreadable);
    refused(&node, &acceptance, RefusalReason::BaselineUntrusted).await;
    fs::write(runner.state.database(), "no gzip").unwrap();
    refused(&node, &acceptance, RefusalReason::BaselineUntrusted).await;
    fs::remove_file(runner.state.database()).unwrap();
    refused(&node, &acceptance, RefusalReason::BaselineUntrusted).await;
}

#[tokio::test]
async fn a_withdrawn_acceptance_is_refused_at_the_last_moment() {
    let (node, mut acceptance) = changed().await;
    let asked = Arc::new(AtomicU32::new(0));
    // Before the run, after it, and when everything is ready for the replacement.
    for (times, has_scanned) in [(0, false), (1, true), (2, true)] {
        let asked = Arc::clone(&asked);
        asked.store(0, Ordering::SeqCst);
        acceptance.is_desired = Arc::new(move || asked.fetch_add(1, Ordering::SeqCst) < times);
        let reason = RefusalReason::Revoked;
        let (completed, _) = refused_by(&node, &node.runner(), &acceptance, reason).await;
        let finished = &completed.finished;
        assert!(
            matches!(finished, Finished::Refused { has_scanned: found, .. } if *found == has_scanned),
            "{finished:?}"
        );
        assert_eq!(completed.finding.is_some(), has_scanned);
    }
    let counted = Arc::clone(&asked);
    asked.store(0, Ordering::SeqCst);
    acceptance.is_desired = Arc::new(move || counted.fetch_add(1, Ordering::SeqCst) < 100);
    let completed = accept_by(&node, &node.runner(), &acceptance).await;
    accepted(&node.runner(), &completed);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_acceptance_is_refused_when_its_time_is_over() {
    let (node, mut acceptance) = changed().await;
    acceptance.request.until = jiff::Timestamp::now();
    let message = refused(&node, &acceptance, RefusalReason::Expired).await;
    assert!(
        message.starts_with("the acceptance was valid until 2"),
        "{message}"
    );
    // While AIDE runs.
    let dir = tempfile::tempdir().unwrap();
    let mut runner = node.runner();
    let wait = format!(
        "case $1 in --update) sleep 2;; esac\nexec {} \"$@\"",
        AIDE.display()
    );
    runner.aide = script(dir.path(), &wait);
    acceptance.request.until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let (completed, _) = refused_by(&node, &runner, &acceptance, RefusalReason::Expired).await;
    assert!(
        completed.finding.is_some(),
        "it was over before the run: {completed:?}"
    );
}

#[tokio::test]
async fn a_failing_aide_is_a_refusal_and_scans_go_on() {
    let (node, acceptance) = changed().await;
    let dir = tempfile::tempdir().unwrap();
    let mut runner = node.runner();
    let kill = format!(
        "case $1 in --update) kill -9 $$;; esac\nexec {} \"$@\"",
        AIDE.display()
    );
    runner.aide = script(dir.path(), &kill);
    let (_, message) = refused_by(&node, &runner, &acceptance, RefusalReason::Error).await;
    assert!(message.contains("killed by signal 9"), "{message}");
    let slow = format!(
        "case $1 in --update) sleep 60;; esac\nexec {} \"$@\"",
        AIDE.display()
    );
    runner.aide =
        script(dir.path(), &slow).watched(Limits::of_total(Duration::from_secs(1)), node.etc(""));
    refused_by(&node, &runner, &acceptance, RefusalReason::Error).await;
    let config = fs::read_to_string(node.config()).unwrap();
    fs::write(node.config(), "this is no configuration\n").unwrap();
    refused(&node, &acceptance, RefusalReason::Error).await;
    fs::write(node.config(), config).unwrap();
    assert_eq!(set(&node).await, acceptance.request.change_set);
}

#[tokio::test]
async fn a_run_that_is_terminated_with_the_daemon_is_no_answer() {
    let (node, acceptance) = changed().await;
    let (runner, cancel) = (node.runner(), CancellationToken::new());
    cancel.cancel();
    let before = baseline_files(&runner);
    let completed = runner.accept(&node.config(), acceptance, &cancel).await;
    assert_eq!(completed.finished, Finished::Stopped);
    assert!(baseline_files(&runner) == before);
}

#[tokio::test]
async fn a_report_over_the_limit_is_a_refusal() {
    let node = Node::new();
    made(&node.initialize(BaselineReason::First).await);
    for n in 0..5000 {
        File::create(node.etc(format!("{n:0200}"))).unwrap();
    }
    let acceptance = acceptance(&node.runner(), &set(&node).await);
    let mut runner = node.runner();
    runner.max_report = 100_000;
    let (_, message) = refused_by(&node, &runner, &acceptance, RefusalReason::Unstable).await;
    assert!(
        message.contains("is longer than 1048576 bytes"),
        "{message}"
    );
    let completed = accept_by(&node, &node.runner(), &acceptance).await;
    assert_eq!(
        accepted(&node.runner(), &completed).differences.files_added,
        5000
    );
}

#[tokio::test]
async fn a_set_that_leaves_nothing_to_watch_is_a_refusal() {
    let node = Node::with("/etc/passwd$ p+sha256\n");
    made(&node.initialize(BaselineReason::First).await);
    fs::remove_file(node.etc("passwd")).unwrap();
    let acceptance = acceptance(&node.runner(), &set(&node).await);
    refused(&node, &acceptance, RefusalReason::Error).await;
}

#[tokio::test]
async fn a_full_disk_is_a_refusal_and_leaves_nothing_behind() {
    let test =
        "daemon::runner::acceptance_tests::a_full_disk_is_a_refusal_and_leaves_nothing_behind";
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
    made(&node.initialize_by(&runner, BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let scan = node.scan_by(&runner).await;
    let mut acceptance = acceptance(
        &runner,
        finding(&scan).result.changes_hash.as_ref().unwrap(),
    );
    acceptance.request.publish_report = true;
    let database = fs::metadata(runner.state.database()).unwrap().len();
    let mut refusals = 0;
    // From the first byte of AIDE's database to the last one of the record.
    for step in 0..12 {
        let before = (baseline_files(&runner), names_in(&disk.path()));
        let ballast = disk.fill(step * (database + 32 * 1024) / 8);
        let completed = accept_by(&node, &runner, &acceptance).await;
        fs::remove_file(ballast).unwrap();
        if let Finished::Accepted(_) = &completed.finished {
            accepted(&runner, &completed);
            break;
        }
        assert!(
            matches!(completed.finished, Finished::Refused { .. }),
            "{completed:?}"
        );
        assert!(baseline_files(&runner) == before.0, "{step}");
        let names = names_in(&disk.path()).into_iter();
        let names: Vec<String> = names.filter(|name| !name.contains(".backup-")).collect();
        assert_eq!(names, before.1, "{step}");
        refusals += 1;
    }
    assert!((1..12).contains(&refusals), "{refusals}");
}

/// A file that becomes a directory or a link has other attributes, which is no reason to refuse.
#[tokio::test]
async fn other_types_of_files_are_accepted() {
    let node = Node::with("/etc p+ftype+l+sha256\n");
    for name in ["file", "directory"] {
        fs::write(node.etc(name), "").unwrap();
    }
    symlink("passwd", node.etc("link")).unwrap();
    made(&node.initialize(BaselineReason::First).await);
    for name in ["file", "directory", "link"] {
        fs::remove_file(node.etc(name)).unwrap();
    }
    symlink("passwd", node.etc("file")).unwrap();
    fs::create_dir(node.etc("directory")).unwrap();
    fs::write(node.etc("link"), "").unwrap();
    let acceptance = acceptance(&node.runner(), &set(&node).await);
    let completed = accept_by(&node, &node.runner(), &acceptance).await;
    assert_eq!(
        accepted(&node.runner(), &completed)
            .differences
            .files_changed,
        3
    );
    let clean = node.scan().await;
    assert_eq!(finding(&clean).result.condition, Condition::Succeeded);
}

/// Changes of the new baseline's own node are as visible as before.
#[tokio::test]
async fn the_next_set_is_relative_to_the_new_baseline() {
    let (node, acceptance) = changed().await;
    let completed = accept_by(&node, &node.runner(), &acceptance).await;
    accepted(&node.runner(), &completed);
    fs::write(node.etc("passwd"), "root").unwrap();
    let completed = node.scan().await;
    let result = &finding(&completed).result;
    assert_eq!(result.changes[0].kind, ChangeKind::Changed);
    assert_ne!(result.changes_hash, Some(acceptance.request.change_set));
}
