//! A request that can be made again, kept while it is on a connection that its server may
//! be closing.
//!
//! Almost every spare is dropped unused, so making one has to cost little: the head is
//! copied into one piece of memory, and parsed again only where it is needed.

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use crate::proxy::body::RequestBody;

/// What the fields of most requests fit in.
const ROOM: usize = 768;

/// The head of a request without a body.
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    /// The fields one after the other: how long the name and the value are, and both.
    fields: Vec<u8>,
}

impl Spare {
    /// Copies a request that has no body.
    pub(super) fn of(request: &Request<RequestBody>) -> Self {
        let mut fields = Vec::with_capacity(ROOM);
        for (name, value) in request.headers() {
            let name = name.as_str().as_bytes();
            fields.extend_from_slice(&length(name));
            fields.extend_from_slice(&length(value.as_bytes()));
            fields.extend_from_slice(name);
            fields.extend_from_slice(value.as_bytes());
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            fields,
        }
    }

    /// The request once more.
    pub(super) fn request(self) -> Option<Request<RequestBody>> {
        let mut request = Request::new(RequestBody::empty());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        let mut fields = self.fields.as_slice();
        while let Some((name, rest)) = fields.split_first_chunk() {
            let (value, rest) = rest.split_first_chunk()?;
            let (name, rest) = rest.split_at_checked(u32::from_ne_bytes(*name) as usize)?;
            let (value, rest) = rest.split_at_checked(u32::from_ne_bytes(*value) as usize)?;
            let name = HeaderName::from_bytes(name).ok()?;
            request
                .headers_mut()
                .append(name, HeaderValue::from_bytes(value).ok()?);
            fields = rest;
        }
        Some(request)
    }
}

/// Heads are bounded far below 4 GiB.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_is_the_request_again() {
        let mut request = Request::new(RequestBody::empty());
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = Uri::from_static("/v1/items/1?a=%20b");
        for (name, value) in [
            ("host", &b"gw"[..]),
            ("x-two", b"1"),
            ("x-two", b""),
            ("x-two", b"3, 4"),
            ("x-obs-text", b"\xff\x80"),
            ("accept", b"*/*"),
        ] {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_bytes(value).expect("a header value");
            request.headers_mut().append(name, value);
        }
        let again = Spare::of(&request).request().expect("it parses again");
        assert_eq!(again.method(), request.method());
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.headers(), request.headers());
    }
}
