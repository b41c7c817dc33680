//! A client of HTTP/1.1 that sends exactly the bytes it is given and reads answers
//! strictly: what an upstream or gate gets wrong in framing, a test sees.

mod ask;
mod reply;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) use ask::Ask;
pub(crate) use reply::{Failure, Reply};

/// How long an answer may take unless a test says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Something like a socket, plain or TLS.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    read: Vec<u8>,
    patience: Duration,
}

impl Client {
    #[track_caller]
    pub(crate) fn tcp(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the gate accepts");
        Self::over(socket)
    }

    /// Over a connected socket.
    pub(crate) fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        let stream = socket.try_clone().unwrap();
        Self::wrapped(Box::new(stream), socket)
    }

    /// Over a stream that wraps `socket`.
    pub(crate) fn wrapped(stream: Box<dyn Stream>, socket: TcpStream) -> Self {
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            socket,
            read: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// How long later answers may take.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the gate reads");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// No more is sent; the gate's answer can still be read.
    pub(crate) fn finish_sending(&self) {
        // An error tells that the gate has ended the connection already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The same socket once more, for a thread that sends while another reads.
    pub(crate) fn another(&self) -> TcpStream {
        self.socket.try_clone().unwrap()
    }

    /// Ends the connection both ways, whoever holds its socket.
    pub(crate) fn end(&self) {
        // An error tells that the gate has ended it already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// The connection's end will be a reset.
    pub(crate) fn reset(&self) {
        socket2::SockRef::from(&self.socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    /// The stream itself, for another protocol. Nothing may have been read ahead.
    pub(crate) fn into_stream(self) -> Box<dyn Stream> {
        assert!(self.read.is_empty(), "bytes are left: {:?}", self.read);
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        self.stream
    }

    /// The answer to a request of this method, whole.
    #[track_caller]
    pub(crate) fn reply(&mut self, method: &str) -> Reply {
        match self.try_reply(method) {
            Ok(reply) => reply,
            Err(failure) => panic!("no answer: {failure}; read: {:?}", self.unread()),
        }
    }

    /// The answer, or why there is none.
    pub(crate) fn try_reply(&mut self, method: &str) -> Result<Reply, Failure> {
        let mut reply = self.try_head()?;
        reply.body = self.try_body(method, &mut reply)?;
        Ok(reply)
    }

    /// The head of an answer; interim answers before it are kept in it.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Reply {
        match self.try_head() {
            Ok(reply) => reply,
            Err(failure) => panic!("no answer: {failure}; read: {:?}", self.unread()),
        }
    }

    pub(crate) fn try_head(&mut self) -> Result<Reply, Failure> {
        let deadline = Instant::now() + self.patience;
        let mut interim = Vec::new();
        loop {
            let head = self.until(b"\r\n\r\n", deadline)?;
            let mut reply = Reply::parse(&head)?;
            if (100..200).contains(&reply.status) && reply.status != 101 {
                interim.push(reply.status);
                continue;
            }
            reply.interim = interim;
            return Ok(reply);
        }
    }

    /// The next chunk of a chunked body; `None` at its end, with trailers put into `reply`.
    pub(crate) fn try_chunk(&mut self, reply: &mut Reply) -> Result<Option<Vec<u8>>, Failure> {
        let deadline = Instant::now() + self.patience;
        let line = self.until(b"\r\n", deadline)?;
        let text = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(text.trim_end(), 16)
            .map_err(|_| Failure::Malformed(format!("chunk size {text:?}")))?;
        if size > 0 {
            let mut chunk = self.exactly(size + 2, deadline)?;
            if chunk.split_off(size) != b"\r\n" {
                return Err(Failure::Malformed("chunk without its line end".into()));
            }
            return Ok(Some(chunk));
        }
        loop {
            let line = self.until(b"\r\n", deadline)?;
            if line == b"\r\n" {
                return Ok(None);
            }
            reply.trailers.push(reply::field(&line)?);
        }
    }

    /// Whether the gate ends the connection within this time, having sent nothing more.
    pub(crate) fn ends_within(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        match self.fill(deadline) {
            Err(Failure::Closed | Failure::Reset) => self.read.is_empty(),
            _ => false,
        }
    }

    /// All bytes until the gate ends the connection.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.fill(deadline) {
                Ok(()) => {}
                Err(Failure::Closed | Failure::Reset) => return std::mem::take(&mut self.read),
                Err(failure) => panic!("the connection does not end: {failure}"),
            }
        }
    }

    /// Whether the gate has said something or ended the connection already.
    pub(crate) fn is_done(&mut self) -> bool {
        !self.is_silent_for(Duration::from_millis(1))
    }

    /// Whether nothing arrives and nothing is closed for this long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.read.is_empty() && matches!(self.fill(Instant::now() + time), Err(Failure::Timeout))
    }

    fn unread(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    fn try_body(&mut self, method: &str, reply: &mut Reply) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.patience;
        match reply.framing(method)? {
            reply::Framing::None => Ok(Vec::new()),
            reply::Framing::Length(length) => self.exactly(length, deadline),
            reply::Framing::Chunked => {
                let mut body = Vec::new();
                while let Some(chunk) = self.try_chunk(reply)? {
                    body.extend_from_slice(&chunk);
                }
                Ok(body)
            }
            reply::Framing::Close => loop {
                match self.fill(deadline) {
                    Ok(()) => {}
                    Err(Failure::Closed) => return Ok(std::mem::take(&mut self.read)),
                    Err(failure) => return Err(failure),
                }
            },
        }
    }

    fn until(&mut self, end: &[u8], deadline: Instant) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|w| w == end) {
                let rest = self.read.split_off(at + end.len());
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            self.fill(deadline)?;
        }
    }

    /// This many bytes of the body.
    pub(crate) fn exactly(&mut self, length: usize, deadline: Instant) -> Result<Vec<u8>, Failure> {
        while self.read.len() < length {
            self.fill(deadline)?;
        }
        let rest = self.read.split_off(length);
        Ok(std::mem::replace(&mut self.read, rest))
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut buffer = [0; 16 * 1024];
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Timeout);
        }
        self.socket.set_read_timeout(Some(left)).unwrap();
        match self.stream.read(&mut buffer) {
            Ok(0) if self.read.is_empty() => Err(Failure::Closed),
            Ok(0) => Err(Failure::Closed),
            Ok(count) => {
                self.read
                    .extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(Failure::Timeout),
                io::ErrorKind::Interrupted => Ok(()),
                // A TLS peer that ends the TCP connection without saying so.
                io::ErrorKind::UnexpectedEof => Err(Failure::Closed),
                _ => Err(Failure::Reset),
            },
        }
    }
}
