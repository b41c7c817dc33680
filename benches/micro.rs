//! The decision alone, without sockets: canonical target, credentials, token, rule, scope.
//!
//! Each request names another token and another rule, at random over all of them, so that
//! what a large table costs in caches is in the figure. The head itself is warm, as it is
//! when hyper has just parsed it: heads are made in small batches, outside of the clock.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use rand::RngExt;
use sidgate::auth::target::canonical;
use sidgate::auth::{Authentication, Denial, Keys, Permit, authenticate, authorize, public};
use sidgate::catalog::Catalog;
use sidgate::snapshot::TokenTable;
use sidgate::token::{AuthToken, Digest, Sid, State, Texts, Token};

/// As many heads are made at once: few enough to stay in a first-level cache.
const BATCH: u64 = 32;
const SCOPES: usize = 100;

struct Held {
    sid: Sid,
    auth_token: AuthToken,
}

struct Head {
    headers: HeaderMap,
    path: String,
}

fn catalog(rules: usize) -> Arc<Catalog> {
    let mut text =
        String::from("[paths]\npublic = [\"GET /health\"]\n[[category]]\nname = \"All\"\n");
    let scopes = SCOPES.min(rules);
    for scope in 0..scopes {
        writeln!(
            text,
            "[[category.scope]]\nid = \"s{scope}\"\nname = \"S\"\nallow = ["
        )
        .unwrap();
        for rule in (scope..rules).step_by(scopes) {
            writeln!(text, "  \"GET /v1/accounts/{{sid}}/things{rule}/{{id}}\",").unwrap();
        }
        text.push_str("]\n");
    }
    Arc::new(Catalog::parse(Path::new("catalog.toml"), &text, None).unwrap())
}

fn tokens(catalog: &Catalog, count: usize) -> (TokenTable, Vec<Held>) {
    let held: Vec<Held> = (0..count)
        .map(|_| Held {
            sid: Sid::generate("IR").unwrap(),
            auth_token: AuthToken::generate(),
        })
        .collect();
    let scopes = (0..SCOPES)
        .filter_map(|scope| catalog.scope_number(&format!("s{scope}")))
        .collect();
    let table = TokenTable::new(held.iter().map(|held| token(held, &scopes)));
    (table, held)
}

fn token(held: &Held, scopes: &sidgate::token::ScopeSet) -> Arc<Token> {
    Arc::new(Token {
        sid: held.sid,
        digest: Digest::of(held.auth_token.secret()),
        state: State::Enabled,
        version: None,
        scopes: scopes.clone(),
        account: None,
        texts: Box::new(Texts {
            name: "Reporting".into(),
            ..Texts::default()
        }),
    })
}

fn head(sid: &Sid, auth_token: &str, rule: usize) -> Head {
    let value = STANDARD.encode(format!("{sid}:{auth_token}"));
    let value = HeaderValue::from_str(&format!("Basic {value}")).unwrap();
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept"] {
        headers.insert(name, HeaderValue::from_static("bench"));
    }
    headers.insert(AUTHORIZATION, value);
    Head {
        headers,
        path: format!("/v1/accounts/{sid}/things{rule}/42"),
    }
}

fn decide(
    tokens: &TokenTable,
    catalog: &Catalog,
    keys: &Keys,
    head: &Head,
) -> Result<Permit, Denial> {
    let path = canonical(&head.path).unwrap();
    if let Some(permit) = public(catalog, &Method::GET, &path, false) {
        return Ok(permit);
    }
    match authenticate(tokens, keys, &head.headers)? {
        Authentication::Token(token) => authorize(catalog, token, &Method::GET, &path, false),
        Authentication::Slow(_) => panic!("no digest here is slow"),
    }
}

/// Runs `work` on new heads for `iterations` times; the clock stands while they are made.
fn timed(iterations: u64, make: impl Fn() -> Head, mut work: impl FnMut(&Head)) -> Duration {
    let mut elapsed = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let heads: Vec<Head> = (0..left.min(BATCH)).map(|_| make()).collect();
        let begin = Instant::now();
        for head in &heads {
            work(black_box(head));
        }
        elapsed += begin.elapsed();
        left -= left.min(BATCH);
    }
    elapsed
}

fn any<T>(of: &[T]) -> &T {
    &of[rand::rng().random_range(0..of.len())]
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    let keys = Keys::default();
    for rules in [10, 10_000] {
        let catalog = catalog(rules);
        for count in [10, 10_000, 1_000_000] {
            let (table, held) = tokens(&catalog, count);
            let rule = || rand::rng().random_range(0..rules);
            let name = format!("{count} tokens, {rules} rules");
            let decide = |head: &Head| decide(&table, &catalog, &keys, head);

            let good = || {
                let held = any(&held);
                head(&held.sid, held.auth_token.expose(), rule())
            };
            assert!(decide(&good()).is_ok());
            group.bench_function(BenchmarkId::new("admitted", &name), |bencher| {
                bencher.iter_custom(|iterations| {
                    timed(iterations, good, |head| drop(black_box(decide(head))))
                });
            });
            // The two refusals that must not be told apart by their time.
            let strange: Vec<AuthToken> = (0..1024).map(|_| AuthToken::generate()).collect();
            let wrong = || head(&any(&held).sid, any(&strange).expose(), rule());
            let spare: Vec<Sid> = (0..count).map(|_| Sid::generate("IR").unwrap()).collect();
            let unknown = || head(any(&spare), any(&strange).expose(), rule());
            assert!(decide(&unknown()).is_err());
            for (kind, make) in [
                ("wrong", &wrong as &dyn Fn() -> Head),
                ("unknown", &unknown),
            ] {
                group.bench_function(BenchmarkId::new(kind, &name), |bencher| {
                    bencher.iter_custom(|iterations| {
                        timed(iterations, make, |head| drop(black_box(decide(head))))
                    });
                });
            }
        }
    }
}

/// What publishing one change costs: the new table, and letting go of the one before.
fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one change");
    let catalog = catalog(10);
    for count in [10, 10_000, 1_000_000] {
        let (mut table, held) = tokens(&catalog, count);
        group.bench_function(
            BenchmarkId::from_parameter(format!("{count} tokens")),
            |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut elapsed = Duration::ZERO;
                    for _ in 0..iterations {
                        let changed = token(any(&held), &sidgate::token::ScopeSet::default());
                        let begin = Instant::now();
                        table = table.with([(changed.sid, Some(changed))]);
                        elapsed += begin.elapsed();
                    }
                    elapsed
                });
            },
        );
    }
}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = decision, change
}
criterion_main!(micro);
