//! Tests of the pages: commands are valid, links have targets, reasons, error classes, labels and metrics are
//! explained, and each alert has a runbook.

mod health_checks;
mod markers;
mod pages;
mod runnable;
mod sources;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::Value;

pub(crate) use self::health_checks::argo_health;
use self::pages::{Page, Shown, checkout};
use crate::api::{AcceptanceReason, AcceptedReason};
use crate::cli::{Cli, parse_plugin};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::text::Format;

/// Fails with all problems at once.
fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

fn commands() -> Vec<Shown> {
    pages::all().iter().flat_map(Page::commands).collect()
}

#[test]
fn commands_of_fio_are_valid() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for shown in commands() {
        let as_plugin = shown.runs_of("kubectl").into_iter();
        let as_plugin =
            as_plugin.filter(|run| run.get(1).is_some_and(|word| word == "file-integrity"));
        let as_plugin = as_plugin.map(|run| {
            // kubectl runs the plugin with the words after its name.
            let words = [&["kubectl-file_integrity".to_owned()], &run[2..]].concat();
            parse_plugin(&words)
        });
        let as_fio = shown.runs_of("fio").into_iter();
        let as_fio = as_fio.map(|run| Cli::try_parse_from(run).map(|_| ()));
        for parsed in as_fio.chain(as_plugin) {
            count += 1;
            let Err(error) = parsed else {
                continue;
            };
            let is_incomplete = shown.in_sentence
                && matches!(
                    error.kind(),
                    ErrorKind::MissingRequiredArgument
                        | ErrorKind::MissingSubcommand
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                        // A placeholder, such as SHELL.
                        | ErrorKind::InvalidValue
                );
            let asks_for_help = error.kind() == ErrorKind::DisplayHelp;
            if !is_incomplete && !asks_for_help {
                let first = error.to_string();
                let first = first.lines().next().unwrap_or_default().to_owned();
                wrong.push(format!("{}: {first}", shown.described()));
            }
        }
    }
    assert!(count > 20, "only {count} commands were found");
    assert_none("commands that fio does not accept", &wrong);
}

#[test]
fn targets_and_variables_of_make_exist() {
    let makefile = std::fs::read_to_string(checkout().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(": ## ").or_else(|| line.split_once(": ")))
        .map(|(name, _)| name)
        .collect();
    let variables: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(" ?=").map(|(name, _)| name))
        .collect();
    let (mut wrong, mut given) = (Vec::new(), BTreeSet::new());
    for shown in commands() {
        for run in shown.runs_of("make") {
            for word in run[1..].iter().filter(|word| !word.starts_with('-')) {
                let is_known = if let Some((name, _)) = word.split_once('=') {
                    variables.contains(name)
                } else {
                    given.insert(word.clone());
                    targets.contains(word.as_str())
                };
                if !is_known {
                    wrong.push(format!("{}: no {word}", shown.described()));
                }
            }
        }
    }
    assert!(given.len() > 10, "only {given:?} were found");
    assert_none("targets and variables that do not exist", &wrong);
    let plan = Command::new("make")
        .arg("--dry-run")
        .args(&given)
        .arg("VERSION=9.9.9")
        .current_dir(checkout())
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&plan.stderr);
    assert!(plan.status.success(), "make --dry-run: {stderr}");
}

#[test]
fn scripts_and_manifests_exist() {
    let mut wrong = Vec::new();
    for shown in commands() {
        let of_checkout =
            |word: &&String| word.starts_with("hack/") || word.starts_with("manifests/");
        for word in shown.words.iter().filter(of_checkout) {
            if !checkout().join(word).exists() {
                wrong.push(format!("{}: no {word}", shown.described()));
            }
        }
    }
    assert_none("files that do not exist", &wrong);
}

