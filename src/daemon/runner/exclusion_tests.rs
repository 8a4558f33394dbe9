//! Exclusions with a real AIDE.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::tests::{Node, finding, made, old_baseline};
use super::*;
use crate::aide::config::{ExcludedPaths, config_hash};
use crate::aide::database::{self, ExcludedEntries};
use crate::aide::report::display_path;
use crate::api::{Condition, ErrorClass};
use crate::daemon::machine::{BaselineReason, OldBaseline};

/// A node whose configuration has exclusions.
struct Excluding {
    node: Node,
    /// The configuration without exclusions.
    text: String,
}

impl Excluding {
    async fn new() -> Self {
        let node = Node::new();
        for name in ["a", "b", "c"] {
            fs::write(node.etc(name), "before").unwrap();
        }
        node.initialize(BaselineReason::First).await;
        let text = fs::read_to_string(node.config()).unwrap();
        Self { node, text }
    }

    /// Changes the exclusions, and creates the baseline for that.
    async fn exclude(&self, paths: &[&str]) -> Completed {
        let old = old_baseline(&self.node.runner());
        self.exclude_from(old.as_ref(), paths, false).await
    }

    async fn exclude_from(
        &self,
        old: Option<&OldBaseline>,
        paths: &[&str],
        require_acceptance: bool,
    ) -> Completed {
        let runner = &self.node.runner();
        let mut excluded = ExcludedPaths::default();
        for path in paths {
            excluded.add(path).unwrap();
        }
        let text = excluded.append_to(&self.text, &runner.host_root);
        fs::write(self.node.config(), &text).unwrap();
        let new = NewBaseline {
            config: &self.node.config(),
            config_hash: &config_hash(&text),
            reason: &BaselineReason::Config,
            old,
            require_acceptance,
        };
        let completed = runner.initialize(new, &CancellationToken::new()).await;
        assert_eq!(runner.interruptions(), 0);
        for left in ["merged", "new", "excluded.new", "excluded.part"] {
            let left = self.node.etc(format!("kubernetes/aide.db.gz.{left}"));
            assert!(!left.exists(), "{}", left.display());
        }
        completed
    }

    /// The paths that a scan reports.
    async fn changed(&self) -> Vec<String> {
        let completed = self.node.scan().await;
        let result = &finding(&completed).result;
        assert_ne!(result.condition, Condition::Errored, "{result:?}");
        let report = completed.report.unwrap();
        let paths = report.changes.iter();
        paths.map(|change| display_path(&change.path)).collect()
    }

    fn record(&self) -> Record {
        match self.node.runner().state.load().unwrap() {
            Found::Database {
                record: Some(record),
                ..
            } => record,
            other => panic!("{other:?}"),
        }
    }

    /// The file with excluded entries.
    fn kept(&self) -> PathBuf {
        let ExcludedEntries { digest, .. } = self.record().excluded.unwrap();
        self.node.runner().state.excluded_entries(&digest)
    }

    /// All files with excluded entries.
    fn files(&self) -> usize {
        let files = fs::read_dir(self.node.etc("kubernetes")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name.to_str().unwrap().starts_with("aide.db.gz.excluded."))
            .count()
    }
}

#[tokio::test]
async fn other_changes_stay_and_those_of_an_ended_exclusion_come_back() {
    let it = Excluding::new().await;
    for name in ["a", "b"] {
        fs::write(it.node.etc(name), "after").unwrap();
    }
    assert_eq!(it.changed().await, ["/etc/a", "/etc/b"]);
    let old = it.record();
    let completed = it.exclude(&["/etc/b"]).await;
    let known = made(&completed).clone();
    let record = it.record();
    assert_ne!(record.digest, old.digest);
    assert_eq!((&known.digest, known.requested), (&record.digest, true));
    assert_eq!((record.entries, record.accepted), (old.entries - 1, None));
    assert_eq!(completed.baseline.unwrap().digest, record.digest);
    assert_eq!(it.changed().await, ["/etc/a"]);
    // Another change of an excluded file, and one of a file that is not.
    fs::write(it.node.etc("b"), "later").unwrap();
    fs::write(it.node.etc("c"), "later").unwrap();
    assert_eq!(it.changed().await, ["/etc/a", "/etc/c"]);
    let completed = it.exclude(&[]).await;
    let record = it.record();
    assert_eq!((record.entries, record.excluded), (old.entries, None));
    assert_eq!(completed.baseline.unwrap().accepted, None);
    assert_eq!(it.changed().await, ["/etc/a", "/etc/b", "/etc/c"]);
    assert_eq!(it.files(), 0);
    // As it was before the exclusion.
    fs::write(it.node.etc("b"), "before").unwrap();
    assert_eq!(it.changed().await, ["/etc/a", "/etc/c"]);
}

