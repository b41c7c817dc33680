//! The decision alone, without sockets: canonical target, credentials, token, rule, scope.
//!
//! Each request names another token and another rule, at random over all of them, so that
//! what a large table costs in caches is in the figure. The head itself is warm, as it is
//! when hyper has just parsed it: heads are made in small batches, outside of the clock.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::cell::LazyCell;
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
use rustix::time::{ClockId, clock_gettime};
use sidgate::auth::target::canonical;
use sidgate::auth::{
    Authentication, Denial, Keys, Permit, authenticate, authorize_under, named_version,
    public_under,
};
use sidgate::catalog::Catalog;
use sidgate::limit::{RateLimiter, Taking};
use sidgate::snapshot::TokenTable;
use sidgate::token::{AuthToken, Digest, ScopeSet, Sid, State, Texts, Token};

/// As in the gate itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    query: Option<&'static str>,
}

/// What a catalogue has beside its rules.
#[derive(Clone, Copy, PartialEq)]
enum Ways {
    /// Nothing.
    Plain,
    /// Versions that a request may name, suffixes and aliases; and requests use them.
    All,
}

const PATHS: &str = "[paths]\npublic = [\"GET /health\"]\n";

/// Its limits are counted by one group of benchmarks alone.
const CATEGORY: &str = "[[category]]\nname = \"All\"\n\
     limits = [\"4000000000/hour\", \"4000000000/day\"]\n";

const ALL_WAYS: &str = r#"
[versions]
latest = "16"
header = "IR-Version"
query = ["IrVersion", "Ir-Version"]
[[versions.version]]
id = "16"
[[versions.version]]
id = "15"
deprecated = 2026-06-01
sunset = 2027-06-01
[[versions.version]]
id = "14"
[paths]
public = ["GET /health"]
ignored_suffixes = [".json", ".xml"]
aliases = { v = "v1" }
"#;

fn catalog(rules: usize, ways: Ways) -> Arc<Catalog> {
    let mut text = match ways {
        Ways::Plain => String::from(PATHS),
        Ways::All => String::from(ALL_WAYS),
    };
    text.push_str(CATEGORY);
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

fn hold(count: usize) -> Vec<Held> {
    let one = |_| Held {
        sid: Sid::generate("IR").unwrap(),
        auth_token: AuthToken::generate(),
    };
    (0..count).map(one).collect()
}

fn scopes(catalog: &Catalog) -> ScopeSet {
    (0..SCOPES)
        .filter_map(|scope| catalog.scope_number(&format!("s{scope}")))
        .collect()
}

fn token(held: &Held, scopes: &ScopeSet) -> Arc<Token> {
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

fn head(sid: &Sid, auth_token: &str, rule: usize, ways: Ways) -> Head {
    let value = STANDARD.encode(format!("{sid}:{auth_token}"));
    let value = HeaderValue::from_str(&format!("Basic {value}")).unwrap();
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept"] {
        headers.insert(name, HeaderValue::from_static("bench"));
    }
    headers.insert(AUTHORIZATION, value);
    if ways == Ways::All {
        headers.insert("ir-version", HeaderValue::from_static("15"));
    }
    let (suffix, query) = match ways {
        Ways::Plain => ("", None),
        Ways::All => (".json", Some("page=2&size=100&IrVersion=15")),
    };
    Head {
        headers,
        path: format!("/v1/accounts/{sid}/things{rule}/42{suffix}"),
        query,
    }
}

/// Runs `work` on new heads for `iterations` times; the clock stands while they are made.
fn timed(iterations: u64, make: impl Fn() -> Head, mut work: impl FnMut(&Head)) -> Duration {
    let mut elapsed = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let heads: Vec<Head> = (0..left.min(BATCH)).map(|_| make()).collect();
        let begin = cpu_time();
        for head in &heads {
            work(black_box(head));
        }
        elapsed += cpu_time() - begin;
        left -= left.min(BATCH);
    }
    elapsed
}

/// What this thread has used of a CPU: what others use of it is not in the figure.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.try_into().unwrap(),
        now.tv_nsec.try_into().unwrap(),
    )
}

fn any<T>(of: &[T]) -> &T {
    &of[rand::rng().random_range(0..of.len())]
}

/// A table and what is asked of it; made when a benchmark of it is selected.
struct Setting {
    rules: usize,
    ways: Ways,
    catalog: Arc<Catalog>,
    tokens: TokenTable,
    held: Vec<Held>,
    /// Auth tokens of no one.
    strange: Vec<Held>,
    keys: Keys,
}

impl Setting {
    fn new(tokens: usize, rules: usize, ways: Ways) -> Self {
        let catalog = catalog(rules, ways);
        let held = hold(tokens);
        let scopes = scopes(&catalog);
        Self {
            rules,
            ways,
            tokens: TokenTable::new(held.iter().map(|held| token(held, &scopes))),
            catalog,
            held,
            strange: hold(1024),
            keys: Keys::default(),
        }
    }

    fn head(&self, sid: &[Held], auth_token: &[Held]) -> Head {
        let rule = rand::rng().random_range(0..self.rules);
        let auth_token = any(auth_token).auth_token.expose();
        head(&any(sid).sid, auth_token, rule, self.ways)
    }

