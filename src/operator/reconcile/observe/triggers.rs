//! Triggers reconciles of FileIntegrities.

use std::sync::Arc;

use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::mpsc;

use crate::api::FileIntegrity;

/// The FileIntegrity to reconcile.
pub(crate) type Trigger = ObjectRef<FileIntegrity>;

/// The FileIntegrities that a change affects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// The one with this name.
    One(Arc<str>),
    All,
}

/// Sends triggers to the controller.
#[derive(Clone, Debug)]
pub(super) struct Triggers {
    sender: mpsc::UnboundedSender<Trigger>,
    file_integrities: Store<FileIntegrity>,
    namespace: Arc<str>,
}

impl Triggers {
    pub(super) fn new(
        sender: mpsc::UnboundedSender<Trigger>,
        file_integrities: Store<FileIntegrity>,
        namespace: &str,
    ) -> Self {
        Self {
            sender,
            file_integrities,
            namespace: namespace.into(),
        }
    }

    pub(super) fn send(&self, target: &Target) {
        // The receiver lives as long as the controller. After that, nobody needs a trigger.
        match target {
            Target::One(name) => {
                self.sender.send(self.object_ref(name)).ok();
            }
            Target::All => {
                for fi in self.file_integrities.state() {
                    self.sender.send(ObjectRef::from_obj(&*fi)).ok();
                }
            }
        }
    }

    /// Whether the FileIntegrity exists.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.file_integrities.get(&self.object_ref(name)).is_some()
    }

    fn object_ref(&self, name: &str) -> Trigger {
        ObjectRef::new(name).within(&self.namespace)
    }
}
