//! Operators that come and go, and an API server that does.

use std::io::Write as _;
use std::time::{Duration, Instant};

use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use serde_json::json;

use crate::harness::{Space, alone, checkout, clean, eventually, in_space};
use crate::process::Process;

/// Longer than it takes until a lease that is not renewed is taken over: 15 s and a request.
const TAKEN_OVER: Duration = Duration::from_secs(30);
/// Longer than it takes until one that was given up is.
const HANDED_OVER: Duration = Duration::from_secs(10);

/// Waits until this operator holds the lease.
pub(crate) async fn until_leads(space: &Space, identity: &str) -> anyhow::Result<Lease> {
    let what = format!("{identity} to lead");
    space
        .until_is(names::LEASE_NAME, &what, |lease: &Lease| {
            holder(lease) == identity
        })
        .await
}

fn holder(lease: &Lease) -> String {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.clone())
        .unwrap_or_default()
}

/// These without the removal of what the original left behind, which each operator does when it begins
/// to lead.
fn but_legacy(mut writes: Vec<String>) -> Vec<String> {
    writes.retain(|write| !write.starts_with("delete"));
    writes
}

#[tokio::test]
async fn one_operator_leads_and_the_other_takes_over() -> anyhow::Result<()> {
    in_space("two", async |space| {
        let first = space.operator("first").await?;
        until_leads(space, "first").await?;
        let second = space.operator("second").await?;
        let (_, mut daemons) = space.active("fi", json!({})).await?;
        assert!(!space.writes("first")?.is_empty());
        assert_eq!(space.writes("second")?, [""; 0]);

        // A graceful stop gives the lease up: the other one need not wait until it has run out.
        let released = Instant::now();
        first.stop().await?;
        let lease = until_leads(space, "second").await?;
        let waited = released.elapsed();
        assert!(
            waited.as_secs() < 10,
            "{waited:?}: longer than a release takes"
        );
        assert_eq!(lease.spec.and_then(|spec| spec.lease_transitions), Some(1));

        let writes = space.writes("first")?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        for daemon in &mut daemons {
            daemon.handle_request().await?;
        }
        space.until_phase("fi", "Active").await?;
        assert_eq!(space.writes("first")?, writes);
        assert!(!space.writes("second")?.is_empty());
        second.stop().await?;
        space
            .until_is(names::LEASE_NAME, "nobody to lead", |lease: &Lease| {
                holder(lease).is_empty()
            })
            .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_killed_operator_is_replaced_when_its_lease_has_run_out() -> anyhow::Result<()> {
    in_space("killed", async |space| {
        let first = space.operator("first").await?;
        until_leads(space, "first").await?;
        let _second = space.operator("second").await?;
        first.kill().await?;
        space.node("n1").await?;
        space.file_integrity("fi", json!({})).await?;
        until_leads(space, "second").await?;
        space.until_phase("fi", "Initializing").await?;
        assert_eq!(but_legacy(space.writes("first")?), [""; 0]);
        Ok(())
    })
    .await
}

/// Prints how long a change of the leader took: directly, because the test runner captures the output of
/// successful tests.
fn took(what: &str, since: Instant, bound: Duration) -> anyhow::Result<()> {
    let seconds = since.elapsed().as_secs_f64();
    writeln!(
        std::io::stderr(),
        "{what}: another one leads after {seconds:.1} s"
    )?;
    anyhow::ensure!(since.elapsed() < bound, "{what}: {seconds} s");
    Ok(())
}

/// Processes, as a thread cannot be stopped. When the first continues there is something to write,
/// and nobody else who does.
#[tokio::test]
async fn a_leader_that_was_suspended_writes_nothing_afterwards() -> anyhow::Result<()> {
    in_space("stopped", async |space| {
        let first = Process::start(space, "first").await?;
        until_leads(space, "first").await?;
        space.active("fi", json!({})).await?;
        let second = Process::start(space, "second").await?;
        second.logs("another operator leads").await?;

        let stopped = Instant::now();
        first.stop()?;
        until_leads(space, "second").await?;
        took("stopped", stopped, TAKEN_OVER)?;
        second.logs("leading").await?;
        second.stop()?;
        let third = space.node("n3").await?;
        let writes = space.writes("first")?;
        first.go_on()?;
        first.logs("the lease is lost; standing by").await?;
        assert_eq!(space.writes("first")?, writes);

        second.go_on()?;
        let status = names::node_status("fi", &third);
        space
            .until_is(&status, "n3's status", |_: &FileIntegrityNodeStatus| true)
            .await?;
        assert_eq!(space.writes("first")?, writes);

        let killed = Instant::now();
        second.kill()?;
        until_leads(space, "first").await?;
        took("killed", killed, TAKEN_OVER)?;
        let third = Process::start(space, "third").await?;
        third.logs("another operator leads").await?;
        let ended = Instant::now();
        first.terminate()?;
        until_leads(space, "third").await?;
        took("ended", ended, HANDED_OVER)
    })
    .await
}

/// Kills the operator again and again while a request passes through all its stages. The next one
/// has the same identity, as a container that is started again in its pod: it need not wait.
#[tokio::test]
async fn killed_at_any_moment_the_result_is_the_same() -> anyhow::Result<()> {
    in_space("moments", async |space| {
        let mut operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        let mut ids = Vec::new();
        // Each life has one more write than the one before, so that the end is reached.
        for allowed in 1.. {
            let before = space.writes("op")?.len();
            let is_done = eventually("some writes, or the end", async || {
                let fi = space.api::<FileIntegrity>().get("fi").await?;
                let is_done = !fi.annotations().contains_key(names::Annotation::REINIT)
                    && !fi
                        .annotations()
                        .contains_key(names::Annotation::REINIT_RECORD);
                let is_over = is_done || space.writes("op")?.len() >= before + allowed;
                Ok(is_over.then_some(is_done))
            })
            .await?;
            operator.kill().await?;
            ids.extend(requests(space, &nodes).await?);
            operator = space.operator("op").await?;
            if is_done {
                break;
            }
        }
        for daemon in &mut daemons {
            daemon.handle_request().await?;
        }
        space.until_phase("fi", "Active").await?;
        space
            .until_deleted::<DaemonSet>("aide-ini-fi", "the deletion of the re-init DaemonSet")
            .await?;
        ids.extend(requests(space, &nodes).await?);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1, "one request, one id: {ids:?}");
        assert_eq!(
            space.event_messages("fi", "FileIntegrityStatus").await?,
            [
                "Pending",
                "Initializing",
                "Active",
                "Initializing",
                "Active"
            ]
        );
        Ok(())
    })
    .await
}

/// The requests in the nodes' statuses.
async fn requests(space: &Space, nodes: &[String]) -> anyhow::Result<Vec<String>> {
    let api = space.api::<FileIntegrityNodeStatus>();
    let mut ids = Vec::new();
    for node in nodes {
        let status = api.get(&names::node_status("fi", node)).await?;
        let id = status.annotation(names::Annotation::REINIT_REQUEST);
        ids.extend(id.map(str::to_owned));
    }
    Ok(ids)
}

/// Without changes, reconciles write nothing: not when a node reports another clean scan, nor when
/// an operator is restarted.
#[tokio::test]
async fn an_idle_cluster_causes_no_writes() -> anyhow::Result<()> {
    in_space("idle", async |space| {
        let operator = space.operator("first").await?;
        let (_, mut daemons) = space.active("fi", json!({})).await?;
        operator.stop().await?;
        let next = space.operator("second").await?;
        until_leads(space, "second").await?;
        for daemon in &mut daemons {
            daemon.finds(&clean()).await?;
        }
        // What it does at last shows that it has seen all that was before.
        space
            .annotate("fi", names::Annotation::HOLDOFF, json!("nowhere"))
            .await?;
        space
            .merge::<FileIntegrity>("fi", json!({"spec": {"config": {"maxBackups": 3}}}))
            .await?;
        space
            .until_is("fi", "the new generation", |fi: &FileIntegrity| {
                let seen = fi
                    .status
                    .as_ref()
                    .and_then(|status| status.observed_generation);
                seen == fi.metadata.generation
            })
            .await?;
        next.stop().await?;
        assert_eq!(
            but_legacy(space.writes("second")?),
            ["patch daemonsets/aide-fi", "patch fileintegrities/fi"]
        );
        Ok(())
    })
    .await
}

/// Runs hack/cluster with this command. Where it fails, the API server is started for the tests that
/// come after.
pub(crate) async fn cluster(command: &str) -> anyhow::Result<()> {
    let run = async |command: &str| {
        let mut program = tokio::process::Command::new(checkout().join("hack/cluster"));
        let status = program.arg(command).status().await?;
        anyhow::ensure!(status.success(), "hack/cluster {command} failed");
        Ok(())
    };
    let result = run(command).await;
    if result.is_err() {
        run("api-start").await?;
    }
    result
}

#[tokio::test]
async fn an_outage_of_the_api_server_is_survived() -> anyhow::Result<()> {
    alone("outage", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        cluster("api-stop").await?;
        // Long enough for the operator to find out, and to stop acting without a lease.
        let noticed = eventually("the operator to lose its lease", async || {
            Ok(space.log().contains("the lease is lost").then_some(()))
        })
        .await;
        cluster("api-start").await?;
        noticed?;

        until_leads(space, "op").await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(nodes[0]))
            .await?;
        daemons[0].handle_request().await?;
        let third = space.node("n3").await?;
        space.daemon("fi", &third).handle_request().await?;
        space.until_phase("fi", "Active").await?;
        operator.stop().await
    })
    .await
}
