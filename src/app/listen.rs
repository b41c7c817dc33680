//! The gate's listeners: those that a service manager passes, else our own.

use std::net::{SocketAddr, TcpListener};

use super::Error;
use crate::config::Config;
use crate::server::{self, Listeners};

/// Takes over the sockets of `LISTEN_FDS` (sd_listen_fds(3)); where there are none, opens
/// those of the configuration.
///
/// # Errors
/// An address that cannot be listened on, a socket that is no TCP listener, and one that
/// other machines would reach in plaintext: the configuration was checked for that, but
/// it is not what names these.
pub(super) fn listen(config: &Config) -> Result<Listeners, Error> {
    let workers = config.fixed.workers.get();
    let mut passed = listenfd::ListenFd::from_env();
    let mut sockets: Vec<TcpListener> = Vec::with_capacity(passed.len());
    for at in 0..passed.len() {
        let socket = passed.take_tcp_listener(at);
        let socket = socket.map_err(|e| Error::Start("a passed socket", e))?;
        sockets.extend(socket);
    }
    if sockets.is_empty() {
        return server::bind(&config.fixed.listen, workers)
            .map_err(|(address, e)| Error::Listen(address.to_string(), e));
    }
    for socket in &sockets {
        let address = socket.local_addr();
        let address = address.map_err(|e| Error::Start("a passed socket", e))?;
        if !config.fixed.tls && !config.settings.allow_plaintext && !is_loopback(address) {
            return Err(Error::Plaintext(address));
        }
    }
    tracing::info!(
        sockets = sockets.len(),
        "listening on the service manager's sockets"
    );
    Listeners::inherited(sockets, workers).map_err(|e| Error::Start("a passed socket", e))
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
