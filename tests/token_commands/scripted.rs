//! An admin API that gives the answers that it was told to, one to each connection, and
//! keeps what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::PATIENCE;

/// An answer, or none.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status line's end, further header lines, body.
    Json(&'static str, String),
    /// A problem document.
    Problem(&'static str, String),
    /// Something that is not the admin API.
    Html(&'static str),
    /// The connection ends instead.
    Break,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) struct Scripted {
    pub(crate) url: String,
    asked: Receiver<Asked>,
}

impl Scripted {
    pub(crate) fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (send, asked) = channel();
        thread::spawn(move || {
            for reply in script {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut stream = BufReader::new(stream);
                if send.send(read(&mut stream)).is_err() {
                    return;
                }
                // The client may be gone where the reply is none that it would read.
                let _ = stream.get_mut().write_all(reply.text().as_bytes());
            }
        });
        Self { url, asked }
    }

    /// The next thing that was asked, by a command that has ended.
    #[track_caller]
    pub(crate) fn asked(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).expect("it asks")
    }

    /// Nothing more was asked.
    #[track_caller]
    pub(crate) fn is_done(&self) {
        assert_eq!(self.asked.try_recv().ok(), None);
    }
}

impl Reply {
    fn text(&self) -> String {
        let (status, kind, body) = match self {
            Self::Json(status, body) => (status, "application/json", &**body),
            Self::Problem(status, body) => (status, "application/problem+json", &**body),
            Self::Html(status) => (status, "text/html", "<p>\u{1b}[2Jno</p>"),
            Self::Break => return String::new(),
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nETag: \"tag\"\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }
}

impl Asked {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} stands twice");
        value
    }
}

fn read(stream: &mut impl BufRead) -> Asked {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let headers: Vec<(String, String)> = std::iter::from_fn(|| {
        let line = line();
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    })
    .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Asked {
        line: first.trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}