    fn own(&self) -> Head {
        let held = any(&self.held);
        let rule = rand::rng().random_range(0..self.rules);
        head(&held.sid, held.auth_token.expose(), rule, self.ways)
    }

    fn decide(&self, head: &Head) -> Result<Permit, Denial> {
        let catalog = &self.catalog;
        let path = canonical(&head.path).unwrap();
        assert!(catalog.without_alias(&path).is_none());
        let named = named_version(catalog, &head.headers, head.query);
        if let Some(permit) = public_under(catalog, named, &Method::GET, &path, false)? {
            return Ok(permit);
        }
        match authenticate(&self.tokens, &self.keys, &head.headers)? {
            Authentication::Token(token) => {
                authorize_under(catalog, token, named, &Method::GET, &path, false)
            }
            Authentication::Slow(_) => panic!("no digest here is slow"),
        }
    }
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    for rules in [10, 10_000] {
        for tokens in [10, 10_000, 1_000_000] {
            let setting = LazyCell::new(|| Setting::new(tokens, rules, Ways::Plain));
            let name = format!("{tokens} tokens, {rules} rules");
            let admitted = || setting.own();
            // The two refusals that must not be told apart by their time.
            let wrong = || setting.head(&setting.held, &setting.strange);
            // Never the same SID twice: its page would still be warm.
            let unknown = || setting.head(&hold(1), &setting.strange);
            let kinds: [(&str, bool, &dyn Fn() -> Head); 3] = [
                ("admitted", true, &admitted),
                ("wrong", false, &wrong),
                ("unknown", false, &unknown),
            ];
            for (kind, admits, make) in kinds {
                group.bench_function(BenchmarkId::new(kind, &name), |bencher| {
                    assert_eq!(setting.decide(&make()).is_ok(), admits);
                    bencher.iter_custom(|iterations| {
                        timed(iterations, make, |head| {
                            drop(black_box(setting.decide(head)));
                        })
                    });
                });
            }
        }
    }
}

/// What a limit of two windows adds to a decision: one line decides, the other counts too.
/// Every holder has its counter, as after its first request.
fn limits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limits");
    for tokens in [10, 10_000, 1_000_000] {
        let setting = LazyCell::new(|| Setting::new(tokens, 10, Ways::Plain));
        let limiter = LazyCell::new(|| {
            let limiter = RateLimiter::new(Instant::now());
            for held in &setting.held {
                let head = head(&held.sid, held.auth_token.expose(), 0, Ways::Plain);
                count(&limiter, &setting.decide(&head).unwrap());
            }
            assert_eq!(limiter.len(), tokens);
            limiter
        });
        let make = || setting.own();
        let name = format!("{tokens} tokens");
        group.bench_function(BenchmarkId::new("decided", &name), |bencher| {
            bencher.iter_custom(|iterations| {
                timed(iterations, make, |head| {
                    drop(black_box(setting.decide(head)));
                })
            });
        });
        group.bench_function(BenchmarkId::new("decided and counted", &name), |bencher| {
            let limiter = &*limiter;
            bencher.iter_custom(|iterations| {
                timed(iterations, make, |head| {
                    let permit = setting.decide(head).unwrap();
                    count(limiter, &permit);
                    drop(black_box(permit));
                })
            });
        });
    }
}

/// Counts a request as the proxy does.
fn count(limiter: &RateLimiter, permit: &Permit) {
    let (group, token) = (permit.rate().unwrap(), permit.token().unwrap());
    let taking = limiter.take(group, token, 4_000_000, Instant::now());
    assert!(matches!(black_box(taking), Taking::Taken(_)));
}

/// The same with all that a catalogue can have, and requests that use it.
fn ways(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("versions, suffixes and aliases");
    for (tokens, rules) in [(10, 10), (10_000, 10_000)] {
        for (kind, ways) in [("without", Ways::Plain), ("with", Ways::All)] {
            let setting = LazyCell::new(|| Setting::new(tokens, rules, ways));
            let name = format!("{tokens} tokens, {rules} rules");
            group.bench_function(BenchmarkId::new(kind, &name), |bencher| {
                assert!(setting.decide(&setting.own()).is_ok());
                bencher.iter_custom(|iterations| {
                    timed(
                        iterations,
                        || setting.own(),
                        |head| {
                            drop(black_box(setting.decide(head)));
                        },
                    )
                });
            });
        }
    }
}

/// What one change costs: the new table, and letting go of the one before.
fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one change");
    for tokens in [10, 10_000, 1_000_000] {
        let setting = LazyCell::new(|| Setting::new(tokens, 10, Ways::Plain));
        let name = BenchmarkId::from_parameter(format!("{tokens} tokens"));
        group.bench_function(name, |bencher| {
            let mut table = setting.tokens.clone();
            bencher.iter_custom(|iterations| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..iterations {
                    let changed = token(any(&setting.held), &ScopeSet::default());
                    let begin = cpu_time();
                    table = table.with([(changed.sid, Some(changed))]);
                    elapsed += cpu_time() - begin;
                }
                elapsed
            });
        });
    }
}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = decision, limits, ways, change
}
criterion_main!(micro);
