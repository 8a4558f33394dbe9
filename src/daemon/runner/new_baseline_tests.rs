//! What new baselines accept, with a real AIDE.

use std::fs::File;
use std::os::unix::fs::symlink;

use super::tests::{Node, finding, made, old_baseline, write_gzip};
use super::*;
use crate::aide::config::config_hash;
use crate::api::{AcceptedDifferences, ChangeKind, Condition, ErrorClass, names};
use crate::daemon::machine::{BaselineReason, EndedHold, OldBaseline};
use crate::scan::evidence;
use crate::testing::aide_binary::{AIDE, script};

fn requested() -> BaselineReason {
    BaselineReason::Requested("0123456789abcdef-on-failed".to_owned())
}

/// The record of the baseline on the disk, which is also published.
fn accepted(runner: &Runner, completed: &Completed) -> Option<Accepted> {
    let known = made(completed);
    let Found::Database {
        record: Some(record),
        digest,
    } = runner.state.load().unwrap()
    else {
        panic!("no baseline with its record");
    };
    assert_eq!(digest, known.digest);
    let published = completed.baseline.as_ref();
    let published = published.map(|baseline| baseline.accepted.as_ref());
    assert_eq!(published, Some(record.accepted.as_ref()));
    record.accepted
}

/// What a new baseline for this reason accepts.
async fn accepted_by(node: &Node, runner: &Runner, reason: BaselineReason) -> Option<Accepted> {
    let completed = node.initialize_by(runner, reason).await;
    accepted(runner, &completed)
}

fn counts(differences: &AcceptedDifferences) -> (i64, i64, i64) {
    (
        differences.files_added,
        differences.files_changed,
        differences.files_removed,
    )
}

fn paths(differences: &AcceptedDifferences) -> Vec<(&str, ChangeKind, bool)> {
    let changes = differences.changes.iter();
    changes
        .map(|change| (change.path.as_str(), change.kind, change.no_longer_watched))
        .collect()
}

/// A record that lists nothing, and has this reason.
fn assert_unknown(differences: &AcceptedDifferences, why: &str) {
    let incomplete = differences.incomplete.as_deref().unwrap_or_default();
    assert!(incomplete.contains(why), "{differences:?}");
    assert_eq!(counts(differences), (0, 0, 0));
    assert_eq!(differences.changes, []);
    assert_eq!(differences.changes_hash, None);
}

/// The node has a baseline of all its files now.
async fn assert_clean(node: &Node) {
    let completed = node.scan().await;
    assert!(completed.report.is_some_and(|report| !report.differs));
}

#[tokio::test]
async fn a_new_baseline_records_what_the_run_that_wrote_it_has_found() {
    let node = Node::new();
    let runner = node.runner();
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    fs::write(node.etc("passwd"), "toor").unwrap();
    fs::write(node.etc("new"), "").unwrap();
    fs::remove_file(node.etc("group")).unwrap();
    let scan = finding(&node.scan().await).result.clone();
    let accepted = accepted_by(&node, &runner, requested()).await.unwrap();
    assert_eq!(accepted.reason, "OnFailed");
    assert_eq!(
        accepted.request.as_deref(),
        Some("0123456789abcdef-on-failed")
    );
    assert_eq!(accepted.old_digest, Some(old.digest));
    assert_eq!(accepted.old_config_hash, Some(old.config_hash));
    assert_eq!(accepted.with_old_config, None);
    let differences = &accepted.differences;
    assert_eq!(counts(differences), (1, 1, 1));
    assert_eq!(differences.changes_hash, scan.changes_hash);
    assert_eq!(
        paths(differences),
        [
            ("/etc/group", ChangeKind::Removed, false),
            ("/etc/new", ChangeKind::Added, false),
            ("/etc/passwd", ChangeKind::Changed, false),
        ]
    );
    assert_eq!(
        (&differences.unread[..], &differences.incomplete),
        (&[][..], &None)
    );
    assert_clean(&node).await;
    // Its report is the node's log until the next scan, and no file of the run is left.
    assert!(!ReportFiles::of(&runner).json().exists());
    assert_eq!(accepted_by(&node, &runner, requested()).await, None);
}

#[tokio::test]
async fn a_baseline_that_replaces_none_has_no_record() {
    let (node, reasons) = (
        Node::new(),
        [
            BaselineReason::First,
            BaselineReason::Lost,
            BaselineReason::Moved("/var/lib/other".to_owned()),
            BaselineReason::Foreign { open_failure: None },
        ],
    );
    for reason in reasons {
        let runner = node.runner();
        fs::remove_file(runner.state.database()).ok();
        assert_eq!(accepted_by(&node, &runner, reason).await, None);
    }
}

