//! Somebody has the token of a node's daemon, and tries what the Role and the admission policy in
//! manifests/ should refuse: every verb on every object, under every disguise. What the daemon itself
//! does, and must go on doing, is tried beside it.
//!
//! That a try was refused is not only read from the answer: after all of them nothing in either
//! installation's namespace may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Context as _;
use axum::http::{Method, Request, header};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use self::scene::Scene;
use crate::chaos;
use crate::harness::{in_space, kubectl};

mod scene;

/// Prints a row of the table of attacks, also if the test succeeds: what was tried how often, and how
/// often it came to nothing.
pub(crate) fn attack_row(attack: &str, tried: usize, refused: usize) -> anyhow::Result<()> {
    let row = json!({"attack": attack, "tried": tried, "refused": refused});
    chaos::print("attack", &row)
}

const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const PLAIN: &str = "application/json";

/// One request.
#[derive(Clone, Debug)]
struct Try {
    group: &'static str,
    what: String,
    method: Method,
    path: String,
    content_type: &'static str,
    body: Value,
    /// How it is answered.
    codes: &'static [u16],
}

impl Try {
    /// A request that is to be answered by 403.
    fn new(group: &'static str, what: impl Into<String>, method: Method, path: String) -> Self {
        Self {
            group,
            what: what.into(),
            method,
            path,
            content_type: PLAIN,
            body: Value::Null,
            codes: &[403],
        }
    }

    fn with(self, content_type: &'static str, body: Value) -> Self {
        Self {
            content_type,
            body,
            ..self
        }
    }

    /// The same, answered otherwise: because the API has no such thing, or admission comes later.
    fn answered(self, codes: &'static [u16]) -> Self {
        Self { codes, ..self }
    }

    async fn send(&self, client: &Client) -> anyhow::Result<(u16, String)> {
        let body = if self.body.is_null() {
            Body::empty()
        } else {
            Body::from(serde_json::to_vec(&self.body)?)
        };
        let request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::CONTENT_TYPE, self.content_type)
            .body(body)?;
        let answer = client.send(request).await?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await?;
        Ok((code, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// A place for objects of one kind.
fn collection(api: &str, namespace: &str, resource: &str) -> String {
    format!("{api}/namespaces/{namespace}/{resource}")
}

/// Every way to write or remove an object, and its subresources.
fn every_verb(
    group: &'static str,
    (api, namespace, resource): (&str, &str, &str),
    object: &Value,
    patch: &Value,
) -> Vec<Try> {
    let all = collection(api, namespace, resource);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let one = format!("{all}/{name}");
    let mut tries = patches(group, &one, object, patch);
    let attempt = |what: &str, method: Method, path: &str| {
        Try::new(
            group,
            format!("{what} {resource}/{name}"),
            method,
            path.to_owned(),
        )
    };
    let mut generated = object.clone();
    generated["metadata"]["name"] = Value::Null;
    generated["metadata"]["generateName"] = json!(format!("{name}-"));
    tries.extend([
        attempt("create", Method::POST, &all).with(PLAIN, object.clone()),
        attempt("create by generateName", Method::POST, &all).with(PLAIN, generated),
        attempt("update", Method::PUT, &one).with(PLAIN, object.clone()),
        attempt("delete", Method::DELETE, &one),
        attempt("deletecollection", Method::DELETE, &all),
        attempt(
            "deletecollection by label",
            Method::DELETE,
            &format!("{all}?labelSelector=a"),
        ),
        attempt("list", Method::GET, &all),
    ]);
    for subresource in [
        "status",
        "scale",
        "finalizers",
        "ephemeralcontainers",
        "any",
    ] {
        let below = format!("{one}/{subresource}");
        let what = |verb: &str| format!("{verb} {subresource} of");
        tries.extend([
            attempt(&what("update"), Method::PUT, &below).with(PLAIN, object.clone()),
            attempt(&what("patch"), Method::PATCH, &below).with(MERGE, patch.clone()),
            attempt(&what("create"), Method::POST, &below).with(PLAIN, object.clone()),
            attempt(&what("delete"), Method::DELETE, &below),
        ]);
    }
    tries
}

/// The ways to patch an object. `patch` is a merge patch with which the object would be another.
fn patches(group: &'static str, one: &str, object: &Value, patch: &Value) -> Vec<Try> {
    let attempt = |what: &str, query: &str| {
        let whole = format!("{one}{query}");
        Try::new(group, format!("{what} of {one}"), Method::PATCH, whole)
    };
    // A merge patch of an object's first level, as operations.
    let operations: Vec<Value> = patch
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(key, value)| match (key.as_str(), value) {
            ("metadata", Value::Object(fields)) => fields
                .iter()
                .map(|(field, value)| (format!("/metadata/{field}"), value.clone()))
                .collect(),
            (key, value) => vec![(format!("/{key}"), value.clone())],
        })
        .map(|(path, value)| json!({"op": "add", "path": path, "value": value}))
        .collect();
    let is_custom = one.contains("fileintegrity.openshift.io");
    let mut applied = object.clone();
    merge(&mut applied, patch);
    let strategic = attempt("strategic merge patch", "").with(STRATEGIC, patch.clone());
    vec![
        attempt("merge patch", "").with(MERGE, patch.clone()),
        attempt(
            "merge patch by the operator's name",
            "?fieldManager=file-integrity-operator",
        )
        .with(MERGE, patch.clone()),
        attempt("dry run of a merge patch", "?dryRun=All").with(MERGE, patch.clone()),
        attempt("JSON patch", "").with(JSON_PATCH, json!(operations)),
        // Definitions know no strategic merge: the API has no such content type for them.
        strategic.answered(if is_custom { &[403, 415] } else { &[403] }),
        // Without force, taking what another manager set is a conflict, which is found first.
        attempt("apply", "?fieldManager=x")
            .with(APPLY, applied.clone())
            .answered(&[403, 409]),
        attempt("apply by force", "?fieldManager=x&force=true").with(APPLY, applied.clone()),
        attempt(
            "apply by the operator's name",
            "?fieldManager=file-integrity-operator&force=true",
        )
        .with(APPLY, applied),
    ]
}

/// RFC 7396.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            if let Some(fields) = object.as_object_mut() {
                fields.remove(key);
            }
        } else {
            merge(&mut object[key.as_str()], value);
        }
    }
}

