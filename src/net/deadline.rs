//! Deadlines of a connection, enforced where its bytes pass.
//!
//! A connection is in one phase at a time; whoever knows what the bytes mean moves
//! [`Pace`] on, and [`DeadlineIo`] fails a read that outlasts its phase and a write that
//! makes no progress. One timer serves a connection for its whole life: it is re-armed
//! when it fires too early, not at each request, so that a request costs no timer work.

mod pace;

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

pub use self::pace::{Expired, Pace, Paces, Phase};

/// For how long a client is given time to read an answer that it may not expect yet.
const LINGER: Duration = Duration::from_secs(1);

/// What is read meanwhile of a body that nobody wants.
const LINGER_MOST: usize = 64 * 1024;

/// Pieces that are together no longer are written as one: to copy them costs less than to
/// have the kernel gather them.
const SMALL: usize = 2 * 1024;

/// A timer that is set once and then only pushed back.
#[derive(Debug, Default)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Alarm {
    /// Ready once `by` has passed; otherwise the task is woken then, or earlier.
    pub fn poll(&mut self, cx: &mut Context<'_>, by: Instant) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(by)));
        if sleep.deadline() > by {
            sleep.as_mut().reset(by);
            self.armed = false;
        }
        // Polling a timer takes its lock: once it holds this task's waker, look only at
        // whether it has fired.
        if self.armed && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            self.armed = sleep.as_mut().poll(cx).is_pending();
            if self.armed {
                return Poll::Pending;
            }
            if Instant::now() >= by {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(by);
        }
    }
}

/// A transport whose reads and writes keep to a [`Pace`].
#[derive(Debug)]
pub struct DeadlineIo<T> {
    inner: T,
    pace: Arc<Pace>,
    read: Alarm,
    write: Alarm,
    stalled_since: Option<Instant>,
    /// Until when a closed connection lingers, once it does, and what was read since.
    lingering: Option<(Instant, usize)>,
}

impl<T> DeadlineIo<T> {
    /// Wraps a transport.
    pub fn new(inner: T, pace: Arc<Pace>) -> Self {
        Self {
            inner,
            pace,
            read: Alarm::default(),
            write: Alarm::default(),
            stalled_since: None,
            lingering: None,
        }
    }

    /// The transport itself, past its deadlines.
    pub(crate) fn transport_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Goes on at another pace, once it is known what the transport speaks.
    pub(crate) fn set_pace(&mut self, pace: Arc<Pace>) {
        self.pace = pace;
    }

    fn sent<R>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if result.is_ready() {
            if self.stalled_since.take().is_some() {
                self.pace.stalled.store(false, Relaxed);
            }
            return result;
        }
        if self.pace.cut.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.pace.stalled.store(true, Relaxed);
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        let Some(limit) = self.pace.paces.send_idle else {
            return Poll::Pending;
        };
        ready!(self.write.poll(cx, since + limit));
        Poll::Ready(Err(self.pace.fail(Expired::SendIdle)))
    }
}

impl<T: AsyncRead + Unpin> DeadlineIo<T> {
    /// After the last byte was sent: reads a little of what still comes, and waits for the
    /// other side to end the connection.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (until, mut read) = *self.lingering.get_or_insert_with(|| {
            // What comes now is no next request: the connection must not pass for quiet.
            self.pace.leave_body_open();
            (Instant::now() + LINGER, 0)
        });
        let mut buffer = [0; 4 * 1024];
        while read < LINGER_MOST {
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    read += buffer.filled().len();
                    self.lingering = Some((until, read));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.read.poll(cx, until)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for DeadlineIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.inner).poll_read(cx, buf) {
            if buf.filled().len() == before {
                return Poll::Ready(result);
            }
            // A head that keeps coming never has to be waited for: its time is looked at
            // with each further piece.
            if this.pace.phase() == Phase::Head
                && let Some((by, Some(what))) = this.pace.read_by()
                && Instant::now() >= by
            {
                return Poll::Ready(Err(this.pace.fail(what)));
            }
            this.pace.bytes_arrived();
            return Poll::Ready(result);
        }
        let Some((by, what)) = this.pace.read_by() else {
            return Poll::Pending;
        };
        let Some(what) = what else {
            // hyper does not read again when the exchange ends, as this read still waits:
            // the timer that is set now is what finds the connection idle.
            if this.read.poll(cx, by).is_ready() {
                let idle = this.pace.paces.idle.unwrap_or_default();
                let _ = this.read.poll(cx, Instant::now() + idle);
            }
            return Poll::Pending;
        };
        ready!(this.read.poll(cx, by));
        Poll::Ready(Err(this.pace.fail(what)))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for DeadlineIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.sent(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let inner = Pin::new(&mut this.inner);
        let result = match bufs {
            [one] => inner.poll_write(cx, one),
            several if several.iter().map(|piece| piece.len()).sum::<usize>() <= SMALL => {
                let mut room = [const { MaybeUninit::uninit() }; SMALL];
                let mut whole = ReadBuf::uninit(&mut room);
                several.iter().for_each(|piece| whole.put_slice(piece));
                inner.poll_write(cx, whole.filled())
            }
            several => inner.poll_write_vectored(cx, several),
        };
        this.sent(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_flush(cx);
        this.sent(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            let result = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.sent(cx, result))?;
        }
        if this.pace.lingers.load(Relaxed) {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
