//! The period of a report. Pure.

use k8s_openapi::jiff::civil::{Date, Time};
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Days of the period if its start is not given.
const DEFAULT_DAYS: i64 = 90;

/// From this time, up to that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Period {
    /// The period of these options: a date, which is a whole day (UTC), or a time as RFC 3339 defines it.
    ///
    /// # Errors
    ///
    /// What is wrong, as a sentence.
    pub(crate) fn parse(
        from: Option<&str>,
        to: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let to = to.map(|text| parse("--to", text, Edge::End)).transpose()?;
        let to = to.unwrap_or(now).min(now);
        let default = || to - SignedDuration::from_hours(24 * DEFAULT_DAYS);
        let from = from
            .map(|text| parse("--from", text, Edge::Start))
            .transpose()?;
        let from = from.unwrap_or_else(default);
        if from >= to {
            return Err(format!(
                "the period must begin before it ends, and before now: it is from {from} to {to}"
            ));
        }
        Ok(Self { from, to })
    }

    pub(crate) fn includes(self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }
}

#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

fn parse(option: &str, text: &str, edge: Edge) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let day = text.parse::<Date>().ok().and_then(|date| {
        let date = match edge {
            Edge::Start => date,
            Edge::End => date.tomorrow().ok()?,
        };
        let start = date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC);
        Some(start.ok()?.timestamp())
    });
    day.ok_or_else(|| {
        format!(
            "{option} must be a date such as 2026-11-30, or a time such as 2026-11-30T12:00:00Z"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-12-01T12:00:00Z";

    fn period(from: Option<&str>, to: Option<&str>) -> Result<(String, String), String> {
        let now = NOW
            .parse()
            .map_err(|error: jiff::Error| error.to_string())?;
        let period = Period::parse(from, to, now)?;
        Ok((period.from.to_string(), period.to.to_string()))
    }

    #[test]
    fn dates_are_whole_days() {
        let table = [
            (
                Some("2026-11-01"),
                Some("2026-11-30"),
                "2026-11-01T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
            (
                Some("2026-11-01T06:00:00+01:00"),
                None,
                "2026-11-01T05:00:00Z",
                NOW,
            ),
            (None, None, "2026-09-02T12:00:00Z", NOW),
            (
                Some("2026-11-01"),
                Some("2030-01-01"),
                "2026-11-01T00:00:00Z",
                NOW,
            ),
        ];
        for (from, to, start, end) in table {
            assert_eq!(
                period(from, to),
                Ok((start.to_owned(), end.to_owned())),
                "{from:?} {to:?}"
            );
        }
    }

    #[test]
    fn errors_name_the_option_and_what_is_right() {
        let table = [
            (
                Some("yesterday"),
                None,
                "--from must be a date such as 2026-11-30",
            ),
            (
                None,
                Some("2026-13-01"),
                "--to must be a date such as 2026-11-30",
            ),
            (Some("2026-12-02"), None, "must begin before it ends"),
            (
                Some("2026-11-30"),
                Some("2026-11-01"),
                "must begin before it ends",
            ),
        ];
        for (from, to, message) in table {
            let error = period(from, to).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
