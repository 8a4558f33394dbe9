//! Defaults and limits of the spec.

/// Default of `gracePeriod`, in seconds.
pub(crate) const DEFAULT_GRACE_PERIOD: i64 = 900;
/// Minimum of `gracePeriod`, in seconds. Lower values are treated as this one, as in the original operator.
pub(crate) const MIN_GRACE_PERIOD: i64 = 10;
pub(crate) const DEFAULT_MAX_BACKUPS: i64 = 5;
/// Default of `retentionDays`.
pub(crate) const DEFAULT_RETENTION_DAYS: i64 = 400;
pub(crate) const DEFAULT_CONFIG_KEY: &str = "aide.conf";
