//! The tables of a report. Pure.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::Scope;
use super::records::{AcceptanceRecord, BaselineRecord, NodeRecord, Records};
use crate::api::month_of;
use crate::plugin::fleet::{Node, NodeState, sets};

/// A FileIntegrity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IntegrityRow {
    pub(super) namespace: String,
    pub(super) name: String,
    created_at: Option<String>,
    phase: Option<String>,
    /// The ConfigMap of the configuration, or the name of a profile.
    configuration: String,
    /// The hashes of the configurations of the nodes' baselines.
    configuration_hashes: String,
    period_seconds: i64,
    realtime: bool,
    security_profile: &'static str,
    node_selector: String,
    pub(super) nodes: usize,
    pub(super) not_selected: i64,
    not_selected_because: Option<String>,
}

/// A node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeRow {
    pub(super) namespace: String,
    pub(super) file_integrity: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) held: bool,
    /// Scans of all files in the months of the period.
    pub(super) scans: i64,
    /// The longest time between the ends of two scans in these months, with the time since the last one if the
    /// period has not ended. Null without a scan.
    pub(super) longest_interval_seconds: Option<i64>,
    /// Null if no scan has ended it yet.
    pub(super) longest_interval_ended_at: Option<String>,
    pub(super) is_late: bool,
    pub(super) last_full_scan: Option<String>,
    /// The first month of which the scans are known.
    pub(super) known_since: Option<String>,
    baseline_created_at: Option<String>,
    #[serde(skip)]
    pub(super) baseline_at: Option<Timestamp>,
    baseline_digest: Option<String>,
    configuration_hash: Option<String>,
    pub(super) baseline_requested: Option<bool>,
    pub(super) error: Option<String>,
}

/// A change set that nodes show, or that was accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeSetRow {
    namespace: String,
    file_integrity: String,
    id: String,
    added: i64,
    changed: i64,
    removed: i64,
    nodes: usize,
    first_seen: Option<String>,
    example_node: String,
    example_path: Option<String>,
    /// `open`, or why the baselines that accepted it were created.
    outcome: String,
}

/// An acceptance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcceptanceRow {
    namespace: String,
    file_integrity: String,
    name: String,
    created_at: String,
    #[serde(skip)]
    pub(super) at: Timestamp,
    approved_by: String,
    reason: String,
    ticket: Option<String>,
    /// Null if it lists its changes.
    change_set: Option<String>,
    accepted: i64,
    refused: i64,
    waiting: i64,
    outcome: String,
    ended_at: Option<String>,
    evidence: Option<String>,
    /// Whether the evidence has exactly the accepted changes: `true`, or `false` with the reason. Null if it was not read.
    verified: Option<String>,
}

/// What baselines accepted when they replaced others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BaselineRow {
    pub(super) namespace: String,
    pub(super) file_integrity: String,
    created_at: String,
    #[serde(skip)]
    pub(super) at: Timestamp,
    pub(super) reason: String,
    pub(super) requested: bool,
    pub(super) acceptance: Option<String>,
    added: i64,
    changed: i64,
    removed: i64,
    pub(super) node_count: usize,
    pub(super) nodes: String,
    change_set: Option<String>,
    pub(super) evidence: String,
    pub(super) verified: String,
}

pub(super) fn integrities(records: &Records) -> Vec<IntegrityRow> {
    let all = records.integrities.iter();
    all.map(|record| {
        let integrity = &record.integrity;
        let owner = &integrity.owner;
        let nodes = records.nodes.iter().filter(|it| it.node.owner == *owner);
        let mut hashes: Vec<&str> = nodes
            .clone()
            .filter_map(|it| Some(it.baseline.as_ref()?.config_hash.as_str()))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        let labels = record.node_selector.iter();
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        IntegrityRow {
            namespace: owner.namespace.clone(),
            name: owner.name.clone(),
            created_at: record.created_at.map(time),
            phase: integrity.phase.map(|phase| phase.to_string()),
            configuration: integrity.configuration.clone(),
            configuration_hashes: hashes.join(" "),
            period_seconds: integrity.period,
            realtime: integrity.is_realtime,
            security_profile: if record.is_restricted {
                "restricted"
            } else {
                "privileged"
            },
            node_selector: labels.join(","),
            nodes: nodes.count(),
            not_selected: integrity.not_selected,
            not_selected_because: integrity.excluded.clone(),
        }
    })
    .collect()
}

pub(super) fn nodes(records: &Records, scope: Scope) -> Vec<NodeRow> {
    records.nodes.iter().map(|node| row(node, scope)).collect()
}

fn row(record: &NodeRecord, scope: Scope) -> NodeRow {
    let node = &record.node;
    let months = month_of(scope.period.from)..=month_of(scope.period.to);
    let months = record.months.range(months).map(|(_, month)| month);
    let longest = months
        .clone()
        .map(|month| {
            let ended_at = Some(month.longest_interval_ended_at.0);
            (month.longest_interval_seconds, ended_at)
        })
        .chain(open_interval(record, scope))
        .max_by_key(|(seconds, _)| *seconds);
    let seconds = longest.map(|(seconds, _)| seconds);
    let baseline = record.baseline.as_ref();
    NodeRow {
        namespace: node.owner.namespace.clone(),
        file_integrity: node.owner.name.clone(),
        name: node.name.clone(),
        state: node.state().as_str(),
        held: node.hold.is_some(),
        scans: months.map(|month| month.scans).sum(),
        longest_interval_seconds: seconds,
        longest_interval_ended_at: longest.and_then(|(_, ended_at)| ended_at).map(time),
        is_late: seconds.is_some_and(|seconds| seconds > scope.max_interval),
        last_full_scan: node.last_full_scan.map(time),
        known_since: record.months.keys().next().cloned(),
        baseline_created_at: baseline.map(|it| time(it.created_at.0)),
        baseline_at: baseline.map(|it| it.created_at.0),
        baseline_digest: baseline.map(|it| it.digest.clone()),
        configuration_hash: baseline.map(|it| it.config_hash.clone()),
        baseline_requested: baseline.map(|it| it.requested),
        error: error_of(node),
    }
}

