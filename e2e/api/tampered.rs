//! Somebody who is root on a node tampers with its baseline, and with what the daemon works with: the
//! real daemon with a real AIDE must report it at its next scan or start, as docs/security.md describes,
//! and never take what was changed before for well.
//!
//! Every try has a site of its own: a baseline is made, two files of the watched tree change, and then
//! somebody tampers, while the daemon runs or while it is stopped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use fio::testing::aide::database::digest_of_gzip;
use fio::testing::api::{Baseline, Condition, FileIntegrityNodeStatus, names};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures::StreamExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::attacks::attack_row;
use crate::harness::{Space, aide, errors_of, eventually, in_space, none_is_wrong};
use crate::process::Process;
use crate::proxy::{Fault, Proxy};
use crate::site::Site;

/// The node; each try has a FileIntegrity of its own.
const NODE: &str = "node";
/// The shortest pause between scans.
const PAUSE: &str = "10";
/// How many tries run at a time. They mostly wait.
const AT_ONCE: usize = 8;
/// What lies outside the state directory, and must stay as it is.
const PRECIOUS: &str = "what must not be changed";

/// What the daemon does while somebody tampers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Running,
    Stopped,
}

const BOTH: &[When] = &[When::Running, When::Stopped];
const RUNNING: &[When] = &[When::Running];
const STOPPED: &[When] = &[When::Stopped];

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caught {
    /// Errored with `BaselineTampered`, and it stays so.
    Tampered,
    /// A new baseline, reported as unrequested.
    Unrequested,
    /// Errored with this in its message.
    Errored(&'static str),
    /// It was in vain: what has changed is found as ever.
    InVain,
}

type Tamper = fn(&Scene<'_>) -> anyhow::Result<()>;

/// A way to tamper.
struct Attack {
    name: &'static str,
    when: &'static [When],
    tamper: Tamper,
    caught: Caught,
}

/// The ways that belong to one row of the table.
type Row = (&'static str, Vec<Attack>);

fn attack(name: &'static str, when: &'static [When], caught: Caught, tamper: Tamper) -> Attack {
    Attack {
        name,
        when,
        tamper,
        caught,
    }
}

/// A site with what an attacker has at hand.
struct Scene<'a> {
    site: Site<'a>,
    aide: std::path::PathBuf,
    /// The baseline before the attack.
    before: Baseline,
    /// The number of events without changes before the attack. A scan may come between the change in the
    /// preparation and its re-initialization, which then ends a failure.
    clean_events: usize,
}

impl Scene<'_> {
    /// The database that AIDE creates of the tree as it is now.
    fn database_of_today(&self) -> anyhow::Result<Vec<u8>> {
        let new = self.site.path("today.gz");
        let status = Command::new(&self.aide)
            .arg("--config")
            .arg(self.site.mounted())
            .args([
                "--before",
                &format!("database_out=file:{}\ngzip_dbout=yes", new.display()),
            ])
            .arg("--init")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        anyhow::ensure!(status.success(), "aide --init: {status}");
        let database = fs::read(new)?;
        Ok(database)
    }

    /// Puts this in the place of the database.
    fn replace_database(&self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(fs::write(self.site.database(), bytes)?)
    }

    /// Makes the record speak of the database that lies there now.
    fn forge_record(&self, changes: &Value) -> anyhow::Result<()> {
        let path = self.site.state("aide.baseline.json");
        let mut record: Value = serde_json::from_slice(&fs::read(&path)?)?;
        record["digest"] = json!(digest_of_gzip(&self.site.database())?);
        for (key, value) in changes.as_object().into_iter().flatten() {
            record[key] = value.clone();
        }
        Ok(fs::write(path, record.to_string())?)
    }

    /// The oldest backup that the daemon created.
    fn backup(&self) -> anyhow::Result<Vec<u8>> {
        let entries = fs::read_dir(self.site.path("root/etc/kubernetes"))?;
        let mut backups: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().contains("aide.db.gz.backup-"))
            .collect();
        backups.sort();
        Ok(fs::read(backups.first().context("a backup")?)?)
    }

    fn precious(&self) -> std::path::PathBuf {
        self.site.path("outside/precious")
    }

    /// Replaces the file with a link to a file that must not be changed.
    fn link(&self, place: &Path) -> anyhow::Result<()> {
        fs::remove_file(place).ok();
        std::os::unix::fs::symlink(self.precious(), place)
            .with_context(|| format!("link {}", place.display()))
    }
}

