//! The command line, with one file per subcommand.
//!
//! Arguments and environment variables are converted to settings here. No other module reads them.

mod check_folder;
mod config;
mod crd;
mod daemon;
mod logcollector;
mod manual;
mod operator;
mod plugin;
mod reinit_signal;
mod version;

use std::ffi::OsString;
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
  fio config default --profile generic > aide.conf    print a default configuration
  fio config check aide.conf --path /etc/passwd       check it, and whether it watches this path
  fio reinit-signal --node node1 --wait               accept the changes on a node
  fio operator                                        run the operator, as the Deployment does

FileIntegrity objects are created with kubectl: kubectl explain fileintegrity.spec";

/// File integrity monitoring for the nodes of a Kubernetes cluster, with AIDE
#[derive(Debug, Parser)]
#[command(name = "fio", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXAMPLES)]
pub struct Cli {
    /// Format of log lines
    #[arg(long, global = true, value_enum, default_value_t = Format::Auto, env = "FIO_LOG_FORMAT")]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: deploy the daemons of all FileIntegrity objects and report their state
    Operator(operator::Args),
    /// Run the daemon of a node: create a baseline, scan periodically, report changes
    Daemon(Box<daemon::Args>),
    #[command(flatten)]
    Plugin(plugin::Command),
    /// Re-initialize a node's baseline
    ReinitSignal(reinit_signal::Args),
    /// Report a run of AIDE that another program started on this node
    Logcollector(logcollector::Args),
    /// Check or convert an AIDE configuration, or print a default one
    Config(config::Args),
    /// Print the CustomResourceDefinitions
    Crd(crd::Args),
    /// Print the version
    Version(version::Args),
    /// Print the completion script of a shell
    Completion(manual::CompletionArgs),
    /// Write the manual pages
    Man(manual::ManArgs),
    #[command(hide = true)]
    CheckFolder(check_folder::Args),
}

impl Cli {
    /// Runs the program with the arguments of the process.
    pub fn main() -> anyhow::Result<ExitCode> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        match plugin::run_as_plugin(&arguments) {
            Some(status) => Ok(status),
            None => Self::parse_from(arguments).run(),
        }
    }

    /// Runs the subcommand, and returns the exit status of the program.
    fn run(self) -> anyhow::Result<ExitCode> {
        let filter = std::env::var("RUST_LOG").ok();
        logging::init(self.log_format, self.command.debug(), filter.as_deref());
        match self.command {
            Command::Operator(args) => block_on(operator::run(args)),
            Command::Daemon(args) => block_on(daemon::run(*args)),
            Command::Plugin(command) => return Ok(plugin::run(command, "fio")),
            Command::ReinitSignal(args) => block_on(reinit_signal::run(args)),
            Command::Logcollector(args) => block_on(logcollector::run(args)),
            Command::Config(args) => return block_on(config::run(args, "fio")),
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

/// Whether these are valid arguments of the plugin of kubectl.
#[cfg(test)]
pub(crate) fn parse_plugin(words: &[String]) -> Result<(), clap::Error> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    plugin::check(&words)
}

/// One thread is sufficient for waiting on watches.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// The name of the node that this process runs on.
fn node(name: Option<String>) -> anyhow::Result<String> {
    let node = name.filter(|node| !node.is_empty());
    node.context("the name of the node is unknown; set NODE_NAME or --node")
}

/// A token that the first SIGTERM or SIGINT cancels. The second one aborts the process.
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

/// A client for the cluster of the kubeconfig, or of the pod. It retries some failed requests.
async fn client() -> anyhow::Result<Client> {
    Ok(Client::try_from(config().await?)?)
}

/// The configuration of a client.
async fn config() -> anyhow::Result<kube::Config> {
    kube::Config::infer().await.map_err(|error| {
        // The source is the error about the kubeconfig. Lines after the first one quote the file.
        let source = std::error::Error::source(&error).map(crate::error_chain);
        let reason = source.unwrap_or_else(|| error.to_string());
        anyhow::anyhow!(
            "no cluster: found neither a valid kubeconfig (KUBECONFIG, ~/.kube/config) nor the service account \
             of a pod: {}",
            reason.lines().next().unwrap_or_default()
        )
    })
}

/// The namespace: the given one, or that of the kubeconfig's context or of the pod.
fn namespace(given: Option<String>, client: &Client) -> anyhow::Result<NamespaceName> {
    let given = given.filter(|n| !n.is_empty());
    let name = given
        .as_deref()
        .unwrap_or_else(|| client.default_namespace());
    NamespaceName::parse(name).context("parse the namespace")
}

/// Validates an argument or variable with the name of an object, which becomes a part of requests. An empty name is
/// valid; its command decides what it means.
fn object_name(text: &str) -> Result<String, InvalidName> {
    if !text.is_empty() {
        ObjectName::parse(text)?;
    }
    Ok(text.to_owned())
}

/// The name of the host, if there is no name of a pod.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Writes the reason of the exit to the termination log of the container, if there is one.
pub fn write_termination_log(message: &str) {
    const TERMINATION_LOG: &str = "/dev/termination-log";
    if Path::new(TERMINATION_LOG).exists() {
        std::fs::write(TERMINATION_LOG, message).ok();
    }
}
