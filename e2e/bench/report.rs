//! Figures, and how they are printed. Pure.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What was measured of one part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The part's name.
    pub(crate) part: String,
    /// The figures, in the order in which they are printed.
    pub(crate) figures: Vec<Figure>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What it was measured of, such as `5,000 nodes`: a column.
    pub(crate) case: String,
    /// What was measured: a row.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: String,
}

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new(part: &str) -> Self {
        Self {
            part: part.to_owned(),
            figures: Vec::new(),
        }
    }

    /// Adds a figure, and prints it.
    pub(crate) fn add(&mut self, case: &str, name: &str, value: f64, unit: &str) {
        crate::progress(&format!("{case}: {name}: {} {unit}", shown(value)));
        self.figures.push(Figure {
            case: case.to_owned(),
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    }

    /// The figures as a table in Markdown: a row per name, a column per case.
    pub(crate) fn table(&self) -> String {
        let cases = distinct(self.figures.iter().map(|figure| figure.case.as_str()));
        let rows = distinct(self.figures.iter().map(Figure::row));
        let mut text = format!("| {} | {} |\n", self.part, cases.join(" | "));
        writeln!(text, "|---|{}", "---:|".repeat(cases.len())).ok();
        for row in rows {
            let of = |case: &&str| {
                let mut all = self.figures.iter();
                let figure = all.find(|figure| figure.case == *case && figure.row() == row);
                figure.map_or_else(String::new, |figure| shown(figure.value))
            };
            let values: Vec<String> = cases.iter().map(of).collect();
            writeln!(text, "| {row} | {} |", values.join(" | ")).ok();
        }
        text
    }
}

impl Figure {
    fn row(&self) -> String {
        if self.unit.is_empty() {
            return self.name.clone();
        }
        format!("{}, {}", self.name, self.unit)
    }
}

/// Two measurements as a table: what both have, with the ratio of the new one to the base.
pub(crate) fn compare(base: &Report, new: &Report) -> String {
    let mut text = format!(
        "| {} | | base | new | new/base |\n|---|---|---:|---:|---:|\n",
        new.part
    );
    for figure in &new.figures {
        let is_same = |other: &&Figure| other.case == figure.case && other.row() == figure.row();
        let Some(before) = base.figures.iter().find(is_same) else {
            continue;
        };
        let ratio = if before.value == 0.0 {
            String::new()
        } else {
            format!("{:.2}", figure.value / before.value)
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {ratio} |",
            figure.case,
            figure.row(),
            shown(before.value),
            shown(figure.value),
        )
        .ok();
    }
    text
}

/// Three digits are what such figures are good for.
fn shown(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value.fract() == 0.0 {
        thousands(&format!("{value:.0}"))
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.1 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// Digits in groups of three.
pub(crate) fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && digit != '-' && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

#[cfg(test)]
mod tests;