#[test]
fn commands_of_kubectl_use_existing_keys() {
    let known = sources::keys();
    let mut wrong = Vec::new();
    let mut count = 0;
    for shown in commands() {
        for run in shown.runs_of("kubectl") {
            count += 1;
            let keys = run.iter().filter_map(|word| {
                let (_, rest) = word.split_once(sources::KEY_PREFIX)?;
                let is_of_key = |c: char| c.is_ascii_lowercase() || c == '-';
                let name = rest.split(|c| !is_of_key(c)).next().unwrap_or_default();
                // `key-` removes an annotation.
                Some(format!(
                    "{}{}",
                    sources::KEY_PREFIX,
                    name.trim_end_matches('-')
                ))
            });
            for key in keys.filter(|key| !known.contains(key)) {
                wrong.push(format!("{}: no {key}", shown.described()));
            }
            let is_name = shown.in_sentence && run.len() == 1;
            if !is_name && !run.iter().any(|word| is_verb(word)) {
                wrong.push(format!("{}: no verb of kubectl", shown.described()));
            }
        }
    }
    assert!(count > 50, "only {count} commands were found");
    assert_none("commands of kubectl", &wrong);
}

fn is_verb(word: &str) -> bool {
    const VERBS: &str = "annotate api-resources apply auth config cordon cp create debug delete describe \
                         drain edit events exec explain file-integrity get kustomize label logs patch port-forward replace rollout run \
                         scale set uncordon version wait";
    VERBS.split_whitespace().any(|verb| verb == word)
}

#[test]
fn every_block_of_commands_names_the_test_that_runs_it_or_the_reason_why_none_does() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages::all().iter().filter(|page| page.is_for_users()) {
        for block in page.blocks() {
            count += 1;
            let problems = markers::problems(&block);
            wrong.extend(
                problems
                    .iter()
                    .map(|problem| format!("{}: {problem}", block.place)),
            );
        }
    }
    assert!(count > 80, "only {count} blocks were found");
    assert_none("blocks of commands", &wrong);
}

#[test]
fn links_have_targets() {
    let pages = pages::all();
    let mut wrong = Vec::new();
    for page in &pages {
        for (place, file, anchor) in page.links() {
            let target = if file.is_empty() {
                page.path.clone()
            } else {
                normal(&page.path.with_file_name(file))
            };
            let linked = pages.iter().find(|page| page.path == target);
            let exists = match linked {
                Some(linked) => {
                    anchor.is_empty() || linked.anchors().iter().any(|known| known == anchor)
                }
                None => anchor.is_empty() && checkout().join(&target).exists(),
            };
            if !exists {
                wrong.push(format!("{place}: {file}#{anchor}"));
            }
        }
    }
    assert_none("links without target", &wrong);
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[test]
fn every_page_is_in_the_index() {
    let pages = pages::all();
    let index = page_of(&pages, "docs/README.md");
    let linked: BTreeSet<PathBuf> = index
        .links()
        .into_iter()
        .map(|(_, file, _)| normal(&Path::new("docs").join(file)))
        .collect();
    let missing: Vec<String> = pages
        .iter()
        .map(|page| &page.path)
        .filter(|path| path.starts_with("docs") && **path != index.path && !linked.contains(*path))
        .map(|path| path.display().to_string())
        .collect();
    assert_none("pages that are not in the index", &missing);
}

/// The text of all pages below docs/.
fn explained() -> String {
    pages::all()
        .into_iter()
        .filter(|page| page.path.starts_with("docs"))
        .map(|page| page.text)
        .collect()
}

/// Whether the text contains this word, not only as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

fn assert_explained(what: &str, words: impl IntoIterator<Item = String>, at_least: usize) {
    let text = explained();
    let words: Vec<String> = words.into_iter().collect();
    assert!(words.len() >= at_least, "only {words:?} were found");
    let missing: Vec<String> = words
        .into_iter()
        .filter(|word| !has_word(&text, word))
        .collect();
    assert_none(what, &missing);
}

#[test]
fn reasons_are_explained() {
    let reasons = sources::reasons();
    for known in [
        "NodesSilent",
        "NodesShutOut",
        "BaselineTampered",
        "Refused",
        "PriorityClass",
    ] {
        assert!(reasons.contains(known), "{known} was not found");
    }
    assert_explained("reasons that no page explains", reasons, 25);
}

/// The page with this path.
fn page_of<'a>(pages: &'a [Page], path: &str) -> &'a Page {
    let page = pages.iter().find(|page| page.path == Path::new(path));
    page.unwrap_or_else(|| panic!("no {path}"))
}

