//! One client's connection: TLS, which HTTP it is, and its messages until it ends.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::frames::{Counted, FLOOD};
use super::stream::{NextStream, StreamExecutor};
use super::worker::Shared;
use super::{Event, Fault, Handler};
use crate::config::Settings;
use crate::net::deadline::Phase;
use crate::net::{DeadlineIo, Pace, Paces, Peer, tls};

/// The HTTP/2 connection preface (RFC 9113 3.4); no HTTP/1.1 request begins so.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reading and writing buffers of an HTTP/1.1 connection grow up to this.
const BUFFER: usize = 64 * 1024;

/// The header count that hyper parses without an allocation.
const HYPER_HEADERS: usize = 100;

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(
    shared: &Rc<Shared<H>>,
    settings: Arc<Settings>,
    socket: TcpStream,
    address: IpAddr,
) {
    // Answers are written whole; waiting to fill a packet only adds latency.
    socket.set_nodelay(true).ok();
    let Some(config) = shared.handler.tls() else {
        return begin(shared, &settings, socket, address, false, None).await;
    };
    let handshake = TlsAcceptor::from(config).accept(socket);
    let handshake = tokio::time::timeout(settings.timeouts.tls_handshake, handshake);
    let Ok(done) = handshake.await else {
        shared.handler.observe(Event::HandshakeTimeout);
        return;
    };
    shared.handler.observe(Event::Handshake(done.is_ok()));
    match done {
        Ok(stream) => {
            let agreed = stream.get_ref().1.alpn_protocol();
            let agreed = agreed.map(|protocol| protocol == tls::ALPN_H2);
            begin(shared, &settings, stream, address, true, agreed).await;
        }
        Err(e) => tracing::debug!(peer = %address, error = %e, "TLS handshake failed"),
    }
}

/// Which HTTP it is, by what was agreed on or else by its first bytes: HTTP/2 begins with
/// its preface, which has the deadlines of a head in any case.
async fn begin<H, T>(
    shared: &Rc<Shared<H>>,
    settings: &Settings,
    socket: T,
    address: IpAddr,
    tls: bool,
    agreed: Option<bool>,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = Arc::new(Pace::new(paces(settings), false));
    let mut io = DeadlineIo::new(socket, Arc::clone(&pace));
    let mut begun = Begun::default();
    let is_preface = loop {
        match begun.read_from(&mut io).await {
            Ok(0) => return,
            Ok(_) if begun.bytes() == PREFACE => break true,
            Ok(_) if PREFACE.starts_with(begun.bytes()) => {}
            Ok(_) => break false,
            Err(_) => {
                if let Some(expired) = pace.expired() {
                    shared.handler.observe(Event::Expired(expired));
                }
                return;
            }
        }
    };
    // The head has begun with those bytes, so an HTTP/1.1 connection keeps its pace.
    let peer = if agreed.unwrap_or(is_preface) {
        let pace = Pace::new(paces(settings), true);
        // The preface is through; what comes next is paced as any quiet connection.
        pace.enter(Phase::Idle);
        Peer::new(address, tls, true, Arc::new(pace))
    } else {
        Peer::new(address, tls, false, pace)
    };
    let io = io
        .with_pace(Arc::clone(&peer.pace))
        .map(|socket| Resumed { begun, socket });
    speak(shared, settings, Rc::new(peer), io).await;
}

fn paces(settings: &Settings) -> Paces {
    let timeouts = &settings.timeouts;
    Paces {
        first_byte: Some(timeouts.first_byte),
        head: Some(timeouts.head),
        idle: Some(timeouts.keep_alive),
        send_idle: timeouts.send_idle,
    }
}

/// HTTP until the connection ends.
async fn speak<H, T>(shared: &Rc<Shared<H>>, settings: &Settings, peer: Rc<Peer>, io: DeadlineIo<T>)
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (http2, tls) = (peer.http2, peer.tls);
    shared.handler.observe(Event::Opened { http2, tls });
    if http2 {
        speak_http2(shared, settings, &peer, io).await;
    } else {
        speak_http1(shared, settings, &peer, io).await;
    }
    if let Some(expired) = peer.pace.expired() {
        shared.handler.observe(Event::Expired(expired));
    }
    shared.handler.observe(Event::Closed { http2, tls });
}

