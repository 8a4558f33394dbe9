//! The scans of all files of a node, by month. Pure. The doc comments are the descriptions in the API.
//!
//! Standards limit the time between two comparisons, such as a week, and an auditor asks about a year. The time of the
//! last scan cannot answer that afterwards, so the daemon keeps the longest time of each month.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Number of months that are kept: a year, the month in which it began, and the current one.
const MAX_MONTHS: usize = 14;

/// Scans of all files that ended in a month (UTC).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScanMonth {
    /// Number of scans of all files.
    pub scans: i64,
    /// Longest time in seconds between the end of such a scan and the end of the one before. 0 if there was none before.
    #[serde(default, skip_serializing_if = "super::skipped::is_zero")]
    pub longest_interval_seconds: i64,
    /// Time at which the longest time ended, with a scan.
    #[serde(deserialize_with = "super::time::lenient")]
    pub longest_interval_ended_at: Time,
}

/// Scans of all files by month, such as `2026-11`.
pub(crate) type ScanMonths = BTreeMap<String, ScanMonth>;

/// Adds a scan of all files to its month. `previous` is the end of the scan before.
pub(crate) fn add_scan(months: &mut ScanMonths, previous: Option<&Time>, ended_at: &Time) {
    let seconds = previous.map_or(0, |previous| {
        let seconds = ended_at
            .0
            .as_second()
            .saturating_sub(previous.0.as_second());
        seconds.max(0)
    });
    let name = month_of(ended_at.0);
    // Later months are of a clock that was ahead, or of somebody else.
    months.retain(|known, _| *known <= name);
    let month = months.entry(name).or_insert_with(|| ScanMonth {
        scans: 0,
        longest_interval_seconds: 0,
        longest_interval_ended_at: ended_at.clone(),
    });
    month.scans = month.scans.saturating_add(1);
    if seconds > month.longest_interval_seconds {
        month.longest_interval_seconds = seconds;
        month.longest_interval_ended_at = ended_at.clone();
    }
    while months.len() > MAX_MONTHS {
        months.pop_first();
    }
}

/// The month of a time, as the name of its entry.
pub(crate) fn month_of(at: Timestamp) -> String {
    at.strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time(text.parse().unwrap())
    }

    #[test]
    fn each_month_has_its_longest_interval() {
        let mut months = ScanMonths::new();
        let ends = [
            "2026-11-30T22:00:00Z",
            "2026-11-30T23:00:00Z",
            "2026-11-30T23:15:00Z",
            "2026-12-01T00:15:00Z",
            "2026-12-01T00:15:00Z",
        ];
        let mut previous = None;
        for end in ends.map(at) {
            add_scan(&mut months, previous.as_ref(), &end);
            previous = Some(end);
        }
        let text = serde_json::to_value(&months).unwrap();
        assert_eq!(
            text,
            serde_json::json!({
                "2026-11": {"scans": 3, "longestIntervalSeconds": 3600, "longestIntervalEndedAt": "2026-11-30T23:00:00Z"},
                "2026-12": {"scans": 2, "longestIntervalSeconds": 3600, "longestIntervalEndedAt": "2026-12-01T00:15:00Z"},
            })
        );
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_interval() {
        let mut months = ScanMonths::new();
        add_scan(
            &mut months,
            Some(&at("2026-11-30T22:00:00Z")),
            &at("2026-11-30T21:00:00Z"),
        );
        assert_eq!(months["2026-11"].longest_interval_seconds, 0);
    }

    #[test]
    fn later_months_are_dropped() {
        let mut months = ScanMonths::new();
        add_scan(&mut months, None, &at("2030-01-01T00:00:00Z"));
        add_scan(&mut months, None, &at("2026-11-30T21:00:00Z"));
        assert_eq!(months.keys().collect::<Vec<_>>(), ["2026-11"]);
    }

    #[test]
    fn the_oldest_months_are_dropped() {
        let mut months = ScanMonths::new();
        for year in [2025, 2026] {
            for month in 1..=12 {
                add_scan(
                    &mut months,
                    None,
                    &at(&format!("{year}-{month:02}-01T00:00:00Z")),
                );
            }
        }
        assert_eq!(months.len(), MAX_MONTHS);
        assert_eq!(months.keys().next().unwrap(), "2025-11");
    }
}