#[tokio::test]
async fn a_missing_database_is_the_reason_why_nothing_is_known() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let runner = node.runner();
    let old = old_baseline(&runner);
    let create = async || {
        let new = NewBaseline {
            config: &node.config(),
            config_hash: &old.as_ref().unwrap().config_hash,
            reason: &requested(),
            old: old.as_ref(),
            require_acceptance: false,
        };
        let completed = runner.initialize(new, &CancellationToken::new()).await;
        accepted(&runner, &completed).unwrap().differences
    };
    fs::remove_file(runner.state.database()).unwrap();
    assert_unknown(&create().await, "No such file");
    File::create(runner.state.database()).unwrap();
    assert_unknown(&create().await, "the old database is empty");
    // Neither a link nor a pipe is opened.
    fs::rename(runner.state.database(), node.etc("database")).unwrap();
    symlink("../database", runner.state.database()).unwrap();
    assert_unknown(&create().await, "not a file");
    assert_clean(&node).await;
}

#[tokio::test]
async fn another_database_than_the_recorded_one_shows_nothing() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let runner = node.runner();
    let recorded = old_baseline(&runner);
    // Somebody has replaced the database by one that hides a change.
    fs::write(node.etc("passwd"), "toor").unwrap();
    node.initialize(BaselineReason::First).await;
    let forged = old_baseline(&runner).unwrap().digest;
    fs::write(node.etc("group"), "other").unwrap();
    let recorded = recorded.unwrap();
    let new = NewBaseline {
        config: &node.config(),
        config_hash: &recorded.config_hash,
        reason: &requested(),
        old: Some(&recorded),
        require_acceptance: false,
    };
    let completed = runner.initialize(new, &CancellationToken::new()).await;
    let accepted = accepted(&runner, &completed).unwrap();
    let why = format!(
        "not the recorded one (recorded {}, found {forged})",
        recorded.digest
    );
    assert_unknown(&accepted.differences, &why);
    assert_eq!(accepted.old_digest, Some(recorded.digest));
}

#[tokio::test]
async fn a_hold_accepts_nothing_if_the_database_was_replaced() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let runner = node.runner();
    let recorded = old_baseline(&runner).unwrap();
    let reason = BaselineReason::HoldEnded(EndedHold {
        id: "0123456789abcdef-hold-ended".to_owned(),
        request: "fedcba9876543210-hold-ended".to_owned(),
        holds: vec!["update".to_owned()],
    });
    let new = NewBaseline {
        config: &node.config(),
        config_hash: &recorded.config_hash,
        reason: &reason,
        old: Some(&recorded),
        require_acceptance: false,
    };
    let accept = async || runner.initialize(new, &CancellationToken::new()).await;
    // Somebody has replaced the database by one that hides a change.
    fs::write(node.etc("passwd"), "toor").unwrap();
    node.initialize(BaselineReason::First).await;
    let forged = fs::read(runner.state.database()).unwrap();
    let digest = Some(old_baseline(&runner).unwrap().digest);
    assert_eq!(accept().await.finished, Finished::Scanned { digest });
    assert_eq!(fs::read(runner.state.database()).unwrap(), forged);
    fs::write(runner.state.database(), "no database").unwrap();
    let digest = Some(NO_DATABASE.to_owned());
    assert_eq!(accept().await.finished, Finished::Scanned { digest });
    fs::remove_file(runner.state.database()).unwrap();
    assert_eq!(accept().await.finished, Finished::BaselineMissing);
    assert!(!runner.state.database().exists());
}

#[tokio::test]
async fn a_database_that_aide_cannot_read_prevents_no_baseline() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    let runner = node.runner();
    let old = old_baseline(&runner).unwrap();
    let create = async || {
        let new = NewBaseline {
            config: &node.config(),
            config_hash: &old.config_hash,
            reason: &requested(),
            old: Some(&old),
            require_acceptance: false,
        };
        let completed = runner.initialize(new, &CancellationToken::new()).await;
        accepted(&runner, &completed).unwrap().differences
    };
    write_gzip(
        &runner.state.database(),
        "@@begin_db\n@@db_spec name attr\n/etc 0\n",
    );
    assert_unknown(&create().await, "without a comparison");
    fs::write(runner.state.database(), "no gzip").unwrap();
    assert_unknown(&create().await, "not a gzip file");
    assert_clean(&node).await;
    // Of another program, without a recorded baseline: there is nothing to compare with.
    fs::write(runner.state.database(), "no gzip").unwrap();
    let reason = BaselineReason::Foreign { open_failure: None };
    assert_eq!(accepted_by(&node, &runner, reason).await, None);
}

