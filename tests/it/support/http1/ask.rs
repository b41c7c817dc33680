//! One request on a connection of its own.

use std::net::{SocketAddr, TcpStream};

use super::{Client, Failure, Reply};
use crate::support::fixture::Who;

/// A request being put together.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    address: SocketAddr,
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Ask {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            target: target.to_owned(),
            host: Some("localhost".to_owned()),
            headers: Vec::new(),
            body: None,
        }
    }

    /// With the credentials of this token.
    pub(crate) fn by(self, who: &Who) -> Self {
        self.header("Authorization", &who.basic())
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body of known length.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if let Some(host) = &self.host {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it and reads the whole answer.
    #[track_caller]
    pub(crate) fn send(&self) -> Reply {
        match self.try_send() {
            Ok(reply) => reply,
            Err(failure) => panic!("{} {}: {failure}", self.method, self.target),
        }
    }

    pub(crate) fn try_send(&self) -> Result<Reply, Failure> {
        let socket = TcpStream::connect(self.address).map_err(|_| Failure::Reset)?;
        let mut client = Client::over(socket);
        // A gate that answers early may close before it has read the whole body: the
        // answer counts.
        let _ = client.try_send(self.bytes());
        client.try_reply(&self.method)
    }
}
