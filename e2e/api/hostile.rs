//! Hostile texts in every field of a FileIntegrity and in its annotations: no request of the operator is
//! another one than a valid specification causes.
//!
//! The fields are those of the definition's schema, so a new one is covered as soon as it is there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use fio::testing::k8s::client_layer::client_layer;
use fio::testing::operator::ScrapeSettings;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::harness::{LABEL_TEST, Operator, Space, answer, in_space};

/// How long a few hundred FileIntegrities may take, beside other tests.
const LONG: Duration = Duration::from_secs(240);
/// A text that must not become a separate line in a log.
const INJECTED: &str = "injected line";

fn hostile_values() -> Vec<String> {
    let mut values: Vec<String> = [
        "/",
        "a/b",
        "../secrets",
        "kube-system/secrets?x=",
        "a?b",
        "a#b",
        "a%2fb",
        "%2e%2e",
        "..",
        ".",
        "a,b=c",
        "x,metadata.namespace=kube-system",
        "a\0b",
        "a b",
        "kube-system",
        "\u{1b}[31m",
    ]
    .map(str::to_owned)
    .into();
    values.push(format!("a\n{INJECTED}"));
    values.push("a".repeat(10_000));
    values
}

/// A step from a value to one below it.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Item,
    /// The value of a map's entry.
    Entry,
    /// The key of a map's entry.
    Key,
}

/// The ways to all strings that a schema allows.
fn strings(schema: &Value, way: &[Step], found: &mut Vec<Vec<Step>>) {
    let below = |step: Step| [way, &[step]].concat();
    let is_string = schema["type"] == "string" || schema["x-kubernetes-int-or-string"] == true;
    if is_string {
        found.push(way.to_vec());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        strings(property, &below(Step::Field(name.clone())), found);
    }
    if schema["additionalProperties"].is_object() {
        found.push(below(Step::Key));
        strings(&schema["additionalProperties"], &below(Step::Entry), found);
    }
    if schema["items"].is_object() {
        strings(&schema["items"], &below(Step::Item), found);
    }
}

/// Puts a text where this way leads.
fn put(value: &mut Value, way: &[Step], text: &str) {
    let Some((step, rest)) = way.split_first() else {
        *value = json!(text);
        return;
    };
    match step {
        Step::Field(name) => put(&mut value[name.as_str()], rest, text),
        Step::Item => {
            if !value.is_array() {
                *value = json!([{}]);
            }
            put(&mut value[0], rest, text);
        }
        Step::Entry => put(&mut value["entry"], rest, text),
        Step::Key => *value = Value::Object(Map::from_iter([(text.to_owned(), json!("1"))])),
    }
}

/// The specifications to try, each valid but for one text.
fn specs(space: &Space) -> anyhow::Result<Vec<Value>> {
    let [definition, ..] = fio::testing::api::crd::all()?;
    let definition = serde_json::to_value(definition)?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut ways = Vec::new();
    strings(&schema["properties"]["spec"], &[], &mut ways);
    for known in ["name", "namespace", "key", "stateDir", "priorityClassName"] {
        let leads = |way: &Vec<Step>| way.last() == Some(&Step::Field(known.to_owned()));
        assert!(ways.iter().any(leads), "{known}: {ways:?}");
    }
    assert!(
        ways.contains(&vec![Step::Field("nodeSelector".to_owned()), Step::Key]),
        "{ways:?}"
    );
    let valid = valid_spec(space);
    let specs = ways.iter().flat_map(|way| {
        let valid = &valid;
        hostile_values().into_iter().map(move |text| {
            let mut spec = valid.clone();
            put(&mut spec, way, &text);
            spec
        })
    });
    Ok(specs.collect())
}

fn valid_spec(space: &Space) -> Value {
    json!({
        "config": {"name": "conf", "namespace": space.namespace, "key": "aide.conf"},
        "nodeSelector": {LABEL_TEST: "nowhere"},
        "priorityClassName": "missing",
    })
}

