//! `FileIntegrity`: users specify what to watch, the operator reports the state.

mod defaults;
mod quantities;
mod spec;
mod status;
mod values;

#[cfg(test)]
mod tests;

pub use self::defaults::{
    DEFAULT_CONFIG_KEY, DEFAULT_GRACE_PERIOD, DEFAULT_MAX_BACKUPS, MIN_GRACE_PERIOD,
};
pub use self::spec::{
    AideConfig, BaselineLoss, FileIntegrity, FileIntegritySpec, ProfileName, Resources,
    SecurityProfile,
};
pub use self::status::{FileIntegrityStatus, NodeCounts, Phase};
pub use self::values::{ConfigMapKey, InvalidReference};
