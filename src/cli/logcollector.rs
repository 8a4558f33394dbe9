//! `fio logcollector`: reports runs of AIDE that something else made on this node, the way the
//! daemon reports its own.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aide::report::{self, Report, ReportError};
use crate::api::{Condition, FileIntegrityNodeStatus, names, time};
use crate::k8s::raw;
use crate::scan::kept_log::{self, Reports};
use crate::scan::outcome::{Finding, Outcome};
use crate::scan::publish::Publisher;
use crate::scan::tell::News;
use crate::scan::{Identity, collected};

/// As much of a report is read to learn what changed; the kept log is made from all of it.
const MAX_READ: u64 = 64 * 1024 * 1024;
/// How often a file that is followed, or still being written, is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aide --check > /var/log/aide.log; \\\n    fio logcollector --owner example-fileintegrity --file /var/log/aide.log --exit-status $?\n  fio logcollector --owner example-fileintegrity --file /var/log/aide.log --follow"
)]
pub(super) struct Args {
    /// AIDE's report, plain (AIDE 0.15 to 0.19) or JSON. Of several in the file the last one counts.
    #[arg(long, visible_alias = "lc-file", value_name = "FILE")]
    file: PathBuf,
    /// AIDE's exit status [default: what the report says].
    #[arg(long, value_name = "N")]
    exit_status: Option<i32>,
    /// A file that holds AIDE's exit status.
    #[arg(long, value_name = "FILE", conflicts_with = "exit_status")]
    exit_status_file: Option<PathBuf>,
    /// Report again whenever the file has a new report, until stopped.
    #[arg(long)]
    follow: bool,
    /// The FileIntegrity to report under; it must have a status object for the node.
    #[arg(long, value_parser = super::object_name)]
    owner: String,
    /// Its namespace [default: that of the pod or of the kubeconfig's context].
    #[arg(long)]
    namespace: Option<String>,
    /// The node.
    #[arg(long, env = "NODE_NAME", value_parser = super::object_name)]
    node: Option<String>,
    /// What the names of kept logs begin with [default: aide-OWNER].
    #[arg(long, visible_alias = "lc-config-map-prefix", value_name = "PREFIX", value_parser = super::object_name)]
    config_map_prefix: Option<String>,
    /// Seconds to wait for a report that is still being written.
    #[arg(
        long,
        visible_alias = "lc-timeout",
        value_name = "SECONDS",
        default_value_t = 600
    )]
    timeout: u64,
    /// What the paths in the report begin with besides the node's own.
    #[arg(long, value_name = "DIR", default_value = names::HOST_ROOT)]
    host_root: String,
    /// More detail in the log.
    #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub(super) debug: bool,
    /// Logs are compressed where they need to be.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    lc_compress: Option<bool>,
}

/// What tells one report in the same file from the next.
type Version = (SystemTime, u64);

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let node = super::node(args.node.clone())?;
    let stop = super::stop_signal()?;
    let client = super::client().await?;
    let identity = Identity {
        namespace: super::namespace(args.namespace.clone(), &client)?.to_string(),
        log_prefix: args
            .config_map_prefix
            .clone()
            .unwrap_or_else(|| names::daemon_set(&args.owner)),
        file_integrity: args.owner.clone(),
        node,
    };
    let mut collector = Collector::new(args, &client, identity);
    if !collector.args.follow {
        return collector.collect(&stop).await;
    }
    let mut reported = None;
    while !stop.is_cancelled() {
        let version = version(&collector.args.file);
        if version.is_some() && version != reported {
            match collector.collect(&stop).await {
                Ok(()) => reported = version,
                Err(error) => {
                    let error = crate::error_chain(error.as_ref());
                    tracing::warn!(error, "the report is tried again");
                }
            }
        }
        pause(&stop).await;
    }
    Ok(())
}

/// Reports from one file under one identity.
struct Collector {
    args: Args,
    identity: Identity,
    statuses: Api<FileIntegrityNodeStatus>,
    publisher: Publisher,
}

