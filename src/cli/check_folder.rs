//! `fio check-folder`: the init container of the daemon pods.
//!
//! On OpenShift it waits for a directory of the node, otherwise it does nothing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

/// How often the existence of the directory is checked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Wait until this directory exists
    #[arg(long, value_name = "DIR")]
    wait_for: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Some(dir) = args.wait_for else {
        return Ok(());
    };
    let stop = super::stop_signal()?;
    let mut is_logged = false;
    while !dir.is_dir() {
        if !is_logged {
            tracing::info!(dir = %dir.display(), "waiting for a directory of the node");
            is_logged = true;
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => {
                return Err(anyhow::anyhow!("stopped")).context(format!("wait for {}", dir.display()));
            }
        }
    }
    Ok(())
}
