//! The upstream: it takes nothing but sound requests that the rules allow, and numbers them.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::wire::{self, Message, Read};
use super::{PEER, rules};

/// What reached the upstream since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whole requests, in the order in which their last byte came.
    pub(super) requests: Vec<Message>,
    /// How many there were in all.
    pub(super) count: usize,
}

/// Accepts for ever.
pub(super) async fn listen(listener: UnixListener, seen: Rc<RefCell<Seen>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::task::spawn_local(serve(socket, Rc::clone(&seen)));
    }
}

/// Answers one request after the other with its number.
async fn serve(mut socket: UnixStream, seen: Rc<RefCell<Seen>>) {
    let mut bytes = Vec::new();
    let mut judged = false;
    loop {
        match wire::read(&bytes, |_| false) {
            Read::Fault(fault) => panic!("the upstream got what is no request: {fault}"),
            Read::Whole(request, length) => {
                judge(&request);
                judged = false;
                bytes.drain(..length);
                let answer = answer(&request, &seen);
                let upgraded = answer.starts_with("HTTP/1.1 101");
                if socket.write_all(answer.as_bytes()).await.is_err() || upgraded {
                    // What comes now is the tunnel's: no request.
                    let mut tunnelled = [0; 1024];
                    while upgraded && matches!(socket.read(&mut tunnelled).await, Ok(1..)) {}
                    return;
                }
                continue;
            }
            // Also of a request that is cut short its head must have been allowed.
            Read::Head(request) if !judged => {
                judge(&request);
                judged = true;
            }
            Read::Head(_) | Read::Less => {}
        }
        match socket.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}

fn answer(request: &Message, seen: &RefCell<Seen>) -> String {
    let mut seen = seen.borrow_mut();
    seen.requests.push(request.clone());
    seen.count += 1;
    let number = seen.count;
    if request.one("upgrade").is_some() {
        return format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {}\r\n\
             x-number: {number}\r\n\r\n",
            request.one("upgrade").unwrap_or_default()
        );
    }
    let head = request.start.starts_with("HEAD ");
    let (kind, body) = if head { ("head", "") } else { ("body", "ok") };
    format!(
        "HTTP/1.1 200 OK\r\nx-number: {number}\r\nx-kind: {kind}\r\ncontent-length: 2\r\n\r\n{body}"
    )
}

/// Names that are the gate's, as a server that is lenient about spelling reads them.
const OWNED: [&str; 12] = [
    "authorization",
    "x-auth-sid",
    "x-auth-scope",
    "x-api-version",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "x-real-ip",
    "transfer-encoding",
    "content-length",
];

/// Hop-by-hop fields that never pass.
const NEVER: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "proxy-connection",
    "keep-alive",
    "expect",
    "http2-settings",
    "forwarded",
    "x-real-ip",
];

/// # Panics
/// Where the head of a request is not one that an admitted request has.
fn judge(request: &Message) {
    let parts: Vec<&str> = request.start.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts.as_slice() else {
        panic!("request line {:?}", request.start);
    };
    assert!(wire::is_token(method), "{request:?}");
    // A query passes byte for byte; the path is judged with its rule.
    let visible = |b: u8| b > b' ' && b != 0x7f && b != b'#';
    assert!(target.bytes().all(visible), "{request:?}");

    for (name, _) in &request.fields {
        assert!(!NEVER.contains(&name.as_str()), "{name} in {request:?}");
        let plain = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        assert!(
            plain == *name || !OWNED.contains(&plain.as_str()),
            "{name} in {request:?}"
        );
    }
    let sid = at_most_one(request, "x-auth-sid");
    let scope = at_most_one(request, "x-auth-scope");
    rules::assert_allowed(sid, scope, method, target);
    assert!(
        matches!(request.one("x-api-version"), Some("16" | "15")),
        "{request:?}"
    );
    let id = request.one("x-request-id").unwrap_or_default();
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{request:?}"
    );
    assert_eq!(request.one("x-forwarded-for"), Some(PEER), "{request:?}");
    assert_eq!(
        request.one("x-forwarded-proto"),
        Some("http"),
        "{request:?}"
    );
    assert!(request.one("x-forwarded-host").is_some(), "{request:?}");
    assert!(request.one("host").is_some(), "{request:?}");
    assert!(
        matches!(at_most_one(request, "te"), None | Some("trailers")),
        "{request:?}"
    );

    let upgrade = at_most_one(request, "upgrade");
    let connection = at_most_one(request, "connection");
    assert_eq!(connection, upgrade.map(|_| "upgrade"), "{request:?}");
    assert!(
        upgrade.is_none() || target.starts_with("/ws/"),
        "{request:?}"
    );
    let protocol = upgrade.and_then(|name| name.split('/').next());
    let protocol = protocol.map(str::to_ascii_lowercase);
    let http = matches!(protocol.as_deref(), Some("h2" | "h2c" | "http" | "tls"));
    assert!(!http, "{request:?}");
}

/// # Panics
/// Where a field is there twice.
fn at_most_one<'m>(request: &'m Message, name: &str) -> Option<&'m str> {
    let all = request.all(name);
    assert!(all.len() < 2, "{name} in {request:?}");
    all.first().copied()
}
