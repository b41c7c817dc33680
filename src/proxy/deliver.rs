//! The upstream's answer on its way to the client: handed on, or switched to a tunnel.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Response, Version};
use hyper::upgrade::OnUpgrade;

use super::body::{Body, EndBy};
use super::context::{Decision, Exchange};
use super::gate::Local;
use super::upstream::Answer;
use super::{headers, limits, tunnel, version};
use crate::code::Code;

/// What the walk ends in.
pub(super) enum Passed {
    /// An answer, and when its body must have ended.
    Answer(Answer, Option<EndBy>),
    /// The upstream switches protocols, as this client asked.
    Switched(Answer, OnUpgrade),
}

/// Hands the upstream's answer on.
pub(super) fn deliver(
    mut exchange: Box<Exchange>,
    answer: Answer,
    local: &Local,
    end_by: Option<EndBy>,
) -> Response<Body> {
    let (mut parts, incoming) = answer.response.into_parts();
    exchange.code = Code::Ok;
    exchange.status = parts.status.as_u16();
    if exchange.peer.http2 {
        headers::detach(&mut parts.headers);
    }
    headers::for_client(&mut parts.headers, exchange.request_id.header());
    version::for_client(&mut parts.headers, &exchange.decision);
    limits::tell(&mut parts.headers, &exchange);
    // The version belongs to the hop (RFC 9110 2.5): hyper writes the client's.
    parts.version = Version::default();
    let idle = match &exchange.decision {
        Decision::Permit(permit) => local.upstream(permit).ok().and_then(|u| u.body_idle()),
        _ => None,
    };
    let body = Body::download(exchange, incoming, answer.lease, idle, end_by);
    Response::from_parts(parts, body)
}

/// Answers 101 and tunnels from then on.
pub(super) fn switch(
    mut exchange: Box<Exchange>,
    mut answer: Answer,
    client: OnUpgrade,
    local: &Local,
) -> Response<Body> {
    let server = hyper::upgrade::on(&mut answer.response);
    let (mut parts, _) = answer.response.into_parts();
    exchange.code = Code::Ok;
    exchange.status = parts.status.as_u16();
    let protocol = parts.headers.remove(UPGRADE);
    headers::for_client(&mut parts.headers, exchange.request_id.header());
    version::for_client(&mut parts.headers, &exchange.decision);
    limits::tell(&mut parts.headers, &exchange);
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    tokio::task::spawn_local(tunnel::run(tunnel::Tunnel {
        client,
        server,
        lease: answer.lease,
        exchange,
        idle: local.active.settings.timeouts.tunnel_idle,
    }));
    Response::from_parts(parts, Body::none())
}
