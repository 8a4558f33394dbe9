//! Compresses streams with a bound on the memory that the result takes. Pure but for reading them.

use std::io::{self, Read};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Number of bytes that are read at once.
const CHUNK: usize = 64 * 1024;

pub(super) enum Gzipped {
    Whole {
        bytes: Vec<u8>,
    },
    /// The size of the result, which was only counted.
    TooLarge {
        size: u64,
    },
}

/// Compresses all of `input`. Beyond `limit` bytes the result is only counted.
pub(super) fn gzip(mut input: impl Read, limit: usize) -> io::Result<Gzipped> {
    let mut encoder = encoder(limit);
    let mut chunk = vec![0; CHUNK];
    while copy(&mut input, &mut chunk, &mut encoder)? {}
    let out = encoder.finish()?;
    Ok(if out.is_too_large() {
        Gzipped::TooLarge { size: out.size }
    } else {
        Gzipped::Whole { bytes: out.bytes }
    })
}

/// Compresses `input`. Stops with None as soon as the result has more than `limit` bytes.
pub(super) fn gzip_within(mut input: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut encoder = encoder(limit);
    let mut chunk = vec![0; CHUNK];
    while copy(&mut input, &mut chunk, &mut encoder)? {
        if encoder.get_ref().is_too_large() {
            return Ok(None);
        }
    }
    let out = encoder.finish()?;
    Ok((!out.is_too_large()).then_some(out.bytes))
}

fn encoder(limit: usize) -> GzEncoder<Bounded> {
    let out = Bounded {
        bytes: Vec::new(),
        limit,
        size: 0,
    };
    GzEncoder::new(out, Compression::default())
}

/// Copies a chunk. Returns false at the end of the input.
fn copy(input: &mut impl Read, chunk: &mut [u8], output: &mut impl io::Write) -> io::Result<bool> {
    let count = input.read(chunk)?;
    output.write_all(&chunk[..count])?;
    Ok(count > 0)
}

/// Counts all bytes that are written, and stores them up to the limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    size: u64,
}

impl Bounded {
    fn is_too_large(&self) -> bool {
        self.size > self.limit as u64
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += bytes.len() as u64;
        if self.is_too_large() {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
