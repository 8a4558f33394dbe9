//! `completion`: what kubectl completes on the command line of the plugin.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};

use super::connection::Connection;
use crate::plugin::completion::{Candidate, Kind, candidates, cluster_options, lines};
use crate::plugin::failure::{Failure, WELL};
use crate::plugin::fleet::Fleet;

/// The program that kubectl runs for the completion.
const PROGRAM: &str = "kubectl_complete-file_integrity";
const SCRIPT: &str = "\
#!/bin/sh
# Completion of kubectl file-integrity, for kubectl 1.26 or later.
exec kubectl-file_integrity __complete \"$@\"
";
/// A user who waits for a completion does not wait long.
const TIMEOUT: Duration = Duration::from_secs(3);

const HELP: &str = "\
kubectl completes the commands of a plugin with a program of its own. The completion of kubectl itself must be active, see
kubectl completion --help.

Examples:
  kubectl file-integrity completion --install
  kubectl file-integrity completion --install ~/.local/bin";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Write the program to a directory. Without this option, it is printed
    #[arg(long)]
    install: bool,
    /// The directory, which must be in PATH [default: that of the plugin]
    #[arg(value_name = "DIR", requires = "install")]
    directory: Option<PathBuf>,
}

/// The options that choose a cluster.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Cluster {
    #[command(flatten)]
    connection: Connection,
}

/// Prints or installs the program. `plugin` is the path by which kubectl has called this one.
pub(super) fn run(args: &Args, plugin: &Path) -> Result<u8, Failure> {
    if !args.install {
        super::print(SCRIPT)?;
        return Ok(WELL);
    }
    let directory = args.directory.as_deref().or_else(|| plugin.parent());
    let directory = directory.filter(|it| !it.as_os_str().is_empty());
    let directory = directory.ok_or_else(|| {
        Failure::Other("the directory of the plugin is not known: --install DIR".to_owned())
    })?;
    let path = directory.join(PROGRAM);
    install(&path).map_err(|error| Failure::Other(format!("write {}: {error}", path.display())))?;
    super::print(&format!("{} installed\n", path.display()))?;
    Ok(WELL)
}

/// Replaces the file, if there is one, so that no shell runs a part of it.
fn install(path: &Path) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, SCRIPT)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
    }
    std::fs::rename(&new, path)
}

/// The answer to kubectl for these words, the last of which is to be completed.
pub(super) fn answer(words: &[OsString]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let Some((last, before)) = words.split_last() else {
        return lines(&[], "");
    };
    let options = cluster_options(before);
    let read = move |kind| read(kind, &options).unwrap_or_default();
    let all = [super::AS_PLUGIN.to_owned()].into_iter();
    let all: Vec<OsString> = all.chain(words.clone()).map(OsString::from).collect();
    let index = all.len() - 1;
    let found = complete(&mut with_names(read), all, index, None).unwrap_or_default();
    let found: Vec<Candidate> = found
        .into_iter()
        .map(|candidate| Candidate {
            value: candidate.get_value().to_string_lossy().into_owned(),
            description: candidate
                .get_help()
                .map(|help| {
                    help.to_string()
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })
                .unwrap_or_default(),
        })
        .collect();
    lines(&found, last)
}

/// The command line of the plugin, with the names that `read` finds in the cluster.
fn with_names(
    read: impl Fn(Kind) -> Vec<Candidate> + Clone + Send + Sync + 'static,
) -> clap::Command {
    super::Plugin::command().mut_subcommands(|command| {
        command.mut_args(|argument| {
            let name = argument.get_value_names().and_then(<[_]>::first);
            let kind = match (
                argument.get_id().as_str(),
                name.map(clap::builder::Str::as_str),
            ) {
                (_, Some("SET|NODE")) => Kind::SetOrNode,
                (_, Some("NODE" | "NODE,...")) | ("node", _) => Kind::Node,
                ("file_integrity", _) => Kind::Integrity,
                ("acceptance", _) => Kind::Acceptance,
                _ => return argument,
            };
            let read = read.clone();
            argument.add(ArgValueCompleter::new(move |current: &OsStr| {
                let current = current.to_string_lossy();
                let names = read(kind).into_iter();
                names
                    .filter(|name| name.value.starts_with(current.as_ref()))
                    .map(|name| {
                        let help = Some(name.description.into());
                        CompletionCandidate::new(name.value).help(help)
                    })
                    .collect()
            }))
        })
    })
}

