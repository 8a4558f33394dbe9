//! `fio reinit-signal`: requests a re-initialization with a kubeconfig (`--node`), or writes the signal
//! file on a node, as a pod of the re-init DaemonSet (`--signal-file`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use crate::k8s::raw;
use crate::k8s::watch::{self, Source};
use crate::signal_file::SignalFile;
use crate::telemetry::health::{self, Readiness};

/// How often the status or the signal file is polled.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["node", "signal_file"]))]
#[command(
    after_help = "Examples:\n  fio reinit-signal --node worker-1\n  fio reinit-signal --node worker-1 --file-integrity example-fileintegrity -n openshift-file-integrity"
)]
pub(super) struct Args {
    /// Node to re-initialize.
    #[arg(long, value_parser = super::object_name)]
    node: Option<String>,
    /// Only for this FileIntegrity [default: all that select the node].
    #[arg(long, requires = "node", value_parser = super::object_name)]
    file_integrity: Option<String>,
    /// Namespace of the FileIntegrity [default: that of the kubeconfig's context].
    #[arg(long, short, requires = "node")]
    namespace: Option<String>,
    /// Wait until the new baseline is in place.
    #[arg(long, requires = "node")]
    wait: bool,
    /// Maximum seconds to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
    /// Write the signal to this file, and keep running. The pod is ready when the daemon has removed the file.
    #[arg(long, hide = true, requires = "request")]
    signal_file: Option<PathBuf>,
    /// Text of the signal file.
    #[arg(long, hide = true)]
    request: Option<String>,
    /// Address of /healthz and /readyz.
    #[arg(long, hide = true, default_value = "0.0.0.0:8081")]
    health_address: SocketAddr,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    match (args.node, args.signal_file) {
        (Some(node), _) => {
            let client = super::client().await?;
            let namespace = super::namespace(args.namespace, &client)?;
            let requests =
                request(&client, &namespace, &node, args.file_integrity.as_deref()).await?;
            if args.wait {
                let done = wait_until_done(&client, &namespace, &node, &requests);
                let timeout = Duration::from_secs(args.timeout);
                tokio::time::timeout(timeout, done)
                    .await
                    .with_context(|| {
                        format!(
                            "wait for the new baseline of node {node}: not there after {} s",
                            args.timeout
                        )
                    })??;
            }
            Ok(())
        }
        (None, Some(file)) => {
            signal(file, &args.request.unwrap_or_default(), args.health_address).await
        }
        (None, None) => anyhow::bail!("missing --node NODE"),
    }
}

/// Maximum attempts to set an annotation while others write the object.
const MAX_ATTEMPTS: u32 = 5;

/// A request for re-initialization: the FileIntegrity, and the id of the node's request before.
struct Request {
    file_integrity: String,
    before: Option<String>,
}

/// Adds the node to the annotation that requests re-initializations.
async fn request(
    client: &Client,
    namespace: &NamespaceName,
    node: &str,
    only: Option<&str>,
) -> anyhow::Result<Vec<Request>> {
    let requests = selecting(client, namespace, node, only).await?;
    for name in requests
        .iter()
        .map(|request| request.file_integrity.as_str())
    {
        let mut attempts = 1..=MAX_ATTEMPTS;
        while let Err(error) = annotate(client, namespace, name, node).await {
            let is_last = attempts.next().is_none();
            if is_last || !is_conflict(&error) {
                return Err(error).with_context(|| format!("annotate FileIntegrity {name}"));
            }
        }
        tracing::info!(node, file_integrity = name, "requested a re-initialization");
    }
    Ok(requests)
}

/// Whether the object was written since it was read. The operator writes it at times.
fn is_conflict(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.code == 409)
}

/// Reads the object in a list: the operator's account, which users run this with, may not get it.
async fn annotate(
    client: &Client,
    namespace: &NamespaceName,
    name: &str,
    node: &str,
) -> anyhow::Result<()> {
    let source = Source::<FileIntegrity>::namespaced(client, namespace);
    let all = watch::list_now(&source).await?;
    let fi = all.iter().find(|fi| fi.name_any() == name);
    let fi = fi.context("it does not exist, or cannot be decoded")?;
    let annotations = fi.annotations();
    let value = match annotations
        .get(names::Annotation::REINIT)
        .map(String::as_str)
    {
        // All nodes are requested already.
        Some("") => String::new(),
        Some(nodes) if nodes.split(',').any(|n| n.trim() == node) => nodes.to_owned(),
        Some(nodes) => format!("{nodes},{node}"),
        None => node.to_owned(),
    };
    let patch = json!({"metadata": {
        "resourceVersion": fi.resource_version(),
        "annotations": {names::Annotation::REINIT: value},
    }});
    let api = Api::<FileIntegrity>::namespaced(client.clone(), namespace.as_str());
    let params = PatchParams::default();
    raw::patch_metadata(&api, name, &params, &Patch::Merge(&patch)).await?;
    Ok(())
}

/// Waits until the node is re-initialized for each FileIntegrity.
async fn wait_until_done(
    client: &Client,
    namespace: &NamespaceName,
    node: &str,
    requests: &[Request],
) -> anyhow::Result<()> {
    let statuses = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), namespace.as_str());
    for Request {
        file_integrity,
        before,
    } in requests
    {
        let name = names::node_status(file_integrity, node);
        loop {
            let status = raw::get(&statuses, &name)
                .await
                .with_context(|| format!("read FileIntegrityNodeStatus {name}"))?;
            let request = status.desired().reinit_request;
            let done = status.reinit.map(|reinit| reinit.id);
            if request != *before && request == done {
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        tracing::info!(node, file_integrity, "the new baseline is in place");
    }
    Ok(())
}

/// The FileIntegrities that select this node.
async fn selecting(
    client: &Client,
    namespace: &NamespaceName,
    node: &str,
    only: Option<&str>,
) -> anyhow::Result<Vec<Request>> {
    // Objects that cannot be decoded are skipped: another node may have written them.
    let source = Source::<FileIntegrityNodeStatus>::namespaced(client, namespace);
    let statuses = watch::list_now(&source)
        .await
        .with_context(|| format!("list fileintegritynodestatuses in namespace {namespace}"))?;
    let requests: Vec<Request> = statuses
        .iter()
        .filter(|status| status.node_name == node)
        .filter_map(|status| {
            let (name, _) = status
                .owner()
                .filter(|(name, _)| only.is_none_or(|only| only == *name))?;
            Some(Request {
                file_integrity: name.to_owned(),
                before: status.desired().reinit_request,
            })
        })
        .collect();
    anyhow::ensure!(
        !requests.is_empty(),
        "no FileIntegrity{} in namespace {namespace} watches node {node}; \
         kubectl get fileintegritynodestatuses -n {namespace} lists the nodes that are watched",
        only.map(|name| format!(" {name}")).unwrap_or_default()
    );
    Ok(requests)
}

/// Writes the signal file and waits until the daemon removes it, when the new baseline is in place. Runs until
/// the pod is deleted.
async fn signal(file: PathBuf, text: &str, health: SocketAddr) -> anyhow::Result<()> {
    let stop = super::stop_signal()?;
    let readiness = Readiness::default();
    health::serve(health, readiness.clone()).await?;
    let signal = SignalFile::new(file.clone());
    signal
        .put(text)
        .with_context(|| format!("write {}", file.display()))?;
    tracing::info!(file = %file.display(), text, "wrote the signal file");
    loop {
        if !readiness.get() && !signal.exists() {
            tracing::info!("the daemon has removed the signal file");
            readiness.set(true);
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}
