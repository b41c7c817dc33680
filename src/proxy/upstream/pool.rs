//! One worker's connections to one server. They never leave the worker's thread, so
//! taking one is a pop and giving one back is a push.

mod open;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::HeaderValue;
use hyper::client::conn::{http1, http2};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::servers::{InFlight, ServerState, UpstreamState};
use crate::config::Protocol;
use crate::net::Pace;
use crate::net::deadline::{Expired, Phase};
use crate::proxy::body::RequestBody;
use crate::telemetry::metrics::WorkerMetrics;

/// Streams on one HTTP/2 connection before another is opened.
const STREAMS: usize = 100;

/// Connections handed on within a worker before other workers that wait get a turn.
const TURN: u32 = 32;

/// A worker's connections to one server.
pub(super) struct ServerPool {
    /// The server's URL and Host. Requests hold on to them, and counting those that do is
    /// cheaper where only one worker counts.
    url: Rc<str>,
    host: HeaderValue,
    state: Arc<ServerState>,
    upstream: Arc<UpstreamState>,
    metrics: Arc<WorkerMetrics>,
    idle: RefCell<Vec<Http1>>,
    http2: RefCell<Vec<Http2>>,
    /// Requests of this worker that wait for a connection, where those are bounded.
    waiters: RefCell<VecDeque<oneshot::Sender<Http1>>>,
    handed_on: Cell<u32>,
    /// Held while an HTTP/2 connection is opened, so that a burst opens one.
    opening: tokio::sync::Mutex<()>,
}

/// A connection in use. Dropped, it is closed; given back, it serves again.
pub(in crate::proxy) struct Lease {
    pub(super) connection: Connection,
    pub(super) reused: bool,
    pool: Rc<ServerPool>,
    _in_flight: Option<InFlight>,
}

pub(super) enum Connection {
    Http1(Http1),
    Http2(Http2Stream),
}

pub(super) struct Http1 {
    pub(super) sender: http1::SendRequest<RequestBody>,
    pub(super) pace: Arc<Pace>,
    /// `None` until a sweep has found it idle.
    idle_since: Option<Instant>,
    /// A tunnel holds it when the connection's own task has ended.
    _permit: Rc<Option<OwnedSemaphorePermit>>,
}

/// An HTTP/2 connection, shared by its streams.
struct Http2 {
    sender: http2::SendRequest<RequestBody>,
    /// Polled by a task of its own until it ends, and asked here what the server allows.
    connection: Rc<RefCell<Option<open::Http2Connection>>>,
    pace: Arc<Pace>,
    streams: Rc<Cell<usize>>,
    /// A stream of it was not answered: no further request is risked on it.
    is_suspect: Rc<Cell<bool>>,
    opened: Instant,
    idle_since: Cell<Instant>,
}

/// One stream of an HTTP/2 connection.
pub(super) struct Http2Stream {
    pub(super) sender: http2::SendRequest<RequestBody>,
    pace: Arc<Pace>,
    streams: Rc<Cell<usize>>,
    is_suspect: Rc<Cell<bool>>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Waited {
    /// All that may be open are in use.
    Overloaded,
    /// The server did not accept in time.
    TimedOut,
    /// The server did not accept.
    Unreachable(io::Error),
}

impl Lease {
    /// Keeps the count of a request until its answer has ended.
    pub(super) fn counted(mut self, in_flight: Option<InFlight>) -> Self {
        self._in_flight = in_flight;
        self
    }

    /// The answer is whole: the connection is free.
    pub(in crate::proxy) fn give_back(self) {
        if let Connection::Http1(connection) = self.connection {
            self.pool.put(connection);
        }
    }

    /// The request was not answered in time, or its connection ends. What else that carries may
    /// go on.
    pub(super) fn suspect(&self) {
        if let Connection::Http2(stream) = &self.connection {
            stream.is_suspect.set(true);
        }
    }

    pub(super) fn expired(&self) -> Option<Expired> {
        match &self.connection {
            Connection::Http1(connection) => connection.pace.expired(),
            Connection::Http2(stream) => stream.pace.expired(),
        }
    }