/// The names in the cluster. Whatever cannot be read is not completed.
fn read(kind: Kind, options: &[String]) -> Option<Vec<Candidate>> {
    let cluster = Cluster::try_parse_from(options).ok()?;
    let fleet = async {
        let read = async {
            let reader = cluster.connection.reader(false).await.ok()?;
            match kind {
                Kind::SetOrNode | Kind::Node => reader.nodes().await.ok(),
                Kind::Integrity => reader.integrities_and_nodes().await.ok(),
                Kind::Acceptance => Some(Fleet {
                    acceptances: Some(reader.open_acceptances().await.ok()?.0),
                    ..Fleet::default()
                }),
            }
        };
        Ok(tokio::time::timeout(TIMEOUT, read).await.ok().flatten())
    };
    let fleet = crate::cli::block_on(fleet).ok().flatten()?;
    Some(candidates(kind, &fleet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(words: &[&str]) -> Vec<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let text = answer(&words);
        let lines = text.lines();
        let values = lines.map(|line| line.split('\t').next().unwrap_or_default());
        values.map(str::to_owned).collect()
    }

    #[test]
    fn commands_options_and_values_are_completed() {
        let commands = values(&[""]);
        for command in ["status", "changes", "accept", "wait", "completion"] {
            assert!(commands.contains(&command.to_owned()), "{commands:?}");
        }
        assert!(
            !commands.iter().any(|it| it.starts_with('-')),
            "{commands:?}"
        );
        assert_eq!(values(&["cha"]), ["changes", ":4"]);
        assert_eq!(values(&["accept", "x", "--rea"]), ["--reason", ":4"]);
        assert_eq!(
            values(&["wait", "--for", "a"]),
            ["active", "accepted", ":4"]
        );
        assert_eq!(values(&["changes", "x", "--kind", "re"]), ["removed", ":4"]);
        assert_eq!(values(&["-n", "x", "lo"]), ["logs", ":4"]);
        assert_eq!(values(&[]), [":4"]);
    }

    #[test]
    fn names_are_those_of_the_cluster() {
        let read = |kind: Kind| {
            let value = format!("{kind:?}");
            vec![Candidate {
                value,
                description: "x".to_owned(),
            }]
        };
        let first = |words: &[&str]| {
            let all = [&["p"], words].concat();
            let all: Vec<OsString> = all.iter().map(OsString::from).collect();
            let index = all.len() - 1;
            let found = complete(&mut with_names(read), all, index, None).unwrap();
            let first = found
                .first()
                .map(|it| it.get_value().to_string_lossy().into_owned());
            first.unwrap_or_default()
        };
        let table = [
            (&["changes", "S"][..], "SetOrNode"),
            (&["accept", ""], "SetOrNode"),
            (&["diff", "a", "S"], "SetOrNode"),
            (&["logs", "N"], "Node"),
            (&["hold", "a", "N"], "Node"),
            (&["reinit", "N"], "Node"),
            (&["scan", "N"], "Node"),
            (&["wait", "--for", "ok", "N"], "Node"),
            (&["accept", "a", "--nodes", "N"], "Node"),
            (&["changes", "--file-integrity", "I"], "Integrity"),
            (&["wait", "--acceptance", "A"], "Acceptance"),
        ];
        for (words, kind) in table {
            assert_eq!(first(words), kind, "{words:?}");
        }
    }

    #[test]
    fn the_program_is_installed_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let plugin = directory.path().join("kubectl-file_integrity");
        let args = Args {
            install: true,
            directory: None,
        };
        for _ in 0..2 {
            assert_eq!(run(&args, &plugin).unwrap(), WELL);
        }
        let names = std::fs::read_dir(directory.path()).unwrap();
        let names: Vec<OsString> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [PROGRAM]);
        assert!(run(&args, Path::new("kubectl-file_integrity")).is_err());
    }
}
