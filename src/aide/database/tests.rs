//! The state directory as a whole, on real directories.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::accepted_reports::{AcceptedReport, MAX_WAITING};
use super::backups::BACKUP;
use super::baseline::LEGACY_SIGNAL;
use super::plain_log::MAX_LOG;
use super::safe_fs::{remove_best_effort, write_synced};
use super::state_dir::{ACCEPTED, CONFIG, DATABASE, LOG, PARTIAL_BACKUP, RECORD};
use super::{DatabaseError, Found, Record, StateDir, digest_of_gzip};
use crate::aide::config::config_hash;
use crate::api::names;
use crate::api::state_dir::DEFAULT_DIRS;
use crate::testing::mount_namespace::SmallDisk;

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

/// The configuration of all baselines.
const CONFIGURATION: &str = "/etc p\n";

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
        excluded: None,
        accepted: None,
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
    state
        .commit(&record(text), CONFIGURATION, at(second), keep)
        .unwrap();
}

#[test]
fn the_first_suitable_default_directory_is_chosen() {
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
fn a_default_directory_in_memory_or_read_only_is_skipped() {
    let test = "aide::database::tests::a_default_directory_in_memory_or_read_only_is_skipped";
    let Some(disk) = SmallDisk::of_test(test) else {
        return;
    };
    let chosen = |asked| StateDir::choose(&disk.root, asked, "fi").map(|(_, dir)| dir);
    assert_eq!(chosen(None).unwrap(), DEFAULT_DIRS[1]);
    let message = |asked| chosen(asked).unwrap_err().to_string();
    let asked = Some(DEFAULT_DIRS[0]);
    assert!(message(asked).starts_with("the state directory /etc/kubernetes is in memory; "));
    disk.make_read_only();
    assert_eq!(chosen(None).unwrap(), DEFAULT_DIRS[1]);
    let read_only = "the state directory /etc/kubernetes is not writable (Read-only file system";
    assert!(message(asked).starts_with(read_only), "{}", message(asked));
    // Neither is suitable.
    fs::remove_dir(disk.root.join("var/lib/file-integrity")).unwrap();
    fs::remove_dir(disk.root.join("var/lib")).unwrap();
    fs::write(disk.root.join("var/lib"), "").unwrap();
    let error = message(None);
    for expected in [
        "the state directory /etc/kubernetes is not writable (",
        "the state directory /var/lib/file-integrity cannot be created (",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(error.ends_with(
        "set spec.config.stateDir to a directory on a disk that only root can write to, such as \
             /var/lib/file-integrity, or leave it unset"
    ));
}

#[test]
fn a_state_directory_below_a_link_is_rejected() {
    let root = tempfile::tempdir().unwrap();
    let at_path = |path: &str| root.path().join(path);
    fs::create_dir_all(at_path("var/opt/fio")).unwrap();
    std::os::unix::fs::symlink("var/opt", at_path("opt")).unwrap();
    std::os::unix::fs::symlink("/var/opt/fio", at_path("state")).unwrap();
    let message = |dir| {
        StateDir::choose(root.path(), Some(dir), "fi")
            .unwrap_err()
            .to_string()
    };
    assert!(
        message("/opt/fio").starts_with(
            "the state directory /opt/fio is below the symbolic link /opt to var/opt; \
             specify the real directory"
        ),
        "{}",
        message("/opt/fio")
    );
    assert!(message("/state").starts_with("the state directory /state is a symbolic link to "));
    assert!(StateDir::choose(root.path(), Some("/var/opt/fio"), "fi").is_ok());
}

#[test]
fn verify_detects_a_replaced_directory() {
    let (root, state) = state();
    let (dir, aside) = (state.path().to_owned(), root.path().join("etc/aside"));
    state.verify().unwrap();
    let message = || state.verify().unwrap_err().to_string();
    fs::rename(&dir, &aside).unwrap();
    assert!(
        message().contains("it does not exist; restore"),
        "{}",
        message()
    );
    std::os::unix::fs::symlink("aside", &dir).unwrap();
    assert!(
        message().contains("it is a symbolic link to aside; restore"),
        "{}",
        message()
    );
    fs::remove_file(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    assert!(
        message().contains("it is another directory; restore"),
        "{}",
        message()
    );
    fs::remove_dir(&dir).unwrap();
    fs::rename(&aside, &dir).unwrap();
    state.verify().unwrap();
}

#[test]
fn a_baseline_does_not_move_when_the_other_default_directory_appears() {
    let root = tempfile::tempdir().unwrap();
    let chosen = |owner| StateDir::choose(root.path(), None, owner).unwrap();
    let (state, dir) = chosen("fi");
    assert_eq!(dir, DEFAULT_DIRS[1]);
    commit(&state, "one", 0, 5);
    let other = root.path().join("etc/kubernetes");
    fs::create_dir_all(&other).unwrap();
    assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
    assert_eq!(chosen("another").1, DEFAULT_DIRS[1], "both use one lock");
    fs::write(other.join(DATABASE), gzip("the original's")).unwrap();
    assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
    // A record older than that in the directory in use.
    let mut older = record("older");
    older.created_at = Time(at(-1));
    fs::write(other.join(RECORD), older.to_json()).unwrap();
    assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
    older.created_at = Time(at(1));
    fs::write(other.join(RECORD), older.to_json()).unwrap();
    assert_eq!(chosen("fi").1, DEFAULT_DIRS[0]);
    older.owner = "another".to_owned();
    fs::write(other.join(RECORD), older.to_json()).unwrap();
    assert_eq!(chosen("fi").1, DEFAULT_DIRS[1]);
}

#[test]
fn a_baseline_does_not_move_while_its_directory_is_read_only() {
    let test = "aide::database::tests::a_baseline_does_not_move_while_its_directory_is_read_only";
    let Some(disk) = SmallDisk::of_test(test) else {
        return;
    };
    let chosen = || StateDir::choose(&disk.root, None, "fi").map(|(_, dir)| dir);
    fs::write(disk.path().join(RECORD), record("one").to_json()).unwrap();
    let in_memory = chosen().unwrap_err().to_string();
    assert!(
        in_memory.contains("contains the baseline, but it is in memory"),
        "{in_memory}"
    );
    disk.make_read_only();
    assert_eq!(
        chosen().unwrap_err().to_string(),
        "the state directory /etc/kubernetes contains the baseline, but it is not writable (Read-only file \
         system (os error 30)); fix this, or set spec.config.stateDir to another directory, which \
         gets a new baseline"
    );
    disk.make_writable();
    fs::remove_file(disk.path().join(RECORD)).unwrap();
    disk.make_read_only();
    assert_eq!(chosen().unwrap(), DEFAULT_DIRS[1]);
}

#[test]
fn a_directory_that_others_can_write_to_is_rejected_at_open_and_later() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let volume = root.path().join("srv/volume");
    fs::create_dir_all(&volume).unwrap();
    let set = |mode| fs::set_permissions(&volume, fs::Permissions::from_mode(mode)).unwrap();
    let open = || StateDir::choose(root.path(), Some("/srv/volume/fio"), "fi");
    set(0o777);
    assert_eq!(
        open().unwrap_err().to_string(),
        "the state directory /srv/volume/fio is not safe: users other than root can write to /srv/volume \
         (mode 0777); remove this permission (`chmod go-w /srv/volume`); set spec.config.stateDir to a \
         directory on a disk that only root can write to, such as /var/lib/file-integrity, or leave it unset"
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
fn system_directories_and_directories_with_foreign_files_are_rejected() {
    let root = tempfile::tempdir().unwrap();
    for (dir, file, expected) in [
        ("etc/cron.d", "job", "is inside the system directory /etc"),
        (
            "etc/cron.d",
            "aide.lock",
            "is inside the system directory /etc",
        ),
        ("srv/app", "conf", "contains conf, which is not fio's"),
    ] {
        let place = root.path().join(dir);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(file), "").unwrap();
        let dir = format!("/{dir}/.");
        let error = StateDir::choose(root.path(), Some(&dir), "fi").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    fs::create_dir_all(root.path().join("srv/empty")).unwrap();
    let taken = |dir| StateDir::choose(root.path(), Some(dir), "fi").map(|(_, dir)| dir);
    assert_eq!(taken("/srv//empty/").unwrap(), "/srv/empty");
}

#[test]
fn the_error_names_a_directory_that_cannot_be_created() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let error = StateDir::choose(root.path(), Some("/file/dir"), "fi").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the state directory /file/dir cannot be created (")
    );
}

#[test]
fn a_missing_or_empty_database_is_nothing() {
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
fn load_finishes_a_replacement_that_a_crash_interrupted() {
    let (_root, state) = state();
    commit(&state, "one", 0, 5);
    // The state after the first rename of a second commit.
    fs::write(state.database(), gzip("two")).unwrap();
    write_synced(&state.new_of(RECORD), &record("two").to_json()).unwrap();
    let Found::Database { record: found, .. } = state.load().unwrap() else {
        panic!("the database is there");
    };
    assert_eq!(found, Some(record("two")));
    assert_eq!(Record::read(&state.record()), Some(record("two")));
    assert!(!state.new_of(RECORD).exists());
}

/// After each step of a second replacement, the configuration is that of the database in place.
#[test]
fn a_crash_during_a_replacement_keeps_the_configuration_of_the_baseline() {
    let new_config = "/etc p\n/usr p\n";
    let (old_hash, new_hash) = (config_hash(CONFIGURATION), config_hash(new_config));
    let steps: [&dyn Fn(&StateDir); 4] = [
        &|state| state.stage_config(new_config),
        &|state| write_synced(&state.new_of(RECORD), &record("two").to_json()).unwrap(),
        &|state| fs::rename(state.new_database(), state.database()).unwrap(),
        &|state| state.install_config(),
    ];
    for crash_after in 0..=steps.len() {
        let (_root, state) = state();
        commit(&state, "one", 0, 5);
        fs::write(state.new_database(), gzip("two")).unwrap();
        for step in &steps[..crash_after] {
            step(&state);
        }
        let is_replaced = crash_after >= 3;
        let Found::Database {
            record: Some(found),
            ..
        } = state.load().unwrap()
        else {
            panic!("no record after step {crash_after}");
        };
        let expected = if is_replaced { "two" } else { "one" };
        assert_eq!(found, record(expected), "after step {crash_after}");
        state.clear_unfinished().unwrap();
        let hash = if is_replaced { &new_hash } else { &old_hash };
        let config = state.config_of_baseline(hash).unwrap();
        assert_eq!(config_hash(&config), *hash);
        let other = if is_replaced { &old_hash } else { &new_hash };
        assert_eq!(state.config_of_baseline(other), None);
    }
}

/// A report counts exactly if its baseline is in place, and is there once.
#[test]
fn a_report_of_a_new_baseline_is_kept_if_it_has_replaced_the_old_one() {
    let (_root, state) = state();
    commit(&state, "one", 0, 5);
    // A replacement that failed.
    state.stage_accepted_report(AcceptedReport::Update, b"report of two");
    state.load().unwrap();
    assert_eq!(state.accepted_reports(), [""; 0].map(PathBuf::from));
    state.clear_unfinished().unwrap();
    // One that a crash interrupted after the first rename.
    state.stage_accepted_report(AcceptedReport::Update, b"report of two");
    fs::write(state.database(), gzip("two")).unwrap();
    write_synced(&state.new_of(RECORD), &record("two").to_json()).unwrap();
    for _ in 0..2 {
        state.load().unwrap();
        state.clear_unfinished().unwrap();
        let [report] = &state.accepted_reports()[..] else {
            panic!("{:?}", state.accepted_reports());
        };
        let content = StateDir::read_accepted_report(report).unwrap();
        assert_eq!(content, b"report of two");
    }
    // A complete one.
    state.stage_accepted_report(AcceptedReport::Update, b"report of three");
    commit(&state, "three", 1, 5);
    let reports = state.accepted_reports();
    assert_eq!(reports.len(), 2);
    StateDir::remove_accepted_report(&reports[0]).unwrap();
    assert_eq!(state.accepted_reports(), reports[1..]);
}

#[test]
fn waiting_reports_are_limited_and_prevent_no_replacement() {
    let (_root, state) = state();
    for n in 0..=MAX_WAITING {
        let text = n.to_string();
        state.stage_accepted_report(AcceptedReport::Update, text.as_bytes());
        commit(&state, &text, 0, 5);
    }
    assert_eq!(state.accepted_reports().len(), MAX_WAITING);
    assert!(!state.new_of(ACCEPTED).exists());
}

#[test]
fn the_two_reports_of_a_baseline_are_kept_together() {
    let (_root, state) = state();
    commit(&state, "one", 0, 5);
    let write = || {
        state.stage_accepted_report(AcceptedReport::OldConfig, b"old");
        state.stage_accepted_report(AcceptedReport::Update, b"new");
    };
    write();
    state.clear_unfinished().unwrap();
    commit(&state, "two", 1, 5);
    assert_eq!(state.accepted_reports(), [""; 0].map(PathBuf::from));
    write();
    commit(&state, "three", 2, 5);
    let reports = state.accepted_reports();
    let contents = reports.iter().map(|path| fs::read(path).unwrap());
    let contents: std::collections::BTreeSet<Vec<u8>> = contents.collect();
    assert_eq!(contents, [b"new".to_vec(), b"old".to_vec()].into());
}

#[test]
fn the_copy_of_the_configuration_prevents_no_replacement() {
    let (root, state) = state();
    for name in ["aide.baseline.conf", "aide.baseline.conf.new"] {
        fs::create_dir_all(state.path().join(name).join("precious")).unwrap();
    }
    commit(&state, "one", 0, 5);
    assert_eq!(state.config_of_baseline(&config_hash(CONFIGURATION)), None);
    fs::remove_dir_all(state.config()).unwrap();
    fs::remove_dir_all(state.new_of(CONFIG)).unwrap();
    // Links are replaced, not followed.
    let outside = root.path().join("outside");
    for place in [state.config(), state.new_of(CONFIG)] {
        std::os::unix::fs::symlink(&outside, place).unwrap();
    }
    commit(&state, "two", 1, 5);
    assert!(!outside.exists());
    let config = state.config_of_baseline(&config_hash(CONFIGURATION));
    assert_eq!(config.as_deref(), Some(CONFIGURATION));
}

#[test]
fn a_database_with_another_digest_has_no_record() {
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
fn a_replacement_interrupted_after_its_backup_makes_no_second_one() {
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
fn a_copied_backup_gets_its_name_when_it_is_complete() {
    let (_root, state) = state();
    let (from, to) = (state.log(), state.path().join("aide.log.backup-x"));
    assert!(state.copy_backup(&from, &to).is_err());
    fs::write(&from, "report").unwrap();
    fs::write(state.new_of(PARTIAL_BACKUP), "of a daemon that was killed").unwrap();
    state.copy_backup(&from, &to).unwrap();
    assert_eq!(fs::read_to_string(&to).unwrap(), "report");
    assert!(!state.new_of(PARTIAL_BACKUP).exists());
    fs::write(state.new_of(PARTIAL_BACKUP), "of a daemon that was killed").unwrap();
    state.clear_unfinished().unwrap();
    assert!(!state.new_of(PARTIAL_BACKUP).exists());
}

#[test]
fn the_newest_backup_is_kept_when_the_clock_is_set_back() {
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

/// The backups of the database, oldest first. Asserts that these are their contents.
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
fn a_file_that_cannot_be_removed_does_not_stop_the_removal_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a", "b", "c"].map(|name| dir.path().join(name));
    fs::create_dir(&paths[0]).unwrap();
    fs::write(&paths[1], "").unwrap();
    fs::write(&paths[2], "").unwrap();
    remove_best_effort(&paths);
    assert_eq!(paths.map(|path| path.exists()), [true, false, false]);
}

#[test]
fn directories_named_like_backups_are_ignored() {
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
fn zero_max_backups_keeps_none() {
    let (_root, state) = state();
    commit(&state, "a", 0, 0);
    commit(&state, "b", 1, 0);
    assert_eq!(state.backups_of(DATABASE).unwrap(), Vec::<PathBuf>::new());
    assert!(matches!(state.load().unwrap(), Found::Database { .. }));
}

#[test]
fn a_long_log_is_truncated_with_a_note() {
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
    let expected = "\n[truncated: the report had 67108871 bytes, these are the first 67108736]\n";
    assert!(log.ends_with(expected.as_bytes()));
    fs::write(state.log(), "half").unwrap();
    state.bound_log(false).unwrap();
    let expected = "half\n[truncated: the report had more than 4 bytes, these are the first 4]\n";
    assert_eq!(fs::read_to_string(state.log()).unwrap(), expected);
}

#[test]
fn the_lock_is_exclusive() {
    let (_root, state) = state();
    let held = state.lock().unwrap();
    assert!(matches!(state.lock(), Err(DatabaseError::Locked { .. })));
    drop(held);
    // Programs that other tests have started since may hold it, too.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while state.lock().is_err() {
        assert!(
            std::time::Instant::now() < deadline,
            "the lock is never released"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_child_process_keeps_the_lock() {
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
fn an_empty_directory_in_place_of_a_file_is_removed_and_another_one_is_an_error() {
    type Step = fn(&StateDir) -> Result<(), DatabaseError>;
    let swap: Step = |state| {
        fs::write(state.new_database(), gzip("two")).unwrap();
        state.commit(&record("two"), CONFIGURATION, at(1), 5)
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
        let expected = format!(
            "{} is a directory, but fio needs a file there",
            place.display()
        );
        assert!(error.starts_with(&expected), "{error}");
        assert!(precious.exists(), "{name}");
        fs::remove_file(precious).unwrap();
        step(&state).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!place.is_dir(), "{name}");
    }
}

#[test]
fn a_directory_in_place_of_the_record_does_not_interrupt_a_replacement() {
    let (_root, state) = state();
    commit(&state, "one", 0, 5);
    fs::remove_file(state.record()).unwrap();
    fs::create_dir_all(state.record().join("precious")).unwrap();
    fs::write(state.new_database(), gzip("two")).unwrap();
    state
        .commit(&record("two"), CONFIGURATION, at(1), 5)
        .unwrap_err();
    let found = |text: &str, record| Found::Database {
        digest: names::sha256_hex(text),
        record,
    };
    assert_eq!(state.load().unwrap(), found("one", None));
    // A replacement that was interrupted before the directory was created.
    write_synced(&state.new_of(RECORD), &record("one").to_json()).unwrap();
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
    assert!(state.commit(&record("x"), CONFIGURATION, at(0), 5).is_err());
    assert!(!outside.exists());
}
