//! The annotation `scan`: it reaches the nodes, and a daemon does one additional scan for it.

use fio::testing::api::{Condition, FileIntegrity, FileIntegrityNodeStatus, names};
use kube::ResourceExt as _;
use serde_json::json;

use crate::harness::in_space;
use crate::site::Site;

/// Pause between scans: no test waits for the next one.
const LONG: &str = "600";

fn request(status: &FileIntegrityNodeStatus) -> Option<String> {
    let request = status.annotation(names::Annotation::SCAN_REQUEST);
    request.map(str::to_owned)
}

fn done(status: &FileIntegrityNodeStatus) -> Option<&str> {
    status.scan.as_ref().map(|scan| scan.id.as_str())
}

#[tokio::test]
async fn a_requested_scan_reaches_the_named_nodes() -> anyhow::Result<()> {
    in_space("scannow", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _daemons) = space.active("fi", json!({})).await?;
        let scan = |value: String| space.annotate("fi", names::Annotation::SCAN, json!(value));
        let handed_out = |fi: &FileIntegrity| {
            let keys = [names::Annotation::SCAN, names::Annotation::SCAN_RECORD];
            keys.iter().all(|key| !fi.annotations().contains_key(*key))
        };
        let requests = async || {
            space
                .until_is("fi", "the request to be handed out", handed_out)
                .await?;
            let statuses = space.api::<FileIntegrityNodeStatus>();
            let mut requests = Vec::new();
            for node in &nodes {
                let status = statuses.get(&names::node_status("fi", node)).await?;
                requests.push(request(&status));
            }
            anyhow::Ok(requests)
        };

        scan(format!("{}, nowhere", nodes[1])).await?;
        let some = requests().await?;
        assert!(some[0].is_none() && some[1].is_some(), "{some:?}");
        let messages = space.event_messages("fi", "UnknownNodes").await?;
        assert_eq!(
            messages,
            ["scan names nodes that are not selected: nowhere"]
        );

        scan(String::new()).await?;
        let all = requests().await?;
        assert!(all[0].is_some() && all[0] == all[1], "{all:?}");
        assert_ne!(some[1], all[1]);
        // A scan is no re-initialization: the phase stays.
        let phases = space.event_messages("fi", "FileIntegrityStatus").await?;
        assert_eq!(phases, ["Pending", "Initializing", "Active"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_scans_once_for_a_request() -> anyhow::Result<()> {
    in_space("scandaemon", async |space| {
        let site = Site::new(space, "fi", "node", LONG).await?;
        let daemon = site.start(&[]).await?;
        let first = site
            .until("a first result", |status| status.last_full_scan.is_some())
            .await?;
        assert_eq!(done(&first), None);
        site.request_scan("s1").await?;
        let second = site
            .until("the scan", |status| done(status) == Some("s1"))
            .await?;
        let scan = second.scan.clone().unwrap();
        assert!(second.last_full_scan > first.last_full_scan);
        // The result is part of the same write.
        let last = second.last_result.as_ref().unwrap();
        assert_eq!(last.condition, Condition::Succeeded);
        assert_eq!(second.last_full_scan.as_ref(), Some(&last.last_probe_time));
        assert!(first.last_full_scan.as_ref().unwrap() <= &scan.started_at);
        assert!(scan.started_at <= scan.finished_at, "{scan:?}");
        assert_eq!(second.baseline, first.baseline);
        daemon.end().await?;

        // The request of a daemon that was down is done by the next one, and only once.
        site.request_scan("s2").await?;
        let daemon = site.start(&[]).await?;
        let third = site
            .until("the second scan", |status| done(status) == Some("s2"))
            .await?;
        daemon.end().await?;
        let daemon = site.start(&[]).await?;
        let fourth = site
            .until("the scan of the next daemon", |status| {
                status.last_full_scan > third.last_full_scan
            })
            .await?;
        assert_eq!(fourth.scan, third.scan);
        daemon.end().await?;
        Ok(())
    })
    .await
}
