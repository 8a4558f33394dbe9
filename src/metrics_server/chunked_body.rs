//! A response body in chunks: written like a file, sent like any body. Pure.
//!
//! A single buffer for a text of some megabytes would be copied each time it grows, and fragment the heap.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Size of a chunk, in bytes.
const CHUNK: usize = 32 * 1024;

/// A body that is written first and then sent.
#[derive(Debug, Default)]
pub(super) struct ChunkedBody {
    full: VecDeque<Bytes>,
    last: Vec<u8>,
}

impl From<String> for ChunkedBody {
    fn from(text: String) -> Self {
        Self {
            full: VecDeque::new(),
            last: text.into_bytes(),
        }
    }
}

impl io::Write for ChunkedBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.last.len() >= CHUNK {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(CHUNK));
            self.full.push_back(full.into());
        }
        let count = bytes.len().min(CHUNK - self.last.len());
        self.last.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Body for ChunkedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.full.pop_front().or_else(|| {
            let last = std::mem::take(&mut self.last);
            (!last.is_empty()).then(|| last.into())
        });
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.full.is_empty() && self.last.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let full: usize = self.full.iter().map(Bytes::len).sum();
        // No platform has larger lengths.
        SizeHint::with_exact(u64::try_from(full + self.last.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
