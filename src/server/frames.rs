//! HTTP/2 frames that carry nothing, counted where they pass.
//!
//! A PING or SETTINGS has to be answered (RFC 9113 6.5.3 and 6.7), a stream may be opened
//! and reset at once, and none of that meets a limit of streams or of bytes. So a
//! connection has a number of such frames in a time, and some more for each frame that
//! carries a head or data, in either direction: what moves messages may also steer them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::connection::PREFACE;

/// The time in which a connection gets its number of frames again.
const REFILL: Duration = Duration::from_secs(10);

/// Further frames for one that carries a head or data.
const CARRIED: u32 = 4;

/// What a reset counts: with what its stream's head gave, one more than other frames.
const RESET: u32 = CARRIED + 1;

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// What a read fails with after more frames than an honest client needs. Of an error the
/// HTTP/2 library hands on the kind alone, and no socket fails with this one.
pub(super) const FLOOD: io::ErrorKind = io::ErrorKind::QuotaExceeded;

/// An HTTP/2 connection whose frames are counted.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    coming: Frames,
    going: Frames,
    budget: Budget,
}

/// Finds the frames in a stream of bytes.
#[derive(Debug)]
struct Frames {
    header: [u8; HEADER],
    filled: usize,
    /// Bytes until the next header.
    skip: usize,
}

#[derive(Debug)]
struct Budget {
    most: u32,
    left: u32,
    refilled: Instant,
}

impl<T> Counted<T> {
    /// Counts what a client sends after its preface.
    pub(super) fn new(inner: T, most: u32) -> Self {
        Self {
            inner,
            coming: Frames::after(PREFACE.len()),
            going: Frames::after(0),
            budget: Budget {
                most,
                left: most,
                refilled: Instant::now(),
            },
        }
    }
}

impl Frames {
    fn after(skip: usize) -> Self {
        Self {
            header: [0; HEADER],
            filled: 0,
            skip,
        }
    }

    /// Calls with type and length of every frame that begins in these bytes.
    fn find(&mut self, mut bytes: &[u8], mut each: impl FnMut(u8, usize)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let wanted = HEADER - self.filled;
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            if let Some(room) = self.header.get_mut(self.filled..self.filled + part.len()) {
                room.copy_from_slice(part);
            }
            self.filled += part.len();
            bytes = rest;
            if self.filled == HEADER {
                self.filled = 0;
                let [a, b, c, kind, ..] = self.header;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                each(kind, self.skip);
            }
        }
    }
}

impl Budget {
    /// A frame came; false where it is one too many.
    fn take(&mut self, kind: u8, length: usize) -> bool {
        if self.give(kind, length) {
            return true;
        }
        let cost = if kind == RST_STREAM { RESET } else { 1 };
        if self.left < cost {
            self.refill();
        }
        let enough = self.left >= cost;
        self.left = self.left.saturating_sub(cost);
        enough
    }

    /// A frame came or went; true where it carried something.
    fn give(&mut self, kind: u8, length: usize) -> bool {
        let carries = kind == HEADERS || (kind == DATA && length > 0);
        if carries {
            self.left = self.left.saturating_add(CARRIED).min(self.most);
        }
        carries
    }

    fn refill(&mut self) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.refilled).min(REFILL);
        let share = u128::from(self.most) * passed.as_millis() / REFILL.as_millis();
        let share = u32::try_from(share).unwrap_or(self.most);
        if share > 0 {
            self.refilled = now;
            self.left = self.left.saturating_add(share).min(self.most);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        let bytes = buf.filled().get(before..).unwrap_or_default();
        let mut within = true;
        this.coming.find(bytes, |kind, length| {
            within &= this.budget.take(kind, length)
        });
        if within {
            read
        } else {
            Poll::Ready(Err(FLOOD.into()))
        }
    }
}

impl<T> Counted<T> {
    fn sent<'b>(
        &mut self,
        written: Poll<io::Result<usize>>,
        bufs: impl Iterator<Item = &'b [u8]>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(mut left)) = written {
            for buf in bufs {
                let part = buf.get(..left).unwrap_or(buf);
                left -= part.len();
                self.going.find(part, |kind, length| {
                    self.budget.give(kind, length);
                });
            }
        }
        written
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.sent(written, std::iter::once(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.sent(written, bufs.iter().map(|buf| &**buf))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length)
            .expect("a frame's length")
            .to_be_bytes();
        let mut bytes = vec![size[1], size[2], size[3], kind, 0, 0, 0, 0, 1];
        bytes.extend(std::iter::repeat_n(0xaa, length));
        bytes
    }

    fn budget(most: u32) -> Budget {
        Budget {
            most,
            left: most,
            refilled: Instant::now(),
        }
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_bytes_are_cut(
            sent in prop::collection::vec((0_u8..12, 0_usize..40), 0..20),
            cuts in prop::collection::vec(1_usize..30, 1..20),
        ) {
            let mut bytes = PREFACE.to_vec();
            bytes.extend(sent.iter().flat_map(|&(kind, length)| frame(kind, length)));
            let (mut frames, mut found) = (Frames::after(PREFACE.len()), Vec::new());
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let at = rest.len().min(*cuts.next().expect("a cycle"));
                let (part, after) = rest.split_at(at);
                frames.find(part, |kind, length| found.push((kind, length)));
                rest = after;
            }
            prop_assert_eq!(found, sent);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_carries_nothing_has_an_end_and_time_gives_more() {
        let mut budget = budget(100);
        assert!((0..100).all(|_| budget.take(PING, 8)));
        assert!(!budget.take(PING, 8));
        tokio::time::advance(REFILL / 10).await;
        assert!((0..10).all(|_| budget.take(PING, 8)));
        assert!(!budget.take(PING, 8));
        tokio::time::advance(REFILL * 5).await;
        assert_eq!((0..200).filter(|_| budget.take(PING, 8)).count(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_carries_something_may_go_on_for_ever() {
        let mut budget = budget(100);
        for _ in 0..10_000 {
            assert!(budget.take(HEADERS, 30) && budget.take(DATA, 1));
            assert!((0..4).all(|_| budget.take(8, 4)), "two windows, twice");
            budget.give(HEADERS, 30);
            assert!(budget.take(RST_STREAM, 4), "an answered stream, reset late");
        }
        // An empty DATA carries nothing.
        assert!((0..200).filter(|_| budget.take(DATA, 0)).count() <= 100);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_are_reset_at_once_have_an_end() {
        let mut budget = budget(100);
        let resets =
            (0..1_000).take_while(|_| budget.take(HEADERS, 30) && budget.take(RST_STREAM, 4));
        assert!((90..=110).contains(&resets.count()));
    }
}
