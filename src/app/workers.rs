//! The workers' threads, and the proxy as what they serve.

use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};

use super::{Error, Shared};
use crate::config::Settings;
use crate::net::deadline::Expired;
use crate::net::{Peer, StreamPace};
use crate::proxy::{Body, Worker};
use crate::server::{self, Event, Handler, Listeners, Refused, Stop};
use crate::telemetry::metrics::{self, ConnectionKind, Protocol};

/// Between two rounds of a worker's housekeeping.
const TICK: Duration = Duration::from_millis(100);

/// The workers' threads.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::UnboundedReceiver<usize>,
    running: usize,
}

/// Starts a thread for each worker.
pub(super) fn start(
    shared: &Arc<Shared>,
    listeners: Listeners,
    stop: &watch::Receiver<Stop>,
) -> Result<Workers, Error> {
    let (ending, ended) = mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for worker in server::Worker::all(listeners, stop) {
        let (number, shared, ending) = (worker.number, Arc::clone(shared), ending.clone());
        let body = move || {
            // Told even where the thread panics.
            let _ended = Ended(ending, number);
            if let Err(e) = server::run(worker, || handler(&shared, number)) {
                tracing::error!(worker = number, error = %e, "worker failed");
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(body)
            .map_err(|e| Error::Start("a worker", e))?;
        threads.push(thread);
    }
    Ok(Workers {
        running: threads.len(),
        threads,
        ended,
    })
}

impl Workers {
    /// Waits for a worker to end, and names it.
    pub(super) async fn first_to_end(&mut self) -> usize {
        let number = self.ended.recv().await;
        self.running = self.running.saturating_sub(1);
        number.unwrap_or_default()
    }

    /// Waits for every worker to end.
    pub(super) async fn all_ended(&mut self) {
        while self.running > 0 {
            self.first_to_end().await;
        }
    }

    /// Waits for the threads, which have been told to end.
    pub(super) fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

/// Says that a worker has ended, when dropped.
struct Ended(mpsc::UnboundedSender<usize>, usize);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send(self.1).ok();
    }
}

/// The proxy as the server's handler.
struct GateHandler(Rc<Worker>);

fn handler(shared: &Shared, number: usize) -> Rc<GateHandler> {
    let worker = Worker::new(
        Arc::clone(&shared.gate),
        shared.metrics.worker(number),
        shared.access().worker(),
    );
    let ticking = Rc::downgrade(&worker);
    tokio::task::spawn_local(async move {
        while let Some(worker) = ticking.upgrade() {
            worker.tick();
            drop(worker);
            tokio::time::sleep(TICK).await;
        }
    });
    Rc::new(GateHandler(worker))
}

impl Handler for GateHandler {
    type Body = Body;

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.active().settings)
    }

    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.0.active().tls.clone()
    }

    fn handle(
        self: &Rc<Self>,
        peer: &Rc<Peer>,
        stream: Option<Rc<StreamPace>>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + 'static {
        Rc::clone(&self.0).handle(Rc::clone(peer), stream, request)
    }

    async fn settled(&self) {
        self.0.settled().await;
    }

    fn observe(&self, event: Event) {
        let metrics = self.0.metrics();
        match event {
            Event::Opened { http2, tls } => metrics.connection_opened(kind(http2, tls)),
            Event::Closed { http2, tls } => metrics.connection_closed(kind(http2, tls)),
            Event::Refused(Refused::Total) => metrics.connection_refused(metrics::Refused::Total),
            Event::Refused(Refused::PerPeer) => {
                metrics.connection_refused(metrics::Refused::PerPeer);
            }
            Event::Handshake(ok) => metrics.tls_handshake(ok),
            Event::HandshakeTimeout => metrics.deadline(metrics::Deadline::TlsHandshake),
            Event::Expired(expired) => metrics.deadline(match expired {
                Expired::FirstByte => metrics::Deadline::FirstByte,
                Expired::Head => metrics::Deadline::Head,
                Expired::Idle => metrics::Deadline::KeepAlive,
                Expired::SendIdle => metrics::Deadline::SendIdle,
            }),
        }
    }
}

fn kind(http2: bool, tls: bool) -> ConnectionKind {
    let protocol = if http2 { Protocol::H2 } else { Protocol::H1 };
    ConnectionKind { protocol, tls }
}
