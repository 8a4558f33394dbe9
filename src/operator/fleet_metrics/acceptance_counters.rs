//! Counts how acceptances end. They are counted when the watch shows it, whether or not the write was answered.

use kube::ResourceExt as _;
use kube::runtime::watcher::Event;

use super::counted::Counted;
use super::recorder::FleetMetrics;
use crate::api::condition::ConditionStatus;
use crate::api::{AcceptanceConditionType, FileIntegrityAcceptance};
use crate::telemetry::metrics::AcceptanceLabels;

impl FleetMetrics {
    /// Records an event of the watch of acceptances.
    pub(crate) fn record_acceptance(&self, event: &Event<FileIntegrityAcceptance>) {
        self.with(|counted| match event {
            Event::Apply(acceptance) | Event::InitApply(acceptance) => {
                self.count_acceptance(counted, acceptance);
            }
            Event::Delete(acceptance) => {
                counted.open_acceptances.remove(&uid(acceptance));
            }
            Event::Init | Event::InitDone => {}
        });
    }

    /// Only acceptances that were open before: another operator counted the others.
    fn count_acceptance(&self, counted: &mut Counted, acceptance: &FileIntegrityAcceptance) {
        if !acceptance.is_finished() {
            counted.open_acceptances.insert(uid(acceptance));
            return;
        }
        if counted.open_acceptances.remove(&uid(acceptance)) {
            let label = AcceptanceLabels {
                file_integrity: acceptance.spec.file_integrity.clone(),
                outcome: outcome(acceptance),
            };
            self.fleet.acceptances.get_or_create(&label).inc();
        }
    }
}

fn uid(acceptance: &FileIntegrityAcceptance) -> String {
    acceptance.uid().unwrap_or_default()
}

/// A condition of an acceptance.
fn outcome(acceptance: &FileIntegrityAcceptance) -> &'static str {
    let status = acceptance.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice());
    let failed = AcceptanceConditionType::Failed.find(conditions.unwrap_or_default());
    if failed.is_some_and(|failed| failed.status == ConditionStatus::True.as_str()) {
        "failed"
    } else {
        "complete"
    }
}
