//! HTTP/1.1 on one connection, which is put aside while nobody says anything.
//!
//! hyper keeps its buffers for as long as a connection lives, 16 KiB and more, and most
//! connections of partners wait for a next request most of the time. One that has been
//! quiet for [`QUIET`] is taken apart, down to its socket and a timer, and put together
//! again around the first byte that comes.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{BUFFER, until_end};
use crate::config::Settings;
use crate::net::deadline::{Alarm, Phase};
use crate::net::{DeadlineIo, Peer};
use crate::server::Handler;
use crate::server::resumed::{Resumed, poll_begun};
use crate::server::worker::Shared;

/// For how long nothing has been said on a connection that is taken apart.
const QUIET: Duration = Duration::from_millis(500);

/// The header count that hyper parses without an allocation.
const HEADERS: usize = 100;

/// A connection; `C` is hyper's side of it.
enum State<T, C> {
    Speaking(Speaking<C>),
    /// Nothing of a next request has come.
    Quiet(Box<DeadlineIo<Resumed<T>>>),
    /// Never seen: between the two.
    Changing,
}

/// A connection that hyper has.
struct Speaking<C> {
    connection: Box<C>,
    /// It knows that no further request is served.
    told: bool,
    /// Looks now and then whether it has become quiet.
    alarm: Alarm,
    look_at: Instant,
}

/// HTTP/1.1 until the connection ends.
pub(super) async fn speak<H, T>(
    shared: &Rc<Shared<H>>,
    settings: &Settings,
    peer: &Rc<Peer>,
    mut io: Box<DeadlineIo<Resumed<T>>>,
) -> hyper::Result<()>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    builder
        .header_read_timeout(None) // the socket keeps that deadline
        .max_buf_size(BUFFER.max(settings.limits.head))
        .max_header_size(settings.limits.head);
    if settings.limits.headers > HEADERS {
        builder.max_headers(settings.limits.headers);
    }
    let service = |request: Request<Incoming>| {
        peer.pace.linger(!request.body().is_end_stream());
        peer.pace.begin_exchange();
        shared.handler.handle(peer, None, request)
    };
    let begin = |io| {
        let connection = builder.serve_connection(TokioIo::new(io), service_fn(service));
        State::Speaking(Speaking {
            connection: Box::new(connection.with_upgrades()),
            told: false,
            alarm: Alarm::default(),
            look_at: Instant::now() + QUIET,
        })
    };
    let mut state = if io.transport_mut().again().is_empty() {
        State::Quiet(io)
    } else {
        begin(io)
    };
    until_end(shared, |cx, draining| {
        loop {
            match &mut state {
                State::Speaking(speaking) => {
                    if let Poll::Ready(ended) = Pin::new(&mut *speaking.connection).poll(cx) {
                        return Poll::Ready(ended);
                    }
                    let phase = peer.pace.phase();
                    // Told only after it has read what has come, and not within a head, which
                    // has its deadline: hyper would drop either.
                    if draining && !speaking.told && phase != Phase::Head {
                        speaking.told = true;
                        Pin::new(&mut *speaking.connection).graceful_shutdown();
                        continue;
                    }
                    // The end of an exchange is seen here, so nothing has to wake for it.
                    if phase == Phase::Exchange
                        || speaking.alarm.poll(cx, speaking.look_at).is_pending()
                    {
                        return Poll::Pending;
                    }
                    speaking.look_at = Instant::now() + QUIET;
                    if !peer.pace.is_quiet(QUIET) {
                        continue;
                    }
                    let speaking = std::mem::replace(&mut state, State::Changing);
                    let State::Speaking(Speaking { connection, .. }) = speaking else {
                        return Poll::Ready(Ok(()));
                    };
                    // One that has been upgraded has ended, so it is not seen here.
                    let Some(parts) = connection.into_parts() else {
                        return Poll::Ready(Ok(()));
                    };
                    let mut io = parts.io.into_inner();
                    io.transport_mut().rewind(&parts.read_buf);
                    state = State::Quiet(io);
                }
                State::Quiet(io) => {
                    let begun = match io.transport_mut().again() {
                        [_, ..] => true,
                        [] => match poll_begun(io, cx) {
                            Poll::Ready(begun) => begun.is_ok_and(|bytes| bytes > 0),
                            Poll::Pending if draining => false,
                            Poll::Pending => return Poll::Pending,
                        },
                    };
                    if !begun {
                        // TLS says goodbye, where the socket takes that at once.
                        let _ = Pin::new(io).poll_shutdown(cx);
                        return Poll::Ready(Ok(()));
                    }
                    if let State::Quiet(io) = std::mem::replace(&mut state, State::Changing) {
                        state = begin(io);
                    }
                }
                State::Changing => return Poll::Ready(Ok(())),
            }
        }
    })
    .await
}
