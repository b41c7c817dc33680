//! Sockets: TLS, Unix, deadlines, bounds, the stop.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, ServerName};

use crate::support::{Builder, PATIENCE, VIEWER, exchange, read, start};

const HOST: &[&str] = &["Host: localhost"];

#[test]
fn a_unix_socket_serves_its_owner() {
    let admin = Builder {
        unix: true,
        ..Builder::default()
    }
    .start();
    let socket = admin.socket().to_owned();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(admin.get(VIEWER, "/v1/status").status, 200);
    admin
        .send("GET /healthz", &["Host: evil.example"], b"")
        .is_problem(421, "foreign_host");
    drop(admin);
    assert!(!socket.exists());
}

#[test]
fn tls_is_spoken_where_it_is_given() {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = identity.cert.der().clone();
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
    let mut server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Arc::new(server);
    let admin = Builder {
        tls: Some(Arc::new(move || Arc::clone(&server))),
        ..Builder::default()
    }
    .start();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let socket = TcpStream::connect(admin.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    assert_eq!(exchange(&mut stream, "GET /healthz", HOST, b"").status, 200);
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));

    let mut plain = TcpStream::connect(admin.address()).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"));
}

#[test]
fn silent_and_slow_clients_are_let_go() {
    let admin = Builder {
        main: "[timeouts]\nfirst_byte = \"200ms\"\nhead = \"200ms\"\nkeep_alive = \"200ms\"\n"
            .into(),
        ..Builder::default()
    }
    .start();
    for begun in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = admin.connect();
        let start = Instant::now();
        stream.write_all(begun.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(start.elapsed() < PATIENCE / 2, "{begun:?}");
        assert!(start.elapsed() >= Duration::from_millis(150), "{begun:?}");
    }
}

#[test]
fn connections_are_kept_for_further_requests() {
    let admin = start();
    let mut stream = admin.connect();
    for _ in 0..3 {
        assert_eq!(exchange(&mut stream, "GET /healthz", HOST, b"").status, 200);
    }
}

#[test]
fn a_large_head_is_refused() {
    let admin = start();
    let long = format!("X-Long: {}", "x".repeat(64 * 1024));
    let mut stream = admin.connect();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{long}\r\n\r\n");
    // The answer may come, and the connection end, before all is sent.
    let _ = stream.write_all(head.as_bytes());
    assert_eq!(read(&mut stream, false).status, 431);
}

#[test]
fn a_stop_answers_what_has_begun() {
    let admin = start();
    let mut idle = admin.connect();
    assert_eq!(exchange(&mut idle, "GET /healthz", HOST, b"").status, 200);
    let began = Instant::now();
    drop(admin);
    assert!(
        began.elapsed() < PATIENCE,
        "an idle connection holds nothing up"
    );
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
}
