//! Opens connections to a server, and runs their tasks on the worker that asked.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Http1, Http2};
use crate::net::connect::connect;
use crate::net::deadline::Phase;
use crate::net::{DeadlineIo, Pace, Paces, Transport};
use crate::proxy::body::RequestBody;
use crate::proxy::upstream::servers::{ServerState, UpstreamState};

/// Buffers of a connection grow up to this.
const BUFFER: usize = 64 * 1024;

/// Flow-control windows of an HTTP/2 connection to a server.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// A quiet HTTP/2 connection is asked whether it lives, and has as long again to answer.
const H2_PING: Duration = Duration::from_secs(20);

/// An HTTP/2 connection as hyper runs it.
pub(super) type Http2Connection =
    http2::Connection<TokioIo<DeadlineIo<Transport>>, RequestBody, LocalExecutor>;

/// Opens an HTTP/1.1 connection; the caller keeps the deadline.
pub(super) async fn http1(
    state: &ServerState,
    upstream: &UpstreamState,
    permit: Option<OwnedSemaphorePermit>,
) -> io::Result<Http1> {
    let timeouts = &upstream.config.timeouts;
    let paces = Paces {
        first_byte: timeouts.first_byte,
        head: timeouts.head,
        idle: None,
        send_idle: timeouts.send_idle,
    };
    let pace = Arc::new(Pace::new(paces, false));
    pace.enter(Phase::Exchange);
    let transport = connect(&state.server, upstream.tls.as_ref()).await?;
    let io = TokioIo::new(DeadlineIo::new(transport, Arc::clone(&pace)));
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(io)
        .await
        .map_err(io::Error::other)?;
    let permit = Rc::new(permit);
    let held = Rc::clone(&permit);
    tokio::task::spawn_local(async move {
        // What went wrong is told to the request that was under way. The permit is
        // given up only after the socket: the server counts that.
        connection.with_upgrades().await.ok();
        drop(held);
    });
    Ok(Http1 {
        sender,
        pace,
        idle_since: None,
        _permit: permit,
    })
}

/// Opens an HTTP/2 connection; the caller keeps the deadline.
pub(super) async fn http2(
    state: &ServerState,
    upstream: &UpstreamState,
    permit: Option<OwnedSemaphorePermit>,
) -> io::Result<Http2> {
    let paces = Paces {
        send_idle: upstream.config.timeouts.send_idle,
        ..Paces::default()
    };
    let pace = Arc::new(Pace::new(paces, true));
    pace.enter(Phase::Idle);
    let transport = connect(&state.server, upstream.tls.as_ref()).await?;
    let io = TokioIo::new(DeadlineIo::new(transport, Arc::clone(&pace)));
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING)
        .handshake(io)
        .await
        .map_err(io::Error::other)?;
    let connection = Rc::new(RefCell::new(Some(connection)));
    let running = Rc::clone(&connection);
    tokio::task::spawn_local(async move {
        poll_fn(|cx| match &mut *running.borrow_mut() {
            Some(connection) => Pin::new(connection).poll(cx),
            None => Poll::Ready(Ok(())),
        })
        .await
        .ok();
        // Only now do those who queue on it learn that it has ended.
        let ended = running.borrow_mut().take();
        drop((ended, permit));
    });
    let opened = Instant::now();
    Ok(Http2 {
        sender,
        connection,
        pace,
        streams: Rc::default(),
        is_suspect: Rc::default(),
        opened,
        idle_since: Cell::new(opened),
    })
}

/// Runs hyper's tasks on this worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async {
            task.await;
        });
    }
}
