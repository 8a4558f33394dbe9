//! What others edit or delete of a daemon's objects: its node's status and the kept log. The daemon is
//! the real one with a real AIDE and a token of its node, under the admission policy. A node that has
//! failed does not look well for longer than until the next scan, and no result is lost.

use anyhow::Context as _;
use fio::testing::api::{Condition, FileIntegrityNodeStatus, ScanResult, names};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::Role;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::chaos::{Row, lost_and_duplicated};
use crate::harness::{Space, errors_of, in_space, none_is_wrong};
use crate::process::Process;
use crate::proxy::Proxy;
use crate::site::Site;

/// The shortest pause between scans.
const PAUSE: &str = "10";
/// So many edits are made at a time.
const AT_ONCE: usize = 6;

/// A node that has failed, with its daemon.
struct Failed<'a> {
    site: Site<'a>,
    _proxy: Proxy,
    daemon: Process,
}

impl<'a> Failed<'a> {
    async fn node(space: &'a Space, fi: &str, node: &str) -> anyhow::Result<Self> {
        let proxy = Proxy::start().await?;
        let site = Site::behind(&proxy, space, fi, node, PAUSE).await?;
        let daemon = site.daemon().await?;
        site.until("a first result", |status| {
            status.condition() == Some(Condition::Succeeded)
        })
        .await?;
        site.wish(Some("first")).await?;
        site.until("a finished request", |status| {
            status
                .reinit
                .as_ref()
                .is_some_and(|reinit| reinit.id == "first")
        })
        .await?;
        site.put("new", "text")?;
        let failed = Self {
            site,
            _proxy: proxy,
            daemon,
        };
        failed.until_failed(1).await?;
        Ok(failed)
    }

    /// Waits until the status tells of so many changes; returns the result.
    async fn until_failed(&self, changes: usize) -> anyhow::Result<ScanResult> {
        let status = self
            .site
            .until(&format!("{changes} changes to be told"), |status| {
                let last = status.last_result.as_ref();
                last.is_some_and(|last| {
                    last.condition == Condition::Failed && last.changes.len() == changes
                })
            })
            .await?;
        status.last_result.context("a result")
    }

    async fn said(&self) -> anyhow::Result<Vec<String>> {
        let said = self.site.space.events(self.site.name()).await?;
        Ok(said.into_iter().filter_map(|event| event.note).collect())
    }

    async fn log(&self) -> anyhow::Result<ConfigMap> {
        let logs = self.site.space.api::<ConfigMap>();
        Ok(logs.get(&self.site.log_name()).await?)
    }
}

/// What a status says, but for what differs from scan to scan.
fn told(status: &FileIntegrityNodeStatus) -> Value {
    let mut told = json!({
        "lastResult": status.last_result, "results": status.results,
        "baseline": status.baseline, "reinit": status.reinit,
    });
    let strip = |result: &mut Value| {
        for key in ["lastProbeTime", "durationMilliseconds"] {
            result.as_object_mut().map(|fields| fields.remove(key));
        }
    };
    strip(&mut told["lastResult"]);
    if let Some(results) = told["results"].as_array_mut() {
        results.iter_mut().for_each(strip);
    }
    told
}

/// Edits of a status, as merge patches. The result in `results` and the last one are told apart.
fn edits() -> Vec<(&'static str, Value)> {
    let succeeded = |at: &str| json!({"condition": "Succeeded", "lastProbeTime": at});
    let past = "2026-01-02T03:04:05Z";
    vec![
        ("no results", json!({"results": null})),
        ("no last result", json!({"lastResult": null})),
        (
            "nothing at all",
            json!({
                "results": null, "lastResult": null, "baseline": null, "reinit": null,
            }),
        ),
        (
            "a last result that is well",
            json!({"lastResult": {"condition": "Succeeded"}}),
        ),
        (
            "nothing but success",
            json!({
                "results": [succeeded(past)], "lastResult": succeeded(past),
            }),
        ),
        (
            "a success to come",
            json!({"results": [succeeded("2099-01-01T00:00:00Z")]}),
        ),
        (
            "a last success to come",
            json!({"lastResult": succeeded("2099-01-01T00:00:00Z")}),
        ),
        (
            "a success at the end of time",
            json!({
                "lastResult": succeeded("9999-12-31T23:59:59Z"),
                "results": [succeeded("9999-12-31T23:59:59Z")],
            }),
        ),
        (
            "fewer changes",
            json!({"lastResult": {"changes": [], "filesAdded": 0}}),
        ),
        (
            "another hash of the changes",
            json!({"lastResult": {"changesHash": "0"}}),
        ),
        (
            "an error",
            json!({"lastResult": {
                "condition": "Errored", "lastProbeTime": past, "errorMessage": "x", "errorClass": "x",
            }}),
        ),
        ("another digest", json!({"baseline": {"digest": "0"}})),
        (
            "no longer requested",
            json!({"baseline": {"requested": false}}),
        ),
        ("no baseline", json!({"baseline": null})),
        (
            "another state directory",
            json!({"baseline": {"stateDir": "/other"}}),
        ),
        (
            "another time of the baseline",
            json!({"baseline": {"createdAt": "9999-12-31T23:59:59Z"}}),
        ),
        ("no finished request", json!({"reinit": null})),
        (
            "another finished request",
            json!({"reinit": {"id": "other"}}),
        ),
    ]
}

