//! Bare HTTP/2 frames (RFC 9113 section 4), for what no library would send.

mod status;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::http1::Stream;
use crate::support::tls;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

/// A frame that was read.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How a peer's part of a connection ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) frames: Vec<Frame>,
    /// The peer ended the connection.
    pub(crate) closed: bool,
}

impl Outcome {
    pub(crate) fn has(&self, kind: u8) -> bool {
        self.frames.iter().any(|frame| frame.kind == kind)
    }

    /// The error code of the last GOAWAY.
    pub(crate) fn goaway(&self) -> Option<u32> {
        let frame = self.frames.iter().rev().find(|f| f.kind == GOAWAY)?;
        let code = frame.payload.get(4..8)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }

    /// The status that answered this stream, if it was answered.
    pub(crate) fn status(&self, stream: u32) -> Option<u16> {
        let first = |frame: &&Frame| frame.stream == stream && frame.kind == HEADERS;
        status::decode(&self.frames.iter().find(first)?.payload)
    }

    /// Whether nothing more will come on this stream.
    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.closed
            || self.has(GOAWAY)
            || self.frames.iter().any(|frame| {
                let ends = match frame.kind {
                    RST_STREAM => true,
                    HEADERS | DATA => frame.flags & END_STREAM != 0,
                    _ => false,
                };
                frame.stream == stream && ends
            })
    }
}

/// A connection whose preface and SETTINGS are sent.
pub(crate) struct Frames {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    read: Vec<u8>,
}

impl Frames {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    /// With these settings.
    pub(crate) fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut this = Self::silent(address);
        assert!(this.raw(&preface(settings)));
        this
    }

    /// One whose stream 1 has begun an upload with these credentials.
    pub(crate) fn uploading(address: SocketAddr, path: &str, basic: &str) -> Self {
        let mut this = Self::connect(address);
        let head = literal(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "x"),
            ("authorization", basic),
        ]);
        assert!(this.send(HEADERS, END_HEADERS, 1, &head));
        this
    }

    /// Over TLS, agreed on by ALPN where `config` offers it.
    pub(crate) fn tls(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> Self {
        let (stream, socket) = tls::stream(address, config);
        let mut this = Self::over(Box::new(stream), socket);
        assert!(this.raw(&preface(&[])));
        this
    }

    /// On which nothing was sent so far.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the gate accepts");
        socket.set_nodelay(true).unwrap();
        let stream = socket.try_clone().unwrap();
        Self::over(Box::new(stream), socket)
    }

    /// The connection's end will be a reset.
    pub(crate) fn reset(&self) {
        socket2::SockRef::from(&self.socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    fn over(stream: Box<dyn Stream>, socket: TcpStream) -> Self {
        socket
            .set_write_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        Self {
            stream,
            socket,
            read: Vec::new(),
        }
    }

    /// Sends a frame; false where the peer takes no more.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.raw(&frame(kind, flags, stream, payload))
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok() && self.stream.flush().is_ok()
    }

    /// A whole request without a body.
    pub(crate) fn ask(&mut self, stream: u32, headers: &[(&str, &str)]) -> bool {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &literal(headers))
    }

    /// Reads until nothing more can come on this stream, or the deadline.
    pub(crate) fn answer(&mut self, stream: u32, within: Duration) -> Outcome {
        self.read_until(within, |seen| seen.is_over(stream))
    }

    /// Reads until `enough`, the end of the connection, or the deadline.
    pub(crate) fn read_until(
        &mut self,
        within: Duration,
        enough: impl Fn(&Outcome) -> bool,
    ) -> Outcome {
        let deadline = Instant::now() + within;
        let mut outcome = Outcome::default();
        while !outcome.closed && !enough(&outcome) {
            if let Some(frame) = self.next_frame() {
                // RFC 9113 sections 6.5.3 and 6.7; a stopping peer waits for the latter.
                if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
                    let echo = if frame.kind == PING {
                        &frame.payload[..]
                    } else {
                        &[]
                    };
                    self.send(frame.kind, ACK, 0, echo);
                }
                outcome.frames.push(frame);
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.socket.set_read_timeout(Some(left)).unwrap();
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => outcome.closed = true,
                Ok(count) => self
                    .read
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) => {
                    outcome.closed =
                        !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        }
        outcome
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = self.read.first_chunk::<9>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        if self.read.len() < 9 + length {
            return None;
        }
        let rest = self.read.split_off(9 + length);
        let payload = std::mem::replace(&mut self.read, rest).split_off(9);
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            payload,
        })
    }
}

/// What a connection begins with (RFC 9113 section 3.4), with these settings.
pub(crate) fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for &(id, value) in settings {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &payload));
    bytes
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short");
    let mut bytes = length.to_be_bytes().get(1..).unwrap_or_default().to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Headers as HPACK literals without indexing or Huffman coding (RFC 7541 section 6.2.2).
pub(crate) fn literal(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn length(block: &mut Vec<u8>, value: usize) {
    let byte = |value: usize| u8::try_from(value & 0xff).expect("masked to a byte");
    if value < 127 {
        block.push(byte(value));
        return;
    }
    block.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        block.push(byte(rest % 128 + 128));
        rest /= 128;
    }
    block.push(byte(rest));
}