/// The annotations to try.
fn annotations() -> Vec<Value> {
    let tried = hostile_values().into_iter().flat_map(|text| {
        let ids = json!({"id": text, "nodes": ["n1"]});
        let nodes = json!({"id": "abc", "nodes": [text]});
        [
            json!({names::Annotation::REINIT: text}),
            json!({names::Annotation::REINIT_ON_FAILED: text}),
            json!({names::Annotation::HOLDOFF: text}),
            json!({names::Annotation::REINIT_RECORD: text}),
            json!({names::Annotation::REINIT_RECORD: ids.to_string()}),
            json!({names::Annotation::REINIT_RECORD: nodes.to_string()}),
        ]
    });
    tried.collect()
}

/// What the operator requests, with the names left out that tests give.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<BTreeSet<String>>>);

impl Recorded {
    fn take(&self) -> BTreeSet<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut all)
    }

    async fn operator(&self, space: &Space) -> anyhow::Result<Operator> {
        let recorded = self.clone();
        let client = move |_: &_, config: kube::Config| {
            let layer = client_layer(move |request, sender| {
                let mut all = recorded.0.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(generalized(
                    request.method().as_str(),
                    &request.uri().to_string(),
                ));
                drop(all);
                sender.call(request)
            });
            Ok(fio::testing::k8s::builder(config)?
                .with_layer(&layer)
                .build())
        };
        let kill = CancellationToken::new();
        space
            .operator_by("op", ScrapeSettings::default(), kill, client)
            .await
    }
}

/// A request without what differs between valid specifications: the number of the FileIntegrity, a
/// ConfigMap or PriorityClass with a valid name, and where and how far a list or watch goes on.
fn generalized(method: &str, uri: &str) -> String {
    let path = uri.split_once("://").map_or(uri, |(_, rest)| {
        rest.find('/').map_or("", |start| &rest[start..])
    });
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    let mut query: Vec<String> = query
        .split('&')
        .filter(|part| {
            let goes_on = ["resourceVersion=", "continue=", "limit=", "timeoutSeconds="];
            !goes_on.iter().any(|start| part.starts_with(start))
        })
        .map(str::to_owned)
        .collect();
    if let [_, _, _, _, namespace, kind] = segments.as_mut_slice()
        && kind == "configmaps"
        && is_name(namespace)
        && let Some(selector) = query
            .iter_mut()
            .find(|part| part.starts_with("fieldSelector="))
        && selector
            .strip_prefix("fieldSelector=metadata.name%3D")
            .is_some_and(is_name)
    {
        "NAMESPACE".clone_into(namespace);
        "NAME".clone_into(selector);
    }
    if let [.., kind, name] = segments.as_mut_slice()
        && kind == "priorityclasses"
        && is_name(name)
    {
        "NAME".clone_into(name);
    }
    let segments: Vec<String> = segments.iter().map(|part| numberless(part)).collect();
    format!("{method} {}?{}", segments.join("/"), query.join("&"))
}

/// Whether this is a name, as far as it matters for a request.
fn is_name(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.trim_matches('.').is_empty() && text.len() <= 253 && text.bytes().all(is_inner)
}

/// A segment with `N` in the place of its numbers.
fn numberless(segment: &str) -> String {
    let mut shown = String::new();
    for c in segment.chars() {
        match c {
            '0'..='9' if shown.ends_with('N') => {}
            '0'..='9' => shown.push('N'),
            c => shown.push(c),
        }
    }
    shown
}

/// Makes FileIntegrities, each with a name of its own.
struct Made<'a> {
    space: &'a Space,
    number: usize,
    /// Number of those that the API server took.
    taken: usize,
}

