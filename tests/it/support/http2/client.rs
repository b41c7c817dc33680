//! A client of HTTP/2, by prior knowledge or over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::support::fixture::Who;

/// Request bodies of the suites.
pub(crate) type Body = BoxBody<Bytes, std::convert::Infallible>;

/// One HTTP/2 connection to the gate.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Body>,
    scheme: &'static str,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Http2 {
    /// By prior knowledge.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("the gate accepts");
        Self::over(socket, "http").await
    }

    /// Over TLS, agreed on by ALPN.
    pub(crate) async fn connect_tls(
        address: SocketAddr,
        config: Arc<rustls::ClientConfig>,
    ) -> Self {
        let socket = TcpStream::connect(address).await.expect("the gate accepts");
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(ServerName::try_from("localhost").unwrap(), socket)
            .await
            .expect("the gate's certificate is trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self::over(stream, "https").await
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: &'static str,
    ) -> Self {
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("the gate speaks HTTP/2");
        tokio::spawn(connection);
        Self { sender, scheme }
    }

    /// A request by this token; its body is put in with [`Request::map`] or by [`full`].
    pub(crate) fn request(&self, method: &str, path: &str, who: &Who) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(format!("{}://localhost{path}", self.scheme))
            .header("authorization", who.basic())
            .body(empty())
            .unwrap()
    }

    /// Sends it; the answer's body is still to come.
    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: Request<Body>) -> hyper::Result<Answer> {
        let response = self.send(request).await?;
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: collected.to_bytes(),
            trailers,
        })
    }

    /// GET by this token, answered.
    pub(crate) async fn read_as(&mut self, who: &Who, path: &str) -> Answer {
        let request = self.request("GET", path, who);
        self.exchange(request).await.expect("an answer")
    }
}

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().boxed()
}

/// A body of these bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}
