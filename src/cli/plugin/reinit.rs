//! `reinit`: requests new baselines.

use std::time::Duration;

use super::connection::{Connection, timeout};
use super::poll::{Step, TIMED_OUT, until};
use super::terminal::is_confirmed;
use crate::api::names::Annotation;
use crate::plugin::annotation::{targets, with};
use crate::plugin::changes::Filter;
use crate::plugin::changes::text::text as text_of_changes;
use crate::plugin::failure::{DIFFERENCES, Failure, WELL};
use crate::plugin::read::Reader;
use crate::plugin::reinit::text::{WARNING, preview, question};
use crate::plugin::reinit::{Scope, done};
use crate::plugin::safe::message;
use crate::plugin::screen::{Screen, Tone, counted};

/// Number of sets whose changes are shown, and of the changes of each.
const MAX_SETS: usize = 3;
const MAX_SHOWN: usize = 10;

const HELP: &str = "\
It sets the annotation re-init of the FileIntegrity. To accept only what you have reviewed, use accept.

Exit status:
  0  the new baselines were requested; with --wait: they are in place
  1  you did not confirm
  2  there is no such node, or a right is missing
  3  the API server cannot be reached
  124  --timeout is over";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// Names of nodes [default: all nodes of the FileIntegrity]
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Only this FileIntegrity [default: all that watch the nodes]
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    /// Wait until the new baselines are in place
    #[arg(long)]
    wait: bool,
    /// Longest time to wait, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = timeout, default_value = "10m", requires = "wait")]
    timeout: Duration,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args, program: &str) -> Result<u8, Failure> {
    let reader = args.connection.reader(false).await?;
    let fleet = reader.integrities_and_nodes().await?;
    let targets = targets(&fleet, &args.nodes, args.file_integrity.as_deref());
    let targets = targets.map_err(Failure::Other)?;
    let scopes: Vec<Scope<'_>> = targets
        .iter()
        .map(|target| Scope::of(&fleet, target))
        .collect();
    let screen = args.connection.screen(program);
    for scope in &scopes {
        show(&reader, scope, &screen).await?;
    }
    super::print(&format!("{}\n", screen.paint(Tone::Bold, WARNING)))?;
    if !args.yes && !is_confirmed(&question(&scopes))? {
        super::print("No baseline was requested.\n")?;
        return Ok(DIFFERENCES);
    }
    for target in &targets {
        let change = |current: Option<&str>| Ok(Some(with(current, &target.nodes)));
        reader
            .annotate(&target.owner, Annotation::REINIT, change)
            .await?;
        let line = format!("fileintegrity/{} annotated\n", target.owner.name);
        super::print(&line)?;
    }
    if !args.wait {
        return Ok(WELL);
    }
    let finished = until(args.timeout, async || {
        let (done, all) = done(&scopes, &reader.nodes().await?);
        Ok(if done == all {
            Step::Done(all)
        } else {
            Step::Waiting(format!("new baselines: {done} of {}", counted(all, "node")))
        })
    });
    let Some(all) = finished.await? else {
        return Ok(TIMED_OUT);
    };
    super::print(&format!("new baselines: {}\n", counted(all, "node")))?;
    Ok(WELL)
}

/// Shows what a new baseline accepts: the sets, and the changes of the largest ones.
async fn show(reader: &Reader, scope: &Scope<'_>, screen: &Screen) -> Result<(), Failure> {
    super::print(&format!("{}\n", preview(scope, screen)))?;
    for set in scope.sets.iter().take(MAX_SETS) {
        let changes = reader.set_changes(set.id, &scope.nodes_of(set)).await;
        let text = match changes {
            Ok(changes) => text_of_changes(&changes, &Filter::default(), MAX_SHOWN, screen),
            Err(failure) if failure.is_optional() => {
                let failure = message(&failure.to_string());
                super::print(&format!("{}\n\n", screen.paint(Tone::Bad, &failure)))?;
                break;
            }
            Err(failure) => return Err(failure),
        };
        super::print(&format!("{text}\n"))?;
    }
    Ok(())
}
