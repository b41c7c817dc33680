//! How a case of the catalogue is written down: its number, its inputs, and what must come
//! of each.
//!
//! An input is a [`Message`], which HTTP/1.1 and HTTP/2 can both carry; the bytes of an
//! HTTP/1.1 connection, where it is their very form that is the case; or the [`Fields`] of an
//! HTTP/2 request, where only those can say it.

use crate::support::{ALICE, Who};

/// One number of the catalogue.
pub(super) struct Case {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) inputs: Vec<Input>,
}

/// One thing that is sent.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) expect: Expect,
}

pub(super) enum Form {
    Message(Message),
    Bytes(Vec<u8>),
    Fields(Fields),
}

/// The fields of an HTTP/2 request in their order, pseudo-headers too.
#[derive(Clone, Debug)]
pub(super) struct Fields(pub(super) Vec<(String, String)>);

/// What must come of an input.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// One of these statuses and the end of the connection, or the end alone. Nothing goes
    /// upstream, nor does what follows it on the connection. With 400 it is the catalogue's
    /// D400.
    Closed(&'static [u16]),
    /// One of these statuses; nothing goes upstream.
    Status(&'static [u16]),
    /// 200, and the upstream sees exactly this request target, with this body.
    Admitted(String, Vec<u8>),
    /// Refused, or made exactly one sound request that was allowed.
    Harmless,
    /// Never a 200, and whatever reaches the upstream never gets an end: it was admitted, and
    /// turned out to be unsound within its body.
    Broken,
}

/// A case without inputs so far.
pub(super) fn case(number: u8, name: &'static str) -> Case {
    Case {
        number,
        name,
        inputs: Vec::new(),
    }
}

impl Case {
    /// Each of these is a D400.
    pub(super) fn refused<I: Into<Subject>>(self, inputs: impl IntoIterator<Item = I>) -> Self {
        self.all(&Expect::Closed(&[400]), inputs)
    }

    /// Each of these ends the connection, with one of the statuses or without an answer.
    pub(super) fn closed<I: Into<Subject>>(
        self,
        statuses: &'static [u16],
        inputs: impl IntoIterator<Item = I>,
    ) -> Self {
        self.all(&Expect::Closed(statuses), inputs)
    }

    /// Each of these is answered by one of the statuses.
    pub(super) fn answered<I: Into<Subject>>(
        self,
        statuses: &'static [u16],
        inputs: impl IntoIterator<Item = I>,
    ) -> Self {
        self.all(&Expect::Status(statuses), inputs)
    }

    /// Each of these is refused, or is one sound request to the upstream.
    pub(super) fn harmless<I: Into<Subject>>(self, inputs: impl IntoIterator<Item = I>) -> Self {
        self.all(&Expect::Harmless, inputs)
    }

    /// Each of these breaks off within its body.
    pub(super) fn broken<I: Into<Subject>>(self, inputs: impl IntoIterator<Item = I>) -> Self {
        self.all(&Expect::Broken, inputs)
    }

    /// Each of these targets arrives as it is.
    pub(super) fn unchanged(self, targets: impl IntoIterator<Item = &'static str>) -> Self {
        targets
            .into_iter()
            .fold(self, |case, target| case.admitted(target, target))
    }

    /// This arrives under this target.
    pub(super) fn admitted(self, target: &str, input: impl Into<Subject>) -> Self {
        let subject = input.into();
        let body = match &subject.form {
            Form::Message(message) => message.body.clone(),
            Form::Bytes(_) | Form::Fields(_) => Vec::new(),
        };
        self.all(&Expect::Admitted(target.to_owned(), body), [subject])
    }

    /// Each of these is Alice's item, whatever else it says.
    pub(super) fn alices_item<I: Into<Subject>>(self, inputs: impl IntoIterator<Item = I>) -> Self {
        inputs
            .into_iter()
            .fold(self, |case, input| case.admitted(ITEM, input))
    }

    /// This arrives whole, with this body.
    pub(super) fn arrives(self, target: &str, body: &str, input: impl Into<Subject>) -> Self {
        let expect = Expect::Admitted(target.to_owned(), body.into());
        self.all(&expect, [input.into()])
    }

    fn all<I: Into<Subject>>(
        mut self,
        expect: &Expect,
        inputs: impl IntoIterator<Item = I>,
    ) -> Self {
        self.inputs.extend(inputs.into_iter().map(|input| {
            let subject = input.into();
            Input {
                name: subject.name,
                form: subject.form,
                expect: expect.clone(),
            }
        }));
        self
    }
}

/// An item that Alice may read: the legal request next to most cases.
pub(super) const ITEM: &str = "/v1/items/1";

/// An input, before it is said what must come of it.
pub(super) struct Subject {
    name: String,
    form: Form,
}

/// Alice's GET of this target.
impl From<&str> for Subject {
    fn from(target: &str) -> Self {
        get(target).into()
    }
}

impl From<Message> for Subject {
    fn from(message: Message) -> Self {
        let extra: Vec<&str> = message
            .lines
            .iter()
            .map(String::as_str)
            .filter(|line| *line != HOST && !line.starts_with("Authorization: Basic"))
            .map(|line| line.get(..60).unwrap_or(line))
            .collect();
        Self {
            name: format!("{} {} {extra:?}", message.method, message.target),
            form: Form::Message(message),
        }
    }
}

impl From<Fields> for Subject {
    fn from(fields: Fields) -> Self {
        let usual = get(ITEM).fields().unwrap_or_default();
        let odd: Vec<_> = fields
            .0
            .iter()
            .filter(|field| !usual.contains(field))
            .collect();
        Self {
            name: format!("{} fields, {odd:?}", fields.0.len()),
            form: Form::Fields(fields),
        }
    }
}

/// Bytes and what they are called.
impl<N: Into<String>, B: Into<Vec<u8>>> From<(N, B)> for Subject {
    fn from((name, bytes): (N, B)) -> Self {
        Self {
            name: name.into(),
            form: Form::Bytes(bytes.into()),
        }
    }
}

const HOST: &str = "Host: gw";

/// A request that both versions of HTTP can carry.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    /// Header lines, `Name: value`.
    pub(super) lines: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// A request with exactly these header lines.
pub(super) fn bare<L: Into<String>>(
    method: &str,
    target: &str,
    lines: impl IntoIterator<Item = L>,
) -> Message {
    Message {
        method: method.to_owned(),
        target: target.to_owned(),
        lines: lines.into_iter().map(Into::into).collect(),
        body: Vec::new(),
    }
}

/// A request of this token.
pub(super) fn ask(method: &str, target: &str, who: &Who) -> Message {
    let authorization = format!("Authorization: {}", who.basic());
    bare(method, target, [HOST.to_owned(), authorization])
}

/// Alice's GET.
pub(super) fn get(target: &str) -> Message {
    ask("GET", target, &ALICE)
}

impl Message {
    /// With these header lines too.
    pub(super) fn with<L: Into<String>>(mut self, lines: impl IntoIterator<Item = L>) -> Self {
        self.lines.extend(lines.into_iter().map(Into::into));
        self
    }

    /// With a body of known length.
    pub(super) fn body(mut self, body: &str) -> Self {
        self.lines.push(format!("Content-Length: {}", body.len()));
        self.body = body.into();
        self
    }

    /// With these bytes behind its head, whatever the head says of them.
    pub(super) fn then(&self, body: &str) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    /// As HTTP/1.1.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for line in &self.lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// As the header of HTTP/2; `None` where it has none, for its Host or for lines that are
    /// no header lines.
    pub(super) fn fields(&self) -> Option<Vec<(String, String)>> {
        let mut hosts = Vec::new();
        let mut fields = Vec::new();
        for line in &self.lines {
            let (name, value) = line.split_once(':')?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            match name.as_str() {
                "host" => hosts.push(value),
                _ => fields.push((name, value)),
            }
        }
        let [host] = hosts.as_slice() else {
            return None;
        };
        let mut all: Vec<(String, String)> = [
            (":method", self.method.as_str()),
            (":scheme", "http"),
            (":authority", host),
            (":path", &self.target),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        all.extend(fields);
        Some(all)
    }

    /// Whether it has a field that HTTP/2 does not allow (RFC 9113 section 8.2.2).
    pub(super) fn is_connection_specific(&self) -> bool {
        self.lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| {
                let name = name.to_ascii_lowercase();
                matches!(
                    name.as_str(),
                    "connection"
                        | "keep-alive"
                        | "proxy-connection"
                        | "transfer-encoding"
                        | "upgrade"
                ) || name == "te" && value.trim() != "trailers"
            })
    }
}