/// All objects of both installations, and which version of them there is.
async fn versions(scene: &Scene) -> anyhow::Result<BTreeMap<String, String>> {
    let kinds = "configmaps,secrets,serviceaccounts,pods,services,events.events.k8s.io,\
        fileintegrities,fileintegritynodestatuses,fileintegrityacceptances,daemonsets,deployments,leases,roles,rolebindings";
    let columns =
        "custom-columns=K:.kind,N:.metadata.name,U:.metadata.uid,V:.metadata.resourceVersion";
    let mut found = BTreeMap::new();
    for namespace in [&scene.own.namespace, &scene.foreign.namespace] {
        let list = ["get", kinds, "-n", namespace, "-o", columns, "--no-headers"];
        for line in kubectl(&list, "").await?.lines() {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            let version = words.pop().context("a version")?;
            let object = format!("{namespace} {}", words.join(" "));
            found.insert(object, version.to_owned());
        }
    }
    Ok(found)
}

/// Makes the tries; returns per group how many there were and how many were refused, and a line for
/// each that was answered otherwise than it should.
async fn carry_out(
    client: &Client,
    attempts: &[Try],
) -> anyhow::Result<(Vec<(&'static str, usize, usize)>, String)> {
    let mut counts: Vec<(&'static str, usize, usize)> = Vec::new();
    let mut wrong = String::new();
    for attempt in attempts {
        let (code, answer) = attempt.send(client).await?;
        let is_right = attempt.codes.contains(&code);
        if !is_right {
            let start: String = answer.chars().take(300).collect();
            writeln!(
                wrong,
                "{}: {}: {code}: {start}",
                attempt.group, attempt.what
            )?;
        }
        let is_refused = usize::from(is_right);
        match counts
            .iter_mut()
            .find(|(group, ..)| *group == attempt.group)
        {
            Some((_, tried, refused)) => {
                *tried += 1;
                *refused += is_refused;
            }
            None => counts.push((attempt.group, 1, is_refused)),
        }
    }
    Ok((counts, wrong))
}

#[tokio::test]
async fn the_token_of_a_node_permits_only_the_daemons_requests() -> anyhow::Result<()> {
    in_space("attacks", async |space| {
        let second = space.another("attacked").await?;
        let scene = Scene::set(space, &second).await?;
        let before = versions(&scene).await?;
        let tries = scene.tries()?;
        let (counts, wrong) = carry_out(&scene.own.daemon, &tries).await?;
        for (group, tried, refused) in &counts {
            attack_row(&format!("a daemon's token: {group}"), *tried, *refused)?;
        }
        let after = versions(&scene).await?;
        let changed: BTreeSet<&String> = before
            .keys()
            .chain(after.keys())
            .filter(|object| before.get(*object) != after.get(*object))
            .collect();
        assert!(
            wrong.is_empty() && changed.is_empty(),
            "{wrong}changed: {changed:?}"
        );
        assert_eq!(counts.len(), 9, "{counts:?}");

        let (_, wrong) = carry_out(&scene.own.daemon, &scene.allowed()?).await?;
        assert!(wrong.is_empty(), "what a daemon does was refused: {wrong}");
        Ok(())
    })
    .await
}
