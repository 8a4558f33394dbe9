//! A file that was reported and changes again: a real daemon and a real AIDE report that, too.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use fio::testing::api::{FileIntegrityNodeStatus, names};

use crate::faults::Node;
use crate::harness::{Space, in_space};

/// Waits for another hash than this, and returns it with its failure log.
async fn until_other(
    space: &Space,
    node: &Node<'_>,
    hash: Option<String>,
) -> anyhow::Result<(Option<String>, String)> {
    let of = |status: &FileIntegrityNodeStatus| {
        let last = status.last_result.as_ref();
        last.and_then(|last| last.changes_hash.clone())
    };
    let name = names::node_status("fi", &node.name);
    let is_other = |status: &FileIntegrityNodeStatus| of(status).is_some() && of(status) != hash;
    let status = space.until_is(&name, "other changes", is_other).await?;
    let log = node.failure_log().await?.data.unwrap_or_default();
    let log = log.get(names::KEY_INTEGRITY_LOG).cloned();
    Ok((of(&status), log.unwrap_or_default()))
}

#[tokio::test]
async fn new_values_of_a_reported_file_are_reported() -> anyhow::Result<()> {
    in_space("values", async |space| {
        let node = Node::start(space).await?;
        let (file, link) = (node.watched.join("file"), node.watched.join("link"));
        let message = |added: u32| node.added(added).replace("c:0", "c:1");

        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let (hash, log) = until_other(space, &node, None).await?;
        anyhow::ensure!(log.contains("-rw-------"), "{log}");
        fs::set_permissions(&file, Permissions::from_mode(0o4755))?;
        let (hash, log) = until_other(space, &node, hash).await?;
        anyhow::ensure!(log.contains("-rwsr-xr-x"), "{log}");
        let mut expected = vec![node.clean(), message(0), message(0)];
        node.until_reported(&expected).await?;

        symlink("elsewhere", &link)?;
        let (hash, _) = until_other(space, &node, hash).await?;
        fs::remove_file(&link)?;
        symlink("/etc/shadow", &link)?;
        until_other(space, &node, hash).await?;
        expected.extend([message(1), message(1)]);
        node.until_reported(&expected).await?;
        let messages = node.event_messages().await?;
        anyhow::ensure!(messages == expected, "{messages:?}");
        node.daemon.still_runs()
    })
    .await
}
