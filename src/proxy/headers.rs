//! What the upstream, and the client, may see of each other's header fields.
//!
//! Hop-by-hop fields end here (RFC 9110 7.6.1). Fields by which the gate speaks to the
//! upstream are the gate's alone: a client's are dropped under every spelling that a
//! server might take for the same name.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRAILER, UPGRADE,
};

use super::context::Exchange;
use super::sound::{Sound, has_token};
use crate::auth::Permit;
use crate::net::Peer;

/// The SID whose credentials the request carried.
pub(super) const X_AUTH_SID: HeaderName = HeaderName::from_static("x-auth-sid");
/// The scope that admitted it.
pub(super) const X_AUTH_SCOPE: HeaderName = HeaderName::from_static("x-auth-scope");
/// The API version it is served under.
pub(super) const X_API_VERSION: HeaderName = HeaderName::from_static("x-api-version");
/// The gate's name for the request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The chain of proxies before the gate, the client first.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The longest name in [`is_owned`]; a longer one needs no look.
const LONGEST: usize = 32;

/// Turns a client's request headers into the upstream's, in place.
pub(super) fn for_upstream(
    headers: &mut HeaderMap,
    sound: &Sound,
    upgrade: Option<&HeaderValue>,
    permit: &Permit,
    exchange: &Exchange,
    trusted: bool,
) {
    headers.remove(AUTHORIZATION);
    let foreign = Foreign::among(headers, |name| is_hop_by_hop(name) || is_owned(name));
    let chain = if trusted && foreign.any {
        forwarded_for(headers, &exchange.peer)
    } else {
        exchange.peer.forwarded_for.clone()
    };
    let trailers = foreign.any && sound.may_have_trailers;
    let trailers = trailers.then(|| headers.get(TRAILER).and_then(announced_trailers));
    let te = foreign.any && has_token(headers, &TE, b"trailers");
    foreign.drop_from(headers);
    headers.reserve(8);
    if te {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(trailers) = trailers.flatten() {
        headers.insert(TRAILER, trailers);
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if let Some(token) = permit.token() {
        headers.insert(X_AUTH_SID, visible(token.sid.as_bytes()));
    }
    if let Some(scope) = permit.scope() {
        headers.insert(X_AUTH_SCOPE, visible(scope.as_bytes()));
    }
    if let Some(version) = permit.version() {
        headers.insert(X_API_VERSION, visible(version.id.as_bytes()));
    }
    headers.insert(X_REQUEST_ID, exchange.request_id.header());
    headers.insert(X_FORWARDED_FOR, chain);
    let proto = if exchange.peer.tls { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(X_FORWARDED_HOST, sound.host.clone());
}

/// Turns an upstream's response headers into the client's, in place.
pub(super) fn for_client(headers: &mut HeaderMap, request_id: HeaderValue) {
    let foreign = Foreign::among(headers, is_hop_by_hop);
    if foreign.any {
        let trailers = headers.get(TRAILER).and_then(announced_trailers);
        foreign.drop_from(headers);
        if let Some(trailers) = trailers {
            headers.insert(TRAILER, trailers);
        }
    }
    headers.insert(X_REQUEST_ID, request_id);
}

/// Copies the values of a head that goes on over HTTP/2. Its encoder keeps them in a table for
/// as long as the connection lives (RFC 7541 2.3.2), and each of them would keep the whole
/// buffer that it was read into.
pub(super) fn detach(headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        if let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

/// Takes from a message's trailers what no trailer may carry past the gate.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    let frames = |name: &str| is_framing(name) || is_hop_by_hop(name) || is_owned(name);
    Foreign::among(trailers, frames).drop_from(trailers);
}

/// Ids come from files whose parsers allow visible ASCII alone; anything else would be
/// sent as nothing rather than fail a request.
fn visible(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The peer, after the chain of proxies before it, which this peer is trusted to tell.
fn forwarded_for(headers: &HeaderMap, peer: &Peer) -> HeaderValue {
    let mut chain = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.forwarded_for.as_bytes());
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_| peer.forwarded_for.clone())
}

/// The names of a `Trailer` field that may pass.
fn announced_trailers(value: &HeaderValue) -> Option<HeaderValue> {
    let mut kept = String::new();
    for name in value.to_str().ok()?.split(',') {
        let name = name.trim();
        let Ok(parsed) = HeaderName::try_from(name) else {
            continue;
        };
        if is_owned(parsed.as_str()) || is_hop_by_hop(parsed.as_str()) {
            continue;
        }
        if !kept.is_empty() {
            kept.push_str(", ");
        }
        kept.push_str(name);
    }
    (!kept.is_empty()).then(|| HeaderValue::try_from(kept).ok())?
}

/// The fields of a message that must not pass. One look at the names finds them; mostly
/// there are none, or few.
struct Foreign {
    any: bool,
    names: Vec<HeaderName>,
}

impl Foreign {
    fn among(headers: &HeaderMap, is_foreign: impl Fn(&str) -> bool) -> Self {
        let names = headers.keys().filter(|name| is_foreign(name.as_str()));
        let mut names: Vec<HeaderName> = names.cloned().collect();
        if names.contains(&CONNECTION) {
            names.extend(nominated(headers));
        }
        Self {
            any: !names.is_empty(),
            names,
        }
    }

    fn drop_from(self, headers: &mut HeaderMap) {
        for name in self.names {
            headers.remove(name);
        }
    }
}

/// What `Connection` names, but for what a message cannot be without: RFC 9110 7.6.1
/// forbids naming that.
fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| name != HOST && name != CONTENT_LENGTH)
}

