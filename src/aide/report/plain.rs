//! Plain reports of AIDE 0.15 to 0.19. Pure.
//!
//! The formats differ: 0.15 counts files, 0.16 and later count entries; 0.15 lists `added: PATH`, 0.16 and later
//! list flags and path; the version is in the first or second line. Since 0.19.2, and in packages of
//! earlier versions with this patch, control characters are escaped as `\ooo`.

use std::collections::BTreeMap;

use super::changes::{Change, ChangeKind, Report};
use super::error::ReportError;
use super::names;
use super::path::{display_path, unescape};
use super::tokens::{kind_of, sha256};
use super::value_hash::new_values;

/// Maximum indentation of attribute names: one blank in 0.19, otherwise two. Continuation lines of a value, which may
/// contain colons, have a deeper indentation.
const NAME_INDENT: usize = 2;

pub(super) fn parse(report: &[u8]) -> Result<Report, ReportError> {
    if report.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut parser = Parser::default();
    last(report)
        .split(|&byte| byte == b'\n')
        .for_each(|line| parser.line(line));
    parser.finish().ok_or(ReportError::Plain)
}

/// The last one of several reports. Each report has one line with its start time and one with its summary, in any
/// order. So the second line of a kind starts another report.
pub(super) fn last(reports: &[u8]) -> &[u8] {
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
enum Section {
    #[default]
    Head,
    /// Paths with this kind of change, or with all kinds.
    List(Option<ChangeKind>),
    Details,
    Databases,
}

#[derive(Default)]
struct Parser {
    report: Report,
    /// Whether a line that occurs only in reports was found.
    is_report: bool,
    section: Section,
    changes: BTreeMap<Vec<u8>, Entry>,
    /// The entry whose details are being parsed.
    entry: Option<Vec<u8>>,
    /// Its attributes with the lines of their new values.
    values: Vec<(String, Vec<String>)>,
    /// Whether the report has lists.
    has_lists: bool,
    /// Whether the last line was found.
    has_ended: bool,
    /// The digest that is being parsed. It has several lines.
    digest: Option<String>,
}

struct Entry {
    kind: ChangeKind,
    is_directory: bool,
    attributes: Vec<String>,
    new_values: Option<[u8; 32]>,
}

impl Parser {
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if let Some(section) = heading(text) {
            self.end_entry();
            self.has_lists |= section != Section::Databases;
            self.section = section;
        } else if text.starts_with("End timestamp:") {
            self.end_entry();
            self.has_ended = true;
            self.section = Section::Head;
            self.report.run_time_seconds = run_time(text);
        } else {
            match self.section {
                Section::Head => self.head(text),
                Section::List(kind) => self.listed(line, kind),
                Section::Details => self.detail(line),
                Section::Databases => self.database(text),
            }
        }
    }

    fn head(&mut self, text: &str) {
        if text.starts_with("AIDE") && text.contains(" found ")
            || text.starts_with("AIDE successfully initialized")
            || text.contains("All files match AIDE database")
        {
            self.is_report = true;
        }
        self.report.differs |= text.starts_with("AIDE") && text.contains(" found differences");
        if let Some(version) = version(text) {
            version.clone_into(&mut self.report.aide_version);
        }
        let Some((name, number)) = text.split_once(':') else {
            return;
        };
        let Ok(number) = number.trim().parse() else {
            return;
        };
        match name {
            "Total number of entries" | "Total number of files" | "Number of entries" => {
                self.report.total = number;
            }
            "Added entries" | "Added files" => self.report.added = number,
            "Removed entries" | "Removed files" => self.report.removed = number,
            "Changed entries" | "Changed files" => self.report.changed = number,
            _ => {}
        }
    }

    fn listed(&mut self, line: &[u8], kind: Option<ChangeKind>) {
        let Some(at) = line.windows(3).position(|three| three == b": /") else {
            return;
        };
        let flags = String::from_utf8_lossy(&line[..at]);
        let path = self.path(&line[at + 2..]);
        let kind = kind.unwrap_or_else(|| kind_of(&flags));
        let entry = Entry {
            kind,
            is_directory: flags.starts_with('d'),
            attributes: Vec::new(),
            new_values: None,
        };
        self.changes.insert(path, entry);
    }

    /// Parses `File: /path` and lines such as ` Perm      : -rw-r--r-- | -rw-------`. Continuation lines have no
    /// name.
    fn detail(&mut self, line: &[u8]) {
        if line.first().is_some_and(|&byte| byte != b' ') {
            self.end_entry();
            let at = line.windows(3).position(|three| three == b": /");
            self.entry = at.map(|at| self.path(&line[at + 2..]));
            return;
        }
        let indent = line.iter().take_while(|&&byte| byte == b' ').count();
        let name = line.iter().position(|&byte| byte == b':');
        if let Some(at) = name.filter(|_| indent <= NAME_INDENT) {
            let name = String::from_utf8_lossy(&line[..at]);
            let name = names::of_heading(name.trim());
            self.values.push((name, vec![new_value(&line[at + 1..])]));
        } else if let Some((_, lines)) = self.values.last_mut()
            && !line.is_empty()
        {
            lines.push(new_value(line));
        }
    }

    /// Adds the details to their entry.
    fn end_entry(&mut self) {
        let values = std::mem::take(&mut self.values);
        let path = self.entry.take();
        let Some(entry) = path.and_then(|path| self.changes.get_mut(&path)) else {
            return;
        };
        if entry.kind != ChangeKind::Removed {
            let counted = values
                .iter()
                .filter(|(name, _)| !(entry.is_directory && name == "size"));
            entry.new_values = new_values(counted.map(|(name, v)| (name.as_str(), &v[..])));
        }
        if entry.kind == ChangeKind::Changed {
            entry.attributes = values.into_iter().map(|(name, _)| name).collect();
        }
    }

    fn database(&mut self, text: &str) {
        if let Some((name, value)) = text.split_once(':')
            && !text.starts_with('/')
        {
            self.end_digest();
            self.digest = (name.trim() == "SHA256").then(|| value.trim().to_owned());
        } else if let Some(digest) = &mut self.digest {
            if text.is_empty() || text.starts_with('/') && digest.len() == 44 {
                self.end_digest();
            } else {
                digest.push_str(text);
            }
        }
    }

    fn end_digest(&mut self) {
        if let Some(digest) = self.digest.take()
            && self.report.database_digest.is_none()
        {
            self.report.database_digest = sha256(&digest);
        }
    }

    /// Removes escapes. Versions before 0.19 do not escape backslashes.
    fn path(&self, bytes: &[u8]) -> Vec<u8> {
        let minor = self.report.aide_version.split('.').nth(1);
        if minor
            .and_then(|minor| minor.parse().ok())
            .is_some_and(|minor: u32| minor >= 19)
        {
            unescape(bytes)
        } else {
            bytes.to_vec()
        }
    }

    fn finish(mut self) -> Option<Report> {
        self.end_digest();
        self.end_entry();
        let mut report = self.report;
        // A report without lists is complete if it has a last line (since 0.16).
        let only_counts = self.has_ended && !self.has_lists;
        report.truncated = (self.changes.len() as u64) < report.counted() && !only_counts;
        report.changes = self
            .changes
            .into_iter()
            .map(|(path, entry)| Change {
                path,
                kind: entry.kind,
                attributes: entry.attributes.into(),
                new_values: entry.new_values,
                details: Vec::new(),
            })
            .collect();
        self.is_report.then_some(report)
    }
}

/// The text after the bar (0.15: the comma) between old and new value. If the old value contains a bar, the result
/// includes a part of it, which is the same in each scan. Added entries have no bar.
fn new_value(text: &[u8]) -> String {
    let after = |bar: &[u8]| {
        let at = text.windows(bar.len()).position(|part| part == bar);
        at.map(|at| &text[at + bar.len()..])
    };
    let new = after(b" | ").or_else(|| text.ends_with(b" |").then_some(&b""[..]));
    let new = new.or_else(|| after(b" , ")).unwrap_or(text);
    display_path(new.trim_ascii())
}

/// Parses the heading of a section. Lines of the summary look similar, but have a number after the colon.
fn heading(text: &str) -> Option<Section> {
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
fn version(text: &str) -> Option<&str> {
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
fn run_time(text: &str) -> Option<u64> {
    let (_, time) = text.split_once("(run time: ")?;
    let (minutes, seconds) = time.strip_suffix("s)")?.split_once("m ")?;
    let minutes: u64 = minutes.parse().ok()?;
    minutes.checked_mul(60)?.checked_add(seconds.parse().ok()?)
}
