//! `fio logcollector`: its arguments and environment.

use std::path::PathBuf;
use std::time::Duration;

use crate::api::names;
use crate::scan::Identity;
use crate::scan::log_collector::{Collector, ExitStatus, Settings};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aide --check > /var/log/aide.log; \\\n    fio logcollector --owner example-fileintegrity --file /var/log/aide.log --exit-status $?\n  fio logcollector --owner example-fileintegrity --file /var/log/aide.log --follow"
)]
pub(super) struct Args {
    /// File with AIDE's report, plain (AIDE 0.15 to 0.19) or JSON. If it has several, the last one is reported.
    #[arg(long, visible_alias = "lc-file", value_name = "FILE")]
    file: PathBuf,
    /// AIDE's exit status [default: derived from the report].
    #[arg(long, value_name = "N")]
    exit_status: Option<i32>,
    /// File with AIDE's exit status.
    #[arg(long, value_name = "FILE", conflicts_with = "exit_status")]
    exit_status_file: Option<PathBuf>,
    /// Keep running, and report each new report in the file.
    #[arg(long)]
    follow: bool,
    /// FileIntegrity to report for. It must select the node.
    #[arg(long, value_parser = super::object_name)]
    owner: String,
    /// Namespace of the FileIntegrity [default: that of the pod or of the kubeconfig's context].
    #[arg(long)]
    namespace: Option<String>,
    /// Name of the node.
    #[arg(long, env = "NODE_NAME", value_parser = super::object_name)]
    node: Option<String>,
    /// Prefix of the names of failure logs [default: aide-OWNER].
    #[arg(long, visible_alias = "lc-config-map-prefix", value_name = "PREFIX", value_parser = super::object_name)]
    config_map_prefix: Option<String>,
    /// Maximum seconds to wait until a report is complete.
    #[arg(
        long,
        visible_alias = "lc-timeout",
        value_name = "SECONDS",
        default_value_t = 600
    )]
    timeout: u64,
    /// Prefix of the paths in the report that is not part of the node's paths.
    #[arg(long, value_name = "DIR", default_value = names::HOST_ROOT)]
    host_root: String,
    /// Log debug messages.
    #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub(super) debug: bool,
    /// Ignored: failure logs are compressed if necessary.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    lc_compress: Option<bool>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let node = super::node(args.node)?;
    let stop = super::stop_signal()?;
    let client = super::client().await?;
    let identity = Identity {
        namespace: super::namespace(args.namespace, &client)?.to_string(),
        log_prefix: args
            .config_map_prefix
            .unwrap_or_else(|| names::daemon_set(&args.owner)),
        file_integrity: args.owner,
        node,
    };
    let settings = Settings {
        file: args.file,
        exit_status: match (args.exit_status, args.exit_status_file) {
            (Some(status), _) => ExitStatus::Known(status),
            (None, Some(file)) => ExitStatus::File(file),
            (None, None) => ExitStatus::Unknown,
        },
        timeout: Duration::from_secs(args.timeout),
        host_root: args.host_root,
    };
    let mut collector = Collector::new(settings, &client, identity, super::host_name());
    if args.follow {
        collector.follow(&stop).await;
    } else {
        collector.collect_once(&stop).await?;
    }
    Ok(())
}
