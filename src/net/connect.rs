//! Opens a transport to a server: name look-up, TCP or Unix socket, TLS.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::Transport;
use crate::config::{Server, ServerAddress};

/// Connects. The caller keeps the deadline.
///
/// # Errors
/// The last address's error where a name has several.
pub async fn connect(server: &Server, tls: Option<&Arc<ClientConfig>>) -> io::Result<Transport> {
    let socket = match &server.address {
        ServerAddress::Unix(path) => return Ok(Transport::Unix(UnixStream::connect(path).await?)),
        ServerAddress::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
    };
    socket.set_nodelay(true)?;
    let Some(config) = tls.filter(|_| server.tls) else {
        return Ok(Transport::Tcp(socket));
    };
    let host = server.authority.host().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(config))
        .connect(name, socket)
        .await?;
    Ok(Transport::Tls(Box::new(stream)))
}
