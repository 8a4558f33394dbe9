//! JSON reports.
//!
//! AIDE writes the bytes of a path as they are, so a report is not always UTF-8; before 0.19.2
//! control characters came raw as well. So each byte is taken for one character (as in Latin-1)
//! while the JSON is read, and back for a byte afterwards. AIDE's own `\uXXXX` are all below 0x80.
//! The text is read as a stream into what is kept, never as a whole.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use sha2::{Digest as _, Sha256};

use super::names;
use super::{
    Beyond, Change, ChangeKind, DETAILED_CHANGES, MAX_DETAILS, Report, ReportError, display_path,
    new_values, part,
};
use crate::api::names::hex;

/// Bytes of the report read at a time.
const CHUNK: usize = 64 * 1024;
/// What an entry takes besides its path.
const ENTRY: usize = 200;

/// Keeps at most `most` bytes of entries of each kind.
pub(super) fn parse(report: impl Read, most: usize) -> Result<Report, ReportError> {
    let mut bytes = BufReader::with_capacity(CHUNK, report);
    if bytes.fill_buf().map_err(ReportError::Read)?.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut reader = Reader::new(most);
    let mut json = serde_json::Deserializer::from_reader(AsText::new(bytes));
    let read = json
        .deserialize_map(Top(&mut reader))
        .and_then(|()| json.end());
    finish(reader, read)
}

/// Of several reports, one behind the other.
pub(super) fn parse_last(reports: impl Read, most: usize) -> Result<Report, ReportError> {
    let mut bytes = BufReader::with_capacity(CHUNK, reports);
    if bytes.fill_buf().map_err(ReportError::Read)?.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut json = serde_json::Deserializer::from_reader(AsText::new(bytes));
    loop {
        let mut reader = Reader::new(most);
        let read = json.deserialize_map(Top(&mut reader));
        // What is neither the end nor the start of a report is an error of the next turn.
        if read.is_err() || json.end().is_ok() {
            return finish(reader, read);
        }
    }
}

fn finish(reader: Reader, read: Result<(), serde_json::Error>) -> Result<Report, ReportError> {
    match read {
        Ok(()) => Ok(reader.finish(false)),
        Err(error) if error.is_eof() => Ok(reader.finish(true)),
        Err(error) if error.is_io() => Err(ReportError::Read(error.into())),
        Err(error) => Err(ReportError::Json(error)),
    }
}

/// The report as UTF-8: each byte as the character of the same number; control characters in
/// strings escaped.
struct AsText<R> {
    bytes: R,
    text: Vec<u8>,
    /// As much of `text` has been read.
    read: usize,
    inside: bool,
    escaped: bool,
}

impl<R: BufRead> AsText<R> {
    fn new(bytes: R) -> Self {
        Self {
            bytes,
            text: Vec::new(),
            read: 0,
            inside: false,
            escaped: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.read = 0;
        let chunk = self.bytes.fill_buf()?;
        let length = chunk.len();
        let mut rest = chunk;
        loop {
            // Most bytes stand for themselves.
            let ordinary = rest.iter().position(|byte| !is_ordinary(*byte));
            let (run, behind) = rest.split_at(ordinary.unwrap_or(rest.len()));
            self.text.extend_from_slice(run);
            self.escaped &= run.is_empty();
            let Some((&byte, behind)) = behind.split_first() else {
                break;
            };
            match byte {
                0..0x20 if self.inside => write!(self.text, "\\u{byte:04x}")?,
                _ => {
                    let mut buffer = [0; 2];
                    let character = char::from(byte).encode_utf8(&mut buffer);
                    self.text.extend_from_slice(character.as_bytes());
                }
            }
            self.inside ^= byte == b'"' && !self.escaped;
            self.escaped = self.inside && byte == b'\\' && !self.escaped;
            rest = behind;
        }
        self.bytes.consume(length);
        Ok(())
    }
}

/// Is the same byte in the text, and changes nothing.
fn is_ordinary(byte: u8) -> bool {
    matches!(byte, 0x20..0x80) && byte != b'"' && byte != b'\\'
}

impl<R: BufRead> Read for AsText<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.text.len() {
            self.fill()?;
        }
        let count = (&self.text[self.read..]).read(out)?;
        self.read += count;
        Ok(count)
    }
}

