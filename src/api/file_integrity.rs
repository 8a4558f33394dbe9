//! `FileIntegrity`: users specify what to watch, the operator reports the state.

mod quantities;
mod spec;
mod status;
mod values;

#[cfg(test)]
mod tests;

pub use self::spec::{
    AideConfig, BaselineLoss, FileIntegrity, FileIntegritySpec, ProfileName, Resources,
    SecurityProfile,
};
pub use self::status::{FileIntegrityStatus, NodeCounts, Phase};
pub use self::values::{
    ConfigMapKey, DEFAULT_CONFIG_KEY, DEFAULT_GRACE_PERIOD, DEFAULT_MAX_BACKUPS, DEFAULT_STATE_DIR,
    InvalidReference, MIN_GRACE_PERIOD,
};
