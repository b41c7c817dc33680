//! HTTP/1.1 messages as the strictest reader takes them (RFC 9112): one spelling of
//! everything, and whatever has another is no message.

/// A whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The request line or the status line.
    pub(super) start: String,
    /// Fields in their order, names in lower case.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, String)>,
}

/// What the beginning of a stream is.
#[derive(Debug)]
pub(super) enum Read {
    /// A message, and how many bytes it takes.
    Whole(Message, usize),
    /// The head of a message whose body is not there yet.
    Head(Message),
    /// Less than a head.
    Less,
    /// Nothing that begins a message.
    Fault(String),
}

impl Message {
    /// The values of a field, whose name is in lower case.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that is there once.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        match self.all(name).as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// Reads the first message of a stream; `bodiless` says from the head that none follows.
pub(super) fn read(bytes: &[u8], bodiless: impl Fn(&Message) -> bool) -> Read {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Read::Less;
    };
    let mut message = match head(&bytes[..end]) {
        Ok(message) => message,
        Err(fault) => return Read::Fault(fault),
    };
    let start = end + 4;
    let rest = &bytes[start..];
    if bodiless(&message) {
        return Read::Whole(message, start);
    }
    let (lengths, codings) = (
        message.all("content-length"),
        message.all("transfer-encoding"),
    );
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Read::Whole(message, start),
        (&[length], []) => match number(length, 10) {
            None => Read::Fault(format!("content-length {length:?}")),
            Some(length) => match rest.get(..length) {
                None => Read::Head(message),
                Some(body) => {
                    message.body = body.to_vec();
                    Read::Whole(message, start + length)
                }
            },
        },
        ([], ["chunked"]) => match chunks(rest, &mut message) {
            Ok(Some(length)) => Read::Whole(message, start + length),
            Ok(None) => Read::Head(message),
            Err(fault) => Read::Fault(fault),
        },
        _ => Read::Fault(format!("framing {lengths:?} {codings:?}")),
    }
}

fn head(bytes: &[u8]) -> Result<Message, String> {
    let mut lines = lines(bytes)?.into_iter();
    let start = lines.next().unwrap_or_default();
    let fields = lines.map(|line| field(&line)).collect::<Result<_, _>>()?;
    Ok(Message {
        start,
        fields,
        ..Message::default()
    })
}

/// The lines of a head, each byte a character, no line end or NUL inside.
fn lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    match lines.iter().find(|line| line.contains(['\r', '\n', '\0'])) {
        Some(line) => Err(format!("line {line:?}")),
        None => Ok(lines),
    }
}

fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| format!("field {line:?}"))?;
    let visible = |c: char| c == '\t' || (c >= ' ' && c != '\u{7f}');
    if !is_token(name) || !value.chars().all(visible) {
        return Err(format!("field {line:?}"));
    }
    Ok((
        name.to_ascii_lowercase(),
        value.trim_matches([' ', '\t']).to_owned(),
    ))
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(token)
}

/// A number without sign, spaces and leading zeros, small enough for a test.
fn number(text: &str, radix: u32) -> Option<usize> {
    let digits = (1..=7).contains(&text.len()) && text.chars().all(|c| c.is_digit(radix));
    let plain = text == "0" || !text.starts_with('0');
    (digits && plain).then(|| usize::from_str_radix(text, radix).ok())?
}

/// How long a chunked body with its trailers is; `None` where it is not all there.
fn chunks(bytes: &[u8], message: &mut Message) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        let size = std::str::from_utf8(line)
            .ok()
            .and_then(|text| number(text, 16));
        let size = size.ok_or_else(|| format!("chunk size {line:?}"))?;
        at += end + 2;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else {
            return Ok(None);
        };
        let Some(data) = chunk.strip_suffix(b"\r\n") else {
            return Err(format!("end of chunk {chunk:?}"));
        };
        message.body.extend_from_slice(data);
        at += size + 2;
    }
    let rest = &bytes[at..];
    if rest.starts_with(b"\r\n") {
        return Ok(Some(at + 2));
    }
    let Some(end) = find(rest, b"\r\n\r\n") else {
        return Ok(None);
    };
    for line in lines(&rest[..end])? {
        message.trailers.push(field(&line)?);
    }
    Ok(Some(at + end + 4))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
