//! The phases of a request, and what they look at.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, WWW_AUTHENTICATE};
use matchit::Router;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{ProxyHttp, Session};
use sha2::{Digest, Sha256};

/// Who may call what.
pub struct Gate {
    upstream: SocketAddr,
    users: HashMap<String, [u8; 32]>,
    /// By method; the value is the name of the segment that must be the caller's SID.
    rules: HashMap<String, Router<Option<String>>>,
    log: Option<Mutex<BufWriter<File>>>,
}

impl Gate {
    /// Reads `SID HEX` lines and `METHOD TEMPLATE` lines.
    pub fn load(
        upstream: SocketAddr,
        users: &str,
        rules: &str,
        log: Option<&str>,
    ) -> std::result::Result<Self, Box<dyn Error>> {
        let user = |line: &str| {
            let (sid, digest) = line.split_once(' ')?;
            Some((sid.to_owned(), digest_of_hex(digest)?))
        };
        let mut compiled: HashMap<String, Router<Option<String>>> = HashMap::new();
        for (method, template) in rules.lines().filter_map(|line| line.split_once(' ')) {
            let (path, sid) = numbered(template);
            compiled
                .entry(method.to_owned())
                .or_default()
                .insert(path, sid)?;
        }
        Ok(Self {
            upstream,
            users: users.lines().filter_map(user).collect(),
            rules: compiled,
            log: log
                .map(File::create)
                .transpose()?
                .map(BufWriter::new)
                .map(Mutex::new),
        })
    }

    /// Whose credentials these are.
    fn caller(&self, request: &RequestHeader) -> Option<String> {
        let value = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
        let (sid, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let found: [u8; 32] = Sha256::digest(secret).into();
        (self.users.get(sid)? == &found).then(|| sid.to_owned())
    }

    fn admits(&self, request: &RequestHeader, caller: &str) -> bool {
        let Some(rules) = self.rules.get(request.method.as_str()) else {
            return false;
        };
        rules
            .at(request.uri.path())
            .is_ok_and(|found| match found.value {
                Some(name) => found.params.get(name) == Some(caller),
                None => true,
            })
    }
}

/// Parameters named by their place, so that rules that name the same segment differently can
/// stand side by side; and which of them is the SID.
fn numbered(template: &str) -> (String, Option<String>) {
    let mut sid = None;
    let segments: Vec<_> = template
        .split('/')
        .enumerate()
        .map(|(place, segment)| {
            if segment == "{sid}" {
                sid = Some(format!("p{place}"));
            }
            if segment.starts_with('{') {
                format!("{{p{place}}}")
            } else {
                segment.to_owned()
            }
        })
        .collect();
    (segments.join("/"), sid)
}

fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// An answer of the gate's own that keeps the connection; `respond_error` would close it.
async fn refuse(session: &mut Session, status: u16) -> Result<bool> {
    let body = Bytes::from_static(b"refused\n");
    let mut head = ResponseHeader::build(status, Some(2))?;
    head.insert_header(CONTENT_LENGTH, body.len())?;
    if status == 401 {
        head.insert_header(WWW_AUTHENTICATE, "Basic realm=\"api\"")?;
    }
    session.write_response_header(Box::new(head), false).await?;
    session.write_response_body(Some(body), true).await?;
    Ok(true)
}

#[async_trait]
impl ProxyHttp for Gate {
    type CTX = String;

    fn new_ctx(&self) -> String {
        String::new()
    }

    async fn request_filter(&self, session: &mut Session, caller: &mut String) -> Result<bool> {
        let Some(sid) = self.caller(session.req_header()) else {
            return refuse(session, 401).await;
        };
        if !self.admits(session.req_header(), &sid) {
            return refuse(session, 403).await;
        }
        *caller = sid;
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut String) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        caller: &mut String,
    ) -> Result<()> {
        request.remove_header(&AUTHORIZATION);
        request.insert_header("X-Auth-Sid", caller.as_str())
    }

    async fn logging(
        &self,
        session: &mut Session,
        _: Option<&pingora_core::Error>,
        caller: &mut String,
    ) {
        if let Some(log) = &self.log {
            let status = session
                .response_written()
                .map_or(0, |head| head.status.as_u16());
            let request = session.req_header();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            // A record that cannot be written is lost, as everywhere here.
            let _ = writeln!(
                log,
                "{caller} {} {} {status}",
                request.method,
                request.uri.path()
            );
        }
    }
}
