//! Logs: lines for people on a terminal, JSON elsewhere. Writes to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For log shippers.
    Json,
}

/// Starts logging. `filter` is in the form of `RUST_LOG`; without one, `debug` decides between info
/// and debug for fio itself.
pub fn init(format: Format, debug: bool, filter: Option<&str>) {
    // Of an answer that it cannot decode, kube logs the whole: Secrets and configurations too.
    let default = if debug {
        "warn,kube_client::client=error,fio=debug"
    } else {
        "warn,kube_client::client=error,fio=info"
    };
    let filter =
        EnvFilter::try_new(filter.unwrap_or(default)).unwrap_or_else(|_| EnvFilter::new(default));
    let json = match format {
        Format::Auto => !std::io::stderr().is_terminal(),
        Format::Text => false,
        Format::Json => true,
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in tests, changes nothing.
    if json {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
            .ok();
    } else {
        builder.with_target(false).try_init().ok();
    }
}