#[tokio::test]
async fn exclusions_change_one_after_the_other() {
    let it = Excluding::new().await;
    fs::create_dir_all(it.node.etc("d/e")).unwrap();
    for name in ["d/one", "d/e/two"] {
        fs::write(it.node.etc(name), "before").unwrap();
    }
    it.node.initialize(BaselineReason::First).await;
    it.exclude(&["/etc/a"]).await;
    it.exclude(&["/etc/a", "/etc/d/e"]).await;
    for name in ["a", "b", "d/one", "d/e/two", "d/e/new"] {
        fs::write(it.node.etc(name), "after").unwrap();
    }
    assert_eq!(it.changed().await, ["/etc/b", "/etc/d/one"]);
    // The directory around it, instead of it.
    it.exclude(&["/etc/d"]).await;
    assert_eq!(it.files(), 1);
    assert_eq!(it.changed().await, ["/etc/a", "/etc/b"]);
    it.exclude(&["/etc/d/e"]).await;
    assert_eq!(it.changed().await, ["/etc/a", "/etc/b", "/etc/d/one"]);
    it.exclude(&[]).await;
    let all = [
        "/etc/a",
        "/etc/b",
        "/etc/d/e/new",
        "/etc/d/e/two",
        "/etc/d/one",
    ];
    assert_eq!(it.changed().await, all);
    assert_eq!(it.record().accepted, None);
}

#[tokio::test]
async fn names_that_have_a_meaning_elsewhere_are_excluded_exactly() {
    let names: [&[u8]; 12] = [
        b"a b",
        b"@@{x}",
        b"per%cent",
        b"#hash",
        b"co:lon",
        b"a.b",
        b"a+b",
        b"back\\slash",
        b"line\nfeed",
        b"(x|y)$",
        b"\xc3\xbc",
        b"tab\there",
    ];
    let it = Excluding::new().await;
    let write = |text: &str| {
        for name in names {
            for at in [name.to_vec(), [name, b".d"].concat()] {
                let path = it.node.etc(OsStr::from_bytes(&at));
                if at.ends_with(b".d") {
                    fs::create_dir_all(&path).unwrap();
                    fs::write(path.join("file"), text).unwrap();
                } else {
                    fs::write(path, text).unwrap();
                }
            }
        }
        // Names that only begin like an excluded one, and one that the expression of another could match.
        for name in ["a b2", "aXb", "ab", "x"] {
            fs::write(it.node.etc(name), text).unwrap();
        }
    };
    write("before");
    it.node.initialize(BaselineReason::First).await;
    let shown = names.iter().flat_map(|name| {
        let path = [b"/etc/", *name].concat();
        let directory = [&path[..], b".d"].concat();
        [display_path(&path), display_path(&directory)]
    });
    let shown: Vec<String> = shown.collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let completed = it.exclude(&shown).await;
    assert_eq!(made(&completed).digest, it.record().digest);
    write("after");
    let left = ["/etc/a b2", "/etc/aXb", "/etc/ab", "/etc/x"];
    assert_eq!(it.changed().await, left);
    it.exclude(&[]).await;
    assert_eq!(it.changed().await.len(), left.len() + shown.len());
}

#[tokio::test]
async fn without_the_entries_from_before_it_is_stated_that_nothing_is_known() {
    type Loss = fn(&Path);
    let losses: [Loss; 3] = [
        |kept| fs::remove_file(kept).unwrap(),
        |kept| fs::write(kept, "forged").unwrap(),
        |kept| {
            let database = kept.with_file_name("aide.db.gz");
            fs::copy(database, kept).unwrap();
        },
    ];
    for lose in losses {
        let it = Excluding::new().await;
        it.exclude(&["/etc/b"]).await;
        lose(&it.kept());
        let completed = it.exclude(&[]).await;
        let accepted = completed.baseline.unwrap().accepted.unwrap();
        assert_eq!(accepted.reason, AcceptedReason::Exclusion.as_str());
        let why = accepted.differences.incomplete.unwrap();
        assert!(
            why.starts_with("the exclusion of /etc/b has ended"),
            "{why}"
        );
        assert_eq!(it.changed().await, ["/etc/b"]);
    }
}

/// A first baseline with exclusions, and one of other rules, have no entries from before them.
#[tokio::test]
async fn entries_are_inherited_only_by_baselines_of_the_same_configuration() {
    let it = Excluding::new().await;
    it.exclude(&["/etc/b"]).await;
    fs::write(it.node.etc("b"), "after").unwrap();
    let initialize = async |text: &str, reason: BaselineReason| {
        let runner = it.node.runner();
        fs::write(it.node.config(), text).unwrap();
        let old = old_baseline(&runner);
        let new = NewBaseline {
            config: &it.node.config(),
            config_hash: &config_hash(text),
            reason: &reason,
            old: old.as_ref(),
            require_acceptance: false,
        };
        made(&runner.initialize(new, &CancellationToken::new()).await).clone()
    };
    let with_exclusion = fs::read_to_string(it.node.config()).unwrap();
    initialize(&with_exclusion, BaselineReason::Requested("r".to_owned())).await;
    assert_eq!(it.record().excluded.unwrap().paths, ["/etc/b"]);
    it.exclude(&[]).await;
    assert_eq!(it.changed().await, ["/etc/b"]);
    // Other rules and the exclusion at once: an ordinary new baseline.
    let other = with_exclusion.replace("sha256", "sha512");
    initialize(&other, BaselineReason::Config).await;
    assert_eq!((it.record().excluded, it.files()), (None, 0));
    let it = Excluding {
        text: it.text.replace("sha256", "sha512"),
        ..it
    };
    let completed = it.exclude(&[]).await;
    let accepted = completed.baseline.unwrap().accepted.unwrap();
    assert_eq!(accepted.reason, AcceptedReason::Exclusion.as_str());
    assert_eq!(it.changed().await, ["/etc/b"]);
}

