//! The admission policy that keeps each daemon to its own node's objects, of manifests/policy. Without
//! it one node's token could overwrite the results of all, so the operator looks after it: where it
//! was not laid down (OLM installs no policies) or is gone, it is made, and what an older operator made
//! is renewed. One that an administrator laid down or changed is left alone.

use std::time::Duration;

use axum::http::{Request, header};
use kube::core::dynamic::DynamicObject;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Client, ResourceExt as _};

use crate::api::names;
use crate::k8s::{RequestError, request};

/// The policy and its binding, for the namespace [`MANIFEST_NAMESPACE`].
const MANIFEST: &str = include_str!("../../manifests/policy/daemon.yaml");
/// The namespace that the manifest speaks of.
const MANIFEST_NAMESPACE: &str = "openshift-file-integrity";
/// Where the two kinds are served.
const PATHS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
];
/// On what the operator made: a hash of the manifest that it was made of.
const ANNOTATION_MADE: &str = "file-integrity.openshift.io/made-of";
/// What the API is asked for where metadata is enough.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How often it is looked whether they are there.
const KEEP_EVERY: Duration = Duration::from_secs(300);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(60);

/// The name of policy and binding.
pub fn name(namespace: &str) -> String {
    format!("file-integrity-daemon.{namespace}")
}

/// The policy and its binding for this namespace, as YAML.
fn documents(namespace: &str) -> [String; 2] {
    let text = MANIFEST.replace(MANIFEST_NAMESPACE, namespace);
    let (policy, binding) = text.split_once("\n---\n").unwrap_or((&text, ""));
    [policy.to_owned(), binding.to_owned()]
}

/// The document with the annotation of what it was made of.
fn made(document: &str, hash: &str) -> String {
    let annotations = format!("metadata:\n  annotations:\n    {ANNOTATION_MADE}: \"{hash}\"\n");
    document.replacen("metadata:\n", &annotations, 1)
}

fn hash(document: &str) -> String {
    names::short_hash(document)
}

/// Whether one is to be written, given the metadata of what is there.
fn is_due(existing: Option<&ObjectMeta>, hash: &str) -> bool {
    let Some(existing) = existing else {
        return true;
    };
    let annotations = existing.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(ANNOTATION_MADE))
        .is_some_and(|made| made != hash)
}

/// Sees to it that the two are there, until it is dropped.
pub async fn keep(client: Client, namespace: String) {
    let mut told = None;
    loop {
        let answer = lay_down(&client, &namespace).await;
        let code = answer.as_ref().err().and_then(RequestError::code);
        if let Err(error) = &answer
            // The same is said once, not every few minutes.
            && (code.is_none() || code != told)
        {
            tell(error, &name(&namespace));
        }
        told = code;
        tokio::time::sleep(if answer.is_ok() { KEEP_EVERY } else { RETRY }).await;
    }
}

fn tell(error: &RequestError, name: &str) {
    match error.code() {
        Some(403) => tracing::warn!(
            "the admission policy {name} is not looked after, as this account may not: where it was \
             not laid down with the manifests (manifests/policy), a node's token can write the \
             results of other nodes"
        ),
        Some(409) => tracing::info!("the admission policy {name} was changed and is left alone"),
        _ => tracing::warn!(
            error = crate::error_chain(error),
            "the admission policy {name} is not looked after"
        ),
    }
}

async fn lay_down(client: &Client, namespace: &str) -> Result<(), RequestError> {
    let name = name(namespace);
    for (path, document) in PATHS.iter().zip(documents(namespace)) {
        let hash = hash(&document);
        let path = format!("{path}/{name}");
        let existing = request(
            format!("read the admission policy {name}"),
            metadata(client, &path),
        );
        if is_due(existing.await?.as_ref(), &hash) {
            let apply = apply(client, &path, made(&document, &hash));
            request(format!("apply the admission policy {name}"), apply).await?;
            tracing::info!("the admission policy {name} is laid down: {path}");
        }
    }
    Ok(())
}

/// The metadata of the object at `path`, if there is one.
async fn metadata(client: &Client, path: &str) -> kube::Result<Option<ObjectMeta>> {
    let get = Request::get(path)
        .header(header::ACCEPT, METADATA)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    match client
        .request::<PartialObjectMeta<DynamicObject>>(get)
        .await
    {
        Ok(object) => Ok(Some(object.metadata)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Server-side apply, which takes YAML as it is; without force, so that what somebody else changed is
/// a conflict.
async fn apply(client: &Client, path: &str, document: String) -> kube::Result<String> {
    let manager = names::FIELD_MANAGER_OPERATOR;
    let apply = Request::patch(format!("{path}?fieldManager={manager}"))
        .header(header::CONTENT_TYPE, "application/apply-patch+yaml")
        .body(document.into_bytes())
        .map_err(kube::Error::HttpError)?;
    let made = client
        .request::<PartialObjectMeta<DynamicObject>>(apply)
        .await?;
    Ok(made.name_any())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::EventReason;

    #[test]
    fn the_documents_speak_of_the_namespace() {
        let documents = documents("elsewhere");
        for (document, kind) in documents.iter().zip(["", "Binding"]) {
            assert!(document.contains(&format!("kind: ValidatingAdmissionPolicy{kind}\n")));
            assert!(document.contains("\n  name: file-integrity-daemon.elsewhere\n"));
            assert!(!document.contains(MANIFEST_NAMESPACE));
        }
        assert!(documents[1].contains("policyName: file-integrity-daemon.elsewhere\n"));
        assert!(documents[1].contains("kubernetes.io/metadata.name: elsewhere"));
    }

    /// An event with another reason would be refused.
    #[test]
    fn the_policy_allows_exactly_the_reasons_of_the_daemons_events() {
        for reason in EventReason::ALL {
            let is_allowed = MANIFEST.contains(&format!("'{reason}'"));
            assert_eq!(is_allowed, reason.is_of_daemon(), "{reason}");
        }
    }

    #[test]
    fn what_the_operator_made_says_so() {
        let [policy, _] = documents("ns");
        let made = made(&policy, "abc");
        let annotated = format!(
            "kind: ValidatingAdmissionPolicy\nmetadata:\n  annotations:\n    {ANNOTATION_MADE}: \
             \"abc\"\n  name: file-integrity-daemon.ns\n"
        );
        assert!(made.contains(&annotated), "{made}");
    }

    #[test]
    fn it_is_made_where_it_is_gone_and_renewed_where_the_operator_made_it() {
        let meta = |hash: Option<&str>| ObjectMeta {
            annotations: hash.map(|h| BTreeMap::from([(ANNOTATION_MADE.into(), h.into())])),
            ..ObjectMeta::default()
        };
        assert!(is_due(None, "new"));
        assert!(is_due(Some(&meta(Some("old"))), "new"));
        assert!(!is_due(Some(&meta(Some("new"))), "new"));
        assert!(!is_due(Some(&meta(None)), "new"), "an administrator's");
    }
}
