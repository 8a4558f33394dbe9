//! A body of pieces of a moderate size: written like a file, sent like any body. Pure.
//!
//! A text of some megabytes in one piece would be copied each time that it outgrows its place, and
//! leave a hole of that size in the heap.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// How long a piece is, in bytes.
const PIECE: usize = 32 * 1024;

/// The body. It takes what is written to it, and gives it out from the beginning.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    full: VecDeque<Bytes>,
    last: Vec<u8>,
}

impl From<String> for Pieces {
    fn from(text: String) -> Self {
        Self {
            full: VecDeque::new(),
            last: text.into_bytes(),
        }
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.last.len() >= PIECE {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(PIECE));
            self.full.push_back(full.into());
        }
        let count = bytes.len().min(PIECE - self.last.len());
        self.last.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.full.pop_front().or_else(|| {
            let last = std::mem::take(&mut self.last);
            (!last.is_empty()).then(|| last.into())
        });
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.full.is_empty() && self.last.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let full: usize = self.full.iter().map(Bytes::len).sum();
        // No platform has lengths that do not fit.
        SizeHint::with_exact(u64::try_from(full + self.last.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_given_out_in_pieces() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let mut pieces = Pieces::default();
            for part in bytes.chunks(1000) {
                pieces.write_all(part).unwrap();
            }
            assert_eq!(pieces.size_hint().exact(), u64::try_from(length).ok());
            assert_eq!(pieces.is_end_stream(), length == 0);
            assert!(pieces.full.iter().all(|piece| piece.len() == PIECE));
            let collected = pieces.collect().await.unwrap().to_bytes();
            assert_eq!(collected, bytes);
        }
    }
}