#[tokio::test]
async fn what_cannot_be_excluded_leaves_the_baseline_as_it_is() {
    let it = Excluding::new().await;
    let (before, runner) = (it.record(), it.node.runner());
    let failed = |completed: &Completed| match &completed.finished {
        Finished::InitFailed(error) => (error.class, error.message.clone()),
        other => panic!("{other:?}"),
    };
    let (class, message) = failed(&it.exclude(&["/etc"]).await);
    assert_eq!(class, ErrorClass::Empty, "{message}");
    assert_eq!(it.record(), before);
    // AIDE warns about the second of two entries with the same path.
    let entry = b"/etc/c".as_slice();
    let is_it = |path: &[u8]| path.ends_with(entry);
    let state = &runner.state;
    let twice = state.path().join("twice");
    crate::aide::database_entries::merge(
        &state.database(),
        &state.database(),
        &twice,
        &|_| true,
        &is_it,
    )
    .unwrap();
    fs::rename(&twice, state.database()).unwrap();
    let forged = database::digest_of_gzip(&state.database()).unwrap();
    let mut old = OldBaseline {
        config_hash: before.config_hash.clone(),
        digest: before.digest.clone(),
    };
    let exclude = async |old: &OldBaseline| it.exclude_from(Some(old), &["/etc/b"], false).await;
    let digest = Some(forged.clone());
    assert_eq!(exclude(&old).await.finished, Finished::Scanned { digest });
    old.digest.clone_from(&forged);
    let (class, message) = failed(&exclude(&old).await);
    assert_eq!(class, ErrorClass::Database, "{message}");
    let left = database::digest_of_gzip(&state.database()).unwrap();
    assert_eq!(left, forged);
    fs::remove_file(state.database()).unwrap();
    assert_eq!(exclude(&old).await.finished, Finished::BaselineMissing);
}

#[tokio::test]
async fn an_exclusion_accepts_nothing_so_it_needs_no_acceptance() {
    let it = Excluding::new().await;
    fs::write(it.node.etc("a"), "after").unwrap();
    let old = old_baseline(&it.node.runner());
    made(&it.exclude_from(old.as_ref(), &["/etc/b"], true).await);
    assert_eq!(it.changed().await, ["/etc/a"]);
}

/// A kill at each step leaves the old or the new baseline, each with its excluded entries.
#[tokio::test]
async fn a_kill_at_any_step_changes_the_exclusions_once_or_not_at_all() {
    type Step = fn(&Runner, &Path);
    let put: Step = |runner, path| {
        fs::write(path, "unfinished").unwrap();
        assert!(runner.state.path().is_dir());
    };
    // While the files are written, and when the excluded entries have their name.
    for left in [
        "aide.db.gz.new",
        "aide.db.gz.merged",
        "aide.db.gz.excluded.new",
        "aide.db.gz.excluded.part",
        "aide.db.gz.excluded.0123",
        "aide.baseline.json.new",
    ] {
        let it = Excluding::new().await;
        it.exclude(&["/etc/b"]).await;
        let runner = it.node.runner();
        put(&runner, &runner.state.path().join(left));
        fs::write(it.node.etc("b"), "after").unwrap();
        assert_eq!(it.record().excluded.unwrap().paths, ["/etc/b"]);
        it.exclude(&["/etc/c"]).await;
        assert_eq!(it.changed().await, ["/etc/b"], "{left}");
        assert_eq!(it.files(), 1, "{left}");
    }
    // Between the renames: the new database with the old record.
    let it = Excluding::new().await;
    it.exclude(&["/etc/b"]).await;
    let old = fs::read(it.node.etc("kubernetes/aide.baseline.json")).unwrap();
    let old_kept = it.kept();
    let saved = it.node.etc("saved");
    fs::copy(&old_kept, &saved).unwrap();
    it.exclude(&["/etc/b", "/etc/c"]).await;
    let new = it.record();
    let place = it.node.etc("kubernetes/aide.baseline.json");
    fs::rename(&place, it.node.etc("kubernetes/aide.baseline.json.new")).unwrap();
    fs::write(&place, old).unwrap();
    fs::rename(saved, old_kept).unwrap();
    assert_eq!(it.record(), new);
    for name in ["b", "c"] {
        fs::write(it.node.etc(name), "after").unwrap();
    }
    it.exclude(&[]).await;
    assert_eq!(it.changed().await, ["/etc/b", "/etc/c"]);
    assert_eq!(it.files(), 0);
}
