//! Writes objects for a user. I/O.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

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

    /// Changes an annotation of a FileIntegrity, from the current value to the new one. Returns the new one.
    pub(crate) async fn annotate(
        &self,
        owner: &Owner,
        key: &str,
        change: impl Fn(Option<&str>) -> Result<Option<String>, String>,
    ) -> Result<Option<String>, Failure> {
        let Owner { namespace, name } = owner;
        let api = Api::<FileIntegrity>::namespaced(self.client.clone(), namespace);
        let wanted = |verb| Wanted {
            verb,
            resource: "fileintegrities",
            namespace: Some(namespace),
            hint: EDITOR,
        };
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
