//! The last good configuration of each FileIntegrity. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use kube::runtime::reflector::Store;

use super::super::build::ActiveConfig;
use super::super::observed::ConfigVerdict;
use crate::api::FileIntegrity;
use crate::locks::lock;

/// By the uids of the FileIntegrities.
#[derive(Debug, Default)]
pub(super) struct LastGood(Mutex<HashMap<String, Arc<ActiveConfig>>>);

impl LastGood {
    /// The last good configuration of this FileIntegrity, including `verdict`. The configurations of
    /// FileIntegrities that no longer exist are removed.
    pub(super) fn update(
        &self,
        fi: &FileIntegrity,
        verdict: &ConfigVerdict,
        existing: &Store<FileIntegrity>,
    ) -> Option<Arc<ActiveConfig>> {
        let uid = fi.metadata.uid.clone()?;
        let mut all = lock(&self.0);
        if let ConfigVerdict::Good { config, .. } = verdict
            && all.get(&uid).is_none_or(|known| **known != *config)
        {
            let existing = existing.state();
            let existing: HashSet<&String> = existing
                .iter()
                .filter_map(|fi| fi.metadata.uid.as_ref())
                .collect();
            all.retain(|uid, _| existing.contains(uid));
            all.insert(uid.clone(), Arc::new(config.clone()));
        }
        all.get(&uid).cloned()
    }
}
