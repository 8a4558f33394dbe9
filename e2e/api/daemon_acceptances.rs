//! Acceptances on a node, with the real program, the real AIDE, and the node's own token. There is no operator: the tests
//! write its requests.

use std::time::Instant;

use fio::testing::api::{AcceptanceState, Condition, FileIntegrityNodeStatus};

use crate::harness::{Space, eventually, in_space};
use crate::proxy::Proxy;
use crate::site::Site;

const NODE: &str = "node";
/// Pause between scans: no test waits for the next one.
const LONG: &str = "600";

fn has(status: &FileIntegrityNodeStatus, condition: Condition) -> bool {
    let last = status.last_result.as_ref();
    last.is_some_and(|last| last.condition == condition)
}

fn paths(status: &FileIntegrityNodeStatus) -> Vec<&str> {
    let changes = status.last_result.iter().flat_map(|last| &last.changes);
    changes.map(|change| change.path.as_str()).collect()
}

/// A node that shows changes, and its daemon behind this proxy.
async fn changed<'a>(proxy: &Proxy, space: &'a Space, fi: &str) -> anyhow::Result<Site<'a>> {
    let site = Site::behind(proxy, space, fi, NODE, LONG).await?;
    let daemon = site.start(&[]).await?;
    site.until("a first result", |status| has(status, Condition::Succeeded))
        .await?;
    daemon.end().await?;
    site.change()?;
    Ok(site)
}

/// One write of the node status, two events and the report.
#[tokio::test]
async fn a_node_accepts_a_set_with_one_write_of_its_status() -> anyhow::Result<()> {
    in_space("accepts", async |space| {
        let proxy = Proxy::start().await?;
        let site = changed(&proxy, space, "fi").await?;
        let daemon = site.start(&[]).await?;
        let before = site
            .until("the changes", |status| has(status, Condition::Failed))
            .await?;
        let since = Instant::now();
        let request = site.set_acceptance("u1").await?;
        let after = site
            .until("an answer", |status| status.acceptance.is_some())
            .await?;
        let answer = after.acceptance.clone().unwrap();
        assert_eq!(answer.state, AcceptanceState::Accepted, "{answer:?}");
        assert_eq!((&answer.name, &answer.uid), (&request.name, &request.uid));
        // All of it was written at once.
        let last = after.last_result.as_ref().unwrap();
        assert_eq!(last.condition, Condition::Succeeded);
        assert_eq!(after.last_full_scan.as_ref(), Some(&last.last_probe_time));
        let baseline = after.baseline.as_ref().unwrap();
        let old = &before.baseline.as_ref().unwrap().digest;
        assert_eq!(answer.old_digest.as_ref(), Some(old));
        assert_eq!(answer.new_digest.as_ref(), Some(&baseline.digest));
        let accepted = serde_json::to_value(&baseline.accepted)?;
        assert_eq!(accepted["acceptance"], *request.name);
        assert_eq!(accepted["differences"]["changesHash"], *request.change_set);
        let writes = || {
            let mut requests = proxy.requests(since);
            requests.retain(|request| !request.starts_with("GET"));
            requests
        };
        eventually("the report of the new baseline", async || {
            let is_published = writes().iter().any(|it| it.contains("/configmaps"));
            Ok(is_published.then_some(()))
        })
        .await?;
        let writes = writes();
        let patches = writes
            .iter()
            .filter(|it| it.contains("fileintegritynodestatuses"));
        assert_eq!(patches.count(), 1, "{writes:#?}");
        let reports = writes.iter().filter(|it| it.contains("/configmaps"));
        assert_eq!(reports.count(), 1, "{writes:#?}");
        // The accepted changes, and the end of the failure.
        let events = writes.iter().filter(|it| it.contains("/events"));
        assert_eq!(events.count(), 2, "{writes:#?}");
        assert_eq!(writes.len(), 4, "{writes:#?}");
        // Realtime detection continues with the new baseline: no scan is due.
        site.put("later", "")?;
        let failed = site
            .until("the next change", |status| has(status, Condition::Failed))
            .await?;
        assert_eq!(paths(&failed), ["/watched/later"]);
        daemon.end().await?;
        let messages = space.event_messages("fi", "ChangesAccepted").await?;
        assert!(
            messages.len() == 1 && messages[0].contains("reason Acceptance acceptance-u1 (u1)"),
            "{messages:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_node_with_another_change_refuses_and_reports_it() -> anyhow::Result<()> {
    in_space("refuses", async |space| {
        let proxy = Proxy::start().await?;
        let site = changed(&proxy, space, "fi").await?;
        let daemon = site.start(&[]).await?;
        let before = site
            .until("the changes", |status| has(status, Condition::Failed))
            .await?;
        site.put("unreviewed", "")?;
        site.set_acceptance("u1").await?;
        let after = site
            .until("an answer", |status| status.acceptance.is_some())
            .await?;
        let answer = after.acceptance.clone().unwrap();
        assert_eq!(answer.state, AcceptanceState::Refused, "{answer:?}");
        assert_eq!(answer.reason.as_deref(), Some("ChangesDiffer"));
        assert_eq!(after.baseline, before.baseline);
        // No result shows the refused set as a newer one.
        let all = ["/watched/new", "/watched/one", "/watched/unreviewed"];
        if paths(&after) != all {
            assert_eq!(after.last_result, before.last_result);
        }
        site.until("all changes", |status| paths(status) == all)
            .await?;
        daemon.end().await?;
        let messages = space.event_messages("fi", "ChangesDiffer").await?;
        let start = format!("node {NODE}: the acceptance acceptance-u1 was refused, ");
        assert!(
            messages.len() == 1 && messages[0].starts_with(&start),
            "{messages:?}"
        );
        Ok(())
    })
    .await
}