    pub(super) fn url(&self) -> &str {
        self.pool.url()
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.streams.set(self.streams.get().saturating_sub(1));
    }
}

impl ServerPool {
    pub(super) fn new(
        state: &Arc<ServerState>,
        upstream: &Arc<UpstreamState>,
        metrics: &Arc<WorkerMetrics>,
    ) -> Self {
        Self {
            url: Rc::from(&*state.server.url),
            host: state.own_host(),
            state: Arc::clone(state),
            upstream: Arc::clone(upstream),
            metrics: Arc::clone(metrics),
            idle: RefCell::default(),
            http2: RefCell::default(),
            waiters: RefCell::default(),
            handed_on: Cell::new(0),
            opening: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn url(&self) -> &Rc<str> {
        &self.url
    }

    /// What `Host` says to the server.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    pub(super) fn is_tls(&self) -> bool {
        self.state.server.tls
    }

    /// A connection for one request: one that is there, or one that was opened since then
    /// where a `fresh` one is asked for and may be opened.
    pub(super) async fn connection(
        self: &Rc<Self>,
        fresh: Option<Instant>,
    ) -> Result<Lease, Waited> {
        if fresh.is_none()
            && let Some(idle) = self.take()
        {
            return Ok(self.lease(Connection::Http1(idle), true));
        }
        // Opening one is rare and its future is large: kept apart, it costs others nothing.
        Box::pin(self.wait_for_connection(fresh)).await
    }

    async fn wait_for_connection(self: &Rc<Self>, fresh: Option<Instant>) -> Result<Lease, Waited> {
        match self.upstream.config.protocol {
            Protocol::Http1 => {
                let by = Instant::now() + self.upstream.config.timeouts.connect;
                let permit = match self.permit(by, fresh.is_some()).await? {
                    Granted::Connection(idle) => {
                        return Ok(self.lease(Connection::Http1(idle), true));
                    }
                    Granted::Permit(permit) => permit,
                };
                let opened = timeout_at(by, open::http1(&self.state, &self.upstream, permit)).await;
                Ok(self.lease(Connection::Http1(self.opened(opened)?), false))
            }
            Protocol::Http2 => self.http2_stream(fresh).await,
        }
    }

    /// Closes what has idled too long, what the server has closed, and one connection
    /// where other workers wait for the permit that it holds.
    pub(super) fn sweep(&self) {
        let keep_alive = self.upstream.config.timeouts.keep_alive;
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|c| {
            let since = *c.idle_since.get_or_insert(now);
            !c.sender.is_closed() && now < since + keep_alive
        });
        let others_wait = self.state.waiting.load(Relaxed) > 0;
        if others_wait {
            idle.pop();
        }
        let mut http2 = self.http2.borrow_mut();
        http2.retain(|c| {
            let busy = c.streams.get() > 0;
            if busy {
                c.idle_since.set(Instant::now());
            }
            // It ends with its last stream.
            !c.sender.is_closed()
                && !c.is_suspect.get()
                && (busy || c.idle_since.get().elapsed() < keep_alive)
        });
        if others_wait {
            // It ends with its last stream. A worker waits only while it has none itself.
            http2.pop();
        }
    }

    fn lease(self: &Rc<Self>, connection: Connection, reused: bool) -> Lease {
        Lease {
            connection,
            reused,
            pool: Rc::clone(self),
            _in_flight: None,
        }
    }

    /// The connection that idles for the shortest time: the others can end.
    fn take(&self) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let connection = idle.pop()?;
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
    }

    fn put(&self, mut connection: Http1) {
        if connection.sender.is_closed() {
            return;
        }
        connection.pace.enter(Phase::Idle);
        connection.idle_since = None;
        if self.state.permits.is_some() {
            let mut waiters = self.waiters.borrow_mut();
            let others_wait = self.state.waiting.load(Relaxed) > waiters.len();
            let turns = self.handed_on.get() + 1;
            if others_wait && turns >= TURN {
                // Closing it frees its permit for another worker.
                self.handed_on.set(0);
                return;
            }
            while let Some(waiter) = waiters.pop_front() {
                match waiter.send(connection) {
                    Ok(()) => return self.handed_on.set(turns),
                    Err(back) => connection = back,
                }
            }
        }
        self.idle.borrow_mut().push(connection);
    }

