//! What users see of a fleet on which many nodes have the same changes.

use std::time::Instant;

use fio::testing::aide::report::Report;
use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, FileIntegrityStatus};
use fio::testing::scan::outcome::Outcome;
use futures::future::try_join_all;
use kube::api::ListParams;
use serde_json::json;

use crate::harness::{Daemon, Space, changed_to, clean, in_space, report};
use crate::metrics::{Endpoint, token};

/// Nodes with the same changes. One more has others.
const ALIKE: usize = 46;

/// The number of sets, and of the nodes of each listed one.
fn nodes_of_sets(fi: &FileIntegrity) -> (Option<i64>, Vec<i64>) {
    let status = fi.status.as_ref();
    let sets = status.iter().flat_map(|status| &status.change_sets);
    let count = status.and_then(|status| status.change_set_count);
    (count, sets.map(|set| set.nodes).collect())
}

async fn until_sets(space: &Space, expected: &[i64]) -> anyhow::Result<FileIntegrityStatus> {
    let is_expected = |fi: &FileIntegrity| {
        let count = i64::try_from(expected.len()).ok();
        nodes_of_sets(fi) == (count, expected.to_vec())
    };
    let what = format!("change sets of {expected:?} nodes");
    let fi = space.until_is("fi", &what, is_expected).await?;
    Ok(fi.status.unwrap_or_default())
}

/// All daemons report the result of a scan, at the same time.
async fn find(daemons: &mut [Daemon], outcome: &Outcome) -> anyhow::Result<()> {
    try_join_all(daemons.iter_mut().map(|daemon| daemon.finds(outcome))).await?;
    Ok(())
}

/// Number of writes of the status, by an operator.
fn status_writes(space: &Space, operator: &str) -> anyhow::Result<usize> {
    let writes = space.writes(operator)?;
    let of_fi = |write: &&String| *write == "patch fileintegrities/fi";
    Ok(writes.iter().filter(of_fi).count())
}

/// The nodes that the API server finds by the digits that people see.
async fn selected(space: &Space, change_set: &str) -> anyhow::Result<usize> {
    let selector = format!("lastResult.changeSet={change_set}");
    let params = ListParams::default().fields(&selector);
    let statuses = space.api::<FileIntegrityNodeStatus>().list(&params).await?;
    Ok(statuses.items.len())
}

#[tokio::test]
async fn nodes_with_the_same_changes_are_one_set() -> anyhow::Result<()> {
    in_space("sets", async |space| {
        let endpoint = Endpoint::new(space).await?;
        let first = endpoint.operator("one").await?;
        let names: Vec<String> = (0..=ALIKE).map(|n| format!("n{n:02}")).collect();
        let nodes = try_join_all(names.iter().map(|name| space.node(name))).await?;
        space.file_integrity("fi", json!({})).await?;
        let daemons = nodes.iter().map(|node| space.daemon("fi", node));
        let mut daemons: Vec<Daemon> = daemons.collect();
        try_join_all(daemons.iter_mut().map(Daemon::handle_request)).await?;
        find(&mut daemons, &clean()).await?;
        space.until_phase("fi", "Active").await?;
        let (writes, started) = (status_writes(space, "one")?, Instant::now());

        let (odd, alike) = daemons.split_at_mut(1);
        find(odd, &changed_to(2)).await?;
        find(alike, &changed_to(1)).await?;
        let status = until_sets(space, &[46, 1]).await?;
        // The phase stays, so it is written at most every 5 seconds; once more at the beginning and at the end.
        let written = status_writes(space, "one")? - writes;
        let most = usize::try_from(started.elapsed().as_secs() / 5)? + 2;
        anyhow::ensure!(written <= most, "{written} writes are more than {most}");
        let [large, small] = &status.change_sets[..] else {
            anyhow::bail!("{status:?}");
        };
        assert_eq!((large.added, large.changed, large.removed), (1, 0, 0));
        assert_eq!(large.example_node, nodes[1]);
        assert_eq!(large.example_path.as_deref(), Some("/etc/new"));
        assert_eq!(large.same_paths_as, None);
        assert_eq!(small.example_node, nodes[0]);
        assert_eq!(small.same_paths_as.as_ref(), Some(&large.id));
        let result = space.api::<FileIntegrityNodeStatus>();
        let result = result.get(&daemons[1].status).await?.last_result;
        let result = result.unwrap_or_else(|| unreachable!("{status:?}"));
        assert_eq!(result.changes_hash.as_ref(), Some(&large.id));
        assert_eq!(result.change_set.as_deref(), large.id.get(..12));
        assert_eq!(result.changes_hash_version, Some(2));
        let minor = space.client.apiserver_version().await?.minor;
        if minor.trim_end_matches('+').parse::<u32>()? >= 31 {
            assert_eq!(selected(space, &large.id[..12]).await?, ALIKE);
            assert_eq!(selected(space, &small.id[..12]).await?, 1);
        }
        let token = token(space, "file-integrity-operator-metrics").await?;
        let series =
            |set: &str| format!("change_set_nodes{{file_integrity=\"fi\",change_set=\"{set}\"}}");
        let expected = [(&*series(&large.id), 46.0), (&*series(&small.id), 1.0)];
        endpoint.shows(&token, &expected).await?;

        // Another operator writes no other times, nor anything else if nothing changes.
        first.stop().await?;
        let _second = endpoint.operator("two").await?;
        endpoint.shows(&token, &expected).await?;
        assert_eq!(status_writes(space, "two")?, 0);

        // A report that does not list all changes: the node is Failed, and in no set.
        let truncated = Report {
            truncated: true,
            added: 7,
            ..report()
        };
        find(&mut daemons[1..2], &Outcome::Changed(Box::new(truncated))).await?;
        let later = until_sets(space, &[45, 1]).await?;
        assert_eq!(later.nodes.map(|nodes| nodes.failed), Some(47));
        let [large_later, small_later] = &later.change_sets[..] else {
            anyhow::bail!("{later:?}");
        };
        assert_eq!(large_later.first_seen, large.first_seen);
        assert_eq!(large_later.example_node, nodes[2]);
        assert_eq!(small_later, small);

        find(&mut daemons, &clean()).await?;
        until_sets(space, &[]).await?;
        let none = endpoint.shows(&token, &[("nodes{state=\"failed\"}", 0.0)]);
        let none = none.await?;
        assert_eq!(none.value(&series(&large.id)), None);
        Ok(())
    })
    .await
}
