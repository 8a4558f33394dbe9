//! `accept`: accepts the changes of a set or of a node.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::connection::{Connection, end, timeout};
use super::output::{Output, structured};
use super::poll::{Step, TIMED_OUT, until};
use super::terminal::is_confirmed;
use crate::api::FileIntegrityAcceptance;
use crate::plugin::accept::text::{MAX_SHOWN, outcome, preview, progress, question};
use crate::plugin::accept::{Only, Outcome, Plan, Record};
use crate::plugin::changes::Changes;
use crate::plugin::failure::{DIFFERENCES, Failure, WELL};
use crate::plugin::labels;
use crate::plugin::read::Reader;

const HELP: &str = "\
The changes are shown first. An acceptance is created for exactly these, in your name: nodes with any other change keep
their baseline. Of a NODE, the set that it shows now is accepted, on this node only. With --path, the changes of these
paths are accepted, and all others stay reported.

Examples:
  kubectl file-integrity accept 3b3818aef96e --reason 'openssl, RHSA-2026:4711' --ticket CHG0042137 --wait
  kubectl file-integrity accept 3b3818aef96e --reason 'rolling update' --until 12h
  kubectl file-integrity accept node1 --path /etc/motd --reason 'new message of the day'

Exit status:
  0  the acceptance was created; with --wait: all nodes have a new baseline
  1  you did not confirm; with --wait: some nodes kept their baseline
  2  there is no such node or set, the acceptance was refused or has failed, or a right is missing
  3  the API server cannot be reached
  124  --timeout is over";

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of the command line are independent"
)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// ID of a change set or its first digits, or the name of a node. `set/` or `node/` before it chooses one of both
    #[arg(value_name = "SET|NODE")]
    target: String,
    /// Why the changes are accepted, such as the name of an advisory
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Reference to a ticket or change request
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,
    /// Only the change of this path, as `changes` shows it; the others of the set stay reported. Repeatable
    #[arg(long, value_name = "PATH", conflicts_with = "incomplete")]
    path: Vec<String>,
    /// Only these of the nodes that show the set
    #[arg(long, value_name = "NODE,...", value_delimiter = ',', value_parser = crate::cli::object_name)]
    nodes: Vec<String>,
    /// Only nodes with these labels
    #[arg(long, short = 'l', value_name = "LABELS", conflicts_with = "nodes")]
    selector: Option<String>,
    /// Also nodes that show the set before this time, such as 2026-12-01T18:00:00Z, or after 12h or 7d; at most 30d
    #[arg(long, value_name = "TIME", value_parser = end)]
    until: Option<Timestamp>,
    /// The FileIntegrity, if several ones watch the node or show the set
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    /// Show all changes, not only the first 20
    #[arg(long)]
    all: bool,
    /// Accept the set although not all of its changes can be shown
    #[arg(long)]
    incomplete: bool,
    /// Check it with the API server, and print the object instead of creating it
    #[arg(long, conflicts_with_all = ["wait", "yes"])]
    dry_run: bool,
    /// Wait until no other node gets a new baseline
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
    let fleet = reader.nodes().await?;
    let only = only(&args, &reader).await?;
    let file_integrity = args.file_integrity.as_deref();
    let plan = Plan::new(
        &fleet,
        &args.target,
        file_integrity,
        only,
        args.until.is_some(),
    );
    let plan = plan.map_err(Failure::Other)?;
    let record = Record {
        user: reader.user_name().await?,
        reason: args.reason.clone(),
        ticket: args.ticket.clone(),
        until: args.until,
    };
    let (object, chosen) = if args.path.is_empty() {
        (plan.object(&record), None)
    } else {
        let changes = reader.plan_changes(&plan).await?;
        let (changes, listed) = changes.at(&args.path).map_err(Failure::Other)?;
        (plan.object_with(&record, listed), Some(changes))
    };
    // What the API server would refuse needs no confirmation.
    reader.create_acceptance(&object, true).await?;
    let screen = args.connection.screen(program);
    let changes = match chosen {
        Some(changes) => changes,
        None => reviewed(&args, &reader, &plan).await?,
    };
    let most = if args.all { usize::MAX } else { MAX_SHOWN };
    super::print(&preview(&plan, &changes, &record, most, &screen))?;
    if args.dry_run {
        super::print(&format!("\n{}", manifest(&object)?))?;
        return Ok(WELL);
    }
    if !args.yes && !is_confirmed(&question(&plan))? {
        super::print("Nothing was accepted.\n")?;
        return Ok(DIFFERENCES);
    }
    let name = reader.create_acceptance(&object, false).await?;
    super::print(&format!("fileintegrityacceptance/{name} created\n"))?;
    if !args.wait {
        return Ok(WELL);
    }
    let end = until(args.timeout, async || {
        let object = reader.acceptance(&plan.owner.namespace, &name).await?;
        let outcome = Outcome::of(&object);
        Ok(match outcome.end {
            Some(_) => Step::Done(outcome),
            None => Step::Waiting(progress(&outcome.counts)),
        })
    });
    let Some(end) = end.await? else {
        return Ok(TIMED_OUT);
    };
    super::print(&outcome(&end, &screen))?;
    Ok(end.exit_status())
}

async fn only(args: &Args, reader: &Reader) -> Result<Only, Failure> {
    let Some(selector) = &args.selector else {
        return Ok(match args.nodes[..] {
            [] => Only::All,
            _ => Only::Names(args.nodes.clone()),
        });
    };
    Ok(Only::Labels {
        selector: labels::parse(selector).map_err(Failure::Other)?,
        names: reader.selected_nodes(selector).await?,
    })
}

/// The changes that the user sees. They are those of the set, or the user knows that they are not all.
async fn reviewed(args: &Args, reader: &Reader, plan: &Plan<'_>) -> Result<Changes, Failure> {
    let changes = match reader.plan_changes(plan).await {
        Err(failure @ Failure::Forbidden { .. }) if args.incomplete => {
            Changes::unread(plan, failure.to_string())
        }
        other => other?,
    };
    if changes.is_complete || args.incomplete {
        return Ok(changes);
    }
    let notes = changes.notes.join("; ");
    Err(Failure::Other(format!(
        "not all changes of the set can be shown: {notes}. --incomplete accepts it nevertheless"
    )))
}

/// The object as YAML, for `kubectl create`.
fn manifest(object: &FileIntegrityAcceptance) -> Result<String, Failure> {
    let value: Value =
        serde_json::to_value(object).map_err(|error| Failure::Other(error.to_string()))?;
    structured(Output::Yaml, &value)
}