/// The time since the last scan, or since the node is known, if no scan has ended since.
fn open_interval(record: &NodeRecord, scope: Scope) -> Option<(i64, Option<Timestamp>)> {
    let since = record.node.last_full_scan.or(record.created_at)?;
    let seconds = scope.now.as_second().saturating_sub(since.as_second());
    scope.is_current().then_some((seconds.max(0), None))
}

fn error_of(node: &Node) -> Option<String> {
    let (class, message) = node.scan.as_ref()?.error.as_ref()?;
    Some(format!("{}: {message}", class.as_str()))
}

/// The sets that nodes show now, if that is a part of the period, and those that were accepted in it.
pub(super) fn change_sets(records: &Records, scope: Scope) -> Vec<ChangeSetRow> {
    let mut rows = Vec::new();
    let integrities = records.integrities.iter().filter(|_| scope.is_current());
    for record in integrities {
        let owner = &record.integrity.owner;
        let nodes = records.nodes.iter().map(|it| &it.node);
        let nodes = nodes.filter(|node| node.owner == *owner && node.state() == NodeState::Changed);
        let open = sets(nodes, &record.integrity.first_seen);
        rows.extend(open.into_iter().map(|set| ChangeSetRow {
            namespace: owner.namespace.clone(),
            file_integrity: owner.name.clone(),
            id: set.id.to_string(),
            added: set.counts.added,
            changed: set.counts.changed,
            removed: set.counts.removed,
            nodes: set.nodes.len(),
            first_seen: set.first_seen.map(time),
            example_node: set.nodes.first().cloned().unwrap_or_default(),
            example_path: set.example_path,
            outcome: "open".to_owned(),
        }));
    }
    let baselines = records.baselines.iter().flatten();
    let accepted = baselines.filter(|it| scope.period.includes(it.created_at));
    rows.extend(accepted.filter_map(|it| {
        Some(ChangeSetRow {
            namespace: it.owner.namespace.clone(),
            file_integrity: it.owner.name.clone(),
            id: it.set.clone()?,
            added: it.counts.added,
            changed: it.counts.changed,
            removed: it.counts.removed,
            nodes: it.node_count,
            first_seen: None,
            example_node: it.nodes.split(", ").next().unwrap_or_default().to_owned(),
            example_path: None,
            outcome: match &it.acceptance {
                Some(acceptance) => format!("accepted by {acceptance}"),
                None => format!("accepted by a new baseline: {}", it.reason),
            },
        })
    }));
    rows
}

pub(super) fn acceptances(records: &Records, scope: Scope) -> Option<Vec<AcceptanceRow>> {
    let all = records.acceptances.as_ref()?.iter();
    let in_period = all.filter(|it| {
        let ended = it.ended.as_ref().map(|(_, at)| *at);
        it.created_at <= scope.period.to && ended.is_none_or(|at| at >= scope.period.from)
    });
    let rows = in_period.map(|record| acceptance(record, records.baselines.as_deref()));
    Some(rows.collect())
}

fn acceptance(record: &AcceptanceRecord, baselines: Option<&[BaselineRecord]>) -> AcceptanceRow {
    let evidence = baselines.unwrap_or_default().iter().find(|it| {
        it.owner.namespace == record.owner.namespace && Some(&it.name) == record.evidence.as_ref()
    });
    AcceptanceRow {
        namespace: record.owner.namespace.clone(),
        file_integrity: record.owner.name.clone(),
        name: record.name.clone(),
        created_at: time(record.created_at),
        at: record.created_at,
        approved_by: record.approved_by.clone(),
        reason: record.reason.clone(),
        ticket: record.ticket.clone(),
        change_set: record.set.clone(),
        accepted: record.counts.accepted,
        refused: record.counts.refused,
        waiting: record.counts.waiting,
        outcome: match &record.ended {
            Some((reason, _)) => reason.clone(),
            None => "open".to_owned(),
        },
        ended_at: record.ended.as_ref().map(|(_, at)| time(*at)),
        evidence: record.evidence.clone(),
        verified: evidence.map(|it| it.verified.clone()),
    }
}

pub(super) fn baselines(records: &Records, scope: Scope) -> Option<Vec<BaselineRow>> {
    let all = records.baselines.as_ref()?.iter();
    let in_period = all.filter(|it| scope.period.includes(it.created_at));
    let rows = in_period.map(|it| BaselineRow {
        namespace: it.owner.namespace.clone(),
        file_integrity: it.owner.name.clone(),
        created_at: time(it.created_at),
        at: it.created_at,
        reason: it.reason.clone(),
        requested: it.requested,
        acceptance: it.acceptance.clone(),
        added: it.counts.added,
        changed: it.counts.changed,
        removed: it.counts.removed,
        node_count: it.node_count,
        nodes: it.nodes.clone(),
        change_set: it.set.clone(),
        evidence: it.name.clone(),
        verified: it.verified.clone(),
    });
    Some(rows.collect())
}

/// A time in whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    crate::api::time::whole_seconds(at).0.to_string()
}