/// The tables below this heading of docs/results.md.
fn rows_of_results<'a>(pages: &'a [Page], heading: &str) -> Vec<Vec<&'a str>> {
    page_of(pages, "docs/results.md").table_rows(heading)
}

#[test]
fn the_table_of_events_has_exactly_the_reasons_of_events() {
    let pages = pages::all();
    let rows = rows_of_results(&pages, "## Events");
    // After the heading and the line below it.
    let listed: BTreeSet<String> = rows
        .iter()
        .skip(2)
        .flat_map(|cells| cells[0].split(", ").map(str::to_owned))
        .collect();
    assert_eq!(listed, sources::event_reasons());
}

#[test]
fn the_table_of_accepted_changes_has_exactly_the_reasons_of_new_baselines() {
    let pages = pages::all();
    let page = page_of(&pages, "docs/reinit.md");
    let rows = page.table_rows("## What a new baseline accepts");
    let is_reason = |cell: &str| cell != "Field" && !cell.contains(['`', '-']);
    let cells = rows.iter().map(|cells| cells[0]);
    let listed: BTreeSet<&str> = cells.filter(|cell| is_reason(cell)).collect();
    let reasons = AcceptedReason::ALL.iter().map(|reason| reason.as_str());
    assert_eq!(listed, reasons.collect());
}

#[test]
fn the_table_of_conditions_has_exactly_the_types_and_their_reasons() {
    let pages = pages::all();
    let rows = rows_of_results(&pages, "## The FileIntegrity");
    let types = sources::condition_types();
    let of_conditions = || rows.iter().filter(|cells| types.contains(cells[0]));
    let listed: BTreeSet<String> = of_conditions().map(|cells| cells[0].to_owned()).collect();
    assert_eq!(listed, types);
    let reasons: BTreeSet<String> = of_conditions()
        .flat_map(|cells| cells[1].split(", "))
        .filter_map(|reason| Some(reason.split(' ').next()?.to_owned()))
        .collect();
    assert_eq!(reasons, sources::condition_reasons());
}

#[test]
fn the_table_of_conditions_of_acceptances_has_exactly_their_reasons() {
    let pages = pages::all();
    let rows = page_of(&pages, "docs/accepting-changes.md").table_rows("## Conditions");
    let listed: BTreeSet<&str> = rows.iter().skip(2).map(|cells| cells[1]).collect();
    let reasons = AcceptanceReason::ALL.iter().map(|reason| reason.as_str());
    assert_eq!(listed, reasons.collect());
}

#[test]
fn error_classes_are_explained() {
    assert_explained(
        "error classes that no page explains",
        sources::error_classes(),
        25,
    );
}

#[test]
fn labels_and_annotations_are_explained() {
    let names = sources::keys()
        .into_iter()
        .map(|key| key.trim_start_matches(sources::KEY_PREFIX).to_owned());
    assert_explained("labels and annotations that no page explains", names, 15);
}

#[test]
fn metrics_are_explained() {
    let fleet = include_str!(
        "telemetry/metrics/snapshots/fio__telemetry__metrics__tests__all_metrics_as_text.snap"
    );
    let own = Metrics::new().fleet_text(Format::Plain, true);
    // Others are the standard metrics of the process.
    let names = fleet.lines().chain(own.lines()).filter_map(|line| {
        let name = line.strip_prefix("# TYPE ")?.split(' ').next()?;
        Some(name.to_owned()).filter(|name| name.starts_with("file_integrity_operator"))
    });
    assert_explained("metrics that no page explains", names, 22);
}

