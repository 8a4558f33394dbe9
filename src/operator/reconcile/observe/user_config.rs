//! The ConfigMaps that FileIntegrities name. I/O.
//!
//! Each is watched by its name, because the operator may not list the ConfigMaps of other namespaces.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::runtime::watcher;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::triggers::{Target, Triggers};
use crate::api::object_name::{NamespaceName, ObjectName};
use crate::k8s::backoff;
use crate::k8s::watch::{self, Read, Source};
use crate::locks::lock;

/// Maximum pause before a watch is started again.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// The watches of these ConfigMaps.
pub(super) struct UserConfigs {
    client: Client,
    triggers: Triggers,
    /// By the names of the FileIntegrities.
    watches: Mutex<HashMap<String, UserConfigWatch>>,
}

struct UserConfigWatch {
    namespace: NamespaceName,
    name: ObjectName,
    state: Arc<Mutex<UserConfigState>>,
    task: JoinHandle<()>,
}

/// What is known of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UserConfigState {
    /// It has not been read yet.
    Unknown,
    /// It does not exist.
    Missing,
    Found(BTreeMap<String, String>),
    /// It cannot be read.
    Error(String),
}

impl Drop for UserConfigWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl UserConfigs {
    pub(super) fn new(client: Client, triggers: Triggers) -> Self {
        Self {
            client,
            triggers,
            watches: Mutex::default(),
        }
    }

    /// What is known of the ConfigMap that this FileIntegrity names. The first call starts the watch.
    pub(super) fn state(
        &self,
        file_integrity: &str,
        namespace: &NamespaceName,
        name: &ObjectName,
    ) -> UserConfigState {
        let mut watches = lock(&self.watches);
        // Checked under the lock: a deletion after this ends the watch.
        if !self.triggers.exists(file_integrity) {
            return UserConfigState::Unknown;
        }
        let known = watches.get(file_integrity);
        if let Some(known) = known.filter(|w| w.namespace == *namespace && w.name == *name) {
            return lock(&known.state).clone();
        }
        let state = Arc::new(Mutex::new(UserConfigState::Unknown));
        let task = tokio::spawn(follow(
            Source::namespaced(&self.client, namespace),
            name.clone(),
            Arc::clone(&state),
            self.triggers.clone(),
            Target::One(file_integrity.into()),
        ));
        let watch = UserConfigWatch {
            namespace: namespace.clone(),
            name: name.clone(),
            state,
            task,
        };
        watches.insert(file_integrity.to_owned(), watch);
        UserConfigState::Unknown
    }

    /// Ends the watch of this FileIntegrity's ConfigMap.
    pub(super) fn forget(&self, file_integrity: &str) {
        lock(&self.watches).remove(file_integrity);
    }

    /// Ends the watches of FileIntegrities that were deleted.
    pub(super) fn forget_deleted(&self) {
        lock(&self.watches).retain(|name, _| self.triggers.exists(name));
    }
}

/// Follows the ConfigMap. After an error a new watch begins with a list: a watch that continues from the
/// old resource version does not show an object that has not changed since.
async fn follow(
    source: Source<ConfigMap>,
    name: ObjectName,
    state: Arc<Mutex<UserConfigState>>,
    triggers: Triggers,
    target: Target,
) {
    let mut pauses = backoff(MAX_BACKOFF);
    loop {
        let started = Instant::now();
        let mut has_listed = false;
        let mut stream = std::pin::pin!(watch::watch_one(source.clone(), &name));
        while let Some(item) = stream.next().await {
            let failed = item.is_err();
            {
                let mut state = lock(&state);
                *state = state.after(item, name.as_str(), has_listed);
            }
            triggers.send(&target);
            if failed {
                break;
            }
            has_listed = true;
        }
        if started.elapsed() > MAX_BACKOFF {
            pauses = backoff(MAX_BACKOFF);
        }
        tokio::time::sleep(pauses.next().unwrap_or(MAX_BACKOFF)).await;
    }
}

impl UserConfigState {
    /// The state after an item of the watch. `has_listed`: there was an item before.
    ///
    /// After an error the last state stays, because a new watch shows soon what is true. But if the API
    /// server refuses even the list, the operator may no longer read the ConfigMap.
    fn after(
        &self,
        item: watcher::Result<Option<Read<ConfigMap>>>,
        name: &str,
        has_listed: bool,
    ) -> Self {
        let error = match item {
            Ok(Some(Ok(config_map))) => {
                return Self::Found(config_map.data.unwrap_or_default());
            }
            Ok(Some(Err(unreadable))) => return Self::Error(unreadable.to_string()),
            Ok(None) => return Self::Missing,
            Err(error) => error,
        };
        let text = crate::error_chain(&error);
        tracing::warn!(
            config_map = name,
            error = text,
            "the watch of a configuration failed; it is started again"
        );
        match self {
            Self::Found(_) | Self::Missing if has_listed || !is_refusal(&error) => self.clone(),
            _ => Self::Error(text),
        }
    }
}

/// Whether the API server does not allow the operator to read the object.
fn is_refusal(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
        _ => 0,
    };
    matches!(code, 401 | 403)
}

#[cfg(test)]
mod tests;