/// Edits a status, and waits until it is as it was; returns what was told then.
async fn edited(
    space: &Space,
    node: &str,
    number: usize,
    patch: Value,
) -> anyhow::Result<Vec<String>> {
    let failed = Failed::node(space, &format!("fi-{number}"), node).await?;
    let site = &failed.site;
    let before = told(&site.status().await?);
    let name = site.status_name();
    let now = space.merge::<FileIntegrityNodeStatus>(&name, patch).await?;
    anyhow::ensure!(told(&now) != before, "this edits nothing");
    site.until("what was edited to be put right", |status| {
        told(status) == before
    })
    .await?;
    // And so it stays.
    site.put("later", "text")?;
    failed.until_failed(2).await?;
    failed.said().await
}

/// What is said of a site whose node failed, and failed otherwise.
fn expected(fi: &str, node: &str, namespace: &str) -> Vec<String> {
    let log = names::failure_log(&names::daemon_set(fi), node);
    let failed =
        |added| format!("node {node} has changed! a:{added},c:0,r:0 log:{namespace}/{log}");
    vec![format!("no changes to node {node}"), failed(1), failed(2)]
}

#[tokio::test]
async fn a_status_that_others_edit_is_put_right_and_told_once() -> anyhow::Result<()> {
    in_space("status-edits", async |space| {
        let node = space.node("n1").await?;
        let edits = edits();
        let tried = edits.len();
        let made = edits
            .into_iter()
            .enumerate()
            .map(|(number, (what, patch))| {
                let node = &node;
                async move {
                    let said = edited(space, node, number, patch).await;
                    let said = said.with_context(|| format!("{what} (fi-{number})"))?;
                    let expected = expected(&format!("fi-{number}"), node, &space.namespace);
                    let counts = lost_and_duplicated(&expected, &said);
                    anyhow::ensure!(counts == (0, 0), "{what} (fi-{number}): {said:?}");
                    anyhow::Ok(())
                }
            });
        let results: Vec<_> = futures::stream::iter(made)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        none_is_wrong(&errors_of(results))?;
        Row {
            fault: "manual edits of a node status".to_owned(),
            tried,
            ..Row::default()
        }
        .print()
    })
    .await
}

#[tokio::test]
async fn a_status_that_others_delete_comes_back_whole() -> anyhow::Result<()> {
    in_space("status-deleted", async |space| {
        let node = space.node("n1").await?;
        let failed = Failed::node(space, "fi", &node).await?;
        let site = &failed.site;
        let (before, said) = (told(&site.status().await?), failed.said().await?);
        let statuses = space.api::<FileIntegrityNodeStatus>();
        statuses
            .delete(&site.status_name(), &DeleteParams::default())
            .await?;
        // The operator's part.
        site.wish(Some("first")).await?;
        site.until("all to be told again", |status| told(status) == before)
            .await?;
        anyhow::ensure!(failed.said().await? == said, "nothing is said twice");
        Ok(())
    })
    .await
}

/// Edits of a kept log that the daemon's next one takes the place of.
fn overwritten() -> Vec<(&'static str, Value)> {
    let key = |key: &str, value: Value| json!({"data": {key: value}});
    vec![
        (
            "another text",
            key(names::KEY_INTEGRITY_LOG, json!("all is well")),
        ),
        ("no text", json!({"data": null, "binaryData": null})),
        (
            "a label that goes",
            json!({"metadata": {"labels": {names::Label::OWNER: null}}}),
        ),
        (
            "another owner's label",
            json!({"metadata": {"labels": {names::Label::OWNER: "other"}}}),
        ),
        (
            "other counts",
            json!({"metadata": {"annotations": {names::Annotation::FILES_ADDED: "0"}}}),
        ),
    ]
}

/// Edits with which the daemon may or can not write it any more.
fn in_the_way() -> Vec<(&'static str, Value)> {
    vec![
        ("immutable", json!({"immutable": true})),
        (
            "another node's label",
            json!({"metadata": {"labels": {names::Label::NODE: "other"}}}),
        ),
        (
            "no kept log",
            json!({"metadata": {"labels": {names::Label::RESULT_LOG: null}}}),
        ),
        (
            "a finalizer",
            json!({"metadata": {"finalizers": ["somebody.example/waits"]}}),
        ),
    ]
}

