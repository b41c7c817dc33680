//! A client that says exactly what it is told to.

use std::io::{Read, Write};

use serde_json::Value;

/// A stream of either kind.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One request and its answer. A body brings its length.
pub(crate) fn exchange(
    stream: &mut impl Stream,
    start: &str,
    headers: &[&str],
    body: &[u8],
) -> Reply {
    let mut head = format!("{start} HTTP/1.1\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut message = head.into_bytes();
    message.extend(body);
    stream.write_all(&message).unwrap();
    read(stream, start.starts_with("HEAD "))
}

/// Reads one answer.
pub(crate) fn read(stream: &mut impl Read, headless: bool) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; if headless { 0 } else { length }];
    stream.read_exact(&mut body).expect("a whole body");
    Reply {
        status: status.parse().unwrap(),
        headers,
        body,
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Checks that this is a whole problem document with this status and code.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        let value = self.value();
        assert_eq!(
            (self.status, value["code"].as_str()),
            (status, Some(code)),
            "{value}"
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(value["status"], status);
        assert_eq!(value["request_id"].as_str(), self.header("x-request-id"));
        for field in ["type", "title", "detail"] {
            assert!(
                value[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}"
            );
        }
        value
    }

    /// The fields that the errors of a problem name.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<String> {
        let value = self.value();
        let errors = value["errors"].as_array().expect("errors").iter();
        errors
            .map(|error| {
                assert!(
                    error["message"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty())
                );
                error["field"].as_str().expect("a field").to_owned()
            })
            .collect()
    }
}