fn gunzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut text)?;
    Ok(text)
}

fn gzip(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}

/// Cuts the database off; what is left is so long, given how long it is.
fn cut(scene: &Scene<'_>, length: fn(usize) -> usize) -> anyhow::Result<()> {
    let whole = fs::read(scene.site.database())?;
    scene.replace_database(&whole[..length(whole.len())])
}

fn replaced() -> Vec<Attack> {
    vec![
        attack("by one of today", BOTH, Caught::Tampered, |scene| {
            scene.replace_database(&scene.database_of_today()?)
        }),
        attack("with its record", BOTH, Caught::Tampered, |scene| {
            scene.replace_database(&scene.database_of_today()?)?;
            scene.forge_record(&json!({"requested": true}))
        }),
        attack("without a record", BOTH, Caught::Tampered, |scene| {
            scene.replace_database(&scene.database_of_today()?)?;
            Ok(fs::remove_file(scene.site.state("aide.baseline.json"))?)
        }),
        attack(
            "with an older version's record",
            BOTH,
            Caught::Tampered,
            |scene| {
                scene.replace_database(&scene.database_of_today()?)?;
                scene.forge_record(&json!({"aide_version": "0.18.8", "aideVersion": "0.18.8"}))
            },
        ),
        attack(
            "with a request that does not exist",
            BOTH,
            Caught::Tampered,
            |scene| {
                scene.replace_database(&scene.database_of_today()?)?;
                scene.forge_record(&json!({"request": "none"}))
            },
        ),
        attack("by a link to another", BOTH, Caught::Tampered, |scene| {
            let other = scene.site.path("outside/other.gz");
            fs::write(&other, scene.database_of_today()?)?;
            fs::remove_file(scene.site.database())?;
            Ok(std::os::unix::fs::symlink(other, scene.site.database())?)
        }),
        attack(
            "by text that is no database",
            BOTH,
            Caught::Tampered,
            |scene| scene.replace_database(b"no database\n"),
        ),
        // It records itself that it is unrequested, and is reported as that.
        attack("owning up", STOPPED, Caught::Unrequested, |scene| {
            scene.replace_database(&scene.database_of_today()?)?;
            scene.forge_record(&json!({"requested": false}))
        }),
    ]
}

fn truncated() -> Vec<Attack> {
    vec![
        attack("one byte", BOTH, Caught::Tampered, |scene| {
            cut(scene, |_| 1)
        }),
        attack("a gzip header", BOTH, Caught::Tampered, |scene| {
            cut(scene, |_| 10)
        }),
        attack("half of it", BOTH, Caught::Tampered, |scene| {
            cut(scene, |whole| whole / 2)
        }),
        // AIDE reads all of the text that was recorded, so it compares with that.
        attack("no checksum", RUNNING, Caught::InVain, |scene| {
            cut(scene, |whole| whole - 8)
        }),
        attack("no checksum", STOPPED, Caught::Tampered, |scene| {
            cut(scene, |whole| whole - 8)
        }),
        attack("a byte less", RUNNING, Caught::InVain, |scene| {
            cut(scene, |whole| whole - 1)
        }),
        attack("a byte less", STOPPED, Caught::Tampered, |scene| {
            cut(scene, |whole| whole - 1)
        }),
        attack(
            "half the text, well compressed",
            BOTH,
            Caught::Tampered,
            |scene| {
                let text = gunzip(&fs::read(scene.site.database())?)?;
                scene.replace_database(&gzip(&text[..text.len() / 2])?)
            },
        ),
        attack(
            "a line less, well compressed",
            BOTH,
            Caught::Tampered,
            |scene| {
                let text = String::from_utf8(gunzip(&fs::read(scene.site.database())?)?)?;
                let lines = text.lines().filter(|line| !line.contains("/watched/two"));
                let text = lines.collect::<Vec<_>>().join("\n") + "\n";
                scene.replace_database(&gzip(text.as_bytes())?)
            },
        ),
    ]
}

