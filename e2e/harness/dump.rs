//! What is printed when a test has failed: the state that explains it, and not more than somebody
//! reads.

use std::fmt::Write as _;

use anyhow::Result;
use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, LogParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// As many lines of each log, and as many events, are shown.
const TAIL: usize = 40;
/// As many bytes of one object are shown.
const MAX_OBJECT: usize = 6_000;

/// Prints the failure of the test called `test`, and what there is of it, to standard error.
pub(crate) async fn print(client: &Client, namespace: &str, test: &str, failure: &str) {
    let mut out = format!("\nFailed: {test}: {failure}\n===== state after it =====\n");
    if let Err(error) = collect(client, namespace, test, &mut out).await {
        writeln!(out, "the remaining state could not be read: {error:#}").ok();
    }
    writeln!(out, "===== end of the state =====").ok();
    #[expect(
        clippy::print_stderr,
        reason = "libtest captures this, and shows it with the test"
    )]
    {
        eprintln!("{out}");
    }
}

async fn collect(client: &Client, namespace: &str, test: &str, out: &mut String) -> Result<()> {
    let dump = Dump {
        client,
        namespace,
        test,
    };
    dump.objects::<FileIntegrity>("FileIntegrity", out).await?;
    dump.objects::<FileIntegrityNodeStatus>("FileIntegrityNodeStatus", out)
        .await?;
    dump.objects::<DaemonSet>("DaemonSet", out).await?;
    dump.events(out).await?;
    dump.pods(out).await
}

struct Dump<'a> {
    client: &'a Client,
    namespace: &'a str,
    test: &'a str,
}

impl Dump<'_> {
    async fn list<K>(&self) -> Result<Vec<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        Ok(api.list(&ListParams::default()).await?.items)
    }

    /// Whether the object is the test's own: their names all have that of the test in them.
    fn is_mine(&self, object: &impl Resource) -> bool {
        object.name_any().contains(self.test)
    }

    async fn objects<K>(&self, kind: &str, out: &mut String) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        for object in self.list::<K>().await?.iter().filter(|o| self.is_mine(*o)) {
            let mut value = serde_json::to_value(object)?;
            without_noise(&mut value);
            let shown = serde_json::to_string_pretty(&value)?;
            writeln!(out, "--- {kind} {}\n{}", object.name_any(), start(&shown))?;
        }
        Ok(())
    }

    async fn events(&self, out: &mut String) -> Result<()> {
        let mut events = self.list::<Event>().await?;
        events.retain(|event| {
            let about = event.regarding.as_ref().and_then(|r| r.name.as_deref());
            about.is_some_and(|name| {
                name.contains(self.test) || name.starts_with("file-integrity-operator")
            })
        });
        events.sort_by_key(when);
        writeln!(out, "--- events")?;
        for event in events.iter().rev().take(TAIL).rev() {
            let about = event.regarding.as_ref().and_then(|r| r.name.as_deref());
            writeln!(
                out,
                "{} {} {} {}",
                when(event),
                about.unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                event.note.as_deref().unwrap_or_default()
            )?;
        }
        Ok(())
    }

    async fn pods(&self, out: &mut String) -> Result<()> {
        let api = Api::<Pod>::namespaced(self.client.clone(), self.namespace);
        for pod in self.list::<Pod>().await? {
            let name = pod.name_any();
            if !self.is_mine(&pod) && !name.starts_with("file-integrity-operator") {
                continue;
            }
            let status = pod.status.unwrap_or_default();
            writeln!(
                out,
                "--- Pod {name} on {}: {} {}",
                pod.spec.and_then(|s| s.node_name).unwrap_or_default(),
                status.phase.unwrap_or_default(),
                start(&serde_json::to_string(&status.container_statuses)?)
            )?;
            for previous in [true, false] {
                let params = LogParams {
                    tail_lines: Some(i64::try_from(TAIL)?),
                    previous,
                    ..LogParams::default()
                };
                // A container that did not run has no log, and most have no previous one.
                if let Ok(log) = api.logs(&name, &params).await {
                    let which = if previous {
                        "log before its restart"
                    } else {
                        "log"
                    };
                    writeln!(out, "{which}:\n{log}")?;
                }
            }
        }
        Ok(())
    }
}

fn when(event: &Event) -> String {
    let time = event.event_time.as_ref().map(|t| t.0.to_string());
    let older = || {
        event
            .deprecated_last_timestamp
            .as_ref()
            .map(|t| t.0.to_string())
    };
    time.or_else(older).unwrap_or_default()
}

fn without_noise(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
}

fn start(out: &str) -> &str {
    let mut end = out.len().min(MAX_OBJECT);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    &out[..end]
}
