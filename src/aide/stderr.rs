//! AIDE's standard error: number and first line of each class of messages. Pure.
//!
//! AIDE 0.19 only warns if it cannot read a directory or a file; its exit status is that of a complete run. The most
//! frequent reason is harmless: the directory changed while AIDE opened it (`failed to open directory
//! '/etc' for reading: stat fields changed: n (skipping recursion)`). But everything below it is
//! missing in the database, or counts as removed. Such a run must be repeated. AIDE discards the
//! digests of a file that changes while AIDE reads it. The changes that such a run found are real,
//! but if it found none, this proves nothing: the file was not checked.
//!
//! Lines are classified while they are read, so that many other warnings cannot hide important ones. Lines contain file
//! names, which any user of the node can choose, even with line feeds. So the class depends on the end of
//! a line, which is AIDE's own text.

use crate::text::shorten_middle;

/// The end of a warning that a directory and everything below it, or a file, was skipped (`do_md.c` and `gen_list.c`
/// of AIDE 0.19).
const SKIPPED: [&str; 3] = [
    "(skipping recursion)",
    "could not be calculated)",
    "(skipping)",
];
/// Attributes that a file system does not support. There is one line for each of its directories.
const DISABLED: &str = "(disabling ";
/// The end of a warning that a file changed while AIDE read it. Its digests are not compared, or are missing in the
/// database.
const CHANGING: &str = "(discarding calculated hashsums)";
/// The file was removed during the run, so it is correct that it is missing.
const REMOVED: &str = ": No such file or directory";

/// Maximum length in bytes of the first line of a class.
const MAX_FIRST: usize = 512;
/// Number of bytes that are kept of the start of a line: enough for a path of 4,096 bytes that are escaped as
/// `\ooo`.
const MAX_HEAD: usize = 20 * 1024;
/// Number of bytes that are kept of the end of a longer line.
const MAX_TAIL: usize = 1024;

/// The classified lines of standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stderr {
    /// The first error. AIDE exits after it.
    pub error: Option<String>,
    /// Skipped directories and files.
    pub skipped: Class,
    /// Files that changed while AIDE read them.
    pub changing: Class,
    /// All other relevant lines.
    pub others: Class,
}

/// Lines with the same meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The first line without its level. A long line is shortened in the middle.
    pub first: Option<String>,
    /// Number of lines of this class.
    pub count: u64,
}

impl Class {
    fn add(&mut self, text: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| {
            let mut first = text.to_owned();
            shorten_middle(&mut first, MAX_FIRST);
            first
        });
    }

    /// The first line and the number of lines, or `None` if there are none.
    pub fn summary(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{first} ({} in all)", self.count))
    }
}

impl Stderr {
    /// Classifies the lines of a text.
    #[cfg(any(test, feature = "testing"))]
    pub fn of(text: &str) -> Self {
        let mut stderr = Self::default();
        text.lines().for_each(|line| stderr.add(line));
        stderr
    }

    /// Classifies and counts a line.
    pub fn add(&mut self, line: &str) {
        let line = line.trim();
        let text = line.trim_start_matches("WARNING:").trim();
        if is_skipped(text) {
            if !is_removed(text) {
                self.skipped.add(text);
            }
        } else if text.ends_with(CHANGING) {
            self.changing.add(text);
        } else if line.starts_with("ERROR:") {
            self.error.get_or_insert_with(|| line.to_owned());
        } else if !(text.is_empty()
            || line.starts_with("NOTICE:")
            || ending(text).starts_with(DISABLED))
        {
            self.others.add(text);
        }
    }
}

fn is_skipped(text: &str) -> bool {
    SKIPPED.iter().any(|end| text.ends_with(end)) || is_partial_file(text)
}

/// Whether the content of a file was not read: `failed to open file '/x' for reading: stat fields changed: ...
/// (disabling attrs requiring read permissions: sha256)`.
fn is_partial_file(text: &str) -> bool {
    let after_path = text.rsplit('\'').next().unwrap_or(text);
    ending(text).starts_with(DISABLED) && after_path.contains("for reading: ")
}

/// Whether the reason, before the final parentheses, is that the file does not exist.
fn is_removed(text: &str) -> bool {
    let reason = text.strip_suffix(ending(text)).unwrap_or(text);
    reason.trim_end().ends_with(REMOVED)
}

/// The final parentheses with what AIDE does.
fn ending(text: &str) -> &str {
    text.rfind(" (").map_or("", |at| &text[at + 1..])
}

/// A line that is being read. Only its start and end are kept.
#[derive(Debug, Default)]
pub struct LongLine {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl LongLine {
    /// Appends bytes to the line.
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_HEAD.saturating_sub(self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let newest = &tail[tail.len().saturating_sub(MAX_TAIL)..];
        self.tail.extend_from_slice(newest);
        let older = self.tail.len().saturating_sub(MAX_TAIL);
        self.tail.drain(..older);
    }

    /// Returns the line and clears the buffer.
    pub fn take(&mut self) -> String {
        let mut line = std::mem::take(&mut self.head);
        line.append(&mut self.tail);
        String::from_utf8_lossy(&line).into_owned()
    }
}

#[cfg(test)]
mod tests;
