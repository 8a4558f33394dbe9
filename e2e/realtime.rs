//! Realtime detection: changes are reported long before the next scan of all files, and only once.

mod actors;
mod limits;
mod toggle;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{
    Baseline, ChangeKind, Condition, RealtimeBackend, RealtimeState, ScanResult, Trigger, names,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::chaos;
use crate::harness::audit::Audit;
use crate::harness::node::{FILES, STATE_DIR, STOP};
use crate::harness::wait::until_within;
use crate::harness::{Fi, Node, Test, on_one_node, until};

/// Seconds between two scans of all files: far longer than any wait of these tests.
const PAUSE: u32 = 900;
/// Within this time a change is reported: in about a second on an idle machine.
const AT_ONCE: Duration = Duration::from_secs(15);
/// Within this time all changes of a burst are reported after its end: the longest wait of the daemon is
/// 60 s.
const AFTER_BURST: Duration = Duration::from_secs(75);
/// Creates a file that AIDE reads for some time, so that a scan can be seen.
const LONG_SCANS: &str = "truncate -s 500M large";

/// Path below [`FILES`] and kind of each change.
type Changes<'a> = BTreeMap<&'a str, ChangeKind>;

const ADDED: ChangeKind = ChangeKind::Added;
const CHANGED: ChangeKind = ChangeKind::Changed;
const REMOVED: ChangeKind = ChangeKind::Removed;

/// A way in which files change.
struct Step {
    name: &'static str,
    script: &'static str,
    /// The directory [`FILES`] itself is the empty path: its times and link count are watched.
    changes: &'static [(&'static str, ChangeKind)],
}

/// The watched files before the first step.
const BEFORE: &str = "umask 022
    for name in append mode owner edited edited-by-sed removed touched log; do
      printf 'one\\n' > $name
    done
    ln -s append link; mkdir -p tree/sub mounted; printf x > tree/sub/file; printf x > mounted/hidden";

/// Each begins where the one before has ended.
const STEPS: [Step; 14] = [
    Step {
        name: "create",
        script: "printf x > created",
        changes: &[("", CHANGED), ("/created", ADDED)],
    },
    Step {
        name: "append",
        script: "printf two >> append",
        changes: &[("/append", CHANGED)],
    },
    Step {
        name: "chmod",
        script: "chmod 4755 mode",
        changes: &[("/mode", CHANGED)],
    },
    Step {
        name: "chown",
        script: "chown 1:1 owner",
        changes: &[("/owner", CHANGED)],
    },
    Step {
        name: "rename over",
        script: "printf two > .edited.new; mv .edited.new edited",
        changes: &[("", CHANGED), ("/edited", CHANGED)],
    },
    Step {
        name: "sed -i",
        script: "sed -i s/one/two/ edited-by-sed",
        changes: &[("", CHANGED), ("/edited-by-sed", CHANGED)],
    },
    Step {
        name: "log rotation",
        script: "mv log log.1; printf two > log; gzip log.1",
        changes: &[("", CHANGED), ("/log", CHANGED), ("/log.1.gz", ADDED)],
    },
    Step {
        name: "symlink",
        script: "ln -sfn mode link",
        changes: &[("", CHANGED), ("/link", CHANGED)],
    },
    Step {
        name: "mkdir -p",
        script: "mkdir -p new/a/b; printf x > new/a/b/file",
        changes: &[
            ("", CHANGED),
            ("/new", ADDED),
            ("/new/a", ADDED),
            ("/new/a/b", ADDED),
            ("/new/a/b/file", ADDED),
        ],
    },
    Step {
        name: "delete",
        script: "rm removed",
        changes: &[("", CHANGED), ("/removed", REMOVED)],
    },
    Step {
        name: "rename directory",
        script: "mv tree moved",
        changes: &[
            ("", CHANGED),
            ("/moved", ADDED),
            ("/moved/sub", ADDED),
            ("/moved/sub/file", ADDED),
            ("/tree", REMOVED),
            ("/tree/sub", REMOVED),
            ("/tree/sub/file", REMOVED),
        ],
    },
    Step {
        name: "touch",
        script: "touch touched",
        changes: &[("/touched", CHANGED)],
    },
    // The owner differs, whatever the size of a directory is on the two file systems.
    Step {
        name: "mount",
        script: "mount -t tmpfs -o mode=755,uid=1 tmpfs mounted",
        changes: &[("/mounted", CHANGED), ("/mounted/hidden", REMOVED)],
    },
    Step {
        name: "unmount",
        script: "umount mounted",
        changes: &[("/mounted", CHANGED), ("/mounted/hidden", ADDED)],
    },
];

