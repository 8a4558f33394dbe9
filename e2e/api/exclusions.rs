//! Exclusions: the operator adds them to the configuration until they end, and a daemon with a real AIDE accepts nothing for
//! them.

use fio::testing::api::{Condition, FileIntegrityNodeStatus, names};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::acceptance_admission::from_now;
use crate::harness::in_space;
use crate::proxy::Proxy;
use crate::site::Site;

const NODE: &str = "node";
/// Pause between scans: no test waits for the next one.
const LONG: &str = "600";

fn shows(status: &FileIntegrityNodeStatus, paths: &[&str]) -> bool {
    let Some(last) = &status.last_result else {
        return false;
    };
    let shown = last.changes.iter().map(|change| change.path.as_str());
    last.condition == Condition::Failed && shown.eq(paths.iter().copied())
}

#[tokio::test]
async fn the_operator_ends_an_exclusion_in_time() -> anyhow::Result<()> {
    in_space("exclude", async |space| {
        let _operator = space.operator("op").await?;
        let exclude = json!({"exclude": [
            {"path": "/etc/agent cache", "reason": "changes all the time", "until": from_now(10)},
            {"path": "/etc/motd", "reason": "changes at each login"},
        ]});
        space.active("fi", exclude).await?;
        let has = |config: &ConfigMap, rule: &str| {
            let data = config.data.as_ref();
            let texts = [names::KEY_AIDE_CONF, names::KEY_EFFECTIVE_CONF];
            let mut texts = texts.iter().map(|key| data.and_then(|data| data.get(*key)));
            texts.all(|text| text.is_some_and(|text| text.contains(rule)))
        };
        let ending = "\n# /etc/agent cache\n-/hostroot/etc/agent\\ cache(/|$)\n";
        let lasting = "\n# /etc/motd\n-/hostroot/etc/motd(/|$)\n";
        let both = |config: &ConfigMap| has(config, ending) && has(config, lasting);
        space.until_is("fi", "both exclusions", both).await?;
        let one = |config: &ConfigMap| !has(config, ending) && has(config, lasting);
        space
            .until_is("fi", "the end of one exclusion", one)
            .await?;
        Ok(())
    })
    .await
}

/// Realtime detection continues, and does not report what is excluded.
#[tokio::test]
async fn an_exclusion_accepts_nothing_and_ends_with_the_baseline_from_before() -> anyhow::Result<()>
{
    in_space("excludes", async |space| {
        let proxy = Proxy::start().await?;
        let mut site = Site::behind(&proxy, space, "fi", NODE, LONG).await?;
        let daemon = site.start(&[]).await?;
        let is_clean = |status: &FileIntegrityNodeStatus| {
            let last = status.last_result.as_ref();
            last.is_some_and(|last| last.condition == Condition::Succeeded)
        };
        site.until("a first result", is_clean).await?;
        site.change()?;
        let all = ["/watched/new", "/watched/one"];
        let before = site
            .until("the changes", |status| shows(status, &all))
            .await?;
        site.exclude(&["/watched/one"]).await?;
        let after = site
            .until("one change", |status| shows(status, &["/watched/new"]))
            .await?;
        let (old, new) = (before.baseline.unwrap(), after.baseline.unwrap());
        assert!(new.requested && new.digest != old.digest, "{new:?}");
        assert_eq!((new.entries, new.accepted), (old.entries - 1, None));
        site.put("one", "excluded")?;
        site.put("two", "after")?;
        let watched = ["/watched/new", "/watched/two"];
        site.until("another change", |status| shows(status, &watched))
            .await?;
        site.exclude(&[]).await?;
        let all = ["/watched/new", "/watched/one", "/watched/two"];
        let ended = site
            .until("all changes", |status| shows(status, &all))
            .await?;
        assert_eq!(ended.baseline.unwrap().accepted, None);
        daemon.end().await?;
        let accepted = space.event_messages("fi", "ChangesAccepted").await?;
        assert!(accepted.is_empty(), "{accepted:?}");
        Ok(())
    })
    .await
}