    async fn permit(&self, by: Instant, fresh: bool) -> Result<Granted, Waited> {
        let Some(permits) = &self.state.permits else {
            return Ok(Granted::Permit(None));
        };
        // An idle connection that is not wanted may hold the permit that is.
        if permits.available_permits() == 0 {
            self.idle.borrow_mut().pop();
        }
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Ok(Granted::Permit(Some(permit)));
        }
        let waiting = Waiting::begin(&self.state);
        let handed = (!fresh).then(|| self.queue());
        let granted = tokio::select! {
            biased;
            Some(connection) = async { handed?.await.ok() } => Ok(Granted::Connection(connection)),
            permit = acquire(permits) => Ok(Granted::Permit(permit)),
            () = tokio::time::sleep_until(by) => Err(Waited::Overloaded),
        };
        drop(waiting);
        granted
    }

    /// Queues for a connection that another request of this worker gives back.
    fn queue(&self) -> oneshot::Receiver<Http1> {
        let (waiter, handed) = oneshot::channel();
        let mut waiters = self.waiters.borrow_mut();
        // Those who got a permit meanwhile have left.
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push_back(waiter);
        handed
    }

    async fn http2_stream(self: &Rc<Self>, fresh: Option<Instant>) -> Result<Lease, Waited> {
        if let Some(stream) = self.free_stream(true, fresh) {
            return Ok(self.lease(Connection::Http2(stream), true));
        }
        let by = Instant::now() + self.upstream.config.timeouts.connect;
        let Ok(_opening) = timeout_at(by, self.opening.lock()).await else {
            return Err(Waited::TimedOut);
        };
        if let Some(stream) = self.free_stream(true, fresh) {
            return Ok(self.lease(Connection::Http2(stream), true));
        }
        let permit = match &self.state.permits {
            None => None,
            Some(permits) => match Arc::clone(permits).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    // No more connections: queue on one that is there, and rather on a fresh one.
                    let stream = self.free_stream(false, fresh);
                    if let Some(stream) = stream.or_else(|| self.free_stream(false, None)) {
                        return Ok(self.lease(Connection::Http2(stream), true));
                    }
                    let waiting = Waiting::begin(&self.state);
                    let permit = timeout_at(by, acquire(permits)).await;
                    drop(waiting);
                    permit.map_err(|_| Waited::Overloaded)?
                }
            },
        };
        let opened = timeout_at(by, open::http2(&self.state, &self.upstream, permit)).await;
        let connection = self.opened(opened)?;
        let stream = connection.stream();
        self.http2.borrow_mut().push(connection);
        Ok(self.lease(Connection::Http2(stream), false))
    }

    /// A stream of the connection that has the fewest; of one that has room for it where it
    /// shall `start_now`, and of one that was opened since then where it shall be `fresh`.
    fn free_stream(&self, start_now: bool, fresh: Option<Instant>) -> Option<Http2Stream> {
        let connections = self.http2.borrow();
        connections
            .iter()
            .filter(|c| !c.sender.is_closed() && !c.is_suspect.get())
            .filter(|c| fresh.is_none_or(|since| c.opened >= since))
            .filter(|c| !start_now || c.streams.get() < c.most_streams())
            .min_by_key(|c| c.streams.get())
            .map(Http2::stream)
    }

    fn opened<T>(
        &self,
        opened: Result<io::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, Waited> {
        self.metrics.upstream_connect(matches!(opened, Ok(Ok(_))));
        match opened {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(e)) => Err(Waited::Unreachable(e)),
            Err(_) => Err(Waited::TimedOut),
        }
    }
}

/// What a request that waited for a permit got.
enum Granted {
    /// Leave to open a connection.
    Permit(Option<OwnedSemaphorePermit>),
    /// A connection that another request of this worker gave back.
    Connection(Http1),
}

/// Counts a request that waits for a permit until it is dropped.
struct Waiting<'s>(&'s ServerState);

impl<'s> Waiting<'s> {
    fn begin(state: &'s ServerState) -> Self {
        state.waiting.fetch_add(1, Relaxed);
        Self(state)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

async fn acquire(permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let permit = Arc::clone(permits).acquire_owned().await;
    Some(permit.expect("the semaphore is never closed"))
}

impl Http2 {
    /// How many streams are had on it at once. The server has a say (RFC 9113 5.1.2), but one
    /// that takes none for now is not asked for ever more connections.
    fn most_streams(&self) -> usize {
        let connection = self.connection.borrow();
        let most = connection
            .as_ref()
            .map_or(STREAMS, open::Http2Connection::current_max_send_streams);
        most.clamp(1, STREAMS)
    }

    fn stream(&self) -> Http2Stream {
        self.streams.set(self.streams.get() + 1);
        Http2Stream {
            sender: self.sender.clone(),
            pace: Arc::clone(&self.pace),
            streams: Rc::clone(&self.streams),
            is_suspect: Rc::clone(&self.is_suspect),
        }
    }
}
