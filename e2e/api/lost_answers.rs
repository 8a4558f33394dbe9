//! A daemon whose writes are carried out while their answers get lost: it writes again, and nothing is
//! reported twice. A real daemon and a real AIDE.

use fio::api::Condition;

use crate::faults::Node;
use crate::harness::in_space;
use crate::proxy::Fault;

const STATUS: &str = "PATCH /apis/fileintegrity.openshift.io";
const LOG: &str = "/configmaps/";
const EVENT: &str = "POST /apis/events.k8s.io";

#[tokio::test]
async fn one_event_for_each_transition_whichever_answer_is_lost() -> anyhow::Result<()> {
    in_space("lost", async |space| {
        let node = Node::start(space).await?;
        let new = node.watched.join("new");
        let mut expected = vec![node.clean()];
        // With the file, then without it: the failure log is written of the first only.
        for (with, without) in [(LOG, STATUS), (EVENT, EVENT), (STATUS, STATUS)] {
            for (write, is_there) in [(with, true), (without, false)] {
                let (before, after) = if is_there {
                    (Condition::Succeeded, Condition::Failed)
                } else {
                    (Condition::Failed, Condition::Succeeded)
                };
                node.until_scanned(before).await?;
                let lost = node.proxy.lost().len();
                node.proxy.set(Fault::LostAnswer(write)).await?;
                if is_there {
                    std::fs::write(&new, "text")?;
                    expected.push(node.added(1));
                } else {
                    std::fs::remove_file(&new)?;
                    expected.push(node.clean());
                }
                node.until_said(&expected).await?;
                // So that the answer of the last write, the status, is lost as well, or has come.
                for _ in 0..2 {
                    node.until_scanned(after).await?;
                }
                let all = node.proxy.lost();
                anyhow::ensure!(all.len() == lost + 1, "{write}: {all:?}");
                let said = node.said().await?;
                anyhow::ensure!(said == expected, "{write}: {said:?}");
            }
        }
        let log = node.kept_log().await?.data.unwrap_or_default();
        anyhow::ensure!(format!("{log:?}").contains("/etc/watched/new"), "{log:?}");
        node.daemon.still_runs()
    })
    .await
}
