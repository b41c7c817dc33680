//! Active health checks: one prober for the process, outside the workers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Uri, uri};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::servers::{ServerState, UpstreamState};
use crate::config::{HealthCheck, Protocol};
use crate::net::connect::connect;

/// Probes every server of an upstream for ever; drop it to end that. Does nothing where
/// no check is configured.
pub async fn probe(upstream: Arc<UpstreamState>) {
    let Some(check) = &upstream.config.health_check else {
        return;
    };
    let mut probes = tokio::task::JoinSet::new();
    for server in &upstream.servers {
        let (upstream, server) = (Arc::clone(&upstream), Arc::clone(server));
        let check = check.clone();
        probes.spawn(async move { probe_server(&upstream, &server, &check).await });
    }
    while probes.join_next().await.is_some() {}
}

async fn probe_server(upstream: &UpstreamState, server: &ServerState, check: &HealthCheck) {
    let (mut passed, mut failed) = (0u32, 0u32);
    loop {
        let result = tokio::time::timeout(check.timeout, ask(upstream, server, check)).await;
        let well = matches!(result, Ok(Ok(())));
        (passed, failed) = if well {
            (passed.saturating_add(1), 0)
        } else {
            (0, failed.saturating_add(1))
        };
        let name = &upstream.config.name;
        let url = &server.server.url;
        if passed >= check.healthy && server.set_healthy(true) {
            tracing::info!(upstream = %name, server = %url, "server is healthy");
        }
        if failed >= check.unhealthy && server.set_healthy(false) {
            let reason = match &result {
                Ok(Err(e)) => e.to_string(),
                _ => "no answer in time".to_owned(),
            };
            tracing::warn!(upstream = %name, server = %url, %reason, "server is out");
        }
        tokio::time::sleep(jittered(check.interval)).await;
    }
}

/// Up to a tenth less, so that probes of many servers do not fall together.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - rand::random_range(0.0..0.1))
}

/// One GET on a connection of its own; 2xx and 3xx pass.
async fn ask(
    upstream: &UpstreamState,
    server: &ServerState,
    check: &HealthCheck,
) -> io::Result<()> {
    let io = TokioIo::new(connect(&server.server, upstream.tls.as_ref()).await?);
    let mut request = Request::new(Empty::<Bytes>::new());
    let path: uri::PathAndQuery = check.path.parse().map_err(io::Error::other)?;
    let status = match upstream.config.protocol {
        Protocol::Http1 => {
            *request.uri_mut() = Uri::from(path);
            request.headers_mut().insert(HOST, server.host.clone());
            let (mut sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
            tokio::select! {
                answer = sender.send_request(request) => answer,
                ended = connection => return Err(closed(ended)),
            }
        }
        Protocol::Http2 => {
            let tls = server.server.tls;
            let mut parts = Uri::from(path).into_parts();
            parts.scheme = Some(if tls {
                uri::Scheme::HTTPS
            } else {
                uri::Scheme::HTTP
            });
            parts.authority = Some(server.server.authority.clone());
            *request.uri_mut() = Uri::from_parts(parts).map_err(io::Error::other)?;
            let handshake = http2::handshake(TokioExecutor::new(), io).await;
            let (mut sender, connection) = handshake.map_err(io::Error::other)?;
            tokio::select! {
                answer = sender.send_request(request) => answer,
                ended = connection => return Err(closed(ended)),
            }
        }
    }
    .map_err(io::Error::other)?
    .status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(io::Error::other(format!("answered {status}")))
}

/// Why a connection that ended before its answer did so.
fn closed(ended: hyper::Result<()>) -> io::Error {
    let early = || io::ErrorKind::UnexpectedEof.into();
    ended.err().map_or_else(early, io::Error::other)
}
