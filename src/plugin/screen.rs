//! How a text is written: width, colors, and the name by which the program was called. Pure.

use anstyle::{AnsiColor, Style};
use k8s_openapi::jiff::Timestamp;

/// What a line means, which is its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// A heading.
    Bold,
    /// As it should be.
    Good,
    Changed,
    /// Something does not work, or looks wrong.
    Bad,
    /// A remark.
    Faint,
}

/// Where a text is written to.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// The columns of the terminal. Without a terminal, lines have any length.
    pub(crate) width: Option<usize>,
    pub(crate) color: bool,
    /// Whether tables have a line with the names of their columns.
    pub(crate) headers: bool,
    /// How the user calls this program.
    pub(crate) program: String,
    /// The options that choose the cluster, and the one that chooses the namespace, if they were given.
    pub(crate) cluster: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) now: Timestamp,
}

impl Screen {
    /// The text in the color of its meaning.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Bold => Style::new().bold(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Changed => AnsiColor::Red.on_default(),
            Tone::Bad => AnsiColor::Yellow.on_default(),
            Tone::Faint => Style::new().dimmed(),
        };
        if self.color && tone != Tone::Plain {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// The time since then, as kubectl writes it: `7m`, `3h`, `12d`.
    pub(crate) fn age(&self, since: Timestamp) -> String {
        duration(self.now.as_second().saturating_sub(since.as_second()))
    }
}

/// A number of seconds in the largest unit that leaves at least two, as kubectl does.
pub(crate) fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A number of seconds in its two largest units: `8d 3h`, `15m`.
pub(crate) fn precise(seconds: i64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds.max(0);
    let mut parts = Vec::new();
    for (length, name) in units {
        if left >= length || (length == 1 && parts.is_empty()) {
            parts.push(format!("{}{name}", left / length));
            left %= length;
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    parts.join(" ")
}

/// A number with a word in singular or plural.
pub(crate) fn counted(number: usize, word: &str) -> String {
    if number == 1 {
        format!("1 {word}")
    } else {
        format!("{number} {word}s")
    }
}

/// The first names, and the number of the others.
pub(crate) fn some_of<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> String {
    let names: Vec<&str> = names.collect();
    let first: Vec<String> = names
        .iter()
        .take(most)
        .map(|name| super::safe::safe(name))
        .collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        let table = [
            (-5, "0s"),
            (119, "119s"),
            (900, "15m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_800, "2d"),
        ];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn precise_durations_have_two_units() {
        let table = [
            (-1, "0s"),
            (61, "1m 1s"),
            (900, "15m"),
            (3601, "1h"),
            (702_000, "8d 3h"),
        ];
        for (seconds, text) in table {
            assert_eq!(precise(seconds), text);
        }
    }

    #[test]
    fn long_lists_are_counted() {
        assert_eq!(some_of(["a", "b"].into_iter(), 2), "a, b");
        assert_eq!(some_of(["a", "b", "c"].into_iter(), 1), "a and 2 more");
        assert_eq!(some_of(std::iter::empty(), 1), "");
    }
}
