//! A problem document (RFC 9457) of the admin API, as a person reads it.

use std::fmt;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::super::text::printable;

/// What the admin API has against a call.
#[derive(Debug, Deserialize)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<String>,
    title: String,
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldFault>,
}

/// What is wrong with one field.
#[derive(Debug, Deserialize)]
struct FieldFault {
    field: String,
    message: String,
}

impl Problem {
    /// Reads one; `None` where it is something else.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.as_bytes();
        if !kind.starts_with(b"application/problem+json") {
            return None;
        }
        let retry_after = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        Some(Self {
            status,
            retry_after: retry_after.map(str::to_owned),
            ..serde_json::from_slice(body).ok()?
        })
    }
}

/// The title, then one line each for the detail and for every field.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, code) = (printable(&self.title), printable(&self.code));
        write!(f, "{title} ({} {code})", self.status.as_u16())?;
        if !self.detail.is_empty() {
            write!(f, "\n  {}", printable(&self.detail))?;
        }
        for FieldFault { field, message } in &self.errors {
            // What is wrong with the whole body is no field's fault.
            let colon = if field.is_empty() { "" } else { ": " };
            write!(f, "\n  {}{colon}{}", printable(field), printable(message))?;
        }
        if let Some(after) = &self.retry_after {
            write!(f, "\n  try again after {} s", printable(after))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(body: &str) -> Option<Problem> {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        Problem::read(StatusCode::UNPROCESSABLE_ENTITY, &headers, body.as_bytes())
    }

    #[test]
    fn every_field_has_its_line_and_nothing_moves_the_cursor() {
        let problem = read(
            r#"{"type": "urn:sidgate:problem:invalid_fields", "title": "Some fields are not valid", "status": 422,
                "code": "invalid_fields", "detail": "2 of them", "request_id": "x", "errors": [
                {"field": "name", "message": "bad\u001b[2J\nname"},
                {"field": "", "message": "whole"}]}"#,
        );
        assert_eq!(
            problem.expect("a problem").to_string(),
            "Some fields are not valid (422 invalid_fields)\n  2 of them\n  \
             name: bad\\u{1b}[2J\\nname\n  whole"
        );
    }

    #[test]
    fn what_is_no_problem_document_is_not_shown() {
        assert!(read("{}").is_none() && read("<html>").is_none());
        let headers = HeaderMap::new();
        assert!(Problem::read(StatusCode::BAD_GATEWAY, &headers, b"{}").is_none());
    }
}
