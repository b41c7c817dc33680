//! Free ports that stay free until they are used, over all test processes of the machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// A TCP port of 127.0.0.1 that this process holds.
///
/// The gate is told its ports in a file, so the port is chosen before it is bound. What
/// keeps two tests from choosing the same one is a UDP socket bound to the same number
/// for as long as this lives. The range lies below the one from which Linux takes the
/// ports of outgoing connections.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    pub(crate) fn claim() -> Self {
        for _ in 0..1000 {
            let number = rand::random_range(10_000..32_000);
            let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)) else {
                continue;
            };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self {
                    number,
                    _claim: claim,
                };
            }
        }
        panic!("no free port in a thousand tries");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
