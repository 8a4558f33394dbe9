//! `fio check-folder`: the init container of the daemon's pods.
//!
//! On an OpenShift node the operator says which directory to wait for; on others there is nothing
//! to wait for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

/// How often the directory is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Wait until this directory exists.
    #[arg(long, value_name = "DIR")]
    wait_for: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Some(dir) = args.wait_for else {
        return Ok(());
    };
    let stop = super::stop_signal()?;
    let mut said = false;
    while !dir.is_dir() {
        if !said {
            tracing::info!(dir = %dir.display(), "waiting for a directory of the node");
            said = true;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {
                return Err(anyhow::anyhow!("stopped")).context(format!("wait for {}", dir.display()));
            }
        }
    }
    Ok(())
}