/// The whole log of the newest result is there.
fn is_whole(log: &ConfigMap, node: &str) -> bool {
    let text = log
        .data
        .as_ref()
        .and_then(|data| data.get(names::KEY_INTEGRITY_LOG));
    let labels = log.labels();
    text.is_some_and(|text| text.contains("/watched/later"))
        && log
            .annotations()
            .get(names::Annotation::FILES_ADDED)
            .map(String::as_str)
            == Some("2")
        && labels.get(names::Label::NODE) == Some(&names::label_value(node))
        && labels
            .get(names::Label::OWNER)
            .is_some_and(|owner| owner == "fi")
        && labels.contains_key(names::Label::RESULT_LOG)
}

/// Tries each edit of a log on a failed node of its own, in a namespace whose name begins so; all at
/// the same time.
async fn on_each<T>(
    name: &str,
    edits: impl IntoIterator<Item = (&'static str, T)>,
    test: impl AsyncFn(&Failed<'_>, T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let test = &test;
    let edits = edits.into_iter().enumerate();
    let tests = edits.map(|(number, (what, edit))| async move {
        let name = format!("{name}-{number}");
        in_space(&name, async |space| {
            let node = space.node("n1").await?;
            test(&Failed::node(space, "fi", &node).await?, edit).await
        })
        .await
        .context(what)
    });
    none_is_wrong(&errors_of(futures::future::join_all(tests).await))
}

#[tokio::test]
async fn a_failure_log_that_others_edit_is_written_with_the_next_changes() -> anyhow::Result<()> {
    let patches = overwritten().into_iter();
    let patches = patches.map(|(what, patch)| (what, Some(patch)));
    let edits = patches.chain([("deleted", None)]);
    on_each("log", edits, async |failed, patch| {
        let Site { space, node, .. } = &failed.site;
        let name = failed.site.log_name();
        if let Some(patch) = patch {
            space.merge::<ConfigMap>(&name, patch).await?;
        } else {
            let logs = space.api::<ConfigMap>();
            logs.delete(&name, &DeleteParams::default()).await?;
        }
        failed.site.put("later", "text")?;
        let last = failed.until_failed(2).await?;
        anyhow::ensure!(
            last.result_config_map_name.as_ref() == Some(&name),
            "{last:?}"
        );
        let log = failed.log().await?;
        anyhow::ensure!(is_whole(&log, node), "{log:?}");
        anyhow::ensure!(failed.said().await? == expected("fi", node, &space.namespace));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_failure_log_that_cannot_be_written_keeps_no_result_back() -> anyhow::Result<()> {
    on_each("way", in_the_way(), async |failed, patch| {
        let Site { space, node, .. } = &failed.site;
        let name = failed.site.log_name();
        space.merge::<ConfigMap>(&name, patch).await?;
        failed.site.put("later", "text")?;
        let last = failed.until_failed(2).await?;
        anyhow::ensure!(last.result_config_map_name.is_none(), "{last:?}");
        let said = failed.said().await?;
        let newest = said.last().context("an event")?;
        anyhow::ensure!(newest.contains("could not be written"), "{said:?}");
        // Somebody takes it out of the way.
        let logs = space.api::<ConfigMap>();
        logs.delete(&name, &DeleteParams::default()).await?;
        space
            .merge::<ConfigMap>(&name, json!({"metadata": {"finalizers": null}}))
            .await
            .ok();
        space
            .until_is(&name, "the log to be written", |log: &ConfigMap| {
                is_whole(log, node)
            })
            .await?;
        failed
            .site
            .until("the result to name it", |status| {
                let last = status.last_result.as_ref();
                last.is_some_and(|last| last.result_config_map_name.as_ref() == Some(&name))
            })
            .await?;
        anyhow::ensure!(failed.said().await? == said, "nothing is said twice");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_event_that_is_refused_holds_no_status_back() -> anyhow::Result<()> {
    in_space("no-events", async |space| {
        let node = space.node("n1").await?;
        let failed = Failed::node(space, "fi", &node).await?;
        let told = failed.said().await?.len();
        let role = "file-integrity-daemon";
        let mut rules = space
            .api::<Role>()
            .get(role)
            .await?
            .rules
            .unwrap_or_default();
        rules.retain(|rule| {
            let events = |resources: &Vec<String>| resources.iter().any(|name| name == "events");
            !rule.resources.as_ref().is_some_and(events)
        });
        space.merge::<Role>(role, json!({"rules": rules})).await?;
        // The API server acts on it some time later, so the first of these may still be told.
        let mut changes = 1;
        while failed.said().await?.len() + 1 == told + changes {
            changes += 1;
            anyhow::ensure!(changes < 6, "events are never refused");
            failed.site.put(&format!("later-{changes}"), "text")?;
            failed.until_failed(changes).await?;
        }
        let warning = "failed to create an event; reporting without it";
        failed.daemon.logs(warning).await?;
        failed.daemon.still_runs()
    })
    .await
}
