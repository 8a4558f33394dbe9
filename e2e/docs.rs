//! The commands of the pages that need a kubelet: logs, exec, rollout and wait. The API tests run the
//! others (`e2e/api/docs.rs`).

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use fio::testing::api::Condition;
use kube::ResourceExt as _;
use serde_json::json;
use tokio::process::Command;

use self::pages::{Page, Shown};
use crate::changes::lines_for_shippers;
use crate::harness::wait::until_within;
use crate::harness::{cluster, on_one_node};

#[expect(
    dead_code,
    reason = "links and places in sentences are the unit tests' matter"
)]
#[path = "../src/docs_tests/pages.rs"]
mod pages;
#[expect(dead_code, reason = "some functions are for the API tests")]
#[path = "../src/docs_tests/runnable.rs"]
mod runnable;

/// The names on the pages.
const FI: &str = "example-fileintegrity";
const NAMESPACE: &str = "openshift-file-integrity";
/// Longer than it takes to replace the operator.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_commands_of_the_pages_that_need_a_kubelet_succeed() -> Result<()> {
    on_one_node("docs", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        node.files("printf x > new").await?;
        fi.result(&node.name, Condition::Failed).await?;
        // The directory and the file.
        lines_for_shippers(&fi, node, 2).await?;
        let daemon = fi.daemon(&node.name).await?.name_any();
        let configuration = tempfile::NamedTempFile::new()?;
        let profile = cluster::fio(&["config", "default"]).await?;
        std::fs::write(configuration.path(), profile)?;

        let names = [
            (FI, fi.name.as_str()),
            (NAMESPACE, t.namespace()),
            ("node1", node.name.as_str()),
            ("POD", daemon.as_str()),
        ];
        let (mut wrong, mut count) = (Vec::new(), 0);
        for shown in commands() {
            count += 1;
            let text = as_text(&shown, &names, t.namespace(), configuration.path());
            // Other tests replace the operator, and its pod with it.
            let ran = until_within(PATIENCE, &shown.place, async || run(&text).await).await;
            if let Err(error) = ran {
                wrong.push(format!("{error:#}"));
            }
        }
        ensure!(count > 10, "only {count} commands were found");
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await
}

/// The commands in blocks of code, of the pages for users.
fn commands() -> Vec<Shown> {
    let pages = pages::all().into_iter();
    pages
        .filter(Page::is_for_users)
        .flat_map(|page| page.commands())
        .filter(|shown| !shown.in_sentence && runnable::is_run_on_a_cluster(shown))
        .collect()
}

/// The command with this test's names, for a shell.
fn as_text(shown: &Shown, names: &[(&str, &str)], namespace: &str, configuration: &Path) -> String {
    let mut words = runnable::stages(shown)[0].to_vec();
    if !words.iter().any(|word| word == "-n") {
        words.splice(1..1, ["-n".to_owned(), namespace.to_owned()]);
    }
    let mut text = format!("hack/cluster {}", runnable::quoted(&words));
    if shown.words.iter().any(|word| word == "<") {
        text.push_str(" < ");
        text.push_str(&configuration.display().to_string());
    }
    if let Some(filters) = runnable::filters(shown) {
        text.push_str(" | ");
        text.push_str(&filters);
    }
    for (shown, name) in names {
        text = text.replace(shown, name);
    }
    text
}

async fn run(text: &str) -> Result<()> {
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", text])
        .current_dir(cluster::checkout())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{text} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
