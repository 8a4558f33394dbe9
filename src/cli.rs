//! The command line: one file per subcommand, and the only place that reads the environment.
//!
//! What was typed becomes settings here; the rest of the program never looks at arguments or
//! variables again.

mod check_folder;
mod config;
mod crd;
mod daemon;
mod logcollector;
mod manual;
mod operator;
mod reinit_signal;
mod version;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::api::object_name::{InvalidName, NamespaceName, ObjectName};
use crate::telemetry::logging::{self, Format};

const EXAMPLES: &str = "\
Examples:
  fio config default --profile generic > aide.conf    a configuration to begin with
  fio config check aide.conf --path /etc/passwd       can it be used, and does it watch this?
  fio reinit-signal --node node1 --wait               accept what changed on a node
  fio operator                                        what the Deployment runs

FileIntegrities are made with kubectl: kubectl explain fileintegrity.spec";

/// Watches the integrity of the files on every node of a Kubernetes cluster with AIDE.
#[derive(Debug, Parser)]
#[command(name = "fio", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXAMPLES)]
pub struct Cli {
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = Format::Auto, env = "FIO_LOG_FORMAT")]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deploy the daemons that each FileIntegrity asks for, and report how they do
    Operator(operator::Args),
    /// Watch the files of this node: make a baseline, compare with it, report changes
    Daemon(Box<daemon::Args>),
    /// Have a node's baseline made anew
    ReinitSignal(reinit_signal::Args),
    /// Report a run of AIDE that something else made on this node
    Logcollector(logcollector::Args),
    /// Check or convert an AIDE configuration, or print a built-in one
    Config(config::Args),
    /// Print the CustomResourceDefinitions
    Crd(crd::Args),
    /// Say which fio this is
    Version(version::Args),
    /// Print a shell's completion script
    Completion(manual::CompletionArgs),
    /// Write the manual pages
    Man(manual::ManArgs),
    #[command(hide = true)]
    CheckFolder(check_folder::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let filter = std::env::var("RUST_LOG").ok();
        logging::init(self.log_format, self.command.debug(), filter.as_deref());
        match self.command {
            Command::Operator(args) => block_on(operator::run(args)),
            Command::Daemon(args) => block_on(daemon::run(*args)),
            Command::ReinitSignal(args) => block_on(reinit_signal::run(args)),
            Command::Logcollector(args) => block_on(logcollector::run(args)),
            Command::Config(args) => return block_on(config::run(args)),
            Command::Crd(args) => crd::run(&args),
            Command::Version(args) => version::run(&args),
            Command::Completion(args) => manual::completion(&args),
            Command::Man(args) => manual::man(&args),
            Command::CheckFolder(args) => block_on(check_folder::run(args)),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    fn debug(&self) -> bool {
        match self {
            Self::Daemon(args) => args.debug,
            Self::Logcollector(args) => args.debug,
            _ => false,
        }
    }
}

/// One thread is enough for waiting on watches, and costs least.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// The node that this process runs on.
fn node(said: Option<String>) -> anyhow::Result<String> {
    let node = said.filter(|node| !node.is_empty());
    node.context("NODE_NAME is not set; say which node this is, by the variable or with --node")
}

/// Cancelled by the first SIGTERM or SIGINT. A second one ends the process at once.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if last {
                std::process::abort();
            }
            tracing::info!("stopping");
            stopping.cancel();
        }
    });
    Ok(stop)
}

/// A client for the cluster of the kubeconfig, or the one that this pod runs in. It tries some
/// refused requests again by itself.
async fn client() -> anyhow::Result<Client> {
    Ok(Client::try_from(config().await?)?)
}

/// How to reach that cluster.
async fn config() -> anyhow::Result<kube::Config> {
    kube::Config::infer().await.map_err(|error| {
        // Its source is about the kubeconfig, its own text repeats that; after the first line comes
        // a picture of the place.
        let source = std::error::Error::source(&error).map(crate::error_chain);
        let reason = source.unwrap_or_else(|| error.to_string());
        anyhow::anyhow!(
            "no cluster: there is neither a usable kubeconfig (KUBECONFIG, ~/.kube/config) nor a \
             pod's service account: {}",
            reason.lines().next().unwrap_or_default()
        )
    })
}

/// The namespace to work in: as given, or that of the kubeconfig's context or of the pod.
fn namespace(given: Option<String>, client: &Client) -> anyhow::Result<NamespaceName> {
    let given = given.filter(|n| !n.is_empty());
    let name = given
        .as_deref()
        .unwrap_or_else(|| client.default_namespace());
    NamespaceName::parse(name).context("the namespace to work in")
}

/// An argument, or a variable, that names an object and becomes part of requests. An empty one counts
/// as none, and its command decides what that means.
fn object_name(text: &str) -> Result<String, InvalidName> {
    if !text.is_empty() {
        ObjectName::parse(text)?;
    }
    Ok(text.to_owned())
}

/// The name of the host, for want of a pod's.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Leaves the reason of the end where the kubelet picks it up, if this is a container.
pub fn last_words(message: &str) {
    const TERMINATION_LOG: &str = "/dev/termination-log";
    if Path::new(TERMINATION_LOG).exists() {
        std::fs::write(TERMINATION_LOG, message).ok();
    }
}
