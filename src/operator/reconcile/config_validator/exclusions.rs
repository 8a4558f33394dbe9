//! Adds the exclusions of a FileIntegrity to its configuration. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::build::ActiveConfig;
use super::super::observed::ConfigVerdict;
use super::good;
use crate::aide::config::ExcludedPaths;
use crate::api::object_name::visible;
use crate::api::{Exclusion, names};

/// The verdict about a configuration together with the exclusions that have not ended.
pub(crate) fn with_exclusions(
    verdict: ConfigVerdict,
    exclusions: &[Exclusion],
    now: &Time,
) -> ConfigVerdict {
    let ConfigVerdict::Good { config, warnings } = verdict else {
        return verdict;
    };
    let mut paths = ExcludedPaths::default();
    for exclusion in exclusions
        .iter()
        .filter(|exclusion| is_active(exclusion, now))
    {
        if let Err(why) = paths.add(&exclusion.path) {
            let path = visible(&exclusion.path);
            let message = format!("spec.exclude: the path {path} is not valid: {why}");
            return ConfigVerdict::Refused { message };
        }
    }
    if paths.exclude_all_of(&config.effective, names::HOST_ROOT) {
        let message = "spec.exclude excludes everything that the configuration watches";
        return ConfigVerdict::Refused {
            message: message.to_owned(),
        };
    }
    let with_paths = |text: &str| paths.append_to(text, names::HOST_ROOT);
    let config = ActiveConfig {
        conf: with_paths(&config.conf),
        effective: with_paths(&config.effective),
    };
    good(config, warnings)
}

/// The time until the next exclusion ends.
pub(crate) fn next_end(exclusions: &[Exclusion], now: &Time) -> Option<Duration> {
    let active = exclusions
        .iter()
        .filter(|exclusion| is_active(exclusion, now));
    let left = active.filter_map(|exclusion| {
        let until = exclusion.until.as_ref()?;
        Duration::try_from(until.0.duration_since(now.0)).ok()
    });
    // The times are compared with whole seconds.
    left.min().map(|left| left + Duration::from_secs(1))
}

fn is_active(exclusion: &Exclusion, now: &Time) -> bool {
    exclusion.until.as_ref().is_none_or(|until| until.0 > now.0)
}

#[cfg(test)]
mod tests;