/// Changes of all kinds together, from where the last step has ended.
const TOGETHER: Step = Step {
    name: "together",
    script: "printf x > second; printf three >> append; chmod 644 mode; chown 2 owner
        printf three > .edited.new; mv .edited.new edited; sed -i s/two/three/ edited-by-sed
        ln -sfn owner link; mkdir -p new/a/c; printf x > new/a/c/file; rm created; mv moved/sub moved/other
        touch -d @1 touched",
    changes: &[
        ("", CHANGED),
        ("/append", CHANGED),
        ("/created", REMOVED),
        ("/edited", CHANGED),
        ("/edited-by-sed", CHANGED),
        ("/link", CHANGED),
        ("/mode", CHANGED),
        ("/moved", CHANGED),
        ("/moved/other", ADDED),
        ("/moved/other/file", ADDED),
        ("/moved/sub", REMOVED),
        ("/moved/sub/file", REMOVED),
        ("/new/a", CHANGED),
        ("/new/a/c", ADDED),
        ("/new/a/c/file", ADDED),
        ("/owner", CHANGED),
        ("/second", ADDED),
        ("/touched", CHANGED),
    ],
};

fn changes(result: &ScanResult) -> Changes<'_> {
    let changes = result.changes.iter().map(|change| {
        let path = change.path.strip_prefix(FILES).unwrap_or(&change.path);
        (path, change.kind)
    });
    changes.collect()
}

/// Numbers of added, changed and removed files.
fn counts(result: &ScanResult) -> (i64, i64, i64) {
    (
        result.files_added,
        result.files_changed,
        result.files_removed,
    )
}

/// Waits until the last result is as wanted, and returns it with the seconds since `changed`. The
/// cluster has the clock of this machine.
async fn reported_within(
    patience: Duration,
    fi: &Fi<'_>,
    node: &Node,
    changed: Timestamp,
    is_wanted: impl Fn(&ScanResult) -> bool,
) -> Result<(ScanResult, f64)> {
    let wanted = format!("a result of {node} about the change");
    let result = until_within(patience, wanted, async || {
        let last = fi.status(&node.name).await?.last_result;
        let last = last.context("no result")?;
        ensure!(is_wanted(&last), "{last:?}");
        Ok(last)
    });
    let result = result.await?;
    let seconds = Timestamp::now().duration_since(changed).as_secs_f64();
    Ok((result, rounded(seconds)))
}

/// To a tenth.
fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// Runs a script on the node, and waits until its changes are reported without a scan of all files.
/// Returns the seconds.
async fn step(fi: &Fi<'_>, node: &Node, step: &Step) -> Result<(ScanResult, f64)> {
    let changed = changed_by(node, step.script).await?;
    let expected: Changes<'_> = step.changes.iter().copied().collect();
    let (result, seconds) = reported_within(AT_ONCE, fi, node, changed, |result| {
        changes(result) == expected
    })
    .await
    .with_context(|| step.name)?;
    assert_eq!(result.condition, Condition::Failed, "{}", step.name);
    assert_eq!(result.trigger, Some(Trigger::Event), "{}", step.name);
    Ok((result, seconds))
}

/// Runs a script on the node, and returns when it has ended.
async fn changed_by(node: &Node, script: &str) -> Result<Timestamp> {
    let ended = node.sh(&format!("{script}\ndate +%s%N")).await?;
    let ended = ended.lines().last().context("no time")?.parse()?;
    Ok(Timestamp::from_nanosecond(ended)?)
}

/// Requests a baseline of the current files, and waits for it. The scan that follows may end in the same
/// second, and the one after it is not waited for.
async fn reinitialize(fi: &Fi<'_>, node: &Node) -> Result<Baseline> {
    let before = fi.baseline(&node.name).await?;
    fi.annotate(names::Annotation::REINIT, "").await?;
    until(format!("another baseline than {before:?}"), async || {
        let baseline = fi.status(&node.name).await?.baseline;
        let other = baseline.filter(|baseline| *baseline != before);
        other.context("that baseline")
    })
    .await
}

