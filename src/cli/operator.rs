//! `fio operator`: its arguments and environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::operator::{self, ScrapeSettings, Settings};
use crate::telemetry::metrics::Metrics;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Namespace of the FileIntegrities [default: that of the pod or of the kubeconfig's context].
    #[arg(long, env = "WATCH_NAMESPACE")]
    namespace: Option<String>,
    /// Identity in the lease [default: the host name and the process id].
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Image of the daemons if there is no Deployment file-integrity-operator.
    #[arg(long, env = "RELATED_IMAGE_OPERATOR")]
    image: Option<String>,
    /// Name of this operator. Accepted for the original's manifests, and ignored.
    #[arg(long, env = "OPERATOR_NAME", hide = true)]
    operator_name: Option<String>,
    /// Version of AIDE. Accepted for the original's manifests, and ignored.
    #[arg(long, env = "AIDE_VERSION", hide = true)]
    aide_version: Option<String>,
    /// Address of /healthz and /readyz.
    #[arg(long, default_value = "0.0.0.0:8081", env = "FIO_HEALTH_ADDRESS")]
    health_address: SocketAddr,
    /// The AIDE program that checks configurations.
    #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
    aide: PathBuf,
    /// Directory for temporary files.
    #[arg(long, default_value = "/tmp", env = "FIO_WORK_DIR")]
    work_dir: PathBuf,
    /// Address for the metrics of the process, over HTTP at /metrics. `off`: they are served together with
    /// those of the fleet.
    #[arg(long, default_value = "0.0.0.0:8383", env = "FIO_METRICS_ADDRESS")]
    metrics_address: Address,
    /// Address for the metrics of the fleet, over HTTPS at /metrics-fio. `off`: they are not served.
    #[arg(long, default_value = "0.0.0.0:8585", env = "FIO_METRICS_FIO_ADDRESS")]
    metrics_fio_address: Address,
    /// Who may read the metrics of the fleet.
    #[arg(long, value_enum, default_value_t = MetricsAuth::Token, env = "FIO_METRICS_AUTH")]
    metrics_auth: MetricsAuth,
    /// Directory with the certificate for HTTPS (tls.crt, tls.key). If there is none, the operator creates
    /// one.
    #[arg(
        long,
        default_value = "/var/run/secrets/serving-cert",
        env = "FIO_SERVING_CERT_DIR"
    )]
    serving_cert_dir: PathBuf,
    /// URL of a copy of docs/monitoring.md, for the annotation `runbook_url` of the alerts.
    #[arg(long, env = "FIO_RUNBOOK_URL")]
    runbook_url: Option<PageUrl>,
}

/// The URL of a page, or an empty text for none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PageUrl(Option<String>);

impl std::str::FromStr for PageUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        // Prometheus reads annotations as templates, and the anchor of the alert is appended.
        let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || "#{}\"".contains(c);
        let is_url = ["https://", "http://"].iter().any(|s| text.starts_with(s));
        if !is_url || text.contains(is_forbidden) {
            return Err(
                "expected the URL of a page, such as https://wiki.example/fio, without an anchor"
                    .to_owned(),
            );
        }
        Ok(Self(Some(text.to_owned())))
    }
}

/// An address, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address(Option<SocketAddr>);

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| {
            "expected an address with a port, such as 0.0.0.0:8383, or off".to_owned()
        })?;
        Ok(Self(Some(address)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MetricsAuth {
    /// The ServiceAccounts of the namespace, and clients that may GET /metrics-fio.
    Token,
    /// Every client that reaches the port.
    Off,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    if let Some(version) = &args.aide_version {
        tracing::info!(version, "AIDE_VERSION is ignored: fio has its own AIDE");
    }
    let stop = super::stop_signal()?;
    let metrics = Metrics::new();
    let client = metrics.requests().client(super::config().await?)?;
    let settings = Settings {
        namespace: super::namespace(args.namespace, &client)?.to_string(),
        identity: args
            .identity
            .unwrap_or_else(|| format!("{}-{}", super::host_name(), std::process::id())),
        fallback_image: args.image.filter(|image| !image.is_empty()),
        aide: args.aide,
        work_dir: args.work_dir,
        health: Some(args.health_address),
        scrape: ScrapeSettings {
            process: args.metrics_address.0,
            fleet: args.metrics_fio_address.0,
            auth: args.metrics_auth == MetricsAuth::Token,
            certificate_dir: args.serving_cert_dir,
        },
        runbook_url: args.runbook_url.and_then(|url| url.0),
        metrics,
    };
    operator::run(settings, client, stop).await
}

#[cfg(test)]
mod tests;