#[tokio::test]
async fn an_aide_that_fails_to_compare_prevents_no_baseline() {
    let (node, dir) = (Node::new(), tempfile::tempdir().unwrap());
    node.initialize(BaselineReason::First).await;
    let mut runner = node.runner();
    let aide = AIDE.display();
    let kill = format!("case $1 in --update) kill -9 $$;; esac\nexec {aide} \"$@\"");
    runner.aide = script(dir.path(), &kill);
    let accepted = accepted_by(&node, &runner, requested()).await.unwrap();
    assert_unknown(&accepted.differences, "killed by signal 9");
    assert_clean(&node).await;
}

#[tokio::test]
async fn a_comparison_that_is_killed_with_the_container_is_not_tried_for_ever() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    fs::write(node.etc("passwd"), "toor").unwrap();
    let runner = node.runner();
    runner.marker().create().unwrap();
    let accepted = accepted_by(&node, &runner, requested()).await.unwrap();
    assert_eq!(counts(&accepted.differences), (0, 1, 0));
    for _ in 0..2 {
        runner.marker().create().unwrap();
    }
    let accepted = accepted_by(&node, &runner, requested()).await.unwrap();
    assert_unknown(&accepted.differences, "2 times in a row");
    assert_eq!(runner.interruptions(), 0);
}

#[tokio::test]
async fn a_report_over_the_limit_prevents_no_baseline_and_its_counts_are_recorded() {
    const FILES: u32 = 5000;
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    for n in 0..FILES {
        File::create(node.etc(format!("{n:0200}"))).unwrap();
    }
    let mut runner = node.runner();
    runner.max_report = 100_000;
    let accepted = accepted_by(&node, &runner, requested()).await.unwrap();
    let differences = &accepted.differences;
    assert_eq!(counts(differences), (i64::from(FILES), 0, 0));
    assert_eq!(differences.changes_hash, None);
    assert!(differences.changes[0].path.starts_with("/etc/0000"));
    let why = differences.incomplete.as_deref().unwrap();
    assert!(why.contains("is longer than 1048576 bytes"), "{why}");
    assert_clean(&node).await;
}

/// The database is larger than a report may be.
#[tokio::test]
async fn the_limit_of_a_report_does_not_limit_the_database() {
    let node = Node::new();
    for n in 0..40_000_u32 {
        let name = names::sha256_hex(n.to_be_bytes());
        File::create(node.etc(name)).unwrap();
    }
    let mut runner = node.runner();
    runner.max_report = 100;
    let completed = node.initialize_by(&runner, BaselineReason::First).await;
    let entries = completed.baseline.unwrap().entries;
    assert!(entries > 40_000, "{entries}");
    let size = fs::metadata(runner.state.database()).unwrap().len();
    assert!(size > 1024 * 1024, "{size}");
    fs::write(node.etc("passwd"), "toor").unwrap();
    let accepted = accepted_by(&node, &runner, requested()).await.unwrap();
    assert_eq!(counts(&accepted.differences), (0, 1, 0));
    assert_eq!(accepted.differences.incomplete, None);
}

#[tokio::test]
async fn the_database_of_another_file_integrity_is_compared() {
    let node = Node::new();
    node.initialize(BaselineReason::First).await;
    fs::write(node.etc("passwd"), "toor").unwrap();
    let mut runner = node.runner();
    runner.identity.file_integrity = "other".to_owned();
    let reason = BaselineReason::Foreign { open_failure: None };
    let accepted = accepted_by(&node, &runner, reason).await.unwrap();
    assert_eq!(accepted.reason, "Foreign");
    assert_eq!(accepted.old_digest, None);
    assert_eq!(counts(&accepted.differences), (0, 1, 0));
}

/// A node that gets another configuration after its baseline.
struct Reconfigured {
    node: Node,
    old: OldBaseline,
    new_hash: String,
}

impl Reconfigured {
    async fn new(new: &str) -> Self {
        let node = Node::new();
        fs::create_dir_all(node.etc("old")).unwrap();
        fs::write(node.etc("old/one"), "").unwrap();
        node.initialize(BaselineReason::First).await;
        let old = old_baseline(&node.runner()).unwrap();
        let new_hash = node.configure(new);
        Self {
            node,
            old,
            new_hash,
        }
    }

    async fn accepted(&self) -> Accepted {
        let runner = self.node.runner();
        let completed = self.initialize(&runner, false).await;
        accepted(&runner, &completed).unwrap()
    }

