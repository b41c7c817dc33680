//! The one canonical form of a path: what rules are written in, what requests are matched
//! by and what goes upstream.
//!
//! Two readers of one path must never disagree about what it names, so a path whose
//! meaning depends on the reader is refused rather than repaired: dot segments, empty
//! segments, `\` and `;`, escapes that stand for a delimiter. What every reader of RFC 3986
//! takes for the same is brought to one spelling: escapes of unreserved characters are
//! decoded (section 6.2.2.2), hex digits are upper-case (6.2.2.1), and characters that
//! have no place in a path but that HTTP libraries let through are escaped.

use std::borrow::Cow;

/// Why a path has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It is empty, `*`, or otherwise not in origin form.
    #[error("the path does not begin with /")]
    NotRooted,
    /// `.` or `..`, raw or escaped.
    #[error("the path has a . or .. segment")]
    DotSegment,
    /// `//`, wherever it stands. One `/` at the end is a trailing slash.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `\`, raw or escaped: some readers take it for `/`.
    #[error("the path holds a backslash")]
    Backslash,
    /// `;`, raw or escaped: some readers cut a segment there.
    #[error("the path holds a semicolon")]
    Semicolon,
    /// `%2F`, `%25`, `%3F` or `%23`: a reader that decodes once more sees another path.
    #[error("the path holds an encoded / % ? or #")]
    EncodedDelimiter,
    /// `?` or `#`, where a path alone was expected.
    #[error("the path holds a ? or #")]
    Delimiter,
    /// A byte below 0x20 or 0x7F, raw or escaped.
    #[error("the path holds a control character")]
    Control,
    /// A raw space.
    #[error("the path holds a space that is not encoded")]
    Space,
    /// A raw byte of 0x80 or above.
    #[error("the path holds a byte outside ASCII that is not encoded")]
    NotAscii,
    /// `%` without two hex digits.
    #[error("the path holds a % without two hexadecimal digits")]
    MalformedEscape,
}

/// What a byte means where it stands in a path as it is.
#[derive(Clone, Copy)]
enum Raw {
    /// Stays as it is: `pchar` of RFC 3986 section 3.3, less `;` and `%`.
    Plain,
    /// Ends a segment.
    Slash,
    /// Begins an escape.
    Percent,
    /// Not allowed in a path by RFC 3986, yet passed by HTTP libraries: is escaped.
    Encode,
    /// Makes the path unfit.
    Bad(BadPath),
}

static RAW: [Raw; 256] = {
    let mut table = [Raw::Bad(BadPath::NotAscii); 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = match byte {
            b'/' => Raw::Slash,
            b'%' => Raw::Percent,
            b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Raw::Encode,
            b'?' | b'#' => Raw::Bad(BadPath::Delimiter),
            b'\\' => Raw::Bad(BadPath::Backslash),
            b';' => Raw::Bad(BadPath::Semicolon),
            b' ' => Raw::Bad(BadPath::Space),
            0..=0x1f | 0x7f => Raw::Bad(BadPath::Control),
            _ => Raw::Plain,
        };
        byte += 1;
    }
    table
};

fn raw(byte: u8) -> Raw {
    RAW[usize::from(byte)]
}

/// The canonical form of a path; borrowed where it holds no escape and nothing to escape.
///
/// The form is ASCII, begins with `/`, has no `.`, `..` or empty segment but a last one,
/// and is its own canonical form.
///
/// # Errors
/// [`BadPath`] names the first thing that no canonical form holds.
pub fn canonical(path: &str) -> Result<Cow<'_, str>, BadPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(BadPath::NotRooted);
    }
    let mut segment = 1;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        match raw(byte) {
            Raw::Plain => {}
            Raw::Slash => {
                finish_segment(bytes.get(segment..at))?;
                segment = at + 1;
            }
            Raw::Percent | Raw::Encode => return rewrite(bytes).map(Cow::Owned),
            Raw::Bad(fault) => return Err(fault),
        }
    }
    finish_path(bytes.get(segment..))?;
    Ok(Cow::Borrowed(path))
}

/// The same scan for a path that holds something to decode or to escape.
fn rewrite(path: &[u8]) -> Result<String, BadPath> {
    // Only an escaped character makes the form longer, and those are rare.
    let mut form = String::with_capacity(path.len() + 8);
    let mut segment = 1;
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match raw(byte) {
            Raw::Plain => form.push(char::from(byte)),
            Raw::Slash => {
                if !form.is_empty() {
                    finish_segment(form.as_bytes().get(segment..))?;
                }
                form.push('/');
                segment = form.len();
            }
            Raw::Encode => push_escape(&mut form, byte),
            Raw::Percent => {
                let (high, low) = (hex(bytes.next()), hex(bytes.next()));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(BadPath::MalformedEscape);
                };
                match high << 4 | low {
                    b'/' | b'%' | b'?' | b'#' => return Err(BadPath::EncodedDelimiter),
                    b'\\' => return Err(BadPath::Backslash),
                    b';' => return Err(BadPath::Semicolon),
                    0..=0x1f | 0x7f => return Err(BadPath::Control),
                    byte if is_unreserved(byte) => form.push(char::from(byte)),
                    byte => push_escape(&mut form, byte),
                }
            }
            Raw::Bad(fault) => return Err(fault),
        }
    }
    finish_path(form.as_bytes().get(segment..))?;
    Ok(form)
}

/// Checks a segment that a `/` ended.
fn finish_segment(segment: Option<&[u8]>) -> Result<(), BadPath> {
    match segment {
        None | Some(b"") => Err(BadPath::EmptySegment),
        Some(b"." | b"..") => Err(BadPath::DotSegment),
        Some(_) => Ok(()),
    }
}

/// Checks the segment at the end of the path: empty, it is a trailing slash.
fn finish_path(segment: Option<&[u8]>) -> Result<(), BadPath> {
    match segment {
        Some(b"." | b"..") => Err(BadPath::DotSegment),
        _ => Ok(()),
    }
}

/// RFC 3986 section 2.3.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn hex(digit: Option<u8>) -> Option<u8> {
    match digit? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn push_escape(form: &mut String, byte: u8) {
    let digit = |nibble: u8| {
        char::from(if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' + nibble - 10
        })
    };
    form.push('%');
    form.push(digit(byte >> 4));
    form.push(digit(byte & 0xf));
}

#[cfg(test)]
mod tests;