/// Back from characters to bytes.
fn as_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    report: Report,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// Most bytes of entries of a kind.
    most: usize,
    /// Bytes of entries, by kind.
    kept: [usize; 3],
    /// What is not kept.
    beyond: Unkept,
    /// Each list of attributes once.
    lists: HashSet<Arc<[String]>>,
    detailed: usize,
    /// Bytes of attributes' values.
    details: usize,
}

struct Entry {
    kind: ChangeKind,
    is_directory: bool,
    attributes: Arc<[String]>,
    new_values: Option<[u8; 32]>,
    details: Vec<(String, String, String)>,
}

impl Entry {
    /// The flags begin with the letter of the file type, or are a word or nothing.
    fn new(kind: ChangeKind, flags: &str) -> Self {
        Self {
            kind,
            is_directory: flags.starts_with('d'),
            attributes: Arc::default(),
            new_values: None,
            details: Vec::new(),
        }
    }
}

/// Entries that are told apart from others of their number by hashes only.
#[derive(Default)]
struct Unkept {
    entries: u64,
    listed: Sha256,
    detailed: Sha256,
}

impl Unkept {
    fn list(&mut self, path: &[u8], kind: ChangeKind) {
        self.entries += 1;
        part(&mut self.listed, path);
        self.listed.update([kind as u8]);
    }

    fn detail(&mut self, path: &[u8], new_values: Option<[u8; 32]>) {
        part(&mut self.detailed, path);
        part(&mut self.detailed, new_values.as_ref().map_or(&[], |v| v));
    }

    fn finish(self) -> Option<Beyond> {
        (self.entries > 0).then(|| Beyond {
            entries: self.entries,
            listed: self.listed.finalize().into(),
            detailed: self.detailed.finalize().into(),
        })
    }
}

impl Reader {
    fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    fn list(&mut self, path: Vec<u8>, kind: ChangeKind, flags: &str) {
        let kept = &mut self.kept[kind as usize];
        *kept += path.len() + ENTRY;
        if *kept > self.most {
            self.beyond.list(&path, kind);
        } else {
            self.entries.insert(path, Entry::new(kind, flags));
        }
    }

    fn detail(&mut self, path: &str, attributes: Vec<(String, Values)>) {
        let path = as_bytes(path);
        let named =
            |(field, values): (String, Values)| (names::of_field(&field).to_owned(), values);
        let attributes: Vec<_> = attributes.into_iter().map(named).collect();
        let list = self.shared(attributes.iter().map(|(name, _)| name.clone()).collect());
        if self.beyond.entries == 0 && !self.entries.contains_key(&path) {
            self.list(path.clone(), ChangeKind::Changed, "");
        }
        let Some(entry) = self.entries.get_mut(&path) else {
            return self.beyond.detail(&path, digest_of_new(&attributes, false));
        };
        if entry.kind == ChangeKind::Changed {
            entry.attributes = list;
        }
        if entry.kind != ChangeKind::Removed {
            entry.new_values = digest_of_new(&attributes, entry.is_directory);
        }
        let size: usize = attributes
            .iter()
            .map(|(_, v)| v.old.size() + v.new.size())
            .sum();
        self.details += size;
        if self.detailed < DETAILED_CHANGES && self.details <= MAX_DETAILS {
            let values = attributes.into_iter();
            entry.details = values
                .map(|(name, v)| (name, v.old.text(), v.new.text()))
                .collect();
        }
        self.detailed += 1;
    }

    fn shared(&mut self, list: Arc<[String]>) -> Arc<[String]> {
        if let Some(known) = self.lists.get(&list) {
            return Arc::clone(known);
        }
        self.lists.insert(Arc::clone(&list));
        list
    }

    /// The first database is the one that was read; `--init` reads none.
    fn database(&mut self, digests: &BTreeMap<String, String>) {
        if self.report.database_digest.is_none() {
            self.report.database_digest = digests.get("sha256").and_then(|text| sha256(text));
        }
    }

    fn finish(mut self, truncated: bool) -> Report {
        self.report.truncated = truncated;
        self.report.beyond = self.beyond.finish();
        self.report.changes = self
            .entries
            .into_iter()
            .map(|(path, entry)| Change {
                path,
                kind: entry.kind,
                attributes: entry.attributes,
                new_values: entry.new_values,
                details: entry.details,
            })
            .collect();
        self.report
    }
}

/// A SHA-256 in base64, or with `report_base16` in hexadecimal, as lower-case hexadecimal.
pub(super) fn sha256(text: &str) -> Option<String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let digest = STANDARD.decode(text).ok()?;
    (digest.len() == 32).then(|| hex(&digest))
}

