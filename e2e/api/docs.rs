//! The commands of the pages and of the alerts: those of kubectl, sent to the API server, and those of
//! fio that need no cluster, given to the program. Those that need nodes or other programs are left out
//! (see [`NEED_MORE`]); the unit tests check all of them, without running any.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::json;

use self::pages::Shown;
use crate::harness::{Space, aide, changed, in_space, kubectl};
use crate::process::program;

#[expect(
    dead_code,
    reason = "links and places in sentences are the unit tests' matter"
)]
#[path = "../../src/docs_tests/pages.rs"]
mod pages;

/// Verbs of kubectl that need a kubelet, a file of the reader's, or change the reader's own settings.
const NEED_MORE: [&str; 10] = [
    "apply",
    "config",
    "cp",
    "debug",
    "exec",
    "logs",
    "port-forward",
    "rollout",
    "run",
    "wait",
];
/// Kinds that only some clusters have.
const OF_OTHERS: [&str; 4] = ["servicemonitor", "subscription", "installplan", "csv"];
/// Subcommands of fio that need no cluster.
const NEED_NOTHING: [&str; 5] = ["completion", "config", "crd", "man", "version"];

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
        config_maps(space, &nodes[0]).await?;
        // So that there is something to be seen of annotations.
        space.annotate(FI, "example", json!("")).await?;
        let file = tempfile::NamedTempFile::new()?;
        let (mut wrong, mut count) = (Vec::new(), 0);
        let of_pages = shown();
        let of_alerts = shown_by_alerts(&space.namespace, &nodes[0])?;
        for shown in of_pages.iter().chain(&of_alerts) {
            for run in shown.runs_of("kubectl") {
                let run: Vec<String> = run[1..]
                    .iter()
                    .map(|word| adapted(word, space, &nodes, file.path()))
                    .collect();
                let Some(args) = harmless(run, &space.namespace) else {
                    continue;
                };
                count += 1;
                wrong.extend(problem(&shown.place, &args).await);
            }
        }
        anyhow::ensure!(count > 60, "only {count} commands were given");
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        operator.stop().await
    })
    .await
}

/// Gives kubectl these arguments. A query by jsonpath has to print something.
async fn problem(place: &str, args: &[String]) -> Option<String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_query = args.iter().any(|word| word.starts_with("jsonpath="));
    match kubectl(&args, "").await {
        Err(error) => Some(format!("{place}: {error:#}")),
        Ok(text) if is_query && text.trim().is_empty() => {
            Some(format!("{place}: {args:?} prints nothing"))
        }
        Ok(_) => None,
    }
}

/// The commands of the alerts about this node and the FileIntegrity of the pages.
fn shown_by_alerts(namespace: &str, node: &str) -> anyhow::Result<Vec<Shown>> {
    let alerts = fio::testing::operator::monitoring_objects::alerts(namespace)?;
    let command = |alert: &serde_json::Value| {
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

/// ConfigMaps that the pages name: a failure log and a user's configuration.
async fn config_maps(space: &Space, node: &str) -> anyhow::Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("aide-{FI}-{node}-failed")},
            "data": {"integritylog": "a"}, "binaryData": {"report.json.gz": "YQ=="},
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

/// The command in a form that changes nothing; none where it cannot be given here.
fn harmless(mut run: Vec<String>, namespace: &str) -> Option<Vec<String>> {
    let has = |word: &str| run.iter().any(|known| known == word);
    if let Some(at) = run.iter().position(|word| word == "-k") {
        return Some(vec!["kustomize".to_owned(), run[at + 1].clone()]);
    }
    let is_of_others = |word: &String| OF_OTHERS.iter().any(|kind| word.starts_with(kind));
    if has("-f") || NEED_MORE.iter().any(|verb| has(verb)) || run.iter().any(is_of_others) {
        return None;
    }
    let changes = [
        "annotate", "cordon", "create", "delete", "drain", "label", "patch", "uncordon",
    ];
    if changes.iter().any(|verb| has(verb)) {
        run.push("--dry-run=server".to_owned());
    }
    if run.iter().any(|word| word == "delete") {
        run.push("--ignore-not-found".to_owned());
    }
    run.retain(|word| word != "-w");
    if !run.iter().any(|word| word == "-n") {
        run.splice(0..0, ["-n".to_owned(), namespace.to_owned()]);
    }
    Some(run)
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
            let needs_nothing = run
                .get(1)
                .is_some_and(|word| NEED_NOTHING.contains(&word.as_str()));
            if !needs_nothing {
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
