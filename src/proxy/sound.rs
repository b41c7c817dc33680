//! Row 1 of the table: is this one sound request, and what does its head ask for?

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Version};

use super::respond::Refusal;
use crate::auth::target;
use crate::catalog::path::is_unreserved;
use crate::code::Code;
use crate::config::Limits;
use crate::net::Peer;

/// What the head of a sound request says.
#[derive(Debug)]
pub(super) struct Sound {
    /// The one Host.
    pub(super) host: HeaderValue,
    /// The canonical path, and the query as it came.
    pub(super) target: PathAndQuery,
    /// The protocol that the client would switch to (RFC 9110 7.8).
    pub(super) upgrade: Option<HeaderValue>,
    /// The body was sent in chunks, or as HTTP/2 data: trailers may follow.
    pub(super) may_have_trailers: bool,
}

/// Checks everything that does not need to know who asks.
pub(super) fn check(
    parts: &Parts,
    peer: &Peer,
    has_body: bool,
    limits: &Limits,
) -> Result<Sound, Refusal> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Refusal::new(Code::MethodNotAllowed));
    }
    if parts.headers.len() > limits.headers {
        return Err(Refusal::new(Code::HeadTooLarge));
    }
    let host = host(parts, peer)?;
    let target = canonical_target(parts, peer, limits)?;
    let chunked = framing(&parts.headers)?;
    if let Some(length) = content_length(&parts.headers)?
        && limits.body.is_some_and(|most| length > most)
    {
        return Err(Refusal::new(Code::BodyTooLarge));
    }
    for expected in parts.headers.get_all(EXPECT) {
        if !expected.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(Code::ExpectationFailed));
        }
    }
    let upgrade = if has_body || peer.http2 || parts.version != Version::HTTP_11 {
        None
    } else {
        upgrade(&parts.headers)
    };
    Ok(Sound {
        host,
        target,
        upgrade,
        may_have_trailers: chunked || (peer.http2 && has_body),
    })
}

/// RFC 9112 3.2, RFC 9113 8.3.1: exactly one authority, and a valid one.
fn host(parts: &Parts, peer: &Peer) -> Result<HeaderValue, Refusal> {
    let refuse = |detail| Refusal::detailed(Code::BadHost, detail);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(refuse("there is more than one Host"));
    }
    let authority = parts.uri.authority().filter(|_| peer.http2);
    let host = match (authority, first) {
        (Some(authority), None) => HeaderValue::from_str(authority.as_str()).ok(),
        (Some(authority), Some(host)) if host.as_bytes() != authority.as_str().as_bytes() => {
            return Err(refuse("Host and :authority differ"));
        }
        (_, host) => host.cloned(),
    };
    let host = host.ok_or_else(|| refuse("there is no Host"))?;
    if !is_authority(host.as_bytes()) {
        return Err(refuse(
            "Host is not a host name or address with an optional port",
        ));
    }
    Ok(host)
}

/// A host name, IPv4 address or bracketed IPv6 address, with an optional port
/// (RFC 3986 3.2.2, without percent-encoding and user information).
fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = if let Some(rest) = bytes.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|&b| b == b']') else {
            return false;
        };
        let (address, rest) = rest.split_at(end);
        let address = std::str::from_utf8(address).unwrap_or_default();
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        match rest.split_first_chunk::<2>() {
            None => (None, None),
            Some((b"]:", port)) => (None, Some(port)),
            Some(_) => return false,
        }
    } else {
        match bytes.iter().position(|&b| b == b':') {
            None => (Some(bytes), None),
            Some(at) => {
                let (host, port) = bytes.split_at(at);
                (Some(host), port.split_first().map(|(_, port)| port))
            }
        }
    };
    let is_name = |h: &[u8]| !h.is_empty() && h.iter().copied().all(is_unreserved);
    host.is_none_or(is_name) && port.is_none_or(is_port)
}

/// Digits that name a port of TCP.
fn is_port(digits: &[u8]) -> bool {
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse::<u16>().ok());
    number.is_some() && digits.iter().all(u8::is_ascii_digit)
}

