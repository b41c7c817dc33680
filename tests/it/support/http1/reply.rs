//! One answer of HTTP/1.1, parsed strictly.

use std::fmt;

use serde_json::Value;

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The head as it came.
    pub(crate) raw: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// The statuses of interim answers before it.
    pub(crate) interim: Vec<u16>,
}

/// How the end of a body is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
    Close,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection was ended.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing came in time.
    Timeout,
    /// What came is not HTTP/1.1.
    Malformed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was ended"),
            Self::Reset => f.write_str("the connection was reset"),
            Self::Timeout => f.write_str("nothing came in time"),
            Self::Malformed(what) => write!(f, "not HTTP/1.1: {what}"),
        }
    }
}

impl Reply {
    pub(super) fn parse(head: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8(head.to_vec())
            .map_err(|_| Failure::Malformed("a head that is not UTF-8".into()))?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| first.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| Failure::Malformed(format!("status line {first:?}")))?;
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            headers.push(field(line.as_bytes())?);
        }
        Ok(Self {
            status,
            headers,
            raw: text,
            ..Self::default()
        })
    }

    /// RFC 9112 section 6.3.
    pub(super) fn framing(&self, method: &str) -> Result<Framing, Failure> {
        let lengths = self.all("content-length");
        let codings = self.all("transfer-encoding");
        if lengths.len() + codings.len() > 1 {
            return Err(Failure::Malformed(format!(
                "two framings: {lengths:?} and {codings:?}"
            )));
        }
        if method == "HEAD" || matches!(self.status, 101 | 204 | 304) {
            return Ok(Framing::None);
        }
        if let Some(coding) = codings.first() {
            return match coding.to_ascii_lowercase().as_str() {
                "chunked" => Ok(Framing::Chunked),
                _ => Err(Failure::Malformed(format!("transfer coding {coding:?}"))),
            };
        }
        match lengths.first() {
            Some(length) => length
                .parse()
                .map(Framing::Length)
                .map_err(|_| Failure::Malformed(format!("content length {length:?}"))),
            None => Ok(Framing::Close),
        }
    }

    /// The one header of this name; panics where there are two.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there more than once: {all:?}");
        all.first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The `code` of a problem document; empty where the answer is none.
    pub(crate) fn code(&self) -> String {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|document| document.get("code")?.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Asserts a refusal of the gate: status, code and the whole shape of contract section 3.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let document = self.json();
        for key in ["type", "title"] {
            assert!(
                document[key].as_str().is_some_and(|text| !text.is_empty()),
                "{key} in {document}"
            );
        }
        assert_eq!(document["status"], status, "{document}");
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(
            document["request_id"].as_str(),
            self.header("x-request-id"),
            "{document}"
        );
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
    }
}

/// One header or trailer line.
pub(super) fn field(line: &[u8]) -> Result<(String, String), Failure> {
    let text = String::from_utf8_lossy(line);
    text.trim_end_matches("\r\n")
        .split_once(':')
        .filter(|(name, _)| !name.is_empty() && !name.contains(' '))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .ok_or_else(|| Failure::Malformed(format!("header line {text:?}")))
}
