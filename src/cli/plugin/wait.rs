//! `wait`: for pipelines.

use std::io::Write as _;
use std::time::Duration;

use clap::ValueEnum;

use super::connection::{Connection, timeout};
use super::poll::{Step, TIMED_OUT, until};
use crate::plugin::accept::Outcome;
use crate::plugin::annotation::targets;
use crate::plugin::failure::{DIFFERENCES, Failure, WELL};
use crate::plugin::fleet::{Fleet, Owner};
use crate::plugin::read::Reader;
use crate::plugin::wait::{Goal, Start, Verdict, assess};

const HELP: &str = "\
  ok        all nodes were scanned, and nothing differs: status has the exit status 0
  active    all FileIntegrities have the phase Active
  scanned   each node has completed a scan of all files since the command was started, and those that scan has requested
  accepted  the acceptances of --acceptance have ended; without it, those that are open when the command is started

Examples:
  kubectl file-integrity wait --for active --timeout 15m
  kubectl file-integrity wait --for scanned,ok --timeout 1h

Exit status:
  0  everything is so
  1  it will not be: an acceptance was refused or has failed; after `scanned`, files differ or a node cannot be scanned
  2  there is no such node or acceptance, or a right is missing
  124  --timeout is over. The last state is on standard error, also if the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// Only these nodes [default: all]
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// What to wait for: all of it
    #[arg(
        long = "for",
        value_enum,
        value_name = "WHAT,...",
        value_delimiter = ',',
        required = true
    )]
    goals: Vec<What>,
    /// Name of an acceptance. Repeatable
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    acceptance: Vec<String>,
    /// Only nodes with these labels
    #[arg(long, short = 'l', value_name = "LABELS")]
    selector: Option<String>,
    /// Only this FileIntegrity
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    /// Longest time to wait, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = timeout, default_value = "10m")]
    timeout: Duration,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Ok,
    Active,
    Accepted,
    Scanned,
}

pub(super) async fn run(args: Args) -> Result<u8, Failure> {
    let mut reader = args.connection.reader(false).await?;
    reader.selector.clone_from(&args.selector);
    let goals = args.goals.iter().map(|what| match what {
        What::Ok => Goal::Ok,
        What::Active => Goal::Active,
        What::Accepted => Goal::Accepted,
        What::Scanned => Goal::Scanned,
    });
    let goals: Vec<Goal> = goals.collect();
    let mut beginning = None;
    let verdict = until(args.timeout, async || {
        let fleet = chosen(&args, &reader).await?;
        if beginning.is_none() {
            let acceptances = acceptances(&args, &reader, &goals).await?;
            beginning = Some((Start::of(&fleet), acceptances));
        }
        let Some((start, acceptances)) = &beginning else {
            return Ok(Step::Waiting(String::new()));
        };
        let mut outcomes = Vec::new();
        for Owner { namespace, name } in acceptances {
            let object = reader.acceptance(namespace, name).await?;
            outcomes.push((name.clone(), Outcome::of(&object)));
        }
        Ok(match assess(&goals, &fleet, start, &outcomes) {
            Verdict::NotYet(state) => Step::Waiting(state),
            end => Step::Done(end),
        })
    });
    Ok(match verdict.await? {
        None => TIMED_OUT,
        Some(Verdict::Impossible(reason)) => {
            writeln!(std::io::stderr(), "{reason}").ok();
            DIFFERENCES
        }
        Some(_) => WELL,
    })
}

/// The chosen nodes and FileIntegrities.
async fn chosen(args: &Args, reader: &Reader) -> Result<Fleet, Failure> {
    let mut fleet = reader.integrities_and_nodes().await?;
    if let Some(name) = &args.file_integrity {
        fleet.integrities.retain(|it| it.owner.name == *name);
        fleet.nodes.retain(|node| node.owner.name == *name);
    }
    if !args.nodes.is_empty() {
        let targets = targets(&fleet, &args.nodes, None).map_err(Failure::Other)?;
        let of = |owner: &Owner| targets.iter().find(|target| target.owner == *owner);
        fleet.integrities.retain(|it| of(&it.owner).is_some());
        fleet
            .nodes
            .retain(|node| of(&node.owner).is_some_and(|target| target.nodes.contains(&node.name)));
    }
    Ok(fleet)
}

/// Namespaces and names of the acceptances to wait for.
async fn acceptances(args: &Args, reader: &Reader, goals: &[Goal]) -> Result<Vec<Owner>, Failure> {
    if !goals.contains(&Goal::Accepted) {
        return Ok(Vec::new());
    }
    if !args.acceptance.is_empty() {
        let namespace = reader.namespace.as_ref().map(ToString::to_string);
        let namespace = namespace.unwrap_or_default();
        let names = args.acceptance.iter().map(|name| Owner {
            namespace: namespace.clone(),
            name: name.clone(),
        });
        return Ok(names.collect());
    }
    let (open, _) = reader.open_acceptances().await?;
    let is_of = |name: &str| args.file_integrity.as_deref().is_none_or(|it| it == name);
    let open = open.into_iter().filter(|it| is_of(&it.owner.name));
    Ok(open
        .map(|acceptance| Owner {
            namespace: acceptance.owner.namespace,
            name: acceptance.name,
        })
        .collect())
}
