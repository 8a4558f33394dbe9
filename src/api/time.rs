//! Conversion of clocks to API times. Reads the clock.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize as _, Deserializer};

/// The current time in whole seconds. The API's `Time` has no fractions: a value that changes when it is read
/// back would look like an edit by a user.
pub fn now() -> Time {
    whole_seconds(Timestamp::now())
}

/// Truncates a time to whole seconds.
pub(crate) fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// Deserializes a time that a user may have written. The API accepts times that cannot be represented, such as
/// the last second of the year 9999. One of these must not prevent all other objects from being
/// decoded; it is replaced with the epoch.
pub(super) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Time(text.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
}

/// [`lenient`] for the end of a time span. A time that cannot be represented is replaced with the last one.
pub(super) fn lenient_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Time(text.parse().unwrap_or(Timestamp::MAX)))
}

/// [`lenient`] for a field that may be missing.
pub(super) fn lenient_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Time>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| Time(text.parse().unwrap_or(Timestamp::UNIX_EPOCH))))
}

/// The current time for fields of events and leases, in microseconds.
pub fn now_micro() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests;
