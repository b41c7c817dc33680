//! One request as the upstream saw it.

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Which connection brought it, from 0.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether it came to its end; before that it has no body here.
    pub(crate) is_whole: bool,
}

impl Request {
    /// Parses a head as strictly as RFC 9112 lets a server be.
    pub(super) fn parse(head: &[u8]) -> Result<Self, String> {
        let text: String = head.iter().map(|&byte| char::from(byte)).collect();
        let bare = text.replace("\r\n", "");
        if bare.contains(['\r', '\n', '\0']) {
            return Err(format!("a bare line end or NUL in {text:?}"));
        }
        let mut lines = text.split("\r\n");
        let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1"] = first.as_slice() else {
            return Err(format!("request line {first:?}"));
        };
        if !target.starts_with('/') || target.bytes().any(|b| b <= b' ' || b >= 0x7f) {
            return Err(format!("request target {target:?}"));
        }
        let mut request = Self {
            method: (*method).to_owned(),
            target: (*target).to_owned(),
            ..Self::default()
        };
        for line in lines.take_while(|line| !line.is_empty()) {
            request.headers.push(field(line)?);
        }
        if request.all("host").len() != 1 {
            return Err(format!("not one Host in {text:?}"));
        }
        let framings = request.all("content-length").len() + request.all("transfer-encoding").len();
        if framings > 1 {
            return Err(format!("more than one framing in {text:?}"));
        }
        Ok(request)
    }

    /// The value of this header; panics where it is there more than once.
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

    /// Whether any header has this name, `_` and `.` counting as `-`.
    pub(crate) fn has_alias(&self, name: &str) -> bool {
        let plain = |byte: u8| match byte {
            b'_' | b'.' => b'-',
            byte => byte.to_ascii_lowercase(),
        };
        self.headers.iter().any(|(known, _)| {
            known.bytes().map(plain).eq(name.bytes().map(plain))
                && !known.eq_ignore_ascii_case(name)
        })
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// One header or trailer line.
pub(super) fn field(line: &str) -> Result<(String, String), String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match line.split_once(':') {
        Some((name, value)) if !name.is_empty() && name.bytes().all(token) => {
            Ok((name.to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("header line {line:?}")),
    }
}