/// RFC 9110 7.6.1, and `Expect`, which is the gate's to answer. Told by the length first:
/// every name of every message is asked about.
fn is_hop_by_hop(name: &str) -> bool {
    match name.len() {
        2 => name == "te",
        6 => name == "expect",
        7 => matches!(name, "trailer" | "upgrade"),
        10 => matches!(name, "connection" | "keep-alive"),
        14 => name == "http2-settings",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

/// Whether a name is the gate's: credentials, identity, forwarding, and the fields by
/// which some servers let a client rewrite its request.
fn is_owned(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.len() > LONGEST {
        return false;
    }
    if bytes
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    {
        return is_owned_spelling(name);
    }
    let mut plain = [0; LONGEST];
    for (to, from) in plain.iter_mut().zip(bytes) {
        *to = without_mark(*from);
    }
    let plain = plain.get(..bytes.len()).unwrap_or_default();
    let plain = std::str::from_utf8(plain).unwrap_or_default();
    is_owned_spelling(plain) || is_hop_by_hop(plain) || is_framing(plain)
}

/// A character of a field's name as CGI (RFC 3875 4.1.18) and its descendants tell it from
/// others: what is neither letter nor digit is one mark to them.
pub(super) fn without_mark(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte
    } else {
        b'-'
    }
}

/// Names that frame a message: under another spelling they have no honest use.
fn is_framing(name: &str) -> bool {
    matches!(name, "content-length" | "host" | "expect")
}

fn is_owned_spelling(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'x') => is_owned_extension(name),
        Some(b'a') => matches!(name, "authorization" | "authorization-"),
        _ => matches!(
            name,
            "forwarded"
                | "base-url"
                | "cf-connecting-ip"
                | "client-ip"
                | "cluster-client-ip"
                | "destination"
                | "http-url"
                | "profile"
                | "proxy"
                | "proxy-host"
                | "proxy-url"
                | "real-ip"
                | "redirect"
                | "request-uri"
                | "true-client-ip"
                | "uri"
                | "url"
        ),
    }
}

fn is_owned_extension(name: &str) -> bool {
    const PREFIXES: [&str; 6] = [
        "x-forwarded",
        "x-original-",
        "x-rewrite-",
        "x-envoy-",
        "x-accel-",
        "x-http-",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "x-auth-sid"
                | "x-auth-scope"
                | "x-api-version"
                | "x-request-id"
                | "x-real-ip"
                | "x-authorization"
                | "x-client-ip"
                | "x-custom-ip-authorization"
                | "x-forward-for"
                | "x-forward"
                | "x-host"
                | "x-method-override"
                | "x-originating-ip"
                | "x-originating-url"
                | "x-override-url"
                | "x-proxy-url"
                | "x-proxyuser-ip"
                | "x-remote-addr"
                | "x-remote-ip"
                | "x-request-uri"
                | "x-sendfile"
                | "x-server-ip"
                | "x-true-ip"
                | "x-wap-profile"
        )
}

/// Drops a length that announces a body where none comes. The transfer coding has gone with
/// the hop-by-hop fields.
pub(super) fn drop_framing(headers: &mut HeaderMap, has_body: bool) {
    if !has_body && headers.get(CONTENT_LENGTH).is_some_and(|v| v != "0") {
        headers.remove(CONTENT_LENGTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_names_are_owned_under_every_spelling() {
        for name in [
            "x-auth-sid",
            "x_auth_sid",
            "x-auth_sid",
            "x.auth.sid",
            "authorization",
            "authorization_",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded-uri",
            "forwarded",
            "x-real-ip",
            "x-original-url",
            "x-http-method-override",
            "x!auth!sid",
            "x~auth|sid",
            "transfer_encoding",
            "content_length",
        ] {
            assert!(is_owned(name), "{name}");
        }
        for name in [
            "accept",
            "content-type",
            "x-custom",
            "my_header",
            "x-auth-sid-2",
            "cookie",
        ] {
            assert!(!is_owned(name), "{name}");
        }
    }

    #[test]
    fn what_connection_names_goes_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("connection", "host"),
            ("x-mine", "1"),
            ("host", "gw"),
            ("keep-alive", "5"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        Foreign::among(&headers, is_hop_by_hop).drop_from(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host"]);
    }

    #[test]
    fn a_detached_head_holds_on_to_no_buffer() {
        let buffer = bytes::Bytes::from(b"text/plain, and much more".to_vec());
        let mut value = HeaderValue::from_maybe_shared(buffer.slice(..10)).expect("a value");
        value.set_sensitive(true);
        let mut headers = HeaderMap::from_iter([(HOST, value)]);
        assert!(!buffer.is_unique());
        detach(&mut headers);
        assert!(buffer.is_unique());
        assert_eq!(headers[HOST], "text/plain");
        assert!(headers[HOST].is_sensitive());
    }

    #[test]
    fn trailers_that_are_the_gates_are_not_announced() {
        let value = HeaderValue::from_static("X-Sum, Authorization, X_Auth_Sid, te, Grpc-Status");
        let kept = announced_trailers(&value).expect("two are left");
        assert_eq!(kept, "X-Sum, Grpc-Status");
        assert!(announced_trailers(&HeaderValue::from_static("Authorization")).is_none());
    }
}
