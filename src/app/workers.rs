//! The workers' threads, and the proxy as what they serve.

use std::convert::Infallible;
use std::future::Future;
use std::io;
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
use crate::server::{self, Event, Fault, Handler, Listeners, Refused, Stop};
use crate::telemetry::metrics::{self, ConnectionKind, Protocol};

/// Between two rounds of a worker's housekeeping.
const TICK: Duration = Duration::from_millis(100);

/// The workers' threads.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    news: mpsc::UnboundedReceiver<News>,
    running: usize,
}

/// What a worker says of itself.
enum News {
    /// It can serve, once it is told to.
    Started,
    /// It has ended, and why where it failed.
    Ended(usize, Option<io::Error>),
}

/// Starts a thread for each worker, and waits until all of them can serve.
pub(super) async fn start(
    shared: &Arc<Shared>,
    listeners: Listeners,
    stop: &watch::Receiver<Stop>,
) -> Result<Workers, Error> {
    let (tell, news) = mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for worker in server::Worker::all(listeners, stop) {
        let (number, shared, tell) = (worker.number, Arc::clone(shared), tell.clone());
        let body = move || {
            // Told even where the thread panics.
            let mut end = End(tell, number, None);
            let handler = || {
                end.0.send(News::Started).ok();
                handler(&shared, number)
            };
            end.2 = server::run(worker, handler).err();
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(body)
            .map_err(|e| Error::Start("a worker", e))?;
        threads.push(thread);
    }
    let mut workers = Workers {
        running: threads.len(),
        threads,
        news,
    };
    for _ in 0..workers.running {
        if let News::Ended(_, why) = workers.next().await {
            let why = why.unwrap_or_else(|| io::Error::other("it ended"));
            return Err(Error::Start("a worker", why));
        }
    }
    Ok(workers)
}

impl Workers {
    async fn next(&mut self) -> News {
        let news = self.news.recv().await;
        // Each worker tells its end before its sender is gone.
        news.unwrap_or(News::Ended(0, None))
    }

    /// Waits for a worker to end, and names it.
    pub(super) async fn first_to_end(&mut self) -> usize {
        loop {
            if let News::Ended(number, why) = self.next().await {
                if let Some(error) = why {
                    tracing::error!(worker = number, %error, "worker failed");
                }
                self.running = self.running.saturating_sub(1);
                return number;
            }
        }
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
struct End(mpsc::UnboundedSender<News>, usize, Option<io::Error>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.send(News::Ended(self.1, self.2.take())).ok();
    }
}

/// The proxy as the server's handler.
pub struct GateHandler(pub Rc<Worker>);

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

    fn overloaded(&self) -> Vec<u8> {
        self.0.overloaded()
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
            Event::Refused(Refused::Exhausted) => {
                metrics.connection_refused(metrics::Refused::Exhausted);
            }
            Event::Fault(fault) => metrics.client_fault(match fault {
                Fault::HeadTooLarge => metrics::Fault::HeadTooLarge,
                Fault::Malformed => metrics::Fault::Malformed,
                Fault::Flood => metrics::Fault::Flood,
            }),
            Event::PingTimeout => metrics.deadline(metrics::Deadline::H2Ping),
            Event::Handshake(ok) => metrics.tls_handshake(ok),
            Event::CertificateRefused => metrics.client_certificate_refused(),
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
