//! One client's connection: TLS, which HTTP it is, and its messages until it ends.

mod http1;

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::frames::{Counted, FLOOD};
use super::resumed::{Resumed, poll_begun};
use super::stream::{NextStream, StreamExecutor};
use super::worker::Shared;
use super::{Event, Fault, Handler};
use crate::config::Settings;
use crate::net::deadline::Phase;
use crate::net::{DeadlineIo, Pace, Paces, Peer, tls};

/// The HTTP/2 connection preface (RFC 9113 3.4); no HTTP/1.1 request begins so.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reading and writing buffers of a connection grow up to this.
const BUFFER: usize = 64 * 1024;

/// Serves a connection to its end, in a task of its own; then lets go of what is held for it.
pub(super) fn serve<H: Handler>(
    shared: Rc<Shared<H>>,
    settings: Arc<Settings>,
    socket: TcpStream,
    address: IpAddr,
    held: impl Sized + 'static,
) {
    // Answers are written whole; waiting to fill a packet only adds latency.
    socket.set_nodelay(true).ok();
    // What a task may come to hold, it has room for as long as it lives. So plain connections
    // and those of TLS are tasks of two kinds, and what only some come to is kept apart.
    match shared.handler.tls() {
        None => tokio::task::spawn_local(async move {
            begin(&shared, &settings, socket, address, false, None).await;
            drop(held);
        }),
        Some(config) => tokio::task::spawn_local(async move {
            let secured = Box::pin(handshake(&shared, &settings, config, socket, address));
            if let Some(stream) = secured.await {
                let agreed = stream.get_ref().1.alpn_protocol();
                let agreed = agreed.map(|protocol| protocol == tls::ALPN_H2);
                begin(&shared, &settings, stream, address, true, agreed).await;
            }
            drop(held);
        }),
    };
}

/// The TLS handshake; none where it fails or takes too long.
async fn handshake<H: Handler>(
    shared: &Shared<H>,
    settings: &Settings,
    config: Arc<rustls::ServerConfig>,
    socket: TcpStream,
    address: IpAddr,
) -> Option<Box<TlsStream<TcpStream>>> {
    let handshake = TlsAcceptor::from(config).accept(socket);
    let handshake = tokio::time::timeout(settings.timeouts.tls_handshake, handshake);
    let Ok(done) = handshake.await else {
        shared.handler.observe(Event::HandshakeTimeout);
        return None;
    };
    shared.handler.observe(Event::Handshake(done.is_ok()));
    match done {
        Ok(stream) => Some(Box::new(stream)),
        Err(e) => {
            if tls::is_certificate_refused(&e) {
                shared.handler.observe(Event::CertificateRefused);
            }
            tracing::debug!(peer = %address, error = %e, "TLS handshake failed");
            None
        }
    }
}

/// Which HTTP it is, by what was agreed on or else by its first bytes: HTTP/2 begins with
/// its preface, which has the deadlines of a head in any case.
pub(super) async fn begin<H, T>(
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
    // Boxed, because it is handed on: each step of the way would have room for it.
    let mut io = Box::new(DeadlineIo::new(Resumed::new(socket), Arc::clone(&pace)));
    let mut before = 0;
    let is_preface = loop {
        let begun = poll_fn(|cx| poll_begun(&mut io, cx)).await;
        let bytes = io.transport_mut().again();
        match begun {
            Ok(length) if length == before => return,
            Ok(_) if bytes.starts_with(PREFACE) => break true,
            Ok(length) if PREFACE.starts_with(bytes) => before = length,
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
    io.set_pace(Arc::clone(&peer.pace));
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
async fn speak<H, T>(
    shared: &Rc<Shared<H>>,
    settings: &Settings,
    peer: Rc<Peer>,
    io: Box<DeadlineIo<Resumed<T>>>,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (http2, tls) = (peer.http2, peer.tls);
    shared.handler.observe(Event::Opened { http2, tls });
    let ended = if http2 {
        Box::pin(speak_http2(shared, settings, &peer, io)).await
    } else {
        http1::speak(shared, settings, &peer, io).await
    };
    if let Err(e) = ended {
        tracing::debug!(error = %e, "connection ended");
        if let Some(event) = fault(&e) {
            shared.handler.observe(event);
        }
    }
    if let Some(expired) = peer.pace.expired() {
        shared.handler.observe(Event::Expired(expired));
    }
    shared.handler.observe(Event::Closed { http2, tls });
}

async fn speak_http2<H, T>(
    shared: &Rc<Shared<H>>,
    settings: &Settings,
    peer: &Rc<Peer>,
    io: Box<DeadlineIo<Resumed<T>>>,
) -> hyper::Result<()>
where
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
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut told = false;
    until_end(shared, |cx, draining| {
        if draining && !told {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await
}

/// Polls a connection to its end, and tells each time whether the worker drains.
async fn until_end<H, T>(
    shared: &Rc<Shared<H>>,
    mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
) -> T {
    // Registers this task once: a connection is polled by one task for all its life.
    let mut signal = pin!(shared.drain.notified());
    signal.as_mut().enable();
    let mut listening = false;
    poll_fn(|cx| {
        if !listening {
            listening = true;
            if signal.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        poll(cx, shared.draining.get())
    })
    .await
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
