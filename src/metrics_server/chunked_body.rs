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
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn the_body_is_sent_in_chunks() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let bytes: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let mut body = ChunkedBody::default();
            for part in bytes.chunks(1000) {
                body.write_all(part).unwrap();
            }
            assert_eq!(body.size_hint().exact(), u64::try_from(length).ok());
            assert_eq!(body.is_end_stream(), length == 0);
            assert!(body.full.iter().all(|chunk| chunk.len() == CHUNK));
            let collected = body.collect().await.unwrap().to_bytes();
            assert_eq!(collected, bytes);
        }
    }
}
