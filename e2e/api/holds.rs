//! Holds of the spec: they reach the nodes, and a daemon starts and ends them by itself.

use anyhow::Context as _;
use fio::testing::api::{
    Condition, FileIntegrity, FileIntegrityNodeStatus, HoldEnd, TimedHold, names,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::in_space;
use crate::site::Site;

/// Pause between scans: no test waits for the next one.
const LONG: &str = "600";

/// A hold that has started, and ends after so many seconds.
fn hold(name: &str, seconds: i64, then: HoldEnd) -> TimedHold {
    let now = Timestamp::now();
    TimedHold {
        name: name.to_owned(),
        from: now - SignedDuration::from_secs(60),
        until: now + SignedDuration::from_secs(seconds),
        then,
    }
}

fn has(status: &FileIntegrityNodeStatus, condition: Condition) -> bool {
    let last = status.last_result.as_ref();
    last.is_some_and(|last| last.condition == condition)
}

fn is_held(status: &FileIntegrityNodeStatus) -> bool {
    status.hold.is_some()
}

fn paths(status: &FileIntegrityNodeStatus) -> Vec<&str> {
    let changes = status.last_result.iter().flat_map(|last| &last.changes);
    changes.map(|change| change.path.as_str()).collect()
}

#[tokio::test]
async fn the_holds_of_the_spec_reach_their_nodes_and_end_without_a_write() -> anyhow::Result<()> {
    in_space("holdsspec", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _daemons) = space.active("fi", json!({})).await?;
        let now = Timestamp::now();
        let at = |seconds: i64| (now + SignedDuration::from_secs(seconds)).to_string();
        let holds = json!([
            {"name": "all", "from": at(-60), "until": at(20), "reason": "test"},
            {"name": "one", "from": at(3600), "until": at(7200), "nodes": [nodes[1], "nowhere"], "then": "Accept"},
        ]);
        space
            .merge::<FileIntegrity>("fi", json!({"spec": {"holds": holds}}))
            .await?;
        let names_of = |status: &FileIntegrityNodeStatus| -> Vec<String> {
            let text = status.annotation(names::Annotation::HOLDS);
            let holds: Vec<Value> = text.and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
            let names = holds.iter().filter_map(|hold| hold["name"].as_str());
            names.map(str::to_owned).collect()
        };
        for (node, expected) in [(&nodes[0], vec!["all"]), (&nodes[1], vec!["all", "one"])] {
            let name = names::node_status("fi", node);
            space
                .until_is(&name, "the holds", |status| names_of(status) == expected)
                .await?;
        }
        let held = |expected: i64| {
            move |fi: &FileIntegrity| {
                let nodes = fi.status.as_ref().and_then(|status| status.nodes);
                nodes.is_some_and(|nodes| nodes.held == expected)
            }
        };
        space.until_is("fi", "held nodes", held(2)).await?;
        // Nobody writes anything at the end.
        space.until_is("fi", "free nodes", held(0)).await?;
        let messages = space.event_messages("fi", "UnknownNodes").await?;
        assert_eq!(
            messages,
            ["hold one names nodes that are not selected: nowhere"]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_changed_during_a_hold_is_reported_at_its_end() -> anyhow::Result<()> {
    in_space("holdreport", async |space| {
        let site = Site::new(space, "fi", "node", LONG).await?;
        let daemon = site.start(&[]).await?;
        let before = site
            .until("a first result", |status| has(status, Condition::Succeeded))
            .await?;
        let maintenance = hold("maintenance", 15, HoldEnd::Report);
        site.set_holds(std::slice::from_ref(&maintenance)).await?;
        let held = site.until("the hold", is_held).await?;
        let shown = held.hold.unwrap();
        assert_eq!(shown.holds, ["maintenance"]);
        assert_eq!(shown.until.0.as_second(), maintenance.until.as_second());
        assert!(shown.since.0 >= maintenance.from);
        site.change()?;
        let failed = site
            .until("the changes", |status| has(status, Condition::Failed))
            .await?;
        // Realtime detection has reported nothing during the hold either.
        let reported = failed.last_result.as_ref().context("a result")?;
        let reported = reported.last_probe_time.0.as_second();
        assert!(reported >= maintenance.until.as_second(), "{failed:#?}");
        assert!(!is_held(&failed), "{failed:#?}");
        assert_eq!(paths(&failed), ["/watched/new", "/watched/one"]);
        assert_eq!(failed.baseline, before.baseline);
        daemon.end().await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_changed_during_a_hold_is_accepted_if_it_says_so() -> anyhow::Result<()> {
    in_space("holdaccept", async |space| {
        let site = Site::new(space, "fi", "node", LONG).await?;
        let daemon = site.start(&[]).await?;
        let before = site
            .until("a first result", |status| has(status, Condition::Succeeded))
            .await?;
        let holds = [
            hold("kernel", 20, HoldEnd::Accept),
            hold("disk", 10, HoldEnd::Accept),
        ];
        site.set_holds(&holds).await?;
        site.until("the hold", is_held).await?;
        // The hold continues with another process, and ends at the start of a third one.
        daemon.end().await?;
        site.change()?;
        let daemon = site.start(&[]).await?;
        let held = site.until("the hold", is_held).await?;
        daemon.end().await?;
        let shown = held.hold.clone().unwrap();
        assert_eq!(
            (shown.then, shown.holds),
            (
                HoldEnd::Accept,
                vec!["disk".to_owned(), "kernel".to_owned()]
            )
        );
        assert_eq!(held.baseline, before.baseline);
        let daemon = site.start(&[]).await?;
        let after = site
            .until("the new baseline", |status| {
                status.baseline != before.baseline
            })
            .await?;
        // All of it was written at once.
        assert_eq!(after.hold, None);
        let accepted = serde_json::to_value(&after.baseline.as_ref().unwrap().accepted)?;
        assert_eq!(accepted["reason"], "HoldEnded");
        assert_eq!(accepted["holds"], json!(["disk", "kernel"]));
        assert_eq!(accepted["differences"]["filesAdded"], 1);
        assert_eq!(accepted["differences"]["filesChanged"], 1);
        assert_eq!(after.reinit, None);
        site.until("the next scan", |status| {
            has(status, Condition::Succeeded) && status.last_full_scan > before.last_full_scan
        })
        .await?;
        daemon.end().await?;
        // It is not accepted again.
        site.put("two", "after")?;
        let daemon = site.start(&[]).await?;
        let failed = site
            .until("the next change", |status| has(status, Condition::Failed))
            .await?;
        assert_eq!(paths(&failed), ["/watched/two"]);
        assert_eq!(failed.baseline, after.baseline);
        daemon.end().await?;
        let messages = space.event_messages("fi", "ChangesAccepted").await?;
        assert!(
            messages.len() == 1 && messages[0].contains("reason HoldEnded disk kernel ("),
            "{messages:?}"
        );
        Ok(())
    })
    .await
}
