//! Plain reports, of AIDE 0.15 to 0.19.
//!
//! Pure. The forms differ: 0.15 counts files, 0.16 and later entries; 0.15 lists `added: PATH`,
//! 0.16 and later flags and path; versions stand in the first or second line. Since 0.19.2 (and in
//! what distributions patched before) control characters come as `\ooo`.

use std::collections::BTreeMap;

use super::json::{kind_of, sha256};
use super::names;
use super::path::unescape;
use super::{Change, ChangeKind, Report, ReportError};

/// Names of attributes stand behind one blank (0.19) or two; further lines of a value, which may hold
/// colons as well, further in.
const NAME_INDENT: usize = 2;

pub(super) fn parse(report: &[u8]) -> Result<Report, ReportError> {
    if report.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut reader = Reader::default();
    report
        .split(|&byte| byte == b'\n')
        .for_each(|line| reader.line(line));
    reader.finish().ok_or(ReportError::Plain)
}

/// Which part of the report a line is in.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    /// Paths; of which kind, unless all kinds are in one list.
    List(Option<ChangeKind>),
    Details,
    Databases,
}

#[derive(Default)]
struct Reader {
    report: Report,
    /// A line that only a report has was there.
    is_report: bool,
    part: Part,
    changes: BTreeMap<Vec<u8>, (ChangeKind, Vec<String>)>,
    /// The entry whose details are being read.
    entry: Option<Vec<u8>>,
    /// The digest being read: it goes over several lines.
    digest: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if let Some(part) = heading(text) {
            self.part = part;
        } else if text.starts_with("End timestamp:") {
            self.part = Part::Head;
            self.report.run_time_seconds = run_time(text);
        } else {
            match self.part {
                Part::Head => self.head(text),
                Part::List(kind) => self.listed(line, kind),
                Part::Details => self.detail(line),
                Part::Databases => self.database(text),
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
        self.changes.insert(path, (kind, Vec::new()));
    }

    /// `File: /path`, then lines such as ` Perm      : -rw-r--r-- | -rw-------`. What goes on in
    /// the next line has no name there.
    fn detail(&mut self, line: &[u8]) {
        if line.first().is_some_and(|&byte| byte != b' ') {
            let at = line.windows(3).position(|three| three == b": /");
            self.entry = at.map(|at| self.path(&line[at + 2..]));
            return;
        }
        let text = String::from_utf8_lossy(line);
        let indent = text.len() - text.trim_start_matches(' ').len();
        let Some((name, _)) = text.split_once(':') else {
            return;
        };
        let name = name.trim();
        let change = self
            .entry
            .as_ref()
            .and_then(|path| self.changes.get_mut(path));
        if let Some((ChangeKind::Changed, attributes)) = change
            && indent <= NAME_INDENT
        {
            attributes.push(names::of_heading(name));
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

    /// Versions before 0.19 did not escape, so a backslash is one.
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
        let mut report = self.report;
        let counted = report
            .added
            .saturating_add(report.removed)
            .saturating_add(report.changed);
        report.truncated = (self.changes.len() as u64) < counted;
        report.changes = self
            .changes
            .into_iter()
            .map(|(path, (kind, attributes))| Change {
                path,
                kind,
                attributes: attributes.into(),
                content: None,
                details: Vec::new(),
            })
            .collect();
        self.is_report.then_some(report)
    }
}

/// A heading between rules of dashes. The summary's lines look alike, but go on with a number.
fn heading(text: &str) -> Option<Part> {
    Some(match text.strip_suffix(':')? {
        "Added entries" | "Added files" => Part::List(Some(ChangeKind::Added)),
        "Removed entries" | "Removed files" => Part::List(Some(ChangeKind::Removed)),
        "Changed entries" | "Changed files" => Part::List(Some(ChangeKind::Changed)),
        "Added, removed and changed entries"
        | "Added and removed entries"
        | "Added and changed entries"
        | "Removed and changed entries" => Part::List(None),
        "Detailed information about changes" => Part::Details,
        "The attributes of the (uncompressed) database(s)" => Part::Databases,
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
