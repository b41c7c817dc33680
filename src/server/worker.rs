//! One worker: a thread, a runtime, its listeners, and an orderly end.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};

use super::admission::{Admission, Refused};
use super::connection;
use super::shed::shed;
use super::{Event, Handler};

/// How long accepting rests when the process is out of file descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How far a stop has come; workers follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not serving yet: what else there is to start may still fail.
    #[default]
    Starting,
    /// Serving.
    No,
    /// No new connections; those open finish what they have begun.
    Drain,
    /// The grace period is over.
    Now,
}

/// What one worker starts from.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub number: usize,
    pub(crate) listeners: Vec<StdListener>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) stop: watch::Receiver<Stop>,
}

impl Worker {
    /// A worker for each set of listeners.
    pub fn all(
        listeners: super::Listeners,
        stop: &watch::Receiver<Stop>,
    ) -> impl Iterator<Item = Self> {
        let sockets = listeners.workers.first().map_or(0, Vec::len);
        let admission = Admission::new(sockets);
        let stop = stop.clone();
        let numbered = listeners.workers.into_iter().enumerate();
        numbered.map(move |(number, listeners)| Self {
            number,
            listeners,
            admission: Arc::clone(&admission),
            stop: stop.clone(),
        })
    }
}

/// What the tasks of a worker share.
pub(super) struct Shared<H> {
    pub(super) handler: Rc<H>,
    pub(super) draining: Cell<bool>,
    pub(super) drain: Notify,
    /// Connections that are being told that there is no room.
    pub(super) shedding: Cell<usize>,
    connections: Cell<usize>,
    closed: Notify,
}

impl<H> Shared<H> {
    fn new(handler: Rc<H>) -> Self {
        Self {
            handler,
            draining: Cell::new(false),
            drain: Notify::new(),
            shedding: Cell::new(0),
            connections: Cell::new(0),
            closed: Notify::new(),
        }
    }
}

/// Counts one connection of a worker until it is dropped.
struct Open<H>(Rc<Shared<H>>);

impl<H> Drop for Open<H> {
    fn drop(&mut self) {
        let left = self.0.connections.get().saturating_sub(1);
        self.0.connections.set(left);
        if left == 0 {
            self.0.closed.notify_one();
        }
    }
}

/// Runs a worker on this thread until it is told to stop and its connections have ended,
/// or the grace period is over. The handler is made when nothing can fail any more; what
/// arrives is accepted when [`Stop::Starting`] is over.
///
/// # Errors
/// When the runtime cannot start or a listener cannot be used.
pub fn run<H: Handler>(worker: Worker, handler: impl FnOnce() -> Rc<H>) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(LocalOptions::default())?;
    let result = runtime.block_on(serve(worker, handler));
    // What is left after the grace period ends here, without waiting for look-ups.
    runtime.shutdown_background();
    result
}

/// Serves one plaintext connection over any byte stream until it ends, as a worker serves
/// one that it has accepted; within a local runtime. So the whole of the gate can be tested
/// and fuzzed without a socket.
pub async fn converse<H, T>(handler: Rc<H>, stream: T, address: IpAddr)
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = handler.settings();
    let shared = Rc::new(Shared::new(handler));
    connection::begin(&shared, &settings, stream, address, false, None).await;
}

async fn serve<H: Handler>(worker: Worker, handler: impl FnOnce() -> Rc<H>) -> io::Result<()> {
    let sockets = worker.listeners.into_iter().map(TcpListener::from_std);
    let sockets: Vec<TcpListener> = sockets.collect::<io::Result<_>>()?;
    let shared = Rc::new(Shared::new(handler()));
    let mut accepting = Vec::new();
    for (number, listener) in sockets.into_iter().enumerate() {
        let admission = Arc::clone(&worker.admission);
        let shared = Rc::clone(&shared);
        let stop = worker.stop.clone();
        accepting.push(tokio::task::spawn_local(async move {
            accept(&shared, number, &listener, &admission, stop).await;
        }));
    }
    let mut stop = worker.stop;
    // An error means that nobody can tell to stop any more: stop.
    stop.wait_for(|s| *s >= Stop::Drain).await.ok();
    shared.draining.set(true);
    shared.drain.notify_waiters();
    for task in accepting {
        task.await.ok();
    }
    let drained = async {
        while shared.connections.get() > 0 {
            shared.closed.notified().await;
        }
        shared.handler.settled().await;
    };
    tokio::select! {
        () = drained => {}
        _ = stop.wait_for(|s| *s >= Stop::Now) => {
            let left = shared.connections.get();
            if left > 0 {
                tracing::warn!(worker = worker.number, connections = left, "grace period over");
            }
        }
    }
    Ok(())
}

/// Accepts until told to stop, then takes what the kernel has queued already: closing a
/// listener would reset those.
async fn accept<H: Handler>(
    shared: &Rc<Shared<H>>,
    number: usize,
    listener: &TcpListener,
    admission: &Arc<Admission>,
    mut stop: watch::Receiver<Stop>,
) {
    // An error means that the start failed: nobody has been promised to be served.
    if stop.wait_for(|s| *s > Stop::Starting).await.is_err() {
        return;
    }
    let mut stopping = std::pin::pin!(stop.wait_for(|s| *s >= Stop::Drain));
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = &mut stopping => break,
        };
        match accepted {
            Ok((socket, address)) => open(shared, number, admission, socket, address),
            Err(e) if is_exhaustion(&e) => {
                tracing::warn!(error = %e, "cannot accept; resting");
                shared.handler.observe(Event::Refused(Refused::Exhausted));
                tokio::time::sleep(BACK_OFF).await;
            }
            // The peer went away before it was accepted.
            Err(e) => tracing::debug!(error = %e, "accept failed"),
        }
    }
    let queued = async {
        while let Ok((socket, address)) = listener.accept().await {
            open(shared, number, admission, socket, address);
        }
    };
    // Ready connections are accepted without waiting; the first wait ends it.
    tokio::select! { biased; () = queued => {} () = tokio::task::yield_now() => {} }
}

fn open<H: Handler>(
    shared: &Rc<Shared<H>>,
    number: usize,
    admission: &Arc<Admission>,
    socket: tokio::net::TcpStream,
    address: std::net::SocketAddr,
) {
    let settings = shared.handler.settings();
    let limits = &settings.limits;
    let admitted = match admission.admit(
        number,
        address.ip(),
        limits.connections,
        limits.connections_per_peer,
    ) {
        Ok(admitted) => admitted,
        Err(refused) => {
            tracing::debug!(peer = %address.ip(), ?refused, "connection refused");
            shared.handler.observe(Event::Refused(refused));
            return shed(shared, socket);
        }
    };
    shared.connections.set(shared.connections.get() + 1);
    let held = (admitted, Open(Rc::clone(shared)));
    connection::serve(Rc::clone(shared), settings, socket, address.ip(), held);
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: the process or the machine is out of something.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error
        .raw_os_error()
        .map(Errno::from_raw_os_error)
        .is_some_and(|e| {
            matches!(
                e,
                Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
            )
        })
}
