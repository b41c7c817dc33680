//! An upstream that speaks HTTP/2 and writes down what it is asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::client::Body;

/// One request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) uri: http::Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// The upstream. Dropped, it ends with all its connections.
pub(crate) struct Http2Upstream {
    scheme: &'static str,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Http2Upstream {
    /// Answers by prior knowledge, or behind TLS.
    pub(crate) fn start(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(tls, 200, answer)
    }

    /// By prior knowledge, with at most so many streams on a connection.
    pub(crate) fn limited(
        streams: u32,
        answer: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(None, streams, answer)
    }

    fn serve(
        tls: Option<Arc<rustls::ServerConfig>>,
        streams: u32,
        answer: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = accept(
            listener,
            tls,
            streams,
            Arc::new(answer),
            Arc::clone(&asked),
            Arc::clone(&connections),
        );
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = server => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            scheme,
            address,
            asked,
            connections,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Http2Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Answer = dyn Fn(&Asked) -> Response<Body> + Send + Sync;

async fn accept(
    listener: std::net::TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    streams: u32,
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        *connections.lock().unwrap() += 1;
        let (tls, answer, asked) = (tls.clone(), Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                exchange(request, Arc::clone(&answer), Arc::clone(&asked))
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(streams);
            match tls {
                None => drop(server.serve_connection(TokioIo::new(socket), service).await),
                Some(config) => {
                    let acceptor = tokio_rustls::TlsAcceptor::from(config);
                    if let Ok(stream) = acceptor.accept(socket).await {
                        drop(server.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
    }
}

async fn exchange(
    request: Request<Incoming>,
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let collected = match body.collect().await {
        Ok(collected) => collected,
        // The gate gave the request up: nothing whole was asked.
        Err(_) => return Ok(Response::new(super::client::empty())),
    };
    let seen = Asked {
        method: head.method.to_string(),
        uri: head.uri,
        headers: head.headers,
        trailers: collected.trailers().cloned(),
        body: collected.to_bytes(),
    };
    let response = answer(&seen);
    asked.lock().unwrap().push(seen);
    Ok(response)
}
