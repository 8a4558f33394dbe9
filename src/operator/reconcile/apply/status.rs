//! Writes a FileIntegrity's own annotations and status. I/O.

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::super::conditions::degraded;
use super::applier::Applier;
use super::error::ApplyError;
use crate::api::{EventReason, FileIntegrity, FileIntegrityStatus, names, time};
use crate::k8s::decode::Unreadable;
use crate::k8s::{raw, request};
use crate::scan::event::{EventMessage, Severity};

impl Applier {
    /// Changes the FileIntegrity's annotations. Returns its metadata afterwards.
    pub(crate) async fn patch_metadata(
        &self,
        fi: &FileIntegrity,
        patch: &Value,
    ) -> Result<ObjectMeta, ApplyError> {
        let name = fi.name_any();
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let written = raw::patch_metadata(&self.file_integrities, &name, &params, &patch);
        Ok(request(format!("annotate {name}"), written).await?)
    }

    /// Writes the status. Returns the object afterwards.
    pub(crate) async fn write_status(
        &self,
        fi: &FileIntegrity,
        status: &FileIntegrityStatus,
    ) -> Result<FileIntegrity, ApplyError> {
        let name = fi.name_any();
        let mut patch = json!({
            "metadata": {"uid": fi.metadata.uid},
            "status": status,
        });
        // A field that is left out would stay as it is.
        for field in ["realtime", "changeSets"] {
            if patch["status"].get(field).is_none() {
                patch["status"][field] = Value::Null;
            }
        }
        let (params, patch) = (status_params(), Patch::Merge(&patch));
        let written = raw::patch_status(&self.file_integrities, &name, &params, &patch);
        let written = request(format!("write the status of {name}"), written).await?;
        // The answer may be an object that cannot be decoded. Then the status was written all the same.
        Ok(written.unwrap_or_else(|_| FileIntegrity {
            status: Some(status.clone()),
            ..fi.clone()
        }))
    }

    /// Reports that a FileIntegrity cannot be decoded, with an event and in its status.
    pub(crate) async fn report_unreadable(&self, fi: &Unreadable) -> Result<(), ApplyError> {
        let message = format!("{fi}; nothing is changed for it until it can be read");
        let event = EventMessage {
            severity: Severity::Warning,
            reason: EventReason::ObjectUnreadable,
            message: message.clone(),
        };
        self.create_event_for(&fi.name, &fi.uid, &event, "").await?;
        let patch = json!({
            "metadata": {"uid": fi.uid},
            "status": degraded::unreadable(&message, &time::now()),
        });
        let (params, patch) = (status_params(), Patch::Merge(&patch));
        let written = raw::patch_status(&self.file_integrities, &fi.name, &params, &patch);
        let written = request(format!("write the status of {}", fi.name), written).await;
        // The answer cannot be decoded, either.
        written.map(|_| ()).map_err(Into::into)
    }
}

/// The watch recognizes the operator's own writes by the field manager.
fn status_params() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER_OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}