async fn speak_http1<H, T>(
    shared: &Rc<Shared<H>>,
    settings: &Settings,
    peer: &Rc<Peer>,
    io: DeadlineIo<T>,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None) // the socket keeps that deadline
        .max_buf_size(BUFFER.max(settings.limits.head))
        .max_header_size(settings.limits.head);
    if settings.limits.headers > HYPER_HEADERS {
        builder.max_headers(settings.limits.headers);
    }
    let service = service_fn(|request: Request<Incoming>| {
        peer.pace.begin_exchange();
        shared.handler.handle(peer, None, request)
    });
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let connection = pin!(connection.with_upgrades());
    drive(shared, connection, |c| c.graceful_shutdown()).await;
}

async fn speak_http2<H, T>(
    shared: &Rc<Shared<H>>,
    settings: &Settings,
    peer: &Rc<Peer>,
    io: DeadlineIo<T>,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let next = NextStream::default();
    let executor = StreamExecutor {
        next: next.clone(),
        send_idle: settings.timeouts.send_idle,
    };
    let limits = &settings.limits;
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(limits.h2_header_list)
        .initial_stream_window_size(limits.h2_stream_window)
        .initial_connection_window_size(limits.h2_connection_window)
        .max_send_buf_size(BUFFER)
        .max_pending_accept_reset_streams(limits.h2_resets)
        .keep_alive_interval(settings.timeouts.h2_ping)
        .keep_alive_timeout(settings.timeouts.h2_ping);
    let service = service_fn(|request: Request<Incoming>| {
        peer.pace.begin_exchange();
        shared.handler.handle(peer, Some(next.begin()), request)
    });
    let io = Counted::new(io, limits.h2_control_frames);
    let connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    drive(shared, connection, |c| c.graceful_shutdown()).await;
}

/// Polls a connection to its end, and tells it once when the worker drains.
async fn drive<H, C>(shared: &Rc<Shared<H>>, mut connection: Pin<&mut C>, drain: fn(Pin<&mut C>))
where
    H: Handler,
    C: Future<Output = hyper::Result<()>>,
{
    // Registers this task once: a connection is polled by one task for all its life.
    let mut signal = pin!(shared.drain.notified());
    signal.as_mut().enable();
    let mut listening = false;
    let mut told = false;
    let ended = poll_fn(|cx: &mut Context<'_>| {
        if !listening {
            listening = true;
            if signal.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        if shared.draining.get() && !told {
            told = true;
            drain(connection.as_mut());
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(e) = ended {
        tracing::debug!(error = %e, "connection ended");
        if let Some(event) = fault(&e) {
            shared.handler.observe(event);
        }
    }
}

/// What ended a connection, where it is more than the client's leaving.
fn fault(error: &hyper::Error) -> Option<Event> {
    if error.is_parse_too_large() {
        return Some(Event::Fault(Fault::HeadTooLarge));
    }
    if error.is_parse() {
        return Some(Event::Fault(Fault::Malformed));
    }
    if error.is_timeout() {
        return Some(Event::PingTimeout);
    }
    let source = error.source()?;
    if let Some(error) = source.downcast_ref::<io::Error>() {
        return (error.kind() == FLOOD).then_some(Event::Fault(Fault::Flood));
    }
    let error = source.downcast_ref::<h2::Error>()?;
    match error.reason()? {
        _ if error.is_remote() => None,
        // What hyper ends a connection with where nobody answered its PING.
        h2::Reason::NO_ERROR => Some(Event::PingTimeout),
        h2::Reason::ENHANCE_YOUR_CALM => Some(Event::Fault(Fault::Flood)),
        _ => Some(Event::Fault(Fault::Malformed)),
    }
}

/// The first bytes of a connection, read to see which HTTP it speaks.
#[derive(Debug, Default)]
struct Begun {
    buffer: [u8; PREFACE.len()],
    filled: u8,
    taken: u8,
}

impl Begun {
    fn bytes(&self) -> &[u8] {
        let range = usize::from(self.taken)..usize::from(self.filled);
        self.buffer.get(range).unwrap_or_default()
    }

    async fn read_from(&mut self, io: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let room = self.buffer.get_mut(usize::from(self.filled)..);
        let read = io.read(room.unwrap_or_default()).await?;
        self.filled += u8::try_from(read).expect("at most 24 bytes");
        Ok(read)
    }
}

/// A socket that gives its first bytes again.
#[derive(Debug)]
struct Resumed<T> {
    begun: Begun,
    socket: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Resumed<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let again = this.begun.bytes();
        if again.is_empty() {
            return Pin::new(&mut this.socket).poll_read(cx, buf);
        }
        let again = again.get(..buf.remaining()).unwrap_or(again);
        buf.put_slice(again);
        this.begun.taken += u8::try_from(again.len()).expect("at most 24 bytes");
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Resumed<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
