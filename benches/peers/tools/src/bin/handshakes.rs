//! New TLS 1.3 connections, one after the other on each of a few threads: the handshake
//! alone, and a clean end. With `--resume yes` each one offers the ticket of the one before;
//! some servers write tickets with their first answer alone, so that each one also sends a
//! request without credentials, which is refused.
//!
//! handshakes --address HOST:PORT --seconds SECONDS --threads COUNT --resume yes|no
//!
//! Prints one line of JSON. A connection counts when the server has ended it: only then has it
//! seen the client's half of the handshake.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use peers_tools::arguments::Arguments;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, version,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static FULL: AtomicU64 = AtomicU64::new(0);
static RESUMED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read();
    let address: SocketAddr = arguments.value("address");
    let threads: usize = arguments.value("threads");
    let resume = arguments.value::<String>("resume") == "yes";
    let end = Instant::now() + Duration::from_secs_f64(arguments.value("seconds"));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            // A store of its own for each thread: a ticket is used once.
            let config = config(resume)?;
            Ok(thread::spawn(move || {
                while Instant::now() < end {
                    let counter = match shake(&config, address, resume) {
                        Ok(HandshakeKind::Resumed) => &RESUMED,
                        Ok(_) => &FULL,
                        Err(error) => {
                            eprintln!("{error}");
                            &FAILED
                        }
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }))
        })
        .collect::<Result<_, rustls::Error>>()?;
    for worker in workers {
        worker.join().map_err(|_| "a thread has panicked")?;
    }
    println!(
        "{{\"full\": {}, \"resumed\": {}, \"failed\": {}}}",
        FULL.load(Ordering::Relaxed),
        RESUMED.load(Ordering::Relaxed),
        FAILED.load(Ordering::Relaxed),
    );
    Ok(())
}

fn config(resume: bool) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.resumption = if resume {
        Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)))
    } else {
        Resumption::disabled()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn shake(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
    resume: bool,
) -> Result<HandshakeKind, Box<dyn Error>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let name = ServerName::try_from("localhost")?;
    let mut tls = ClientConnection::new(Arc::clone(config), name)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    let kind = tls.handshake_kind().ok_or("no handshake")?;
    if resume {
        tls.writer().write_all(REQUEST)?;
        flush(&mut tls, &mut socket)?;
        let mut answer = Vec::new();
        while answer.is_empty() || tls.tls13_tickets_received() == 0 {
            if tls.read_tls(&mut socket)? == 0 {
                return Err("ended without an answer and a ticket".into());
            }
            tls.process_new_packets()?;
            // What has come so far; that there is no more yet is no fault.
            let _ = tls.reader().read_to_end(&mut answer);
        }
    }
    tls.send_close_notify();
    flush(&mut tls, &mut socket)?;
    socket.shutdown(Shutdown::Write)?;
    // Until the server has ended too, so that it has done all of its part.
    let mut rest = [0; 4096];
    while socket.read(&mut rest)? > 0 {}
    Ok(kind)
}

fn flush(tls: &mut ClientConnection, socket: &mut TcpStream) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

/// The certificate is made for the run: whose it is does not matter, that the handshake is
/// signed with its key does.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
