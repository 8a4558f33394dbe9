//! The values of a spec as the operator uses them: with defaults and limits. Pure.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::defaults::{DEFAULT_CONFIG_KEY, DEFAULT_RETENTION_DAYS, MIN_GRACE_PERIOD};
use super::spec::{FileIntegritySpec, SecurityProfile};
use crate::api::object_name::{DataKey, InvalidName, NamespaceName, ObjectName};
use crate::api::realtime::{DEFAULT_DELAY_MILLISECONDS, RealtimeActors, RealtimeMode};
use crate::api::state_dir::{self, DEFAULT_STATE_DIR};

/// The location of a configuration: a key of a ConfigMap in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapKey {
    /// The namespace of the ConfigMap.
    pub namespace: NamespaceName,
    /// The name of the ConfigMap.
    pub name: ObjectName,
    /// The key in its data.
    pub key: DataKey,
}

/// The spec refers to a ConfigMap by an invalid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidReference {
    field: &'static str,
    reason: InvalidName,
}

impl FileIntegritySpec {
    /// Seconds between scans, at least [`MIN_GRACE_PERIOD`].
    pub fn grace_period(&self) -> i64 {
        self.config.grace_period.max(MIN_GRACE_PERIOD)
    }

    /// Number of backups to keep. Negative numbers are treated as 0, as in the original operator.
    pub fn max_backups(&self) -> i64 {
        self.config.max_backups.max(0)
    }

    /// Seconds to wait after the creation of the object. Negative numbers are treated as 0.
    pub fn initial_delay(&self) -> i64 {
        self.config.initial_delay.unwrap_or(0).max(0)
    }

    /// The user's ConfigMap if both name and namespace are set. Otherwise the default configuration is
    /// used, as in the original operator.
    pub fn user_config(&self) -> Result<Option<ConfigMapKey>, InvalidReference> {
        let config = &self.config;
        let name = non_empty(config.name.as_deref());
        let namespace = non_empty(config.namespace.as_deref());
        let (Some(name), Some(namespace)) = (name, namespace) else {
            return Ok(None);
        };
        let key = non_empty(config.key.as_deref()).unwrap_or(DEFAULT_CONFIG_KEY);
        let invalid = |field| move |reason| InvalidReference { field, reason };
        Ok(Some(ConfigMapKey {
            namespace: NamespaceName::parse(namespace).map_err(invalid("spec.config.namespace"))?,
            name: ObjectName::parse(name).map_err(invalid("spec.config.name"))?,
            key: DataKey::parse(key).map_err(invalid("spec.config.key"))?,
        }))
    }

    /// The missing field if only one of name and namespace is set.
    pub(super) fn missing_reference_field(&self) -> Option<&'static str> {
        let name = non_empty(self.config.name.as_deref());
        let namespace = non_empty(self.config.namespace.as_deref());
        match (name, namespace) {
            (Some(_), None) => Some("namespace"),
            (None, Some(_)) => Some("name"),
            _ => None,
        }
    }

    /// Values that are only accepted because the original operator accepted them: one message each.
    pub fn unusual_values(&self) -> Vec<String> {
        let config = &self.config;
        let mut odd = Vec::new();
        if let Some(missing) = self.missing_reference_field() {
            odd.push(format!(
                "spec.config.{missing} is empty, so the default configuration is used"
            ));
        } else if non_empty(config.name.as_deref()).is_none()
            && non_empty(config.key.as_deref()).is_some()
        {
            odd.push(
                "spec.config.key is set without a name, so the default configuration is used"
                    .to_owned(),
            );
        }
        for (field, value, used) in [
            ("gracePeriod", config.grace_period, self.grace_period()),
            ("maxBackups", config.max_backups, self.max_backups()),
            (
                "initialDelay",
                config.initial_delay.unwrap_or(0),
                self.initial_delay(),
            ),
        ] {
            if value < 0 {
                odd.push(format!(
                    "spec.config.{field} is {value}, which is treated as {used}"
                ));
            }
        }
        odd
    }

    /// The labels of the selected nodes.
    pub fn selector(&self) -> BTreeMap<String, String> {
        self.node_selector.clone().unwrap_or_default()
    }

    /// The state directory in the spec, or the preferred default.
    pub fn state_dir(&self) -> String {
        let requested = non_empty(self.config.state_dir.as_deref());
        state_dir::normalized(requested.unwrap_or(DEFAULT_STATE_DIR))
    }

    /// Whether the security profile is `restricted`.
    pub fn is_restricted(&self) -> bool {
        self.config.security_profile == Some(SecurityProfile::Restricted)
    }

    /// Whether only an acceptance may replace a baseline.
    pub fn requires_acceptance(&self) -> bool {
        self.config.require_acceptance == Some(true)
    }

    /// Whether realtime detection is requested.
    pub fn realtime_mode(&self) -> RealtimeMode {
        let realtime = self.realtime.as_ref();
        realtime.and_then(|it| it.mode).unwrap_or_default()
    }

    /// Milliseconds without further changes before changed files are checked.
    pub fn realtime_delay(&self) -> i64 {
        let realtime = self.realtime.as_ref();
        let delay = realtime.and_then(|it| it.delay_milliseconds);
        delay.unwrap_or(DEFAULT_DELAY_MILLISECONDS)
    }

    /// Whether the processes that make changes are reported.
    pub fn realtime_actors(&self) -> RealtimeActors {
        let realtime = self.realtime.as_ref();
        let actors = realtime.and_then(|it| it.actors).unwrap_or_default();
        match (self.realtime_mode(), self.is_restricted()) {
            (RealtimeMode::Auto, false) => actors,
            _ => RealtimeActors::None,
        }
    }

    /// How long evidence and acceptances are kept.
    pub(crate) fn evidence_retention(&self) -> SignedDuration {
        let days = self.evidence.as_ref().and_then(|it| it.retention_days);
        SignedDuration::from_hours(24 * days.unwrap_or(DEFAULT_RETENTION_DAYS))
    }

    /// The PriorityClass in the spec.
    pub fn priority_class(&self) -> Option<&str> {
        non_empty(self.priority_class_name.as_deref())
    }
}

fn non_empty(value: Option<&str>) -> Option<&str> {
    value.filter(|v| !v.is_empty())
}
