//! The metrics of the operator.
//!
//! [`Metrics`] has those of the process, which every replica exports, and those of the fleet, which only
//! the leader exports: [`Fleet`] is created when the lease is acquired and dropped when it is lost.

mod fleet;
mod labels;
mod process;
pub(crate) mod text;

use std::io;
use std::sync::{Arc, RwLock};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(crate) use self::fleet::Fleet;
use self::fleet::{PREFIX, metric};
use self::labels::VersionLabel;
pub(crate) use self::labels::{
    AcceptanceLabels, ChangeSetLabels, ConditionLabels, ErrorLabel, FileIntegrityLabel, KindLabel,
    NodeErrorLabels, NodeLabel, NodeStateLabels, OperationLabel, PhaseLabel, ReinitLabels,
    StateLabel, StepLabel,
};
use self::process::Process;
use self::text::{Encoder, Format};
use super::requests::ApiRequests;
use crate::locks;

/// All metrics of this process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    process: Registry,
    leader: Gauge,
    requests: ApiRequests,
    fleet: RwLock<Option<Arc<Fleet>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// The metrics of a standby replica.
    pub fn new() -> Self {
        let mut process = Registry::default();
        process.register_collector(Box::new(Process));
        let registry = process.sub_registry_with_prefix(PREFIX);
        let requests = ApiRequests::default();
        registry.register(
            "api_requests",
            "The total number of requests to the API server, per verb and status code",
            requests.counts.clone(),
        );
        let leader = metric::<Gauge>(
            registry,
            "leader",
            "Set to 1 while this operator holds the lease, and 0 otherwise",
        );
        let build = metric::<Family<VersionLabel, Gauge>>(
            registry,
            "build_info",
            "Which version this operator is; the value is always 1",
        );
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&VersionLabel { version }).set(1);
        Self(Arc::new(Inner {
            process,
            leader,
            requests,
            fleet: RwLock::default(),
        }))
    }

    /// The counter of requests to the API server.
    pub fn requests(&self) -> &ApiRequests {
        &self.0.requests
    }

    /// Starts to export metrics of the fleet: this replica is the leader. They start empty.
    pub(crate) fn lead(&self) -> Arc<Fleet> {
        let fleet = Arc::new(Fleet::new());
        self.set(Some(Arc::clone(&fleet)));
        fleet
    }

    /// Stops exporting metrics of the fleet: this replica is not the leader any more.
    pub(crate) fn stand_by(&self) {
        self.set(None);
    }

    fn set(&self, fleet: Option<Arc<Fleet>>) {
        self.0.leader.set(i64::from(fleet.is_some()));
        *locks::write(&self.0.fleet) = fleet;
    }

    /// Writes the metrics of the process.
    pub(crate) fn encode_process(
        &self,
        format: Format,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        encode(&[&self.0.process], format, out)
    }

    /// Writes the metrics of the fleet, and with `with_process` also those of the process.
    pub(crate) fn encode_fleet(
        &self,
        format: Format,
        with_process: bool,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let fleet = locks::read(&self.0.fleet).clone();
        let fleet = fleet.as_ref().map(|fleet| fleet.registry());
        let registries: Vec<&Registry> = with_process
            .then_some(&self.0.process)
            .into_iter()
            .chain(fleet)
            .collect();
        encode(&registries, format, out)
    }
}

fn encode(registries: &[&Registry], format: Format, out: &mut impl io::Write) -> io::Result<()> {
    let mut encoder = Encoder::new(format, out);
    for registry in registries {
        encode_registry(&mut encoder, registry).map_err(io::Error::other)?;
    }
    if format == Format::OpenMetrics {
        encode_eof(&mut encoder).map_err(io::Error::other)?;
    }
    encoder.finish()
}

#[cfg(test)]
impl Metrics {
    /// The metrics of the fleet as text.
    pub(crate) fn fleet_text(&self, format: Format, with_process: bool) -> String {
        let mut out = Vec::new();
        self.encode_fleet(format, with_process, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

#[cfg(test)]
mod tests;
