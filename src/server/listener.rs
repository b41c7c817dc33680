//! Listening sockets: one of each address for each worker, or those that systemd passes.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel queues before a worker accepts them.
const BACKLOG: i32 = 4096;

/// The listeners of all workers.
#[derive(Debug)]
pub struct Listeners {
    /// For each worker, one socket of each address.
    pub(crate) workers: Vec<Vec<TcpListener>>,
}

impl Listeners {
    /// The addresses that are listened on.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let first = self.workers.first().map_or(&[][..], Vec::as_slice);
        first.iter().map(TcpListener::local_addr).collect()
    }

    /// Sockets passed by a service manager (`LISTEN_FDS`, sd_listen_fds(3)): every worker
    /// accepts from the same ones.
    ///
    /// # Errors
    /// When a socket cannot be shared.
    pub fn inherited(sockets: Vec<TcpListener>, workers: usize) -> io::Result<Self> {
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let share = |_| sockets.iter().map(TcpListener::try_clone).collect();
        let workers = (0..workers).map(share).collect::<io::Result<_>>()?;
        Ok(Self { workers })
    }
}

/// Opens one `SO_REUSEPORT` socket of each address for each worker.
///
/// # Errors
/// The address and the reason. An address that another process listens on is refused
/// here: `SO_REUSEPORT` alone would share it silently.
pub fn bind(
    addresses: &[SocketAddr],
    workers: usize,
) -> Result<Listeners, (SocketAddr, io::Error)> {
    let mut all: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for &address in addresses {
        probe(address).map_err(|e| (address, e))?;
        // Port 0 is resolved by the first socket; the others share what it got.
        let mut resolved = address;
        for sockets in &mut all {
            let socket = open(resolved, true).map_err(|e| (address, e))?;
            resolved = socket.local_addr().map_err(|e| (address, e))?;
            sockets.push(socket);
        }
    }
    Ok(Listeners { workers: all })
}

/// Fails where somebody listens on the address already.
fn probe(address: SocketAddr) -> io::Result<()> {
    if address.port() != 0 {
        drop(open(address, false)?);
    }
    Ok(())
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    // Without listen(2) two sockets could be bound with SO_REUSEADDR and neither notice.
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_an_address_and_strangers_do_not() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = bind(&[any], 2).expect("a free port");
        let address = listeners.addresses().expect("an address")[0];
        assert_eq!(listeners.workers.len(), 2);
        let (taken, error) = bind(&[address], 1).expect_err("the port is taken");
        assert_eq!(taken, address);
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listeners);
        bind(&[address], 1).expect("the port is free again");
    }
}
