//! The one place that turns clocks into API times. Reads the clock; everything else is passed one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize as _, Deserializer};

/// Now, cut to whole seconds: the API's `Time` has no fractions, and a value that changes when it
/// is read back would look like somebody's edit.
pub fn now() -> Time {
    whole_seconds(Timestamp::now())
}

/// The same instant without its fraction of a second.
pub fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// Reads a time that a hand may have written. The API takes some that nobody can count with, such as
/// the last second of the year 9999; one of these in a status must not keep all others from being
/// read, and counts as the oldest time of all.
pub(super) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Time(text.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
}

/// Now, for the fields of events and leases that keep microseconds.
pub fn now_micro() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_read_is_an_old_one() {
        let read = |text: &str| lenient(serde_json::json!(text)).unwrap().0.to_string();
        assert_eq!(read("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        for text in ["9999-12-31T23:59:59Z", "", "soon"] {
            assert_eq!(read(text), "1970-01-01T00:00:00Z", "{text}");
        }
    }

    #[test]
    fn fractions_are_cut_not_rounded() {
        let at: Timestamp = "2026-01-02T03:04:05.999Z".parse().unwrap();
        assert_eq!(whole_seconds(at).0.to_string(), "2026-01-02T03:04:05Z");
    }
}