    async fn initialize(&self, runner: &Runner, require_acceptance: bool) -> Completed {
        let new = NewBaseline {
            config: &self.node.config(),
            config_hash: &self.new_hash,
            reason: &BaselineReason::Config,
            old: Some(&self.old),
            require_acceptance,
        };
        runner.initialize(new, &CancellationToken::new()).await
    }

    /// Tries to create a baseline if only an acceptance may accept changes. Nothing may have replaced the old one.
    async fn refused(&self, runner: &Runner) -> Completed {
        let before = fs::read(runner.state.database()).unwrap();
        let completed = self.initialize(runner, true).await;
        assert_eq!(fs::read(runner.state.database()).unwrap(), before);
        assert_eq!(completed.baseline, None);
        assert_eq!(runner.interruptions(), 0);
        completed
    }
}

#[tokio::test]
async fn if_acceptance_is_required_changes_are_reported_instead_of_accepted() {
    let changed = Reconfigured::new("/etc p+u+g+ftype+sha256\n!/etc/old\n").await;
    let node = &changed.node;
    // The new configuration does not watch it, but it was changed before.
    fs::write(node.etc("old/one"), "other").unwrap();
    let runner = node.runner();
    let completed = changed.refused(&runner).await;
    let digest = Some(changed.old.digest.clone());
    assert_eq!(completed.finished, Finished::Unaccepted { digest });
    let result = &finding(&completed).result;
    assert_eq!(
        (result.condition, result.files_changed),
        (Condition::Failed, 1)
    );
    assert!(result.changes_hash.is_some());
    assert!(completed.log.is_some());
    // When it is reverted, the configuration takes effect.
    fs::write(node.etc("old/one"), "").unwrap();
    let completed = changed.initialize(&runner, true).await;
    let accepted = accepted(&runner, &completed).unwrap();
    assert_eq!(
        accepted.with_old_config,
        Some(AcceptedDifferences::default())
    );
    let differences = &accepted.differences;
    assert_eq!(counts(differences), (0, 0, 2));
    assert_eq!(differences.files_no_longer_watched, 2);
    assert_clean(node).await;
}

#[tokio::test]
async fn if_acceptance_is_required_nothing_is_accepted_that_cannot_be_compared() {
    let failed = |completed: &Completed| match &completed.finished {
        Finished::InitFailed(error) => (error.class, error.message.clone()),
        other => panic!("{other:?}"),
    };
    let changed = Reconfigured::new("/etc p+ftype+sha256\n").await;
    let dir = tempfile::tempdir().unwrap();
    let mut runner = changed.node.runner();
    let aide = AIDE.display();
    let fail = format!("case $1 in --check) exit 18;; esac\nexec {aide} \"$@\"");
    runner.aide = script(dir.path(), &fail);
    let (class, message) = failed(&changed.refused(&runner).await);
    assert_eq!(class, ErrorClass::Io, "{message}");
    let runner = changed.node.runner();
    fs::remove_file(changed.node.etc("kubernetes/aide.baseline.conf")).unwrap();
    let (class, message) = failed(&changed.refused(&runner).await);
    assert_eq!(class, ErrorClass::Unaccepted, "{message}");
    assert!(message.contains("requireAcceptance"), "{message}");
}

#[tokio::test]
async fn if_acceptance_is_required_another_database_decides_nothing() {
    let changed = Reconfigured::new("/etc p+ftype+sha256\n").await;
    let (node, runner) = (&changed.node, changed.node.runner());
    // Somebody has replaced the database by one that hides a change.
    fs::write(node.etc("passwd"), "toor").unwrap();
    let text = runner.state.config_of_baseline(&changed.old.config_hash);
    let config = node.config().with_extension("other");
    fs::write(&config, text.unwrap()).unwrap();
    let record = fs::read(node.etc("kubernetes/aide.baseline.json")).unwrap();
    let new = NewBaseline {
        config: &config,
        config_hash: &changed.old.config_hash,
        reason: &BaselineReason::First,
        old: None,
        require_acceptance: false,
    };
    let forged = made(&runner.initialize(new, &CancellationToken::new()).await).clone();
    fs::write(node.etc("kubernetes/aide.baseline.json"), record).unwrap();
    let completed = changed.refused(&runner).await;
    let digest = Some(forged.digest);
    assert_eq!(completed.finished, Finished::Scanned { digest });
    fs::remove_file(runner.state.database()).unwrap();
    let completed = changed.initialize(&runner, true).await;
    assert_eq!(completed.finished, Finished::BaselineMissing);
}

