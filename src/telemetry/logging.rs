//! Logs to standard error: text on a terminal, otherwise JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text on a terminal, otherwise JSON
    Auto,
    /// Text
    Text,
    /// JSON
    Json,
}

/// Starts logging. `filter` has the syntax of `RUST_LOG`. Without it, fio's own level is debug if `debug`, otherwise
/// info.
pub(crate) fn init(format: Format, debug: bool, filter: Option<&str>) {
    // kube logs responses that it cannot decode completely, with the content of Secrets and configurations.
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
    // A second call, as in tests, has no effect.
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
