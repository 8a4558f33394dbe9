//! The charts of a report, as the geometry of SVG elements. Pure.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::Scope;
use super::tables::{AcceptanceRow, BaselineRow, NodeRow};

/// Width of all charts. The page scales them.
const WIDTH: f64 = 600.0;
/// Height of the columns of the chart of accepted changes.
const HEIGHT: f64 = 100.0;
/// Maximum number of columns.
const MAX_COLUMNS: i64 = 60;
const DAY: i64 = 86_400;
/// The upper limits in seconds of the rows of the chart of intervals.
const INTERVALS: [(i64, &str); 5] = [
    (1800, "up to 30 minutes"),
    (7200, "up to 2 hours"),
    (DAY, "up to a day"),
    (7 * DAY, "up to a week"),
    (i64::MAX, "more than a week"),
];

#[derive(Debug, Default, Serialize)]
pub(super) struct Charts {
    /// Nodes by their state, as segments of one bar.
    states: Vec<Bar>,
    /// Nodes by their longest interval between two scans, as rows.
    intervals: Vec<Bar>,
    /// Acceptances and new baselines in the course of time, as columns.
    accepted: Vec<Column>,
    /// Days of a column.
    column_days: i64,
}

/// A horizontal bar.
#[derive(Debug, Serialize)]
struct Bar {
    label: &'static str,
    /// The class of its color.
    class: &'static str,
    value: usize,
    x: f64,
    width: f64,
}

/// A vertical bar.
#[derive(Debug, Serialize)]
struct Column {
    /// Its first day.
    label: String,
    value: usize,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Charts {
    pub(super) fn of(
        nodes: &[NodeRow],
        acceptances: Option<&[AcceptanceRow]>,
        baselines: Option<&[BaselineRow]>,
        scope: Scope,
    ) -> Self {
        let acceptances = acceptances.unwrap_or_default().iter().map(|row| row.at);
        // The evidence of an acceptance is counted as the acceptance.
        let baselines = baselines.unwrap_or_default().iter();
        let baselines = baselines
            .filter(|row| row.acceptance.is_none())
            .map(|row| row.at);
        let times: Vec<Timestamp> = acceptances.chain(baselines).collect();
        let seconds = scope.period.to.as_second() - scope.period.from.as_second();
        let days = seconds / DAY + 1;
        let column_days = days.div_euclid(MAX_COLUMNS) + i64::from(days % MAX_COLUMNS > 0);
        Self {
            states: states(nodes),
            intervals: intervals(nodes, scope),
            accepted: columns(&times, scope, column_days),
            column_days,
        }
    }
}

fn states(nodes: &[NodeRow]) -> Vec<Bar> {
    let states = [
        ("ok", "good"),
        ("changed", "bad"),
        ("errored", "warn"),
        ("pending", "none"),
    ];
    let mut x = 0.0;
    let bars = states.map(|(label, class)| {
        let value = nodes.iter().filter(|node| node.state == label).count();
        let width = share(value, nodes.len()) * WIDTH;
        let bar = Bar {
            label,
            class,
            value,
            x,
            width,
        };
        x += width;
        bar
    });
    bars.into_iter().filter(|bar| bar.value > 0).collect()
}

fn intervals(nodes: &[NodeRow], scope: Scope) -> Vec<Bar> {
    let of_nodes: Vec<i64> = nodes
        .iter()
        .filter_map(|node| node.longest_interval_seconds)
        .collect();
    let mut counts = INTERVALS.map(|(limit, label)| (limit, label, 0_usize));
    for seconds in of_nodes {
        if let Some((_, _, count)) = counts.iter_mut().find(|(limit, ..)| seconds <= *limit) {
            *count += 1;
        }
    }
    let most = counts
        .iter()
        .map(|(.., count)| *count)
        .max()
        .unwrap_or_default();
    let mut start = 0;
    counts
        .into_iter()
        .map(|(limit, label, value)| {
            let class = match scope.max_interval {
                allowed if limit <= allowed => "good",
                allowed if start >= allowed => "bad",
                _ => "warn",
            };
            start = limit;
            Bar {
                label,
                class,
                value,
                x: 0.0,
                width: share(value, most) * WIDTH,
            }
        })
        .collect()
}

fn columns(times: &[Timestamp], scope: Scope, days: i64) -> Vec<Column> {
    let (from, to) = (scope.period.from.as_second(), scope.period.to.as_second());
    let length = days * DAY;
    let number = (to - from).max(0) / length + 1;
    let starts: Vec<i64> = (0..number)
        .map(|index| from + index * length)
        .filter(|start| *start < to)
        .collect();
    let counts: Vec<usize> = starts
        .iter()
        .map(|start| {
            let range = *start..start + length;
            times
                .iter()
                .filter(|at| range.contains(&at.as_second()))
                .count()
        })
        .collect();
    let most = counts.iter().copied().max().unwrap_or_default();
    let width = WIDTH * share(1, starts.len());
    let mut x = 0.0;
    let columns = starts.into_iter().zip(counts).map(|(start, value)| {
        let height = share(value, most) * HEIGHT;
        let column = Column {
            label: Timestamp::from_second(start)
                .map(|at| at.strftime("%Y-%m-%d").to_string())
                .unwrap_or_default(),
            value,
            x,
            y: HEIGHT - height,
            width: width * 0.8,
            height,
        };
        x += width;
        column
    });
    columns.collect()
}

/// The part of a whole; 0 of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of nodes are far below 2^52"
)]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
