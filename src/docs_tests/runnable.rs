//! Which commands of the pages the API tests (`e2e/api/docs.rs`) and the end-to-end tests (`e2e/docs.rs`) run,
//! and in which form. Pure.

use super::pages::Shown;

/// Verbs of kubectl that need a kubelet, a file or a plugin of the reader's, or change the reader's own settings.
const NEED_MORE: [&str; 11] = [
    "apply",
    "config",
    "cp",
    "debug",
    "exec",
    "file-integrity",
    "logs",
    "port-forward",
    "rollout",
    "run",
    "wait",
];
/// Verbs of kubectl that need a kubelet, and that the end-to-end tests run.
const NEED_A_KUBELET: [&str; 4] = ["exec", "logs", "rollout", "wait"];
/// Words of commands that a new cluster cannot run: the log of a container that was restarted, that of a
/// failure, a backup, and another namespace.
const NEED_A_PAST: [&str; 4] = ["--previous", "--since=", "backup-", "aide-cleanup"];
/// Kinds that only some clusters have.
const OF_OTHERS: [&str; 5] = [
    "csv",
    "installplan",
    "prometheusrule",
    "servicemonitor",
    "subscription",
];
/// Subcommands of fio that need no cluster.
const NEED_NOTHING: [&str; 5] = ["completion", "config", "crd", "man", "version"];
/// Programs that read the output of kubectl.
const FILTERS: [&str; 6] = ["base64", "grep", "gunzip", "jq", "sort", "uniq"];

/// Whether the API tests run the command, with everything that its output is piped to.
pub(super) fn is_run(command: &Shown) -> bool {
    let stages = stages(command);
    let Some((first, rest)) = stages.split_first() else {
        return false;
    };
    let starts = match first.first().map(String::as_str) {
        Some("kubectl") => harmless(first[1..].to_vec(), "namespace").is_some(),
        Some("fio") => needs_nothing(first),
        _ => false,
    };
    starts
        && rest
            .iter()
            .all(|stage| is_filter(stage) || needs_nothing(stage))
}

/// Whether the end-to-end tests run the command, with everything that its output is piped to.
pub(super) fn is_run_on_a_cluster(command: &Shown) -> bool {
    let stages = stages(command);
    let Some((first, rest)) = stages.split_first() else {
        return false;
    };
    let has = |words: &[&str]| {
        first
            .iter()
            .any(|word| words.iter().any(|part| word.contains(part)))
    };
    let verb = first
        .iter()
        .any(|word| NEED_A_KUBELET.contains(&word.as_str()));
    first.first().is_some_and(|program| program == "kubectl")
        && verb
        && !has(&NEED_A_PAST)
        && rest.iter().all(|stage| is_filter(stage))
}

/// The commands of a pipeline without their redirections; none for a list of commands.
pub(super) fn stages(command: &Shown) -> Vec<&[String]> {
    let is = |word: &String, operators: &[&str]| operators.contains(&word.as_str());
    if command
        .words
        .iter()
        .any(|word| is(word, &[";", "&", "(", ")"]))
    {
        return Vec::new();
    }
    let stages = command.words.split(|word| is(word, &["|"]));
    stages
        .map(|stage| {
            let end = stage.iter().position(|word| is(word, &["<", ">"]));
            &stage[..end.unwrap_or(stage.len())]
        })
        .collect()
}

/// Whether this is a command of fio that needs no cluster.
pub(super) fn needs_nothing(run: &[String]) -> bool {
    let subcommand = run.get(1).map(String::as_str);
    run.first().is_some_and(|program| program == "fio")
        && subcommand.is_some_and(|word| NEED_NOTHING.contains(&word))
}

fn is_filter(stage: &[String]) -> bool {
    stage
        .first()
        .is_some_and(|program| FILTERS.contains(&program.as_str()))
}

/// The arguments of kubectl in a form that changes nothing; none if the API tests cannot give them.
pub(super) fn harmless(mut run: Vec<String>, namespace: &str) -> Option<Vec<String>> {
    let has = |word: &str| run.iter().any(|known| known == word);
    if let Some(at) = run.iter().position(|word| word == "-k") {
        return Some(vec!["kustomize".to_owned(), run.get(at + 1)?.clone()]);
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

/// What the output is piped to, as text for a shell; none if that is nothing, or fio.
pub(super) fn filters(command: &Shown) -> Option<String> {
    let stages = stages(command);
    let filters = stages.get(1..).filter(|filters| !filters.is_empty())?;
    if !filters.iter().all(|stage| is_filter(stage)) {
        return None;
    }
    let texts: Vec<String> = filters.iter().map(|stage| quoted(stage)).collect();
    Some(texts.join(" | "))
}

/// The words as text for a shell.
pub(super) fn quoted(words: &[String]) -> String {
    let quote = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    let words: Vec<String> = words.iter().map(quote).collect();
    words.join(" ")
}