fn rolled_back() -> Vec<Attack> {
    vec![
        attack("to a backup", BOTH, Caught::Tampered, |scene| {
            scene.replace_database(&scene.backup()?)
        }),
        attack(
            "to a backup, with its record",
            BOTH,
            Caught::Tampered,
            |scene| {
                scene.replace_database(&scene.backup()?)?;
                scene.forge_record(&json!({"request": null, "requested": true}))
            },
        ),
    ]
}

fn lost() -> Vec<Attack> {
    vec![
        attack("deleted", BOTH, Caught::Unrequested, |scene| {
            Ok(fs::remove_file(scene.site.database())?)
        }),
        attack(
            "deleted with its record",
            BOTH,
            Caught::Unrequested,
            |scene| {
                fs::remove_file(scene.site.state("aide.baseline.json"))?;
                Ok(fs::remove_file(scene.site.database())?)
            },
        ),
        attack(
            "deleted with all of the directory",
            BOTH,
            Caught::Unrequested,
            |scene| {
                for entry in fs::read_dir(scene.site.path("root/etc/kubernetes"))? {
                    fs::remove_file(entry?.path())?;
                }
                Ok(())
            },
        ),
        attack("emptied", BOTH, Caught::Unrequested, |scene| {
            scene.replace_database(b"")
        }),
        attack("a pipe in its place", BOTH, Caught::Unrequested, |scene| {
            fs::remove_file(scene.site.database())?;
            let status = Command::new("mkfifo").arg(scene.site.database()).status()?;
            anyhow::ensure!(status.success(), "mkfifo: {status}");
            Ok(())
        }),
    ]
}

fn signalled() -> Vec<Attack> {
    let signal = "root/run/aide.reinit";
    debug_assert_eq!(signal, format!("root{}", names::SIGNAL_FILE));
    vec![
        attack("touched", BOTH, Caught::Unrequested, |scene| {
            Ok(fs::write(scene.site.path("root/run/aide.reinit"), "")?)
        }),
        attack(
            "with a request that does not exist",
            BOTH,
            Caught::Unrequested,
            |scene| Ok(fs::write(scene.site.path("root/run/aide.reinit"), "none")?),
        ),
        attack("a link", BOTH, Caught::Unrequested, |scene| {
            scene.link(&scene.site.path("root/run/aide.reinit"))
        }),
    ]
}

/// A configuration with which nothing of what has changed is found.
fn blind(scene: &Scene<'_>) -> String {
    let two = scene.site.path("root/watched/two");
    format!("={} ftype\n", two.display())
}

fn shadowed() -> Vec<Attack> {
    vec![
        attack("another text in the mount", BOTH, Caught::InVain, |scene| {
            Ok(fs::write(scene.site.mounted(), blind(scene))?)
        }),
        attack("nothing in the mount", BOTH, Caught::InVain, |scene| {
            Ok(fs::remove_file(scene.site.mounted())?)
        }),
        attack("a link in the mount", BOTH, Caught::InVain, |scene| {
            scene.link(&scene.site.mounted())
        }),
        attack(
            "another text where AIDE reads it",
            BOTH,
            Caught::InVain,
            |scene| {
                let hash = &scene.before.config_hash;
                let kept = scene.site.path(&format!("work/aide.{hash}.conf"));
                Ok(fs::write(kept, blind(scene))?)
            },
        ),
        attack(
            "nothing where AIDE reads it",
            BOTH,
            Caught::InVain,
            |scene| {
                let hash = &scene.before.config_hash;
                Ok(fs::remove_file(
                    scene.site.path(&format!("work/aide.{hash}.conf")),
                )?)
            },
        ),
    ]
}