/// Makes the current files the baseline of a node that has failed.
async fn accept(fi: &Fi<'_>, node: &Node) -> Result<()> {
    reinitialize(fi, node).await?;
    fi.result(&node.name, Condition::Succeeded).await?;
    Ok(())
}

/// The result of a scan of all files, which the end of a hold-off causes.
async fn full_scan(fi: &Fi<'_>, node: &Node) -> Result<ScanResult> {
    hold(fi).await?;
    let before = fi.status(&node.name).await?;
    fi.remove_annotation(names::Annotation::HOLDOFF).await?;
    let scanned = fi.scanned_after(&before).await?;
    scanned.last_result.context("no result")
}

/// A scan of all files finds what was reported, and the kernel has reported all of it.
async fn is_confirmed_by_a_scan(fi: &Fi<'_>, node: &Node, reported: &ScanResult) -> Result<()> {
    let scanned = full_scan(fi, node).await?;
    assert_eq!(scanned.trigger, Some(Trigger::Scan), "{scanned:?}");
    assert_eq!(scanned.changes_hash, reported.changes_hash, "{scanned:?}");
    fi.all_reported_at_once(&node.name).await?;
    fi.condition("Realtime", "True", "Active").await?;
    Ok(())
}

/// Holds all nodes.
async fn hold(fi: &Fi<'_>) -> Result<()> {
    fi.annotate(names::Annotation::HOLDOFF, "").await?;
    fi.counted("all nodes are held", |counts| {
        counts.held > 0 && counts.held == counts.selected
    })
    .await
}

/// A FileIntegrity with this configuration whose scans of all files do not disturb the test.
async fn create<'a>(t: &'a Test, rules: &str) -> Result<Fi<'a>> {
    let name = t.config_map(rules).await?;
    let config = json!({"name": name, "namespace": t.namespace(), "gracePeriod": PAUSE});
    let fi = t.create(json!({"config": config})).await?;
    fi.watched().await?;
    is_active(&fi, t.node()?).await?;
    Ok(fi)
}

/// Waits until changes are reported at once.
async fn is_active(fi: &Fi<'_>, node: &Node) -> Result<()> {
    until("realtime detection is active", async || {
        fi.all_reported_at_once(&node.name).await.map(|_| ())
    })
    .await
}

#[tokio::test]
async fn every_kind_of_change_is_reported_at_once() -> Result<()> {
    on_one_node("realtime-kinds", async |t| {
        let node = t.node()?;
        node.files(BEFORE).await?;
        let fi = create(
            t,
            &format!("{FILES}(/|$) ftype+p+u+g+n+m+s+l+sha256\n/etc/passwd ftype\n"),
        )
        .await?;
        let mut seconds = BTreeMap::new();
        for kind in &STEPS {
            let (_, taken) = step(&fi, node, kind).await?;
            seconds.insert(kind.name, taken);
            accept(&fi, node).await?;
        }
        let (reported, taken) = step(&fi, node, &TOGETHER).await?;
        seconds.insert(TOGETHER.name, taken);
        chaos::print("realtime", &seconds)?;

        is_confirmed_by_a_scan(&fi, node, &reported).await
    })
    .await
}

/// Creates two versions of a package with files below `root` and installs the first one: 1,000 files.
/// The second one has other content for 500 of them, 400 more, and 200 are missing.
fn install_first_version(root: &str) -> String {
    format!(
        r#"umask 022; mkdir -p {root}/var/lib/dpkg/info {root}/var/lib/dpkg/updates {STATE_DIR}
        : > {root}/var/lib/dpkg/status
        package() {{
          tree={STATE_DIR}/$1; mkdir -p "$tree/DEBIAN"
          printf 'Package: fio-e2e\nVersion: %s\nArchitecture: all\n' "$1" > "$tree/DEBIAN/control"
          printf 'Maintainer: fio <fio@example.com>\nDescription: files\n' >> "$tree/DEBIAN/control"
          for directory in $(seq 100); do
            mkdir -p "$tree/usr/lib/d$directory"
            for file in $2; do
              version=1; [ "$file" -gt 5 ] || version=$1
              printf '%s' "$version" > "$tree/usr/lib/d$directory/f$file"
            done
          done
          dpkg-deb --root-owner-group -Znone --build "$tree" "$tree.deb"
        }}
        package 1 "$(seq -s ' ' 10)"
        package 2 "$(seq -s ' ' 8) $(seq -s ' ' 11 14)"
        {}"#,
        install(root, 1)
    )
}

