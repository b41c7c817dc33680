//! `Authorization: Basic` (RFC 7617), strictly: one spelling for each pair of SID and
//! auth token, so that nothing keyed on either can be dodged by another spelling.
//!
//! Decoded into a buffer on the caller's stack: a guess costs no allocation.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroize;

use super::Denial;
use crate::token::Sid;

/// The longest header value that is looked at; beyond, nothing is decoded.
const MAX_VALUE: usize = 1024;
/// What base64 of that length decodes to at the most.
const MAX_DECODED: usize = MAX_VALUE / 4 * 3;

/// Where credentials are decoded to. Wiped when dropped.
pub struct Buffer {
    bytes: [u8; MAX_DECODED],
    /// How many of them may hold something: wiping all of them would take longer than
    /// verifying what they hold.
    used: usize,
}

/// A SID and what was offered as its auth token, neither of them proven.
pub struct Credentials<'b> {
    /// The user name.
    pub sid: Sid,
    /// The password; never empty.
    pub secret: &'b [u8],
}

impl Buffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: [0; MAX_DECODED],
            used: 0,
        }
    }

    /// The credentials of a request.
    ///
    /// # Errors
    /// [`Denial::MissingCredentials`] where there is no `Authorization`;
    /// [`Denial::BadCredentials`] where there are two, or where it is anything but
    /// `Basic`, one or more spaces, and padded canonical base64 (RFC 4648 section 4) of a
    /// SID, a colon and at least one byte, none of them a control character (RFC 7617
    /// section 2).
    pub fn read(&mut self, headers: &HeaderMap) -> Result<Credentials<'_>, Denial> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Denial::MissingCredentials)?;
        if values.next().is_some() {
            return Err(Denial::BadCredentials);
        }
        encoded(value.as_bytes())
            .and_then(|encoded| self.decode(encoded))
            .and_then(split)
            .ok_or(Denial::BadCredentials)
    }

    fn decode(&mut self, encoded: &[u8]) -> Option<&[u8]> {
        self.bytes.get_mut(..self.used)?.zeroize();
        // What fails half-way has written too, so all that it may write is noted first.
        self.used = base64::decoded_len_estimate(encoded.len()).min(MAX_DECODED);
        let len = STANDARD.decode_slice(encoded, &mut self.bytes).ok()?;
        self.bytes.get(..len)
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Self { bytes, used } = self;
        bytes.iter_mut().take(*used).for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer(..)")
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ..)", self.sid)
    }
}

/// What follows the scheme, which is compared in any case (RFC 9110 section 11.1).
fn encoded(value: &[u8]) -> Option<&[u8]> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let (scheme, rest) = value.split_first_chunk::<5>()?;
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    if spaces == 0 || !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    rest.get(spaces..)
}

/// A SID has no colon, so the first one ends it; the auth token may have more.
fn split(decoded: &[u8]) -> Option<Credentials<'_>> {
    // A NUL would give a bcrypt password a second spelling, and RFC 7617 has none.
    if decoded.iter().any(u8::is_ascii_control) {
        return None;
    }
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (sid, rest) = decoded.split_at_checked(colon)?;
    let secret = rest.get(1..).filter(|secret| !secret.is_empty())?;
    let sid = Sid::parse(sid).ok()?;
    Some(Credentials { sid, secret })
}

#[cfg(test)]
mod tests;
