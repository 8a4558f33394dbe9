//! Announced changes on a node, with the real program, the real AIDE, and the node's own token. There is no operator: the
//! tests write what it announces.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Instant;

use fio::testing::api::{Condition, FileIntegrityNodeStatus, names};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::acceptance_admission::{acceptance, acceptances, listed};
use crate::harness::{Space, eventually, in_space};
use crate::proxy::Proxy;
use crate::site::Site;

const NODE: &str = "node";
/// Pause between scans: no test waits for the next one.
const LONG: &str = "600";

fn has(status: &FileIntegrityNodeStatus, condition: Condition) -> bool {
    let last = status.last_result.as_ref();
    last.is_some_and(|last| last.condition == condition)
}

fn paths(status: &FileIntegrityNodeStatus) -> Vec<&str> {
    let changes = status.last_result.iter().flat_map(|last| &last.changes);
    changes.map(|change| change.path.as_str()).collect()
}

/// Number of listed changes that the baseline has, and of all others.
fn progress(status: &FileIntegrityNodeStatus) -> Option<(i64, i64)> {
    let progress = status.announced.first()?;
    Some((progress.accepted, progress.remaining))
}

/// A change to this content, as a deployment pipeline lists it.
fn change(site: &Site<'_>, kind: &str, name: &str, content: &str) -> anyhow::Result<Value> {
    let like = std::fs::metadata(site.path("root/watched/two"))?;
    Ok(json!({
        "path": format!("/watched/{name}"), "kind": kind,
        "digests": {"sha256": names::sha256_hex(content)},
        "mode": format!("{:04o}", like.permissions().mode() & 0o7777),
        "uid": like.uid(), "gid": like.gid(),
    }))
}

/// Creates an acceptance of these changes, and announces it.
async fn announce(site: &Site<'_>, name: &str, changes: &[Value]) -> anyhow::Result<DynamicObject> {
    let mut spec = listed(&json!(changes));
    spec["fileIntegrity"] = json!(site.name());
    let api = acceptances(&site.space.client, &site.space.namespace);
    let object = acceptance(name, &spec);
    let created = api.create(&PostParams::default(), &object).await?;
    site.announce(&created).await?;
    Ok(created)
}

impl Site<'_> {
    /// Announces what [`Self::change`] does.
    pub(crate) async fn announce_change(&self) -> anyhow::Result<DynamicObject> {
        let changes = [
            change(self, "changed", "one", "after")?,
            change(self, "added", "new", "after")?,
        ];
        announce(self, self.name(), &changes).await
    }
}

/// A node with a baseline, and its daemon behind this proxy.
async fn clean<'a>(proxy: &Proxy, space: &'a Space, fi: &str) -> anyhow::Result<Site<'a>> {
    let site = Site::behind(proxy, space, fi, NODE, LONG).await?;
    let daemon = site.start(&[]).await?;
    site.until("a first result", |status| has(status, Condition::Succeeded))
        .await?;
    daemon.end().await?;
    Ok(site)
}