/// Installs this version of the package.
fn install(root: &str, version: u32) -> String {
    format!("dpkg --root={root} --log=/dev/null -i {STATE_DIR}/{version}.deb >&2")
}

/// Writes of the daemon: node statuses, and failure logs.
async fn writes(audit: &Audit, fi: &Fi<'_>, node: &Node) -> Result<(usize, usize)> {
    let daemon = fi.daemon(&node.name).await?.metadata.name;
    let requests = audit.requests(|r| r.is_write() && r.pod == daemon).await?;
    let of = |resource: &str| requests.iter().filter(|r| r.resource == resource).count();
    Ok((of("fileintegritynodestatuses"), of("configmaps")))
}

#[tokio::test]
async fn a_package_upgrade_is_a_few_results_with_the_correct_counts() -> Result<()> {
    on_one_node("realtime-package", async |t| {
        let node = t.node()?;
        let root = format!("{FILES}/root");
        node.files("mkdir root").await?;
        node.sh(&install_first_version(&root)).await?;
        let rules = format!("{root}/usr(/|$) ftype+p+u+g+l+sha256\n/etc/passwd ftype\n");
        let fi = create(t, &rules).await?;

        let audit = Audit::start().await?;
        let began = Timestamp::now();
        let installed = changed_by(node, &install(&root, 2)).await?;
        let expected = (400, 500, 200);
        let (reported, seconds) =
            reported_within(AFTER_BURST, &fi, node, installed, |r| counts(r) == expected).await?;
        assert_eq!(reported.condition, Condition::Failed);
        until("the failure log has the counts", async || {
            let log = fi.failure_log(&node.name).await?;
            let annotations = log.metadata.annotations.unwrap_or_default();
            let changed = annotations.get(names::Annotation::FILES_CHANGED);
            ensure!(changed.is_some_and(|c| c == "500"), "{annotations:?}");
            Ok(())
        })
        .await?;
        let (results, logs) = writes(&audit, &fi, node).await?;
        let dpkg = installed.duration_since(began).as_secs_f64();
        chaos::print(
            "realtime",
            &json!({
                "package": seconds,
                "dpkg": rounded(dpkg),
                "results": results,
                "failureLogs": logs,
            }),
        )?;
        assert!((1..=4).contains(&results), "results written: {results}");
        assert!((1..=2).contains(&logs), "failure logs written: {logs}");

        is_confirmed_by_a_scan(&fi, node, &reported).await
    })
    .await
}

/// Runs a script on the node beside `during`. It ends when there is a file [`STOP`], which is created then.
async fn beside<T>(
    node: &Node,
    script: &str,
    during: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    node.sh(&format!("rm -f {STOP}")).await?;
    let during = async {
        let result = during().await;
        node.sh(&format!(": > {STOP}")).await?;
        result
    };
    let (_, result) = tokio::try_join!(node.sh(script), during)?;
    Ok(result)
}

/// Creates files on the node, about twenty a second, before, while and after `during` runs. Returns the
/// number of entries afterwards.
async fn burst(node: &Node, name: &str, during: impl AsyncFnOnce() -> Result<()>) -> Result<i64> {
    let script = format!(
        "i=0; until [ -e {STOP} ]; do i=$((i + 1)); printf x > {FILES}/{name}-$i; sleep 0.05; done"
    );
    let twenty_more = async || {
        node.sh(&format!(
            "count() {{ find {FILES} | wc -l; }}; wanted=$(($(count) + 20))
             until [ $(count) -ge $wanted ]; do sleep 0.1; done"
        ))
        .await
    };
    beside(node, &script, async || {
        twenty_more().await?;
        during().await?;
        twenty_more().await
    })
    .await?;
    entries(node).await
}

/// Number of entries of the watched directory, with itself.
async fn entries(node: &Node) -> Result<i64> {
    let count = node.sh(&format!("find {FILES} | wc -l")).await?;
    Ok(count.trim().parse()?)
}

/// When the node had no differences for the last time, as far as was reported.
async fn last_success(fi: &Fi<'_>, node: &Node) -> Result<Option<Timestamp>> {
    let results = fi.status(&node.name).await?.results.into_iter();
    let mut successes = results.filter(|result| result.condition == Condition::Succeeded);
    Ok(successes.next().map(|result| result.last_probe_time.0))
}

