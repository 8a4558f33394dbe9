//! Counts phases and requests of FileIntegrities. They are counted when the watch shows them, whether
//! or not their writes were answered.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::runtime::watcher::Event;

use super::counted::{Counted, CountedFileIntegrity};
use super::recorder::{BY_DEMAND, FleetMetrics};
use crate::api::condition::{ConditionReason, ConditionType};
use crate::api::{FileIntegrity, FileIntegrityStatus, Phase, names};
use crate::telemetry::metrics::{ErrorLabel, FileIntegrityLabel, PhaseLabel};

impl FleetMetrics {
    /// Records an event of the watch of FileIntegrities.
    pub(crate) fn record_file_integrity(&self, event: &Event<FileIntegrity>) {
        self.with(|counted| match event {
            Event::Init => counted.file_integrities.listed.clear(),
            Event::InitApply(fi) => {
                counted.file_integrities.listed.insert(fi.name_any());
                self.count_file_integrity(counted, fi);
            }
            Event::Apply(fi) => self.count_file_integrity(counted, fi),
            Event::InitDone => {
                let all = &mut counted.file_integrities;
                all.is_listed = true;
                let listed = std::mem::take(&mut all.listed);
                let deleted = all.known.keys().filter(|name| !listed.contains(*name));
                for name in deleted.cloned().collect::<Vec<_>>() {
                    self.remove_file_integrity(counted, &name);
                }
            }
            Event::Delete(fi) => self.remove_file_integrity(counted, &fi.name_any()),
        });
    }

    fn count_file_integrity(&self, counted: &mut Counted, fi: &FileIntegrity) {
        let status = fi.status.as_ref();
        let record = fi.annotations().get(names::Annotation::REINIT_RECORD);
        let now = CountedFileIntegrity {
            uid: fi.uid(),
            phase_transitions: status.and_then(|status| status.phase_transitions),
            record: record.cloned(),
        };
        let all = &mut counted.file_integrities;
        let before = all.known.insert(fi.name_any(), now.clone());
        if !all.is_listed {
            return;
        }
        let before = before.filter(|before| before.uid == now.uid);
        let before = before.unwrap_or_default();
        let is_new_phase = before.phase_transitions != now.phase_transitions
            && now.phase_transitions.is_some_and(|count| count > 0);
        if is_new_phase
            && let Some(status) = status
            && let Some(phase) = status.phase
        {
            self.count_phase(phase, status);
        }
        if now.record.is_some() && before.record != now.record {
            self.count_reinit(BY_DEMAND, None);
        }
    }

    fn remove_file_integrity(&self, counted: &mut Counted, name: &str) {
        counted.file_integrities.known.remove(name);
        counted.configs.remove(name);
        counted.daemon_sets.forget(name);
        self.fleet.degraded.remove(&FileIntegrityLabel {
            file_integrity: name.to_owned(),
        });
        if let Some(result) = counted.reconciles.remove(name) {
            self.set_change_sets(name, &result.change_sets, &BTreeMap::new());
            self.refresh_gauges(counted, &result.stale_nodes);
        }
    }

    pub(super) fn count_phase(&self, phase: Phase, status: &FileIntegrityStatus) {
        let label = PhaseLabel {
            phase: phase.as_str(),
        };
        self.fleet.phase.get_or_create(&label).inc();
        if phase == Phase::Error {
            let config = ConditionType::ConfigValid.find(&status.conditions);
            let refused = ConditionReason::Refused.as_str();
            let error = if config.is_some_and(|condition| condition.reason == refused) {
                "configuration"
            } else {
                "scan"
            };
            self.fleet.error.get_or_create(&ErrorLabel { error }).inc();
        }
    }
}
