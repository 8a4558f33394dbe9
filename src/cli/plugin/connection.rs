//! Which cluster, as whom, and how the answer is written: the options that all commands have, those of kubectl.

use std::path::PathBuf;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::api::object_name::NamespaceName;
use crate::k8s::{self, REQUEST_TIMEOUT};
use crate::plugin::failure::Failure;
use crate::plugin::read::Reader;
use crate::plugin::screen::Screen;

/// The timeout of a request for which the user wants none. Some limit keeps scripts from hanging.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Cluster and output")]
pub(in crate::cli) struct Connection {
    /// Namespace [default: that of the kubeconfig's context]
    #[arg(long, short, global = true)]
    namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true)]
    context: Option<String>,
    /// Path of the kubeconfig
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    as_user: Option<String>,
    /// Group to impersonate, repeatable
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "as_user"
    )]
    as_group: Vec<String>,
    /// Maximum duration of a request, such as 10s or 1m; 0 for none
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    request_timeout: Duration,
    /// Whether the output has colors. `auto`: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// Print tables without the names of their columns
    #[arg(long, global = true)]
    no_headers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Connection {
    /// A reader of the namespace, or of all.
    pub(in crate::cli) async fn reader(&self, all_namespaces: bool) -> Result<Reader, Failure> {
        let mut config = self.config().await?;
        let timeout = Some(self.request_timeout);
        (config.connect_timeout, config.read_timeout) = (timeout, timeout);
        let namespace = match (&self.namespace, all_namespaces) {
            (_, true) => None,
            (Some(name), false) => Some(name.clone()),
            (None, false) => Some(config.default_namespace.clone()),
        };
        let parse = |name: String| NamespaceName::parse(&name);
        let namespace = namespace.map(parse).transpose();
        let namespace = namespace.map_err(|error| Failure::Other(error.to_string()))?;
        // A URL may have a password.
        let url = &config.cluster_url;
        let host = url.host().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}"));
        let cluster = format!("{host}{}", port.unwrap_or_default());
        let client = k8s::client(config);
        let client = client.map_err(|error| Failure::Unreachable(crate::error_chain(&error)))?;
        Ok(Reader {
            client,
            cluster,
            namespace,
            selector: None,
            timeout: self.request_timeout,
        })
    }

    async fn config(&self) -> Result<Config, Failure> {
        let unreachable = |error: &KubeconfigError| {
            // Lines after the first one may quote the kubeconfig.
            let text = crate::error_chain(error);
            Failure::Unreachable(text.lines().next().unwrap_or_default().to_owned())
        };
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match (&self.kubeconfig, &self.context) {
            (Some(file), _) => {
                let file = Kubeconfig::read_from(file).map_err(|error| unreachable(&error))?;
                let config = Config::from_custom_kubeconfig(file, &options).await;
                config.map_err(|error| unreachable(&error))?
            }
            (None, Some(_)) => {
                let config = Config::from_kubeconfig(&options).await;
                config.map_err(|error| unreachable(&error))?
            }
            (None, None) => {
                let config = crate::cli::config().await;
                config.map_err(|error| Failure::Unreachable(error.to_string()))?
            }
        };
        if let Some(user) = &self.as_user {
            config.auth_info.impersonate = Some(user.clone());
            let groups = Some(self.as_group.clone());
            config.auth_info.impersonate_groups = groups.filter(|groups| !groups.is_empty());
        }
        Ok(config)
    }

    /// Where the answer is shown.
    pub(in crate::cli) fn screen(&self, program: &str) -> Screen {
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(&std::io::stdout()) != ColorChoice::Never,
        };
        Screen {
            width: super::columns(),
            color,
            headers: !self.no_headers,
            program: program.to_owned(),
            cluster: self.cluster_options(),
            namespace: self.namespace.clone(),
            now: Timestamp::now(),
        }
    }

    /// The options that choose the cluster.
    fn cluster_options(&self) -> Option<String> {
        let kubeconfig = self.kubeconfig.as_ref();
        let kubeconfig = kubeconfig.map(|file| format!("--kubeconfig {}", file.display()));
        let context = self.context.as_ref();
        let context = context.map(|context| format!("--context {context}"));
        let options: Vec<String> = kubeconfig.into_iter().chain(context).collect();
        (!options.is_empty()).then(|| options.join(" "))
    }
}

/// A duration as kubectl writes it: `30s`, `1m`, `2h`, or a number of seconds. 0 is no limit.
fn duration(text: &str) -> Result<Duration, String> {
    match seconds(text).filter(|_| !text.ends_with('d')) {
        Some(0) => Ok(LONGEST_TIMEOUT),
        Some(seconds) => Ok(Duration::from_secs(seconds).min(LONGEST_TIMEOUT)),
        None => Err("expected a duration such as 30s, 1m or 0".to_owned()),
    }
}

/// The seconds of `30s`, `1m`, `2h`, `7d`, or of a number.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) if text.ends_with('m') => (number, 60),
        Some(number) if text.ends_with('h') => (number, 3600),
        Some(number) if text.ends_with('d') => (number, 86_400),
        Some(number) => (number, 1),
        None => (text, 1),
    };
    let number: Option<u64> = number.parse().ok();
    number.and_then(|number| number.checked_mul(factor))
}

/// The longest time to wait.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text).filter(|seconds| *seconds > 0);
    let seconds = seconds.ok_or_else(|| "expected a duration such as 30s, 10m or 2h".to_owned());
    seconds.map(Duration::from_secs)
}

/// A time in RFC 3339, or a duration from now.
pub(super) fn end(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let seconds = seconds(text).and_then(|seconds| i64::try_from(seconds).ok());
    let end = seconds.and_then(|seconds| {
        // The API has no fractions of a second.
        let now = Timestamp::from_second(Timestamp::now().as_second()).ok()?;
        now.checked_add(SignedDuration::from_secs(seconds)).ok()
    });
    end.ok_or_else(|| "expected a time such as 2026-12-01T18:00:00Z, 12h or 7d".to_owned())
}

const _: () = assert!(
    REQUEST_TIMEOUT.as_secs() == 30,
    "the default in the options"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_kubectl() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("2m"), Ok(120));
        assert_eq!(seconds("5"), Ok(5));
        assert_eq!(seconds("0"), Ok(3600));
        for text in ["", "s", "-1", "1d", "99999999999999999999h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_end_is_a_time_or_a_duration() {
        let time = "2026-12-01T18:00:00Z";
        assert_eq!(end(time).unwrap().to_string(), time);
        let after = end("12h").unwrap().as_second() - Timestamp::now().as_second();
        assert!((43_190..=43_200).contains(&after), "{after}");
        for text in ["", "tomorrow", "-1h", "12x", "99999999999999999d"] {
            assert!(end(text).is_err(), "{text}");
        }
        assert_eq!(timeout("10m"), Ok(Duration::from_secs(600)));
        assert!(timeout("0").is_err());
    }
}
