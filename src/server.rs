//! Sockets and workers: accept, TLS, version detection, and HTTP up to a [`Handler`].
//!
//! One worker is one thread with a current-thread runtime, its own `SO_REUSEPORT`
//! listeners and its own handler. Nothing is shared between workers but what the handler
//! shares. This room does not know what a request means.

mod admission;
mod connection;
mod frames;
mod listener;
mod resumed;
mod shed;
mod stream;
mod worker;

use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};

pub use admission::{Admission, Refused};
pub use listener::{Listeners, bind};
pub use worker::{Stop, Worker, converse, run};

use crate::config::Settings;
use crate::net::{Peer, StreamPace};

/// What a worker does with requests and with news of its connections. One value serves
/// one worker and never leaves its thread.
pub trait Handler: 'static {
    /// The bodies of its responses.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static;

    /// The settings and certificate for a connection that begins now.
    fn settings(&self) -> Arc<Settings>;

    /// The TLS side of the listeners, where they speak TLS.
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>>;

    /// Answers one request. `stream` paces one HTTP/2 stream; HTTP/1.1 has none.
    fn handle(
        self: &Rc<Self>,
        peer: &Rc<Peer>,
        stream: Option<Rc<StreamPace>>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Infallible>> + 'static;

    /// A whole HTTP/1.1 answer, which closes its connection, for a client that there is no
    /// room for.
    fn overloaded(&self) -> Vec<u8>;

    /// Ends when no request is in flight, tunnels included: those outlive the connection
    /// that they came by.
    fn settled(&self) -> impl Future<Output = ()>;

    /// Hears what happens to connections.
    fn observe(&self, event: Event);
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// HTTP begins on a connection.
    Opened {
        /// It is HTTP/2.
        http2: bool,
        /// It is TLS.
        tls: bool,
    },
    /// It has ended.
    Closed {
        /// It was HTTP/2.
        http2: bool,
        /// It was TLS.
        tls: bool,
    },
    /// A connection was closed at accept.
    Refused(Refused),
    /// A TLS handshake ended, well or not.
    Handshake(bool),
    /// A client's certificate was not good, or was wanted and not shown.
    CertificateRefused,
    /// A TLS handshake took too long.
    HandshakeTimeout,
    /// A deadline of an HTTP connection ended it.
    Expired(crate::net::deadline::Expired),
    /// An HTTP/2 PING was not answered in time.
    PingTimeout,
    /// A client ended its own connection by what it sent.
    Fault(Fault),
}

/// What a client sent that ended its connection without an answer of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A head that is larger than may be.
    HeadTooLarge,
    /// What is not HTTP.
    Malformed,
    /// More HTTP/2 frames or resets than may be.
    Flood,
}
