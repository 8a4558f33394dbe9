//! The part `rollout`: another configuration for the whole fleet. I/O.

use std::time::Duration;

use fio::testing::api::FileIntegrity;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use serde_json::json;
use tokio::time::Instant;

use crate::Run;
use crate::fleet::{FILE_INTEGRITY, Fleet};
use crate::harness::{self, Space, phase_of};
use crate::operator::{Operator, megabytes};
use crate::report::{Report, thousands};
use crate::stats::{largest, number};

/// The user's ConfigMap.
const CONFIG: &str = "user-config";

/// Measures it, with the largest of the fleets.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    let mut report = Report::new("rollout");
    let size = run.nodes.iter().copied().max().unwrap_or_default();
    harness::alone("bench", async |space| {
        roll_out(&mut report, run, space, size).await
    })
    .await?;
    Ok(report)
}

async fn roll_out(
    report: &mut Report,
    run: &Run,
    space: &Space,
    size: usize,
) -> anyhow::Result<()> {
    let case = format!("{} nodes", thousands(&size.to_string()));
    let operator = Operator::start(space, run, "op").await?;
    let mut fleet = Fleet::new(space, space.client.clone()).await?;
    fleet.grow(size).await?;
    fleet.until_statuses().await?;
    fleet.obey().await?;
    until_active(&fleet).await?;
    let generation = daemon_set(space).await?;
    let config = json!({"metadata": {"name": CONFIG}, "data": {"aide.conf": "/etc p+sha256\n"}});
    space
        .api::<ConfigMap>()
        .create(&PostParams::default(), &serde_json::from_value(config)?)
        .await?;
    let (requests, before) = (operator.requests().await?, operator.sample()?);
    let started = Instant::now();
    let spec = json!({"spec": {"config": {"name": CONFIG, "namespace": space.namespace}}});
    space.merge::<FileIntegrity>(FILE_INTEGRITY, spec).await?;
    let waiting = follow(&fleet).await?;
    let active = started.elapsed().as_secs_f64();
    let requests = operator.requests().await?.since(requests);
    let after = operator.sample()?;
    report.add(&case, "configuration change until Active", active, "s");
    report.add(
        &case,
        "requests of the operator per node",
        requests.total() / number(size),
        "",
    );
    report.add(
        &case,
        "CPU of the operator",
        after.cpu_since(before).as_secs_f64(),
        "s",
    );
    report.add(
        &case,
        "maximum RSS of the operator",
        megabytes(after.peak),
        "MB",
    );
    let largest = largest(&waiting) / number(size) * 100.0;
    report.add(&case, "nodes with a pending request, maximum", largest, "%");
    let rolled = daemon_set(space).await? - generation;
    let rolled = u32::try_from(rolled).unwrap_or_default();
    report.add(&case, "changes of the DaemonSet", number(rolled), "");
    operator.end()
}

/// The daemons handle requests immediately, until there are none left. Returns the number of
/// open requests at each poll.
async fn follow(fleet: &Fleet<'_>) -> anyhow::Result<Vec<f64>> {
    // Nothing is asked yet, and the old baselines count until something is.
    fleet
        .until_file_integrity("Initializing", |fi| phase_of(fi) == "Initializing")
        .await?;
    let mut waiting = Vec::new();
    loop {
        waiting.push(number(fleet.asked()));
        let done = fleet.obey().await?;
        if done == 0 && is_active(fleet, &fleet.file_integrity().await?) {
            return Ok(waiting);
        }
        // What was just done comes back through the watch.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until all nodes are initialized.
pub(crate) async fn until_active(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    fleet
        .until_file_integrity("Active", |fi| is_active(fleet, fi))
        .await
}

fn is_active(fleet: &Fleet<'_>, fi: &FileIntegrity) -> bool {
    let nodes = fi.status.as_ref().and_then(|status| status.nodes);
    let initialized = nodes.map(|nodes| nodes.initialized).unwrap_or_default();
    phase_of(fi) == "Active" && usize::try_from(initialized).ok() == Some(fleet.size())
}

/// The generation of the daemons' DaemonSet: it does not change, so no daemon is ended.
async fn daemon_set(space: &Space) -> anyhow::Result<i64> {
    let name = fio::testing::api::names::daemon_set(FILE_INTEGRITY);
    let daemon_set = space.api::<DaemonSet>().get(&name).await?;
    Ok(daemon_set.metadata.generation.unwrap_or_default())
}
