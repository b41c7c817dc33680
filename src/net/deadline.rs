//! Deadlines of a connection, enforced where its bytes pass.
//!
//! A connection is in one phase at a time; whoever knows what the bytes mean moves
//! [`Pace`] on, and [`DeadlineIo`] fails a read that outlasts its phase and a write that
//! makes no progress. One timer serves a connection for its whole life: it is re-armed
//! when it fires too early, not at each request, so that a request costs no timer work.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The point from which [`Pace`] counts; an `Instant` does not fit an atomic.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time of a phase in which nothing has been waited for yet.
const NOT_WAITED: u64 = u64::MAX;

/// For how long a client is given time to read an answer that it may not expect yet.
const LINGER: Duration = Duration::from_secs(1);

/// What is read meanwhile of a body that nobody wants.
const LINGER_MOST: usize = 64 * 1024;

/// Pieces that are together no longer are written as one: to copy them costs less than to
/// have the kernel gather them.
const SMALL: usize = 2 * 1024;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Waiting for the first byte of a connection, or of an answer.
    FirstByte,
    /// A head has begun to arrive.
    Head,
    /// A message is being exchanged; its body has deadlines of its own.
    Exchange,
    /// Between two messages.
    Idle,
}

/// How long each phase may last; `None` is without end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paces {
    /// [`Phase::FirstByte`].
    pub first_byte: Option<Duration>,
    /// [`Phase::Head`], from its first byte to its last.
    pub head: Option<Duration>,
    /// [`Phase::Idle`].
    pub idle: Option<Duration>,
    /// A write without progress, in any phase.
    pub send_idle: Option<Duration>,
}

/// The phase of one connection, shared by the socket and by who handles its messages.
/// Plain atomics, as hyper wants a `Send` socket for upgrades; they never leave a thread.
#[derive(Debug)]
pub struct Pace {
    paces: Paces,
    phase: AtomicU8,
    since: AtomicU64,
    exchanges: AtomicU32,
    /// HTTP/2 has frames between messages: bytes alone begin no head there.
    framed: bool,
    expired: AtomicU8,
    cut: AtomicBool,
    /// A write has been begun that the other side has not taken.
    stalled: AtomicBool,
    /// What comes from now on is no next message, but of a body.
    in_body: AtomicBool,
    lingers: AtomicBool,
}

/// What has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Expired {
    /// A connection sent nothing, or an answer did not begin.
    FirstByte = 1,
    /// A head did not end.
    Head = 2,
    /// No further message came.
    Idle = 3,
    /// The other side took nothing.
    SendIdle = 4,
}

impl Pace {
    /// A connection that is just open: it waits for its first byte.
    #[must_use]
    pub fn new(paces: Paces, framed: bool) -> Self {
        Self {
            paces,
            phase: AtomicU8::new(Phase::FirstByte as u8),
            since: AtomicU64::new(NOT_WAITED),
            exchanges: AtomicU32::new(0),
            framed,
            expired: AtomicU8::new(0),
            cut: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            in_body: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
        }
    }

    /// Enters a phase. Its time begins when the socket is first waited for in it, so that
    /// what never waits never reads the clock.
    pub fn enter(&self, phase: Phase) {
        self.since.store(NOT_WAITED, Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    /// A message has arrived and is being answered; several may be at once in HTTP/2.
    pub fn begin_exchange(&self) {
        self.exchanges
            .store(self.exchanges.load(Relaxed).saturating_add(1), Relaxed);
        self.phase.store(Phase::Exchange as u8, Relaxed);
        self.in_body.store(false, Relaxed);
    }

    /// A message has been answered; after the last one the connection is idle.
    pub fn end_exchange(&self) {
        let left = self.exchanges.load(Relaxed).saturating_sub(1);
        self.exchanges.store(left, Relaxed);
        if left == 0 {
            self.enter(Phase::Idle);
        }
    }

    /// The answer being sent is not to be finished: from now on a write that has to wait
    /// fails. The connection's task has to be woken for it to find that out.
    pub fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// The message has been answered before its body came to its end: what comes now is none
    /// that begins.
    pub fn leave_body_open(&self) {
        self.in_body.store(true, Relaxed);
    }

    /// Whether a body comes in that may be refused before its end. The socket is then closed
    /// only after its sender has had time to read the answer: closed with bytes unread it
    /// would be reset, and the answer lost (RFC 9112 9.6). What comes after a message without
    /// a body may belong to a tunnel, which reads it itself.
    pub fn linger(&self, has_body: bool) {
        self.lingers.store(has_body, Relaxed);
    }

    /// What ran out on this connection, if something did.
    #[must_use]
    pub fn expired(&self) -> Option<Expired> {
        match self.expired.load(Relaxed) {
            1 => Some(Expired::FirstByte),
            2 => Some(Expired::Head),
            3 => Some(Expired::Idle),
            4 => Some(Expired::SendIdle),
            _ => None,
        }
    }

    /// What the connection is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::FirstByte,
            1 => Phase::Head,
            2 => Phase::Exchange,
            _ => Phase::Idle,
        }
    }

    /// Whether nothing has been exchanged for so long, all that was written is out, and only
    /// a next message can come. Counted from when that is first asked or waited for.
    pub(crate) fn is_quiet(&self, time: Duration) -> bool {
        let is_busy = self.stalled.load(Relaxed) || self.in_body.load(Relaxed);
        if self.phase() != Phase::Idle || is_busy {
            return false;
        }
        Instant::now() >= self.waited_since() + time
    }

    fn bytes_arrived(&self) {
        match self.phase() {
            Phase::FirstByte => self.enter(Phase::Head),
            Phase::Idle if !self.framed => self.enter(Phase::Head),
            _ => {}
        }
    }

    /// By when a read must have given something, and what has run out otherwise. An
    /// exchange has no such deadline, only a time to look again.
    fn read_by(&self) -> Option<(Instant, Option<Expired>)> {
        let (limit, expired) = match self.phase() {
            Phase::FirstByte => (self.paces.first_byte, Some(Expired::FirstByte)),
            Phase::Head => (self.paces.head, Some(Expired::Head)),
            Phase::Exchange => (self.paces.idle, None),
            Phase::Idle => (self.paces.idle, Some(Expired::Idle)),
        };
        // Where there is no limit the clock need not be read.
        let limit = limit?;
        Some((self.waited_since() + limit, expired))
    }

    /// When the phase's time began: now, where nothing has been waited for in it yet.
    fn waited_since(&self) -> Instant {
        let mut since = self.since.load(Relaxed);
        if since == NOT_WAITED {
            let now = Instant::now().saturating_duration_since(*EPOCH);
            since = u64::try_from(now.as_micros()).unwrap_or(NOT_WAITED - 1);
            self.since.store(since, Relaxed);
        }
        *EPOCH + Duration::from_micros(since)
    }

    fn fail(&self, what: Expired) -> io::Error {
        self.expired.store(what as u8, Relaxed);
        io::ErrorKind::TimedOut.into()
    }
}

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

    /// The same transport under another pace, once it is known what it speaks.
    #[must_use]
    pub fn with_pace(mut self, pace: Arc<Pace>) -> Self {
        self.pace = pace;
        self
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
