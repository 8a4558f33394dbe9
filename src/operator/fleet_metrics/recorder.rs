//! The metrics of one leadership, and what concerns reconciles themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::counted::Counted;
use crate::locks::lock;
use crate::telemetry::metrics::{Fleet, KindLabel, ReinitLabels, StepLabel};

/// Who requests a re-initialization: the label `by`.
pub(super) const BY_CONFIG: &str = "config";
pub(super) const BY_DEMAND: &str = "demand";
pub(super) const BY_MISSING: &str = "missing";
pub(super) const BY_NODE: &str = "node";

/// The metrics of one leadership.
#[derive(Debug)]
pub(crate) struct FleetMetrics {
    pub(super) fleet: Arc<Fleet>,
    counted: Mutex<Counted>,
}

impl FleetMetrics {
    pub(crate) fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            counted: Mutex::default(),
        }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Counted) -> T) -> T {
        act(&mut lock(&self.counted))
    }

    /// Records the end of a reconcile.
    pub(crate) fn record_reconcile(&self, duration: Duration) {
        self.fleet.observe_reconcile(duration);
    }

    /// Records a reconcile that failed in this step.
    pub(crate) fn record_reconcile_error(&self, step: &'static str) {
        let label = StepLabel { step };
        self.fleet.reconcile_errors.get_or_create(&label).inc();
    }

    /// Records the number of objects of a kind that cannot be decoded.
    pub(crate) fn record_unreadable(&self, kind: String, objects: usize) {
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        let label = KindLabel { kind };
        self.fleet.unreadable.get_or_create(&label).set(objects);
    }

    /// Counts a re-initialization of a node, or of no particular node.
    pub(super) fn count_reinit(&self, by: &'static str, node: Option<&Arc<str>>) {
        let node = node.cloned().unwrap_or_default();
        let labels = ReinitLabels { by, node };
        self.fleet.reinit.get_or_create(&labels).inc();
    }
}