fn linked() -> Vec<Attack> {
    vec![
        attack("in the state directory", BOTH, Caught::InVain, |scene| {
            for name in [
                "aide.db.gz.new",
                "aide.log",
                "aide.log.new",
                "aide.baseline.json",
                "aide.baseline.json.new",
            ] {
                scene.link(&scene.site.state(name))?;
            }
            Ok(())
        }),
        attack(
            "in the daemon's own directory",
            BOTH,
            Caught::InVain,
            |scene| {
                let hash = &scene.before.config_hash;
                for name in [
                    "aide.report.json",
                    "aide.running",
                    &format!("aide.{hash}.conf"),
                    &format!("aide.{hash}.new"),
                ] {
                    scene.link(&scene.site.path("work").join(name))?;
                }
                Ok(())
            },
        ),
        attack(
            "for the lock",
            STOPPED,
            Caught::Errored("aide.lock"),
            |scene| scene.link(&scene.site.state("aide.lock")),
        ),
    ]
}

/// Puts the state directory aside, and a link in its place.
fn link_directory(scene: &Scene<'_>, to: &str) -> anyhow::Result<()> {
    let dir = scene.site.path("root/etc/kubernetes");
    fs::rename(&dir, scene.site.path("aside"))?;
    Ok(std::os::unix::fs::symlink(scene.site.path(to), dir)?)
}

fn swapped() -> Vec<Attack> {
    let locked = Caught::Errored("was replaced after the daemon locked it");
    vec![
        attack("by a link out of it", RUNNING, locked, |scene| {
            link_directory(scene, "outside")
        }),
        attack("by a link to itself elsewhere", RUNNING, locked, |scene| {
            link_directory(scene, "aside")
        }),
        attack("by another directory", RUNNING, locked, |scene| {
            let dir = scene.site.path("root/etc/kubernetes");
            fs::rename(&dir, scene.site.path("aside"))?;
            fs::create_dir(&dir)?;
            Ok(fs::write(
                dir.join("aide.db.gz"),
                scene.database_of_today()?,
            )?)
        }),
        // The other default directory is taken; there the baseline is missing.
        attack(
            "by a link out of it",
            STOPPED,
            Caught::Unrequested,
            |scene| link_directory(scene, "outside"),
        ),
        attack(
            "by a link to itself elsewhere",
            STOPPED,
            Caught::Unrequested,
            |scene| link_directory(scene, "aside"),
        ),
        attack(
            "with a database in the other one",
            STOPPED,
            Caught::Tampered,
            |scene| {
                let other = scene.site.path("root/var/lib/file-integrity");
                fs::create_dir_all(&other)?;
                fs::write(other.join("aide.db.gz"), scene.database_of_today()?)?;
                link_directory(scene, "outside")
            },
        ),
    ]
}

/// The rows of the table.
fn rows() -> Vec<Row> {
    vec![
        ("the database replaced", replaced()),
        ("the database truncated", truncated()),
        ("the database rolled back", rolled_back()),
        ("the database missing or empty", lost()),
        ("the signal file created manually", signalled()),
        ("the configuration shadowed", shadowed()),
        ("links in place of files", linked()),
        ("the state directory replaced", swapped()),
    ]
}

fn is(status: &FileIntegrityNodeStatus, condition: Condition) -> bool {
    status.condition() == Some(condition)
}

/// Only the changed files are reported.
fn is_found(status: &FileIntegrityNodeStatus) -> bool {
    let changes = status.last_result.iter().flat_map(|last| &last.changes);
    let paths: Vec<&str> = changes.map(|change| change.path.as_str()).collect();
    is(status, Condition::Failed) && paths == ["/watched/new", "/watched/one"]
}

/// The message of the newest result.
fn message(status: &FileIntegrityNodeStatus) -> &str {
    let last = status.last_result.as_ref();
    let message = last.and_then(|last| last.error_message.as_deref());
    message.unwrap_or_default()
}

/// Waits for results after this one; returns the newest.
async fn later(
    site: &Site<'_>,
    than: &FileIntegrityNodeStatus,
) -> anyhow::Result<FileIntegrityNodeStatus> {
    let at = |status: &FileIntegrityNodeStatus| {
        let last = status.last_result.as_ref();
        last.map(|last| last.last_probe_time.clone())
    };
    let before = at(than);
    site.until("a later result", |status| at(status) > before)
        .await
}