/// Nothing but the new baseline is reported, whether realtime detection finds the change or a scan.
#[tokio::test]
async fn an_announced_change_causes_no_failure_and_any_other_does() -> anyhow::Result<()> {
    in_space("announced", async |space| {
        for realtime in ["on", "off"] {
            let proxy = Proxy::start().await?;
            let fi = format!("fi-{realtime}");
            let mut site = clean(&proxy, space, &fi).await?;
            if realtime == "off" {
                site.arguments = vec!["--realtime=off".to_owned()];
            }
            site.announce_change().await?;
            let since = Instant::now();
            if realtime == "off" {
                // The first scan finds it.
                site.change()?;
            }
            let daemon = site.start(&[]).await?;
            if realtime == "on" {
                site.until("no change yet", |status| progress(status) == Some((0, 2)))
                    .await?;
                site.change()?;
            }
            let accepted = site
                .until("a new baseline", |status| progress(status) == Some((2, 0)))
                .await?;
            assert!(has(&accepted, Condition::Succeeded), "{accepted:?}");
            let results: Vec<Condition> = accepted.results.iter().map(|it| it.condition).collect();
            assert_eq!(
                results,
                [Condition::Succeeded],
                "{realtime}: a failure was reported"
            );
            let baseline = serde_json::to_value(&accepted.baseline)?;
            assert_eq!(baseline["accepted"]["acceptance"], fi);
            assert_eq!(baseline["accepted"]["reason"], "AnnouncedChanges");
            let reads = || {
                let requests = proxy.requests(since).into_iter();
                let reads = requests.filter(|it| it.contains("/fileintegrityacceptances/"));
                reads.collect::<Vec<_>>()
            };
            assert_eq!(reads().len(), 1, "{:#?}", reads());
            eventually("the report of the new baseline", async || {
                let requests = proxy.requests(since);
                let mut reports = requests.iter().filter(|it| it.contains("/configmaps"));
                Ok(reports.any(|it| it.starts_with("POST")).then_some(()))
            })
            .await?;
            daemon.end().await?;
            let messages = space.event_messages(&fi, "NodeIntegrityStatus").await?;
            assert!(
                messages
                    .iter()
                    .all(|message| !message.contains("has changed")),
                "{messages:?}"
            );
            // Anything else is a failure, also at a listed path.
            site.put("one", "other")?;
            let daemon = site.start(&[]).await?;
            let failed = site
                .until("a failure", |status| has(status, Condition::Failed))
                .await?;
            assert_eq!(paths(&failed), ["/watched/one"]);
            assert_eq!(progress(&failed), Some((2, 0)), "that is the baseline");
            assert_eq!(reads().len(), 2, "once for each start: {:#?}", reads());
            daemon.end().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_part_of_the_changes_is_accepted_after_they_were_reported() -> anyhow::Result<()> {
    in_space("part", async |space| {
        let proxy = Proxy::start().await?;
        let site = clean(&proxy, space, "fi").await?;
        site.change()?;
        let daemon = site.start(&[]).await?;
        let before = site
            .until("the changes", |status| {
                paths(status) == ["/watched/new", "/watched/one"]
            })
            .await?;
        let added = change(&site, "added", "new", "after")?;
        announce(&site, "deploy", &[added]).await?;
        let after = site
            .until("the rest", |status| paths(status) == ["/watched/one"])
            .await?;
        assert_eq!(progress(&after), Some((1, 0)));
        assert_ne!(after.baseline, before.baseline);
        assert!(has(&after, Condition::Failed));
        // Realtime detection continues with the new baseline.
        site.put("new", "again")?;
        site.until("the next change", |status| {
            paths(status) == ["/watched/new", "/watched/one"]
        })
        .await?;
        daemon.end().await?;
        let messages = space.event_messages("fi", "ChangesAccepted").await?;
        assert!(
            messages.len() == 1 && messages[0].contains("reason AnnouncedChanges deploy ("),
            "{messages:?}"
        );
        Ok(())
    })
    .await
}

/// The node status is not the proof: the acceptance limits what is accepted.
#[tokio::test]
async fn an_annotation_without_a_valid_acceptance_accepts_nothing() -> anyhow::Result<()> {
    in_space("announced-invalid", async |space| {
        let proxy = Proxy::start().await?;
        let site = clean(&proxy, space, "fi").await?;
        site.change()?;
        let changes = [change(&site, "changed", "one", "after")?];
        let api = acceptances(&space.client, &space.namespace);
        let mut of_another = listed(&json!(changes));
        of_another["fileIntegrity"] = json!("other");
        let of_another = acceptance("of-another", &of_another);
        let of_another = api.create(&PostParams::default(), &of_another).await?;
        let whole = api
            .create(&PostParams::default(), &acceptance("whole", &json!({})))
            .await?;
        let mut missing = of_another.clone();
        missing.metadata.name = Some("missing".to_owned());
        let mut replaced = announce(&site, "deploy", &changes).await?;
        replaced.metadata.uid = Some("another".to_owned());
        for announced in [&of_another, &whole, &missing, &replaced] {
            site.announce(announced).await?;
            let before = site.status().await?;
            let daemon = site.start(&[]).await?;
            let failed = site
                .until("a result", |status| {
                    has(status, Condition::Failed) && status.last_full_scan != before.last_full_scan
                })
                .await?;
            assert_eq!(paths(&failed), ["/watched/new", "/watched/one"]);
            assert_eq!(failed.baseline, before.baseline);
            daemon.end().await?;
        }
        Ok(())
    })
    .await
}
