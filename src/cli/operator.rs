//! `fio operator`: its arguments and environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::operator::serving::Scrapes;
use crate::operator::{self, Settings};
use crate::telemetry::metrics::Metrics;

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
    /// Where this process' metrics are served, over http at /metrics; `off`: with the fleet's.
    #[arg(long, default_value = "0.0.0.0:8383", env = "FIO_METRICS_ADDRESS")]
    metrics_address: Address,
    /// Where the fleet's metrics are served, over https at /metrics-fio; `off`: nowhere.
    #[arg(long, default_value = "0.0.0.0:8585", env = "FIO_METRICS_FIO_ADDRESS")]
    metrics_fio_address: Address,
    /// Who may read the fleet's metrics.
    #[arg(long, value_enum, default_value_t = MetricsAuth::Token, env = "FIO_METRICS_AUTH")]
    metrics_auth: MetricsAuth,
    /// The directory with the certificate for https (tls.crt, tls.key). While there is none the
    /// operator makes one itself.
    #[arg(
        long,
        default_value = "/var/run/secrets/serving-cert",
        env = "FIO_SERVING_CERT_DIR"
    )]
    serving_cert_dir: PathBuf,
}

/// An address, or none.
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
    /// The ServiceAccounts of the namespace, and whoever may GET /metrics-fio.
    Token,
    /// Everybody who reaches the port.
    Off,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    if let Some(version) = &args.aide_version {
        tracing::info!(version, "AIDE_VERSION is ignored: fio brings its own AIDE");
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
        scrapes: Scrapes {
            own: args.metrics_address.0,
            fleet: args.metrics_fio_address.0,
            auth: args.metrics_auth == MetricsAuth::Token,
            certificate: args.serving_cert_dir,
        },
        metrics,
    };
    operator::run(settings, client, stop).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_off() {
        assert_eq!("off".parse(), Ok(Address(None)));
        let address = "127.0.0.1:1".parse::<Address>().unwrap();
        assert_eq!(address.0, Some("127.0.0.1:1".parse().unwrap()));
        assert!("8383".parse::<Address>().is_err());
    }
}