/// Requests a new baseline, and waits until it is there and the node has no changes.
async fn reinitialized(site: &Site<'_>, request: &str) -> anyhow::Result<FileIntegrityNodeStatus> {
    site.set_request(Some(request)).await?;
    site.until("the request to be done", |status| {
        let done = status.reinit.as_ref().map(|reinit| reinit.id.as_str());
        done == Some(request) && is(status, Condition::Succeeded)
    })
    .await
}

/// A baseline, a clean result, and what an attacker has at hand.
async fn prepared(site: Site<'_>) -> anyhow::Result<(Scene<'_>, Process)> {
    let daemon = site.daemon().await?;
    site.until("a first result", |status| is(status, Condition::Succeeded))
        .await?;
    // So that there is a backup, of other contents.
    fs::write(site.path("root/watched/two"), "between")?;
    let status = reinitialized(&site, "first").await?;
    // The result of tampering during a scan is not defined.
    eventually("a scan with the new baseline", async || {
        let lines = daemon.lines();
        let mut lines = lines.iter().skip_while(|line| !line.contains("Requested"));
        Ok(lines
            .any(|line| line.contains("scan finished"))
            .then_some(()))
    })
    .await?;
    let outside = site.path("outside");
    fs::create_dir(&outside)?;
    let scene = Scene {
        clean_events: clean_events(&site).await?,
        before: status.baseline.context("a baseline")?,
        aide: aide().await?,
        site,
    };
    fs::write(scene.precious(), PRECIOUS)?;
    Ok((scene, daemon))
}

/// The number of events with this reason whose message contains `with`.
async fn count_events(site: &Site<'_>, reason: &str, with: &str) -> anyhow::Result<usize> {
    let messages = site.space.event_messages(site.name(), reason).await?;
    Ok(messages
        .iter()
        .filter(|message| message.contains(with))
        .count())
}

/// The number of events that a node has no changes.
async fn clean_events(site: &Site<'_>) -> anyhow::Result<usize> {
    count_events(site, "NodeIntegrityStatus", "no changes").await
}

/// Fails if the node was reported without changes since the attack.
async fn no_scan_was_without_changes(scene: &Scene<'_>) -> anyhow::Result<()> {
    let (before, now) = (scene.clean_events, clean_events(&scene.site).await?);
    anyhow::ensure!(
        now == before,
        "{now} events without changes, {before} before the attack"
    );
    Ok(())
}

/// Fails unless the tampering is detected.
async fn is_caught(scene: &Scene<'_>, daemon: Process, caught: Caught) -> anyhow::Result<()> {
    let site = &scene.site;
    match caught {
        Caught::Tampered => is_tampered(scene, daemon).await,
        Caught::Unrequested => is_unrequested(scene).await,
        Caught::Errored(with) => {
            let is_reported = |status: &FileIntegrityNodeStatus| {
                is(status, Condition::Errored) && message(status).contains(with)
            };
            let status = site.until("to be Errored", is_reported).await?;
            anyhow::ensure!(
                status.baseline.as_ref() == Some(&scene.before),
                "{status:?}"
            );
            Ok(())
        }
        Caught::InVain => {
            let status = site.until("what has changed to be found", is_found).await?;
            anyhow::ensure!(
                status.baseline.as_ref() == Some(&scene.before),
                "{status:?}"
            );
            no_scan_was_without_changes(scene).await?;
            // A new baseline is written to that place, too.
            is_healed_by_a_request(site).await
        }
    }
}

async fn is_tampered(scene: &Scene<'_>, daemon: Process) -> anyhow::Result<()> {
    let site = &scene.site;
    let is_reported = |status: &FileIntegrityNodeStatus| {
        is(status, Condition::Errored) && message(status).starts_with("BaselineTampered: ")
    };
    let status = site.until("to be BaselineTampered", is_reported).await?;
    let class = status
        .last_result
        .as_ref()
        .and_then(|last| last.error_class.clone());
    anyhow::ensure!(class.as_deref() == Some("tampered"), "{class:?}");
    let status = later(site, &status).await?;
    anyhow::ensure!(is_reported(&status), "it does not heal: {status:?}");
    daemon.end().await?;
    site.until_unlocked().await?;
    let _daemon = site.daemon().await?;
    let status = later(site, &status).await?;
    anyhow::ensure!(is_reported(&status), "nor by a restart: {status:?}");
    anyhow::ensure!(
        status.baseline.as_ref() == Some(&scene.before),
        "the record stays: {status:?}"
    );
    let events = count_events(site, "BaselineTampered", &scene.before.digest).await?;
    // A daemon reports it with another message at its start.
    anyhow::ensure!((1..=2).contains(&events), "{events} events");
    no_scan_was_without_changes(scene).await?;
    is_healed_by_a_request(site).await
}

