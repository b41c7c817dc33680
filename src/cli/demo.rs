//! `sidgate demo`: the whole of it on loopback, with nothing to prepare.

mod echo;
mod files;
mod surroundings;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::oneshot;

use super::Error as CommandError;
use crate::telemetry::log;
use crate::token::{AuthToken, Sid};
use crate::{app, config};

use files::{Addresses, Credentials, Folder};
use surroundings::Surroundings;

const PORT: u16 = 8080;
const ADMIN_PORT: u16 = 8081;

/// From start to `/readyz`: far more than a loaded machine needs.
const READY: Duration = Duration::from_secs(10);

/// Run a complete try-out on loopback, with the curl lines to paste
///
/// An echo API as upstream, the gate before it, the admin API, a fresh token and a fresh
/// operator. Everything lies in a temporary folder that goes when the demo ends.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Port of the gate; 0 for a free one [default: 8080, or a free one where it is taken]
    #[arg(long)]
    port: Option<u16>,

    /// Port of the admin API; 0 for a free one [default: 8081, or a free one where it is taken]
    #[arg(long)]
    admin_port: Option<u16>,
}

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No loopback port, thread or signal handler.
    #[error("the demo cannot be set up")]
    Setup(#[source] io::Error),
    /// Its files could not be written.
    #[error("cannot write the demo's files to the temporary folder")]
    Files(#[source] io::Error),
    /// The gate started and does not answer.
    #[error("the gate was not ready within {} s", READY.as_secs())]
    NotReady,
    /// A thread of the demo died.
    #[error("the demo failed")]
    Panicked,
}

impl Demo {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CommandError> {
        app::prepare()?;
        // Signals are listened to first: from here on none can leave the folder behind.
        let Surroundings { upstream, signal } = Surroundings::start().map_err(Error::Setup)?;
        let folder = Folder::create().map_err(Error::Files)?;
        let to = Addresses {
            gate: address(self.port, PORT)?,
            admin: address(self.admin_port, ADMIN_PORT)?,
            upstream,
        };
        let who = Credentials {
            sid: Sid::generate("IR").expect("the prefix is of SID characters"),
            auth_token: AuthToken::generate(),
            operator_secret: AuthToken::generate(),
        };
        let main_file = folder.write(&to, &who).map_err(Error::Files)?;
        let config = config::load(&main_file)?;
        let _guard = log::start(&config.settings.log)?;

        let (stop, stopped) = oneshot::channel::<()>();
        let (ended, end) = mpsc::channel();
        let gate = thread::Builder::new()
            .name("gate".to_owned())
            .spawn(move || {
                let shutdown = async {
                    // A sender that is gone means the same: it is over.
                    tokio::select! { _ = stopped => {}, _ = signal => {} }
                };
                // Nobody is there to hear it only where the demo has failed already.
                let _ = ended.send(app::run(config, shutdown));
            })
            .map_err(Error::Setup)?;

        let result = wait_until_ready(to.admin, &end).and_then(|early| match early {
            Some(result) => result,
            None => {
                introduce(&self, out, &to, &who, &folder).map_err(CommandError::Output)?;
                end.recv().map_err(|_| Error::Panicked)?.map_err(Into::into)
            }
        });
        drop(stop);
        gate.join().map_err(|_| Error::Panicked)?;
        result
    }
}

/// Loopback and a port: the one that was asked for, else the usual one where it is free,
/// else any.
fn address(asked: Option<u16>, usual: u16) -> Result<SocketAddr, Error> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let probe = match asked {
        Some(0) => bind(0),
        Some(port) => return Ok((Ipv4Addr::LOCALHOST, port).into()),
        None => bind(usual).or_else(|_| bind(0)),
    };
    probe
        .and_then(|listener| listener.local_addr())
        .map_err(Error::Setup)
}

type End = Result<(), app::Error>;

/// Asks `/readyz` until it says yes. `Some` where the gate has ended meanwhile.
fn wait_until_ready(
    admin: SocketAddr,
    end: &mpsc::Receiver<End>,
) -> Result<Option<Result<(), CommandError>>, CommandError> {
    let deadline = Instant::now() + READY;
    while !is_ready(admin) {
        match end.recv_timeout(Duration::from_millis(20)) {
            Ok(result) => return Ok(Some(result.map_err(Into::into))),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::Panicked.into()),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Err(Error::NotReady.into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Ok(None)
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(
            stream,
            "GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n"
        )?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// Says what runs, and what to paste.
fn introduce(
    demo: &Demo,
    out: &mut impl Write,
    to: &Addresses,
    who: &Credentials,
    folder: &Folder,
) -> io::Result<()> {
    let Addresses {
        gate,
        admin,
        upstream,
    } = to;
    let sid = who.sid;
    let token = who.auth_token.expose();
    let secret = who.operator_secret.expose();
    let tokens = quoted(&folder.path().join("tokens.toml"));
    let folder = folder.path().display();
    for (what, address, asked, usual) in [
        ("gate", gate, demo.port, PORT),
        ("admin", admin, demo.admin_port, ADMIN_PORT),
    ] {
        if asked.is_none() && address.port() != usual {
            writeln!(
                out,
                "Port {usual} is taken: the {what} is on {}.",
                address.port()
            )?;
        }
    }
    write!(
        out,
        "\
sidgate demo: an echo API behind a gate, until Ctrl-C.

  gate       http://{gate}
  admin      http://{admin}
  upstream   http://{upstream} (answers with what it saw)
  files      {folder} (gone when the demo ends)

A call that the token's scope allows:

  curl -i -u {sid}:{token} http://{gate}/accounts/{sid}/items/7

One that it does not (403, and the scopes that would do):

  curl -i -u {sid}:{token} -d '{{\"name\":\"new\"}}' http://{gate}/accounts/{sid}/items

One without credentials (401):

  curl -i http://{gate}/accounts/{sid}/items

Now let the second one pass, without a restart, and paste it again:

  sed -i 's/\"items:read\"\\]/\"items:read\", \"items:write\"]/' {tokens}

What the operator sees:

  curl -u demo:{secret} http://{admin}/v1/status

Each request is recorded below.

"
    )?;
    out.flush()
}

/// A path as one word of a shell's line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+".contains(&b);
    if text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_it_holds() {
        for (path, word) in [
            ("/tmp/a-b_1.c", "/tmp/a-b_1.c"),
            ("/tmp/a b", "'/tmp/a b'"),
            ("/tmp/it's", r"'/tmp/it'\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
