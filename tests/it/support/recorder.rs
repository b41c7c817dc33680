//! An upstream that writes down every byte and connection and answers from a script.
//!
//! It parses as the strictest server would: whatever it cannot take for exactly one
//! request after another is a fault, and every look at what was recorded asserts that
//! there is none.

mod request;
mod wire;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::wait::eventually;
pub(crate) use request::Request;
pub(crate) use wire::Wire;

/// What happens on one connection, from its accept to its end.
type Script = dyn Fn(&mut Wire) + Send + Sync;

/// What was seen, over all connections.
#[derive(Default)]
pub(crate) struct Seen {
    connections: AtomicUsize,
    closed: AtomicUsize,
    counted: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    bytes: Mutex<Vec<u8>>,
    faults: Mutex<Vec<String>>,
}

/// Ends a connection from outside its script, which alone keeps it open.
type Cut = Box<dyn Fn() + Send>;

/// A recording upstream. Dropped, it stops listening and cuts its connections.
pub(crate) struct Recorder {
    url: String,
    address: Option<SocketAddr>,
    seen: Arc<Seen>,
    stopped: Arc<AtomicBool>,
    cuts: Arc<Mutex<Vec<Cut>>>,
    wake: Cut,
    accepting: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Runs a script on each connection.
    pub(crate) fn scripted(script: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        Self::on(
            TcpListener::bind("127.0.0.1:0").unwrap(),
            None,
            Arc::new(script),
        )
    }

    /// Answers each request with these bytes.
    pub(crate) fn replying(reply: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::scripted(answer_all(reply))
    }

    /// Answers each request with 200 and `ok`.
    pub(crate) fn ok() -> Self {
        Self::replying(|_| ok("ok"))
    }

    /// Answers each request by its head alone, with 200 and `early`, and then reads its body.
    pub(crate) fn early() -> Self {
        Self::scripted(|wire| {
            while let Some(head) = wire.head() {
                wire.send(ok("early"));
                if wire.body(head).is_none() {
                    return;
                }
            }
        })
    }

    /// Answers as [`ok`](Self::ok) does, and counts the requests instead of keeping them.
    pub(crate) fn counting() -> Self {
        Self::scripted(|wire| {
            wire.count_only();
            while wire.request().is_some() && wire.send(ok("ok")) {}
        })
    }

    /// How many requests there were, kept or only counted.
    pub(crate) fn count(&self) -> usize {
        self.requests_from(0, <[Request]>::len) + self.seen.counted.load(Ordering::SeqCst)
    }

    /// As [`replying`](Self::replying), behind TLS.
    pub(crate) fn tls(
        config: Arc<rustls::ServerConfig>,
        reply: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(answer_all(reply));
        Self::on(
            TcpListener::bind("127.0.0.1:0").unwrap(),
            Some(config),
            script,
        )
    }

    /// On a Unix socket.
    pub(crate) fn unix(
        path: &Path,
        reply: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let script: Arc<Script> = Arc::new(answer_all(reply));
        let (seen, stopped, cuts) = shared();
        let at = path.to_owned();
        let accepting = {
            let (seen, stopped, cuts) = (seen.clone(), stopped.clone(), cuts.clone());
            thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let socket = Arc::new(stream);
                    let cut = Arc::downgrade(&socket);
                    cuts.lock().unwrap().push(Box::new(move || {
                        let _ = cut.upgrade().map(|socket| socket.shutdown(Shutdown::Both));
                    }));
                    serve(Wire::unix(socket, &seen), &script, &seen);
                }
            })
        };
        Self {
            url: format!("unix:{}", path.display()),
            address: None,
            seen,
            stopped,
            cuts,
            wake: Box::new(move || drop(UnixStream::connect(&at))),
            accepting: Some(accepting),
        }
    }

    fn on(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        script: Arc<Script>,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (seen, stopped, cuts) = shared();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = {
            let (seen, stopped, cuts) = (seen.clone(), stopped.clone(), cuts.clone());
            thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let socket = Arc::new(stream);
                    let cut = Arc::downgrade(&socket);
                    cuts.lock().unwrap().push(Box::new(move || {
                        let _ = cut.upgrade().map(|socket| socket.shutdown(Shutdown::Both));
                    }));
                    serve(Wire::tcp(socket, tls.clone(), &seen), &script, &seen);
                }
            })
        };
        Self {
            url: format!("{scheme}://{address}"),
            address: Some(address),
            seen,
            stopped,
            cuts,
            wake: Box::new(move || drop(TcpStream::connect(address))),
            accepting: Some(accepting),
        }
    }

    /// As a server of an upstream names it.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("not on a Unix socket")
    }

    /// Every request so far.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.since(0)
    }

    /// The requests after the first so many.
    #[track_caller]
    pub(crate) fn since(&self, count: usize) -> Vec<Request> {
        self.requests_from(count, <[Request]>::to_vec)
    }

    /// The only request so far.
    #[track_caller]
    pub(crate) fn only(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// The latest request.
    #[track_caller]
    pub(crate) fn last(&self) -> Request {
        self.requests().pop().expect("a request was seen")
    }

    /// Waits until this many requests were seen.
    #[track_caller]
    pub(crate) fn wait_for(&self, requests: usize) -> Vec<Request> {
        eventually("requests at the upstream", Duration::from_secs(20), || {
            Some(self.requests()).filter(|seen| seen.len() >= requests)
        })
    }

    /// Every byte so far, over all connections.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.bytes.lock().unwrap().clone()
    }

    /// How many bytes that is.
    pub(crate) fn length(&self) -> usize {
        self.seen.bytes.lock().unwrap().len()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.connections() - self.seen.closed.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn requests_from<T>(&self, first: usize, look: impl FnOnce(&[Request]) -> T) -> T {
        let faults = self.seen.faults.lock().unwrap();
        assert!(faults.is_empty(), "not clean HTTP/1.1: {faults:?}");
        let requests = self.seen.requests.lock().unwrap();
        look(requests.get(first..).unwrap_or_default())
    }

    /// Ends every connection at once.
    pub(crate) fn cut(&self) {
        for cut in self.cuts.lock().unwrap().iter() {
            cut();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        (self.wake)();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.cut();
    }
}

/// A 200 with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn answer_all(
    reply: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&mut Wire) + Send + Sync + 'static {
    move |wire| {
        while let Some(request) = wire.request() {
            if !wire.send(reply(&request)) {
                return;
            }
        }
    }
}

fn shared() -> (Arc<Seen>, Arc<AtomicBool>, Arc<Mutex<Vec<Cut>>>) {
    Default::default()
}

fn serve(mut wire: Wire, script: &Arc<Script>, seen: &Arc<Seen>) {
    let (script, seen) = (Arc::clone(script), Arc::clone(seen));
    seen.connections.fetch_add(1, Ordering::SeqCst);
    thread::spawn(move || {
        script(&mut wire);
        drop(wire);
        seen.closed.fetch_add(1, Ordering::SeqCst);
    });
}
