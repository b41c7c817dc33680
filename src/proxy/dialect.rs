//! Refusals in the words of the API that the gate was modelled on: `errors = "impact"`.
//!
//! Its clients read JSON or XML, as the suffix of the path or `Accept` asks. The bodies hold
//! nothing of the request but what a refusal tells in any dialect, so that most of them are
//! written once for the life of the process.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, HeaderMap, HeaderValue};

use crate::code::Code;
use crate::config::Errors;

/// In which form a request's refusal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A problem document (RFC 9457).
    Problem,
    /// The dialect, as JSON.
    Json,
    /// The dialect, as `application/xml`.
    Xml,
    /// The dialect, as `text/xml`.
    TextXml,
}

impl Form {
    /// The form for a request. A suffix says what the client means to read more plainly than
    /// `Accept` does, which libraries fill in.
    pub(super) fn of<B>(errors: Errors, request: &Request<B>) -> Self {
        let path = request.uri().path();
        match errors {
            Errors::Problem => Self::Problem,
            Errors::Impact if path.ends_with(".json") => Self::Json,
            Errors::Impact if path.ends_with(".xml") => Self::Xml,
            Errors::Impact => Self::preferred(request.headers()),
        }
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Problem => "application/problem+json",
            Self::Json => "application/json",
            Self::Xml => "application/xml",
            Self::TextXml => "text/xml",
        })
    }

    /// What `Accept` prefers (RFC 9110 12.5.1): JSON where nothing makes a difference, and
    /// where none of them is wanted, for a refusal in some form is better than none.
    fn preferred(headers: &HeaderMap) -> Self {
        let mut json = Quality::default();
        let mut xml = Quality::default();
        let mut text_xml = Quality::default();
        for value in headers.get_all(ACCEPT) {
            for range in elements(value.as_bytes()) {
                let Some((kind, weight)) = weighted(range) else {
                    continue;
                };
                json.note(kind, b"application", b"json", weight);
                xml.note(kind, b"application", b"xml", weight);
                text_xml.note(kind, b"text", b"xml", weight);
            }
        }
        if json.weight >= xml.weight.max(text_xml.weight) {
            Self::Json
        } else if xml.weight >= text_xml.weight {
            Self::Xml
        } else {
            Self::TextXml
        }
    }
}

/// The weight of a media type, by the most specific range that matches it.
#[derive(Clone, Copy, Default)]
struct Quality {
    /// How specific that range is, from 1; 0 where there is none.
    precedence: u8,
    /// In thousandths.
    weight: u16,
}

impl Quality {
    fn note(&mut self, range: &[u8], kind: &[u8], subtype: &[u8], weight: u16) {
        let Some(slash) = range.iter().position(|&b| b == b'/') else {
            return;
        };
        let (of_kind, of_subtype) = range.split_at(slash);
        let is = |a: &[u8], b: &[u8]| a.eq_ignore_ascii_case(b);
        let of_subtype = of_subtype.get(1..).unwrap_or_default();
        let precedence = match (is(of_kind, kind), of_subtype) {
            (true, named) if is(named, subtype) => 3,
            (true, b"*") => 2,
            (false, b"*") if of_kind == b"*" => 1,
            _ => return,
        };
        if precedence > self.precedence {
            *self = Self { precedence, weight };
        } else if precedence == self.precedence {
            self.weight = self.weight.max(weight);
        }
    }
}

/// The media range of an element and its weight in thousandths; other parameters play no
/// part. `None` where the weight is none.
fn weighted(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = split(element, b';');
    let range = parts.next()?.trim_ascii();
    let mut weight = 1000;
    for parameter in parts {
        if let Some(value) = parameter.trim_ascii().strip_prefix(b"q=") {
            weight = thousandths(value)?;
        } else if let Some(value) = parameter.trim_ascii().strip_prefix(b"Q=") {
            weight = thousandths(value)?;
        }
    }
    Some((range, weight))
}

/// A `qvalue` (RFC 9110 12.4.2): up to three digits after the point.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0');
    for place in 0..3 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        weight = weight * 10 + u16::from(digit - b'0');
    }
    (weight <= 1000).then_some(weight)
}

