//! Reports as text: every byte becomes one character.
//!
//! AIDE writes the bytes of paths unchanged, so a report is not always UTF-8. Before 0.19.2 it did not escape
//! control characters either. So each byte is converted to one character, as in Latin-1, while the
//! JSON is read, and back to a byte afterwards. AIDE's own `\uXXXX` are all below 0x80.

use std::io::{self, BufRead, Read, Write as _};

/// Converts bytes to UTF-8: each byte to the character with the same number. Escapes control characters in
/// strings.
pub(super) struct AsText<R> {
    bytes: R,
    text: Vec<u8>,
    /// Number of bytes of `text` that have been read.
    read: usize,
    in_string: bool,
    is_escaped: bool,
}

impl<R: BufRead> AsText<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self {
            bytes,
            text: Vec::new(),
            read: 0,
            in_string: false,
            is_escaped: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.read = 0;
        let chunk = self.bytes.fill_buf()?;
        let length = chunk.len();
        let mut rest = chunk;
        loop {
            // Most bytes are copied unchanged.
            let ordinary = rest.iter().position(|byte| !is_ordinary(*byte));
            let (run, after) = rest.split_at(ordinary.unwrap_or(rest.len()));
            self.text.extend_from_slice(run);
            self.is_escaped &= run.is_empty();
            let Some((&byte, after)) = after.split_first() else {
                break;
            };
            match byte {
                0..0x20 if self.in_string => write!(self.text, "\\u{byte:04x}")?,
                _ => {
                    let mut buffer = [0; 2];
                    let character = char::from(byte).encode_utf8(&mut buffer);
                    self.text.extend_from_slice(character.as_bytes());
                }
            }
            self.in_string ^= byte == b'"' && !self.is_escaped;
            self.is_escaped = self.in_string && byte == b'\\' && !self.is_escaped;
            rest = after;
        }
        self.bytes.consume(length);
        Ok(())
    }
}

/// Whether a byte is copied unchanged and does not start or end a string or an escape.
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

/// Converts characters back to bytes.
pub(super) fn as_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}
