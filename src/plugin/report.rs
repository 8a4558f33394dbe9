//! `report`: the document for auditors. Pure.
//!
//! [`Report`] is its content: the JSON is this type, the page and the CSV are written from it.

mod charts;
pub(crate) mod critical;
pub(crate) mod csv;
mod findings;
mod holds;
pub(crate) mod html;
pub(crate) mod period;
pub(crate) mod records;
mod tables;

#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use self::charts::Charts;
use self::critical::{Critical, CriticalRow};
use self::findings::Finding;
use self::holds::HoldRow;
use self::period::Period;
use self::records::Records;
use self::tables::{AcceptanceRow, BaselineRow, ChangeSetRow, IntegrityRow, NodeRow};
use super::failure::{DIFFERENCES, PROBLEMS, WELL};
use super::status::json::SCHEMA_VERSION;

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    pub(crate) period: Period,
    /// The longest time in seconds that is allowed between two scans of a node.
    pub(crate) max_interval: i64,
    /// When the objects were read.
    pub(crate) now: Timestamp,
}

impl Scope {
    /// Whether the period reaches the present, so that the current state belongs to it.
    fn is_current(&self) -> bool {
        self.period.to >= self.now
    }
}

/// The content of a report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    schema_version: u32,
    kind: &'static str,
    program_version: &'static str,
    created_at: String,
    from: String,
    to: String,
    cluster: String,
    /// Null for all namespaces.
    namespace: Option<String>,
    max_interval_seconds: i64,
    pub(crate) exit_status: u8,
    summary: Summary,
    findings: Vec<Finding>,
    file_integrities: Vec<IntegrityRow>,
    /// Null if it is not known, for this reason.
    critical_files: Option<Vec<CriticalRow>>,
    critical_files_unknown_because: Option<String>,
    nodes: Vec<NodeRow>,
    holds: Vec<HoldRow>,
    change_sets: Vec<ChangeSetRow>,
    /// Null if they could not be read.
    acceptances: Option<Vec<AcceptanceRow>>,
    /// Null if they could not be read.
    baselines: Option<Vec<BaselineRow>>,
    unread: Vec<String>,
    #[serde(skip)]
    charts: Charts,
}

/// The numbers at the top.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    nodes: usize,
    ok: usize,
    changed: usize,
    errored: usize,
    pending: usize,
    held: usize,
    /// Nodes with a longer interval between two scans than allowed.
    late: usize,
    scans: i64,
    acceptances: usize,
    baselines: usize,
    unrequested_baselines: usize,
}

impl Report {
    pub(crate) fn of(records: &Records, critical: &Critical, scope: Scope) -> Self {
        let file_integrities = tables::integrities(records);
        let nodes = tables::nodes(records, scope);
        let change_sets = tables::change_sets(records, scope);
        let acceptances = tables::acceptances(records, scope);
        let baselines = tables::baselines(records, scope);
        let critical_files = critical.rows();
        let mut findings = findings::of(records, scope, &nodes, baselines.as_deref());
        if scope.is_current() {
            let rows = critical_files.as_deref().unwrap_or_default();
            findings.extend(critical::findings(rows));
        }
        let summary = Summary::of(&nodes, acceptances.as_deref(), baselines.as_deref());
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "Report",
            program_version: env!("CARGO_PKG_VERSION"),
            created_at: tables::time(scope.now),
            from: tables::time(scope.period.from),
            to: tables::time(scope.period.to),
            cluster: records.cluster.clone(),
            namespace: records.namespace.clone(),
            max_interval_seconds: scope.max_interval,
            exit_status: exit_status(records, &findings),
            charts: Charts::of(&nodes, acceptances.as_deref(), baselines.as_deref(), scope),
            summary,
            findings,
            file_integrities,
            critical_files,
            critical_files_unknown_because: critical.unknown_because(),
            nodes,
            holds: holds::of(records, scope),
            change_sets,
            acceptances,
            baselines,
            unread: records.unread.clone(),
        }
    }
}

/// What could not be read may hide anything.
fn exit_status(records: &Records, findings: &[Finding]) -> u8 {
    if records.integrities.is_empty() || !records.unread.is_empty() {
        PROBLEMS
    } else if findings.is_empty() {
        WELL
    } else {
        DIFFERENCES
    }
}

impl Summary {
    fn of(
        nodes: &[NodeRow],
        acceptances: Option<&[AcceptanceRow]>,
        baselines: Option<&[BaselineRow]>,
    ) -> Self {
        let state = |name| nodes.iter().filter(|node| node.state == name).count();
        let baselines = baselines.unwrap_or_default();
        Self {
            nodes: nodes.len(),
            ok: state("ok"),
            changed: state("changed"),
            errored: state("errored"),
            pending: state("pending"),
            held: nodes.iter().filter(|node| node.held).count(),
            late: nodes.iter().filter(|node| node.is_late).count(),
            scans: nodes.iter().map(|node| node.scans).sum(),
            acceptances: acceptances.map_or(0, <[_]>::len),
            baselines: baselines.len(),
            unrequested_baselines: baselines.iter().filter(|it| !it.requested).count(),
        }
    }
}
