//! The floor: a proxy that knows nothing of HTTP. One thread copies bytes between each
//! client's connection and one of its own to the upstream: read, write, read, write.
//!
//! relay --listen ADDRESS --upstream ADDRESS

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use peers_tools::arguments::Arguments;
use peers_tools::{Got, read, write};

const LISTENER: Token = Token(usize::MAX);
const BUFFER: usize = 64 << 10;

/// One socket and what waits to be written to it.
struct Side {
    socket: TcpStream,
    waiting: Vec<u8>,
}

/// A client's connection and the upstream's, under the tokens `2 n` and `2 n + 1`.
struct Pair([Side; 2]);

fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let upstream: SocketAddr = arguments.value("upstream");
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(arguments.value("listen"))?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    open(&poll, &mut pairs, client, upstream)?;
                }
                continue;
            }
            let (number, side) = (event.token().0 / 2, event.token().0 % 2);
            let Some(slot) = pairs.get_mut(number) else {
                continue;
            };
            if slot
                .as_mut()
                .is_some_and(|pair| !pair.serve(side, &mut buffer))
            {
                *slot = None;
            }
        }
    }
}

fn open(
    poll: &Poll,
    pairs: &mut Vec<Option<Pair>>,
    client: TcpStream,
    upstream: SocketAddr,
) -> io::Result<()> {
    let number = pairs
        .iter()
        .position(Option::is_none)
        .unwrap_or(pairs.len());
    let mut sides = [client, TcpStream::connect(upstream)?];
    for (side, socket) in sides.iter_mut().enumerate() {
        // A client that has gone already is noticed at the first read.
        let _ = socket.set_nodelay(true);
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(socket, Token(2 * number + side), interest)?;
    }
    let pair = Some(Pair(sides.map(|socket| Side {
        socket,
        waiting: Vec::new(),
    })));
    match pairs.get_mut(number) {
        Some(slot) => *slot = pair,
        None => pairs.push(pair),
    }
    Ok(())
}

impl Pair {
    /// Moves what can be moved after an event on one side; false when the pair has ended.
    fn serve(&mut self, side: usize, buffer: &mut [u8]) -> bool {
        let [client, server] = &mut self.0;
        let (here, there) = if side == 0 {
            (client, server)
        } else {
            (server, client)
        };
        let was_blocked = !here.waiting.is_empty();
        here.flush()
            && pump(here, there, buffer)
            // What could not be written has left bytes unread, of which no event will tell.
            && (!was_blocked || pump(there, here, buffer))
    }
}

impl Side {
    fn flush(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        let written = write(&mut self.socket, &self.waiting);
        written.is_some_and(|count| {
            self.waiting.drain(..count);
            true
        })
    }
}

/// Copies until the source is empty or the target takes no more; false at an end.
fn pump(from: &mut Side, to: &mut Side, buffer: &mut [u8]) -> bool {
    while to.waiting.is_empty() {
        let (count, more) = match read(&mut from.socket, buffer) {
            Got::Full(count) => (count, true),
            Got::Last(count) => (count, false),
            Got::Empty => return true,
            Got::End => return false,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        match write(&mut to.socket, bytes) {
            Some(written) => to
                .waiting
                .extend_from_slice(bytes.get(written..).unwrap_or_default()),
            None => return false,
        }
        if !more {
            return true;
        }
    }
    true
}
