//! What all reconciles share.

use std::sync::Arc;

use super::apply::Applier;
use super::memory::Memory;
use super::observe::Observer;
use crate::operator::fleet_metrics::FleetMetrics;

#[derive(Debug)]
pub(super) struct Context {
    pub(super) observer: Arc<Observer>,
    pub(super) applier: Applier,
    pub(super) metrics: Arc<FleetMetrics>,
    pub(super) memory: Memory,
}
