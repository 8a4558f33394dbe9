//! Writes the status of acceptances, and deletes them. I/O.

use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::applier::Applier;
use super::error::ApplyError;
use crate::api::{FileIntegrityAcceptance, FileIntegrityAcceptanceStatus, names};
use crate::k8s::{raw, request};

/// The fields of a status that are left out when they are empty. They would stay as they are.
const OPTIONAL: [&str; 6] = [
    "counts",
    "nodes",
    "fileIntegrityUid",
    "configHash",
    "evidence",
    "retainUntil",
];

impl Applier {
    /// Writes the status of an acceptance, unless somebody has changed it meanwhile. Returns its metadata afterwards.
    pub(crate) async fn write_acceptance_status(
        &self,
        acceptance: &FileIntegrityAcceptance,
        status: &FileIntegrityAcceptanceStatus,
    ) -> Result<ObjectMeta, ApplyError> {
        let name = acceptance.name_any();
        let meta = &acceptance.metadata;
        let mut patch = json!({
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "status": status,
        });
        for field in OPTIONAL {
            if patch["status"].get(field).is_none() {
                patch["status"][field] = Value::Null;
            }
        }
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER_OPERATOR.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        let written = raw::patch_status_metadata(&self.acceptances, &name, &params, &patch);
        Ok(request(
            format!("write the status of the acceptance {name}"),
            written,
        )
        .await?)
    }

    /// Deletes an acceptance whose retention has ended.
    pub(crate) async fn delete_acceptance(
        &self,
        acceptance: &FileIntegrityAcceptance,
    ) -> Result<(), ApplyError> {
        let name = acceptance.name_any();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: acceptance.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = self.acceptances.delete(&name, &params);
        match request(format!("delete the acceptance {name}"), deleted).await {
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
            deleted => deleted.map(drop).map_err(Into::into),
        }
    }
}
