//! A client of the admin API: one connection for each call, each with its deadlines.

mod operator;
mod problem;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::time::timeout;

pub(super) use operator::AdminOptions;
use problem::Problem;

use super::secret;
use crate::catalog::path::is_unreserved;
use crate::config::Server;
use crate::fault::Fault;
use crate::net::Transport;
use crate::net::connect::connect;

/// Name look-up, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// From the first byte sent to the last one received. A change waits for the disk, and a
/// slow digest of the operator's secret for its turn.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Bytes of an answer: far more than the largest page has.
const ANSWER: usize = 64 * 1024 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Why a call was not done, or is not known to have been.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No operator is named.
    #[error("no operator: set SIDGATE_OPERATOR or give --operator")]
    NoOperator,
    /// HTTP Basic cannot carry the name (RFC 7617, section 2).
    #[error("an operator's name has no colon and no control character")]
    OperatorName,
    /// There is nowhere to take the secret from.
    #[error(
        "no secret: set SIDGATE_OPERATOR_SECRET, give --operator-secret-file, or be at a terminal"
    )]
    NoSecret,
    /// The secret cannot be taken.
    #[error("the operator's secret cannot be taken")]
    Secret(#[from] secret::Error),
    /// The file with the secret cannot be opened.
    #[error("cannot open {0}")]
    SecretFile(String, #[source] std::io::Error),
    /// Who listens on the way would read the secret.
    #[error("{0} is plaintext to another machine, and the secret would go with it: use https://")]
    Plaintext(Arc<str>),
    /// The CA file does not fit.
    #[error("{0}")]
    Tls(Box<Fault>),
    /// The runtime did not start.
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    /// Nothing was sent.
    #[error("cannot connect to {0}")]
    Connect(Arc<str>, #[source] std::io::Error),
    /// Nothing was sent.
    #[error("cannot connect to {0}: no connection within {seconds} s", seconds = CONNECT.as_secs())]
    ConnectTimeout(Arc<str>),
    /// Something was sent, and no whole answer came.
    #[error("the connection to {0} broke before its answer{1}")]
    Broken(
        Arc<str>,
        Doubt,
        #[source] Box<dyn std::error::Error + Send + Sync>,
    ),
    /// Something was sent, and no whole answer came in time.
    #[error("{0} did not answer within {seconds} s{1}", seconds = EXCHANGE.as_secs())]
    Timeout(Arc<str>, Doubt),
    /// The admin API says no.
    #[error(transparent)]
    Problem(#[from] Box<Problem>),
    /// Something else than the admin API of a sidgate answers there.
    #[error("what answers is not the admin API: {0}")]
    Foreign(String),
}

/// Whether a call that was sent and not answered may have been done all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt(bool);

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let may = "; the change may have been made all the same: look before you repeat it";
        f.write_str(if self.0 { may } else { "" })
    }
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    target: String,
    content_type: &'static str,
    body: Bytes,
    if_match: Option<HeaderValue>,
    key: Option<HeaderValue>,
}

/// What came back of a call that was done.
pub(super) struct Answer {
    /// The entity tag, where there is one.
    pub(super) etag: Option<HeaderValue>,
    /// The body as it came. It may hold a secret.
    pub(super) body: Bytes,
}

/// Knows where the admin API is, and who asks.
pub(super) struct Client {
    /// Always there; taken when dropped.
    runtime: Option<Runtime>,
    server: Server,
    tls: Option<Arc<ClientConfig>>,
    authorization: HeaderValue,
}

impl Call {
    /// A call without a body.
    pub(super) fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            content_type: "application/json",
            body: Bytes::new(),
            if_match: None,
            key: None,
        }
    }

    /// With a JSON body.
    pub(super) fn with_json(self, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    /// With a merge patch (RFC 7396).
    pub(super) fn with_merge_patch(self, body: impl Into<Bytes>) -> Self {
        Self {
            content_type: "application/merge-patch+json",
            ..self.with_json(body)
        }
    }

    /// Only to what has this entity tag.
    pub(super) fn if_match(self, etag: Option<HeaderValue>) -> Self {
        Self {
            if_match: etag,
            ..self
        }
    }

    /// Done once, however often it is sent.
    pub(super) fn once(self) -> Self {
        let key = format!("{:032x}", rand::random::<u128>());
        Self {
            key: Some(HeaderValue::try_from(key).expect("hex digits are a header value")),
            ..self
        }
    }

    fn request(&self, client: &Client) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&self.target)
            .header(HOST, client.server.authority.as_str())
            .header(AUTHORIZATION, &client.authorization)
            .header(ACCEPT, "application/json, application/problem+json");
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, self.content_type);
        }
        if let Some(etag) = &self.if_match {
            request = request.header(IF_MATCH, etag);
        }
        if let Some(key) = &self.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        request.body(Full::new(self.body.clone()))
    }

    fn doubt(&self) -> Doubt {
        Doubt(self.method != Method::GET && self.target != super::explain::TARGET)
    }
}

