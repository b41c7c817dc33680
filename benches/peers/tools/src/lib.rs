//! What the programs of the comparison share: reading a socket until it is empty, and
//! writing what waits.

pub mod arguments;
pub mod requests;

use std::io::{self, Read, Write};

use mio::net::TcpStream;

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes; there may be more.
    Full(usize),
    /// So many bytes, and a socket that is empty now.
    Last(usize),
    /// Nothing for now.
    Empty,
    /// The other side has ended, or the connection has failed.
    End,
}

/// Reads once. A read that does not fill the buffer has emptied the socket (epoll(7)), so
/// that the call that would only say `WouldBlock` is spared.
pub fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> Got {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Got::End,
            Ok(count) if count == buffer.len() => return Got::Full(count),
            Ok(count) => return Got::Last(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Got::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Got::End,
        }
    }
}

/// Writes as much as the socket takes: the number of bytes, or `None` where it has failed.
pub fn write(socket: &mut TcpStream, mut bytes: &[u8]) -> Option<usize> {
    let mut written = 0;
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => {
                written += count;
                bytes = bytes.get(count..)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(written)
}
