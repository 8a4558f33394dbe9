//! The part `merge`: what it costs a daemon to accept a part of the changes: a scan that accepts 1,000 of 2,000 changes,
//! and a scan that only finds as many. I/O.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use fio::testing::aide::config::config_hash;
use fio::testing::api::{
    AnnouncedChanges, DesiredNodeState, FileIntegrityAcceptance, FileIntegrityNodeStatus, names,
    time,
};
use jiff::SignedDuration;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::fleet::until;
use crate::harness::{self, Space};
use crate::node::{ATTRIBUTES, Daemon, FILE_INTEGRITY, NODE, Options, Tree};
use crate::operator::megabytes;
use crate::process::{self, Usage};
use crate::report::Report;
use crate::{Run, progress};

/// Files of the trees.
const FILES: [usize; 2] = [120_000, 500_000];
/// Files that change, and those of them that are accepted.
const CHANGED: usize = 2000;
const ACCEPTED: usize = 1000;
/// Pause between scans, in seconds.
const PAUSE: u64 = 10;

/// Measures it.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("merge");
    for files in FILES {
        let tree = Tree::make(files)?;
        progress(&format!("a tree of {} files", tree.files));
        harness::alone("bench", async |space| {
            one_size(&mut report, run, space, &tree).await
        })
        .await?;
    }
    Ok(report)
}

async fn one_size(
    report: &mut Report,
    run: &Run,
    space: &Space,
    tree: &Tree,
) -> anyhow::Result<()> {
    let daemon = Daemon::start(space, run, tree, &Options::of_scans(PAUSE)).await?;
    let ends = |daemon: &Daemon, how: &str| {
        let lines = daemon.lines().into_iter();
        let events = lines.filter_map(|line| Some(line["event"].as_str()?.to_owned()));
        events.filter(|event| event.starts_with(how)).count()
    };
    until("the first scan", async || {
        Ok((daemon.scans() > 0).then_some(()))
    })
    .await?;
    let changes = change(tree)?;
    // The scan that runs may have read some files before.
    let scans = daemon.scans();
    until(
        "a scan",
        async || Ok((daemon.scans() > scans).then_some(())),
    )
    .await?;
    let case = format!("{} files", tree.files);
    for (what, how) in [
        ("finds the changes", "Finished(Scanned"),
        ("accepts a part of them", "Finished(AcceptedPart"),
    ] {
        let (before, ended) = (Usage::of(daemon.pid())?, ends(&daemon, how));
        process::forget_peak(daemon.pid())?;
        if how == "Finished(AcceptedPart" {
            announce(space, tree, &changes).await?;
        }
        let started = Instant::now();
        until(
            what,
            async || Ok((ends(&daemon, how) > ended).then_some(())),
        )
        .await?;
        let wall = started.elapsed();
        // It is published, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = Usage::of(daemon.pid())?.since(before);
        let peak = megabytes(daemon.sample()?.peak);
        let own = used.own.as_secs_f64();
        let children = used.children.as_secs_f64();
        report.add(
            &case,
            &format!("{what}: CPU of the daemon itself"),
            own,
            "s",
        );
        report.add(&case, &format!("{what}: CPU of AIDE"), children, "s");
        report.add(
            &case,
            &format!("{what}: until it is done (wall)"),
            wall.as_secs_f64(),
            "s",
        );
        report.add(
            &case,
            &format!("{what}: maximum RSS of the daemon itself"),
            peak,
            "MB",
        );
    }
    Ok(())
}

/// Changes files, and returns the list of those that are accepted.
fn change(tree: &Tree) -> anyhow::Result<Vec<Value>> {
    let step = tree.files / CHANGED;
    let mut listed = Vec::new();
    for number in 0..CHANGED {
        let index = number * step;
        let name = format!("watched/{:05}/file-{index}", index / 100);
        let content = format!("changed {index}");
        std::fs::write(tree.path(&name), &content)?;
        let meta = std::fs::metadata(tree.path(&name))?;
        let digests = BTreeMap::from([("sha256", names::sha256_hex(&content))]);
        listed.push(json!({
            "path": format!("/{name}"), "kind": "changed", "digests": digests,
            "mode": format!("{:04o}", meta.permissions().mode() & 0o7777),
            "uid": meta.uid(), "gid": meta.gid(),
        }));
    }
    listed.truncate(ACCEPTED);
    Ok(listed)
}

/// Does what a user and the operator would: creates the acceptance, and announces it.
async fn announce(space: &Space, tree: &Tree, changes: &[Value]) -> anyhow::Result<()> {
    let object: FileIntegrityAcceptance = serde_json::from_value(json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1",
        "kind": "FileIntegrityAcceptance",
        "metadata": {"name": "part"},
        "spec": {
            "fileIntegrity": FILE_INTEGRITY, "changes": changes, "reason": "bench",
            "approvedBy": {"username": "admin"},
        },
    }))?;
    let created = space.api().create(&PostParams::default(), &object).await?;
    let hash = config_hash(&tree.configuration(&format!("{ATTRIBUTES}+sha256")));
    let announced = AnnouncedChanges {
        name: created.name_any(),
        uid: created.uid().unwrap_or_default(),
        until: time::now().0 + SignedDuration::from_hours(1),
        config_hash: hash.clone(),
    };
    let desired = DesiredNodeState {
        config_hash: Some(hash),
        announced: vec![announced],
        ..DesiredNodeState::default()
    };
    let annotations = desired.to_annotations();
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let statuses = space.api::<FileIntegrityNodeStatus>();
    let name = names::node_status(FILE_INTEGRITY, NODE);
    statuses
        .patch(&name, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}
