//! Plain reports of AIDE 0.15 to 0.19. Pure.
//!
//! The formats differ: 0.15 counts files, 0.16 and later count entries; 0.15 lists `added: PATH`, 0.16 and later
//! list flags and path; the version is in the first or second line. Since 0.19.2, and in packages of
//! earlier versions with this patch, control characters are escaped as `\ooo`.

mod lines;

use std::collections::BTreeMap;

pub(super) use self::lines::last;
use self::lines::{Section, heading, new_value, run_time, version};

use super::changes::{Change, ChangeKind, Report};
use super::error::ReportError;
use super::names;
use super::path::unescape;
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
                actor: None,
            })
            .collect();
        self.is_report.then_some(report)
    }
}