impl Made<'_> {
    async fn make(&mut self, spec: &Value, annotations: &Value) -> anyhow::Result<()> {
        self.number += 1;
        let object = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
            "metadata": {"name": format!("fi-{}", self.number), "annotations": annotations},
            "spec": spec,
        });
        let api: Api<FileIntegrity> = self.space.api();
        let request = hyper::Request::post(api.resource_url())
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&object)?)?;
        match api.into_client().request::<Value>(request).await {
            Ok(_) => self.taken += 1,
            // The definition does not allow it: it never gets to the operator.
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Waits until the operator has seen to all FileIntegrities.
async fn until_seen(space: &Space) -> anyhow::Result<()> {
    let api: Api<FileIntegrity> = space.api();
    let what = "all FileIntegrities to have a status";
    answer(what, Duration::from_secs(1), LONG, async || {
        let all = api.list(&ListParams::default()).await?.items;
        let is_seen = |fi: &FileIntegrity| {
            fi.status
                .as_ref()
                .is_some_and(|status| status.observed_generation == fi.metadata.generation)
        };
        let left: Vec<String> = all
            .iter()
            .filter(|fi| !is_seen(fi))
            .map(kube::ResourceExt::name_any)
            .collect();
        Ok(left.is_empty().then_some(()))
    })
    .await
}

#[tokio::test]
async fn user_text_never_changes_a_request() -> anyhow::Result<()> {
    in_space("hostile", async |space| {
        let conf = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"},
            "data": {"aide.conf": "/etc p\n"},
        });
        let conf: ConfigMap = serde_json::from_value(conf)?;
        space.api().create(&PostParams::default(), &conf).await?;
        let node = space.node("n1").await?;
        let selecting = {
            let mut spec = valid_spec(space);
            spec["nodeSelector"] = json!({LABEL_TEST: space.namespace});
            spec
        };
        let recorded = Recorded::default();
        let operator = recorded.operator(space).await?;
        let mut made = Made {
            space,
            number: 0,
            taken: 0,
        };

        // What valid ones cause: with and without nodes, with requests and holds.
        for annotations in [
            json!({}),
            json!({names::Annotation::REINIT: ""}),
            json!({names::Annotation::REINIT: node}),
            json!({names::Annotation::REINIT_ON_FAILED: ""}),
            json!({names::Annotation::HOLDOFF: ""}),
        ] {
            made.make(&selecting, &annotations).await?;
        }
        made.make(&valid_spec(space), &json!({})).await?;
        assert_eq!(made.taken, made.number);
        until_seen(space).await?;
        for number in 1..=5 {
            let status = names::node_status(&format!("fi-{number}"), &node);
            space
                .until_is(&status, "to be there", |_: &FileIntegrityNodeStatus| true)
                .await?;
        }
        // What comes after that: the re-init DaemonSets of those that request a baseline.
        for number in 2..=3 {
            let reinit_set = names::reinit_daemon_set(&format!("fi-{number}"), None);
            space
                .until_is(&reinit_set, "to be there", |_: &DaemonSet| true)
                .await?;
        }
        let valid = recorded.take();
        for needed in [
            "/priorityclasses/NAME",
            "/namespaces/NAMESPACE/configmaps",
            "/fileintegritynodestatuses/fi-N-",
        ] {
            let is_there = |request: &String| request.contains(needed);
            assert!(valid.iter().any(is_there), "{needed}: {valid:#?}");
        }

        for spec in specs(space)? {
            made.make(&spec, &json!({})).await?;
        }
        let by_spec = made.taken;
        for annotations in annotations() {
            made.make(&selecting, &annotations).await?;
        }
        assert!(
            by_spec > 100 && made.taken - by_spec > 50,
            "{by_spec} of {}",
            made.taken
        );
        let seen = until_seen(space).await;
        let mut others: Vec<String> = recorded.take().difference(&valid).cloned().collect();
        // It is renewed every few seconds, independent of requests.
        let renewal = format!("/leases/{}?", numberless(names::LEASE_NAME));
        others.retain(|request| !request.ends_with(&renewal));
        assert_eq!(others, [""; 0]);
        seen?;
        let log = space.log();
        let is_injected = |line: &str| line.trim_start().starts_with(INJECTED);
        assert!(
            !log.lines().any(is_injected) && !log.contains('\0'),
            "{log}"
        );
        operator.stop().await
    })
    .await
}
