//! A request that can be made again, kept while it is on a connection that its server may
//! be closing.
//!
//! Almost every spare is dropped unused, so making one has to cost little: the head is
//! copied into one piece of memory, and parsed again only where it is needed.

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use crate::proxy::body::RequestBody;

/// The head of a request without a body.
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    /// Names and values in turn, with nothing between them.
    text: Vec<u8>,
    /// Where each name and each value ends in `text`.
    ends: Vec<(u32, u32)>,
}

impl Spare {
    /// Copies a request that has no body.
    pub(super) fn of(request: &Request<RequestBody>) -> Self {
        let headers = request.headers();
        let mut ends = Vec::with_capacity(headers.len());
        let mut length = 0;
        for (name, value) in headers {
            let name_end = length + name.as_str().len();
            length = name_end + value.len();
            ends.push((bounded(name_end), bounded(length)));
        }
        let mut text = Vec::with_capacity(length);
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            text,
            ends,
        }
    }

    /// The request once more.
    pub(super) fn request(self) -> Option<Request<RequestBody>> {
        let mut request = Request::new(RequestBody::empty());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        let headers = request.headers_mut();
        headers.try_reserve(self.ends.len()).ok()?;
        let mut at = 0;
        for (name_end, value_end) in self.ends {
            let (name_end, value_end) = (name_end as usize, value_end as usize);
            let name = HeaderName::from_bytes(self.text.get(at..name_end)?).ok()?;
            let value = HeaderValue::from_bytes(self.text.get(name_end..value_end)?).ok()?;
            headers.append(name, value);
            at = value_end;
        }
        Some(request)
    }
}

/// Heads are bounded far below 4 GiB.
fn bounded(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
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
