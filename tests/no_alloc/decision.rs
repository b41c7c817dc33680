//! The decision about a token with a SHA-256 or HMAC digest takes no memory beyond what
//! hyper took for the request: not where it admits, and not where it refuses. Nor does
//! counting the request, once its holder is counted at all.
//!
//! Rust's allocator is counted, on this thread. What aws-lc does in C is not seen; its
//! one-shot SHA-256 and its HMAC contexts live on the stack.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use sidgate::auth::target::canonical;
use sidgate::auth::{Authentication, Denial, Keys, Permit, authenticate, authorize, public};
use sidgate::catalog::Catalog;
use sidgate::limit::{RateLimiter, Taking};
use sidgate::snapshot::{Revision, Snapshot, TokenTable};
use sidgate::token::{AuthToken, Digest, Secret, Sid, State, Texts, Token};

const CATALOG: &str = r#"
[versions]
latest = "16"
[[versions.version]]
id = "16"

[paths]
public = ["GET /health"]

[[category]]
name = "Ads"
limits = ["20/minute", "1000/hour", "1000/day"]
[[category.scope]]
id = "ads:read"
name = "Read ads"
allow = ["GET /Mediapartners/{sid}/Ads", "GET /Mediapartners/{sid}/Ads/{AdId}"]
[[category.scope]]
id = "ads:write"
name = "Write ads"
allow = ["PUT /Mediapartners/{sid}/Ads/{AdId}"]
"#;

struct Gate {
    snapshot: Snapshot,
    keys: Keys,
}

impl Gate {
    /// A request's walk up to its permit, in the order of the table of checks.
    fn decide(&self, headers: &HeaderMap, method: &Method, path: &str) -> Result<Permit, Denial> {
        let Snapshot {
            catalog, tokens, ..
        } = &self.snapshot;
        let path = canonical(path).unwrap();
        if let Some(permit) = public(catalog, method, &path, false) {
            return Ok(permit);
        }
        match authenticate(tokens, &self.keys, headers)? {
            Authentication::Token(token) => authorize(catalog, token, method, &path, false),
            Authentication::Slow(_) => panic!("no digest here is slow"),
        }
    }
}

fn headers(sid: &str, secret: &str) -> HeaderMap {
    let value = format!("Basic {}", STANDARD.encode(format!("{sid}:{secret}")));
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())])
}

/// A thousand tokens, of which `alice` has this digest and `S7` is disabled.
fn gate(keys: Keys, alice: Digest) -> Gate {
    let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG, None).unwrap();
    let read = catalog.scope_number("ads:read").unwrap();
    let token = |sid: &str, digest, state| {
        Arc::new(Token {
            sid: Sid::parse(sid.as_bytes()).unwrap(),
            digest,
            state,
            version: None,
            scopes: [read].into_iter().collect(),
            account: None,
            texts: Box::new(Texts::default()),
        })
    };
    let others = (0..1000).map(|n| {
        let state = if n == 7 {
            State::Disabled
        } else {
            State::Enabled
        };
        let secret = Secret::new(format!("secret {n}").into_bytes());
        token(&format!("S{n}"), Digest::of(&secret), state)
    });
    let alice = token("alice", alice, State::Enabled);
    Gate {
        snapshot: Snapshot {
            revision: Revision(1),
            tokens: TokenTable::new(others.chain([alice])),
            catalog: Arc::new(catalog),
        },
        keys,
    }
}

