//! One connection of the gate to the recorder, as a script sees it.

use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Seen;
use super::request::{self, Request};
use crate::support::http1::Stream;

/// A script waits at most this long for the gate.
const PATIENCE: Duration = Duration::from_secs(60);

/// What keeps the connection open for as long as its script runs.
enum Socket {
    Tcp(Arc<TcpStream>),
    Unix(Arc<UnixStream>),
}

/// The connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    socket: Socket,
    seen: Arc<Seen>,
    number: usize,
    read: Vec<u8>,
    request: usize,
    keep: bool,
}

impl Wire {
    pub(super) fn tcp(
        socket: Arc<TcpStream>,
        tls: Option<Arc<rustls::ServerConfig>>,
        seen: &Arc<Seen>,
    ) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let clone = socket.try_clone().unwrap();
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(clone),
            Some(config) => Box::new(rustls::StreamOwned::new(
                rustls::ServerConnection::new(config).unwrap(),
                clone,
            )),
        };
        Self::new(stream, Socket::Tcp(socket), seen)
    }

    pub(super) fn unix(socket: Arc<UnixStream>, seen: &Arc<Seen>) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let stream = Box::new(socket.try_clone().unwrap());
        Self::new(stream, Socket::Unix(socket), seen)
    }

    fn new(stream: Box<dyn Stream>, socket: Socket, seen: &Arc<Seen>) -> Self {
        Self {
            stream,
            socket,
            seen: Arc::clone(seen),
            number: seen.connections.load(Ordering::SeqCst),
            read: Vec::new(),
            request: 0,
            keep: true,
        }
    }

    /// Which connection this is, from 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// From here on requests are counted and not kept.
    pub(crate) fn count_only(&mut self) {
        self.keep = false;
    }

    /// The next request, head and body; `None` where the gate ended the connection.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let head = self.head()?;
        self.body(head)
    }

    /// The head of the next request, recorded as soon as it is there.
    pub(crate) fn head(&mut self) -> Option<Request> {
        let head = self.until(b"\r\n\r\n")?;
        match Request::parse(&head) {
            Ok(mut request) => {
                request.connection = self.number;
                if !self.keep {
                    self.seen.counted.fetch_add(1, Ordering::SeqCst);
                    return Some(request);
                }
                let mut requests = self.seen.requests.lock().unwrap();
                self.request = requests.len();
                requests.push(request.clone());
                Some(request)
            }
            Err(fault) => self.fault(fault),
        }
    }

    /// The body of the request whose head was just read.
    pub(crate) fn body(&mut self, mut request: Request) -> Option<Request> {
        if let Some(length) = request.header("content-length") {
            let Ok(length) = length.parse() else {
                return self.fault(format!("content length {length:?}"));
            };
            request.body = self.exactly(length)?;
        } else if let Some(coding) = request.header("transfer-encoding") {
            if coding != "chunked" {
                return self.fault(format!("transfer coding {coding:?}"));
            }
            while let Some(chunk) = self.chunk()? {
                request.body.extend_from_slice(&chunk);
            }
            loop {
                let line = self.until(b"\r\n")?;
                if line == b"\r\n" {
                    break;
                }
                match request::field(String::from_utf8_lossy(&line).trim_end()) {
                    Ok(field) => request.trailers.push(field),
                    Err(fault) => return self.fault(fault),
                }
            }
        }
        request.is_whole = true;
        if !self.keep {
            return Some(request);
        }
        if let Some(recorded) = self.seen.requests.lock().unwrap().get_mut(self.request) {
            *recorded = request.clone();
        }
        Some(request)
    }

    /// The next chunk of a chunked body: `Some(None)` where the last one was read, before
    /// the trailers.
    pub(crate) fn chunk(&mut self) -> Option<Option<Vec<u8>>> {
        let line = self.until(b"\r\n")?;
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let Ok(size) = usize::from_str_radix(&text, 16) else {
            return self.fault(format!("chunk size {text:?}"));
        };
        if size == 0 {
            return Some(None);
        }
        let mut chunk = self.exactly(size + 2)?;
        if chunk.split_off(size) != b"\r\n" {
            return self.fault("a chunk without its line end".to_owned());
        }
        Some(Some(chunk))
    }

    /// Reads so many bytes of a body and forgets them; they are not written down.
    pub(crate) fn discard(&mut self, mut length: usize) -> Option<()> {
        length = length.checked_sub(self.read.len())?;
        self.read.clear();
        let mut buffer = vec![0; 64 * 1024];
        while length > 0 {
            let most = length.min(buffer.len());
            let count = self
                .stream
                .read(buffer.get_mut(..most)?)
                .ok()
                .filter(|&n| n > 0)?;
            length -= count;
        }
        Some(())
    }

    /// Sends bytes; false where the gate no longer takes them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok() && self.stream.flush().is_ok()
    }

    /// Reads on without answering until the gate ends the connection.
    pub(crate) fn hang(&mut self) {
        while self.fill().is_some() {}
    }

    /// The next bytes of a tunnel; `None` at its end.
    pub(crate) fn some(&mut self) -> Option<Vec<u8>> {
        if self.read.is_empty() {
            self.fill()?;
        }
        Some(std::mem::take(&mut self.read))
    }

    /// Makes the end of this connection a reset.
    pub(crate) fn reset_at_end(&self) {
        let Socket::Tcp(socket) = &self.socket else {
            panic!("a Unix socket has no reset");
        };
        socket2::SockRef::from(&**socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    /// Ends what the server sends; what the gate sends can still be read.
    pub(crate) fn finish_sending(&self) {
        match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
        .unwrap();
    }

    /// The stream itself, for another protocol.
    pub(crate) fn stream(&mut self) -> &mut dyn Stream {
        &mut *self.stream
    }

    fn fault<T>(&self, fault: String) -> Option<T> {
        self.seen.faults.lock().unwrap().push(fault);
        None
    }

    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|w| w == end) {
                let rest = self.read.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.read, rest));
            }
            self.fill()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.fill()?;
        }
        let rest = self.read.split_off(length);
        Some(std::mem::replace(&mut self.read, rest))
    }

    fn fill(&mut self) -> Option<()> {
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.read(&mut buffer).ok().filter(|&n| n > 0)?;
        let bytes = buffer.get(..count)?;
        self.read.extend_from_slice(bytes);
        if self.keep {
            self.seen.bytes.lock().unwrap().extend_from_slice(bytes);
        }
        Some(())
    }
}
