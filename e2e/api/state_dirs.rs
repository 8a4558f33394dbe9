//! State directories with which users who may edit a FileIntegrity would become root on nodes.

use std::path::Path;

use fio::testing::api::{Condition, FileIntegrity};
use serde_json::json;

use crate::harness::{condition_of, in_space, message_of};
use crate::proxy::Proxy;
use crate::site::Site;

/// Directories whose files other programs of the system read, or in which pods write.
const REFUSED: [&str; 2] = ["/etc/cron.d", "/var/lib/kubelet/pods/x"];
/// The same, in words that the definition does not allow.
const ODD: [&str; 2] = ["/etc//./cron.d", "/var/lib/../../etc/cron.d"];

/// All that is below a directory: paths, with the content of files.
fn tree(dir: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            let shown = path.to_string_lossy().into_owned();
            if path.is_dir() {
                found.push((shown, Vec::new()));
                left.push(path);
            } else {
                found.push((shown, std::fs::read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[tokio::test]
async fn a_directory_of_the_system_is_refused_by_a_condition() -> anyhow::Result<()> {
    in_space("state-dir", async |space| {
        let operator = space.operator("op").await?;
        for (number, dir) in REFUSED.iter().enumerate() {
            let name = format!("fi-{number}");
            let config = json!({"config": {"stateDir": dir}, "nodeSelector": {"none": ""}});
            space.file_integrity(&name, config).await?;
            let fi = space
                .until_is(&name, "Degraded", |fi: &FileIntegrity| {
                    condition_of(fi, "Degraded") == "True/StateDirRefused"
                })
                .await?;
            let message = message_of(&fi, "Degraded");
            assert!(message.starts_with("spec.config.stateDir /"), "{message}");
            let allowed = json!({"spec": {"config": {"stateDir": "/var/lib/file-integrity"}}});
            space.merge::<FileIntegrity>(&name, allowed).await?;
            space
                .until_is(&name, "not Degraded", |fi: &FileIntegrity| {
                    condition_of(fi, "Degraded") == "False/AsExpected"
                })
                .await?;
        }
        operator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_daemon_with_such_a_directory_reports_it_and_changes_nothing() -> anyhow::Result<()> {
    in_space("state-dir-daemon", async |space| {
        let (node, proxy) = (space.node("n1").await?, Proxy::start().await?);
        for (number, dir) in REFUSED.iter().chain(&ODD).enumerate() {
            let mut site =
                Site::behind(&proxy, space, &format!("fi-{number}"), &node, "10").await?;
            let root = site.path("root");
            let on_node = root.join(dir.trim_start_matches('/'));
            std::fs::create_dir_all(&on_node)?;
            std::fs::write(on_node.join("job"), "* * * * * root true\n")?;
            site.arguments = vec![format!("--state-dir={dir}")];
            let before = tree(&root)?;
            let daemon = site.daemon().await?;
            let status = site
                .until("an error", |status| {
                    let last = status.last_result.as_ref();
                    last.is_some_and(|last| last.condition == Condition::Errored)
                })
                .await?;
            let error = status.last_result.and_then(|last| last.error_message);
            let error = error.unwrap_or_default();
            assert!(error.contains("the state directory /"), "{error}");
            assert_eq!(tree(&root)?, before, "{dir}");
            daemon.stop()?;
        }
        Ok(())
    })
    .await
}