/// RFC 9112 3.2.1: origin-form alone, in canonical form.
fn canonical_target(parts: &Parts, peer: &Peer, limits: &Limits) -> Result<PathAndQuery, Refusal> {
    let refuse = |detail| Refusal::detailed(Code::BadRequestTarget, detail);
    if !peer.http2 && (parts.uri.scheme().is_some() || parts.uri.authority().is_some()) {
        return Err(refuse("absolute-form and authority-form are for proxies"));
    }
    let Some(target) = parts.uri.path_and_query() else {
        return Err(refuse("there is no path"));
    };
    if target.as_str().len() > limits.target {
        return Err(Refusal::new(Code::TargetTooLong));
    }
    let canonical = target::canonical(target.path())
        .map_err(|bad| Refusal::detailed(Code::BadRequestTarget, bad.to_string()))?;
    match canonical {
        std::borrow::Cow::Borrowed(_) => Ok(target.clone()),
        std::borrow::Cow::Owned(path) => with_path(target, path),
    }
}

/// A target with another path and the same query.
pub(super) fn with_path(target: &PathAndQuery, path: String) -> Result<PathAndQuery, Refusal> {
    let mut text = path;
    if let Some(query) = target.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text))
        .map_err(|_| Refusal::detailed(Code::BadRequestTarget, "the path is not valid"))
}

/// RFC 9112 6.1: one way to tell where the body ends. True where it is chunked.
fn framing(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    let refuse = |detail| Err(Refusal::detailed(Code::BadHeader, detail));
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return refuse("the only transfer coding is one chunked");
    }
    if headers.contains_key(CONTENT_LENGTH) {
        return refuse("Content-Length and Transfer-Encoding exclude each other");
    }
    Ok(true)
}

/// One decimal number, in the one spelling that every server reads alike.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(None);
    };
    let digits = length.as_bytes();
    let canonical =
        digits == b"0" || (digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0"));
    let number = length.to_str().ok().and_then(|text| text.parse().ok());
    match (number, lengths.next()) {
        (Some(number), None) if canonical => Ok(Some(number)),
        _ => Err(Refusal::detailed(
            Code::BadHeader,
            "Content-Length is not one decimal number",
        )),
    }
}

/// The one protocol that the client asks to switch to. A list is no request that can be
/// granted whole, and HTTP/2 is never tunnelled: its requests would pass undecided.
fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    if !has_token(headers, &CONNECTION, b"upgrade") {
        return None;
    }
    let mut protocols = headers.get_all(UPGRADE).iter();
    let (protocol, None) = (protocols.next()?, protocols.next()) else {
        return None;
    };
    let bytes = protocol.as_bytes();
    let name = bytes.split(|&b| b == b'/').next().unwrap_or_default();
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"-._+/".contains(b);
    let tunnelled_http = [&b"h2c"[..], b"h2", b"http", b"tls"]
        .iter()
        .any(|http| name.eq_ignore_ascii_case(http));
    (!name.is_empty() && bytes.iter().all(token) && !tunnelled_http).then(|| protocol.clone())
}

/// Whether a comma-separated header holds a token, in any case.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut tokens = value.as_bytes().split(|&b| b == b',');
        tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(token))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for good in [
            "gw",
            "GW.",
            "gw:443",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a-b.c_d",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a@b",
            "a/b",
            "gw:",
            "gw:x",
            "gw:123456",
            "[::1",
            "[x]",
            "[::1]x",
            "a*",
            "a,b",
            "gw:80:80",
            "[::1]:",
            "a%41",
            "é",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn only_a_single_protocol_that_is_not_http_is_an_upgrade() {
        let asks = |connection: &'static str, protocols: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, HeaderValue::from_static(connection));
            for protocol in protocols {
                headers.append(UPGRADE, HeaderValue::from_static(protocol));
            }
            upgrade(&headers).is_some()
        };
        assert!(asks("keep-alive, Upgrade", &["websocket"]));
        assert!(!asks("keep-alive", &["websocket"]));
        assert!(!asks("upgrade", &["websocket", "h2c"]));
        assert!(!asks("upgrade", &["websocket, h2c"]));
        for http in ["h2c", "H2C", "HTTP/2.0", "TLS/1.0", "h2"] {
            assert!(!asks("upgrade", &[http]), "{http}");
        }
    }
}
