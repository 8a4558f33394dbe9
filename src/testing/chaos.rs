//! One fault that was made, and what came of it: a line on standard output for who gathers them.
//!
//! `cargo test` shows what a passing test prints only when asked to, so the line goes past it. Each is
//! `chaos: ` and one JSON object with the fields of [`Row`].

use std::io::Write as _;

use serde::Serialize;

/// What a test of a fault found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    /// The fault, and whom it hit.
    pub(crate) fault: String,
    /// How often it was made: requests that it hit, points that were walked, signals that were sent.
    pub(crate) tried: usize,
    /// Results, events or wishes that did not arrive.
    pub(crate) lost: usize,
    /// Those that arrived more than once.
    pub(crate) duplicated: usize,
    /// Seconds from the end of the fault until all was as it should be; none where that has no
    /// meaning.
    pub(crate) recovery_seconds: Option<f64>,
}

impl Row {
    /// Prints it, and fails where something was lost or came twice.
    pub(crate) fn tell(&self) -> anyhow::Result<()> {
        print("chaos", self)?;
        anyhow::ensure!(
            self.lost == 0 && self.duplicated == 0,
            "something was lost or came twice: {self:?}"
        );
        Ok(())
    }
}

/// Prints a line of figures, `WORD: {JSON}`.
pub(crate) fn print(word: &str, figures: &impl Serialize) -> anyhow::Result<()> {
    let line = format!("{word}: {}\n", serde_json::to_string(figures)?);
    // Not by `println`, which the test runner keeps for itself where a test passes.
    Ok(std::io::stdout().write_all(line.as_bytes())?)
}

/// How many of `expected` are missing in `found`, and how many in `found` are too many.
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
fn what_is_lost_and_what_came_twice_is_counted() {
    assert_eq!(lost_and_duplicated(&["a", "b"], &["a", "b"]), (0, 0));
    assert_eq!(lost_and_duplicated(&["a", "b", "a"], &["b", "a"]), (1, 0));
    assert_eq!(lost_and_duplicated(&["a"], &["a", "a", "c"]), (0, 2));
}
