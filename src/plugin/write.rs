//! Writes objects for a user. I/O.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::failure::{Failure, Wanted};
use super::fleet::Owner;
use super::read::{Reader, VIEWER};
use crate::api::{FileIntegrity, FileIntegrityAcceptance};
use crate::k8s::{raw, request_within};

/// Who may accept changes.
const ACCEPTER: &str =
    "The ClusterRole fileintegrity-accepter-role has this right: ask for a binding to it";
/// Who may edit FileIntegrities.
const EDITOR: &str =
    "The ClusterRole fileintegrity-editor-role has this right: ask for a binding to it";
/// Maximum attempts to set an annotation while others write the object.
const MAX_ATTEMPTS: usize = 5;
const ANYBODY: &str = "The ClusterRole system:basic-user has this right";

impl Reader {
    /// The name of the user, as the API server knows it.
    pub(crate) async fn user_name(&self) -> Result<String, Failure> {
        let api = Api::<SelfSubjectReview>::all(self.client.clone());
        let wanted = Wanted {
            verb: "create",
            resource: "selfsubjectreviews",
            namespace: None,
            hint: ANYBODY,
        };
        let params = PostParams::default();
        let review = SelfSubjectReview::default();
        let review = api.create(&params, &review);
        let review = request_within(self.timeout, "create a SelfSubjectReview", review).await;
        let review = review.map_err(|error| Failure::of(&error, wanted))?;
        let user = review.status.and_then(|status| status.user_info);
        user.and_then(|user| user.username).ok_or_else(|| {
            Failure::Other("the API server does not answer with the name of the user".to_owned())
        })
    }

    /// Creates an acceptance, or only checks whether the API server would. Returns its name.
    pub(crate) async fn create_acceptance(
        &self,
        object: &FileIntegrityAcceptance,
        is_dry_run: bool,
    ) -> Result<String, Failure> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let api = Api::<FileIntegrityAcceptance>::namespaced(self.client.clone(), namespace);
        let wanted = Wanted {
            verb: "create",
            resource: "fileintegrityacceptances",
            namespace: Some(namespace),
            hint: ACCEPTER,
        };
        let params = PostParams {
            dry_run: is_dry_run,
            ..PostParams::default()
        };
        let created = api.create(&params, object);
        let created = request_within(self.timeout, "create an acceptance", created).await;
        let created = created.map_err(|error| Failure::of(&error, wanted))?;
        Ok(created.metadata.name.unwrap_or_default())
    }

    /// An acceptance.
    pub(crate) async fn acceptance(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<FileIntegrityAcceptance, Failure> {
        let api = Api::<FileIntegrityAcceptance>::namespaced(self.client.clone(), namespace);
        let wanted = Wanted {
            verb: "get",
            resource: "fileintegrityacceptances",
            namespace: Some(namespace),
            hint: VIEWER,
        };
        let action = format!("get fileintegrityacceptances {name}");
        let read = request_within(self.timeout, action, raw::get(&api, name)).await;
        read.map_err(|error| Failure::of(&error, wanted))
    }

    /// The exclusions of a FileIntegrity.
    pub(crate) async fn exclusions(&self, owner: &Owner) -> Result<Exclusions, Failure> {
        let Owner { namespace, name } = owner;
        let read = self.untyped(namespace);
        let read = read.get(name);
        let action = format!("get fileintegrities {name}");
        let read = request_within(self.timeout, action, read).await;
        let wanted = of_integrities("get", namespace);
        let object = read.map_err(|error| Failure::of(&error, wanted))?;
        let list = object.data["spec"]["exclude"].as_array();
        Ok(Exclusions {
            list: list.cloned().unwrap_or_default(),
            version: object.metadata.resource_version,
        })
    }

    /// Replaces the exclusions of a FileIntegrity, or only checks whether the API server would. They must be those that
    /// the user has seen.
    pub(crate) async fn exclude(
        &self,
        owner: &Owner,
        seen: &Exclusions,
        new: &[Value],
        is_dry_run: bool,
    ) -> Result<(), Failure> {
        let Owner { namespace, name } = owner;
        let api = self.untyped(namespace);
        let params = PatchParams {
            dry_run: is_dry_run,
            ..PatchParams::default()
        };
        let mut version = seen.version.clone();
        let mut attempts = 1..MAX_ATTEMPTS;
        loop {
            let patch = Patch::Merge(json!({
                "metadata": {"resourceVersion": version}, "spec": {"exclude": new},
            }));
            let written = api.patch(name, &params, &patch);
            let action = format!("patch fileintegrities {name}");
            match request_within(self.timeout, action, written).await {
                Ok(_) => return Ok(()),
                // Others may have written something else of it in between.
                Err(error) if error.code() == Some(409) && attempts.next().is_some() => {
                    let now = self.exclusions(owner).await?;
                    if now.list != seen.list {
                        let text = "spec.exclude was changed meanwhile: run the command again";
                        return Err(Failure::Other(text.to_owned()));
                    }
                    version = now.version;
                }
                Err(error) => {
                    return Err(Failure::of(&error, of_integrities("patch", namespace)));
                }
            }
        }
    }

    /// FileIntegrities with all fields of the API, also those of later versions.
    fn untyped(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<FileIntegrity>(&());
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    /// Changes an annotation of a FileIntegrity, from the current value to the new one. Returns the new one.
    pub(crate) async fn annotate(
        &self,
        owner: &Owner,
        key: &str,
        change: impl Fn(Option<&str>) -> Result<Option<String>, String>,
    ) -> Result<Option<String>, Failure> {
        let Owner { namespace, name } = owner;
        let api = Api::<FileIntegrity>::namespaced(self.client.clone(), namespace);
        let wanted = |verb| of_integrities(verb, namespace);
        let mut attempts = 1..MAX_ATTEMPTS;
        loop {
            let read = raw::metadata_opt(&api, name);
            let read = request_within(self.timeout, format!("get fileintegrities {name}"), read);
            let read = read.await;
            let metadata = read.map_err(|error| Failure::of(&error, wanted("get")))?;
            let metadata = metadata
                .ok_or_else(|| Failure::Other(format!("there is no FileIntegrity {name}")))?;
            let annotations = metadata.annotations.unwrap_or_default();
            let current = annotations.get(key).map(String::as_str);
            let new = change(current).map_err(Failure::Other)?;
            if new.as_deref() == current {
                return Ok(new);
            }
            // Others may have written it in between.
            let patch = Patch::Merge(json!({"metadata": {
                "resourceVersion": metadata.resource_version, "annotations": {key: new},
            }}));
            let params = PatchParams::default();
            let written = raw::patch_metadata(&api, name, &params, &patch);
            let action = format!("patch fileintegrities {name}");
            match request_within(self.timeout, action, written).await {
                Ok(_) => return Ok(new),
                Err(error) if error.code() == Some(409) && attempts.next().is_some() => {}
                Err(error) => return Err(Failure::of(&error, wanted("patch"))),
            }
        }
    }
}

/// The exclusions in the spec of a FileIntegrity.
#[derive(Clone, Debug)]
pub(crate) struct Exclusions {
    pub(crate) list: Vec<Value>,
    /// The version of the object.
    version: Option<String>,
}

fn of_integrities<'a>(verb: &'static str, namespace: &'a str) -> Wanted<'a> {
    Wanted {
        verb,
        resource: "fileintegrities",
        namespace: Some(namespace),
        hint: EDITOR,
    }
}