/// The report itself.
struct Top<'a>(&'a mut Reader);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report of AIDE")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "outline" => {
                    let outline: String = map.next_value()?;
                    reader.report.differs = outline.contains(" found differences");
                }
                "aide_version" => reader.report.aide_version = map.next_value()?,
                "run_time_seconds" => {
                    // Less than nothing, if the clock was set back meanwhile.
                    let seconds: i64 = map.next_value()?;
                    reader.report.run_time_seconds = u64::try_from(seconds).ok();
                }
                "number_of_entries" => {
                    let counts: BTreeMap<String, u64> = map.next_value()?;
                    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
                    reader.report.total = count("total");
                    reader.report.added = count("added");
                    reader.report.removed = count("removed");
                    reader.report.changed = count("changed");
                }
                "added" => map.next_value_seed(Entries(reader, Some(ChangeKind::Added)))?,
                "removed" => map.next_value_seed(Entries(reader, Some(ChangeKind::Removed)))?,
                "changed" => map.next_value_seed(Entries(reader, Some(ChangeKind::Changed)))?,
                "entries" => map.next_value_seed(Entries(reader, None))?,
                "details" => map.next_value_seed(Details(reader))?,
                "databases" => map.next_value_seed(Databases(reader))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }
}

/// A list of entries: an object from path to flags (`report_summarize_changes`) or to the kind
/// (without `report_grouped`), or an array of paths.
struct Entries<'a>(&'a mut Reader, Option<ChangeKind>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((path, flags)) = map.next_entry::<String, String>()? {
            let kind = self.1.unwrap_or_else(|| kind_of(&flags));
            self.0.list(as_bytes(&path), kind, &flags);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(path) = seq.next_element::<String>()? {
            let kind = self.1.unwrap_or(ChangeKind::Changed);
            self.0.list(as_bytes(&path), kind, "");
        }
        Ok(())
    }
}

/// What flags such as `f++++` say, or the words without `report_summarize_changes`.
pub(super) fn kind_of(flags: &str) -> ChangeKind {
    let all = |sign: char| flags.len() > 1 && flags.chars().skip(1).all(|c| c == sign);
    if flags == "added" || all('+') {
        ChangeKind::Added
    } else if flags == "removed" || all('-') {
        ChangeKind::Removed
    } else {
        ChangeKind::Changed
    }
}

/// Values of attributes by path.
struct Details<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Details<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Details<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details of entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(path) = map.next_key::<String>()? {
            let attributes = map.next_value_seed(Attributes)?;
            self.0.detail(&path, attributes);
        }
        Ok(())
    }
}

/// The attributes of an entry, in the report's order.
struct Attributes;

impl<'de> DeserializeSeed<'de> for Attributes {
    type Value = Vec<(String, Values)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Attributes {
    type Value = Vec<(String, Values)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes with old and new value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Vec::new();
        while let Some((name, values)) = map.next_entry()? {
            attributes.push((name, values));
        }
        Ok(attributes)
    }
}

/// Old and new value of an attribute; empty where there is none.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Values {
    old: Value,
    new: Value,
}

/// The lines of a value: several of an ACL or of extended attributes; none where there is no value.
#[derive(Default)]
struct Value(Vec<String>);

impl Value {
    fn size(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }

    fn text(&self) -> String {
        self.0.join(", ")
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Text(String),
            Number(serde_json::Number),
            Lines(Vec<String>),
        }
        let shown = |text: &String| display_path(&as_bytes(text));
        Ok(Self(match Raw::deserialize(deserializer)? {
            Raw::Text(text) if text.is_empty() => Vec::new(),
            Raw::Text(text) => vec![shown(&text)],
            Raw::Number(number) => vec![number.to_string()],
            Raw::Lines(lines) => lines.iter().map(shown).collect(),
        }))
    }
}

/// The size of a directory is its file system's business.
fn digest_of_new(attributes: &[(String, Values)], is_directory: bool) -> Option<[u8; 32]> {
    let counted = attributes
        .iter()
        .filter(|(name, _)| !(is_directory && name == "size"));
    new_values(counted.map(|(name, values)| (name.as_str(), &values.new.0[..])))
}

/// Digests of databases, by the database's path.
struct Databases<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Databases<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Databases<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digests of databases")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(IgnoredAny) = map.next_key()? {
            let digests = map.next_value()?;
            self.0.database(&digests);
        }
        Ok(())
    }
}
