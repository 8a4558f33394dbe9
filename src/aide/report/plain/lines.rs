//! The lines of a plain report. Pure.

use crate::aide::report::changes::ChangeKind;
use crate::aide::report::path::display_path;

/// The last one of several reports. Each report has one line with its start time and one with its summary, in any
/// order. So the second line of a kind starts another report.
pub(in crate::aide::report) fn last(reports: &[u8]) -> &[u8] {
    let (mut start, mut at, mut seen) = (0, 0, [false; 2]);
    for line in reports.split_inclusive(|&byte| byte == b'\n') {
        let kinds = [line.starts_with(b"Start timestamp:"), is_summary(line)];
        if let Some(kind) = kinds.iter().position(|&matches| matches) {
            if seen[kind] {
                (start, seen) = (at, [false; 2]);
            }
            seen[kind] = true;
        }
        at += line.len();
    }
    &reports[start..]
}

/// `AIDE found differences`, `AIDE 0.16 found NO differences`, `AIDE successfully initialized`.
fn is_summary(line: &[u8]) -> bool {
    let is_in = |text: &[u8]| line.windows(text.len()).any(|part| part == text);
    line.starts_with(b"AIDE") && (is_in(b" found ") || is_in(b" successfully initialized"))
}

/// A section of the report.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    #[default]
    Head,
    /// Paths with this kind of change, or with all kinds.
    List(Option<ChangeKind>),
    Details,
    Databases,
}

/// The text after the bar (0.15: the comma) between old and new value. If the old value contains a bar, the result
/// includes a part of it, which is the same in each scan. Added entries have no bar.
pub(super) fn new_value(text: &[u8]) -> String {
    let after = |bar: &[u8]| {
        let at = text.windows(bar.len()).position(|part| part == bar);
        at.map(|at| &text[at + bar.len()..])
    };
    let new = after(b" | ").or_else(|| text.ends_with(b" |").then_some(&b""[..]));
    let new = new.or_else(|| after(b" , ")).unwrap_or(text);
    display_path(new.trim_ascii())
}

/// Parses the heading of a section. Lines of the summary look similar, but have a number after the colon.
pub(super) fn heading(text: &str) -> Option<Section> {
    Some(match text.strip_suffix(':')? {
        "Added entries" | "Added files" => Section::List(Some(ChangeKind::Added)),
        "Removed entries" | "Removed files" => Section::List(Some(ChangeKind::Removed)),
        "Changed entries" | "Changed files" => Section::List(Some(ChangeKind::Changed)),
        "Added, removed and changed entries"
        | "Added and removed entries"
        | "Added and changed entries"
        | "Removed and changed entries" => Section::List(None),
        "Detailed information about changes" => Section::Details,
        "The attributes of the (uncompressed) database(s)" => Section::Databases,
        _ => return None,
    })
}

/// `AIDE 0.16 found …`, `AIDE, version 0.15.1`, `Start timestamp: … (AIDE 0.19.1)`.
pub(super) fn version(text: &str) -> Option<&str> {
    let after = text
        .strip_prefix("AIDE, version ")
        .or_else(|| text.strip_prefix("AIDE "))
        .or_else(|| {
            text.starts_with("Start timestamp:")
                .then(|| text.split_once("(AIDE "))?
                .map(|(_, rest)| rest)
        })?;
    let version = after.split([' ', ')']).next()?;
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(version)
}

/// `End timestamp: 2025-11-24 06:30:00 +0000 (run time: 1m 3s)`
pub(super) fn run_time(text: &str) -> Option<u64> {
    let (_, time) = text.split_once("(run time: ")?;
    let (minutes, seconds) = time.strip_suffix("s)")?.split_once("m ")?;
    let minutes: u64 = minutes.parse().ok()?;
    minutes.checked_mul(60)?.checked_add(seconds.parse().ok()?)
}
