//! The commands of the pages and of the alerts: those of kubectl, sent to the API server with what their
//! output is piped to, and those of fio that need no cluster, given to the program. A command that changes
//! something is a dry run. Those that need nodes or other programs are left out (see [`runnable`]); the
//! unit tests check all of them, without running any.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use fio::testing::api::{FileIntegrity, names};
use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use self::pages::Shown;
use crate::harness::{Space, aide, changed, in_space, kubectl, output};
use crate::process::program;

#[expect(
    dead_code,
    reason = "links and places in sentences are the unit tests' matter"
)]
#[path = "../../src/docs_tests/pages.rs"]
mod pages;
#[expect(dead_code, reason = "some functions are for the end-to-end tests")]
#[path = "../../src/docs_tests/runnable.rs"]
mod runnable;

/// The commands in blocks of code, of all pages.
fn shown() -> Vec<Shown> {
    let commands = pages::all().into_iter().flat_map(|page| page.commands());
    commands.filter(|shown| !shown.in_sentence).collect()
}

#[tokio::test]
async fn the_api_accepts_the_kubectl_commands_of_the_pages() -> anyhow::Result<()> {
    in_space("docs", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active(FI, json!({})).await?;
        for daemon in &mut daemons {
            daemon.finds(&changed()).await?;
        }
        // The pages show the change set of the nodes. Only the operator writes it.
        let has_sets = |fi: &FileIntegrity| {
            let status = fi.status.as_ref();
            status.is_some_and(|status| !status.change_sets.is_empty())
        };
        space.until_is(FI, "a change set", has_sets).await?;
        config_maps(space, &nodes[0]).await?;
        acceptance(space).await?;
        // So that there is something to be seen of annotations.
        space.annotate(FI, "example", json!("")).await?;
        let file = tempfile::NamedTempFile::new()?;
        let (mut wrong, mut count, mut piped) = (Vec::new(), 0, 0);
        let of_pages = shown();
        let of_alerts = shown_by_alerts(&space.namespace, &nodes[0])?;
        let all = of_pages.iter().chain(&of_alerts);
        for shown in all.filter(|shown| runnable::is_run(shown)) {
            for run in shown.runs_of("kubectl") {
                let run: Vec<String> = run[1..]
                    .iter()
                    .map(|word| adapted(word, space, &nodes, file.path()))
                    .collect();
                let Some(args) = runnable::harmless(run, &space.namespace) else {
                    continue;
                };
                count += 1;
                match problem_or_output(&shown.place, &args).await {
                    Err(problem) => wrong.push(problem),
                    Ok(text) => {
                        let Some(filters) = runnable::filters(shown) else {
                            continue;
                        };
                        piped += 1;
                        let filters = adapted(&filters, space, &nodes, file.path());
                        if let Err(error) = filtered(&text, &filters).await {
                            wrong.push(format!("{}: {error:#}", shown.place));
                        }
                    }
                }
            }
        }
        anyhow::ensure!(count > 50, "only {count} commands were given");
        anyhow::ensure!(piped > 10, "only {piped} outputs were piped");
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        operator.stop().await
    })
    .await
}

/// Gives kubectl these arguments. A query by jsonpath has to print something.
async fn problem_or_output(place: &str, args: &[String]) -> Result<String, String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_query = args.iter().any(|word| word.starts_with("jsonpath="));
    match kubectl(&args, "").await {
        Err(error) => Err(format!("{place}: {error:#}")),
        Ok(text) if is_query && text.trim().is_empty() => {
            Err(format!("{place}: {args:?} prints nothing"))
        }
        Ok(text) => Ok(text),
    }
}

/// The commands of the alerts about this node and the FileIntegrity of the pages.
fn shown_by_alerts(namespace: &str, node: &str) -> anyhow::Result<Vec<Shown>> {
    let alerts = fio::testing::operator::monitoring_objects::alerts(namespace)?;
    let command = |alert: &Value| {
        let name = alert["alert"].as_str().context("no name")?;
        let text = alert["annotations"]["next_step"].as_str();
        let text = text.with_context(|| format!("{name} has no command"))?;
        let text = text
            .replace("{{ $labels.node }}", node)
            .replace("{{ $labels.file_integrity }}", FI);
        anyhow::ensure!(!text.contains("{{"), "{name}: {text}");
        Ok(Shown {
            place: name.to_owned(),
            words: pages::words(&text),
            in_sentence: false,
        })
    };
    alerts.iter().map(command).collect()
}

