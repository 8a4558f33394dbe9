//! Results of fault tests, as lines on standard output for `hack/chaos`.
//!
//! `cargo test` captures the output of successful tests, so the lines are written directly. Each consists of `chaos: `
//! and a JSON object with the fields of [`Row`].

use std::io::Write as _;

use serde::Serialize;

/// The result of a fault test.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    /// The fault and the affected component.
    pub(crate) fault: String,
    /// How often the fault was injected: affected requests, interrupted steps, or signals.
    pub(crate) tried: usize,
    /// Results, events or requests that did not arrive.
    pub(crate) lost: usize,
    /// Results, events or requests that arrived more than once.
    pub(crate) duplicated: usize,
    /// Seconds from the end of the fault to the recovery, if this is meaningful.
    pub(crate) recovery_seconds: Option<f64>,
}

impl Row {
    /// Prints the result. Fails if something was lost or duplicated.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        print("chaos", self)?;
        anyhow::ensure!(
            self.lost == 0 && self.duplicated == 0,
            "something was lost or duplicated: {self:?}"
        );
        Ok(())
    }
}

/// Prints a line `WORD: {JSON}`.
pub(crate) fn print(word: &str, figures: &impl Serialize) -> anyhow::Result<()> {
    let line = format!("{word}: {}\n", serde_json::to_string(figures)?);
    // The test runner captures the output of `println`.
    Ok(std::io::stdout().write_all(line.as_bytes())?)
}

/// The number of `expected` items that are missing in `found`, and of surplus items in `found`.
pub(crate) fn lost_and_duplicated<T: PartialEq>(expected: &[T], found: &[T]) -> (usize, usize) {
    let more_in = |one: &[T], other: &[T]| {
        let count = |all: &[T], item: &T| all.iter().filter(|x| *x == item).count();
        let mut seen: Vec<&T> = Vec::new();
        let mut more = 0;
        for item in one {
            if !seen.contains(&item) {
                seen.push(item);
                more += count(one, item).saturating_sub(count(other, item));
            }
        }
        more
    };
    (more_in(expected, found), more_in(found, expected))
}

#[test]
fn lost_and_duplicated_items_are_counted() {
    assert_eq!(lost_and_duplicated(&["a", "b"], &["a", "b"]), (0, 0));
    assert_eq!(lost_and_duplicated(&["a", "b", "a"], &["b", "a"]), (1, 0));
    assert_eq!(lost_and_duplicated(&["a"], &["a", "a", "c"]), (0, 2));
}
