//! Where the configuration of a FileIntegrity comes from, and why it may be unavailable. Pure.

use super::super::observed::ConfigVerdict;
use super::user_config::UserConfigState;
use crate::aide::profiles::Profile;
use crate::api::condition::ConditionReason;
use crate::api::file_integrity::ConfigMapKey;
use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegritySpec, ProfileName, names};

/// The built-in profile of a FileIntegrity without a configuration of its own.
pub(super) fn profile(spec: &FileIntegritySpec, openshift: bool) -> Profile {
    match spec.config.profile {
        Some(ProfileName::Openshift) => Profile::Openshift,
        None if openshift => Profile::Openshift,
        Some(ProfileName::Generic) | None => Profile::Generic,
    }
}

/// The text in the user's ConfigMap, or why there is none.
pub(super) fn text(
    state: UserConfigState,
    named: &ConfigMapKey,
    operator_namespace: &NamespaceName,
) -> Result<String, ConfigVerdict> {
    let key = named.key.as_str();
    let place = format!("ConfigMap {} in namespace {}", named.name, named.namespace);
    let unavailable = |reason, message| ConfigVerdict::Unavailable { reason, message };
    let mut data = match state {
        UserConfigState::Unknown => return Err(ConfigVerdict::Unknown),
        UserConfigState::Missing => {
            return Err(unavailable(
                ConditionReason::ConfigMapMissing,
                format!("{place} does not exist; it is used as soon as it exists"),
            ));
        }
        UserConfigState::Error(error) => {
            return Err(unavailable(
                ConditionReason::ConfigMapUnreadable,
                format!(
                    "{place} cannot be read: {error}; if it is in another namespace than the operator, bind \
                     the ServiceAccount {} of namespace {operator_namespace} there to a Role with get, list \
                     and watch on that ConfigMap",
                    names::OPERATOR_NAME,
                ),
            ));
        }
        UserConfigState::Found(data) => data,
    };
    match data.remove(key) {
        None => Err(unavailable(
            ConditionReason::KeyMissing,
            format!("{place} has no key {key}; it is used as soon as it has the key"),
        )),
        Some(text) if text.trim().is_empty() => Err(unavailable(
            ConditionReason::ConfigEmpty,
            format!("the key {key} of {place} is empty; it is used as soon as it is not empty"),
        )),
        Some(text) => Ok(text),
    }
}

/// The verdict for a spec that does not name a ConfigMap that can exist.
pub(super) fn invalid_reference(error: &impl std::fmt::Display) -> ConfigVerdict {
    ConfigVerdict::Unavailable {
        reason: ConditionReason::InvalidReference,
        message: error.to_string(),
    }
}
