//! A socket some of whose bytes have been read already, to see what they begin.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::DeadlineIo;

/// Bytes that one look at a quiet socket takes. They lie on the stack, so that whoever
/// waits holds no buffer.
const LOOK: usize = 4096;

/// A socket that gives bytes again before it gives its own.
#[derive(Debug)]
pub(super) struct Resumed<T> {
    again: Bytes,
    socket: T,
}

impl<T> Resumed<T> {
    pub(super) fn new(socket: T) -> Self {
        Self {
            again: Bytes::new(),
            socket,
        }
    }

    /// Gives these first. There must be none that it has still to give. They are copied: even
    /// none of them would hold on to the whole buffer that they were read into.
    pub(super) fn rewind(&mut self, again: &[u8]) {
        debug_assert!(self.again.is_empty());
        self.again = Bytes::copy_from_slice(again);
    }

    /// What it gives before it reads its socket.
    pub(super) fn again(&self) -> &[u8] {
        &self.again
    }
}

/// Waits until there is something to read, within the socket's deadlines, and keeps it to
/// be read again, after what was read before. How much there is now; none at the end.
pub(super) fn poll_begun<T: AsyncRead + Unpin>(
    io: &mut DeadlineIo<Resumed<T>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let before = std::mem::take(&mut io.transport_mut().again);
    let mut room = [const { MaybeUninit::uninit() }; LOOK];
    let mut buffer = ReadBuf::uninit(&mut room);
    let read = Pin::new(&mut *io).poll_read(cx, &mut buffer);
    let (came, resumed) = (buffer.filled(), io.transport_mut());
    if came.is_empty() {
        resumed.again = before;
        return read.map_ok(|()| 0);
    }
    resumed.again = match before.is_empty() {
        true => Bytes::copy_from_slice(came),
        false => [&before[..], came].concat().into(),
    };
    let begun = resumed.again.len();
    ready!(read)?;
    Poll::Ready(Ok(begun))
}

impl<T: AsyncRead + Unpin> AsyncRead for Resumed<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.again.is_empty() {
            return Pin::new(&mut this.socket).poll_read(cx, buf);
        }
        let again = this.again.get(..buf.remaining()).unwrap_or(&this.again);
        buf.put_slice(again);
        let given = again.len();
        this.again.advance(given);
        if this.again.is_empty() {
            // An empty rest would still hold on to the memory.
            this.again = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Resumed<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