#[tokio::test]
async fn a_burst_during_a_kill_a_hold_off_and_a_re_initialization_is_reported() -> Result<()> {
    on_one_node("realtime-burst", async |t| {
        let node = t.node()?;
        // AIDE reads this for so long that files are created after it has listed those of a baseline, and
        // before the scan that follows lists them.
        node.files("truncate -s 200M large").await?;
        let config = json!({"config": {"gracePeriod": PAUSE}});
        let fi = t.create(config).await?;
        fi.watched().await?;
        is_active(&fi, node).await?;
        let before = fi.baseline(&node.name).await?;
        let others = before.entries - entries(node).await?;
        let success = last_success(&fi, node).await?;
        ensure!(success.is_some(), "no success");
        let added = async |found: i64, baseline: i64| {
            let wanted = format!("{} added", found + others - baseline);
            fi.result_with(&node.name, &wanted, |result| {
                counts(result) == (found + others - baseline, 0, 0)
            })
            .await
        };

        let found = burst(node, "kill", async || {
            fi.result(&node.name, Condition::Failed).await?;
            let daemon = fi.daemon(&node.name).await?;
            t.kill_pod(&daemon).await?;
            fi.ready_daemon(&node.name, Some(&daemon)).await.map(|_| ())
        })
        .await?;
        added(found, before.entries).await?;
        is_active(&fi, node).await?;

        let found = burst(node, "hold", async || {
            hold(&fi).await?;
            fi.remove_annotation(names::Annotation::HOLDOFF).await
        })
        .await?;
        added(found, before.entries).await?;
        assert_eq!(last_success(&fi, node).await?, success, "a false success");

        let mut created = None;
        let found = burst(node, "reinit", async || {
            created = Some(reinitialize(&fi, node).await?);
            Ok(())
        })
        .await?;
        let created = created.context("no baseline")?;
        let reported = added(found, created.entries).await?;
        assert!(reported.files_added > 0, "{reported:?}");
        assert_eq!(last_success(&fi, node).await?, success, "a false success");
        let clean = fi.event_messages("NodeIntegrityStatus").await?;
        let clean = clean.iter().filter(|m| m.starts_with("no changes")).count();
        assert_eq!(clean, 1, "events without changes: only the first result");

        is_confirmed_by_a_scan(&fi, node, &reported).await
    })
    .await
}

#[tokio::test]
async fn a_restricted_daemon_reports_changes_at_once() -> Result<()> {
    on_one_node("realtime-restricted", async |t| {
        let node = t.node()?;
        node.files("printf x > file").await?;
        let config = json!({
            "securityProfile": "restricted", "stateDir": "/etc/kubernetes", "gracePeriod": PAUSE,
        });
        let fi = t.create(json!({"config": config})).await?;
        fi.watched().await?;
        is_active(&fi, node).await?;
        let realtime = fi.all_reported_at_once(&node.name).await?;
        assert_eq!(realtime.backend, Some(RealtimeBackend::Inotify));
        let restricted = Step {
            name: "restricted",
            script: "printf two >> file; mkdir -p new/a; printf x > new/a/file",
            changes: &[
                ("/file", CHANGED),
                ("/new", ADDED),
                ("/new/a", ADDED),
                ("/new/a/file", ADDED),
            ],
        };
        let (reported, seconds) = step(&fi, node, &restricted).await?;
        chaos::print("realtime", &json!({restricted.name: seconds}))?;
        is_confirmed_by_a_scan(&fi, node, &reported).await
    })
    .await
}

#[tokio::test]
async fn without_realtime_detection_only_scans_report_changes() -> Result<()> {
    on_one_node("realtime-off", async |t| {
        let node = t.node()?;
        node.files("printf x > file").await?;
        let fi = t.create(json!({"realtime": {"mode": "Off"}})).await?;
        fi.watched().await?;
        node.sh("printf y > file").await?;
        let failed = fi.result(&node.name, Condition::Failed).await?;
        node.sh("printf x > file").await?;
        let succeeded = fi.result(&node.name, Condition::Succeeded).await?;
        for result in [failed, succeeded] {
            assert_eq!(result.trigger, Some(Trigger::Scan), "{result:?}");
        }
        let realtime = fi.status(&node.name).await?.realtime.context("no state")?;
        assert_eq!((realtime.state, realtime.checks), (RealtimeState::Off, 0));
        fi.condition("Realtime", "False", "Off").await?;
        Ok(())
    })
    .await
}