/// The FileIntegrity of the pages.
const FI: &str = "example-fileintegrity";

/// Pipes the text to these commands.
async fn filtered(text: &str, filters: &str) -> anyhow::Result<String> {
    let arguments = ["-o", "pipefail", "-c", filters];
    output(Path::new("bash"), &arguments, text, &[]).await
}

/// As in a failure log: compressed, and encoded in base64.
fn compressed(text: &str) -> anyhow::Result<Value> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    Ok(serde_json::to_value(ByteString(encoder.finish()?))?)
}

/// ConfigMaps that the pages name: a failure log and a user's configuration.
async fn config_maps(space: &Space, node: &str) -> anyhow::Result<()> {
    let report = json!({"number_of_entries": {"total": 1}, "added": {}}).to_string();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": format!("aide-{FI}-{node}-failed"),
                "labels": {names::Label::RESULT_LOG: "", names::Label::NODE: node},
            },
            "data": {"integritylog": compressed("a report")?},
            "binaryData": {"report.json.gz": compressed(&report)?},
        },
        {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "myconf"}, "data": {"aide-conf": "/etc p"},
        },
    ]});
    kubectl(
        &["-n", &space.namespace, "apply", "-f", "-"],
        &list.to_string(),
    )
    .await?;
    Ok(())
}

/// The acceptance of the pages, of a set that no node shows.
async fn acceptance(space: &Space) -> anyhow::Result<()> {
    let who = "jsonpath={.status.userInfo.username}";
    let user = kubectl(&["auth", "whoami", "-o", who], "").await?;
    let object = json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1",
        "kind": "FileIntegrityAcceptance",
        "metadata": {"name": "openssl-rhsa-2026-4711"},
        "spec": {
            "fileIntegrity": FI,
            "changeSet": "0".repeat(64),
            "reason": "openssl, RHSA-2026:4711",
            "approvedBy": {"username": user.trim()},
        },
    });
    kubectl(
        &["-n", &space.namespace, "create", "-f", "-"],
        &object.to_string(),
    )
    .await?;
    Ok(())
}

/// A word of a page with this test's names in it.
fn adapted(word: &str, space: &Space, nodes: &[String; 2], file: &Path) -> String {
    word.replace("node1", &nodes[0])
        .replace("node2", &nodes[1])
        .replace("NODE", &nodes[0])
        .replace("openshift-file-integrity", &space.namespace)
        .replace(
            "--from-file=aide.conf",
            &format!("--from-file=aide.conf={}", file.display()),
        )
}

#[tokio::test]
async fn the_fio_commands_of_the_pages_succeed() -> anyhow::Result<()> {
    let aide = aide().await?;
    let dir = tempfile::tempdir()?;
    let fio = |args: &[String]| {
        let mut command = Command::new(program());
        command
            .args(args)
            .current_dir(dir.path())
            .env("FIO_AIDE", &aide);
        command
    };
    let profile = fio(&["config".to_owned(), "default".to_owned()]).output()?;
    for name in ["aide.conf", "old.conf"] {
        fs::write(dir.path().join(name), &profile.stdout)?;
    }
    let mut count = 0;
    for shown in shown() {
        for run in shown.runs_of("fio") {
            if !runnable::needs_nothing(run) {
                continue;
            }
            count += 1;
            let mut args = run[1..].to_vec();
            if args[0] == "man" {
                args[1] = dir.path().join("man").display().to_string();
            }
            let input = fs::File::open(dir.path().join("aide.conf"))?;
            let output = fio(&args)
                .stdin(Stdio::from(input))
                .output()
                .with_context(|| shown.described())?;
            // 1: a path is not watched, as some pages show.
            let printed = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(
                matches!(output.status.code(), Some(0 | 1)) && !printed.starts_with("fio:"),
                "{}: {:?}: {printed}",
                shown.described(),
                output.status
            );
        }
    }
    anyhow::ensure!(count > 5, "only {count} commands were given");
    Ok(())
}
