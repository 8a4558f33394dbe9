//! Decides what a candidate does about the Lease. Pure.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::core::ObjectMeta;

use crate::api::{names, time};

/// How long others wait after a renewal.
const LEASE_DURATION: Duration = Duration::from_secs(15);

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no Lease: create it.
    Create,
    /// The Lease is free: take it.
    Take,
    /// Another operator holds it: check again after this time, or when it changes.
    Wait(Duration),
}

/// What a candidate has seen of the Lease.
#[derive(Clone, Debug)]
pub(super) struct Election {
    identity: String,
    /// The last version of the Lease, and when it was first seen.
    seen: Option<(String, Duration)>,
}

impl Election {
    pub(super) fn new(identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            seen: None,
        }
    }

    /// What to do about this Lease. `now` is the time on a monotonic clock.
    pub(super) fn step(&mut self, lease: Option<&Lease>, now: Duration) -> Step {
        let Some(lease) = lease else {
            return Step::Create;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return Step::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(LEASE_DURATION, Duration::from_secs);
        match (since + duration).checked_sub(now) {
            Some(left) if !left.is_zero() => Step::Wait(left),
            _ => Step::Take,
        }
    }

    /// The Lease held by this candidate, based on the one before.
    pub(super) fn held(&self, before: Option<&Lease>) -> Lease {
        let now = time::now_micro();
        let old = before.and_then(|lease| lease.spec.clone());
        let old = old.unwrap_or_default();
        let is_mine = old.holder_identity.as_deref() == Some(self.identity.as_str());
        let transitions = old.lease_transitions.unwrap_or(0);
        Lease {
            metadata: before.map_or_else(
                || ObjectMeta {
                    name: Some(names::LEASE_NAME.to_owned()),
                    ..ObjectMeta::default()
                },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: if is_mine {
                    old.acquire_time
                } else {
                    Some(now.clone())
                },
                renew_time: Some(now),
                lease_transitions: Some(if is_mine || before.is_none() {
                    transitions
                } else {
                    transitions + 1
                }),
                ..LeaseSpec::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests;
