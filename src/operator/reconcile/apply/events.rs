//! Creates events on a FileIntegrity. I/O.

use kube::ResourceExt as _;

use super::applier::Applier;
use super::error::ApplyError;
use crate::api::FileIntegrity;
use crate::scan::event::{EventMessage, Subject};
use crate::scan::publish;

impl Applier {
    /// Creates an event. A second event for the same transition is not created.
    pub(crate) async fn create_event(
        &self,
        fi: &FileIntegrity,
        event: &EventMessage,
        transition: &str,
    ) -> Result<(), ApplyError> {
        let uid = fi.metadata.uid.as_deref().unwrap_or_default();
        self.create_event_for(&fi.name_any(), uid, event, transition)
            .await
    }

    pub(super) async fn create_event_for(
        &self,
        name: &str,
        uid: &str,
        event: &EventMessage,
        transition: &str,
    ) -> Result<(), ApplyError> {
        let subject = Subject {
            namespace: &self.namespace,
            name,
            uid,
            node: None,
            reporter: &self.reporter,
        };
        Ok(publish::create_event(&self.events, &subject, event, transition).await?)
    }
}
