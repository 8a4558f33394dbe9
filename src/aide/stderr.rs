//! What AIDE writes to its standard error, line by line: a count and the first line of each class. Pure.
//!
//! AIDE 0.19 goes on, and ends with the exit status of a whole run, where it could not read a
//! directory or a file; it only warns. The commonest reason is harmless by itself: the directory
//! changed between two looks at it (`failed to open directory '/etc' for reading: stat fields
//! changed: n (skipping recursion)`, seen when a subdirectory was made or removed at that moment).
//! But then everything below it is missing from the database, or counts as removed. Such a run
//! proves nothing and is to be done again. A file that was written while it was read is left without
//! digests: what such a run found is true, but that it found nothing proves nothing.
//!
//! Lines are classified while they are read, so no number of other warnings hides the one that matters.
//! They quote names of files, which anybody on the node may choose, even with line feeds in them: the
//! class depends on how a line ends, where AIDE's own words are.

use crate::text::shorten_middle;

/// What ends a warning that a directory, with all below it, or a file was left out (`do_md.c` and
/// `gen_list.c` of AIDE 0.19).
const LEFT_OUT: [&str; 3] = [
    "(skipping recursion)",
    "could not be calculated)",
    "(skipping)",
];
/// Attributes that a file system lacks; one line for each directory of it.
const DISABLED: &str = "(disabling ";
/// What ends a warning that a file was written while it was read: its digests are not compared, or
/// are missing in the database, as if its rule named none.
const IN_MOTION: &str = "(discarding calculated hashsums)";
/// What is gone when AIDE comes to it was removed meanwhile, and is to be missing.
const GONE: &str = ": No such file or directory";

/// Maximum length in bytes of the first line of a class.
const MAX_FIRST: usize = 512;
/// Bytes that are kept of the beginning of a line; a path of 4,096 bytes, each written as `\ooo`, fits.
const MAX_HEAD: usize = 20 * 1024;
/// Bytes that are kept of the end of a longer line.
const MAX_TAIL: usize = 1024;

/// What AIDE wrote to its standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stderr {
    /// The first error, as AIDE wrote it; AIDE ends after it.
    pub error: Option<String>,
    /// Directories and files that were not read.
    pub left_out: Class,
    /// Files that were written while AIDE read them.
    pub in_motion: Class,
    /// Everything else but what is of no interest to anybody.
    pub others: Class,
}

/// Lines that mean the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The first, without its level; a long one without its middle.
    pub first: Option<String>,
    /// How many there are.
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

    /// The first line, and how many there are; none if there are none.
    pub fn summary(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{first} ({} in all)", self.count))
    }
}

impl Stderr {
    /// Those of a whole text.
    pub fn of(text: &str) -> Self {
        let mut stderr = Self::default();
        text.lines().for_each(|line| stderr.add(line));
        stderr
    }

    /// Takes a line into account.
    pub fn add(&mut self, line: &str) {
        let line = line.trim();
        let text = line.trim_start_matches("WARNING:").trim();
        if is_left_out(text) {
            if !is_gone(text) {
                self.left_out.add(text);
            }
        } else if text.ends_with(IN_MOTION) {
            self.in_motion.add(text);
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

fn is_left_out(text: &str) -> bool {
    LEFT_OUT.iter().any(|end| text.ends_with(end)) || is_partial_file(text)
}

/// `failed to open file '/x' for reading: stat fields changed: ... (disabling attrs requiring read
/// permissions: sha256)`: its content was not read.
fn is_partial_file(text: &str) -> bool {
    let behind_path = text.rsplit('\'').next().unwrap_or(text);
    ending(text).starts_with(DISABLED) && behind_path.contains("for reading: ")
}

/// Whether the reason, before what AIDE does about it, is that there is no such file.
fn is_gone(text: &str) -> bool {
    let reason = text.strip_suffix(ending(text)).unwrap_or(text);
    reason.trim_end().ends_with(GONE)
}

/// What AIDE does about it: the last `(...)`.
fn ending(text: &str) -> &str {
    text.rfind(" (").map_or("", |at| &text[at + 1..])
}

/// A line as it is read, of which beginning and end are kept.
#[derive(Debug, Default)]
pub struct LongLine {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl LongLine {
    /// Adds what comes next.
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_HEAD.saturating_sub(self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let newest = &tail[tail.len().saturating_sub(MAX_TAIL)..];
        self.tail.extend_from_slice(newest);
        let older = self.tail.len().saturating_sub(MAX_TAIL);
        self.tail.drain(..older);
    }

    /// The line; after that it is empty.
    pub fn take(&mut self) -> String {
        let mut line = std::mem::take(&mut self.head);
        line.append(&mut self.tail);
        String::from_utf8_lossy(&line).into_owned()
    }
}

#[cfg(test)]
mod tests;
