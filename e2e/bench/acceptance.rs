//! The part `acceptance`: all nodes have changes, most of them the same ones, and an acceptance accepts these. I/O.

use std::time::Duration;

use fio::testing::api::{
    AcceptanceRequest, AcceptanceResult, AcceptanceState, Baseline, Condition,
    FileIntegrityAcceptance, FileIntegrityNodeStatus, names, time,
};
use fio::testing::scan::outcome::Outcome;
use fio::testing::scan::reporting::NodeUpdate;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;
use tokio::time::Instant;

use crate::api::Sent;
use crate::fleet::{FILE_INTEGRITY, Fleet, PATIENCE, finding};
use crate::harness::{self, Space, clean};
use crate::node_report::{json_report, published_report, report as found, set_of};
use crate::operator::{Operator, Requests, SETTLE, megabytes};
use crate::process::{self, Sample};
use crate::report::{Report, thousands};
use crate::rollout::until_active;
use crate::stats::number;
use crate::{Run, progress};

/// The acceptance.
const NAME: &str = "update";
/// The operator that is measured.
const OPERATOR: &str = "op";
/// The content of the added file on most nodes.
const ACCEPTED: u8 = 1;
/// The content on each 47th.
const OTHER: u8 = 2;
/// One node of so many has the other content.
const ONE_OF: usize = 47;
/// An operator without a status of the acceptance after this time does not know acceptances.
const FIRST_STATUS: Duration = Duration::from_secs(60);
/// The operator writes a status at most every 5 seconds.
const LAST_STATUS: Duration = Duration::from_secs(6);

/// Measures it, with the largest of the fleets.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("acceptance");
    let size = run.nodes.iter().copied().max().unwrap_or_default();
    harness::alone("bench", async |space| {
        accept(&mut report, run, space, size).await
    })
    .await?;
    Ok(report)
}

async fn accept(report: &mut Report, run: &Run, space: &Space, size: usize) -> anyhow::Result<()> {
    let case = format!("{} nodes", thousands(&size.to_string()));
    let sent = Sent::default();
    let mut fleet = Fleet::new(space, sent.client().await?).await?;
    let nodes = change(run, space, &mut fleet, size).await?;
    report.add(&case, "nodes with the accepted changes", number(nodes), "");
    report.add(&case, "nodes with others", number(size - nodes), "");
    // It never saw the fleet grow: its memory is what the fleet needs.
    let operator = Operator::start(space, run, OPERATOR).await?;
    operator.until_nodes_are_exposed(size).await?;
    tokio::time::sleep(SETTLE).await;
    let rest = operator.sample()?;
    memory(report, &case, "all nodes Failed, at rest", rest);

    process::forget_peak(operator.pid())?;
    let before = Before {
        requests: operator.requests().await?,
        daemons: sent.read().requests,
        writes: space.writes(OPERATOR)?.len(),
        sample: operator.sample()?,
    };
    let acceptance = json!({
        "metadata": {"name": NAME},
        "spec": {
            "fileIntegrity": FILE_INTEGRITY, "changeSet": set_of(ACCEPTED)?,
            "until": (time::now().0 + jiff::SignedDuration::from_hours(1)).to_string(),
            "reason": "a benchmark", "approvedBy": {"username": "admin"},
        },
    });
    let acceptances = space.api::<FileIntegrityAcceptance>();
    let acceptance = serde_json::from_value(acceptance)?;
    acceptances
        .create(&PostParams::default(), &acceptance)
        .await?;
    let Some(times) = follow(space, &fleet, nodes).await? else {
        progress("this program does not know acceptances");
        return operator.end();
    };
    let add = |report: &mut Report, name: &str, time: Duration| {
        report.add(&case, name, time.as_secs_f64(), "s");
    };
    add(
        report,
        "acceptance until the second request",
        times.evidence,
    );
    add(report, "acceptance until the last new baseline", times.last);
    add(report, "acceptance until all are counted", times.counted);
    fleet.until_change_sets(&[size - nodes]).await?;
    tokio::time::sleep(LAST_STATUS).await;
    before
        .compare(report, &case, space, &operator, &sent, nodes)
        .await?;
    let failed = fleet.with_condition(Condition::Failed);
    anyhow::ensure!(failed == size - nodes, "{failed} nodes are Failed");
    report.add(&case, "Failed nodes at the end", number(failed), "");
    operator.end()
}

/// All nodes join and change. Returns how many have the accepted changes.
async fn change(
    run: &Run,
    space: &Space,
    fleet: &mut Fleet<'_>,
    size: usize,
) -> anyhow::Result<usize> {
    let operator = Operator::start(space, run, "first").await?;
    fleet.grow(size).await?;
    fleet.until_statuses().await?;
    fleet.obey().await?;
    until_active(fleet).await?;
    let (others, most): (Vec<usize>, Vec<usize>) =
        (0..size).partition(|index| index % ONE_OF == ONE_OF - 1);
    let nodes = most.len();
    for (nodes, content) in [(others, OTHER), (most, ACCEPTED)] {
        let outcome = Outcome::Changed(Box::new(found(content)?));
        fleet.scans(nodes.into_iter(), &outcome, None).await?;
    }
    fleet.until_change_sets(&[nodes, size - nodes]).await?;
    operator.end()?;
    Ok(nodes)
}

/// Times since the acceptance was created.
struct Times {
    /// When the evidence of the first node was stored, and others were requested.
    evidence: Duration,
    /// When the last daemon had reported its baseline.
    last: Duration,
    /// When the status of the acceptance counted it.
    counted: Duration,
}

