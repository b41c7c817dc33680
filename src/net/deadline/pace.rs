//! What a connection is doing, and for how long it may.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// The point from which [`Pace`] counts; an `Instant` does not fit an atomic.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time of a phase in which nothing has been waited for yet.
const NOT_WAITED: u64 = u64::MAX;

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
    pub(super) paces: Paces,
    phase: AtomicU8,
    since: AtomicU64,
    exchanges: AtomicU32,
    /// HTTP/2 has frames between messages: bytes alone begin no head there.
    framed: bool,
    expired: AtomicU8,
    pub(super) cut: AtomicBool,
    /// A write has been begun that the other side has not taken.
    pub(super) stalled: AtomicBool,
    /// What comes from now on is no next message, but of a body.
    in_body: AtomicBool,
    /// How many messages have begun, so that the rest of one is not taken for another's.
    messages: AtomicU32,
    /// The message whose body somebody still takes though it is answered; 0 is none.
    taken: AtomicU32,
    pub(super) lingers: AtomicBool,
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
            messages: AtomicU32::new(0),
            taken: AtomicU32::new(0),
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
        let messages = self.messages.load(Relaxed).wrapping_add(1).max(1);
        self.messages.store(messages, Relaxed);
        self.taken.store(0, Relaxed);
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

    /// The same where somebody still takes the body: its bytes begin no head, and the
    /// connection idles only while no more of it is taken. Gives the message's number, by
    /// which [`Pace::body_goes_on`] and [`Pace::body_ended`] know whether another has begun.
    #[must_use]
    pub fn leave_body_taken(&self) -> u32 {
        self.leave_body_open();
        let message = self.messages.load(Relaxed);
        self.taken.store(message, Relaxed);
        message
    }

    /// More of that message's body has been taken.
    pub fn body_goes_on(&self, message: u32) {
        if self.taken.load(Relaxed) == message {
            self.stream_goes_on();
        }
    }

    /// The same in HTTP/2, of a stream that has been answered: the connection does not idle.
    pub fn stream_goes_on(&self) {
        self.since.store(NOT_WAITED, Relaxed);
    }

    /// That message's body is whole, or nobody takes it any more: what comes now may be the
    /// next message, and begins a head.
    pub fn body_ended(&self, message: u32, whole: bool) {
        if self.taken.load(Relaxed) == message {
            self.body_goes_on(message);
            self.taken.store(0, Relaxed);
            self.in_body.store(!whole, Relaxed);
        }
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

    pub(super) fn bytes_arrived(&self) {
        match self.phase() {
            Phase::FirstByte => self.enter(Phase::Head),
            Phase::Idle if !self.framed && self.taken.load(Relaxed) == 0 => {
                self.enter(Phase::Head);
            }
            _ => {}
        }
    }

    /// By when a read must have given something, and what has run out otherwise. An
    /// exchange has no such deadline, only a time to look again.
    pub(super) fn read_by(&self) -> Option<(Instant, Option<Expired>)> {
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

    pub(super) fn fail(&self, what: Expired) -> io::Error {
        self.expired.store(what as u8, Relaxed);
        io::ErrorKind::TimedOut.into()
    }
}