impl Collector {
    fn new(args: Args, client: &Client, identity: Identity) -> Self {
        Self {
            statuses: Api::namespaced(client.clone(), &identity.namespace),
            publisher: Publisher::new(client, identity.clone(), super::host_name()),
            identity,
            args,
        }
    }

    /// Reports what the file holds, once it is whole.
    async fn collect(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        let (report, is_json) = self.whole_report(stop).await?;
        let outcome = collected::outcome(self.exit_status()?, report);
        let log = match &outcome {
            Outcome::Changed(report) => Some(self.kept_log(report, is_json)?),
            _ => None,
        };
        let finding = Finding::new(&outcome, time::now(), Duration::ZERO);
        let condition = finding.result.condition;
        let name = self.identity.node_status();
        let current = raw::get(&self.statuses, &name).await.with_context(|| {
            format!(
                "read FileIntegrityNodeStatus {name} in namespace {}; the operator makes it for each \
                 node that the FileIntegrity selects",
                self.identity.namespace
            )
        })?;
        let news = News {
            finding: Some(finding),
            ..News::default()
        };
        self.publisher
            .publish(&current, &news, log.as_ref())
            .await?;
        tracing::info!(%condition, status = name, "reported");
        anyhow::ensure!(
            condition != Condition::Errored || self.args.follow,
            "the run was reported as Errored"
        );
        Ok(())
    }

    /// The report, read again while it is being written.
    async fn whole_report(
        &self,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Result<Report, ReportError>, bool)> {
        let deadline = Instant::now() + Duration::from_secs(self.args.timeout);
        loop {
            let before = version(&self.args.file);
            let bytes = read_start(&self.args.file)?;
            let (report, is_json) = parse(&bytes, &self.args.host_root);
            let is_whole = report.as_ref().is_ok_and(|report| !report.truncated)
                || (self.args.exit_status.is_some() && matches!(report, Err(ReportError::Empty)));
            let is_still = version(&self.args.file) == before;
            if (is_whole && is_still) || Instant::now() >= deadline || stop.is_cancelled() {
                return Ok((report, is_json));
            }
            pause(stop).await;
        }
    }

    fn exit_status(&self) -> anyhow::Result<Option<i32>> {
        let Some(file) = &self.args.exit_status_file else {
            return Ok(self.args.exit_status);
        };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let status = text.trim().parse().with_context(|| {
            format!(
                "{} holds {:?}, which is no exit status",
                file.display(),
                text.trim()
            )
        })?;
        Ok(Some(status))
    }

    fn kept_log(&self, report: &Report, is_json: bool) -> anyhow::Result<serde_json::Value> {
        let file = &self.args.file;
        let open = || File::open(file).with_context(|| format!("open {}", file.display()));
        let json: Box<dyn Read> = if is_json {
            Box::new(open()?)
        } else {
            Box::new(&b"{}"[..])
        };
        let bytes = read_start(file)?;
        let plain = if is_json {
            &bytes[..]
        } else {
            report::last_plain(&bytes)
        };
        let before = bytes.len() - plain.len();
        let mut plain = open()?;
        plain.seek(SeekFrom::Start(before as u64))?;
        let reports = Reports {
            plain,
            json,
            path_on_node: file.display().to_string(),
        };
        let kept = kept_log::fit(&self.identity, report, reports)?;
        Ok(kept_log::config_map(&self.identity, report, &kept))
    }
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(LOOK_EVERY) => {}
        () = stop.cancelled() => {}
    }
}

fn version(file: &Path) -> Option<Version> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read_start(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(|| format!("open {}", file.display()))?;
    opened
        .take(MAX_READ)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read {}", file.display()))?;
    Ok(bytes)
}

fn parse(bytes: &[u8], host_root: &str) -> (Result<Report, ReportError>, bool) {
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    let parsed = if is_json {
        report::parse_last_json(bytes)
    } else {
        report::parse_plain(bytes)
    };
    let stripped = parsed.map(|mut report| {
        report.strip_host_root(host_root);
        report
    });
    (stripped, is_json)
}
