//! Connections that there is no room for are answered before they are closed.
//!
//! Told in plaintext alone: a handshake would cost more than the connection that was
//! refused. Few are told at once and for a short time, so that it costs little; the rest
//! is closed.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Handler;
use super::worker::Shared;

/// Connections of one worker that are told at once.
const MOST: usize = 64;

/// How long one may take to listen.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is read of a request that gets no other answer: a close with bytes unread would
/// be a reset (RFC 9112 9.6), which may overtake the answer.
const MOST_READ: usize = 64 * 1024;

/// An empty SETTINGS, and GOAWAY: no stream was begun, ENHANCE_YOUR_CALM (RFC 9113 6.5,
/// 6.8, 7).
const GOAWAY: [u8; 26] = [
    0, 0, 0, 4, 0, 0, 0, 0, 0, //
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11,
];

/// Tells a connection that there is no room for it, and closes it.
pub(super) fn shed<H: Handler>(shared: &Rc<Shared<H>>, socket: TcpStream) {
    let telling = shared.shedding.get();
    if telling >= MOST || shared.handler.tls().is_some() {
        return;
    }
    shared.shedding.set(telling + 1);
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        // Who does not listen in time is closed all the same.
        tokio::time::timeout(PATIENCE, tell(&shared.handler, socket))
            .await
            .ok();
        shared.shedding.set(shared.shedding.get() - 1);
    });
}

async fn tell(handler: &Rc<impl Handler>, mut socket: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    let mut read = socket.read(&mut buffer).await?;
    if buffer.starts_with(b"PRI ") {
        socket.write_all(&GOAWAY).await?;
    } else {
        socket.write_all(&handler.overloaded()).await?;
    }
    socket.shutdown().await?;
    let mut total = read;
    while read > 0 && total < MOST_READ {
        read = socket.read(&mut buffer).await?;
        total += read;
    }
    Ok(())
}
