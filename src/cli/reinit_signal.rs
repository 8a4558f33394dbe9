//! `fio reinit-signal`: by hand, from anywhere with a kubeconfig (`--node`), or as the signaller's
//! pod on a node (`--signal-file`).

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

/// How often the signaller looks whether its signal was taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["node", "signal_file"]))]
#[command(
    after_help = "Examples:\n  fio reinit-signal --node worker-1\n  fio reinit-signal --node worker-1 --file-integrity example-fileintegrity -n openshift-file-integrity"
)]
pub(super) struct Args {
    /// The node whose baseline is to be made anew.
    #[arg(long, value_parser = super::object_name)]
    node: Option<String>,
    /// Only for this FileIntegrity [default: all that watch the node].
    #[arg(long, requires = "node", value_parser = super::object_name)]
    file_integrity: Option<String>,
    /// Namespace of the FileIntegrity [default: that of the kubeconfig's context].
    #[arg(long, short, requires = "node")]
    namespace: Option<String>,
    /// Stay until the new baseline stands.
    #[arg(long, requires = "node")]
    wait: bool,
    /// Give up waiting after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
    /// Put the signal into this file, and stay; the pod is ready when it was taken.
    #[arg(long, hide = true, requires = "request")]
    signal_file: Option<PathBuf>,
    /// Text of the signal.
    #[arg(long, hide = true)]
    request: Option<String>,
    /// Where /healthz and /readyz are served.
    #[arg(long, hide = true, default_value = "0.0.0.0:8081")]
    health_address: SocketAddr,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    match (args.node, args.signal_file) {
        (Some(node), _) => {
            let client = super::client().await?;
            let namespace = super::namespace(args.namespace, &client)?;
            let asked = ask(&client, &namespace, &node, args.file_integrity.as_deref()).await?;
            if args.wait {
                let done = wait_until_done(&client, &namespace, &node, &asked);
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
        (None, None) => anyhow::bail!("say which node: --node NODE"),
    }
}

/// So often an annotation is set anew where others write the object at the same time.
const MAX_TRIES: u32 = 5;

/// A request that was made: the FileIntegrity, and the id of the node's request before it.
struct Asked {
    file_integrity: String,
    before: Option<String>,
}

/// Adds the node to the annotation by which users ask for a re-initialisation.
async fn ask(
    client: &Client,
    namespace: &NamespaceName,
    node: &str,
    only: Option<&str>,
) -> anyhow::Result<Vec<Asked>> {
    let asked = watching(client, namespace, node, only).await?;
    let api = Api::<FileIntegrity>::namespaced(client.clone(), namespace.as_str());
    for name in asked.iter().map(|asked| asked.file_integrity.as_str()) {
        let mut tries = 1..=MAX_TRIES;
        while let Err(error) = annotate(&api, name, node).await {
            let is_last = tries.next().is_none();
            if is_last || !is_conflict(&error) {
                return Err(error).with_context(|| format!("annotate FileIntegrity {name}"));
            }
        }
        tracing::info!(node, file_integrity = name, "asked for a new baseline");
    }
    Ok(asked)
}

/// Whether somebody else has written the object since it was read; the operator does at times.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

async fn annotate(api: &Api<FileIntegrity>, name: &str, node: &str) -> kube::Result<()> {
    let fi = raw::get(api, name).await?;
    let annotations = fi.annotations();
    let value = match annotations
        .get(names::ANNOTATION_REINIT)
        .map(String::as_str)
    {
        // All nodes are asked for already.
        Some("") => String::new(),
        Some(nodes) if nodes.split(',').any(|n| n.trim() == node) => nodes.to_owned(),
        Some(nodes) => format!("{nodes},{node}"),
        None => node.to_owned(),
    };
    let patch = json!({"metadata": {
        "resourceVersion": fi.resource_version(),
        "annotations": {names::ANNOTATION_REINIT: value},
    }});
    let params = PatchParams::default();
    raw::patch_metadata(api, name, &params, &Patch::Merge(&patch))
        .await
        .map(|_| ())
}

/// Returns when the node has done what it was asked for, under each FileIntegrity.
async fn wait_until_done(
    client: &Client,
    namespace: &NamespaceName,
    node: &str,
    asked: &[Asked],
) -> anyhow::Result<()> {
    let statuses = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), namespace.as_str());
    for Asked {
        file_integrity,
        before,
    } in asked
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
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tracing::info!(node, file_integrity, "the new baseline stands");
    }
    Ok(())
}

/// The FileIntegrities that watch this node.
async fn watching(
    client: &Client,
    namespace: &NamespaceName,
    node: &str,
    only: Option<&str>,
) -> anyhow::Result<Vec<Asked>> {
    // One that cannot be read, which another node may have written, is left out.
    let source = Source::<FileIntegrityNodeStatus>::namespaced(client, namespace);
    let statuses = watch::list_now(&source)
        .await
        .with_context(|| format!("list fileintegritynodestatuses in namespace {namespace}"))?;
    let asked: Vec<Asked> = statuses
        .iter()
        .filter(|status| status.node_name == node)
        .filter_map(|status| {
            let (name, _) = status
                .owner()
                .filter(|(name, _)| only.is_none_or(|only| only == *name))?;
            Some(Asked {
                file_integrity: name.to_owned(),
                before: status.desired().reinit_request,
            })
        })
        .collect();
    anyhow::ensure!(
        !asked.is_empty(),
        "no FileIntegrity{} in namespace {namespace} watches node {node}; \
         kubectl get fileintegritynodestatuses -n {namespace} lists the nodes that are watched",
        only.map(|name| format!(" {name}")).unwrap_or_default()
    );
    Ok(asked)
}

/// Drops the signal and waits until the daemon has taken it away, which it does when the new
/// baseline stands. Stays until the pod is removed.
async fn signal(file: PathBuf, text: &str, health: SocketAddr) -> anyhow::Result<()> {
    let stop = super::stop_signal()?;
    let readiness = Readiness::default();
    health::serve(health, readiness.clone()).await?;
    let signal = SignalFile::new(file.clone());
    signal
        .put(text)
        .with_context(|| format!("write {}", file.display()))?;
    tracing::info!(file = %file.display(), text, "signalled");
    loop {
        if !readiness.get() && !signal.exists() {
            tracing::info!("the signal was taken");
            readiness.set(true);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}