async fn is_unrequested(scene: &Scene<'_>) -> anyhow::Result<()> {
    let site = &scene.site;
    let old = &scene.before.digest;
    let status = site
        .until("another baseline", |status| {
            let baseline = status.baseline.as_ref();
            baseline.is_some_and(|baseline| baseline.digest != *old)
        })
        .await?;
    let new = status.baseline.context("a baseline")?;
    anyhow::ensure!(!new.requested, "reported as requested: {new:?}");
    let events = count_events(site, "UnrequestedReinit", &new.digest).await?;
    anyhow::ensure!(events == 1, "{events} events");
    anyhow::ensure!(
        count_events(site, "UnrequestedReinit", old).await? == 1,
        "the old digest"
    );
    let status = site
        .until("a result", |status| is(status, Condition::Succeeded))
        .await?;
    anyhow::ensure!(status.baseline == Some(new), "once: {:?}", status.baseline);
    is_healed_by_a_request(site).await
}

/// The baseline that an administrator requests is valid.
async fn is_healed_by_a_request(site: &Site<'_>) -> anyhow::Result<()> {
    let status = reinitialized(site, "second").await?;
    let requested = status.baseline.is_some_and(|baseline| baseline.requested);
    anyhow::ensure!(requested, "it is unrequested");
    Ok(())
}

/// Everything outside is as it was.
fn outside_is_untouched(scene: &Scene<'_>) -> anyhow::Result<()> {
    let text = fs::read_to_string(scene.precious())?;
    anyhow::ensure!(text == PRECIOUS, "written through a link: {text:?}");
    let names = fs::read_dir(scene.site.path("outside"))?;
    for name in names {
        let name = name?.file_name();
        let is_known = name == "precious" || name == "other.gz";
        anyhow::ensure!(is_known, "{} was made outside", name.display());
    }
    Ok(())
}

async fn carry_out(
    space: &Space,
    number: usize,
    attack: &Attack,
    when: When,
) -> anyhow::Result<()> {
    let site = Site::new(space, &format!("fi-{number}"), NODE, PAUSE).await?;
    let (scene, daemon) = prepared(site).await?;
    let daemon = if when == When::Running {
        scene.site.change()?;
        (attack.tamper)(&scene)?;
        daemon
    } else {
        daemon.end().await?;
        scene.site.until_unlocked().await?;
        scene.site.change()?;
        (attack.tamper)(&scene)?;
        scene.site.daemon().await?
    };
    is_caught(&scene, daemon, attack.caught).await?;
    outside_is_untouched(&scene)
}

/// Makes every try of a row, and prints it.
async fn row(space: &Space, name: &str, attacks: &[Attack], from: usize) -> anyhow::Result<()> {
    let tries = attacks
        .iter()
        .flat_map(|attack| attack.when.iter().map(move |when| (attack, *when)));
    let made = tries
        .enumerate()
        .map(|(number, (attack, when))| async move {
            let made = carry_out(space, from + number, attack, when).await;
            made.with_context(|| {
                format!("{name}: {} ({when:?}, fi-{})", attack.name, from + number)
            })
        });
    let results: Vec<anyhow::Result<()>> = futures::stream::iter(made)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let count = results.len();
    let wrong = errors_of(results);
    attack_row(&format!("on the node: {name}"), count, count - wrong.len())?;
    none_is_wrong(&wrong)
}

