//! The admin's thread: accepts, shakes hands, speaks HTTP/1.1 to a bounded number of
//! connections, each wait with its deadline, and stops within a grace period.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::listener::AdminListener;
use super::throttle::Guesser;
use super::{Context, State, exchange};
use crate::config::Settings;
use crate::net::{DeadlineIo, Pace, Paces, PeerKey, tls};

/// Connections that are served; further ones wait to be accepted.
const CONNECTIONS: usize = 256;
/// The header count that hyper parses without an allocation.
const HYPER_HEADERS: usize = 100;
/// Before the next accept after one failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end, and where the connection arrived.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// For throttling.
    pub(super) guesser: Guesser,
    /// For records; `None` over a Unix socket.
    pub(super) remote: Option<SocketAddr>,
    /// The address that was connected to; `None` for a Unix socket.
    pub(super) own: Option<IpAddr>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Serves the admin API on this runtime, which is none of the gate's, until `shutdown` is
/// done and the requests in flight are answered, or `timeouts.grace` is over.
///
/// # Errors
/// When the runtime cannot take the listener.
pub async fn run(
    listener: AdminListener,
    context: Arc<Context>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (listener, _file) = match listener {
        AdminListener::Tcp(listener) => (Listener::Tcp(TcpListener::from_std(listener)?), None),
        AdminListener::Unix(listener, file) => (
            Listener::Unix(UnixListener::from_std(listener)?),
            Some(file),
        ),
    };
    accept(listener, Arc::new(State::new(context)), shutdown).await;
    Ok(())
}

/// As [`run`], on a thread and runtime of its own.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn serve(
    listener: AdminListener,
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    let body = move || {
        // Made here: a runtime must not be dropped by another, as one would be that waits
        // for a thread which cannot be had.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()?;
        // Nobody listens where the start was given up meanwhile.
        let _ = ready.send(());
        let served = runtime.block_on(run(listener, context, shutdown));
        runtime.shutdown_background();
        served
    };
    let thread = std::thread::Builder::new()
        .name("admin".into())
        .spawn(body)?;
    if started.recv().is_ok() {
        return Ok(thread);
    }
    match thread.join() {
        Ok(Err(error)) => Err(error),
        _ => Err(io::Error::other("it ended at once")),
    }
}

async fn accept(listener: Listener, state: Arc<State>, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, ends)) => {
                let (state, stopped) = (Arc::clone(&state), stopped.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection(stream, ends, state, stopped).await;
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = stop.send(true);
    let grace = state.context.settings.load().timeouts.grace;
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::warn!("admin requests were still in flight when the grace period ended");
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Ends)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                let ends = Ends {
                    guesser: Guesser::Peer(PeerKey::from(remote.ip())),
                    remote: Some(remote),
                    own: stream.local_addr().ok().map(|own| own.ip()),
                };
                Ok((Stream::Tcp(stream), ends))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let ends = Ends {
                    guesser: Guesser::Unix,
                    remote: None,
                    own: None,
                };
                Ok((Stream::Unix(stream), ends))
            }
        }
    }
}

async fn connection(stream: Stream, ends: Ends, state: Arc<State>, stopped: watch::Receiver<bool>) {
    match stream {
        Stream::Tcp(stream) => secure(stream, ends, state, stopped).await,
        Stream::Unix(stream) => secure(stream, ends, state, stopped).await,
    }
}

/// The TLS handshake, where the listener speaks TLS.
async fn secure<S>(socket: S, ends: Ends, state: Arc<State>, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = state.context.settings.load_full();
    let Some(certificate) = &state.context.tls else {
        return speak(socket, ends, state, &settings, stopped).await;
    };
    // HTTP/1.1 alone is spoken here, whatever the configuration offers elsewhere.
    let mut config = rustls::ServerConfig::clone(&certificate());
    config.alpn_protocols = vec![tls::ALPN_HTTP1.to_vec()];
    let handshake = TlsAcceptor::from(Arc::new(config)).accept(socket);
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(settings.timeouts.tls_handshake, handshake) => shaken,
        () = stop(&mut stopped) => return,
    };
    match shaken {
        Ok(Ok(stream)) => speak(stream, ends, state, &settings, stopped).await,
        Ok(Err(error)) => tracing::debug!(%error, "an admin TLS handshake failed"),
        Err(_) => tracing::debug!("an admin TLS handshake took too long"),
    }
}

/// HTTP/1.1 until the connection ends. Its deadlines are those of the gate's clients.
async fn speak<S>(
    socket: S,
    ends: Ends,
    state: Arc<State>,
    settings: &Settings,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = Pace::new(
        Paces {
            first_byte: Some(settings.timeouts.first_byte),
            head: Some(settings.timeouts.head),
            idle: Some(settings.timeouts.keep_alive),
            send_idle: settings.timeouts.send_idle,
        },
        false,
    );
    let pace = Arc::new(pace);
    let socket = TokioIo::new(DeadlineIo::new(socket, Arc::clone(&pace)));
    let service = service_fn(move |request| {
        let (state, ends, pace) = (Arc::clone(&state), ends.clone(), Arc::clone(&pace));
        async move {
            pace.begin_exchange();
            let answer = exchange::answer(state, ends, request).await;
            pace.end_exchange();
            Ok::<_, Infallible>(answer)
        }
    });
    let limits = &settings.limits;
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None) // the socket keeps that deadline
        .max_buf_size(limits.head.max(16 * 1024))
        .max_header_size(limits.head);
    if limits.headers > HYPER_HEADERS {
        builder.max_headers(limits.headers);
    }
    let mut connection = pin!(builder.serve_connection(socket, service));
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection ended");
    }
}

/// Waits for the stop; a sender that is gone has stopped too.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|&stopped| stopped).await.map(|_| ());
}