/// The elements of a list (RFC 9110 5.6.1).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(value, b',')
}

/// Splits where a byte stands outside of quoted strings (RFC 9110 5.6.4).
fn split(text: &[u8], at: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        if quoted {
            (quoted, escaped) = match (escaped, byte) {
                (true, _) => (true, false),
                (false, b'\\') => (true, true),
                (false, b'"') => (false, false),
                (false, _) => (true, false),
            };
            return false;
        }
        quoted = byte == b'"';
        byte == at
    })
}

/// What a refusal says: the message, and what of the request is at fault.
struct Told<'t> {
    message: &'t str,
    error: Option<(&'static str, &'t str)>,
}

/// The body of a refusal. `form` is one of the dialect.
pub(super) fn document(
    form: Form,
    code: Code,
    detail: Option<&str>,
    required: &[Arc<str>],
) -> Bytes {
    if detail.is_none() && required.is_empty() {
        let at = Code::ALL.iter().position(|&known| known == code);
        if let Some([json, xml]) = at.and_then(|at| FIXED.get(at)) {
            let fixed: &'static str = if form == Form::Json { json } else { xml };
            return Bytes::from_static(fixed.as_bytes());
        }
    }
    Bytes::from(written(form, code, detail, required))
}

/// JSON and XML of each code, in the order of [`Code::ALL`].
static FIXED: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let both = |code: &Code| [Form::Json, Form::Xml].map(|form| written(form, *code, None, &[]));
    Code::ALL.iter().map(both).collect()
});

fn written(form: Form, code: Code, detail: Option<&str>, required: &[Arc<str>]) -> String {
    let mut why = detail.unwrap_or(code.title()).to_owned();
    if !required.is_empty() {
        why.push_str(": ");
        why.push_str(&required.join(" or "));
    }
    let denied = code.status() == http::StatusCode::FORBIDDEN;
    let told = Told {
        message: if denied {
            "Access Denied"
        } else {
            code.title()
        },
        error: field(code).map(|field| (field, &*why)),
    };
    if form == Form::Json {
        json(&told)
    } else {
        xml(&told)
    }
}

fn json(told: &Told<'_>) -> String {
    let text = |value: &str| serde_json::to_string(value).expect("a str is always JSON");
    let errors = told.error.map_or_else(String::new, |(field, message)| {
        format!(r#"{{"Field":{},"Message":{}}}"#, text(field), text(message))
    });
    format!(
        "{{\"Status\":\"ERROR\",\"Message\":{},\"Errors\":[{errors}]}}\n",
        text(told.message)
    )
}

fn xml(told: &Told<'_>) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ImpactRadiusResponse><Status>ERROR</Status><Message>",
    );
    push_escaped(&mut text, told.message);
    text.push_str("</Message><Errors>");
    if let Some((field, message)) = told.error {
        text.push_str("<Error><Field>");
        push_escaped(&mut text, field);
        text.push_str("</Field><Message>");
        push_escaped(&mut text, message);
        text.push_str("</Message></Error>");
    }
    text.push_str("</Errors></ImpactRadiusResponse>\n");
    text
}

/// Character data (XML 1.0 section 2.4). What is no character there (2.2) is replaced, since
/// no escape can name it; a carriage return would be read as a line end (2.11).
fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            '\r' => text.push_str("&#13;"),
            '\t' | '\n' => text.push(character),
            '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => text.push('\u{fffd}'),
            _ => text.push(character),
        }
    }
}

/// What of a request is at fault, where it is the request.
fn field(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::BadRequestTarget | Code::TargetTooLong | Code::NoRoute | Code::SidMismatch => "URL",
        Code::BadHost => "Host",
        Code::BadHeader | Code::HeadTooLarge => "Header",
        Code::MethodNotAllowed => "Method",
        Code::RequestTimeout | Code::BodyTooLarge => "Body",
        Code::ExpectationFailed => "Expect",
        Code::UnknownVersion | Code::VersionConflict => "Version",
        Code::MissingCredentials
        | Code::BadCredentials
        | Code::TokenDisabled
        | Code::ScopeNotGranted => "Authorization",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