impl Answer {
    /// The body as what it should be.
    ///
    /// # Errors
    /// [`Error::Foreign`]; it does not repeat the body.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // The library's message may quote a value, and a value may be a secret.
        serde_json::from_slice(&self.body)
            .map_err(|_| Error::Foreign("its answer has not the shape that it should have".into()))
    }
}

impl Client {
    /// Makes a call. One that is done [`once`](Call::once) is sent again, once, where the
    /// connection broke.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn call(&self, call: &Call) -> Result<Answer, Error> {
        let first = self.block_on(self.exchange(call));
        if call.key.is_none() || !matches!(first, Err(Error::Broken(..))) {
            return first;
        }
        match self.block_on(self.exchange(call)) {
            // That nothing was sent holds for the second time alone.
            Err(Error::Connect(..) | Error::ConnectTimeout(_)) => first,
            second => second,
        }
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref();
        runtime.expect("only dropping takes it").block_on(work)
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, Error> {
        let url = || Arc::clone(&self.server.url);
        let transport = timeout(CONNECT, connect(&self.server, self.tls.as_ref()))
            .await
            .map_err(|_| Error::ConnectTimeout(url()))?
            .map_err(|error| Error::Connect(url(), error))?;
        timeout(EXCHANGE, self.talk(transport, call))
            .await
            .map_err(|_| Error::Timeout(url(), call.doubt()))?
    }

    async fn talk(&self, transport: Transport, call: &Call) -> Result<Answer, Error> {
        let broken = |error| Error::Broken(Arc::clone(&self.server.url), call.doubt(), error);
        let request = call.request(self).map_err(|e| broken(e.into()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(transport))
            .await
            .map_err(|e| broken(e.into()))?;
        // It ends with the sender, and what it would say of an error the sender says too.
        tokio::spawn(async { drop(connection.await) });
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(|e| broken(e.into()))?.into_parts();
        let body = match Limited::new(body, ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(Error::Foreign(format!("it sends more than {ANSWER} bytes")));
            }
            Err(error) => return Err(broken(error)),
        };
        match head.status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(Answer {
                etag: head.headers.get(ETAG).cloned(),
                body,
            }),
            status => Err(match Problem::read(status, &head.headers, &body) {
                Some(problem) => Error::Problem(Box::new(problem)),
                None => Error::Foreign(format!("it says {status}")),
            }),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A name look-up that hangs would hold the end of the process up.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A text as a part of a target: all but unreserved characters is encoded (RFC 3986 2.3).
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;

    let mut target = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) {
            target.push(char::from(byte));
        } else {
            write!(target, "%{byte:02X}").expect("a string takes any text");
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_target_has_unreserved_characters_only() {
        assert_eq!(encoded("aZ09-._~"), "aZ09-._~");
        assert_eq!(encoded("a b&c=d+é%"), "a%20b%26c%3Dd%2B%C3%A9%25");
    }

    #[test]
    fn no_two_calls_have_one_key() {
        let call = || Call::new(Method::POST, "/v1/tokens").once().key;
        assert_ne!(call(), call());
        assert_eq!(call().expect("a key").len(), 32);
    }
}
