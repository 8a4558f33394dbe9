//! The one place that turns clocks into API times. Reads the clock; everything else is passed one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

/// Now, cut to whole seconds: the API's `Time` has no fractions, and a value that changes when it
/// is read back would look like somebody's edit.
pub fn now() -> Time {
    whole_seconds(Timestamp::now())
}

/// The same instant without its fraction of a second.
pub fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// Now, for the fields of events and leases that keep microseconds.
pub fn now_micro() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_cut_not_rounded() {
        let at: Timestamp = "2026-01-02T03:04:05.999Z".parse().unwrap();
        assert_eq!(whole_seconds(at).0.to_string(), "2026-01-02T03:04:05Z");
    }
}
