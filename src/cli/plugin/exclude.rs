//! `exclude`: excludes paths, and ends that.

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::connection::{Connection, end};
use super::output::{Output, structured};
use super::terminal::is_confirmed;
use crate::plugin::annotation::targets;
use crate::plugin::exclude::text::{Preview, preview, question};
use crate::plugin::exclude::{Known, Wanted, changed, check};
use crate::plugin::failure::{DIFFERENCES, Failure, WELL};
use crate::plugin::safe::safe;

const HELP: &str = "\
It changes spec.exclude of the FileIntegrity. An exclusion accepts nothing: when it ends, the files are compared with the
baseline from before it. To accept changes, use accept.

Examples:
  kubectl file-integrity exclude /etc/agent/cache --reason 'the agent writes it, INC0012345' --until 7d
  kubectl file-integrity exclude /etc/agent/cache --end

Exit status:
  0  the paths are excluded, or are not any more
  1  you did not confirm
  2  a path is not valid, or --end names one that is not excluded, or a right is missing
  3  the API server cannot be reached";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// Paths of files, or of directories with everything below them, as `changes` shows them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    /// Why the paths are excluded
    #[arg(long, value_name = "TEXT", required_unless_present = "end")]
    reason: Option<String>,
    /// The exclusion ends at this time, such as 2026-12-01T18:00:00Z, or after 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = end)]
    until: Option<Timestamp>,
    /// End the exclusion of these paths
    #[arg(long, conflicts_with_all = ["reason", "until"])]
    end: bool,
    /// The FileIntegrity, if there are several ones
    #[arg(long, value_name = "NAME", value_parser = crate::cli::object_name)]
    file_integrity: Option<String>,
    /// Check it with the API server, and print the new spec.exclude instead of writing it
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args, program: &str) -> Result<u8, Failure> {
    check(&args.paths).map_err(Failure::Other)?;
    let wanted = wanted(&args)?;
    let reader = args.connection.reader(false).await?;
    let fleet = reader.integrities_and_nodes().await?;
    let targets = targets(&fleet, &[], args.file_integrity.as_deref());
    let targets = targets.map_err(Failure::Other)?;
    let [target] = &targets[..] else {
        return Err(Failure::Other(
            "there are several FileIntegrities".to_owned(),
        ));
    };
    let owner = &target.owner;
    let current = reader.exclusions(owner).await?;
    let new = changed(&current.list, &args.paths, &wanted).map_err(Failure::Other)?;
    let name = safe(&owner.name);
    if new == current.list {
        super::print(&format!("fileintegrity/{name} unchanged\n"))?;
        return Ok(WELL);
    }
    // What the API server would refuse needs no confirmation.
    reader.exclude(owner, &current, &new, true).await?;
    let known = reader.known_changes(&args.paths).await?;
    let is_of = |it: &Known| it.file_integrity == owner.name && it.namespace == owner.namespace;
    let known: Vec<Known> = known.into_iter().filter(is_of).collect();
    let all = Preview {
        owner,
        nodes: fleet.nodes_of(owner).count(),
        paths: &args.paths,
        wanted: &wanted,
        current: &current.list,
        known: &known,
    };
    super::print(&preview(&all, &args.connection.screen(program)))?;
    if args.dry_run {
        let patch = structured(Output::Yaml, &json!({"spec": {"exclude": new}}))?;
        super::print(&format!("\n{patch}"))?;
        return Ok(WELL);
    }
    if !args.yes && !is_confirmed(&question(&all))? {
        super::print("Nothing was changed.\n")?;
        return Ok(DIFFERENCES);
    }
    reader.exclude(owner, &current, &new, false).await?;
    super::print(&format!("fileintegrity/{name} patched\n"))?;
    Ok(WELL)
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let Some(reason) = args.reason.clone().filter(|_| !args.end) else {
        return Ok(Wanted::Ended);
    };
    if args.until.is_some_and(|until| until <= Timestamp::now()) {
        return Err(Failure::Other("--until must be later than now".to_owned()));
    }
    let until = args.until;
    Ok(Wanted::Excluded { reason, until })
}
