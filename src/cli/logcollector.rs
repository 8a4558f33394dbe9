//! `fio logcollector`: reports a run of AIDE that something else made on this node, the way the
//! daemon reports its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kube::Api;

use crate::aide::exit;
use crate::aide::report::{self, Report};
use crate::api::{FileIntegrityNodeStatus, names, time};
use crate::scan::Identity;
use crate::scan::kept_log::{self, Reports};
use crate::scan::outcome::{Finding, Outcome, judge};
use crate::scan::publish::Publisher;
use crate::scan::tell::News;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  aide --check --config /etc/aide.conf > /var/log/aide.log; \\\n  fio logcollector --owner example-fileintegrity --file /var/log/aide.log --exit-status $?"
)]
pub(super) struct Args {
    /// AIDE's report, plain (AIDE 0.15 to 0.19) or JSON.
    #[arg(long, visible_alias = "lc-file", value_name = "FILE")]
    file: PathBuf,
    /// AIDE's exit status.
    #[arg(long, value_name = "N")]
    exit_status: i32,
    /// The FileIntegrity to report under; it must have a status object for the node.
    #[arg(long)]
    owner: String,
    /// Its namespace [default: that of the pod or of the kubeconfig's context].
    #[arg(long)]
    namespace: Option<String>,
    /// The node.
    #[arg(long, env = "NODE_NAME")]
    node: Option<String>,
    /// What the names of kept logs begin with [default: aide-OWNER].
    #[arg(long, visible_alias = "lc-config-map-prefix", value_name = "PREFIX")]
    config_map_prefix: Option<String>,
    /// What the paths in the report begin with besides the node's own.
    #[arg(long, value_name = "DIR", default_value = names::HOST_ROOT)]
    host_root: String,
    /// More detail in the log.
    #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub(super) debug: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let node = args
        .node
        .filter(|node| !node.is_empty())
        .context("NODE_NAME is not set; say which node this is, by the variable or with --node")?;
    let bytes =
        std::fs::read(&args.file).with_context(|| format!("read {}", args.file.display()))?;
    let (report, is_json) = read_report(&bytes, &args.file, &args.host_root)?;
    let client = super::client().await?;
    let identity = Identity {
        namespace: super::namespace(args.namespace, &client),
        log_prefix: args
            .config_map_prefix
            .unwrap_or_else(|| names::daemon_set(&args.owner)),
        file_integrity: args.owner,
        node,
    };
    let outcome = judge(exit::decode(Some(args.exit_status), None), report);
    let log = match &outcome {
        Outcome::Changed(report) => Some(kept_log(&identity, report, &args.file, is_json)?),
        _ => None,
    };
    let finding = Finding::new(&outcome, time::now(), Duration::ZERO);
    let condition = finding.result.condition;
    let statuses = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), &identity.namespace);
    let name = identity.node_status();
    let current = statuses.get(&name).await.with_context(|| {
        format!(
            "read FileIntegrityNodeStatus {name} in namespace {}; the operator makes it for each node \
             that the FileIntegrity selects",
            identity.namespace
        )
    })?;
    let news = News {
        finding: Some(finding),
        ..News::default()
    };
    let mut publisher = Publisher::new(&client, identity, super::host_name());
    publisher.publish(&current, &news, log.as_ref()).await?;
    tracing::info!(%condition, status = name, "reported");
    Ok(())
}

fn read_report(bytes: &[u8], file: &Path, host_root: &str) -> anyhow::Result<(Report, bool)> {
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    let parsed = if is_json {
        report::parse_json(bytes)
    } else {
        report::parse_plain(bytes)
    };
    let mut report = parsed.with_context(|| format!("read {} as AIDE's report", file.display()))?;
    report.strip_host_root(host_root);
    Ok((report, is_json))
}

fn kept_log(
    identity: &Identity,
    report: &Report,
    file: &Path,
    is_json: bool,
) -> anyhow::Result<serde_json::Value> {
    let open = || File::open(file).with_context(|| format!("open {}", file.display()));
    let path_on_node = file.display().to_string();
    let kept = if is_json {
        kept_log::fit(
            identity,
            report,
            Reports {
                plain: open()?,
                json: open()?,
                path_on_node,
            },
        )?
    } else {
        let json: &[u8] = b"{}";
        kept_log::fit(
            identity,
            report,
            Reports {
                plain: open()?,
                json,
                path_on_node,
            },
        )?
    };
    Ok(kept_log::config_map(identity, report, &kept))
}
