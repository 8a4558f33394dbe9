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

/// The current time for fields of events and leases, in microseconds.
pub fn now_micro() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_time_is_the_epoch() {
        let read = |text: &str| lenient(serde_json::json!(text)).unwrap().0.to_string();
        assert_eq!(read("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        for text in ["9999-12-31T23:59:59Z", "", "soon"] {
            assert_eq!(read(text), "1970-01-01T00:00:00Z", "{text}");
        }
    }

    #[test]
    fn fractions_are_truncated_not_rounded() {
        let at: Timestamp = "2026-01-02T03:04:05.999Z".parse().unwrap();
        assert_eq!(whole_seconds(at).0.to_string(), "2026-01-02T03:04:05Z");
    }
}
