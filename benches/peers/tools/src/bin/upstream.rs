//! The API behind every proxy: fast enough not to be what is measured.
//!
//! upstream --listen ADDRESS --threads COUNT
//!
//! A request is answered with 95 bytes of JSON; with `size=N` in its query by N zeros; with
//! `echo` by its own head as it came, so that what a proxy forwards can be looked at. A body
//! with a Content-Length is read to its end before the answer; no other is taken.

use std::collections::HashMap;
use std::io::{self, IoSlice, Write};
use std::net::SocketAddr;
use std::thread;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use peers_tools::arguments::Arguments;
use peers_tools::{Got, read, write};

const LISTENER: Token = Token(usize::MAX);
const BUFFER: usize = 256 << 10;
const HEAD: usize = 64 << 10;
const JSON: &str = r#"{"Ads":[{"Id":"7","Name":"Spring banner","Type":"BANNER","State":"ACTIVE"}],"Page":1,"Total":1}"#;

static ZEROS: [u8; BUFFER] = [0; BUFFER];

struct Client {
    socket: TcpStream,
    /// The part of a head that has come so far.
    head: Vec<u8>,
    /// What is still to come of a request's body.
    body: u64,
    /// The answer: what comes before its zeros, and how many of these.
    before: Vec<u8>,
    zeros: u64,
    /// The answer whose request's body is not all here yet.
    held: Option<Answer>,
    /// The connection ends with the answer.
    closes: bool,
}

enum Answer {
    Json,
    Zeros(u64),
    Echo(Vec<u8>),
    Refused,
}

struct Request {
    length: usize,
    body: u64,
    answer: Answer,
    closes: bool,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let address: SocketAddr = arguments.value("listen");
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // All threads accept from one socket: whoever is awake first has the client.
    for _ in 1..arguments.value("threads") {
        let listener = listener.try_clone()?;
        thread::spawn(move || serve(TcpListener::from_std(listener)));
    }
    serve(TcpListener::from_std(listener))
}

fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients = HashMap::new();
    let mut next = 0;
    let mut buffer = vec![0; BUFFER];
    let json = full(JSON.as_bytes(), "200 OK", "application/json");
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry()
                        .register(&mut socket, Token(next), interest)?;
                    clients.insert(next, Client::new(socket));
                    next += 1;
                }
                continue;
            }
            let Some(client) = clients.get_mut(&event.token().0) else {
                continue;
            };
            if !client.serve(&mut buffer, &json) {
                clients.remove(&event.token().0);
            }
        }
    }
}

fn full(body: &[u8], status: &str, kind: &str) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

impl Client {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            head: Vec::new(),
            body: 0,
            before: Vec::new(),
            zeros: 0,
            held: None,
            closes: false,
        }
    }

    /// Does what can be done after an event; false when the connection has ended.
    fn serve(&mut self, buffer: &mut [u8], json: &[u8]) -> bool {
        if !self.flush() {
            return false;
        }
        while self.is_flushed() {
            let (count, more) = match read(&mut self.socket, buffer) {
                Got::Full(count) => (count, true),
                Got::Last(count) => (count, false),
                Got::Empty => return true,
                Got::End => return false,
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if !self.take(bytes, json) {
                return false;
            }
            if self.is_flushed() && self.closes {
                return false;
            }
            if !more {
                return true;
            }
        }
        true
    }

    fn is_flushed(&self) -> bool {
        self.before.is_empty() && self.zeros == 0
    }

    /// Takes bytes as they came; false when the connection ends here.
    fn take(&mut self, mut bytes: &[u8], json: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.held.is_some() {
                let of_body = self.body.min(bytes.len() as u64);
                self.body -= of_body;
                bytes = bytes.get(of_body as usize..).unwrap_or_default();
            } else if self.head.is_empty() {
                match parse(bytes) {
                    Parsed::Whole(request) => {
                        bytes = bytes.get(request.length..).unwrap_or_default();
                        self.begin(request);
                    }
                    Parsed::Part => {
                        self.head.extend_from_slice(bytes);
                        return self.head.len() <= HEAD;
                    }
                    Parsed::Bad => return false,
                }
            } else {
                let before = self.head.len();
                self.head.extend_from_slice(bytes);
                match parse(&self.head) {
                    Parsed::Whole(request) => {
                        bytes = bytes.get(request.length - before..).unwrap_or_default();
                        self.head.clear();
                        self.begin(request);
                    }
                    Parsed::Part => return self.head.len() <= HEAD,
                    Parsed::Bad => return false,
                }
            }
            if self.body == 0
                && let Some(answer) = self.held.take()
                && !self.answer(answer, json)
            {
                return false;
            }
        }
        true
    }

    fn begin(&mut self, request: Request) {
        self.body = request.body;
        self.closes = request.closes;
        self.held = Some(request.answer);
    }

    fn answer(&mut self, answer: Answer, json: &[u8]) -> bool {
        let made;
        let head = match answer {
            Answer::Json => json,
            Answer::Echo(head) => {
                made = full(&head, "200 OK", "text/plain");
                &made
            }
            Answer::Refused => {
                self.closes = true;
                made = full(
                    b"a Content-Length is needed",
                    "411 Length Required",
                    "text/plain",
                );
                &made
            }
            Answer::Zeros(count) => {
                self.zeros += count;
                made = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {count}\r\n\r\n"
                )
                .into_bytes();
                self.before.extend_from_slice(&made);
                return self.flush();
            }
        };
        if !self.is_flushed() {
            self.before.extend_from_slice(head);
            return true;
        }
        let Some(written) = write(&mut self.socket, head) else {
            return false;
        };
        self.before
            .extend_from_slice(head.get(written..).unwrap_or_default());
        true
    }

    /// Writes what waits, as far as the socket takes it; false when it has failed.
    fn flush(&mut self) -> bool {
        while !self.is_flushed() {
            let zeros = ZEROS.get(..self.zeros.min(BUFFER as u64) as usize);
            let parts = [
                IoSlice::new(&self.before),
                IoSlice::new(zeros.unwrap_or_default()),
            ];
            match self.socket.write_vectored(&parts) {
                Ok(count) => {
                    let of_head = count.min(self.before.len());
                    self.before.drain(..of_head);
                    self.zeros -= (count - of_head) as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

enum Parsed {
    Whole(Request),
    Part,
    Bad,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Part,
        Err(_) => return Parsed::Bad,
    };
    let mut request = Request {
        length,
        body: 0,
        answer: Answer::Json,
        closes: head.version == Some(0),
    };
    if let Some((_, query)) = head.path.unwrap_or_default().split_once('?') {
        if let Some(Ok(size)) = query.strip_prefix("size=").map(str::parse) {
            request.answer = Answer::Zeros(size);
        } else if query == "echo" {
            request.answer = Answer::Echo(bytes.get(..length).unwrap_or_default().to_vec());
        }
    }
    for field in head.headers.iter() {
        let value = std::str::from_utf8(field.value).unwrap_or_default();
        if field.name.eq_ignore_ascii_case("content-length") {
            let Ok(length) = value.trim().parse() else {
                return Parsed::Bad;
            };
            request.body = length;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            request.answer = Answer::Refused;
        } else if field.name.eq_ignore_ascii_case("connection") {
            request.closes |= value.eq_ignore_ascii_case("close");
        }
    }
    Parsed::Whole(request)
}
