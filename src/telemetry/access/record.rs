//! An access record and its JSON, written by hand: at 100,000 requests a second a
//! serialiser's generality is a measurable part of a core.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::code::Code;

/// Longer texts are cut: a client chooses method and path.
const LONGEST_TEXT: usize = 8 << 10;

/// What is noted of one request. What does not apply is left out of the line.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request's head was complete.
    pub time: SystemTime,
    /// As in `X-Request-Id`.
    pub request_id: &'a str,
    /// The client's address.
    pub peer: IpAddr,
    /// `http/1.1` or `h2`.
    pub protocol: &'static str,
    /// Whether the client's hop was TLS.
    pub tls: bool,
    /// The method.
    pub method: &'a str,
    /// The canonical path; the raw one, without its query, where it has no canonical form.
    pub path: &'a str,
    /// Whose request it was, where that was proven.
    pub sid: Option<&'a str>,
    /// What was decided.
    pub code: Code,
    /// The scope that admitted.
    pub scope: Option<&'a str>,
    /// The rule that matched.
    pub rule: Option<&'a str>,
    /// The API version that it was served under.
    pub version: Option<&'a str>,
    /// The answer's status.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// The server that was asked.
    pub upstream: Option<&'a str>,
    /// From the request's head to the answer's last byte.
    pub duration: Duration,
    /// Until the server's first byte.
    pub upstream_duration: Option<Duration>,
}

/// Writes records; remembers the text of the second that the last one fell into.
#[derive(Debug)]
pub(super) struct Formatter {
    second: u64,
    text: String,
}

impl Default for Formatter {
    fn default() -> Self {
        Self {
            second: 0,
            text: second_text(0),
        }
    }
}

impl Formatter {
    /// Appends a record and a line end.
    pub(super) fn write(&mut self, record: &Record<'_>, to: &mut Vec<u8>) {
        to.extend_from_slice(b"{\"time\":\"");
        self.write_time(record.time, to);
        to.extend_from_slice(b"\",\"request_id\":");
        text(record.request_id, to);
        to.extend_from_slice(b",\"peer\":\"");
        address(record.peer, to);
        to.extend_from_slice(b"\",\"protocol\":\"");
        to.extend_from_slice(record.protocol.as_bytes());
        to.extend_from_slice(if record.tls {
            b"\",\"tls\":true,\"method\":".as_slice()
        } else {
            b"\",\"tls\":false,\"method\":"
        });
        text(record.method, to);
        to.extend_from_slice(b",\"path\":");
        text(record.path, to);
        optional(b",\"sid\":", record.sid, to);
        to.extend_from_slice(b",\"code\":\"");
        to.extend_from_slice(record.code.as_str().as_bytes());
        to.push(b'"');
        optional(b",\"scope\":", record.scope, to);
        optional(b",\"rule\":", record.rule, to);
        optional(b",\"version\":", record.version, to);
        to.extend_from_slice(b",\"status\":");
        number(record.status.into(), to);
        to.extend_from_slice(b",\"bytes_in\":");
        number(record.bytes_in, to);
        to.extend_from_slice(b",\"bytes_out\":");
        number(record.bytes_out, to);
        optional(b",\"upstream\":", record.upstream, to);
        to.extend_from_slice(b",\"duration_us\":");
        number(micros(record.duration), to);
        if let Some(duration) = record.upstream_duration {
            to.extend_from_slice(b",\"upstream_duration_us\":");
            number(micros(duration), to);
        }
        to.extend_from_slice(b"}\n");
    }

    /// RFC 3339 in UTC with milliseconds; a clock before 1970 shows 1970.
    fn write_time(&mut self, time: SystemTime, to: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.text = second_text(self.second);
        }
        to.extend_from_slice(self.text.as_bytes());
        let millis = since.subsec_millis();
        let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or_default();
        to.extend_from_slice(&[
            b'.',
            digit(millis / 100),
            digit(millis / 10),
            digit(millis),
            b'Z',
        ]);
    }
}

/// `2026-11-21T12:00:00`.
fn second_text(second: u64) -> String {
    let time = i64::try_from(second)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .unwrap_or(Timestamp::MAX);
    let mut text = time.to_string();
    text.truncate("2026-11-21T12:00:00".len());
    text
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn optional(key: &[u8], value: Option<&str>, to: &mut Vec<u8>) {
    if let Some(value) = value {
        to.extend_from_slice(key);
        text(value, to);
    }
}

/// A JSON string (RFC 8259, section 7). DEL is escaped too: a line may end on a terminal.
fn text(value: &str, to: &mut Vec<u8>) {
    let end = value.floor_char_boundary(LONGEST_TEXT);
    let value = value.get(..end).unwrap_or_default();
    to.push(b'"');
    let is_plain = |b: u8| b >= b' ' && b != b'"' && b != b'\\' && b != 0x7f;
    // Without an early end the compiler looks at many bytes at once.
    if value.bytes().fold(true, |plain, b| plain & is_plain(b)) {
        to.extend_from_slice(value.as_bytes());
    } else {
        for byte in value.bytes() {
            match byte {
                b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
                _ if is_plain(byte) => to.push(byte),
                _ => {
                    let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
                    to.extend_from_slice(b"\\u00");
                    to.extend_from_slice(&[hex(byte >> 4), hex(byte)]);
                }
            }
        }
    }
    to.push(b'"');
}

/// Decimal digits, from the last to the first.
fn number(mut value: u64, to: &mut Vec<u8>) {
    // 20 digits hold 2^64 - 1.
    let mut digits = [0; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    to.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

fn address(peer: IpAddr, to: &mut Vec<u8>) {
    match peer.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            number(a.into(), to);
            for octet in [b, c, d] {
                to.push(b'.');
                number(octet.into(), to);
            }
        }
        IpAddr::V6(address) => write!(to, "{address}").expect("a Vec takes every byte"),
    }
}
