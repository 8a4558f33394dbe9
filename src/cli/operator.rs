//! `fio operator`: its arguments and environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::operator::{self, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Namespace whose FileIntegrities are served [default: that of the pod or of the kubeconfig's
    /// context].
    #[arg(long, env = "WATCH_NAMESPACE")]
    namespace: Option<String>,
    /// Identity among the operators that wait for the lease [default: the host's name and process].
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Image of the daemons where there is no Deployment file-integrity-operator that says it.
    #[arg(long, env = "RELATED_IMAGE_OPERATOR")]
    image: Option<String>,
    /// Name of this operator. Read for the original's manifests; it changes nothing.
    #[arg(long, env = "OPERATOR_NAME", hide = true)]
    operator_name: Option<String>,
    /// Version of AIDE. Read for the original's manifests, and ignored.
    #[arg(long, env = "AIDE_VERSION", hide = true)]
    aide_version: Option<String>,
    /// Where /healthz and /readyz are served.
    #[arg(long, default_value = "0.0.0.0:8081", env = "FIO_HEALTH_ADDRESS")]
    health_address: SocketAddr,
    /// The AIDE program, with which configurations are checked.
    #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
    aide: PathBuf,
    /// A directory to write to.
    #[arg(long, default_value = "/tmp", env = "FIO_WORK_DIR")]
    work_dir: PathBuf,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    if let Some(version) = &args.aide_version {
        tracing::info!(version, "AIDE_VERSION is ignored: fio brings its own AIDE");
    }
    let stop = super::stop_signal()?;
    let client = super::client().await?;
    let settings = Settings {
        namespace: super::namespace(args.namespace, &client),
        identity: args
            .identity
            .unwrap_or_else(|| format!("{}-{}", super::host_name(), std::process::id())),
        fallback_image: args.image.filter(|image| !image.is_empty()),
        aide: args.aide,
        work_dir: args.work_dir,
        health: Some(args.health_address),
    };
    operator::run(settings, client, stop).await
}
