//! A path -> [`sidgate::auth::target::canonical`].
//!
//! The reference takes the path apart segment by segment and byte by byte, and knows nothing
//! of the scanner's tables.

use http::uri::PathAndQuery;
use sidgate::auth::target::canonical;

/// The input is a path.
///
/// # Panics
/// Where the canonical form is not the reference's, or is not what it promises to be.
pub fn check(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else {
        return;
    };
    let form = canonical(path);
    let expected = reference(path);
    match (&form, &expected) {
        (Ok(form), Some(expected)) => assert_eq!(form, expected),
        (Err(_), None) => return,
        (form, expected) => panic!("{form:?} where {expected:?} was expected"),
    }
    let Ok(form) = form else { return };

    assert_eq!(
        canonical(&form),
        Ok(form.clone()),
        "not its own canonical form"
    );
    assert_eq!(decode(&form), decode(path), "{form:?} names something else");
    assert!(form.starts_with('/') && form.bytes().all(|b| (0x21..0x7f).contains(&b)));
    assert!(!form.contains([
        '\\', ';', '?', '#', '"', '<', '>', '[', ']', '^', '`', '{', '|', '}'
    ]));
    let segments: Vec<&str> = form.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        assert!(!matches!(*segment, "." | ".."), "{form:?}");
        assert!(!segment.is_empty() || at + 1 == segments.len(), "{form:?}");
    }
    for refused in [
        "%2F", "%5C", "%3B", "%25", "%3F", "%23", "%2E", "%7F", "%0", "%1",
    ] {
        assert!(!form.contains(refused), "{form:?}");
    }
    // It goes upstream as a request target, with a query or without.
    for target in [form.to_string(), format!("{form}?q=%2f..;/")] {
        let sent: PathAndQuery = target.parse().expect("a request target");
        assert_eq!(sent.path(), form);
        assert_eq!(sent.as_str(), target);
    }
}

/// The canonical form by the words of the documentation; `None` where there is none.
#[must_use]
pub fn reference(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let segments: Vec<&str> = rest.split('/').collect();
    let mut form = String::new();
    for (at, segment) in segments.iter().enumerate() {
        if segment.is_empty() && at + 1 < segments.len() {
            return None;
        }
        let segment = reference_segment(segment)?;
        if segment == "." || segment == ".." {
            return None;
        }
        form.push('/');
        form.push_str(&segment);
    }
    Some(form)
}

fn reference_segment(segment: &str) -> Option<String> {
    let mut form = String::new();
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = *first == b'%';
        let byte = if escaped {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            rest = &after[2..];
            u8::from_str_radix(digits, 16).ok()?
        } else {
            rest = after;
            *first
        };
        let never = byte < 0x20 || byte == 0x7f || b"/%?#\\;".contains(&byte);
        let only_escaped = byte == b' ' || byte >= 0x80;
        if never || (only_escaped && !escaped) {
            return None;
        }
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let plain = !escaped && b"!$&'()*+,=:@".contains(&byte);
        if unreserved || plain {
            form.push(char::from(byte));
        } else {
            form.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(form)
}

/// What the escapes of a text stand for.
fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let escape = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten();
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => decoded.push(*first),
        }
    }
    decoded
}