#[tokio::test]
async fn a_changed_configuration_is_preceded_by_a_check_with_the_old_one() {
    let changed = Reconfigured::new("/etc p+u+g+ftype+sha256\n!/etc/old\n").await;
    let node = &changed.node;
    fs::write(node.etc("passwd"), "toor").unwrap();
    fs::write(node.etc("old/one"), "other").unwrap();
    fs::remove_file(node.etc("group")).unwrap();
    let accepted = changed.accepted().await;
    assert_eq!(accepted.reason, "Configuration");
    assert_eq!(
        accepted.old_config_hash.as_ref(),
        Some(&changed.old.config_hash)
    );
    // The change of a file that is no longer watched is only visible in the old configuration.
    let before = accepted.with_old_config.unwrap();
    assert_eq!(
        paths(&before),
        [
            ("/etc/group", ChangeKind::Removed, false),
            ("/etc/old/one", ChangeKind::Changed, false),
            ("/etc/passwd", ChangeKind::Changed, false),
        ]
    );
    assert_eq!(
        paths(&accepted.differences),
        [
            ("/etc/group", ChangeKind::Removed, false),
            ("/etc/old", ChangeKind::Removed, true),
            ("/etc/old/one", ChangeKind::Removed, true),
            ("/etc/passwd", ChangeKind::Changed, false),
        ]
    );
    assert_eq!(accepted.differences.files_no_longer_watched, 2);
    // The reports of both are evidence.
    let mut reports: Vec<(bool, bool)> = Vec::new();
    for path in node.runner().state.accepted_reports() {
        let object = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let record = evidence::record_of(&object).unwrap();
        assert!(evidence::is_verified(&object, &record), "{record:?}");
        let text = &object.data.unwrap()[names::KEY_INTEGRITY_LOG];
        let shows_change = text.contains("Changed entries") && text.contains("/etc/old/one");
        reports.push((record.with_old_config, shows_change));
    }
    reports.sort_unstable();
    assert_eq!(reports, [(false, true), (true, true)]);
    assert_clean(node).await;
}

#[tokio::test]
async fn a_changed_configuration_without_changes_before_has_one_report() {
    let changed = Reconfigured::new("/etc p+u+g+ftype+sha256\n!/etc/old\n").await;
    let accepted = changed.accepted().await;
    assert!(accepted.with_old_config.unwrap().is_empty());
    let reports = changed.node.runner().state.accepted_reports();
    assert_eq!(reports.len(), 1);
}

#[tokio::test]
async fn without_the_old_configuration_only_the_new_one_is_compared() {
    type Tamper = fn(&Path);
    let table: [Tamper; 3] = [
        |config| fs::remove_file(config).unwrap(),
        |config| fs::write(config, "/nothing p\n").unwrap(),
        |config| {
            fs::rename(config, config.with_extension("other")).unwrap();
            symlink("aide.baseline.other", config).unwrap();
        },
    ];
    for tamper in table {
        let changed = Reconfigured::new("/etc p+ftype+sha256\n").await;
        fs::write(changed.node.etc("passwd"), "toor").unwrap();
        tamper(&changed.node.etc("kubernetes/aide.baseline.conf"));
        let accepted = changed.accepted().await;
        let before = accepted.with_old_config.unwrap();
        assert_unknown(&before, "does not have the old configuration");
        let differences = &accepted.differences;
        assert!(
            paths(differences).contains(&("/etc/passwd", ChangeKind::Changed, false)),
            "{differences:?}"
        );
    }
}

#[tokio::test]
async fn an_old_configuration_that_fails_prevents_no_baseline() {
    let changed = Reconfigured::new("/etc p+ftype+sha256\n").await;
    let dir = tempfile::tempdir().unwrap();
    let mut runner = changed.node.runner();
    let aide = AIDE.display();
    let fail = format!("case $1 in --check) exit 17;; esac\nexec {aide} \"$@\"");
    runner.aide = script(dir.path(), &fail);
    let new = NewBaseline {
        config: &changed.node.config(),
        config_hash: &changed.new_hash,
        reason: &BaselineReason::Config,
        old: Some(&changed.old),
        require_acceptance: false,
    };
    let completed = runner.initialize(new, &CancellationToken::new()).await;
    let accepted = accepted(&runner, &completed).unwrap();
    assert_unknown(
        &accepted.with_old_config.unwrap(),
        "17 Invalid configureline",
    );
    // It is the configuration of the next check.
    assert_eq!(
        runner
            .state
            .config_of_baseline(&changed.new_hash)
            .map(|text| config_hash(&text)),
        Some(changed.new_hash.clone())
    );
}