/// Decides each request once to see the outcome, then counts what deciding it again takes.
fn assert_takes_nothing(gate: &Gate, auth_token: &str) {
    let get = Method::GET;
    let ads = "/Mediapartners/alice/Ads";
    let cases = [
        ("ok", headers("alice", auth_token), &get, ads),
        (
            "ok",
            headers("alice", auth_token),
            &get,
            "/Mediapartners/alice/Ads/17",
        ),
        ("ok", HeaderMap::new(), &get, "/health"),
        ("missing_credentials", HeaderMap::new(), &get, ads),
        ("bad_credentials", headers("alice", "wrong"), &get, ads),
        ("bad_credentials", headers("nobody", auth_token), &get, ads),
        (
            "bad_credentials",
            headers("alice", "sgt_mistyped"),
            &get,
            ads,
        ),
        ("token_disabled", headers("S7", "secret 7"), &get, ads),
        (
            "no_route",
            headers("alice", auth_token),
            &Method::DELETE,
            ads,
        ),
        ("sid_mismatch", headers("S1", "secret 1"), &get, ads),
        (
            "scope_not_granted",
            headers("alice", auth_token),
            &Method::PUT,
            "/Mediapartners/alice/Ads/17",
        ),
    ];
    for (code, headers, method, path) in &cases {
        let outcome = gate.decide(headers, method, path);
        let found = outcome.map_or_else(|denial| denial.code().as_str(), |_| "ok");
        assert_eq!(found, *code, "{method} {path}");
        let taken = allocation_counter::measure(|| {
            black_box(gate.decide(black_box(headers), method, black_box(path))).ok();
        });
        assert_eq!(taken.count_total, 0, "{code} {method} {path}: {taken:?}");
    }
}

#[test]
fn the_counter_counts() {
    let taken = allocation_counter::measure(|| drop(black_box(vec![1_u8, 2, 3])));
    assert_eq!(taken.count_total, 1);
}

#[test]
fn a_sha256_decision_takes_no_memory() {
    let made = AuthToken::generate();
    let gate = gate(Keys::default(), Digest::of(made.secret()));
    assert_takes_nothing(&gate, made.expose());
}

#[test]
fn an_hmac_decision_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("hmac.key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let keys = Keys::load(Some(&key)).unwrap();
    let made = AuthToken::generate();
    let digest = keys.digest(made.secret());
    assert!(matches!(digest, Digest::HmacSha256(_)));
    assert_takes_nothing(&gate(keys, digest), made.expose());
}

#[test]
fn counting_a_holder_that_is_counted_takes_no_memory() {
    let made = AuthToken::generate();
    let gate = gate(Keys::default(), Digest::of(made.secret()));
    let headers = headers("alice", made.expose());
    let now = Instant::now();
    let limiter = RateLimiter::new(now);
    let take = || {
        let permit = gate.decide(&headers, &Method::GET, "/Mediapartners/alice/Ads");
        let permit = permit.unwrap();
        let (group, token) = (permit.rate().unwrap(), permit.token().unwrap());
        limiter.take(group, token, 1, now)
    };
    assert!(matches!(take(), Taking::Taken(_)));
    let mut refused = false;
    for _ in 0..30 {
        let taken = allocation_counter::measure(|| {
            refused |= matches!(black_box(take()), Taking::Exceeded(_));
        });
        assert_eq!(taken.count_total, 0, "{taken:?}");
    }
    assert!(refused, "what is refused is counted too");
}

/// What `docs/gate.md` says of a counter: at most 280 bytes, as its map is half empty at the
/// worst. A million of them are eight times as many as here, and as full.
#[test]
fn a_counter_takes_no_more_than_is_said() {
    const COUNTERS: u32 = 125_000;
    let made = AuthToken::generate();
    let gate = gate(Keys::default(), Digest::of(made.secret()));
    let headers = headers("alice", made.expose());
    let permit = gate.decide(&headers, &Method::GET, "/Mediapartners/alice/Ads");
    let permit = permit.unwrap();
    let mut token = Token::clone(permit.token().unwrap());
    let now = Instant::now();
    let mut limiter = None;
    let taken = allocation_counter::measure(|| {
        let limiter = limiter.insert(RateLimiter::new(now));
        for number in 0..COUNTERS {
            token.sid = Sid::parse(format!("IR{number:032}").as_bytes()).unwrap();
            let taking = limiter.take(permit.rate().unwrap(), &token, 1_000_000, now);
            assert!(matches!(taking, Taking::Taken(_)));
        }
    });
    let each = taken.bytes_current / i64::from(COUNTERS);
    assert!((120..=280).contains(&each), "{each} bytes each: {taken:?}");
    assert_eq!(limiter.map(|limiter| limiter.len()), Some(125_000));
}
