//! `FileIntegrity`: users specify what to watch, the operator reports the state.

mod defaults;
mod quantities;
mod spec;
mod status;
mod values;

#[cfg(test)]
mod tests;

pub(crate) use self::defaults::MIN_GRACE_PERIOD;
pub use self::spec::FileIntegrity;
pub(crate) use self::spec::{
    BaselineLoss, Exclusion, FileIntegritySpec, Output, OutputFormat, ProfileName,
};
pub(crate) use self::status::{ChangeSetSummary, RealtimeCounts};
pub use self::status::{FileIntegrityStatus, NodeCounts, Phase};
pub(crate) use self::values::ConfigMapKey;
