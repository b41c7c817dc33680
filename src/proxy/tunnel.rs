//! A connection that has switched protocols: bytes both ways until either side ends it,
//! neither has sent anything for too long, or the worker stops.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::context::Exchange;
use super::revoke::Revocable;
use super::upstream::Lease;
use crate::telemetry::metrics::{Deadline, WorkerMetrics};

/// Bytes that may be on their way in one direction.
const BUFFER: usize = 16 * 1024;

/// Both ends of a tunnel, before they have switched.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) server: OnUpgrade,
    /// The upstream connection, and its place among those that are allowed.
    pub(super) lease: Lease,
    pub(super) exchange: Box<Exchange>,
    pub(super) idle: Option<Duration>,
}

/// Runs a tunnel to its end. The access record is written then.
pub(super) async fn run(tunnel: Tunnel) {
    let Tunnel {
        client,
        server,
        lease,
        mut exchange,
        idle,
    } = tunnel;
    let metrics = std::sync::Arc::clone(&exchange.worker.metrics);
    metrics.tunnel_opened();
    let (up, down) = (exchange.count_received(), Cell::new(0));
    match tokio::try_join!(client, server) {
        Ok((client, server)) => {
            let ended = Revocable::ended(exchange.revocable.clone());
            tokio::select! {
                result = relay(client, server, &up, &down, idle, &metrics) => {
                    if let Err(e) = result {
                        tracing::debug!(error = %e, "tunnel ended");
                    }
                }
                denial = ended => exchange.code = denial.code(),
            }
        }
        Err(e) => tracing::debug!(error = %e, "upgrade failed"),
    }
    exchange.sent = down.get();
    metrics.tunnel_closed();
    drop(lease);
}

async fn relay(
    client: Upgraded,
    server: Upgraded,
    up: &Cell<u64>,
    down: &Cell<u64>,
    idle: Option<Duration>,
    metrics: &WorkerMetrics,
) -> io::Result<()> {
    let last = Cell::new(Instant::now());
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_server, to_server) = tokio::io::split(TokioIo::new(server));
    let both = async {
        tokio::try_join!(
            copy(from_client, to_server, up, &last),
            copy(from_server, to_client, down, &last),
        )
    };
    let silence = async {
        let Some(idle) = idle else {
            return std::future::pending().await;
        };
        loop {
            let by = last.get() + idle;
            if Instant::now() >= by {
                return;
            }
            tokio::time::sleep_until(by).await;
        }
    };
    tokio::select! {
        ended = both => ended.map(|_| ()),
        () = silence => {
            metrics.deadline(Deadline::TunnelIdle);
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

/// Copies one direction to its end, then closes that direction alone.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &Cell<u64>,
    last: &Cell<Instant>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        last.set(Instant::now());
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(bytes).await?;
        last.set(Instant::now());
        let length = u64::try_from(read).unwrap_or(u64::MAX);
        count.set(count.get().saturating_add(length));
    }
}