#[tokio::test]
async fn tampering_on_a_node_is_detected() -> anyhow::Result<()> {
    in_space("tampered", async |space| {
        let rows = rows();
        let made = rows
            .iter()
            .enumerate()
            .map(|(number, (name, attacks))| async move {
                // Each row has numbers of its own.
                row(space, name, attacks, 100 * number).await
            });
        // A row is waiting, most of its time.
        let results: Vec<anyhow::Result<()>> = futures::stream::iter(made)
            .buffer_unordered(2)
            .collect()
            .await;
        none_is_wrong(&errors_of(results))
    })
    .await
}

/// A scene whose daemon is stopped, and for which the API is unreachable from now on.
async fn prepared_behind<'a>(
    proxy: &Proxy,
    space: &'a Space,
    fi: &str,
    node: &str,
) -> anyhow::Result<Scene<'a>> {
    let site = Site::behind(proxy, space, fi, node, PAUSE).await?;
    let (scene, daemon) = prepared(site).await?;
    daemon.end().await?;
    scene.site.until_unlocked().await?;
    proxy.set(Fault::Refused).await?;
    scene.site.change()?;
    Ok(scene)
}

/// While the API is unreachable a daemon has only the mount, and cannot verify it.
#[tokio::test]
async fn the_mounted_configuration_is_not_trusted_without_the_api() -> anyhow::Result<()> {
    in_space("tampered-mount", async |space| {
        let node = space.node("n1").await?;
        let proxy = Proxy::start().await?;
        let mut scene = prepared_behind(&proxy, space, "fi", &node).await?;
        fs::write(scene.site.mounted(), blind(&scene))?;
        // The pod's own directory is removed with it.
        fs::remove_dir_all(scene.site.path("work"))?;
        fs::create_dir(scene.site.path("work"))?;
        // Its log has the events.
        let more = ["RUST_LOG", "warn,fio=debug"].map(str::to_owned);
        scene.site.environment.push(more.into());
        let daemon = scene.site.daemon().await?;
        daemon
            .logs("the mounted configuration is not that of the baseline")
            .await?;
        // It waits for the API for a while. Then it continues with what it has.
        daemon.logs("ApiUnreachable").await?;
        let digest = digest_of_gzip(&scene.site.database())?;
        anyhow::ensure!(
            digest == scene.before.digest,
            "a baseline by another's text"
        );
        proxy.set(Fault::None).await?;
        let caught = is_caught(&scene, daemon, Caught::InVain).await;
        attack_row(
            "on the node: the configuration shadowed, the API unreachable",
            1,
            usize::from(caught.is_ok()),
        )?;
        caught
    })
    .await
}

/// Removes the database while the API is unreachable, which has no record of it: the FileIntegrity was recreated,
/// or the daemon was killed before it could publish one. The record on the disk shows that it is missing.
async fn removed_while_unreachable(space: &Space, when: When) -> anyhow::Result<()> {
    let (name, node) = match when {
        When::Running => ("fi-r", "n-running"),
        When::Stopped => ("fi-s", "n-stopped"),
    };
    let node = space.node(node).await?;
    let proxy = Proxy::start().await?;
    let scene = prepared_behind(&proxy, space, name, &node).await?;
    let statuses = space.api::<FileIntegrityNodeStatus>();
    let status_name = scene.site.status_name();
    statuses
        .delete(&status_name, &DeleteParams::default())
        .await?;
    scene.site.set_request(None).await?;
    if when == When::Stopped {
        fs::remove_file(scene.site.database())?;
    }
    let daemon = scene.site.daemon().await?;
    if when == When::Running {
        daemon.logs("scan finished").await?;
        fs::remove_file(scene.site.database())?;
        daemon.logs("there is no database").await?;
    }
    proxy.set(Fault::None).await?;
    is_caught(&scene, daemon, Caught::Unrequested).await
}

#[tokio::test]
async fn a_database_removed_while_the_api_is_unreachable_is_reported() -> anyhow::Result<()> {
    in_space("tampered-lost", async |space| {
        let (running, stopped) = tokio::join!(
            removed_while_unreachable(space, When::Running),
            removed_while_unreachable(space, When::Stopped)
        );
        let wrong = errors_of(vec![running, stopped]);
        attack_row(
            "on the node: the database missing, the API unreachable, nothing recorded there",
            2,
            2 - wrong.len(),
        )?;
        none_is_wrong(&wrong)
    })
    .await
}