const NAMESPACE: &str = "openshift-file-integrity";
const MONITORING_PAGE: &str = "docs/monitoring.md";

/// Name, labels and annotations of each alert.
fn alerts() -> Vec<(String, Value, Value)> {
    let alerts = crate::operator::monitoring_objects::alerts(NAMESPACE).unwrap();
    assert!(alerts.len() > 10, "only {} alerts", alerts.len());
    alerts
        .into_iter()
        .map(|mut alert| {
            let name = alert["alert"].as_str().unwrap().to_owned();
            (name, alert["labels"].take(), alert["annotations"].take())
        })
        .collect()
}

#[test]
fn the_table_of_alerts_has_exactly_the_alerts_and_their_severities() {
    let pages = pages::all();
    let rows = page_of(&pages, MONITORING_PAGE).table_rows("## Alerts");
    // After the heading and the line below it.
    let listed: BTreeSet<(String, String)> = rows
        .iter()
        .skip(2)
        .map(|cells| {
            let name = cells[0].trim_start_matches('[').split(']').next();
            (name.unwrap_or_default().to_owned(), cells[2].to_owned())
        })
        .collect();
    let severity = |labels: &Value| labels["severity"].as_str().unwrap().to_owned();
    let of_rules: BTreeSet<(String, String)> = alerts()
        .into_iter()
        .map(|(name, labels, _)| (name, severity(&labels)))
        .collect();
    assert_eq!(listed, of_rules);
}

#[test]
fn the_runbook_of_each_alert_exists() {
    let pages = pages::all();
    let page = page_of(&pages, MONITORING_PAGE);
    let anchors = page.anchors();
    let mut wrong = Vec::new();
    for (name, _, annotations) in alerts() {
        let url = annotations["runbook_url"].as_str().unwrap_or_default();
        let exists = url.rsplit_once('#').is_some_and(|(target, anchor)| {
            target.ends_with(MONITORING_PAGE) && anchors.iter().any(|known| known == anchor)
        });
        if !exists {
            wrong.push(format!("{name}: {url:?}"));
        }
    }
    assert_none("alerts without a runbook", &wrong);
}

#[test]
fn the_runbook_of_each_alert_begins_with_its_command_and_answers_all_questions() {
    const QUESTIONS: [&str; 5] = [
        "**What it means.**",
        "**What to do first.**",
        "**Likely causes.**",
        "**How to resolve it.**",
        "**When to ignore it.**",
    ];
    let pages = pages::all();
    let page = page_of(&pages, MONITORING_PAGE);
    let mut wrong = Vec::new();
    for (name, _, annotations) in alerts() {
        let command = annotations["next_step"].as_str().unwrap_or_default();
        let command = command
            .replace("{{ $labels.node }}", "node1")
            .replace("{{ $labels.file_integrity }}", "example-fileintegrity");
        if !command.starts_with("kubectl ") || command.contains("{{") {
            wrong.push(format!("{name}: the command is {command:?}"));
        }
        let section = page.section(&format!("### {name}"));
        let answers: Vec<usize> = QUESTIONS
            .iter()
            .filter_map(|question| section.find(question))
            .collect();
        if answers.len() != QUESTIONS.len() || !answers.is_sorted() {
            wrong.push(format!("{name}: the questions of a runbook"));
        }
        let first = section
            .split_once("```\n")
            .and_then(|(_, rest)| rest.lines().next());
        if first != Some(command.as_str()) {
            wrong.push(format!("{name}: {first:?} is not {command:?}"));
        }
    }
    assert_none("runbooks", &wrong);
}

#[test]
fn commands_are_split_into_words_like_in_a_shell() {
    let text = r#"kubectl -n x exec -i d -- fio config check - < "a b" | sed 's/|/x/' # why"#;
    assert_eq!(
        pages::words(text),
        [
            "kubectl", "-n", "x", "exec", "-i", "d", "--", "fio", "config", "check", "-", "<",
            "a b", "|", "sed", "s/|/x/",
        ]
    );
}