/// The daemons answer requests immediately, until all nodes of the set have a new baseline. None if the operator does
/// not act on the acceptance.
async fn follow(space: &Space, fleet: &Fleet<'_>, nodes: usize) -> anyhow::Result<Option<Times>> {
    let operator = space
        .client_as(&space.account(names::OPERATOR_NAME))
        .await?;
    let reports: Api<ConfigMap> = Api::namespaced(operator, &space.namespace);
    let acceptances = space.api::<FileIntegrityAcceptance>();
    let started = Instant::now();
    let (mut answered, mut evidence, mut last) = (0, None, Duration::ZERO);
    loop {
        let done = fleet
            .answer(is_asked, async |status| answer(&reports, status).await)
            .await?;
        if done > 0 {
            last = started.elapsed();
            if answered > 0 {
                evidence.get_or_insert(last);
            }
            answered += done;
        }
        let status = acceptances.get(NAME).await?.status;
        if status.is_none() && started.elapsed() > FIRST_STATUS {
            return Ok(None);
        }
        let counts = status.and_then(|status| status.counts).unwrap_or_default();
        if usize::try_from(counts.accepted).ok() == Some(nodes) {
            anyhow::ensure!(answered == nodes, "{answered} requests for {nodes} nodes");
            return Ok(Some(Times {
                evidence: evidence.unwrap_or_default(),
                last,
                counted: started.elapsed(),
            }));
        }
        anyhow::ensure!(
            started.elapsed() < PATIENCE,
            "the acceptance has {counts:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn open_request(status: &FileIntegrityNodeStatus) -> Option<AcceptanceRequest> {
    let request = status.desired().acceptance?;
    let answer = status.acceptance.as_ref();
    (!answer.is_some_and(|answer| request.is_answered_by(answer))).then_some(request)
}

fn is_asked(status: &FileIntegrityNodeStatus) -> bool {
    open_request(status).is_some()
}

/// The report of a daemon that has executed the request. It publishes AIDE's report before if that is requested.
async fn answer(
    reports: &Api<ConfigMap>,
    status: &FileIntegrityNodeStatus,
) -> anyhow::Result<NodeUpdate> {
    let (Some(request), Some(old)) = (open_request(status), &status.baseline) else {
        anyhow::bail!("{} has no request or baseline", status.node_name);
    };
    let now = time::now();
    let digest = names::sha256_hex(format!("{} {}", old.digest, request.uid));
    let accepted = json!({
        "reason": "Acceptance", "request": request.uid, "acceptance": request.name,
        "oldDigest": old.digest, "oldConfigHash": old.config_hash,
        "differences": {"filesAdded": 1, "changesHash": request.change_set},
    });
    let baseline = Baseline {
        created_at: now.clone(),
        digest: digest.clone(),
        accepted: Some(serde_json::from_value(accepted)?),
        ..old.clone()
    };
    if request.publish_report {
        let record = serde_json::to_value(&baseline)?;
        let json = json_report("/etc/new", ACCEPTED);
        let node = &status.node_name;
        let report = published_report(FILE_INTEGRITY, node, &request, &record, &json)?;
        reports.create(&PostParams::default(), &report).await?;
    }
    Ok(NodeUpdate {
        baseline: Some(baseline),
        acceptance: Some(AcceptanceResult {
            name: request.name,
            uid: request.uid,
            attempt: request.attempt,
            state: AcceptanceState::Accepted,
            reason: None,
            message: None,
            finished_at: now,
            old_digest: Some(old.digest.clone()),
            new_digest: Some(digest),
        }),
        ..finding(&clean())
    })
}

/// What the operator and the daemons had used before the acceptance.
struct Before {
    requests: Requests,
    daemons: u64,
    writes: usize,
    sample: Sample,
}

impl Before {
    /// Reports what was used since, for so many nodes.
    async fn compare(
        self,
        report: &mut Report,
        case: &str,
        space: &Space,
        operator: &Operator,
        sent: &Sent,
        nodes: usize,
    ) -> anyhow::Result<()> {
        let requests = operator.requests().await?.since(self.requests);
        let daemons = sent.read().requests - self.daemons;
        let writes = space.writes(OPERATOR)?.split_off(self.writes);
        let sample = operator.sample()?;
        let of = |start: &str| writes.iter().filter(|it| it.starts_with(start)).count();
        let per_node = |count: f64| count / number(nodes);
        let statuses = number(of("patch fileintegritynodestatuses/"));
        report.add(
            case,
            "requests of the operator per accepted node",
            per_node(requests.total()),
            "",
        );
        report.add(
            case,
            "writes of node statuses by the operator per accepted node",
            per_node(statuses),
            "",
        );
        report.add(
            case,
            "requests of the daemons per accepted node",
            per_node(number(daemons)),
            "",
        );
        requests.add_to(report, case, "requests of the operator", 1.0);
        for (name, start) in [
            ("the acceptance", "patch fileintegrityacceptances/"),
            ("the FileIntegrity", "patch fileintegrities/"),
        ] {
            let name = format!("writes of the status of {name}");
            report.add(case, &name, number(of(start)), "");
        }
        let cpu = sample.cpu_since(self.sample).as_secs_f64();
        report.add(case, "CPU of the operator", cpu, "s");
        let peak = megabytes(sample.peak);
        report.add(case, "maximum RSS of the operator", peak, "MB");
        memory(report, case, "the set accepted, at rest", sample);
        Ok(())
    }
}

fn memory(report: &mut Report, case: &str, when: &str, sample: Sample) {
    for (name, bytes) in [("RSS", sample.rss), ("of that anonymous", sample.anonymous)] {
        report.add(case, &format!("{when}: {name}"), megabytes(bytes), "MB");
    }
}
