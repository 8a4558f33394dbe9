//! Manual edits and deletions of a daemon's objects: its node's status and the failure log. The daemon is
//! the real one with a real AIDE and a token of its node, under the admission policy. A failed node
//! is reported as failed again at the next scan at the latest, and no result is lost.

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
/// Number of concurrent edits.
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
        site.set_request(Some("first")).await?;
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

    /// Waits until the status has `changes` changes; returns the result.
    async fn until_failed(&self, changes: usize) -> anyhow::Result<ScanResult> {
        let status = self
            .site
            .until(&format!("{changes} changes to be reported"), |status| {
                let last = status.last_result.as_ref();
                last.is_some_and(|last| {
                    last.condition == Condition::Failed && last.changes.len() == changes
                })
            })
            .await?;
        status.last_result.context("a result")
    }

    async fn event_messages(&self) -> anyhow::Result<Vec<String>> {
        let events = self.site.space.events(self.site.name()).await?;
        Ok(events.into_iter().filter_map(|event| event.note).collect())
    }

    async fn log(&self) -> anyhow::Result<ConfigMap> {
        let logs = self.site.space.api::<ConfigMap>();
        Ok(logs.get(&self.site.log_name()).await?)
    }
}

/// The content of a status without the fields that differ from scan to scan.
fn content(status: &FileIntegrityNodeStatus) -> Value {
    let mut content = json!({
        "lastResult": status.last_result, "results": status.results,
        "baseline": status.baseline, "reinit": status.reinit,
    });
    let strip = |result: &mut Value| {
        for key in [
            "lastProbeTime",
            "durationMilliseconds",
            "filesScanned",
            "trigger",
        ] {
            result.as_object_mut().map(|fields| fields.remove(key));
        }
    };
    strip(&mut content["lastResult"]);
    if let Some(results) = content["results"].as_array_mut() {
        results.iter_mut().for_each(strip);
    }
    content
}

/// Edits of a status, as merge patches. The result in `results` and the last one are separate.
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

/// Edits a status, and waits until it is reverted; returns the event messages after that.
async fn edited(
    space: &Space,
    node: &str,
    number: usize,
    patch: Value,
) -> anyhow::Result<Vec<String>> {
    let failed = Failed::node(space, &format!("fi-{number}"), node).await?;
    let site = &failed.site;
    let before = content(&site.status().await?);
    let name = site.status_name();
    let now = space.merge::<FileIntegrityNodeStatus>(&name, patch).await?;
    anyhow::ensure!(content(&now) != before, "this edits nothing");
    site.until("the edit to be reverted", |status| {
        content(status) == before
    })
    .await?;
    // And so it stays.
    site.put("later", "text")?;
    failed.until_failed(2).await?;
    failed.event_messages().await
}

/// The event messages of a site whose node failed, and failed again with other changes.
fn expected(fi: &str, node: &str, namespace: &str) -> Vec<String> {
    let log = names::failure_log(&names::daemon_set(fi), node);
    let failed =
        |added| format!("node {node} has changed! a:{added},c:0,r:0 log:{namespace}/{log}");
    vec![format!("no changes to node {node}"), failed(1), failed(2)]
}

#[tokio::test]
async fn an_edited_status_is_reverted_without_another_event() -> anyhow::Result<()> {
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
                    let messages = edited(space, node, number, patch).await;
                    let messages = messages.with_context(|| format!("{what} (fi-{number})"))?;
                    let expected = expected(&format!("fi-{number}"), node, &space.namespace);
                    let counts = lost_and_duplicated(&expected, &messages);
                    anyhow::ensure!(counts == (0, 0), "{what} (fi-{number}): {messages:?}");
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
async fn a_deleted_status_is_restored() -> anyhow::Result<()> {
    in_space("status-deleted", async |space| {
        let node = space.node("n1").await?;
        let failed = Failed::node(space, "fi", &node).await?;
        let site = &failed.site;
        let (before, messages) = (
            content(&site.status().await?),
            failed.event_messages().await?,
        );
        let statuses = space.api::<FileIntegrityNodeStatus>();
        statuses
            .delete(&site.status_name(), &DeleteParams::default())
            .await?;
        // The operator's part.
        site.set_request(Some("first")).await?;
        site.until("everything to be reported again", |status| {
            content(status) == before
        })
        .await?;
        anyhow::ensure!(
            failed.event_messages().await? == messages,
            "nothing is reported twice"
        );
        Ok(())
    })
    .await
}

/// Edits of a failure log that the daemon replaces with its next one.
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
            "no failure log",
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
async fn an_edited_failure_log_is_replaced_at_the_next_changes() -> anyhow::Result<()> {
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
        anyhow::ensure!(failed.event_messages().await? == expected("fi", node, &space.namespace));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_result_is_reported_without_a_failure_log_that_cannot_be_written() -> anyhow::Result<()> {
    on_each("way", in_the_way(), async |failed, patch| {
        let Site { space, node, .. } = &failed.site;
        let name = failed.site.log_name();
        space.merge::<ConfigMap>(&name, patch).await?;
        failed.site.put("later", "text")?;
        let last = failed.until_failed(2).await?;
        anyhow::ensure!(last.result_config_map_name.is_none(), "{last:?}");
        let messages = failed.event_messages().await?;
        let newest = messages.last().context("an event")?;
        anyhow::ensure!(newest.contains("could not be written"), "{messages:?}");
        // Somebody removes the obstacle.
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
        anyhow::ensure!(
            failed.event_messages().await? == messages,
            "nothing is reported twice"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_status_is_reported_although_events_are_refused() -> anyhow::Result<()> {
    in_space("no-events", async |space| {
        let node = space.node("n1").await?;
        let failed = Failed::node(space, "fi", &node).await?;
        let before = failed.event_messages().await?.len();
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
        // The API server uses the new Role some time later, so the first events may still be accepted.
        let mut changes = 1;
        while failed.event_messages().await?.len() + 1 == before + changes {
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
